"""The training loop: minibatches in, a model with its best parameters out."""

import os
import warnings
from collections.abc import Callable, Mapping
from inspect import isfunction, signature
from pathlib import Path
from typing import Any

import numpy as np

from cs231n import optim
from cs231n.adamw import adamw
from cs231n.common.terminal import Progress
from cs231n.contracts import require_choice, require_count, require_labels
from cs231n.training import checkpoint, diagnostics, run_folder, run_state
from cs231n.training.checkpoint import Model, Snapshot, load_checkpoint
from cs231n.training.clipping import clip_by_norm
from cs231n.training.data_check import require_data, require_model
from cs231n.training.options import Augment, SolverOptions, options_from_json, signature_with
from cs231n.training.schedules import SCHEDULES

__all__ = ["Solver", "load_checkpoint"]


class Solver(SolverOptions):
    """Train a model by a first-order update rule, and keep its best parameters.

        solver = Solver(model, data, update_rule="adam", optim_config={"learning_rate": 1e-3})
        solver.train()

    An epoch is one shuffled pass over the training set, in batches of batch_size; a remainder smaller than
    a batch is left out of that epoch, and a batch_size above the size of the set means the whole set.

    Args:
        model: has params, a dict of arrays, and loss(X, y) -> loss, grads; loss(X) -> scores (N, C). Running
            statistics in a list of dicts bn_params are saved and restored with the parameters.
        data: a dict of finite arrays X_train (N, ...), y_train (N,), X_val, y_val; labels are integers.
        update_rule: "sgd", "sgd_momentum", "rmsprop", "adam", "adamw", or another rule of optim.py.
        optim_config: the settings of the rule; weight_decay leaves parameters of one dimension alone.
        lr_decay: the factor on the learning rate after each epoch.
        schedule: "constant", "cosine" or "one_cycle": a further factor, over one call of train.
        schedule_config: the settings of the schedule (cs231n.training.schedules).
        batch_size: examples in a step.
        num_epochs: epochs in one call of train.
        patience: stop after that many epochs without a better validation accuracy (None: never).
        keep: "best" or "last", the parameters that the model has in the end. Take "last" with a schedule that
            ends near zero: then a small X_val chooses badly.
        clip_norm: the largest global norm of the gradients; longer ones are scaled down (None: no limit).
        augment: a function (batch of images, rng) -> such a batch, for training batches alone.
        num_train_samples: how many examples the training accuracy is measured on (None: all).
        num_val_samples: the same for the validation accuracy.
        checkpoint_name: the stem of files NAME_epoch_E.npz, one after each epoch, for load_checkpoint.
        run: a folder for all that the run writes (cs231n.training.run_folder), for Solver.resume and load.
        print_every: iterations between printed losses.
        verbose: print lines, and on a terminal or in a notebook a progress bar under them.
        seed: an integer; batches are drawn from a RandomState of that seed.
        rng: a numpy Generator or RandomState to draw batches from (default: the global numpy stream).

    Raises:
        TypeError, ValueError: an argument is unknown or does not fit; the message names it.
        FileExistsError: there is a run in the folder already.

    Attributes, besides the options, after train():
        loss_history: one loss per iteration.
        train_acc_history, val_acc_history: one accuracy at the first iteration and one each epoch.
        best_val_acc, best_epoch, best_params: of the parameters that the model has in the end.
        epoch: epochs so far.
    """

    __signature__ = signature_with("model", "data")

    def __init__(self, model: Model, data: Mapping[str, np.ndarray], **options: Any):
        if unknown := options.keys() - self.__signature__.parameters.keys():
            names = ", ".join(repr(name) for name in options if name in unknown)
            raise ValueError(f"Solver: unknown argument {names}; try help(Solver)")
        require_data(data)
        require_model(model)
        super().__init__(**options)
        rules = _update_rules(model)
        require_choice("Solver", "update_rule", self.update_rule, tuple(rules))
        if self.run is not None:
            run_folder.require_new(self.run)

        self.model = model
        self.X_train, self.y_train = data["X_train"], data["y_train"]
        self.X_val, self.y_val = data["X_val"], data["y_val"]
        self._rule = rules[self.update_rule]
        w = next(iter(model.params.values()))
        # A bad setting fails here. A rule of the course may write into w.
        _, config = self._rule(w.copy(), np.zeros_like(w), dict(self.optim_config))
        self.optim_configs = {name: dict(self.optim_config) for name in model.params}
        if "weight_decay" in config:
            for name, own_config in self.optim_configs.items():
                if np.ndim(model.params[name]) < 2:
                    own_config["weight_decay"] = 0.0
        self.epoch = self.best_epoch = 0
        self.best_val_acc = 0.0
        self.loss_history: list[float] = []
        self.train_acc_history: list[float] = []
        self.val_acc_history: list[float] = []
        self._run = None if self.run is None else run_folder.Run(self.run)
        self._best_snapshot: Snapshot | None = None
        self._base_lr = config["learning_rate"]  # of the epoch, before the schedule
        self._steps_done = 0  # in this call of train

    @property
    def best_params(self) -> dict[str, np.ndarray]:
        """The parameters with the best validation accuracy so far; before train, those of the model."""
        return self.model.params if self._best_snapshot is None else self._best_snapshot[0]

    def train(self) -> None:
        """Run num_epochs epochs, then give the model its best parameters, also after an error or Ctrl-C.

        A second call adds another num_epochs; the first call of a resumed Solver runs the epochs that are
        left. A loss that is not finite, or an overflow, ends the run with a RuntimeWarning that says where;
        the step is not taken.

        Raises:
            TypeError, ValueError: an option was set to a value that does not fit.
            OSError: before the first step, if nothing can be written where checkpoint_name or run points.
        """
        self.check_options()
        if self.checkpoint_name is not None:
            checkpoint.require_folder("Solver.train", self.checkpoint_name)
        if self._best_snapshot is None:
            self._best_snapshot = checkpoint.snapshot(self.model)
        if self.num_epochs:
            diagnostics.warn_of_batches_of_one(self.model, min(self.batch_size, len(self.X_train)))
        per_epoch = max(len(self.X_train) // self.batch_size, 1)
        total, first_epoch = self.num_epochs * per_epoch, self.epoch - self._steps_done // per_epoch
        if self._run is not None:
            self._run.start(self)
        with Progress(total, self._steps_done, self.verbose) as bar:
            try:
                for t in range(self._steps_done, total):
                    if t % per_epoch == 0:
                        waited = self.epoch - max(self.best_epoch, first_epoch)
                        if self.patience is not None and waited >= self.patience:
                            break
                        order = self.rng.permutation(len(self.X_train))
                    self._set_learning_rate(t / total)
                    start = t % per_epoch * self.batch_size
                    problem = self._step(order[start : start + self.batch_size])
                    if problem:
                        warnings.warn(problem, RuntimeWarning, stacklevel=2)
                        break
                    self._steps_done = t + 1
                    if t % self.print_every == 0:
                        bar.say(f"(Iteration {t + 1} / {total}) loss: {self.loss_history[-1]:f}")
                    epoch_ends = (t + 1) % per_epoch == 0
                    if epoch_ends:
                        self.epoch += 1
                        learning_rate = self._decay_learning_rate()
                    if t == 0 or epoch_ends:
                        self._measure()
                        bar.say(
                            f"(Epoch {self.epoch} / {first_epoch + self.num_epochs}) "
                            f"train acc: {self.train_acc_history[-1]:f}; "
                            f"val_acc: {self.val_acc_history[-1]:f}"
                        )
                    if epoch_ends and self.checkpoint_name is not None:
                        checkpoint.save_epoch(self.checkpoint_name, self.epoch, self.model)
                    if epoch_ends and self._run is not None:
                        self._run.end_epoch(self, learning_rate)
                    bar.advance(loss=self.loss_history[-1], val_acc=self.val_acc_history[-1])
                if self._run is not None:
                    self._run.finish(self)
            except KeyboardInterrupt:
                if self._run is not None:
                    bar.say(f"interrupted; Solver.resume({str(self._run.folder)!r}, data).train() continues")
                raise
            finally:
                self._steps_done = 0
                checkpoint.restore(self.model, self._best_snapshot)

    @classmethod
    def resume(
        cls,
        path: str | os.PathLike,
        data: Mapping[str, np.ndarray],
        *,
        model: Model | None = None,
        augment: Augment | None = None,
    ) -> "Solver":
        """A Solver as it was when it wrote a checkpoint: its train() ends as an uninterrupted run does.

        The parameters, histories and files are the same bit for bit, on the same machine with as many
        threads. The global random stream is set as well, because dropout may draw from it.

        Args:
            path: the folder that was given as run=, for the last checkpoint, or one checkpoint in it.
            data: the same as before.
            model: a new one of the same shapes, if it is no net of fc_net.py.
            augment: the same function, if it is not one of cs231n.data.augment.

        Raises:
            FileNotFoundError: there is no checkpoint.
            ValueError: the checkpoint is damaged, foreign or of another version, and the message names the
                one before it; or model, augment or data is not that of the run.
        """
        state, folder = run_folder.read_checkpoint(path)
        model = run_state.model_of(state) if model is None else model
        solver = cls(model, data, **options_from_json(state["settings"], augment))
        run_state.restore_state(solver, state)
        solver.run, solver._run = folder, run_folder.Run(folder, state["rows"], state["data"])
        return solver

    @staticmethod
    def load(path: str | os.PathLike) -> Model:
        """The best model of a run; it predicts bit for bit as the model that was trained.

        Args:
            path: the folder of the run, its model.npz, or a file NAME_epoch_E.npz.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: the file is not a checkpoint of a net of fc_net.py.
        """
        return checkpoint.load_model(Path(path) / "model.npz" if Path(path).is_dir() else path)

    def check_accuracy(
        self, X: np.ndarray, y: np.ndarray, num_samples: int | None = None, batch_size: int = 100
    ) -> float:
        """The share of examples whose largest score, in test mode, is that of their label.

        An example whose scores are not finite counts as wrong.

        Args:
            X: (N, ...) array.
            y: (N,) integer labels.
            num_samples: draw that many examples without repetition, if it is below N (None: all).
            batch_size: examples scored at once; it bounds the memory.

        Raises:
            TypeError, ValueError: an argument does not fit, or X is empty; the message names it.
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

    def _accuracy(
        self, X: np.ndarray, y: np.ndarray, num_samples: int | None, batch_size: int = 100
    ) -> tuple[float, bool]:
        """The accuracy, and whether any score was finite."""
        y = labels = np.asanyarray(y)  # a masked one is refused below
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

    def _step(self, batch: np.ndarray) -> str | None:
        """Update the parameters by one batch of indices. Returns why the run must end, if it must."""
        X, y, iteration = self.X_train[batch], self.y_train[batch], len(self.loss_history) + 1
        if self.augment is not None:
            X = self.augment(X, self.rng)
        try:
            loss, grads = self.model.loss(X, y)
            if not np.isfinite(loss):
                return diagnostics.describe_divergence(
                    iteration, loss, grads, self.optim_configs, self.best_val_acc
                )
            if self.clip_norm is not None:
                grads = clip_by_norm(grads, self.clip_norm)
            for name, w in self.model.params.items():
                self.model.params[name], self.optim_configs[name] = self._rule(
                    w, grads[name], self.optim_configs[name]
                )
        except OverflowError as error:
            return diagnostics.describe_overflow(iteration, error, self.best_val_acc)
        self.loss_history.append(loss)
        return None

    def _set_learning_rate(self, progress: float) -> None:
        if self.schedule != "constant":  # which leaves optim_configs to whoever changes them by hand
            factor = SCHEDULES[self.schedule](progress, **self.schedule_config)
            for config in self.optim_configs.values():
                config["learning_rate"] = self._base_lr * factor

    def _decay_learning_rate(self) -> float:
        """The learning rate of the epoch's last step, before it decays."""
        last = next(iter(self.optim_configs.values()))["learning_rate"]
        for config in self.optim_configs.values():
            config["learning_rate"] *= self.lr_decay
        self._base_lr *= self.lr_decay
        return last

    def _measure(self) -> None:
        """Add an accuracy to both histories; take a snapshot if these parameters are the best so far."""
        self.train_acc_history.append(self.check_accuracy(self.X_train, self.y_train, self.num_train_samples))
        val_acc, finite = self._accuracy(self.X_val, self.y_val, self.num_val_samples)
        if not finite:
            diagnostics.warn_of_scores()
        first_or_last = self.keep == "last" or not self.val_acc_history
        if val_acc > self.best_val_acc or finite and first_or_last:
            self.best_val_acc, self.best_epoch = val_acc, self.epoch
            self._best_snapshot = checkpoint.snapshot(self.model)
        self.val_acc_history.append(val_acc)


def _update_rules(model: Model) -> dict[str, Callable]:
    """The rules of optim.py, and adamw; the layers of a model may bring faster ones in their place."""
    functions: dict[str, Callable] = {
        name: f for name, f in vars(optim).items() if name[0] != "_" and isfunction(f)
    }
    rules = {name: f for name, f in functions.items() if [*signature(f).parameters][2:] == ["config"]}
    rules.setdefault("adamw", adamw)
    return rules | getattr(getattr(model, "layers", None), "UPDATE_RULES", {})
