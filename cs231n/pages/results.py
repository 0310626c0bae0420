"""Results that notebooks recorded, and the closing table made of them."""

import textwrap
from collections.abc import Iterable
from typing import TypeAlias

from cs231n.common.terminal import format_duration
from cs231n.report import RESULTS

__all__ = ["Results", "collect", "is_synthetic", "print_table", "table_rows"]

Results: TypeAlias = dict[str, float | str]  # by name, one of RESULTS


def collect(notebooks: Iterable[dict]) -> Results:
    """The recorded values by name: of the gradient errors the largest, of any other name the last."""
    results: Results = {}
    for notebook in notebooks:
        for cell in notebook["cells"]:
            for output in cell.get("outputs", []):
                entry = output.get("metadata", {}).get("cs231n")
                if not entry or entry.get("name") not in RESULTS:
                    continue
                name, value = entry["name"], entry["value"]
                if name == "largest gradient error" and name in results:
                    value = max(value, results[name])
                results[name] = value
    return results


def is_synthetic(results: Results) -> bool:
    """Whether the results were measured on the stand-in for CIFAR-10."""
    return "stand-in" in str(results.get("data source", "")).lower()


def table_rows(results: Results, seconds: float) -> list[tuple[str, str]]:
    """The closing table as (name, text); a value that no notebook recorded is "not measured"."""
    rows = [
        (name, as_text(results[name]) if name in results else "not measured")
        for name, as_text in RESULTS.items()
    ]
    return [*rows, ("time", format_duration(seconds))]


def print_table(rows: list[tuple[str, str]], synthetic: bool) -> None:
    """Print the closing table in lines of at most 80 characters; `synthetic` adds warnings."""
    warning = ["*** STAND-IN DATA: these accuracies are not those of CIFAR-10. ***"] if synthetic else []
    left = max(len(name) for name, _ in rows) + 2
    lines = [
        textwrap.fill(text, 80, initial_indent=name.ljust(left), subsequent_indent=" " * left)
        for name, text in rows
    ]
    print("", *warning, *lines, *warning, sep="\n")
