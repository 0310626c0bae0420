"""Misconceptions are recognized from arrays alone; wrong solutions fail, and most are named rightly."""

import json
import re

import numpy as np
import pytest

from cs231n.checking import answers
from cs231n.checking.answers.norm_definition import norm_paths
from cs231n.checking.compare import allclose
from cs231n.checking.diagnosis import diagnose, find_notes
from cs231n.checking.exercises import EXERCISES
from cs231n.checking.verdict import verdict
from cs231n.gradient_check import advice_on
from tests.corpus import SOLUTIONS, built, edited, labelled, solved
from tests.corpus.mutants import by_machine, same_elsewhere
from tests.support.python import ROOT

every_exercise = pytest.mark.parametrize("exercise", EXERCISES)
LABELLED = list(labelled())
ROWS = [(name, k, row) for name in EXERCISES for k, row in enumerate(answers.for_(name).misconceptions)]


@pytest.mark.parametrize(
    "exercise, situation", [(name, s) for name in EXERCISES for s in ("", *EXERCISES[name].situations)]
)
@pytest.mark.parametrize("shape", [None, (9, 7)], ids=str)
def test_right_arrays_are_not_doubted(exercise, situation, shape):
    inputs, right = solved(exercise, 2, shape, situation)
    assert diagnose(exercise, inputs, right, right) is None
    assert diagnose(exercise, inputs, right, answers.for_(exercise).expected(inputs, right)) is None
    assert find_notes(exercise, inputs, right, right) == {}


@pytest.mark.parametrize(
    "exercise, number, row",
    [
        pytest.param(name, number, row, marks=pytest.mark.slow if name == "FullyConnectedNet" else ())
        for name, number, row in ROWS
    ],
    ids=[f"{name}-{number}-{row.kind}" for name, number, row in ROWS],
)
def test_a_misconception_is_recognized_by_its_arrays(exercise, number, row):
    """In the first situation where it spoils something, as a learner's check goes through them."""
    for situation in ("", *EXERCISES[exercise].situations):
        inputs, right = solved(exercise, 1, None, situation)
        with np.errstate(all="ignore"):
            predicted = {name: v for name, v in row.arrays(inputs, right).items() if name in right}
            if all(allclose(value, right[name]) for name, value in predicted.items()):
                continue
            diagnosis = diagnose(exercise, inputs, {**right, **predicted}, right)
        assert diagnosis is not None and diagnosis.kind == row.kind
        return
    pytest.fail("it spoils nothing")


def test_there_are_many_and_their_words_are_fit_to_print():
    assert len({row.kind for *_, row in ROWS}) >= 100
    notebooks = [path.read_text(encoding="utf-8") for path in (ROOT / "notebooks").glob("[25]_*.ipynb")]
    tags = set(re.findall(r"\\tag\{(\d+)\}", "".join(notebooks).replace(r"\\", "\\")))
    for exercise, _, row in ROWS:
        assert re.fullmatch(r"[a-z0-9-]+", row.kind)
        assert row.sentence.endswith(".") and "`" not in row.sentence and "np." not in row.sentence, row
        assert not re.search(r"[{}]|  ", row.sentence), row
        numbers = set(re.findall(r"\((\d+)\)", row.source))
        assert (
            row.source or row.kind in ("writes-into-x", "depends-on-earlier-calls")
        ) and numbers <= tags, row
        if "layernorm_forward" in (exercise, EXERCISES[exercise].forward):  # these are about columns
            assert not {"1", "2", "3"} & numbers


def diagnosis_of(exercise, **changes):
    """The diagnosis when arrays are made from (inputs, right)."""
    inputs, right = solved(exercise, 1)
    return diagnose(exercise, inputs, {**right, **{k: f(inputs, right) for k, f in changes.items()}}, right)


def test_several_reasons_are_each_named():
    diagnosis = diagnosis_of(
        "batchnorm_backward", dx=lambda i, r: norm_paths(i)[0], dbeta=lambda i, r: r["dbeta"] / 7
    )
    assert diagnosis.kind == "statistics-held-fixed" and diagnosis.certain
    assert (
        "dx: mean and variance are held fixed" in diagnosis.sentence
        and "dbeta: this is a mean" in diagnosis.sentence
    )
    assert diagnosis.source == (
        "notebook 2, section 4, the node centered = x - mu; "
        "notebook 2, section 4, the nodes scaled = gamma times x_hat and y = scaled + beta"
    )


def test_a_mixture_within_one_array_is_taken_apart_by_its_paths():
    def mixed(i, r):
        direct, mean, _ = norm_paths(i)
        return direct / i["gamma"] - 7 * mean

    diagnosis = diagnosis_of("batchnorm_backward", dx=mixed)
    assert diagnosis.kind == "several-paths" and not diagnosis.certain
    assert diagnosis.sentence == (
        "dx: the direct path lacks gamma; the path through the mean has the wrong sign and lacks its 1/N; "
        "the path through the variance is missing."
    )
    nodes = "x_hat = centered times inv_std, mu = mean(x) and var = mean(squared)"
    assert diagnosis.source == f"notebook 2, section 4, the nodes {nodes}"
    closed = diagnosis_of("batchnorm_backward_alt", dx=mixed)
    assert closed.sentence == (
        f"{diagnosis.sentence} In equation (20), look at the terms with g, dbeta and dgamma."
    )
    assert closed.source == "notebook 2, equation (8), (13), (11)"


def test_the_staged_backward_cites_nodes_and_the_closed_form_its_terms():
    """The card of the first stands below section 4, before equations (5) to (26)."""
    staged, closed = (
        answers.for_(name).misconceptions for name in ("batchnorm_backward", "batchnorm_backward_alt")
    )
    text = " ".join(f"{row.sentence} {row.source}" for row in staged)
    assert {int(number) for number in re.findall(r"\((\d+)\)", text)} <= {1, 2, 3}
    notebook = json.loads((ROOT / "notebooks" / "2_batchnorm_gradient.ipynb").read_text(encoding="utf-8"))
    code = "\n".join("".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code")
    cited = {name for row in staged for name in re.findall(r"(\w+) = ", row.source)}
    assert len(cited) >= 8 and all(f'("{name}", ' in code for name in cited)
    for row in closed:
        if row.kind in ("mean-held-fixed", "sign-of-the-mean", "x-for-x-hat", "variance-held-fixed"):
            term = "dbeta" if "mean" in row.kind else "dgamma"
            assert row.sentence.startswith("dgamma") or row.sentence.endswith(f"term with {term}.")


def test_layernorm_is_taken_apart_along_its_rows():
    diagnosis = diagnosis_of(
        "layernorm_backward", dx=lambda i, r: np.einsum("k,knd->nd", [1, 0.2, 2], norm_paths(i, rows=True))
    )
    assert "through the mean has 1/N twice; the path through the variance is twice" in diagnosis.sentence


@pytest.mark.parametrize(
    "exercise, name, change, kind, words",
    [
        (
            "affine_backward",
            "dw",
            lambda a: a * [1, 2, 1],
            "unknown",
            "only columns 1",
        ),
        ("affine_backward", "dw", lambda a: a * 1.7, "unknown", "constant factor, 1.7"),
        ("affine_backward", "dw", lambda a: -a, "sign", "only the sign is wrong"),
        ("affine_backward", "dw", lambda a: a * 3, "sum-for-mean", "exactly 3"),
        ("affine_backward", "dw", lambda a: a[::-1], "unknown", "each against differences"),
        (
            "affine_forward",
            "out",
            lambda a: a**2,
            "unknown",
            "no known mistake fits, and no simple pattern",
        ),
        ("affine_forward", "out", lambda a: a + [1.0, 2.0, 3.0], "unknown", "such as a bias"),
        ("affine_backward", "dx", lambda a: a > 0, "dtype", "dx holds True and False; dout is not used"),
        ("affine_backward", "dx", lambda a: np.asarray(["a"]), "shape", "dx has the wrong shape"),
        ("svm_loss", "loss", lambda a: a * 1.7, "unknown", "result / right value = 1.7"),
    ],
    ids="columns ratio sign size reversed forward bias bool text scalar".split(),
)
def test_the_unknown_is_described(exercise, name, change, kind, words):
    diagnosis = diagnosis_of(exercise, **{name: lambda i, r: change(r[name])})
    assert diagnosis.kind == kind and words in diagnosis.sentence and diagnosis.worst.startswith(f"{name}: ")


def test_a_column_that_a_dead_unit_makes_zero_is_no_right_column():
    numeric = np.random.default_rng(0).normal(size=(6, 4)) * [1, 0, 1, 1]  # nothing passes unit 1
    wrong = numeric[::-1]
    off = ~np.isclose(wrong, numeric)
    assert not off[:, 1].any() and off[:, [0, 2, 3]].all()
    assert "columns" not in advice_on(wrong, numeric, off, 1e-8)
    wrong = numeric * [1, 1, 1, 2]
    assert "only columns 3" in advice_on(wrong, numeric, ~np.isclose(wrong, numeric), 1e-8)


def test_what_is_off_where_an_input_is_0_is_said():
    inputs, right = solved("rmsprop", 1)
    cache = np.where(inputs["dw"] == 0, inputs["cache"], right["cache"])  # it should decay there too
    diagnosis = diagnose("rmsprop", inputs, {**right, "cache": cache}, right)
    words = "cache: it is wrong where dw is exactly 0, and right elsewhere"
    assert diagnosis.sentence.startswith(words)


@pytest.mark.parametrize(
    "exercise, order, words",
    [
        ("affine_backward", "dw dx db", "it should be dx, dw, db."),
        ("affine_backward", "dx db dw", "it should be dx, dw, db."),
        ("softmax_loss", "dx loss", "it should be loss, dx."),
        ("layernorm_backward", "dgamma dbeta dx", "it should be dx, dgamma, dbeta."),
    ],
)
def test_values_in_another_order_are_told_from_wrong_shapes(exercise, order, words):
    inputs, right = solved(exercise)
    asked = [name for name in right if name in order.split()]
    outputs = {**right, **dict(zip(asked, (right[name] for name in order.split())))}
    diagnosis = diagnose(exercise, inputs, outputs, right)
    assert diagnosis.kind == "order"
    assert diagnosis.sentence == f"the values are returned in the wrong order; {words}"


MAX, SUM = "np.max(x, axis=1, keepdims=True)", "np.sum(e, axis=1, keepdims=True)"
RETURNED = "dx, dgamma, dbeta: dout is returned unchanged"


@pytest.mark.parametrize(
    "exercise, old, new, words",
    [
        ("softmax_loss", MAX, "np.max(x, axis=0)", "loss, dx: the largest score is taken over axis 0"),
        ("softmax_loss", SUM, "np.sum(e, axis=0)", "loss, dx: the sum of exp is taken over axis 0"),
        ("softmax_loss", SUM, "np.sum(e)", "loss, dx: the sum of exp is taken over the whole array"),
        ("softmax_loss", "e / total", "e / np.sum(e, axis=0)", "dx: the sum of exp is taken over axis 0"),
        *(
            ("batchnorm_forward", old, new.replace("STATS", stats), f"{arrays}: {words} over {place}")
            for stats, place in [
                (
                    "x, axis=1, keepdims=True",
                    "axis 1, the features of one example; batchnorm needs axis 0, the",
                ),
                ("x", "the whole array; batchnorm needs axis 0, the examples."),
            ]
            for old, new, arrays, words in [
                ("np.mean(x, axis=0)", "np.mean(STATS)", "out, running_mean", "the mean is taken"),
                ("np.var(x, axis=0)", "np.var(STATS)", "out, running_var", "the variance is taken"),
                ("x, axis=0", "STATS", "out, running_mean, running_var", "mean and variance are taken"),
            ]
        ),
        ("batchnorm_backward", "return dx, dgamma, dbeta", "return dout, dout, dout", RETURNED),
        ("affine_backward", "return dx, dw, db", "return dout, dout, dout", "dx, dw, db: dout is returned"),
    ],
)
def test_a_wrong_axis_and_a_returned_dout_are_named(exercise, old, new, words):
    result = verdict(exercise, built(exercise, edited(exercise, "plain", old, new)))
    assert result.status == "wrong" and result.findings[0].startswith(words)
    assert len(result.findings) <= 3 and "got" in " ".join(result.findings[1:])


def test_only_all_wrong_shapes_together_are_a_known_mistake():
    words = diagnosis_of("batchnorm_backward", dbeta=lambda i, r: i["dout"]).sentence
    assert words == "dbeta has the wrong shape: your code should sum over one more axis."


def test_what_follows_from_a_known_mistake_gets_no_line_of_its_own():
    diagnosis = diagnosis_of(
        "softmax_loss", loss=lambda i, r: 3 * r["loss"], loss_of_large=lambda i, r: np.array(np.nan)
    )
    assert diagnosis.sentence.startswith("loss: ") and "1000" not in diagnosis.sentence


def test_an_array_that_is_not_there_is_missing():
    inputs, right = solved("affine_backward")
    assert diagnose("affine_backward", inputs, {"dx": right["dx"]}, right).kind == "missing"


@pytest.mark.parametrize("loss, kind", [(np.nan, "overflow"), (np.inf, "overflow"), (1e3, "large-scores")])
def test_scores_near_1000_are_a_note(loss, kind):
    inputs, right = solved("softmax_loss", 1)
    outputs = {**right, "loss_of_large": np.array(loss)}
    assert diagnose("softmax_loss", inputs, outputs, right) is None
    notes = find_notes("softmax_loss", inputs, outputs, right)
    assert notes.keys() == {kind} and "around 1000 and around -1000" in notes[kind]


@pytest.mark.parametrize(
    "slope, is_right", [(0, True), (0.5, True), (1, True), (1.5, False), (-1, False), (np.nan, False)]
)
def test_at_the_kink_of_relu_any_slope_from_0_to_1_is_right(slope, is_right):
    inputs, right = solved("relu_backward", 1)
    at_zero = inputs["x"] == 0
    outputs = {**right, "dx": np.where(at_zero, slope * inputs["dout"], right["dx"])}
    assert at_zero.sum() >= 5
    assert (diagnose("relu_backward", inputs, outputs, right) is None) == is_right
    if is_right:
        assert bool(find_notes("relu_backward", inputs, outputs, right)) == (slope > 0)


def test_secondary_outputs_are_reported_once_all_others_are_right():
    name, (inputs, right) = "FullyConnectedNet", solved("FullyConnectedNet", 1)
    plain = {f"dropout.{key[6:]}": value for key, value in right.items() if key.startswith("plain.")}
    diagnosis = diagnose(name, inputs, {**right, **plain}, right)
    assert diagnosis.kind == "dropout-left-out" and diagnosis.sentence.startswith(
        'loss, grads["W1"], grads["b1"], grads["W2"] of the net with dropout and 3 more: '
    )
    diagnosis = diagnose(name, inputs, {**right, **plain, "plain.b1": -right["plain.b1"]}, right)
    assert diagnosis.kind == "one-step-too-far" and "dropout" not in diagnosis.sentence


def test_the_masks_of_a_net_are_free_and_what_follows_from_them_is_not():
    inputs, right = solved("FullyConnectedNet")
    rng = np.random.default_rng(0)
    masks = {name: (rng.random(right[name].shape) < inputs["p"]) / inputs["p"] for name in ("mask1", "mask2")}
    adopted = answers.for_("FullyConnectedNet").adopt_choices(inputs, masks, right)
    assert np.array_equal(adopted["mask2"], masks["mask2"])
    assert not np.allclose(adopted["dropout.W1"], right["dropout.W1"])
    assert diagnose("FullyConnectedNet", inputs, adopted, right) is None
    assert diagnose("FullyConnectedNet", inputs, {**right, **masks}, right) is not None
    short = {**right, "mask1": np.ones(3)}
    assert diagnose("FullyConnectedNet", inputs, short, right).kind == "shape"


def test_a_backward_of_dropout_is_judged_by_the_mask_of_its_own_forward():
    inputs, right = solved("dropout_backward")
    mask = (np.random.default_rng(0).random(inputs["x"].shape) < inputs["p"]) / inputs["p"]
    own = {**right, "out": inputs["x"] * mask, "out_of_ones": mask, "dx": inputs["dout"] * mask}
    assert diagnose("dropout_backward", inputs, own, right) is None
    assert diagnose("dropout_backward", inputs, {**own, "dx": right["dx"]}, right).kind == "another-mask"


def dropped(inputs, keep):
    return inputs["x"] * keep / inputs["p"]


def test_the_mask_of_dropout_is_free_but_its_share_is_not():
    inputs, right = solved("dropout_forward")
    uniform = np.random.default_rng(0).random(inputs["x"].shape)
    out, rare = dropped(inputs, uniform < inputs["p"]), dropped(inputs, uniform < 0.6)
    assert diagnose("dropout_forward", inputs, {**right, "out": out, "out_again": out}, right) is None
    assert diagnose("dropout_forward", inputs, {**right, "out": out}, right).kind == "seed-ignored"
    rarely = {**right, "out": rare, "out_again": rare}
    assert diagnose("dropout_forward", inputs, rarely, right).kind == "share-kept"


@pytest.mark.parametrize("second", ["out_of_other_seed", "out_unseeded_again"])
@pytest.mark.parametrize("flipped", [False, True], ids=["same mask", "every other row flipped"])
def test_two_masks_may_not_depend_on_each_other(second, flipped):
    inputs, right = solved("dropout_forward")
    keep = np.random.default_rng(0).random(inputs["x"].shape) < inputs["p"]
    out = dropped(inputs, keep)
    outputs = {**right, "out": out, "out_again": out, "out_unseeded": out}
    keep[::2] ^= flipped
    assert (
        diagnose("dropout_forward", inputs, {**outputs, second: dropped(inputs, keep)}, right).kind
        == "one-mask"
    )


def share_named(rows):
    results = [(verdict(exercise, built(exercise, source)), kinds) for exercise, _, source, kinds in rows]
    assert {result.status for result, _ in results} == {"wrong"}
    return sum(result.kind in kinds for result, kinds in results) / len(results)


def test_wrong_solutions_fail_and_are_named_a_sample():
    assert len({source for _, _, source, _ in LABELLED}) >= 200
    assert share_named(LABELLED[::20]) >= 0.9  # of 20


@pytest.mark.slow
def test_wrong_solutions_fail_and_are_named():
    assert share_named(LABELLED) >= 0.97


WORDS = {
    "not-float32": "float64 for float32 input",
    "writes-into-input": "writes into its argument",
    "overflow": "around 1000 and around -1000",
    "passes-at-zero": "dout passes where x is exactly 0",
}
NOTED = list(labelled(noted=True))


@pytest.mark.parametrize(
    "kind, of",
    [
        ("labels-as-rows", "softmax_loss"),
        ("variance-for-deviation", "batchnorm_forward"),
        ("power-of-the-root", "batchnorm_backward"),
        ("epsilon-outside-the-quotient", "rmsprop"),
        ("epsilon-outside-the-quotient", "adam"),
        ("weights-of-two-betas", "adam"),
    ],
)
def test_every_bug_of_this_kind_is_named(kind, of):
    modules = [built(name, source) for name, _, source, kinds in LABELLED if (name, kinds) == (of, {kind})]
    assert modules and {verdict(of, module).kind for module in modules} == {kind}


def test_a_mistake_that_is_known_comes_before_one_that_is_not():
    """Here out has no known mistake, and the statistics are not stored."""
    stored = 'bn_param["running_mean"], bn_param["running_var"] = running_mean, running_var'
    source = edited("batchnorm_forward", "plain", stored, "x_hat = out = out**3")
    first, second, worst, *_ = verdict("batchnorm_forward", built("batchnorm_forward", source)).findings
    assert first.startswith("running_mean, running_var: the running statistics are not written back")
    assert second.startswith("out: no known mistake fits") and worst.startswith("running_mean: 5 of 5 ")


def test_the_shape_of_an_output_is_not_called_that_of_a_gradient():
    source = edited("relu_forward", "plain", "np.maximum(0, x)", "np.array(np.where(x > 0))")
    first, *_ = verdict("relu_forward", built("relu_forward", source)).findings
    assert first.startswith("out has the wrong shape: print its shape after each line, and compare it with ")


@pytest.mark.parametrize(
    "exercise, source, kinds",
    [(exercise, source, kinds) for exercise, _, source, kinds in NOTED],
    ids=[f"{exercise}, {name}" for exercise, name, *_ in NOTED],
)
def test_what_only_the_kit_asks_passes_with_a_note(exercise, source, kinds):
    result = verdict(exercise, built(exercise, source))
    assert (result.status, result.findings) == ("passed", ())
    (note,), (kind,) = result.notes, kinds
    assert WORDS[kind] in note


def missed(exercise, every):
    for style in SOLUTIONS[exercise]:
        for what, source in by_machine(exercise, style, every):
            module = built(exercise, source)
            with np.errstate(all="ignore"):
                if verdict(exercise, module).status == "passed" and not same_elsewhere(exercise, module):
                    yield what


@pytest.mark.parametrize("every", [40, pytest.param(1, marks=pytest.mark.slow)])
@every_exercise
def test_edits_by_machine_fail_or_change_nothing(exercise, every):
    assert not list(missed(exercise, every))
