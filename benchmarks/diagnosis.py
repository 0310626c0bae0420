"""How many wrong solutions fail, and how many are named rightly: the tables of docs/diagnosis.md.

    python benchmarks/diagnosis.py [--write docs/diagnosis.md]

Run from the root of the repository; it takes minutes on one core.
"""

import argparse
import sys
import warnings
from collections import Counter, defaultdict
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1])]


from cs231n.checking.verdict import verdict  # noqa: E402
from tests.corpus import SOLUTIONS, built, labelled  # noqa: E402
from tests.corpus.mutants import by_machine, same_elsewhere  # noqa: E402

START, END = "<!-- measured: begin -->", "<!-- measured: end -->"


def by_kind():
    """{right kind: Counter of all, failed, named}, and the solutions that were named otherwise."""
    table, misnamed = defaultdict(Counter), []
    for exercise, name, source, kinds in labelled():
        result = verdict(exercise, built(exercise, source))
        first = sorted(kinds)[0]
        table[first] += Counter(all=1, failed=result.status == "wrong", named=result.kind in kinds)
        if result.kind not in kinds:
            misnamed.append((exercise, name, first, result.kind))
    return table, misnamed


def by_exercise():
    table = {}
    for exercise, styles in SOLUTIONS.items():
        count = table[exercise] = Counter()
        for style in styles:
            for _, source in by_machine(exercise, style):
                module = built(exercise, source)
                result = verdict(exercise, module)
                if result.status == "passed":
                    count["no change" if same_elsewhere(exercise, module) else "missed"] += 1
                else:
                    count["unknown" if result.kind == "unknown" else "named"] += 1
    return table


def lines():
    table, misnamed = by_kind()
    total = sum(table.values(), Counter())
    yield (
        f"{total['all']} wrong solutions made by hand: {total['failed']} fail, {total['named']} "
        f"({total['named'] / total['all']:.1%}) are named rightly.\n"
    )
    yield "| misconception | solutions | fail | named rightly |\n|---|---|---|---|"
    for kind, count in sorted(table.items()):
        yield f"| {kind} | {count['all']} | {count['failed']} | {count['named']} |"
    if misnamed:
        yield "\nNamed otherwise:\n"
        for exercise, name, kind, actual in misnamed:
            yield f"- `{exercise}`, {name.partition(': ')[2]!r}: {actual} for {kind}"
    table = by_exercise()
    total = sum(table.values(), Counter())
    wrong = total["named"] + total["unknown"] + total["missed"]
    yield (
        f"\n{total.total()} small edits made by machine: {total['no change']} change nothing that the "
        f"course asks, and of the "
        f"{wrong} others {wrong - total['missed']} fail; {total['named'] / wrong:.0%} of these get a "
        "name, which nobody has judged.\n"
    )
    yield "| exercise | edits | change nothing | fail | with a name |\n|---|---|---|---|---|"
    for exercise, count in table.items():
        failed = count["named"] + count["unknown"]
        yield f"| {exercise} | {count.total()} | {count['no change']} | {failed} | {count['named']} |"


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--write", metavar="FILE", help="put the tables between the marks in FILE")
    target = parser.parse_args().write
    warnings.simplefilter("ignore")  # of the mutants' own arithmetic
    text = "\n".join(lines())
    print(text)
    if target:
        page = Path(target).read_text(encoding="utf-8")
        before, after = page.split(START)[0], page.split(END)[1]
        Path(target).write_text(f"{before}{START}\n{text}\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
