"""Schedules: known points, no jumps, and the rates that a Solver really uses."""

import math
import re

import numpy as np
import pytest

from cs231n.solver import Solver
from cs231n.training.schedules import SCHEDULES, constant, cosine, one_cycle
from tests.support import refused
from tests.training.test_solver import Scripted, numbered, run

PROGRESS = np.linspace(0, 1, 1001)


def test_known_points():
    assert [constant(p) for p in (0, 0.3, 1)] == [1, 1, 1]
    assert [cosine(p) for p in (0, 1)] == [1, 0] and cosine(1, final=0.2) == 0.2
    np.testing.assert_allclose(
        [cosine(1 / 4), cosine(1 / 3), cosine(1 / 2, final=0.2)],
        [(1 + math.sqrt(0.5)) / 2, 0.75, 0.6],
        rtol=1e-15,
    )
    np.testing.assert_allclose(
        [one_cycle(p) for p in (0, 0.15, 0.3, 0.65, 1)], [0.04, 0.52, 1, 0.5, 0], atol=1e-15
    )
    np.testing.assert_allclose(
        [one_cycle(p, warm_up=0.5, start=0.5, final=0.1) for p in (0, 0.25, 0.5, 1)],
        [0.5, 0.75, 1, 0.1],
        rtol=1e-15,
    )


@pytest.mark.parametrize(
    "schedule, settings",
    [
        (cosine, {}),
        (cosine, {"final": 0.3}),
        (one_cycle, {}),
        (one_cycle, {"warm_up": 0.1, "start": 0.5}),
        (one_cycle, {"warm_up": 0}),
        (one_cycle, {"final": 0.01}),
    ],
)
def test_no_jumps_and_no_factor_outside(schedule, settings):
    factors = np.array([schedule(p, **settings) for p in PROGRESS])
    assert np.all((factors >= 0) & (factors <= 1)) and np.isclose(factors.max(), 1)
    steepest = max(
        math.pi / 2,
        1 / settings.get("warm_up", 0.3) if settings.get("warm_up", 0.3) else 0,
        math.pi / 2 / (1 - settings.get("warm_up", 0.3)),
    )
    assert np.abs(np.diff(factors)).max() <= 1.01 * steepest / 1000


def test_one_cycle_without_warm_up_is_cosine():
    assert [one_cycle(p, warm_up=0, final=0.1) for p in PROGRESS] == [cosine(p, 0.1) for p in PROGRESS]


def rates_of(**options):
    """The rate of each step, as the weights of Scripted show it: its gradient is -1 throughout."""
    model, weights = Scripted([0.5]), [0.0]
    loss = model.loss

    def watched(X, y=None):
        weights.append(float(model.params["W"][0]))
        return loss(X, y)

    model.loss = watched
    solver = run(model, batch_size=5, **options)
    steps = np.unique(weights)
    return solver, np.diff(steps)


def test_the_rates_of_a_run():
    """Steps 1 to 8 in 4 epochs of two, the last one seen in the final measurement."""
    _, rates = rates_of(schedule="cosine", lr_decay=0.5)
    wanted = [cosine(t / 8) * 0.5 ** (t // 2) for t in range(8)]
    np.testing.assert_allclose(rates, wanted, rtol=1e-12)
    _, rates = rates_of(schedule="one_cycle", schedule_config={"start": 0.1, "warm_up": 0.25})
    np.testing.assert_allclose(rates, [one_cycle(t / 8, 0.25, 0.1) for t in range(8)], rtol=1e-12)


def test_constant_leaves_the_rate_to_whoever_changes_it():
    solver = Solver(
        Scripted([0.5]),
        numbered(),
        batch_size=10,
        num_epochs=2,
        verbose=False,
        lr_decay=0.5,
        optim_config={"learning_rate": 1.0},
    )
    solver.optim_configs["W"]["learning_rate"] = 8.0
    solver.train()
    assert solver.optim_configs["W"]["learning_rate"] == 2.0


def test_a_second_call_runs_the_schedule_again():
    solver, first = rates_of(schedule="cosine")
    before = solver.model.params["W"][0]
    solver.num_epochs = 1  # two steps, at progress 0 and 1/2
    solver.train()
    assert solver.optim_configs["W"]["learning_rate"] == 0.5 and before == solver.best_params["W"][0]


def test_the_default_rate_of_a_rule_is_scheduled_too():
    solver = Solver(
        Scripted([0.5]),
        numbered(),
        batch_size=10,
        num_epochs=2,
        verbose=False,
        update_rule="adam",
        schedule="cosine",
    )
    solver.train()
    assert solver.optim_configs["W"]["learning_rate"] == 0.5e-3


@pytest.mark.parametrize(
    "arguments, error, fragments",
    [
        ({"schedule": "linear"}, ValueError, ["schedule", "'linear'", "'one_cycle'"]),
        ({"schedule": cosine}, ValueError, ["schedule", "'cosine'"]),
        ({"schedule_config": {"final": 0.1}}, ValueError, ["schedule_config", "'final'", "no settings"]),
        (
            {"schedule": "cosine", "schedule_config": {"warm_up": 0.1}},
            ValueError,
            ["schedule_config", "'warm_up'", "final"],
        ),
        ({"schedule": "cosine", "schedule_config": 0.1}, TypeError, ["schedule_config", "dict", "float"]),
        ({"schedule": "cosine", "schedule_config": {"final": -1}}, ValueError, ["cosine", "final", "-1"]),
        ({"schedule": "one_cycle", "schedule_config": {"warm_up": 1}}, ValueError, ["one_cycle", "warm_up"]),
        ({"schedule": "one_cycle", "schedule_config": {"start": "low"}}, TypeError, ["one_cycle", "start"]),
    ],
    ids=str,
)
def test_refuses(arguments, error, fragments):
    with refused(error, *fragments):
        Solver(Scripted([0.5]), numbered(), **arguments)


# Shown to fail: schedules with a planted mistake, against the known points.
@pytest.mark.parametrize(
    "name, wrong",
    [
        ("cosine", lambda p, final=0.0: final + (1 - final) * (1 - p)),
        ("cosine", lambda p, final=0.0: max(final, SCHEDULES["cosine"](p))),
        ("one_cycle", lambda p, **s: SCHEDULES["one_cycle"](min(p, 0.99), **s)),
        ("constant", lambda p: 1 - p),
    ],
    ids=["linear", "clipped", "short", "falling"],
)
def test_the_known_points_reject(monkeypatch, name, wrong):
    monkeypatch.setitem(globals(), name, wrong)
    with pytest.raises(AssertionError):
        test_known_points()


def test_every_schedule_says_what_it_does():
    assert all(re.search(r"\w", f.__doc__) and f(0.0) >= 0 for f in SCHEDULES.values())
