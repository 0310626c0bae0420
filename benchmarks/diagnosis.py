"""Count the wrong solutions that fail and that get the right diagnosis: the tables of docs/diagnosis.md.

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
from tests.corpus.genuine import CASES, words_of  # noqa: E402
from tests.corpus.harness import (  # noqa: E402
    ALARM,
    CRASHED,
    MISNAMED,
    MISS,
    NAMED,
    OUTCOMES,
    POINTED,
    STYLES,
    UNNAMED,
    UNPOINTED,
    outcome,
    results,
    used,
)
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


def genuine():
    """Counter of the outcomes of the genuine set, and (case, exercise, outcome) of what should not be.

    A verdict counts if a case has changed what its exercise runs.
    """
    table, faults = Counter(), []
    for name, case in CASES.items():
        solution, style = case.solution, STYLES[case.style]
        for result in results(solution):
            if used(result.exercise, solution) != used(result.exercise, style):
                kind = outcome(result, words_of(case, result.exercise))
                table[kind] += 1
                if kind in (MISNAMED, ALARM, UNPOINTED, CRASHED, MISS):
                    faults.append((name, result.exercise, kind))
    return table, faults


def genuine_lines():
    table, faults = genuine()
    named = table[NAMED] + table[POINTED]
    wrong_names = table[MISNAMED] + table[ALARM] + table[UNPOINTED]
    wrong = named + table[UNNAMED] + table[MISNAMED] + table[UNPOINTED] + table[CRASHED] + table[MISS]
    yield (
        f"{len(CASES)} cases of genuine mistakes, {table.total()} verdicts: precision "
        f"{named / (named + wrong_names):.1%}, recall {named / wrong:.1%}.\n"
    )
    yield "| verdict | number |\n|---|---|"
    yield from (f"| {kind} | {table[kind]} |" for kind in OUTCOMES)
    if faults:
        yield "\nOf these, the faults of the check:\n"
        yield from (f"- {name}, `{exercise}`: {kind}" for name, exercise, kind in faults)
    yield ""


def lines():
    yield from genuine_lines()
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
    parser.add_argument("--write", metavar="FILE", help="write the tables between the marks in FILE")
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
