"""The results of a search: a file of JSON lines that only grows, a table, and a figure.

The first line is the header of the search; each other line is one trial that ended: trial, epochs, config,
score (null if it failed, and then error), seconds, worker.
"""

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from cs231n.common.files import try_lock
from cs231n.common.terminal import log
from cs231n.search.space import Space

__all__ = ["Results", "Row", "draw", "ranked", "table"]

Row = dict[str, Any]


class Results:
    """The file, open for one search at a time, and its rows: {(trial, epochs): row}.

    Args:
        path: the file; its folder is made.
        header: what JSON can hold; it must not differ between two searches on one file.

    Raises:
        ValueError: the file belongs to another search, or to none; nothing is changed.
        OSError: it cannot be written, or another process is writing it.
    """

    def __init__(self, path: str | os.PathLike, header: dict[str, Any]):
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
                raise ValueError(f"search: {self.path} is not a results file; try another one")
            if torn:
                log(f"search: the last line of {self.path} is incomplete; its trial runs again")
                self._file.truncate(len(whole))
            self.rows: dict[tuple[int, int], Row] = {(row["trial"], row["epochs"]): row for row in lines[1:]}
            if not lines:
                self._write(start)
        except BaseException:
            self._file.close()
            raise

    def add(self, row: Row) -> None:
        """Write `row` and fsync: after this returns, no crash of the process or of the machine loses it."""
        self._write(_line(row))
        self.rows[row["trial"], row["epochs"]] = row

    def _write(self, line: bytes) -> None:
        self._file.write(line)
        self._file.flush()
        os.fsync(self._file.fileno())

    def _parse(self, i: int, line: bytes) -> Row:
        try:
            row = json.loads(line)
            if i > 1:
                row["trial"], row["epochs"], row["config"], row["score"]
            return row
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(
                f"search: line {i} of {self.path} is not a result of a search ({error!r}); "
                "correct or remove that line, or try another file"
            ) from None

    def _require_same(self, first_line: Any, header: dict[str, Any]) -> None:
        stored = first_line if isinstance(first_line, dict) else {}
        for key in header | stored:
            if stored.get(key) != header.get(key):
                raise ValueError(
                    f"search: {self.path} holds another search: its {key} is "
                    f"{_format_value(stored.get(key))}, this one's {_format_value(header.get(key))}; "
                    "try another results file"
                )

    def close(self) -> None:
        self._file.close()

    def __enter__(self) -> "Results":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _line(row: Row) -> bytes:
    return json.dumps(row, allow_nan=False).encode() + b"\n"


def _split(content: bytes) -> tuple[bytes, bytes]:
    """The complete lines, and the part of a last line that a crash left."""
    whole = content[: content.rfind(b"\n") + 1]
    return whole, content[len(whole) :]


def _format_value(value: Any) -> str:
    return "not given" if value is None else json.dumps(value).replace('"', "")


def ranked(rows: Iterable[Row]) -> list[Row]:
    """Each trial's row of most epochs, the best first: by epochs, then by score; failed ones last."""
    last: dict[int, Row] = {}
    for row in rows:
        if row["trial"] not in last or row["epochs"] > last[row["trial"]]["epochs"]:
            last[row["trial"]] = row
    return sorted(
        last.values(),
        key=lambda row: (row["score"] is None, -row["epochs"], -(row["score"] or 0), row["trial"]),
    )


def table(rows: Iterable[Row], names: Iterable[str], width: int = 80, max_rows: int = 20) -> list[str]:
    """The ranked rows as lines of text.

    Args:
        rows: in any order.
        names: the hyper-parameters that get a column.
        width: characters a line may have.
        max_rows: rows below the head; a last line counts the rest.
    """
    names = list(names)
    rows = ranked(rows)
    head = ["trial", "epochs", "score", *names]
    cells = [
        [
            str(row["trial"]),
            str(row["epochs"]),
            "failed" if row["score"] is None else f"{row['score']:.4f}",
            *(_cell(row["config"][name]) for name in names),
        ]
        for row in rows[:max_rows]
    ]
    widths = [max(map(len, column)) for column in zip(head, *cells)]
    while sum(widths) + 2 * len(widths) - 2 > width and max(widths) > 6:  # cut the longest names
        widths[widths.index(max(widths))] -= 1
    lines = ["  ".join(cell[:w].rjust(w) for cell, w in zip(line, widths)) for line in [head, *cells]]
    if len(rows) > max_rows:
        lines.append(f"and {len(rows) - max_rows} more")
    failed = [row for row in rows if row["score"] is None]
    lines += [f"trial {row['trial']} failed: {row['error']}"[:width] for row in failed[:5]]
    if len(failed) > 5:
        lines.append(f"and {len(failed) - 5} more failed")
    return lines


def _cell(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def draw(rows: Iterable[Row], space: Space, path: str | os.PathLike) -> None:
    """Draw parallel coordinates into a file: a line for each trial, from hyper-parameter to hyper-parameter.

    Darker is better; the best is orange. A failed trial has no score and is a dashed line.
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
    axes.set_title(f"{len(rows)} trials: darker is better, the best is orange{dashed}", pad=26, fontsize=12)
    figure.savefig(path, dpi=100)
