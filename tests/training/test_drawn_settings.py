"""Settings of the Solver and of the schedules, drawn: the formula holds, or a sentence names the argument."""

import math

import numpy as np
import pytest
from hypothesis import strategies as st

from cs231n import optim
from cs231n.classifiers.fc_net import FullyConnectedNet
from cs231n.solver import Solver
from cs231n.training.callbacks import EarlyStopping
from cs231n.training.schedules import cosine, one_cycle
from tests.support import refused, unchanged
from tests.support.strategies import cases

X, Y = np.ones((4, 3)), np.arange(4) % 3
DATA = {"X_train": X, "y_train": Y, "X_val": X, "y_val": Y}
NO_COUNTS = st.sampled_from([np.nan, np.inf, -np.inf, -1, "1", None, 1j, True, np.ones(2), [0.5]])
NO_NUMBERS = NO_COUNTS | st.just(10**400)  # as a count it is merely large
SETTINGS = {
    **dict.fromkeys(["batch_size", "num_epochs", "print_every"], NO_COUNTS),
    "lr_decay": NO_NUMBERS,
    **dict.fromkeys(
        ["num_train_samples", "num_val_samples"],
        NO_COUNTS.filter(lambda v: v is not None),
    ),
    "rng": st.sampled_from([-1, 2**32, 1.5, "1", np.nan, True]),
    "update_rule": st.sampled_from(["Adam", optim.sgd, None, np.array("sgd"), np.ones(2)]),
    "schedule": st.sampled_from(["step", cosine, np.array("cosine"), 1]),
    "callbacks": st.sampled_from([None, EarlyStopping(1), [None], ["EarlyStopping"], 3]),
}


@pytest.fixture
def net():
    return FullyConnectedNet([4], input_dim=3, num_classes=3)


@pytest.mark.parametrize("name", SETTINGS)
@cases("settings of the Solver, refused", data=st.data())
def test_settings_of_the_solver_are_refused(net, name, data):
    with refused((TypeError, ValueError), "Solver: ", name):
        Solver(net, DATA, **{name: data.draw(SETTINGS[name])})


@pytest.mark.parametrize("wrong", [Y.astype(float), Y - 1, Y + 1, Y[:-1], np.eye(3, dtype=int)[Y], Y > 0, 0])
def test_labels_of_check_accuracy_are_refused(net, wrong):
    solver = Solver(net, DATA)
    with unchanged(X, wrong), refused((TypeError, ValueError), "check_accuracy: "):
        solver.check_accuracy(X, wrong)


def test_validation_data_that_does_not_go_with_the_rest(net):
    with refused(ValueError, "data['X_val'] must hold examples as large as those in", "(3,), got (2,)"):
        Solver(net, DATA | {"X_val": X[:, :2]})
    Solver(net, DATA | {"X_val": X.reshape(4, 1, 3)})  # an image or its row
    before = {name: w.copy() for name, w in net.params.items()}
    solver = Solver(net, DATA | {"y_val": Y + 1}, verbose=False)
    with pytest.raises(ValueError, match="labels must be in 0..2, got y.2. = 3"):
        solver.train()
    assert all(np.array_equal(before[name], w) for name, w in net.params.items())
    assert solver.best_params.keys() == before.keys()


@pytest.mark.parametrize("rule", ["rmsprop", "adam", "adamw"])
def test_a_rule_that_overflows_ends_the_run_and_keeps_the_best(net, rule):
    solver, whole = Solver(net, DATA, update_rule=rule, batch_size=4, num_epochs=2, verbose=False), net.loss
    huge = {name: np.full_like(w, 1e30) for name, w in net.params.items()}
    net.loss = lambda X, y=None: whole(X) if y is None else (1.0, huge)
    before = {name: w.copy() for name, w in net.params.items()}
    with pytest.warns(RuntimeWarning, match=f"ends at iteration 1: {rule}: dw holds 1e.30.*the best"):
        solver.train()
    assert all(np.array_equal(before[name], w) for name, w in net.params.items())


@cases(
    "schedules",
    progress=st.floats(0, 1),
    final=st.floats(0, 10),
    start=st.floats(0, 10),
    warm_up=st.floats(0, 1, exclude_max=True),
)
def test_schedules_are_their_formulas(progress, final, start, warm_up):
    def between(first, last, share):
        return first * (1 - share) + last * share

    def rise(share):
        return 1 - math.cos(math.pi * share / 2) ** 2

    rounding = 8e-15 * (1 + final + start)
    assert abs(cosine(final)(progress) - between(1, final, rise(progress))) <= rounding
    if progress < warm_up:
        expected = between(start, 1, progress / warm_up)
    else:
        expected = between(1, final, rise((progress - warm_up) / (1 - warm_up)))
    assert abs(one_cycle(warm_up, start, final)(progress) - expected) <= rounding


@pytest.mark.parametrize("schedule", [cosine, one_cycle])
@cases("schedules, refused", bad=NO_NUMBERS | st.sampled_from([-0.5, 1.5]))
def test_progress_outside_the_run_is_refused(bad, schedule):
    with refused((TypeError, ValueError), f"{schedule.__name__}: progress must be"):
        schedule()(bad)
