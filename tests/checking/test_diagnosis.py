"""Misconceptions are recognized from arrays alone; wrong solutions fail, and most are named rightly."""

import importlib
import json
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from cs231n import layers
from cs231n.checking.answers.definitions import as_chosen, defined, norm_paths
from cs231n.checking.answers.misconceptions import MISCONCEPTIONS
from cs231n.checking.diagnosis import diagnose
from cs231n.checking.problems import EXERCISES, WEIGHTS, problems, run
from cs231n.checks import verdict
from tests.corpus.mutants import by_machine, labelled, same_elsewhere
from tests.corpus.solutions import SOLUTIONS, built

every_exercise = pytest.mark.parametrize("exercise", EXERCISES)
LABELLED = list(labelled())


def solved(exercise, seed=0, shape=None):
    """inputs, what the kit makes of them."""
    inputs = problems(exercise, seed, shape)
    return inputs, run(exercise, importlib.import_module(EXERCISES[exercise]), inputs)


@every_exercise
@pytest.mark.parametrize("shape", [None, (9, 7)], ids=str)
def test_right_arrays_are_not_doubted(exercise, shape):
    inputs, right = solved(exercise, 2, shape)
    assert diagnose(exercise, inputs, right, right) is None
    assert diagnose(exercise, inputs, right, defined(exercise, inputs, right)) is None


@pytest.mark.parametrize(
    "exercise",
    [pytest.param(name, marks=pytest.mark.slow if name == "FullyConnectedNet" else ()) for name in EXERCISES],
)
def test_each_misconception_is_recognized_by_its_arrays(exercise):
    inputs, right = solved(exercise, 1)
    with np.errstate(all="ignore"):
        for row in MISCONCEPTIONS[exercise]:
            predicted = row.predict(inputs, right)
            assert predicted.keys() <= right.keys(), row.kind
            assert any(not np.allclose(value, right[name], rtol=1e-6) for name, value in predicted.items()), (
                row
            )
            found = diagnose(exercise, inputs, {**right, **predicted}, right)
            assert found is not None and found.kind == row.kind, (row, found)


def test_there_are_many_and_their_words_are_fit_to_print():
    rows = [row for table in MISCONCEPTIONS.values() for row in table]
    assert len({row.kind for row in rows}) >= 100
    notebooks = Path(layers.__file__).parents[1] / "notebooks"
    notebook = json.loads((notebooks / "2_batchnorm_gradient.ipynb").read_text(encoding="utf-8"))
    tags = set(re.findall(r"\\tag\{(\d+)\}", "".join("".join(cell["source"]) for cell in notebook["cells"])))
    for row in rows:
        assert re.fullmatch(r"[a-z0-9-]+", row.kind)
        assert row.sentence.endswith(".") and "`" not in row.sentence and "np." not in row.sentence, row
        assert row.source and set(re.findall(r"\((\d+)\)", row.source)) <= tags, row


def wrong(exercise, **changes):
    """The diagnosis when the arrays of changes are made from (inputs, right)."""
    inputs, right = solved(exercise, 1)
    return diagnose(exercise, inputs, {**right, **{k: f(inputs, right) for k, f in changes.items()}}, right)


def test_several_reasons_are_each_named():
    found = wrong("batchnorm_backward", dx=lambda g, r: norm_paths(g)[0], dbeta=lambda g, r: r["dbeta"] / 7)
    assert found.kind == "statistics-held-fixed"
    assert "dx: mean and variance are held fixed" in found.sentence and "dbeta: averaged" in found.sentence
    assert "(16)" in found.equation and "(7)" in found.equation


def test_a_mixture_within_one_array_is_taken_apart_by_its_paths():
    found = wrong(
        "batchnorm_backward", dx=lambda g, r: (lambda a, b, c: a / g["gamma"] - 7 * b)(*norm_paths(g))
    )
    assert found.kind == "several-paths"
    assert "the direct way is without gamma" in found.sentence
    assert "the way through the mean is of the wrong sign, without its 1/N" in found.sentence
    assert "the way through the variance is missing" in found.sentence
    assert found.equation == "notebook 2, equation (8), (13), (11)"


def test_layernorm_is_taken_apart_along_its_rows():
    found = wrong(
        "layernorm_backward", dx=lambda g, r: np.einsum("k,knd->nd", [1, 0.2, 2], norm_paths(g, True))
    )
    assert "through the mean is with 1/N twice; the way through the variance is twice" in found.sentence


@pytest.mark.parametrize(
    "exercise, change, kind, words",
    [
        (
            "affine_backward",
            lambda g, r: r["dw"] * np.where(np.arange(3) == 1, 2, 1),
            "unknown",
            "only columns 1",
        ),
        ("affine_backward", lambda g, r: r["dw"] * 1.7, "unknown", "constant factor, 1.7"),
        ("affine_backward", lambda g, r: -r["dw"], "sign", "right up to the sign"),
        ("affine_backward", lambda g, r: r["dw"] * 3, "sum-for-mean", "exactly 3"),
        ("affine_backward", lambda g, r: r["dw"][::-1], "unknown", ""),
    ],
    ids=["columns", "ratio", "sign", "size", "reversed"],
)
def test_the_unknown_is_described(exercise, change, kind, words):
    found = wrong(exercise, dw=change)
    assert found.kind == kind and words in found.sentence and found.worst.startswith("dw: ")


def test_the_worst_entry_is_shown_and_nan_is_the_worst():
    def spoil(g, r):
        out = r["out"].copy()
        out[2, 1], out[3, 2] = out[2, 1] + 5, np.nan
        return out

    assert "worst at (3, 2): yours nan" in wrong("affine_forward", out=spoil).worst
    found = wrong(
        "affine_forward", out=lambda g, r: r["out"] + 2.0 * (np.arange(r["out"].size) == 7).reshape(7, 3)
    )
    assert "out: 1 of 21 entries off; worst at (2, 1): yours" in found.worst


@every_exercise
def test_dx_of_a_normalization_is_worth_half_of_its_points(exercise):
    _, right = solved(exercise)
    assert WEIGHTS[exercise].keys() <= right.keys()
    weights = {
        name: WEIGHTS[exercise].get(name, 1) for name in right if name != "itemsize"
    }  # it earns nothing
    if exercise.endswith(("norm_backward", "norm_backward_alt")):
        assert weights["dx"] == sum(weights.values()) / 2
    else:
        assert set(weights.values()) <= {0, 1}


def test_a_backward_of_dropout_is_judged_by_the_mask_of_its_own_forward():
    inputs, right = solved("dropout_backward")
    mask = (np.random.default_rng(0).random(inputs["x"].shape) < inputs["p"]) / inputs["p"]
    own = {**right, "out": inputs["x"] * mask, "dx": inputs["dout"] * mask}
    assert diagnose("dropout_backward", inputs, own, right) is None
    assert diagnose("dropout_backward", inputs, {**own, "dx": right["dx"]}, right).kind == "unknown"


def test_the_masks_of_a_net_are_free_and_what_follows_from_them_is_not():
    inputs, right = solved("FullyConnectedNet")
    rng = np.random.default_rng(0)
    masks = {
        f"dropout.mask{i}": (rng.random(right[f"dropout.mask{i}"].shape) < inputs["p"]) / inputs["p"]
        for i in (1, 2)
    }
    chosen = as_chosen("FullyConnectedNet", inputs, masks, right)
    assert np.array_equal(chosen["dropout.mask2"], masks["dropout.mask2"])
    assert not np.allclose(chosen["dropout.W1"], right["dropout.W1"])
    assert diagnose("FullyConnectedNet", inputs, chosen, right) is None
    assert diagnose("FullyConnectedNet", inputs, {**right, **masks}, right) is not None
    short = {**right, "dropout.mask1": np.ones(3)}
    assert diagnose("FullyConnectedNet", inputs, short, right).kind == "shape"


def test_what_is_asked_besides_is_told_once_all_else_is_right():
    inputs, right = solved("softmax_loss", 1)
    smoothing = {name: right[name.partition("_")[0]] for name in ("loss_smoothed", "dx_smoothed")}
    found = diagnose("softmax_loss", inputs, {**right, **smoothing}, right)
    assert found.kind == "smoothing-ignored" and found.sentence.startswith("loss_smoothed, dx_smoothed: ")
    found = diagnose("softmax_loss", inputs, {**right, **smoothing, "dx": -right["dx"]}, right)
    assert found.kind == "sign" and "smoothed" not in found.sentence


def test_layernorm_is_not_explained_by_equations_about_columns():
    for row in (*MISCONCEPTIONS["layernorm_forward"], *MISCONCEPTIONS["layernorm_backward"]):
        assert not {"(1)", "(2)", "(3)"} & set(re.findall(r"\(\d+\)", row.source)), row


def test_a_nan_has_no_ratio():
    found = wrong("softmax_loss", loss_of_large=lambda g, r: np.array(np.nan))
    assert found.kind == "overflow" and found.worst.startswith("loss_of_large: yours nan, wanted ")
    assert "ratio" not in found.worst


def test_a_missing_array_and_a_lying_dtype_are_diagnosed():
    inputs, right = solved("affine_backward")
    assert diagnose("affine_backward", inputs, {"dx": right["dx"]}, right).kind == "missing"
    assert wrong("affine_backward", dx=lambda g, r: r["dx"] > 0).kind == "dtype"
    assert wrong("affine_backward", dx=lambda g, r: np.asarray(["a"])).kind == "shape"


def test_the_mask_of_dropout_is_free_but_its_share_is_not():
    inputs, right = solved("dropout_forward")
    _, other = solved("dropout_forward", 1)
    mask = np.random.default_rng(0).random(inputs["x"].shape) < inputs["p"]
    out = inputs["x"] * mask / inputs["p"]
    assert diagnose("dropout_forward", inputs, {**right, "out": out, "out_again": out}, right) is None
    assert diagnose("dropout_forward", inputs, {**right, "out": out}, right).kind == "seed-ignored"
    nearly = inputs["x"] * np.where(np.arange(len(mask))[:, None] % 2, mask, ~mask) / inputs["p"]
    for other in ("out_of_other_seed", "out_unseeded_again"):
        same = {**right, "out": out, "out_again": out, "out_unseeded": out}
        assert diagnose("dropout_forward", inputs, {**same, other: out}, right).kind == "one-mask"
        assert diagnose("dropout_forward", inputs, {**same, other: nearly}, right).kind == "one-mask"
    rare = inputs["x"] * (np.random.default_rng(0).random(mask.shape) < 0.6) / inputs["p"]
    assert (
        diagnose("dropout_forward", inputs, {**right, "out": rare, "out_again": rare}, right).kind
        == "share-kept"
    )


def share_named(rows):
    count = Counter()
    for exercise, name, source, kinds in rows:
        found = verdict(exercise, built(exercise, source))
        assert found.status == "wrong", (exercise, name)
        count[found.kind in kinds] += 1
    return count[True] / sum(count.values())


def test_wrong_solutions_fail_and_are_named_a_sample():
    assert len(LABELLED) >= 200 and len({source for _, _, source, _ in LABELLED}) >= 200
    assert share_named(LABELLED[::20]) >= 0.9  # of 20


@pytest.mark.slow
def test_wrong_solutions_fail_and_are_named():
    assert share_named(LABELLED) >= 0.97  # 418 of 420 when written


def missed(exercise, every):
    for style in SOLUTIONS[exercise]:
        for what, source in list(by_machine(exercise, style))[::every]:
            module = built(exercise, source)
            with np.errstate(all="ignore"):
                if verdict(exercise, module).status == "passed" and not same_elsewhere(exercise, module):
                    yield what


@every_exercise
def test_edits_by_machine_fail_or_change_nothing_a_sample(exercise):
    assert not list(missed(exercise, every=40))


@pytest.mark.slow
@every_exercise
def test_edits_by_machine_fail_or_change_nothing(exercise):
    assert not list(missed(exercise, every=1))
