"""Count the wrong solutions that fail and that get the right diagnosis: the tables of docs/reliability.md.

    python benchmarks/diagnosis.py [--write docs/reliability.md]

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
    """{right kind: Counter of all, failed, named}, and the solutions with another diagnosis."""
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
        f"{len(CASES)} mistakes like those of learners, {table.total()} verdicts: precision "
        f"{named / (named + wrong_names):.1%}, recall {named / wrong:.1%}.\n"
    )
    yield "| verdict | number |\n|---|---|"
    yield from (f"| {kind} | {table[kind]} |" for kind in OUTCOMES)
    if faults:
        yield "\nMistakes of the diagnosis:\n"
        yield from (f"- {name}, `{exercise}`: {kind}" for name, exercise, kind in faults)
    yield ""


def summary(hand, misnamed, automatic):
    """The lines for docs/reliability.md."""
    yield from genuine_lines()
    total = sum(hand.values(), Counter())
    yield (
        f"Of {total['all']} mistakes made by hand, {total['failed']} fail and {total['named']} "
        f"({total['named'] / total['all']:.1%}) get the right diagnosis."
        f"{' The others:' * bool(misnamed)}\n"
    )
    for exercise, name, kind, actual in misnamed:
        yield f"- `{exercise}`, {name.partition(': ')[2]!r}: {actual} instead of {kind}"
    total = sum(automatic.values(), Counter())
    wrong = total["named"] + total["unknown"] + total["missed"]
    yield (
        f"\nOf {total.total()} automatic edits, {total['no change']} still fulfil the requirements of the "
        f"course. Of the other {wrong}, {wrong - total['missed']} fail, and {total['named'] / wrong:.0%} "
        "of these get a diagnosis, which nobody has judged."
    )


def details(hand, automatic):
    """Tables by misconception and by exercise."""
    yield "\n| misconception | solutions | fail | right diagnosis |\n|---|---|---|---|"
    for kind, count in sorted(hand.items()):
        yield f"| {kind} | {count['all']} | {count['failed']} | {count['named']} |"
    yield "\n| exercise | edits | still right | fail | with a diagnosis |\n|---|---|---|---|---|"
    for exercise, count in automatic.items():
        failed = count["named"] + count["unknown"]
        yield f"| {exercise} | {count.total()} | {count['no change']} | {failed} | {count['named']} |"


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--write", metavar="FILE", help="write the summary between the markers in FILE")
    target = parser.parse_args().write
    warnings.simplefilter("ignore")  # of the mutants' own arithmetic
    (hand, misnamed), automatic = by_kind(), by_exercise()
    text = "\n".join(summary(hand, misnamed, automatic))
    print(text, *details(hand, automatic), sep="\n")
    if target:
        page = Path(target).read_text(encoding="utf-8")
        before, after = page.split(START)[0], page.split(END)[1]
        Path(target).write_text(f"{before}{START}\n{text}\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
