"""Genuine mistakes in whole solutions: the verdicts hold, and the oracle that judges them is right itself."""

import importlib
from types import SimpleNamespace

import pytest

from tests.corpus import built, labelled
from tests.corpus.genuine import CASES, holds
from tests.corpus.harness import ALARM, CRASHED, HOMES, MISS, STYLES, UNPOINTED, outcome, results
from tests.corpus.mutants import of_styles
from tests.corpus.reference import EXERCISES, Truth, judge

KIT = SimpleNamespace(**{file: importlib.import_module(name) for file, name in HOMES.items()})
LAYERS = [name for name in EXERCISES if name != "FullyConnectedNet"]  # all that takes no time
every_case = pytest.mark.parametrize("case", CASES.values(), ids=list(CASES))


@pytest.mark.parametrize("exercise", [*EXERCISES, "batchnorm_double_backward"])
def test_the_kit_is_right_by_the_oracle(exercise):
    assert judge(exercise, KIT) == Truth(True)


def over_the_kit(exercise, source):
    """The kit with the functions of one solution of the made set."""
    module, file = built(exercise, source), "fc_net" if "Net" in exercise else "layers"
    if not hasattr(KIT.layers, exercise) and file == "layers":
        file = "optim"
    return SimpleNamespace(**{**vars(KIT), file: module})


@pytest.mark.parametrize("noted", [False, True])
def test_the_oracle_agrees_with_the_labels_of_the_made_set(noted):
    odd = [
        (exercise, name)
        for exercise, name, source, _ in list(labelled(noted))[:: 1 if noted else 5]
        if exercise != "svm_loss" and judge(exercise, over_the_kit(exercise, source)).right != noted
    ]
    assert not odd


@pytest.mark.parametrize("style", STYLES)
def test_every_style_is_right_and_passes(style):
    for result in results(STYLES[style]):
        assert (result.truth, result.passed) == (Truth(True), True), result


@every_case
def test_a_label_agrees_with_the_oracle(case):
    wrong = {name for name, wanted in case.expects.items() if wanted.startswith("fails")}
    for result in results(case.solution, LAYERS):
        wanted, truth = case.expects.get(result.exercise, ""), result.truth
        assert truth.right or wanted or {*truth.because_of} & {*wrong, *case.expects}, result
        assert not truth.right or not wanted.startswith("fails"), result


@every_case
def test_a_case_holds(case):
    for result in results(case.solution, LAYERS):
        assert holds(case, result), (result.exercise, case.expects.get(result.exercise), result)


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(
            case, marks=() if "FullyConnectedNet" in case.expects or not k % 16 else pytest.mark.slow, id=name
        )
        for k, (name, case) in enumerate(CASES.items())
    ],
)
def test_a_case_holds_for_nets_of_any_depth(case):
    for result in results(case.solution, ["FullyConnectedNet"]):
        assert holds(case, result), (result.truth, case.expects.get(result.exercise), result)


@pytest.mark.parametrize("every", [60, pytest.param(1, marks=pytest.mark.slow)])
def test_edits_of_every_style_neither_pass_wrongly_nor_fail_wrongly(every):
    odd = [
        (outcome(result), what, result)
        for what, solution, exercises in of_styles(every)
        for result in results(solution, exercises)
        if outcome(result) in (MISS, ALARM, UNPOINTED, CRASHED)
    ]
    assert not odd
