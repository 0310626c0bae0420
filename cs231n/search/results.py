"""The results of a search: a file of JSON lines that only grows, a table, and a figure.

The first line says what was searched; each other line is one trial that ended: trial, epochs, config, score
(null if it failed, and then error), seconds, worker.
"""

import json
import os
from pathlib import Path

from cs231n.common.files import try_lock
from cs231n.common.terminal import log

__all__ = ["Results", "draw", "ranked", "table"]


class Results:
    """The file, and in rows what it holds, {(trial, epochs): row}. One search at a time has it open.

    header, a dict that json can write, is what must not change between two searches on one file.

    Raises: ValueError if the file is another search's, or none of a search; OSError if it cannot be written,
            or another process is writing it; before anything is changed.
    """

    def __init__(self, path, header):
        self.path = Path(path)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._file = open(self.path, "a+b")
        try:
            if try_lock(self._file) is False:
                raise OSError(
                    f"search: another search is writing {self.path}; wait for it, or try another results file"
                )
            self._file.seek(0)
            whole, torn = _split(self._file.read())
            lines = [self._parse(i, line) for i, line in enumerate(whole.splitlines(), start=1)]
            start = _line(header)
            if lines:
                self._require_same(lines[0], header)
            elif not start.startswith(torn):
                raise ValueError(f"search: {self.path} holds something else; try another results file")
            if torn:
                log(f"search: the last line of {self.path} is torn, {len(torn)} bytes; its trial runs again")
                self._file.truncate(len(whole))
            self.rows = {(row["trial"], row["epochs"]): row for row in lines[1:]}
            if not lines:
                self._write(start)
        except BaseException:
            self._file.close()
            raise

    def add(self, row):
        """Write row whole: once this returns, no crash of this process or of the machine loses it."""
        self._write(_line(row))
        self.rows[row["trial"], row["epochs"]] = row

    def _write(self, line):
        self._file.write(line)
        self._file.flush()
        os.fsync(self._file.fileno())

    def _parse(self, i, line):
        try:
            row = json.loads(line)
            if i > 1:
                row["trial"], row["epochs"], row["config"], row["score"]
            return row
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(
                f"search: line {i} of {self.path} is no result of a search ({error!r}); "
                "mend or remove that line, or try another file"
            ) from None

    def _require_same(self, found, header):
        found = found if isinstance(found, dict) else {}
        for key in header | found:
            if found.get(key) != header.get(key):
                raise ValueError(
                    f"search: {self.path} holds another search: its {key} is "
                    f"{_shown(found.get(key))}, this one's {_shown(header.get(key))}; "
                    "try another results file"
                )

    def close(self):
        self._file.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def _line(row):
    return json.dumps(row, allow_nan=False).encode() + b"\n"


def _split(content):
    """The whole lines of content, and what a crash left of a last one."""
    whole = content[: content.rfind(b"\n") + 1]
    return whole, content[len(whole) :]


def _shown(value):
    return "not given" if value is None else json.dumps(value).replace('"', "")


def ranked(rows):
    """Each trial's row of most epochs, the best first: by epochs, then by score; failed ones last."""
    last = {}
    for row in rows:
        if row["trial"] not in last or row["epochs"] > last[row["trial"]]["epochs"]:
            last[row["trial"]] = row
    return sorted(
        last.values(),
        key=lambda row: (row["score"] is None, -row["epochs"], -(row["score"] or 0), row["trial"]),
    )


def table(rows, names, width=80, most=20):
    """The ranked rows as lines of at most width characters, with the hyper-parameters called names."""
    rows = ranked(rows)
    head = ["trial", "epochs", "score", *names]
    cells = [
        [
            str(row["trial"]),
            str(row["epochs"]),
            "failed" if row["score"] is None else f"{row['score']:.4f}",
            *(_cell(row["config"][name]) for name in names),
        ]
        for row in rows[:most]
    ]
    widths = [max(map(len, column)) for column in zip(head, *cells)]
    while sum(widths) + 2 * len(widths) - 2 > width and max(widths) > 6:  # cut the longest names
        widths[widths.index(max(widths))] -= 1
    lines = ["  ".join(cell[:w].rjust(w) for cell, w in zip(line, widths)) for line in [head, *cells]]
    if len(rows) > most:
        lines.append(f"and {len(rows) - most} more")
    failed = [row for row in rows if row["score"] is None]
    lines += [f"trial {row['trial']} failed: {row['error']}"[:width] for row in failed[:5]]
    if len(failed) > 5:
        lines.append(f"and {len(failed) - 5} more failed")
    return lines


def _cell(value):
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def draw(rows, space, path):
    """Parallel coordinates, into the file path: a line a trial, through its hyper-parameters to its score.

    The better, the darker, and the best is orange; a failed trial has no score, and ends as a dashed line.
    """
    import numpy as np
    from matplotlib import colormaps
    from matplotlib.figure import Figure

    rows = ranked(rows)
    scores = [row["score"] for row in rows if row["score"] is not None] or [0.0]
    low, high = min(scores), max(scores)
    names = [*space, "score"]
    figure = Figure(figsize=(1.6 * len(names) + 1, 4.5), layout="constrained")
    axes = figure.subplots()
    for rank, row in reversed(list(enumerate(rows))):
        heights = [dimension.place(row["config"][name]) for name, dimension in space.items()]
        if row["score"] is None:
            axes.plot(heights, "--", color="0.7", lw=1)
            continue
        height = (row["score"] - low) / (high - low) if high > low else 1.0
        axes.plot(
            [*heights, height],
            lw=3.5 if rank == 0 else 1.3,
            color="#d55e00" if rank == 0 else colormaps["Blues"](0.95 - 0.7 * rank / len(rows)),
        )
    ends = [dimension.ends() for dimension in space.values()] + [(f"{low:.3f}", f"{high:.3f}")]
    for i, (bottom, top) in enumerate(ends):
        axes.axvline(i, color="0.4", lw=0.8, zorder=0)
        axes.text(i, -0.04, bottom, ha="center", va="top", fontsize=10)
        axes.text(i, 1.04, top, ha="center", va="bottom", fontsize=10)
    axes.set_xticks(np.arange(len(names)), names, fontsize=11)
    axes.tick_params(length=0, pad=16)
    axes.set(ylim=(-0.03, 1.03), xlim=(-0.4, len(names) - 0.6), yticks=[])
    axes.spines[:].set_visible(False)
    failed = sum(row["score"] is None for row in rows)
    dashed = f"; dashed: {failed} failed" if failed else ""
    axes.set_title(
        f"{len(rows)} trials: the better, the darker; the best orange{dashed}", pad=26, fontsize=12
    )
    figure.savefig(path, dpi=100)
