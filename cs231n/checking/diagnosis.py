"""From arrays that are wrong to the idea that is: what was computed against what each misconception gives."""

import re
from functools import lru_cache
from itertools import product
from typing import NamedTuple

import numpy as np

from cs231n.checking.answers.definitions import as_chosen, average, kept_by, norm_paths, spread
from cs231n.checking.answers.misconceptions import MISCONCEPTIONS, in_any_array
from cs231n.checking.problems import AGAIN, require_exercise
from cs231n.gradient_check import advice_on

__all__ = ["Diagnosis", "diagnose"]

SOFTMAX = "the docstring of softmax_loss"
RTOL, ATOL = 1e-6, 1e-8  # as in gradient_check, for float64; atol here is relative to the largest entry
# What a function is asked besides. It is told once all else is right: a mistake there spoils this as well.
BESIDES = re.compile(r"itemsize|(loss|dx)_smoothed|(dropout|smoothed)\..*")


class Diagnosis(NamedTuple):
    kind: str  # of the misconception; or "unknown", "shape", "dtype", "not-finite", "missing"
    sentence: str  # what is wrong, as an idea; never what to write
    equation: str  # where the idea is explained; empty if nothing is known
    worst: str  # which array, how many of its entries, and the worst of them
    sure: bool = True  # False where a wrong array is only described, and no known misconception gives it

    def __str__(self):
        source = f" See {self.equation}." if self.equation else ""
        return f"{self.sentence}{source} {self.worst}."


def diagnose(exercise, inputs, got, expected):
    """Compare what a function gave with what was expected: None if all of it agrees, else a Diagnosis.

    It works on arrays alone and runs no learner's code, so a grader may call it on what another process sent.
    When several arrays are wrong for several reasons, the sentence names each, and kind is the first.

    Args: exercise, a key of problems.EXERCISES; inputs, as problems gives them; got, expected: dicts of
          arrays as run returns them. The mask of dropout is free: there, what is right follows from got.
    """
    require_exercise(exercise)
    for name, right in expected.items():
        doubt = _form(name, got.get(name), np.asarray(right))
        if doubt:
            return doubt
    if exercise.startswith("dropout"):
        doubt = _mask(inputs, got)
        if doubt:
            return doubt
    expected = as_chosen(exercise, inputs, got, expected)
    got = {name: np.asarray(got[name]) for name in expected}
    expected = {name: np.asarray(right, np.float64) for name, right in expected.items()}
    wrong = [name for name in expected if not _close(got[name], expected[name])]
    first = [name for name in wrong if not BESIDES.fullmatch(name)] or wrong
    return _told(exercise, inputs, got, expected, first) if wrong else None


def _told(exercise, inputs, got, expected, wrong):
    found = _explained(exercise, inputs, got, expected, wrong)
    kinds = [kind for kind, _, _ in found.values() if kind != "unknown"]
    said = {}
    for name, (_, sentence, source) in found.items():
        said.setdefault((sentence, source), []).append(name)
    shown = list(said.items())[:3]
    sentence = " ".join(f"{_listed(names)}: {text}" for (text, _), names in shown)
    if len(said) > len(shown):
        sentence += f" {_listed([n for names in list(said.values())[3:] for n in names])}: off too."
    sources = dict.fromkeys(source for (_, source), _ in shown if source)
    first = wrong[0]
    known = {row.kind for row in MISCONCEPTIONS[exercise]}
    return Diagnosis(
        (kinds or ["unknown"])[0],
        sentence,
        "; ".join(sources),
        _worst(first, got[first], expected[first]),
        sure={kind for kind, _, _ in found.values()} <= known,
    )


def _listed(names):
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")


def _form(name, value, right):
    """A doubt about an array before its values: is it there, of the right shape and dtype?"""
    if value is None:
        return Diagnosis("missing", f"{name} is missing.", "", f"{name} is not there")
    value = np.asarray(value)
    if value.shape != right.shape:
        kind, hint = "shape", "a gradient has the shape of what it is taken with respect to"
        if value.shape[::-1] == right.shape and value.ndim > 1:
            kind, hint = "transposed", "it is transposed, or the factors of a product have changed places"
        elif value.ndim == right.ndim == 1:
            hint = "it seems to be summed along the wrong axis"
        elif value.size == right.size:
            hint = "the right number of entries in another shape"
        elif value.ndim != right.ndim:
            hint = (
                "an axis is summed that should stay"
                if value.ndim < right.ndim
                else "an axis stays that should be summed"
            )
        return Diagnosis(
            kind,
            f"{name} has the wrong shape: {hint}.",
            "",
            f"{name}: yours {value.shape}, wanted {right.shape}",
        )
    if right.ndim and value.dtype != np.float64:
        return Diagnosis(
            "dtype",
            f"{name} is {value.dtype} though the inputs are float64: an array is "
            "cast, or made with another dtype, on the way.",
            "",
            f"{name}: yours {value.dtype}, wanted float64",
        )
    return None


def _mask(given, got):
    """What is free in dropout must still be a mask: independent entries, kept with probability p."""
    x, p, out = given["x"], given["p"], np.asarray(got["out"])
    if out.shape != x.shape:
        return _form("out", out, x)
    kept = out != 0
    share, sure = kept.mean(), 6 * np.sqrt(p * (1 - p) / kept.size)  # 6 deviations: one seed in 10^8
    lines = {"row": (kept.all(axis=1) | ~kept.any(axis=1)).all(), "column": (kept == kept[0]).all()}
    source = "notebook 3, section 8"
    if kept.all():
        doubt = "nothing-dropped", "no entry is dropped in mode 'train'."
    elif any(lines.values()):
        line = max(lines, key=lines.get)
        doubt = "mask-by-line", f"each {line} is kept or dropped as a whole; each entry has its own chance."
    elif abs(share - (1 - p)) <= sure:
        doubt = "p-is-kept", "p is taken for the probability to drop; here it is that to keep."
    elif abs(share - p) > sure:
        doubt = "share-kept", "the share of entries that is kept is not p."
    elif "out_again" in got and not np.array_equal(kept, np.asarray(got["out_again"]) != 0):
        doubt = "seed-ignored", "one seed gives two masks; a gradient check needs the same at each call."
        source = "the docstring of dropout_forward"
    else:
        return _alike(p, got)
    return Diagnosis(*doubt, source, f"out: {share:.1%} of {kept.size} entries kept, wanted about {p:.0%}")


def _alike(p, got):
    """A doubt about two masks that are to have nothing to do with each other."""
    for first, other, said in [
        ("out", "out_of_other_seed", "another seed gives"),
        ("out_unseeded", "out_unseeded_again", "without a seed two calls give"),
    ]:
        if other not in got:
            continue
        both = kept_by(np.asarray(got[first])) & kept_by(np.asarray(got[other]))
        if abs(both.mean() - p * p) > 6 * p * np.sqrt((1 - p * p) / both.size):
            return Diagnosis(
                "one-mask",
                f"{said} the same mask, or one like it; only the same seed, given "
                "again, gives the same mask.",
                "the docstring of dropout_forward",
                f"{other}: {both.mean():.0%} of {both.size} entries are kept by both masks, "
                f"wanted about {p * p:.0%}",
            )
    return None


def _close(a, b):
    """Whether two arrays agree; where one is NaN or infinite, the other must be the same."""
    size = np.abs(b[np.isfinite(b)]).max(initial=1e-3)
    return a.shape == b.shape and np.allclose(a, b, rtol=RTOL, atol=ATOL * size, equal_nan=True)


def _explained(exercise, given, got, expected, wrong):
    """{name of a wrong array: (kind, sentence, source)}, from as few misconceptions as it takes."""
    rows, content = [], []
    for name, value in [*given.items(), *expected.items()]:  # rounded: differences carry noise
        content += name, np.shape(value), np.round(value, 6).tobytes()
    kept = _predictions(exercise, *content)
    with np.errstate(all="ignore"):
        for i, row in enumerate(MISCONCEPTIONS[exercise]):
            if i not in kept:
                kept[i] = {
                    name: np.asarray(value, np.float64)
                    for name, value in row.predict(given, expected).items()
                    if name in expected
                }
                kept[i] |= {
                    again: kept[i][name] for again, name in AGAIN.get(exercise, {}).items() if name in kept[i]
                }
            predicted = kept[i]
            hits = [name for name in wrong if name in predicted and _close(got[name], predicted[name])]
            # One that would also have spoiled an array which is right explains less well; but a second
            # function may well be right where the first is not.
            misses = [
                name
                for name in predicted
                if name not in hits
                and name not in AGAIN.get(exercise, ())
                and not _close(predicted[name], expected[name])
            ]
            if hits:
                rows.append((len(hits), -len(misses), row, hits))
            if len(hits) == len(wrong) and not misses:
                break
    found = {}
    for *_, row, hits in sorted(rows, key=lambda r: r[:2], reverse=True):
        for name in hits:
            found.setdefault(name, row[:3])
    with np.errstate(all="ignore"):
        return {
            name: found.get(name) or _in_general(exercise, given, name, got[name], expected[name])
            for name in wrong
        }


@lru_cache(64)  # a class is asked the same problems, and what misconceptions make of them stays the same
def _predictions(exercise, *content):
    """What the misconceptions of an exercise make of one problem, by their number: filled as it is asked."""
    return {}


def _in_general(exercise, given, name, yours, right):
    """What can be said of an array that no misconception of its exercise explains."""
    if not np.isfinite(yours).all():
        if name == "loss_of_large":
            return (
                "overflow",
                (
                    "NaN or infinite for rows of scores around 1000 and around -1000: exp "
                    "overflows, or gives 0 for a whole row. A softmax stays the same when one "
                    "number is subtracted from a whole row, for each row its own."
                ),
                SOFTMAX,
            )
        return (
            "not-finite",
            ("NaN or infinite: look for a division by zero, or a log or root of a negative number."),
            "",
        )
    for kind, sentence, predicted in in_any_array(right):
        if _close(yours, predicted):
            return kind, sentence, ""
    if name == "dx" and "norm_backward" in exercise:
        said = _by_paths(given, yours, rows=exercise.startswith("layer"))
        if said:
            return said
    if right.ndim == 0:
        return (
            "unknown",
            (f"no known mistake fits; the ratio is {yours / right:.6g}, the difference {yours - right:.6g}."),
            "",
        )
    off = np.abs(yours - right) > ATOL + RTOL * np.abs(right)
    advice = advice_on(yours, right, off, ATOL)
    if advice.startswith("check one step") and "backward" not in exercise:
        advice = "no known mistake fits, and no simple pattern: work one entry out by hand, step by step."
    return "unknown", advice, ""


def _by_paths(given, yours, rows):
    """dx as a sum of its three paths, each with a factor for every column (layernorm: row), if it is one."""
    turn = np.transpose if rows else np.asarray
    yours, paths = turn(yours), [turn(path) for path in norm_paths(given, rows)]
    factors = np.stack(
        [
            np.linalg.lstsq(np.stack(columns, axis=1), mine, rcond=None)[0]
            for *columns, mine in zip(*(path.T for path in paths), yours.T)
        ],
        axis=1,
    )
    if not _close(sum(factor * path for factor, path in zip(factors, paths)), yours):
        return None
    t = turn(given["x"])
    deviation = (spread(t, average(t))[0] + given["eps"]) ** 0.5
    said, off = [], {}
    for (way, equation), factor in zip([("direct", 8), ("mean", 13), ("variance", 11)], factors):
        name = _factor(factor, len(t), deviation, 1.0 if rows else given["gamma"])
        said.append(f"the {'direct way' if way == 'direct' else f'way through the {way}'} is {name}")
        if name != "right":
            off[way] = f"({equation})"
    kind = "several-paths" if len(off) > 1 else f"{next(iter(off))}-path"
    return kind, "; ".join(said) + ".", f"notebook 2, equation {', '.join(off.values())}"


def _factor(factor, n, deviation, gamma):
    """What a factor on a path says, as a product of as few of the usual slips as it takes."""
    if np.abs(factor).max() < 1e-6:
        return "missing"
    slips = [
        {0: (1, ""), 1: (-1, "of the wrong sign")},
        {0: (1, ""), -1: (1 / gamma, "without gamma"), 1: (gamma, "with gamma twice")},
        {
            0: (1, ""),
            1: (n, "without its 1/N"),
            -1: (1 / n, "with 1/N twice"),
            2: (n / (n - 1), "divided by N - 1 in place of N"),
        },
        {
            0: (1, ""),
            1: (deviation, "without a 1/s"),
            2: (deviation**2, "without 1/s^2"),
            3: (deviation**3, "without 1/s^3"),
            -1: (1 / deviation, "with a 1/s too many"),
            -2: (deviation**-2, "with 1/s^2 too many"),
        },
        {0: (1, ""), 1: (2, "twice too large"), -1: (0.5, "half of what it should be")},
    ]
    for count, choice in sorted(((sum(k != 0 for k in c), c) for c in product(*slips)), key=lambda c: c[0]):
        value = np.prod(np.broadcast_arrays(*(slip[k][0] for slip, k in zip(slips, choice))), axis=0)
        if np.allclose(factor, value, rtol=1e-5, atol=1e-6):
            return ", ".join(slip[k][1] for slip, k in zip(slips, choice) if k) if count else "right"
    return (
        f"off by a factor of {factor[0]:.4g}"
        if np.ptp(factor) < 1e-5
        else "off by a factor that differs from line to line"
    )


def _worst(name, yours, right):
    distance = np.where(np.isfinite(yours), np.abs(yours - right), np.inf)
    index = np.unravel_index(np.argmax(distance), right.shape)
    told = abs(right[index]) > ATOL and np.isfinite(yours[index])
    ratio = f", ratio {yours[index] / right[index]:.4g}" if told else ""
    numbers = f"yours {yours[index]:.4g}, wanted {right[index]:.4g}{ratio}"
    if not right.ndim:
        return f"{name}: {numbers}"
    off = np.sum(distance > ATOL * np.abs(right).max() + RTOL * np.abs(right))
    place = ", ".join(str(int(i)) for i in index)
    return f"{name}: {off} of {right.size} entries off; worst at ({place}): {numbers}"
