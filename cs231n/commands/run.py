"""python -m cs231n run: execute every notebook, write it as a page, print the closing table."""

import sys
import time
from pathlib import Path

from cs231n.common.files import REPOSITORY
from cs231n.common.terminal import format_duration
from cs231n.pages import render
from cs231n.pages.execute import Outcome, execute
from cs231n.pages.results import collect, is_synthetic, print_table, table_rows

__all__ = ["main"]


def main(
    notebooks: Path = REPOSITORY / "notebooks",
    reports: Path = REPOSITORY / "reports",
    docs: Path = REPOSITORY / "docs",
) -> int:
    """Returns the exit status: 0 if every cell ran, 1 if not, 130 after Ctrl-C."""
    started = time.monotonic()
    paths = sorted(notebooks.glob("[0-9]*.ipynb"))
    if not paths:
        print(f"run: no notebook in {notebooks}; try a fresh clone", file=sys.stderr)
        return 1
    try:
        reports.mkdir(parents=True, exist_ok=True)
        (reports / "index.html").unlink(missing_ok=True)  # an old index must not pass for this run's
    except OSError as error:
        print(f"run: cannot write {reports}: {error.strerror}; try another folder", file=sys.stderr)
        return 1

    print(f"Executing {len(paths)} notebooks; those that train nets take minutes.")
    outcomes: dict[Path, Outcome] = {}
    cards: dict[Path, render.Card] = {}
    site = render.Site(reports, paths, docs)

    def finish(outcome: Outcome) -> None:
        outcomes[outcome.path] = outcome
        cards[outcome.path] = site.write_notebook(outcome)
        verdict = "FAILED" if outcome.error else "ok"
        print(f"  {outcome.path.stem:<28}{format_duration(outcome.seconds):>12}   {verdict}", flush=True)

    try:
        execute(paths, finish)
    except KeyboardInterrupt:
        pages = f"the pages of those that had ended are in {reports}" if cards else "no page was written"
        print(f"\nrun: interrupted; {pages}", file=sys.stderr)
        return 130

    results = collect(outcomes[path].notebook for path in paths)
    rows = table_rows(results, time.monotonic() - started)
    site.write_docs()
    site.write_index([cards[path] for path in paths], rows, is_synthetic(results))
    print_table(rows, is_synthetic(results))
    print(f"\nThe pages: {reports / 'index.html'}")
    failures = [outcomes[path] for path in paths if outcomes[path].error]
    for outcome in failures:
        print(f"FAILED {outcome.path.name}, {outcome.error}", file=sys.stderr)
    return 1 if failures else 0
