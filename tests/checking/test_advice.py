"""An error of Python or NumPy in a learner's line gets that line, its meaning and one thing to try."""

import pytest

from cs231n.checking import exceptions
from cs231n.checking.verdict import verdict
from tests.corpus import built


@pytest.mark.parametrize(
    "exercise, body, words",
    [
        (
            "affine_forward",
            "def affine_forward(x, w, b):\n    out = x @ w + b\n    return out, (x, w, b)",
            "The shapes on this line are x (7, 2, 5), w (10, 3), b (3,). Two of them do not fit; print "
            "them, and read each example as one row.",
        ),
        (
            "relu_backward",
            "def relu_backward(dout, cache):\n    return dout * cache[1:]",
            "The shapes do not fit; print the shape of each array on this line.",
        ),
        (
            "relu_backward",
            "def relu_backward(dout, cache):\n    slope = np.ones(3)\n    return dout * slope",
            "The shapes on this line are dout (7, 5), slope (3,). Two of them do not fit; print them.",
        ),
        (
            "relu_forward",
            "def relu_forward(x):\n    return np.max(0, x), x",
            "np.maximum compares entry by entry",
        ),
        (
            "relu_forward",
            "def relu_forward(x):\n    return max(0, x), x",
            "np.maximum compares entry by entry",
        ),
    ],
)
def test_an_error_of_numpy_gets_a_line_in_plain_words(kit, exercise, body, words):
    kit.append("layers.py", body)
    text = kit.check(exercise)
    assert text.startswith(f"{exercise}: wrong ") and words in text


ROWS = "If each row should have its own number, make it (7, 1), with keepdims=True or reshape; if each column"


@pytest.mark.parametrize(
    "exercise, line, words",
    [
        ("batchnorm_forward(x, gamma, beta, bn_param)", "x - x.mean(axis=1)", ROWS),
        ("softmax_loss(x, y)", "np.exp(x) / np.exp(x).sum(axis=1)", ROWS),
        ("softmax_loss(x, y)", "x.sum(axis=2)", "this array has 2, so there is no axis 2."),
        ("softmax_loss(x, y)", "x.sum(axis=1).sum(axis=1)", "this array has 1, so there is no axis 1."),
        ("softmax_loss(x, y)", "x[:, 9]", "Axis 1 of x has the size 5, and its entries are counted from 0."),
        (
            "batchnorm_backward(dout, cache)",
            "cache['x']",
            "cache on this line is a tuple: give a name to each",
        ),
        (
            "batchnorm_backward(dout, cache)",
            "cache > 0",
            "cache on this line is a tuple: give a name to each",
        ),
        ("batchnorm_backward(dout, cache)", "cache @ dout", "cache on this line is a tuple"),
        (
            "batchnorm_backward(dout, cache)",
            "x, mu = cache",
            "cache holds 4 values: centered, inv_std, x_hat",
        ),
        ("batchnorm_backward(dout, cache)", "N, D = dout", "dout is an array; its sizes are in dout.shape."),
        (
            "batchnorm_backward(dout, cache)",
            "cache.xhat",
            "cache holds centered, inv_std, x_hat, gamma, and has",
        ),
        (
            "batchnorm_backward(dout, cache)",
            "dout * x_hat",
            "x_hat has no value here: a function has its arg",
        ),
        ("batchnorm_backward(dout, cache)", "dout(2)", "a product needs its *."),
        ("relu_forward(x)", "1 if x > 0 else 0", "An if or a while asks one question, and an array has many"),
        ("relu_forward(x)", "x.reshape(3, 4)", "the array has 35, the new shape 12."),
        ("relu_forward(x)", "x.reshape(-1, 4)", "the array has 35, which is no multiple of 4."),
        ("relu_forward(x)", "np.random.rand(x.shape)", "use a star: f(*x.shape)."),
        ("relu_forward(x)", "np.log.__doc__.x", ""),
        (
            "relu_forward(x)",
            "print(1).T",
            "A value on this line is None, as a function without return gives it",
        ),
        (
            "sgd_momentum(w, dw, config)",
            "config['beta']",
            "config has no key 'beta'; its keys: 'velocity', 'learning_rate', ",
        ),
        ("relu_forward(x)", "if x is None: y = 1\n    y", "No line that ran has given y a value"),
        ("relu_forward(x)", "y = 0.9 * y + x", "This line reads y before any line has given it a value"),
        ("relu_forward(x)", "y += x", "This line reads y before any line has given it a value"),
        ("affine_forward(x, w, b)", "b[3] + w[3]", "Axis 0 of b has the size 3"),
        ("sgd_momentum(w, dw, config)", "momentum * w", "the value is in config['momentum']."),
        ("sgd_momentum(w, dw, config)", "config.momentum", "the value is in config['momentum']."),
        ("adam(w, dw, config)", "dw^2", "In Python a power is written with **"),
        ("batchnorm_forward(x, gamma, beta, bn_param)", "x.dot(gamma) + beta", "A part of the line has the "),
        ("affine_backward(dout, cache)", "cache = None; x, w, b = cache", "returned None in its place."),
    ],
)
def test_an_error_of_python_gets_its_line_and_advice(tmp_path, monkeypatch, exercise, line, words):
    name, file = exercise.partition("(")[0], tmp_path / "layers.py"
    body = f"def {exercise}:\n    {line}\n"
    file.write_text(body)
    monkeypatch.setattr(exceptions, "EDITED_FILES", [file])
    module = built(name, "")
    exec(compile(body, str(file), "exec"), vars(module))
    _, place, *advice = verdict(name, module).findings[0].split("\n")
    number, last = 1 + len(line.split("\n")), line.split("\n")[-1].strip()
    assert place == f"in layers.py, line {number}, {name}: {last}"
    assert words in " ".join(advice) and bool(words) == bool(advice)


def test_a_cache_of_none_is_laid_to_its_forward(kit):
    kit.edit("layers.py", "return np.maximum(x, 0), x", "return np.maximum(x, 0), None")
    assert kit.check("relu_backward") == (
        "relu_backward: wrong ValueError: relu_backward: cache is None, but it must hold what the backward "
        "needs; try to return that as the cache of relu_forward"
    )


def test_a_missing_key_of_grads_is_named_with_the_keys_that_are_there(kit):
    kit.edit("classifiers/fc_net.py", '"W2": dW2 + reg', '"dW2": dW2 + reg')
    words = "TwoLayerNet.loss: grads has no key 'W2'; its keys: "
    assert words in kit.check("TwoLayerNet.loss")
