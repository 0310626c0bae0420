"""The training loop: minibatches in, a model with its best parameters out."""

import sys
import warnings

import numpy as np

from cs231n import optim
from cs231n.checkpoint import load_checkpoint, require_folder, restore, save_checkpoint, snapshot
from cs231n.contracts import (
    instead,
    require_choice,
    require_count,
    require_labels,
    require_number,
    require_rng,
)
from cs231n.vis_utils import in_notebook

__all__ = ["Solver", "load_checkpoint"]


class Solver:
    """Train a model by a first-order update rule, and keep its best parameters.

        solver = Solver(model, data, update_rule="adam", optim_config={"learning_rate": 1e-3})
        solver.train()

    A model is anything with a dict params of arrays and loss(X, y) -> loss, grads; loss(X) -> scores. If it
    has bn_params, a list of dicts, the running statistics in them are kept and come back with the parameters
    they were measured with.

    An epoch is one shuffled pass over the training set, in batches of batch_size; a remainder smaller than
    a batch is left out of that epoch, and a batch_size above the size of the set means the whole set.

    Args:   model; data, a dict of arrays X_train, y_train, X_val, y_val;
            update_rule "sgd", "sgd_momentum", "rmsprop" or "adam", and optim_config, its settings;
            lr_decay, the factor on the learning rate after each epoch; batch_size; num_epochs;
            num_train_samples, num_val_samples, how many examples an accuracy is measured on (None: all);
            checkpoint_name, the stem of files NAME_epoch_E.npz written after each epoch for load_checkpoint;
            print_every, iterations between printed losses; verbose, print at all: lines, and on a
            terminal or in a notebook a progress bar under them;
            seed, an integer, or rng, a numpy Generator or RandomState, to draw batches from (default: the
            global numpy stream).
    Raises: TypeError, ValueError that name the argument, before anything is changed.

    Attributes after train(): loss_history, one loss an iteration; train_acc_history, val_acc_history, one
    entry at the first iteration and one at the end of each epoch; best_val_acc; best_params; epoch.
    """

    def __init__(self, model, data, *, update_rule="sgd", optim_config=None, lr_decay=1.0, batch_size=100,
                 num_epochs=10, num_train_samples=1000, num_val_samples=None, checkpoint_name=None,
                 print_every=10, verbose=True, seed=None, rng=None, **unknown):
        if unknown:
            raise ValueError(f"Solver: unknown argument {', '.join(map(repr, unknown))}; try help(Solver)")
        _require_data(model, data)
        rules = optim.UPDATE_RULES | getattr(getattr(model, "layers", None), "UPDATE_RULES", {})
        require_choice("Solver", "update_rule", update_rule, tuple(rules))
        require_number("Solver", "lr_decay", lr_decay, 0, above=True)
        for name, value, low in [("batch_size", batch_size, 1), ("num_epochs", num_epochs, 0),
                                 ("print_every", print_every, 1)]:
            require_count("Solver", name, value, low)
        for name, value in [("num_train_samples", num_train_samples), ("num_val_samples", num_val_samples)]:
            if value is not None:
                require_count("Solver", name, value, 1)
        if not isinstance(optim_config, (dict, type(None))):
            raise TypeError(f"Solver: optim_config must be a dict, got {type(optim_config).__name__}; "
                            "try {'learning_rate': 1e-3}")
        if seed is not None and rng is not None:
            raise ValueError("Solver: seed and rng are two ways to say one thing; give one of them")
        if seed is not None:
            require_count("Solver", "seed", seed, 0)
        if rng is not None:
            require_rng("Solver", rng)

        self.model = model
        self.X_train, self.y_train = data["X_train"], data["y_train"]
        self.X_val, self.y_val = data["X_val"], data["y_val"]
        self.update_rule = rules[update_rule]
        self.optim_config = dict(optim_config or {})
        self.lr_decay = float(lr_decay)
        self.batch_size = batch_size
        self.num_epochs = num_epochs
        self.num_train_samples = num_train_samples
        self.num_val_samples = num_val_samples
        self.checkpoint_name = checkpoint_name
        self.print_every = print_every
        self.verbose = verbose
        self.rng = rng if rng is not None else np.random if seed is None else np.random.RandomState(seed)

        w = next(iter(model.params.values()))
        self.update_rule(w, np.zeros_like(w), dict(self.optim_config))  # a bad setting fails here and now
        self.optim_configs = {name: dict(self.optim_config) for name in model.params}
        self.epoch = 0
        self.best_val_acc = 0
        self.loss_history, self.train_acc_history, self.val_acc_history = [], [], []
        self._best = None

    @property
    def best_params(self):
        """The parameters with the best validation accuracy so far; before any, those of the model."""
        return self.model.params if self._best is None else self._best[0]

    def train(self):
        """Run num_epochs epochs, then give the model its best parameters, also after an error or Ctrl-C.

        A second call goes on with another num_epochs. A loss that is not finite ends the run with a
        RuntimeWarning that says where; the step is not taken.

        Raises: OSError before the first step if nothing can be written where checkpoint_name points.
        """
        if self.checkpoint_name is not None:
            require_folder("Solver.train", self.checkpoint_name)
        if self._best is None:
            self._best = snapshot(self.model)
        per_epoch = max(len(self.X_train) // self.batch_size, 1)
        total, last_epoch = self.num_epochs * per_epoch, self.epoch + self.num_epochs
        with _progress(total, self.verbose) as bar:
            try:
                for t in range(total):
                    if t % per_epoch == 0:
                        order = self.rng.permutation(len(self.X_train))
                    start = t % per_epoch * self.batch_size
                    if not self._step(order[start:start + self.batch_size]):
                        break
                    if t % self.print_every == 0:
                        bar.say(f"(Iteration {t + 1} / {total}) loss: {self.loss_history[-1]:f}")
                    end_of_epoch = (t + 1) % per_epoch == 0
                    if end_of_epoch:
                        self.epoch += 1
                        for config in self.optim_configs.values():
                            config["learning_rate"] *= self.lr_decay
                    if t == 0 or end_of_epoch:
                        self._measure()
                        bar.say(f"(Epoch {self.epoch} / {last_epoch}) "
                                f"train acc: {self.train_acc_history[-1]:f}; "
                                f"val_acc: {self.val_acc_history[-1]:f}")
                    if end_of_epoch and self.checkpoint_name is not None:
                        save_checkpoint(f"{self.checkpoint_name}_epoch_{self.epoch}.npz", self.model)
                    bar.advance(self.loss_history[-1], self.val_acc_history[-1])
            finally:
                restore(self.model, self._best)

    def check_accuracy(self, X, y, num_samples=None, batch_size=100):
        """The share of X (N, ...) that the model, in test mode, gives its label in y (N,).

        num_samples, if below N, draws that many examples without repetition; batch_size bounds the memory. An
        example whose scores are not finite counts as wrong.

        Raises: TypeError, ValueError that name the argument, also if X is empty or y has another length.
        """
        require_count("check_accuracy", "batch_size", batch_size, 1)
        if num_samples is not None:
            require_count("check_accuracy", "num_samples", num_samples, 1)
        if np.ndim(X) == 0 or len(X) == 0 or np.shape(y) != (len(X),):
            raise ValueError("check_accuracy: X must hold at least one example, and y one label each, got "
                             f"X {np.shape(X)} and y {np.shape(y)}; try an X and a y of one split")
        return self._accuracy(X, y, num_samples, batch_size)[0]

    def _accuracy(self, X, y, num_samples, batch_size=100):
        """check_accuracy, and whether any score was finite."""
        if num_samples is not None and num_samples < len(X):
            chosen = self.rng.permutation(len(X))[:num_samples]
            X, y = X[chosen], y[chosen]
        right = finite = 0
        for i in range(0, len(X), batch_size):
            scores = self.model.loss(X[i:i + batch_size])
            valid = np.isfinite(scores).all(axis=1)
            right += np.sum(valid & (scores.argmax(axis=1) == y[i:i + batch_size]))
            finite += valid.sum()
        return right / len(X), finite > 0

    def _step(self, batch):
        loss, grads = self.model.loss(self.X_train[batch], self.y_train[batch])
        if not np.isfinite(loss):
            warnings.warn(self._divergence(loss, grads), RuntimeWarning, stacklevel=3)
            return False
        self.loss_history.append(loss)
        for name, w in self.model.params.items():
            self.model.params[name], self.optim_configs[name] = \
                self.update_rule(w, grads[name], self.optim_configs[name])
        return True

    def _divergence(self, loss, grads):
        largest = {name: np.max(np.abs(g)) for name, g in grads.items()}
        broken = [name for name, size in largest.items() if not np.isfinite(size)]
        name = broken[0] if broken else max(largest, key=largest.get)
        rate = self.optim_configs[name].get("learning_rate", "the default")
        return (f"Solver.train: the loss is {loss} at iteration {len(self.loss_history) + 1}, so the run "
                f"ends here; the largest gradient is {largest[name]:g}, in {name}; the best parameters so "
                f"far are kept (validation accuracy {self.best_val_acc:.3f}). Try a smaller learning_rate "
                f"(it is {rate}), a smaller weight_scale, or look for NaN in X_train")

    def _measure(self):
        self.train_acc_history.append(self.check_accuracy(self.X_train, self.y_train, self.num_train_samples))
        val_acc, finite = self._accuracy(self.X_val, self.y_val, self.num_val_samples)
        if not finite:
            warnings.warn("Solver.train: no score on X_val is finite, so these parameters cannot be the "
                          "best; try a smaller learning_rate, or look for NaN in X_val",
                          RuntimeWarning, stacklevel=3)
        if val_acc > self.best_val_acc or finite and not self.val_acc_history:
            self.best_val_acc = val_acc
            self._best = snapshot(self.model)
        self.val_acc_history.append(val_acc)


def _require_data(model, data):
    if not hasattr(data, "keys"):
        raise TypeError("Solver: data must be a dict of the arrays X_train, y_train, X_val, y_val, got "
                        f"{type(data).__name__}; try get_CIFAR10_data()")
    for part in ("train", "val"):
        X, y = f"X_{part}", f"y_{part}"
        for name in (X, y):
            if name not in data:
                raise ValueError(f"Solver: data has no {name!r}; it needs X_train, y_train, X_val, y_val")
        if not isinstance(data[X], np.ndarray):
            raise TypeError(f"Solver: data[{X!r}] must be a numpy array, "
                            f"got {instead(f'data[{X!r}]', data[X], 'float32')}")
        if data[X].ndim == 0 or len(data[X]) == 0:
            raise ValueError(f"Solver: data[{X!r}] must hold at least one example, "
                             f"its shape is {data[X].shape}")
        require_labels(f"Solver, data[{y!r}]", data[y], len(data[X]))
    if not getattr(model, "params", None) or not callable(getattr(model, "loss", None)):
        raise TypeError(f"Solver: model must have params and loss(X, y), got {type(model).__name__}")


class _progress:
    """Printed lines, under a bar where somebody watches: on a terminal or in a notebook."""

    def __init__(self, total, verbose):
        self.total, self.verbose, self.bar = total, verbose, None

    def __enter__(self):
        if self.verbose and (sys.stderr is not None and sys.stderr.isatty() or in_notebook()):
            from tqdm import tqdm

            self.bar = tqdm(total=self.total, leave=False, unit="it", dynamic_ncols=True)
        return self

    def say(self, line):
        if self.bar is not None:
            self.bar.write(line)
        elif self.verbose:
            print(line)

    def advance(self, loss, val_acc):
        if self.bar is not None:
            self.bar.set_postfix(loss=f"{loss:.3f}", val_acc=f"{val_acc:.3f}", refresh=False)
            self.bar.update()

    def __exit__(self, *_):
        if self.bar is not None:
            self.bar.close()
