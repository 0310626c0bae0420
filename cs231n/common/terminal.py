"""Printed lines of a long job, under a bar where somebody watches: on a terminal or in a notebook."""

import sys

from cs231n.vis_utils import in_notebook

__all__ = ["Progress"]


class Progress:
    """with Progress(total, done, verbose) as bar: bar.say(line); bar.advance(loss=0.1, val_acc=0.5)"""

    def __init__(self, total, done=0, verbose=True):
        self.total, self.done, self.verbose, self.bar = total, done, verbose, None

    def __enter__(self):
        if self.verbose and (sys.stderr is not None and sys.stderr.isatty() or in_notebook()):
            from tqdm import tqdm

            self.bar = tqdm(total=self.total, initial=self.done, leave=False, unit="it", dynamic_ncols=True)
        return self

    def say(self, line):
        if self.bar is not None:
            self.bar.write(line)
        elif self.verbose:
            print(line)

    def advance(self, **shown):
        """One step further, with these numbers beside the bar."""
        if self.bar is not None:
            self.bar.set_postfix({name: f"{value:.3f}" for name, value in shown.items()}, refresh=False)
            self.bar.update()

    def __exit__(self, *_):
        if self.bar is not None:
            self.bar.close()
