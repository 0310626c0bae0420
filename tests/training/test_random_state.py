"""Random streams of a run: they go on bit for bit in a new process, or are refused before the first step."""

import json
from functools import partial
from unittest.mock import Mock

import numpy as np
import pytest

from cs231n.classifiers.fc_net import FullyConnectedNet
from cs231n.solver import Solver
from cs231n.training import run_checkpoints
from cs231n.training.random_state import load_random_state, save_random_state
from cs231n.training.version_1 import upgrade_streams
from tests.support import refused
from tests.support.resume_child import all_of, at_step, frozen, image_data, start

KINDS = ["MT19937", "PCG64", "PCG64DXSM", "Philox", "SFC64"]
pytestmark = pytest.mark.usefixtures("without_pictures", "global_stream")


@pytest.fixture
def global_stream():
    """Put the global stream back on its bit generator."""
    before, state = np.random.get_bit_generator(), np.random.get_state(legacy=False)
    yield
    np.random.set_bit_generator(before)
    np.random.set_state(state)


def through_a_file(**owners):
    """The same generators from what a checkpoint would hold of them in a file: a function that loads them."""
    arrays = {}
    text = json.dumps(run_checkpoints.pack(save_random_state(**owners), arrays))
    assert all(a.dtype.kind in "iu" for a in arrays.values())

    def load():
        np.random.normal(size=3)
        return load_random_state(run_checkpoints.unpack(json.loads(text), arrays))

    return load


def draws(rng):
    """What can be drawn, by children as well; 3 halves of 64 bits, and one of a pair of normal numbers."""
    drawn = [rng.permutation(9), rng.normal(size=3), rng.bytes(4), rng.random(2)]
    if isinstance(rng, np.random.Generator):
        drawn += [rng.integers(9, size=3, dtype=np.uint32)]
        if rng.bit_generator.seed_seq is not None:
            drawn += [child.random(2) for child in rng.spawn(2)]
    return drawn


SEEDS = {
    "number": lambda: 5,
    "numbers": lambda: [5, 2**40, 0],
    "array": lambda: np.array([5, 7], np.uint32),
    "large": lambda: 2**200 + 1,
    "system": lambda: None,
    "child": lambda: np.random.SeedSequence(5, pool_size=8).spawn(3)[2],
    "grandchild": lambda: np.random.SeedSequence((3, 4), spawn_key=(7, 1)).spawn(2)[1],
}


@pytest.mark.parametrize("bits", KINDS)
@pytest.mark.parametrize("kind", [np.random.Generator, np.random.RandomState])
@pytest.mark.parametrize("seed", SEEDS)
def test_streams_go_on_also_in_their_children(bits, kind, seed):
    rng = kind(getattr(np.random, bits)(SEEDS[seed]()))
    draws(rng)
    load = through_a_file(a=rng)
    expected = draws(rng)
    again = load()["a"]
    assert type(again) is kind and frozen(draws(again)) == frozen(expected)


def test_a_stream_without_a_seed_sequence_has_no_children_afterwards_either():
    rng = np.random.Generator(np.random.RandomState(5)._bit_generator)
    load = through_a_file(a=rng)
    expected, again = draws(rng), load()["a"]
    assert frozen(draws(again)) == frozen(expected)
    with pytest.raises(TypeError, match="spawn"):
        again.spawn(1)


def two_on(bits):
    return {"a": np.random.Generator(bits), "b": np.random.Generator(bits), "c": np.random.RandomState(bits)}


def with_the_global_one():
    return two_on(np.random.get_bit_generator()) | {"d": np.random}


def with_one_seed_sequence():
    seed = np.random.SeedSequence(5)
    return {"a": np.random.Generator(np.random.PCG64(seed)), "b": np.random.Generator(np.random.SFC64(seed))}


def two_names():
    rng = np.random.default_rng(5)
    return {"a": rng, "b": np.random.default_rng(5), "c": rng, "d": np.random, "e": np.random.mtrand._rand}


# fmt: off
@pytest.mark.parametrize("make", [
    *(partial(lambda bits: two_on(getattr(np.random, bits)(5)), bits) for bits in KINDS),
    with_the_global_one, with_one_seed_sequence, two_names,
], ids=[*KINDS, "global", "seed-sequence", "names"])
# fmt: on
def test_what_is_shared_is_shared_again(make):
    rngs = make()
    for rng in rngs.values():
        rng.normal(size=3)
    load = through_a_file(**rngs)

    def in_turn(rngs):
        return [frozen(draws(rng)) for _ in range(3) for rng in rngs.values()]

    expected = in_turn(rngs)
    assert in_turn(load()) == expected


def test_one_generator_of_two_names_is_one_again():
    again = load_random_state(save_random_state(**two_names()))
    assert again["a"] is again["c"] is not again["b"] and again["d"] is again["e"] is np.random


@pytest.mark.parametrize("here", KINDS)
@pytest.mark.parametrize("bits", KINDS)
def test_the_global_stream_on_any_bit_generator(bits, here):
    np.random.set_bit_generator(getattr(np.random, bits)(5))
    np.random.normal(size=3)
    children = np.random.Generator(np.random.get_bit_generator())
    load = through_a_file()
    expected = draws(np.random), draws(children)
    np.random.set_bit_generator(getattr(np.random, here)(6))
    load()
    assert frozen((draws(np.random), draws(np.random.Generator(np.random.get_bit_generator())))) == frozen(
        expected
    )


def spawning(X, rng):
    """An augmentation whose noise comes from a child of the stream."""
    return X + rng.spawn(1)[0].normal(size=X.shape).astype(X.dtype)


def stop_at(solver, step):
    at_step(solver, step, Mock(side_effect=KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        solver.train()
    del solver.model.loss


def on_one_bit_generator(folder):
    solver = start(folder)
    bits = np.random.PCG64(5)
    solver.rng = np.random.RandomState(bits)
    solver.model.dropout_param["rng"] = np.random.Generator(bits)
    return solver


def on_another_global_stream(folder):
    solver = start(folder, "global")
    np.random.set_bit_generator(np.random.Philox(5))
    return solver


# fmt: off
@pytest.mark.parametrize("make, more", [
    (partial(start, augment=spawning), {"augment": spawning}),
    (on_one_bit_generator, {}),
    (on_another_global_stream, {}),
], ids=["spawn", "one-bit-generator", "global"])
# fmt: on
def test_a_run_is_resumed_bit_for_bit(tmp_path, make, more):
    make(tmp_path / "whole").train()
    np.random.set_bit_generator(np.random.MT19937(99))
    stop_at(make(tmp_path / "stopped"), 20)
    np.random.set_bit_generator(np.random.MT19937(99))
    Solver.resume(tmp_path / "stopped", image_data(), **more).train()
    assert all_of(tmp_path / "stopped") == all_of(tmp_path / "whole")


class Noisy(FullyConnectedNet):
    """A net with a stream of its own, and one in a list."""

    def __init__(self):
        super().__init__([5], 48, 3)
        self.noise = {"rngs": [np.random.default_rng(3), np.random.RandomState(4)]}

    def loss(self, X, y=None):
        first, second = self.noise["rngs"]
        return super().loss(X if y is None else X + first.normal() + second.normal(size=X.shape), y)


def noisy_run(folder):
    np.random.seed(0)
    options = {"num_epochs": 4, "batch_size": 20, "verbose": False, "run": folder, "rng": 3}
    return Solver(Noisy(), image_data(), **options)


def test_streams_that_a_model_holds_go_on(tmp_path):
    whole = noisy_run(tmp_path / "whole")
    whole.train()
    stop_at(noisy_run(tmp_path / "run"), 12)
    resumed = Solver.resume(tmp_path / "run", image_data(), model=Noisy())
    resumed.train()
    assert resumed.loss_history == whole.loss_history
    assert all_of(tmp_path / "run") == all_of(tmp_path / "whole")
    model = Noisy()
    for noise in (None, {}, {"rngs": model.noise["rngs"][:1]}):
        model.noise = noise
        before = frozen(model.params)
        with refused(ValueError, "Solver.resume: ", "in model/noise/rngs/", "; try the model that "):
            Solver.resume(tmp_path / "run", image_data(), model=model)
        assert frozen(model.params) == before


class Bits(np.random.PCG64):
    """A bit generator of the user."""


class Seeds(np.random.bit_generator.ISeedSequence):
    def generate_state(self, n_words, dtype=np.uint32):
        return np.arange(1, n_words + 1).astype(dtype)


class Rng(np.random.RandomState):
    """Whose normal is no longer that of numpy."""

    def normal(self, *args, **kwargs):
        return 2 * super().normal(*args, **kwargs)


# fmt: off
@pytest.mark.parametrize("rng, complaint", [
    (lambda: np.random.Generator(Bits(3)), "test_random_state.Bits"),
    (lambda: np.random.RandomState(Bits(3)), "test_random_state.Bits"),
    (lambda: np.random.Generator(np.random.PCG64(Seeds())), "{name} has <tests"),
    (lambda: Rng(3), "but {name} is Rng("),
], ids=["bits", "bits of RandomState", "seeds", "subclass"])
# fmt: on
@pytest.mark.parametrize("name", ["solver", "model/dropout_param/rng"])
def test_a_stream_of_a_foreign_kind_is_refused_before_the_first_step(tmp_path, rng, complaint, name):
    solver, bad = start(tmp_path / "run"), rng()
    if name == "solver":
        solver.rng = bad
    else:
        solver.model.dropout_param["rng"] = bad
    words = "Solver.train: a run can save ", complaint.format(name=name), "; try np.random.default_rng(0)"
    with refused(TypeError, *words):
        solver.train()
    assert solver.loss_history == []


def test_a_global_stream_of_a_foreign_kind_is_refused_before_the_first_step(tmp_path):
    solver = start(tmp_path / "run")
    np.random.set_bit_generator(Bits(3))
    with pytest.raises(TypeError, match="np.random draws from .*Bits; try np.random.set_bit_generator"):
        solver.train()
    assert solver.loss_history == []


def test_a_run_of_the_first_version_gets_both_its_streams(tmp_path):
    """Its files know of the solver and of the dropout, and of no seed sequence."""
    trained = start(tmp_path, "two", num_epochs=1)
    trained.train()
    with np.load(tmp_path / "checkpoint_6.npz") as file:
        arrays = dict(file)
    state = json.loads(str(arrays.pop("state")))
    state["version"], state["counters"] = 1, state["counters"] | {"_done": 0, "_rate": 1.0}
    state["settings"] |= {"schedule": "constant", "schedule_config": {}, "clip_norm": None, "patience": None}
    state["settings"]["augment"] = "cs231n.augment.flip_and_shift"
    streams = state["streams"]
    streams["held"] = {"solver": 1, "model": streams["held"]["model/dropout_param/rng"]}
    streams["states"] = [{name: stored[name] for name in ("kind", "state")} for stored in streams["states"]]
    np.savez(tmp_path / "checkpoint_6.npz", state=json.dumps(state), **arrays)
    again = Solver.resume(tmp_path, image_data())
    assert frozen(again.rng.normal(size=3)) == frozen(trained.rng.normal(size=3))
    dropout, expected = again.model.dropout_param["rng"], trained.model.dropout_param["rng"]
    assert frozen(dropout.normal(size=3)) == frozen(expected.normal(size=3))


def test_states_of_the_first_version_are_read():
    rng = np.random.default_rng(5)
    old = {"kind": "Generator", "state": rng.bit_generator.state}
    one = np.random.RandomState(3)
    first = {"kind": "RandomState", "state": one.get_state(legacy=False)}
    again = load_random_state(upgrade_streams({"held": {"solver": 1, "model": 0}, "states": [first, old]}))
    assert again["model/dropout_param/rng"] is np.random
    assert np.array_equal(np.random.normal(size=3), one.normal(size=3))
    assert np.array_equal(again["solver"].random(3), rng.random(3))
    with refused(ValueError, "there is no bit generator 'os'"):
        states = [{"kind": "RandomState", "state": {"bit_generator": "os"}}]
        load_random_state(upgrade_streams({"held": {}, "states": states}))
