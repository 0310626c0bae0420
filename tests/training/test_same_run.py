"""Resume names what differs from the run in model, augment, schedule or callbacks, and refuses it."""

from dataclasses import dataclass
from functools import partial

import numpy as np
import pytest

from cs231n import fast_layers
from cs231n.classifiers.fc_net import FullyConnectedNet, TwoLayerNet
from cs231n.data.augment import flip, flip_and_shift, shift
from cs231n.solver import Solver
from cs231n.training import parts
from cs231n.training.callbacks import Callback, ClipGradients, EarlyStopping, EpochCheckpoints
from cs231n.training.schedules import cosine, one_cycle
from tests.support import refused, text_id
from tests.support.resume_child import image_data
from tests.support.scripted import run

pytestmark = pytest.mark.usefixtures("without_pictures")


def net(**more):
    settings = {"normalization": "batchnorm", "dropout_keep_ratio": 0.8, "reg": 1e-3, "label_smoothing": 0.1}
    return FullyConnectedNet([9, 7], 48, 3, **{**settings, **more})


def with_bn(model, **settings):
    for bn_param in model.bn_params:
        bn_param.update(settings)
    return model


class Own:
    """A net of the kit in a class of the user's, which no file can build again."""

    def __init__(self, net):
        vars(self).update(vars(net))
        self.loss = net.loss


class Other(Own):
    pass


def train(folder, model, **options):
    run(model, image_data(), num_epochs=1, batch_size=20, run=folder, **options)
    return folder


# fmt: off
DIFFERENT_MODELS = {
    "dropout": (lambda: net(dropout_keep_ratio=0.5), "dropout_keep_ratio 0.8, not 0.5"),
    "no dropout": (lambda: net(dropout_keep_ratio=1), "dropout_keep_ratio 0.8, not 1"),
    "seed of dropout": (lambda: net(seed=3), "dropout_seed None, not 3"),
    "reg": (lambda: net(reg=0.0), "reg 0.001, not 0.0"),
    "label smoothing": (lambda: net(label_smoothing=0.0), "label_smoothing 0.1, not 0.0"),
    "dtype": (lambda: net(dtype=np.float64), "dtype 'float32', not 'float64'"),
    "layers": (lambda: net(layers=fast_layers), "layers 'cs231n.sandwiches', not 'cs231n.fast_layers'"),
    "normalization": (lambda: net(normalization="layernorm"), "normalization 'batchnorm', not 'layernorm'"),
    "eps": (lambda: with_bn(net(), eps=0.1), "eps of bn_params[0] 1e-05, not 0.1"),
    "momentum": (lambda: with_bn(net(), momentum=0.5), "momentum of bn_params[1] 0.9, not 0.5"),
}
# fmt: on


@pytest.mark.parametrize("wrap", [lambda net: net, Own], ids=["kit", "own"])
@pytest.mark.parametrize("make, words", DIFFERENT_MODELS.values(), ids=DIFFERENT_MODELS)
def test_another_model_of_the_same_shapes_is_refused(tmp_path, make, words, wrap):
    train(tmp_path, wrap(net()))
    other = wrap(make())
    with refused(
        ValueError, "Solver.resume: the model of the run has ", words, "; try the model that the run"
    ):
        Solver.resume(tmp_path, image_data(), model=other)
    Solver.resume(tmp_path, image_data(), model=wrap(net())).train()


@pytest.mark.parametrize("first, second", [(Own, Other), (Own, lambda net: net), (lambda net: net, Own)])
def test_a_model_of_another_class_is_refused(tmp_path, first, second):
    train(tmp_path, first(net()))
    other = second(net())
    with refused(ValueError, "the model of the run has kind "):
        Solver.resume(tmp_path, image_data(), model=other)


class Leaky(Own):
    def __init__(self, slope, calls=0):
        super().__init__(net())
        self.slope, self.calls = slope, np.zeros(calls)


def test_a_setting_of_a_class_of_ones_own_is_compared(tmp_path):
    train(tmp_path, Leaky(0.1))
    other, same = Leaky(0.2), Leaky(np.float64(0.1), calls=3)
    with refused(ValueError, "the model of the run has slope 0.1, not 0.2"):
        Solver.resume(tmp_path, image_data(), model=other)
    Solver.resume(tmp_path, image_data(), model=same)


class Private(Own):
    """Its plain attributes are not called as its arguments, or not at all; two of them count."""

    def __init__(self, slope, sizes=(1, 2), kind="leaky"):
        super().__init__(net())
        self._slope, self.window, self.form, self.threshold = slope, sizes, kind, np.nan
        self.calls, self._cache, self.whole = 0, None, self.loss
        self.loss = self.counted

    def counted(self, X, y=None):
        self.calls, self._cache = self.calls + 1, len(X)
        return self.whole(X, y)


@pytest.mark.parametrize("steps", [0, 5, 10], ids=["first checkpoint", "first epoch", "resumed"])
@pytest.mark.parametrize(
    "other, words",
    [
        (lambda: Private(0.2), "slope 0.1, not 0.2"),
        (lambda: Private(0.1, (1, 3)), "window [1, 2], not [1, 3]"),
        (lambda: Private(0.1, kind="plain"), "form 'leaky', not 'plain'"),
    ],
    ids=["number", "tuple", "text"],
)
def test_an_attribute_of_a_class_of_ones_own_is_compared_with_that_at_the_start(
    tmp_path, other, words, steps
):
    model = Private(0.1)
    train(tmp_path, model)
    if steps == 10:
        resumed = Solver.resume(tmp_path, image_data(), model=Private(0.1))
        resumed.num_epochs = 2
        resumed.train()
    checkpoint, another = tmp_path / f"checkpoint_{steps}.npz", other()
    with refused(ValueError, "the model of the run has ", words):
        Solver.resume(checkpoint, image_data(), model=another)
    Solver.resume(checkpoint, image_data(), model=Private(0.1))
    if steps:
        Solver.resume(checkpoint, image_data(), model=model)  # whose counters have moved


class Odd(Own):
    """Has the names of the attributes of a net, and other things behind them."""

    def __init__(self, act=np.tanh):
        super().__init__(net())
        self.act, self.reg, self.normalization = act, {"W1": 0.1}, object()
        self.layers, self.dtype, self.use_dropout = [object()], "float32 and float64", np.True_


def test_a_model_may_call_other_things_by_these_names(tmp_path):
    train(tmp_path, Odd())
    Solver.resume(tmp_path, image_data(), model=Odd()).train()


def test_parameters_of_another_dtype_are_refused(tmp_path):
    model = TwoLayerNet(48, 8, 3, 0.1)
    train(tmp_path, model)
    other = TwoLayerNet(48, 8, 3, 0.1)
    other.params.update({name: w.astype(np.float16) for name, w in other.params.items()})
    with refused(ValueError, "dtype of the parameters", "float16"):
        Solver.resume(tmp_path, image_data(), model=other)


def test_the_model_that_was_trained_goes_on(tmp_path):
    """After Ctrl-C in a notebook, say; a public layer may have written its defaults into bn_param."""
    model = Own(net())
    train(tmp_path, model)
    with_bn(model, eps=1e-5, momentum=0.9)
    Solver.resume(tmp_path, image_data(), model=model).train()


def noisy(X, rng):
    return X + 0.1 * rng.normal(size=X.shape).astype(X.dtype)


def noise(sigma):
    return lambda X, rng: (X + sigma * rng.normal(size=X.shape)).astype(X.dtype)


def without(value):
    return lambda X, rng: np.where(X == value, np.float32(0), X)


def counted():
    calls = 0

    def augment(X, rng):
        nonlocal calls
        calls += 1
        return X

    return augment


def recursive():
    def augment(X, rng, times=2):
        return augment(X, rng, times - 1) if times else X

    return augment


class Noise:
    def __init__(self, sigma):
        self.sigma, self.calls = sigma, 0

    def __call__(self, X, rng):
        self.calls += 1
        return X + np.float32(self.sigma)

    def method(self, X, rng):
        return self(X, rng)


class PrivateNoise(Noise):
    def __init__(self, amount):
        super().__init__(0)
        self._amount = amount


@dataclass(slots=True)
class SlotsNoise:
    sigma: float

    def __call__(self, X, rng):
        return X + np.float32(self.sigma)


def doubled(X, rng, factor=2):
    return X * np.float32(factor)


def another(X, rng, factor=3):
    return X * np.float32(factor)


another_doubled = another
another_doubled.__qualname__ = another_doubled.__name__ = "doubled"

# fmt: off
DIFFERENT_AUGMENTS = {
    "function": (flip, shift),
    "setting": (partial(shift, pixels=1), partial(shift, pixels=2)),
    "bare function": (partial(shift, pixels=1), shift),
    "partial": (shift, partial(shift, pixels=1)),
    "none before": (None, flip),
    "function of the user": (noisy, flip),
    "closure": (noise(0.1), noise(0.2)),
    "array in a closure": (noise(np.ones(1)), noise(np.zeros(1))),
    "counter": (counted(), counted()),
    "object": (Noise(0.1), Noise(0.2)),
    "method": (Noise(0.1).method, Noise(0.2).method),
    "default": (doubled, another_doubled),
    "private attribute": (PrivateNoise(0.1), PrivateNoise(0.2)),
    "slots": (SlotsNoise(0.1), SlotsNoise(0.2)),
}
SAME_AUGMENTS = {
    "flip": (flip, flip), "partial": (partial(shift, pixels=1), partial(shift, pixels=np.int64(1))),
    "function": (noisy, noisy), "closure": (noise(0.1), noise(0.1)),
    "NaN": (without(np.nan), without(float("nan"))), "recursive": (recursive(), recursive()),
    "object": (Noise(0.1), Noise(0.1)), "method": (Noise(0.1).method, Noise(0.1).method),
    "slots": (SlotsNoise(0.1), SlotsNoise(np.float64(0.1))),
}
# fmt: on


@pytest.mark.parametrize("before, after", DIFFERENT_AUGMENTS.values(), ids=DIFFERENT_AUGMENTS)
def test_another_augment_is_refused(tmp_path, before, after):
    train(tmp_path, net(), augment=before)
    with refused(ValueError, "Solver.resume: the run has augment ", ", got ", "; try augment="):
        Solver.resume(tmp_path, image_data(), augment=after)


@pytest.mark.parametrize("before, after", SAME_AUGMENTS.values(), ids=SAME_AUGMENTS)
def test_the_same_augment_goes_on(tmp_path, before, after):
    train(tmp_path, net(), augment=before)
    resumed = Solver.resume(tmp_path, image_data(), augment=after)
    assert resumed.augment is after
    resumed.num_epochs = 2
    resumed.train()
    assert resumed.epoch == 2


def test_the_parts_of_the_kit_come_back_by_themselves(tmp_path):
    made = {
        "augment": partial(flip_and_shift, pixels=np.int64(1)),
        "schedule": one_cycle(warm_up=np.float32(0.25), final=1e-3),
        "callbacks": [
            EarlyStopping(np.int32(3)),
            ClipGradients(np.float64(0.1)),
            EpochCheckpoints(tmp_path / "e"),
        ],
    }
    train(tmp_path / "run", net(), **made)
    resumed = Solver.resume(tmp_path / "run", image_data())
    assert (resumed.schedule, resumed.callbacks) == (made["schedule"], made["callbacks"])
    assert resumed.augment.func is flip_and_shift and resumed.augment.keywords == {"pixels": 1}
    for part in [resumed.schedule, *resumed.callbacks]:
        assert eval(repr(part)) == part  # noqa: S307


@dataclass
class Halve(Callback):
    """A callback of the user's."""

    factor: float = 0.5

    def after_backward(self, solver, grads):
        return {name: g * np.asarray(self.factor, g.dtype) for name, g in grads.items()}


def halving(progress):
    return 0.5


# fmt: off
@pytest.mark.parametrize("name, before, after", [
    ("schedule", cosine(0.1), cosine(0.2)),
    ("schedule", cosine(), one_cycle()),
    ("schedule", None, cosine()),
    ("schedule", halving, lambda progress: 0.5),
    ("callbacks", [EarlyStopping(3)], [EarlyStopping(4)]),
    ("callbacks", [EarlyStopping(3)], []),
    ("callbacks", [Halve(), EarlyStopping(3)], [EarlyStopping(3), Halve()]),
    ("callbacks", [Halve(0.5)], [Halve(0.25)]),
    ("callbacks", [], [Halve()]),
], ids=text_id)
# fmt: on
def test_another_part_is_refused(tmp_path, name, before, after):
    train(tmp_path, net(), **{name: before})
    with refused(ValueError, f"Solver.resume: the run has {name} ", ", got ", f"; try {name}="):
        Solver.resume(tmp_path, image_data(), **{name: after})


def test_parts_of_ones_own_are_handed_in(tmp_path):
    own = {"schedule": halving, "callbacks": [EarlyStopping(3), Halve()]}
    train(tmp_path, net(), **own)
    for name in own:
        with refused(ValueError, f"the run has {name} ", "which is not of this kit", f"{name}=...) with it"):
            Solver.resume(tmp_path, image_data(), **{**own, name: None})
    resumed = Solver.resume(tmp_path, image_data(), **own)
    assert resumed.schedule is halving and resumed.callbacks == own["callbacks"]


FOREIGN = [
    ("os.system", {}),
    ("cs231n.training.parts.build", {}),
    ("cs231n.data.augment.np", {}),
    ("cs231n.training.schedules.cosine", {"last": 1}),
    ("cs231n.training.schedules.cosine", {"final": "exit()"}),
]


@pytest.mark.parametrize("name, settings", FOREIGN)
def test_a_description_makes_only_parts_of_the_kit(name, settings):
    with refused(ValueError, name, "which is not of this kit"):
        parts.build({"name": name, "settings": settings})
