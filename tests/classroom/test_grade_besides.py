"""What docstrings ask besides costs its share of the points, no more; a refused import is named."""

import pytest

from tests.support.grading_class import BRIEF, LAYERS, OPTIM, changed, marked, solved, wrong

NET = "cs231n/classifiers/fc_net.py"
MASK = "    mask = (rng.random(x.shape) < p).astype(x.dtype) / p\n"


@pytest.mark.parametrize(
    "title, file, old, new, kind, share",
    [
        (
            "FullyConnectedNet",
            NET,
            "self.dropout_param,\n            )",
            "None,\n            )",
            "dropout-left-out",
            41 / 48,
        ),
        (
            "FullyConnectedNet",
            NET,
            "[self.label_smoothing] if self.label_smoothing else []",
            "[]",
            "smoothing-ignored",
            41 / 48,
        ),
        ("softmax_loss", LAYERS, "float(label_smoothing)", "0.0", "smoothing-ignored", 3 / 5),
        ("softmax_loss", LAYERS, "x.max(axis=1, keepdims=True)", "x.max()", "overflow", 4 / 5),
        ("relu_backward", LAYERS, "dout * (x > 0)", "dout * (x >= 0)", "passes-at-zero", 0),
        ("dropout_forward", LAYERS, "np.random.RandomState(seed)", "np.random.RandomState(0)", "one-mask", 0),
        (
            "dropout_forward",
            LAYERS,
            "rng.random(x.shape)",
            "np.arange(x.size).reshape(x.shape) * 0.618 % 1",
            "one-mask",
            0,
        ),
        (
            "batchnorm_forward",
            LAYERS,
            "    mu = x[0] + ",
            "    x = x.astype(np.float64)\n    mu = x[0] + ",
            "not-float32",
            4 / 4.25,
        ),
    ],
)
def test_what_is_asked_besides_is_marked(title, file, old, new, kind, share):
    attempts = marked(changed(solved(), (file, old, new)), limits=BRIEF._replace(seconds=5), only=[title])
    assert wrong(attempts) == {title: kind} and attempts[title].share == pytest.approx(share)


UNSMOOTHED = (
    LAYERS,
    "(N, C), s = x.shape, float(label_smoothing)",
    "(N, C), s = x.shape, 0.0\n    if label_smoothing:\n        raise NotImplementedError('later')",
)


def test_smoothing_left_to_be_written_costs_its_share_in_a_net_too():
    titles = ["softmax_loss", "FullyConnectedNet"]
    attempts = marked(changed(solved(), UNSMOOTHED), limits=BRIEF._replace(seconds=5), only=titles)
    assert wrong(attempts) == {"softmax_loss": "smoothing-ignored"}
    assert attempts["softmax_loss"].share == pytest.approx(3 / 5)
    assert attempts["FullyConnectedNet"].followed == ("softmax_loss",)
    refuses = (
        NET,
        "        self.label_smoothing = ",
        "        if label_smoothing:\n            raise NotImplementedError\n        self.label_smoothing = ",
    )
    attempt = marked(changed(solved(), refuses), limits=BRIEF._replace(seconds=5), only=titles[1:])[titles[1]]
    assert attempt.kind == "smoothing-ignored" and attempt.share == pytest.approx(41 / 48)


def test_a_net_is_marked_by_the_masks_that_its_own_dropout_draws():
    other = "    rng = np.random.default_rng(dropout_param.get('seed'))\n"
    mine = changed(solved(), (LAYERS, MASK, other + MASK))
    titles = ["dropout_forward", "FullyConnectedNet"]
    patient = BRIEF._replace(seconds=5)
    assert wrong(marked(mine, limits=patient, only=titles)) == {}
    unregularized = changed(mine, (NET, "loss += 0.5 * reg * np.sum(W * W)", "pass"))
    attempt = marked(unregularized, limits=patient, only=titles)["FullyConnectedNet"]
    assert attempt.kind == "reg-left-out" and attempt.share == 43 / 48  # but for the five losses


@pytest.mark.parametrize(
    "line, words",
    [
        ("import matplotlib.pyplot as plt", "matplotlib is not there when your work is marked."),
        ("from cs231n import vis_utils", "cs231n.vis_utils is not handed in."),
        ("from cs231n.my_helpers import f", "cs231n.my_helpers is not handed in."),
        ("from cs231n.gradient_check import rel_error", "cs231n.gradient_check could give the answers."),
    ],
)
def test_a_refused_import_is_said_as_the_checks_say_it(line, words):
    files = {**solved(), OPTIM: f"{line}\n{solved()[OPTIM]}"}
    attempt = marked(files, only=["rmsprop"])["rmsprop"]
    assert attempt.kind == "no-import"
    assert attempt.text.startswith(f"cs231n/optim.py cannot be imported. {words} An exercise may import ")
    assert attempt.text.endswith(" (optim.py, line 1).")
