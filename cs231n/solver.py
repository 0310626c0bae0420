"""The training loop: minibatches in, a model with its best parameters out."""

import warnings
from pathlib import Path

import numpy as np

from cs231n import optim
from cs231n.common.terminal import Progress
from cs231n.contracts import (
    describe_with_fix,
    require_choice,
    require_count,
    require_labels,
    require_number,
    require_rng,
    require_seed,
)
from cs231n.training import run_folder, run_state
from cs231n.training.checkpoint import (
    load_checkpoint,
    load_model,
    require_folder,
    restore,
    save_checkpoint,
    snapshot,
)
from cs231n.training.schedules import SCHEDULES, require_schedule

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

    Args:   model; data, a dict of finite arrays X_train, y_train, X_val, y_val;
            update_rule "sgd", "sgd_momentum", "rmsprop", "adam" or "adamw", and optim_config, its settings; a
            weight_decay among them leaves parameters of fewer than two dimensions alone, as reg does;
            lr_decay, the factor on the learning rate after each epoch; schedule "constant", "cosine" or
            "one_cycle", and schedule_config, its settings: a further factor, over one call of train;
            batch_size; num_epochs; patience, the epochs without a better validation accuracy after which
            training stops (None: never); keep "best" or "last", which parameters the model has in the end: a
            schedule that ends near zero needs no choice, and a small X_val makes a bad one;
            clip_norm, the largest global norm that gradients may have;
            augment, a function (batch of images, rng) -> such a batch, for training batches alone;
            num_train_samples, num_val_samples, how many examples an accuracy is measured on (None: all);
            checkpoint_name, the stem of files NAME_epoch_E.npz written after each epoch for load_checkpoint;
            run, a folder for all that the run writes (cs231n.training.run_folder lists it), from which
            Solver.resume goes on bit for bit after whatever ended it, and Solver.load takes the model;
            print_every, iterations between printed losses; verbose, print at all: lines, and on a
            terminal or in a notebook a progress bar under them;
            seed, an integer, or rng, a numpy Generator or RandomState, to draw batches from (default: the
            global numpy stream).
    Raises: TypeError, ValueError that name the argument, before anything is changed; FileExistsError if
            there is a run in the folder already.

    Attributes after train(): loss_history, one loss an iteration; train_acc_history, val_acc_history, one
    entry at the first iteration and one at the end of each epoch; best_val_acc; best_params; epoch.
    """

    def __init__(
        self,
        model,
        data,
        *,
        update_rule="sgd",
        optim_config=None,
        lr_decay=1.0,
        schedule="constant",
        schedule_config=None,
        batch_size=100,
        num_epochs=10,
        patience=None,
        keep="best",
        clip_norm=None,
        augment=None,
        num_train_samples=1000,
        num_val_samples=None,
        checkpoint_name=None,
        run=None,
        print_every=10,
        verbose=True,
        seed=None,
        rng=None,
        **unknown,
    ):
        if unknown:
            raise ValueError(f"Solver: unknown argument {', '.join(map(repr, unknown))}; try help(Solver)")
        _require_data(model, data)
        rules = optim.UPDATE_RULES | getattr(getattr(model, "layers", None), "UPDATE_RULES", {})
        require_choice("Solver", "update_rule", update_rule, tuple(rules))
        require_number("Solver", "lr_decay", lr_decay, 0, above=True)
        for name, value, low in [
            ("batch_size", batch_size, 1),
            ("num_epochs", num_epochs, 0),
            ("print_every", print_every, 1),
        ]:
            require_count("Solver", name, value, low)
        for name, value in [
            ("num_train_samples", num_train_samples),
            ("num_val_samples", num_val_samples),
            ("patience", patience),
        ]:
            if value is not None:
                require_count("Solver", name, value, 1)
        if clip_norm is not None:
            require_number("Solver", "clip_norm", clip_norm, 0, above=True)
        require_schedule("Solver", schedule, schedule_config)
        require_choice("Solver", "keep", keep, ("best", "last"))
        if augment is not None and not callable(augment):
            raise TypeError(
                f"Solver: augment must be a function (batch, rng) -> batch, got {augment!r}; "
                "try from cs231n.data.augment import flip_and_shift"
            )
        if not isinstance(optim_config, (dict, type(None))):
            raise TypeError(
                f"Solver: optim_config must be a dict, got {type(optim_config).__name__}; "
                "try {'learning_rate': 1e-3}"
            )
        if seed is not None and rng is not None:
            raise ValueError("Solver: seed and rng are two ways to say one thing; give one of them")
        if seed is not None:
            require_seed("Solver", "seed", seed)
        if rng is not None:
            require_rng("Solver", rng)
        if run is not None:
            run_folder.require_new(run)

        self.model = model
        self.X_train, self.y_train = data["X_train"], data["y_train"]
        self.X_val, self.y_val = data["X_val"], data["y_val"]
        self.update_rule = rules[update_rule]
        self.optim_config = dict(optim_config or {})
        self.lr_decay = float(lr_decay)
        self.schedule, self.schedule_config = schedule, dict(schedule_config or {})
        self.batch_size = batch_size
        self.num_epochs = num_epochs
        self.patience, self.keep, self.clip_norm, self.augment = patience, keep, clip_norm, augment
        self.num_train_samples = num_train_samples
        self.num_val_samples = num_val_samples
        self.checkpoint_name = checkpoint_name
        self.run = None if run is None else run_folder.Run(run)
        self.print_every = print_every
        self.verbose = verbose
        self.rng = rng if rng is not None else np.random if seed is None else np.random.RandomState(seed)

        w, filled = next(iter(model.params.values())), dict(self.optim_config)
        self.update_rule(w, np.zeros_like(w), filled)  # a bad setting fails here and now
        self.optim_configs = {name: dict(self.optim_config) for name in model.params}
        for name, config in self.optim_configs.items():
            if "weight_decay" in filled and np.ndim(model.params[name]) < 2:
                config["weight_decay"] = 0.0
        self.epoch = self.best_epoch = self.best_val_acc = 0
        self.loss_history, self.train_acc_history, self.val_acc_history = [], [], []
        self._best = None
        self._rate = filled["learning_rate"]  # of the epoch, before the schedule
        self._done = 0  # steps of the call of train under way

    @property
    def best_params(self):
        """The parameters with the best validation accuracy so far; before any, those of the model."""
        return self.model.params if self._best is None else self._best[0]

    def train(self):
        """Run num_epochs epochs, then give the model its best parameters, also after an error or Ctrl-C.

        A second call goes on with another num_epochs; the first one of a resumed Solver, with the epochs that
        are left. A loss that is not finite, or an overflow, ends the run with a RuntimeWarning that says
        where; the step is not taken.

        Raises: OSError before the first step if nothing can be written where checkpoint_name or run points.
        """
        if self.checkpoint_name is not None:
            require_folder("Solver.train", self.checkpoint_name)
        if self._best is None:
            self._best = snapshot(self.model)
        per_epoch = max(len(self.X_train) // self.batch_size, 1)
        if (
            self.num_epochs
            and getattr(self.model, "normalization", None) == "batchnorm"
            and min(self.batch_size, len(self.X_train)) == 1
        ):
            warnings.warn(
                "Solver.train: a batch of one example is its own mean, so batchnorm turns it into "
                "beta, whatever is in X_train; try more examples and a larger batch_size",
                RuntimeWarning,
                stacklevel=2,
            )
        total, first_epoch = self.num_epochs * per_epoch, self.epoch - self._done // per_epoch
        if self.run is not None:
            self.run.start(self)
        with Progress(total, self._done, self.verbose) as bar:
            try:
                for t in range(self._done, total):
                    if t % per_epoch == 0:
                        waited = self.epoch - max(self.best_epoch, first_epoch)
                        if self.patience is not None and waited >= self.patience:
                            break
                        order = self.rng.permutation(len(self.X_train))
                    self._set_rate(t / total)
                    start = t % per_epoch * self.batch_size
                    if not self._step(order[start : start + self.batch_size]):
                        break
                    self._done = t + 1
                    if t % self.print_every == 0:
                        bar.say(f"(Iteration {t + 1} / {total}) loss: {self.loss_history[-1]:f}")
                    end_of_epoch = (t + 1) % per_epoch == 0
                    if end_of_epoch:
                        self.epoch += 1
                        rate = self._decay_rate()
                    if t == 0 or end_of_epoch:
                        self._measure()
                        bar.say(
                            f"(Epoch {self.epoch} / {first_epoch + self.num_epochs}) "
                            f"train acc: {self.train_acc_history[-1]:f}; "
                            f"val_acc: {self.val_acc_history[-1]:f}"
                        )
                    if end_of_epoch and self.checkpoint_name is not None:
                        self._save_epoch()
                    if end_of_epoch and self.run is not None:
                        self.run.end_epoch(self, rate)
                    bar.advance(loss=self.loss_history[-1], val_acc=self.val_acc_history[-1])
                if self.run is not None:
                    self.run.finish(self)
            except KeyboardInterrupt:
                if self.run is not None:
                    bar.say(f"interrupted; Solver.resume({str(self.run.folder)!r}, data).train() goes on")
                raise
            finally:
                self._done = 0
                restore(self.model, self._best)

    @classmethod
    def resume(cls, path, data, *, model=None, augment=None):
        """A Solver as it was when it wrote a checkpoint: its train() ends as if nothing had happened.

        The same parameters, histories and files, bit for bit, on the same machine with as many threads. The
        global random stream is set as well, for dropout may draw from it.

        Args:   path, the folder that was given as run=, for the last checkpoint, or one checkpoint in it;
                data, the same as before; model, a new one of the same shapes, and augment, the same
                function, if they are not of this kit.
        Raises: FileNotFoundError; ValueError if the checkpoint is broken, foreign or of another version, with
                the name of the one before it; ValueError if model, augment or data is not that of the run.
        """
        state, folder = run_folder.read_checkpoint(path)
        model = run_state.model_of(state) if model is None else model
        augment = run_state.augment_of(state) if augment is None else augment
        solver = cls(model, data, **{**state["settings"], "augment": augment})
        run_state.restore_state(solver, state)
        solver.run = run_folder.Run(folder, state["rows"], state["data"])
        return solver

    @staticmethod
    def load(path):
        """The best model of a run, from its folder, its model.npz or a file named by checkpoint_name.

        It predicts bit for bit as the model that was trained. Raises: FileNotFoundError; ValueError if the
        file is no checkpoint of a net of this kit.
        """
        return load_model(Path(path) / "model.npz" if Path(path).is_dir() else path)

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
            raise ValueError(
                "check_accuracy: X must hold at least one example, and y one label each, got "
                f"X {np.shape(X)} and y {np.shape(y)}; try an X and a y of one split"
            )
        return self._accuracy(X, y, num_samples, batch_size)[0]

    def _accuracy(self, X, y, num_samples, batch_size=100):
        """check_accuracy, and whether any score was finite."""
        y = labels = np.asarray(y)
        if num_samples is not None and num_samples < len(X):
            chosen = self.rng.permutation(len(X))[:num_samples]
            X, y = X[chosen], y[chosen]
        right = finite = 0
        for i in range(0, len(X), batch_size):
            scores = self.model.loss(X[i : i + batch_size])
            if i == 0:
                require_labels("check_accuracy", labels, len(labels), scores.shape[1])
            valid = np.isfinite(scores).all(axis=1)
            right += np.sum(valid & (scores.argmax(axis=1) == y[i : i + batch_size]))
            finite += valid.sum()
        return right / len(X), finite > 0

    def _save_epoch(self):
        path = f"{self.checkpoint_name}_epoch_{self.epoch}.npz"
        try:
            save_checkpoint(path, self.model)
        except OSError as error:
            raise OSError(
                f"Solver.train: cannot write {path} ({error.strerror or error}); the model has its "
                "best parameters: make room, or try another checkpoint_name, then train() adds "
                "num_epochs to those"
            ) from error

    def _step(self, batch):
        X, y = self.X_train[batch], self.y_train[batch]
        if self.augment is not None:
            X = self.augment(X, self.rng)
        try:
            loss, grads = self.model.loss(X, y)
            if not np.isfinite(loss):
                warnings.warn(self._divergence(loss, grads), RuntimeWarning, stacklevel=3)
                return False
            if self.clip_norm is not None:
                grads = optim.clip_by_norm(grads, self.clip_norm)
            for name, w in self.model.params.items():
                self.model.params[name], self.optim_configs[name] = self.update_rule(
                    w, grads[name], self.optim_configs[name]
                )
        except OverflowError as error:
            warnings.warn(
                f"Solver.train: the run ends at iteration {len(self.loss_history) + 1}: {error}; "
                f"the best parameters so far are kept (validation accuracy "
                f"{self.best_val_acc:.3f})",
                RuntimeWarning,
                stacklevel=3,
            )
            return False
        self.loss_history.append(loss)
        return True

    def _set_rate(self, progress):
        if self.schedule != "constant":  # which leaves optim_configs to whoever changes them by hand
            factor = SCHEDULES[self.schedule](progress, **self.schedule_config)
            for config in self.optim_configs.values():
                config["learning_rate"] = self._rate * factor

    def _decay_rate(self):
        """The learning rate of the epoch's last step, before it decays."""
        rate = next(iter(self.optim_configs.values()))["learning_rate"]
        for config in self.optim_configs.values():
            config["learning_rate"] *= self.lr_decay
        self._rate *= self.lr_decay
        return rate

    def _divergence(self, loss, grads):
        largest = {name: np.max(np.abs(g)) for name, g in grads.items()}
        broken = [name for name, size in largest.items() if not np.isfinite(size)]
        name = broken[0] if broken else max(largest, key=largest.get)
        rate = self.optim_configs[name].get("learning_rate", "the default")
        return (
            f"Solver.train: the loss is {loss} at iteration {len(self.loss_history) + 1}, so the run "
            f"ends here; the largest gradient is {largest[name]:g}, in {name}; the best parameters so "
            f"far are kept (validation accuracy {self.best_val_acc:.3f}). Try a smaller learning_rate "
            f"(it is {rate}) or a smaller weight_scale"
        )

    def _measure(self):
        self.train_acc_history.append(self.check_accuracy(self.X_train, self.y_train, self.num_train_samples))
        val_acc, finite = self._accuracy(self.X_val, self.y_val, self.num_val_samples)
        if not finite:
            warnings.warn(
                "Solver.train: no score on X_val is finite, so these parameters cannot be the "
                "best; try a smaller learning_rate",
                RuntimeWarning,
                stacklevel=3,
            )
        first_or_last = self.keep == "last" or not self.val_acc_history
        if val_acc > self.best_val_acc or finite and first_or_last:
            self.best_val_acc, self.best_epoch = val_acc, self.epoch
            self._best = snapshot(self.model)
        self.val_acc_history.append(val_acc)


def _require_data(model, data):
    if not hasattr(data, "keys"):
        raise TypeError(
            "Solver: data must be a dict of the arrays X_train, y_train, X_val, y_val, got "
            f"{type(data).__name__}; try get_CIFAR10_data()"
        )
    for part in ("train", "val"):
        X, y = f"X_{part}", f"y_{part}"
        for name in (X, y):
            if name not in data:
                raise ValueError(f"Solver: data has no {name!r}; it needs X_train, y_train, X_val, y_val")
        if not isinstance(data[X], np.ndarray):
            raise TypeError(
                f"Solver: data[{X!r}] must be a numpy array, "
                f"got {describe_with_fix(f'data[{X!r}]', data[X], 'float32')}"
            )
        if data[X].ndim == 0 or len(data[X]) == 0:
            raise ValueError(
                f"Solver: data[{X!r}] must hold at least one example, "
                f"its shape is {data[X].shape}; try a split that leaves it some"
            )
        require_labels(f"Solver, data[{y!r}]", data[y], len(data[X]))
        _require_finite(X, data[X])
    if data["X_val"][:1].size != data["X_train"][:1].size:
        raise ValueError(
            "Solver: data['X_val'] must hold examples as large as those in data['X_train'], "
            f"{data['X_train'].shape[1:]}, got {data['X_val'].shape[1:]}; "
            "try X_val and X_train of one get_CIFAR10_data()"
        )
    if not getattr(model, "params", None) or not callable(getattr(model, "loss", None)):
        raise TypeError(f"Solver: model must have params and loss(X, y), got {type(model).__name__}")


def _require_finite(name, X):
    if X.dtype.kind != "f" or X.size == 0 or np.isfinite([X.min(), X.max()]).all():
        return
    i = next(i for i, example in enumerate(X) if not np.isfinite(example).all())
    found = X[i][~np.isfinite(X[i])].flat[0] if X.ndim > 1 else X[i]
    raise ValueError(
        f"Solver: data[{name!r}] must be finite, got {found} in example {i}; try to leave out "
        f"that example and its label, or to mend what made it {found}"
    )
