"""Random generators that an augmentation, a model or a callback holds or draws from: saved, or refused."""

import random
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import pytest

from cs231n.classifiers.fc_net import FullyConnectedNet
from cs231n.solver import Solver
from cs231n.training.callbacks import Callback
from tests.support import helper_of_a_user, refused
from tests.support.helper_of_a_user import jitter, of_partial
from tests.support.resume_child import image_data, start

pytestmark = pytest.mark.usefixtures("without_pictures")

GENERATOR = np.random.default_rng(3)


def with_a_global_name(X, rng):
    return X + GENERATOR.normal()


def with_a_default(X, rng, own=np.random.RandomState(3)):  # noqa: B008
    return X + own.normal()


def through_another_function(X, rng):
    return with_a_global_name(X, rng)


def with_python(X, rng):
    return X * random.random()


def with_a_closure():
    rng = np.random.default_rng(3)
    return lambda X, _: X + rng.normal()


class Augment:
    def __init__(self):
        self.rng = np.random.default_rng(3)

    def __call__(self, X, rng):
        return X + self.rng.normal()

    def of(self, X, rng):
        return self(X, rng)


class OfItsClass:
    own = np.random.default_rng(3)

    def __call__(self, X, rng):
        return X + self.own.normal()


def with_numpy(X, rng):
    return X + np.random.normal(size=X.shape).astype(X.dtype)


def in_a_comprehension(X, rng):
    return np.array([x + GENERATOR.normal() for x in X])


def with_a_function_of_another_module(X, rng):
    return jitter(X)


def with_another_module(X, rng):
    return helper_of_a_user.jitter(X)


def with_a_partial_of_another_module(X, rng):
    return of_partial(X)


def with_another_module_that_draws_only_elsewhere(X, rng):
    return helper_of_a_user.scale(X)


class Slots:
    __slots__ = ("rng",)

    def __init__(self):
        self.rng = np.random.default_rng(3)

    def __call__(self, X, rng):
        return X + self.rng.normal()


class MoreSlots(Slots):
    """Has a __dict__ as well, and a slot that is empty."""

    __slots__ = ("__dict__", "empty")


@dataclass(slots=True)
class DataSlots:
    rng: np.random.Generator = field(default_factory=lambda: np.random.default_rng(3))

    def __call__(self, X, rng):
        return X + self.rng.normal()


# fmt: off
AUGMENTS = {
    "global name": (lambda: with_a_global_name, "augment/GENERATOR"),
    "default": (lambda: with_a_default, "augment/defaults/0/0"),
    "another function": (lambda: through_another_function, "augment/with_a_global_name/GENERATOR"),
    "comprehension": (lambda: in_a_comprehension, "augment/GENERATOR"),
    "its method": (lambda: partial(lambda f, X, rng: X + f(), GENERATOR.normal), "augment/args/0/"),
    "random": (lambda: with_python, "augment/random"),
    "closure": (with_a_closure, "augment/rng"),
    "object": (Augment, "augment/rng"),
    "class": (OfItsClass, "augment/own"),
    "method": (lambda: Augment().of, "augment/__self__/rng"),
    "bound method of python": (lambda: partial(lambda f, X, rng: X * f(), random.random), "augment/args/0/"),
    "partial": (lambda: partial(with_a_default, own=GENERATOR), "augment/keywords/own"),
    "function of another module": (lambda: with_a_function_of_another_module, "augment/jitter/GENERATOR"),
    "another module": (lambda: with_another_module, "augment/helper_of_a_user/jitter/GENERATOR"),
    "partial of another module":
        (lambda: with_a_partial_of_another_module, "augment/of_partial/func/GENERATOR"),
    "slots": (Slots, "augment/rng"),
    "more slots": (MoreSlots, "augment/rng"),
    "slots of a dataclass": (DataSlots, "augment/rng"),
}
# fmt: on


@pytest.mark.parametrize("make, path", AUGMENTS.values(), ids=AUGMENTS)
def test_an_augmentation_with_a_stream_of_its_own_is_refused(tmp_path, make, path):
    solver = start(tmp_path / "run", augment=make())
    with refused(TypeError, "Solver.train: ", f"the random generator {path}", "; try the rng that an "):
        solver.train()
    assert solver.loss_history == []


class Anything:
    """Whose every attribute is another one."""

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return Anything()

    def __call__(self, X, rng):
        return X


normal = np.random.normal


def with_a_method_of_numpy(X, rng):
    return X + normal(size=X.shape).astype(X.dtype)


def with_a_generator_of_the_call(X, rng):
    own = np.random.default_rng(X.shape[0])  # np.random is no name of Python's random
    return X + own.normal(size=X.shape).astype(X.dtype)


@pytest.mark.parametrize(
    "augment",
    [
        with_numpy,
        with_a_method_of_numpy,
        with_a_generator_of_the_call,
        with_another_module_that_draws_only_elsewhere,
        Anything(),
    ],
)
def test_an_augmentation_may_draw_from_streams_that_a_run_saves(tmp_path, augment):
    start(tmp_path / "run", augment=augment, num_epochs=1).train()


class DrawsItsWeights(FullyConnectedNet):
    """From a generator of its module, which is of no use after the first step."""

    def __init__(self):
        super().__init__([5], 48, 3, rng=GENERATOR.spawn(1)[0])


class DrawsItsNoise(DrawsItsWeights):
    def loss(self, X, y=None):
        return super().loss(X + GENERATOR.normal(), y)


def test_a_model_may_draw_from_a_name_of_its_module_only_when_it_is_made(tmp_path):
    options = {"verbose": False, "num_epochs": 1, "batch_size": 50}
    Solver(DrawsItsWeights(), image_data(), run=tmp_path / "run", **options).train()
    solver = Solver(DrawsItsNoise(), image_data(), run=tmp_path / "other", **options)
    with refused(
        TypeError, "the random generator model/loss/GENERATOR, so it would resume", "; try np.random"
    ):
        solver.train()
    assert solver.loss_history == []


class CallsItsNoiseSo(FullyConnectedNet):
    """Its attribute has the name of a generator in its module, from which it does not draw."""

    def __init__(self):
        super().__init__([5], 48, 3)
        self.GENERATOR = np.random.default_rng(3)

    def loss(self, X, y=None):
        return super().loss(X + self.GENERATOR.normal(), y)


def test_a_model_may_call_a_stream_of_its_own_as_its_module_calls_another(tmp_path):
    Solver(CallsItsNoiseSo(), image_data(), run=tmp_path / "run", verbose=False, num_epochs=1).train()


class Watcher(Callback):
    """Holds what a run saves anyway."""

    def start(self, solver):
        self.solver, self.model = solver, solver.model


class Chance(Callback):
    """Stops at random."""

    def __init__(self):
        self.rng = np.random.default_rng(3)


def test_a_callback_may_hold_the_solver_and_no_generator_of_its_own(tmp_path):
    solver = start(tmp_path / "run", num_epochs=1, callbacks=[Watcher()])
    solver.model.solver = solver
    solver.train()
    assert len(solver.loss_history) == 6
    solver = start(tmp_path / "other", callbacks=[Watcher(), Chance()])
    with refused(
        TypeError, "the random generator callbacks/1/rng, so it would resume with other random numbers"
    ):
        solver.train()
    assert solver.loss_history == []


@pytest.mark.parametrize(
    "streams, path", [((np.random.default_rng(3),), "0"), (Slots(), "rng")], ids=["tuple", "slots"]
)
def test_a_stream_in_a_place_that_cannot_be_restored_is_refused(tmp_path, streams, path):
    solver = start(tmp_path / "run")
    solver.model.streams = streams
    with refused(TypeError, "Solver.train: ", f"model/streams/{path}", "; try "):
        solver.train()
    assert solver.loss_history == []
