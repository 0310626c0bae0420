"""Schedules: known points, and the rates that a Solver really uses."""

import numpy as np
import pytest

from cs231n.training.schedules import cosine, one_cycle
from tests.support.scripted import Scripted, run, solver_of


def test_known_points():
    factors = [cosine()(p) for p in (0, 1 / 4, 1 / 3, 1)]
    np.testing.assert_allclose(factors, [1, (1 + 0.5**0.5) / 2, 0.75, 0], rtol=1e-15)
    factors = [one_cycle()(p) for p in (0, 0.15, 0.3, 0.65, 1)]
    np.testing.assert_allclose(factors, [0.04, 0.52, 1, 0.5, 0], atol=1e-15)
    factors = [one_cycle(warm_up=0.5, start=0.5, final=0.1)(p) for p in (0, 0.25, 0.5, 1)]
    np.testing.assert_allclose(factors, [0.5, 0.75, 1, 0.1], rtol=1e-15)


def test_one_cycle_without_warm_up_is_cosine():
    progress = np.linspace(0, 1, 1001)
    both = [[schedule(p) for p in progress] for schedule in (one_cycle(warm_up=0, final=0.1), cosine(0.1))]
    assert both[0] == both[1]


# fmt: off
@pytest.mark.parametrize("options, factor", [
    ({"schedule": cosine(), "lr_decay": 0.5}, lambda t: cosine()(t / 8) * 0.5 ** (t // 2)),
    ({"schedule": one_cycle(start=0.1, warm_up=0.25)},
     lambda t: one_cycle(0.25, 0.1)(t / 8)),
], ids=["cosine", "one-cycle"])
# fmt: on
def test_the_rates_of_a_run(options, factor):
    """Of steps 1 to 8 in 4 epochs of two, as the weights show them: the gradient is -1 throughout."""
    model, weights = Scripted([0.5]), [0.0]
    loss = model.loss

    def watched(X, y=None):
        weights.append(float(model.params["W"][0]))
        return loss(X, y)

    model.loss = watched
    run(model, batch_size=5, **options)
    np.testing.assert_allclose(np.diff(np.unique(weights)), [factor(t) for t in range(8)], rtol=1e-12)


def test_no_schedule_leaves_the_rate_to_whoever_changes_it():
    solver = solver_of(Scripted([0.5]), num_epochs=2, lr_decay=0.5)
    solver.optim_configs["W"]["learning_rate"] = 8.0
    solver.train()
    assert solver.optim_configs["W"]["learning_rate"] == 2.0


def test_a_second_call_runs_the_schedule_again():
    solver = run(Scripted([0.5]), batch_size=5, schedule=cosine())
    before = solver.model.params["W"][0]
    solver.num_epochs = 1  # two steps, at progress 0 and 1/2
    solver.train()
    assert solver.optim_configs["W"]["learning_rate"] == 0.5 and before == solver.best_params["W"][0]


def test_the_default_rate_of_a_rule_is_scheduled_too():
    solver = run(Scripted([0.5]), num_epochs=2, update_rule="adam", schedule=cosine(), optim_config=None)
    assert solver.optim_configs["W"]["learning_rate"] == 0.5e-3
