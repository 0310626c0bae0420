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
        (
            "relu_forward(x)",
            "x.clamp(min=0)",
            "x is a NumPy array, and has no clamp: np.clip may be what you",
        ),
        (
            "relu_forward(x)",
            "x.men(axis=0)",
            "x is a NumPy array, and has no men: mean may be what you need.",
        ),
        ("relu_forward(x)", "x.cuda()", "x is a NumPy array, and has no cuda: is the name right?"),
        ("relu_forward(x)", "np.smu(x)", "numpy has no smu: is sum meant?"),
        ("relu_forward(x)", "np.sum(x, dim=0)", "NumPy's word is axis, not dim."),
        ("relu_forward(x)", "x.sum(axis=0, keepdim=True)", "NumPy's word is keepdims, not keepdim."),
        ("relu_forward(x)", "np.sum(x, size=1)", "The function on this line takes no argument size"),
        ("relu_forward(x)", "x.size(0)", "size is the number of entries, and no function"),
        ("relu_forward(x)", "N, D = x.shape()", "shape is a tuple and no function"),
        ("relu_forward(x)", "x.view(7, -1)", "reshape gives another shape."),
        (
            "relu_forward(x)",
            "np.zeros(x.shape[0], x.shape[1])",
            "A shape is one tuple, in brackets of its own.",
        ),
        ("relu_forward(x)", "N = 2 / 1; x[:N]", "N is 2.0: a size or a place must be a whole number."),
        ("relu_forward(x)", "t = [x]; t * 0.5", "t on this line is a list; np.array makes an array of it."),
        ("relu_forward(x)", "t = [1, 2]; t[2]", "t has 2 entries, and they are counted from 0."),
        ("relu_forward(x)", "'W' + 1", "A number joins a text only as text: as str(n), or in an f-string."),
        ("relu_forward(x)", "for i in 3: x", "for goes through a list, an array or range(n)"),
        ("relu_forward(x)", "x['a']", "An array is read by whole numbers, slices such as 2:5"),
        ("relu_forward(x)", "relu_forward(x)", "This function calls itself, directly or by another"),
        (
            "relu_forward(x)",
            "a, b = np.sum(x, axis=0)",
            "np.sum gives another number of values than there are",
        ),
        ("relu_forward(x)", "X = 1; _ = x + xX; X", "xX has no value here: a function has"),
        (
            "batchnorm_backward(dout, cache)",
            "x_hat = 1; xhat + 1",
            "xhat has no value here, and x_hat has one",
        ),
        (
            "batchnorm_backward(dout, cache)",
            "dot + 1",
            "dot has no value here, and dout has one: is dout meant?",
        ),
        ("sgd_momentum(w, dw, config)", "config['momentun']", "Is 'momentum' meant?"),
        (
            "batchnorm_forward(x, gamma, beta, bn_param)",
            "bn_param['none']",
            "read it with .get(key, default).",
        ),
        ("relu_forward(x)", "grads = {'W2': 1}; grads['W1']", "grads has no key 'W1'; its keys: 'W2'."),
        (
            "affine_forward(x, w, b)",
            "x.reshape(7, -1) @ w + b.reshape(3, 1)",
            "Parts of the line have the shapes (7,3) and (3,1), which do not fit",
        ),
        (
            "affine_backward(dout, cache)",
            "x, w, b = cache; dout.dot(w).reshape(x.shape)",
            "The shapes on this line are dout (7, 3), w (10, 3). Two of them do not fit; print them. @ and "
            "dot multiply matrices: the rows of the first array must be as long as the columns of the "
            "second, and here these lengths are 3 and 10. A product entry by entry is written with *.",
        ),
        ("layernorm_forward(x, gamma, beta, ln_param)", "np.ones(7) * x", ROWS),
        (
            "affine_backward(dout, cache)",
            "x = cache[0]; dx = np.zeros(x.shape); dx[0] = x[0].ravel()",
            "What is assigned has the shape (10,), and the place for it has (2,5). Both have the same number",
        ),
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


def test_a_value_of_the_net_is_found_in_self(kit):
    kit.edit(
        "classifiers/fc_net.py",
        "reg = float(self.reg)  # a float64 scalar would turn float32 gradients into float64\n        loss",
        "loss",
    )
    assert "reg has no value here; the value is in self.reg." in kit.check("TwoLayerNet.loss")


def test_a_cache_of_another_layer_is_laid_to_the_line_that_passed_it(tmp_path, monkeypatch):
    file = tmp_path / "layers.py"
    body = "def affine_backward(dout, cache):\n    return _own(dout, cache)\n\n"
    body += "def _own(dout, cache):\n    x, w = cache\n"
    file.write_text(body)
    monkeypatch.setattr(exceptions, "EDITED_FILES", [file])
    module = built("affine_backward", "")
    exec(compile(body, str(file), "exec"), vars(module))
    advice = verdict("affine_backward", module).findings[0]
    assert advice.endswith("2, affine_backward: is it the cache of this function's own forward?")
