"""The training loop: minibatches in, a model with its best parameters out."""

import contextlib
import os
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np

from cs231n.common.terminal import Progress
from cs231n.contracts import require_choice
from cs231n.training import checkpoint, diagnostics
from cs231n.training.accuracy import accuracy
from cs231n.training.callbacks import Callback, EpochCheckpoints
from cs231n.training.checkpoint import Model, Snapshot, load_checkpoint
from cs231n.training.data_check import require_data, require_model
from cs231n.training.options import SolverOptions, require_known, signature_with
from cs231n.training.ownership import require_new
from cs231n.training.resume import Resumable
from cs231n.training.run_folder import Run
from cs231n.training.update_rules import configs_for, rules_for

__all__ = ["Solver", "load_checkpoint"]


class Solver(SolverOptions, Resumable):
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
        batch_size: examples in a step.
        num_epochs: epochs in one call of train.
        num_train_samples: how many examples the training accuracy is measured on (None: all).
        num_val_samples: the same for the validation accuracy.
        checkpoint_name: the stem of files NAME_epoch_E.npz, one after each epoch, for load_checkpoint.
        print_every: iterations between printed losses.
        verbose: print lines, and on a terminal or in a notebook a progress bar under them.
        schedule: a further factor on the learning rate, such as cosine() of cs231n.training.schedules.
        callbacks: a list of objects of cs231n.training.callbacks, such as EarlyStopping(patience=3).
        run: a folder for all that the run writes (cs231n.training.run_folder), for Solver.resume and load.
        augment: a function (batch of images, rng) -> such a batch, for training batches alone.
        keep: "best" or "last", the parameters that the model has in the end. Take "last" with a schedule that
            ends near zero: then a small X_val chooses badly.
        rng: an integer, or a numpy Generator or RandomState, for the batches (default: the global stream).

    Raises:
        TypeError, ValueError: an argument is unknown or does not fit; the message names it.
        FileExistsError: there is a run in the folder already.

    Attributes, besides the options, after train():
        loss_history: one loss per iteration.
        train_acc_history, val_acc_history: one accuracy at the first iteration and one each epoch.
        best_val_acc, best_epoch, best_params: the best validation accuracy, its epoch and its parameters.
        epoch: epochs so far.
        learning_rate: that of the last step of an epoch.
    """

    __signature__ = signature_with("model", "data")

    def __init__(self, model: Model, data: Mapping[str, np.ndarray], **options: Any):
        require_known(options)
        require_data(data)
        require_model(model)
        super().__init__(**options)
        rules = rules_for(model)
        require_choice("Solver", "update_rule", self.update_rule, tuple(rules))
        self._run = self.run
        if isinstance(self.run, str | os.PathLike):
            require_new(self.run)
            self._run = Run(self.run)

        self.model = model
        self.X_train, self.y_train = data["X_train"], data["y_train"]
        self.X_val, self.y_val = data["X_val"], data["y_val"]
        self._rule = rules[self.update_rule]
        self.optim_configs, self.learning_rate = configs_for(model, self._rule, self.optim_config)
        self._base_lr = self.learning_rate  # of the epoch; the schedule multiplies it
        self.loss_history: list[float] = []
        self.train_acc_history: list[float] = []
        self.val_acc_history: list[float] = []
        self.epoch = self.best_epoch = 0
        self.first_epoch = 0  # at which this call of train began
        self.best_val_acc = 0.0
        self.stop_training = False  # a callback may set it
        self._best_snapshot: Snapshot | None = None
        self._kept_snapshot: Snapshot | None = None  # what the model has in the end
        self._epochs_done = 0  # in this call of train

    @property
    def best_params(self) -> dict[str, np.ndarray]:
        """The parameters with the best validation accuracy so far; before train, those of the model."""
        return self.model.params if self._best_snapshot is None else self._best_snapshot[0]

    def train(self) -> None:
        """Run num_epochs epochs, then give the model its best (or last) parameters, also after Ctrl-C.

        A second call adds another num_epochs; the first call of a resumed Solver runs the epochs that are
        left. A loss that is not finite, or an overflow, ends the run with a RuntimeWarning that says where;
        the step is not taken.

        Raises:
            TypeError, ValueError: an option was set to a value that does not fit.
            OSError: before the first step, if nothing can be written where checkpoint_name or run points, or
                another Solver trains in that folder.
        """
        self.check_options()
        callbacks = [*self.callbacks, *self._writers()]
        per_epoch = max(len(self.X_train) // self.batch_size, 1)
        self.first_epoch, self.stop_training = self.epoch - self._epochs_done, False
        if self._kept_snapshot is None:
            self._best_snapshot = self._kept_snapshot = checkpoint.snapshot(self.model)
        if self.num_epochs:
            diagnostics.warn_of_batches_of_one(self.model, min(self.batch_size, len(self.X_train)))
        with contextlib.ExitStack() as stack:
            for callback in callbacks:
                stack.callback(callback.close, self)
            for callback in callbacks:
                callback.start(self)
            try:
                self._train_epochs(per_epoch, callbacks)
            finally:
                checkpoint.restore(self.model, self._kept_snapshot)
                self._epochs_done = 0
            for callback in callbacks:
                callback.finish(self)

    def _train_epochs(self, per_epoch: int, callbacks: list[Callback]) -> None:
        t, total = self._epochs_done * per_epoch, self.num_epochs * per_epoch  # iterations
        with Progress(total, t, self.verbose) as bar:
            while self._epochs_done < self.num_epochs and not self.stop_training:
                order = self.rng.permutation(len(self.X_train))[: per_epoch * self.batch_size]
                for batch in order.reshape(per_epoch, -1):
                    self._set_learning_rate(progress=t / total)
                    problem = self._step(batch, callbacks)
                    if problem:
                        warnings.warn(problem, RuntimeWarning, stacklevel=3)
                        return
                    t += 1
                    if (t - 1) % self.print_every == 0:
                        bar.say(f"(Iteration {t} / {total}) loss: {self.loss_history[-1]:f}")
                    if t == 1 and per_epoch > 1:
                        bar.say(self._measure())
                    bar.advance(loss=self.loss_history[-1], val_acc=(self.val_acc_history or [0.0])[-1])
                self.epoch, self._epochs_done = self.epoch + 1, self._epochs_done + 1
                self._decay_learning_rate()
                bar.say(self._measure())
                for callback in callbacks:
                    callback.end_epoch(self)

    def _step(self, batch: np.ndarray, callbacks: list[Callback]) -> str | None:
        """Update the parameters by one batch of indices. Returns why the run must end, if it must."""
        X, y, iteration = self.X_train[batch], self.y_train[batch], len(self.loss_history) + 1
        if self.augment is not None:
            X = self.augmented(X)
        try:
            loss, grads = self.model.loss(X, y)  # forward and backward
            if not np.isfinite(loss):
                return diagnostics.describe_divergence(iteration, loss, grads, self)
            for callback in callbacks:
                grads = callback.after_backward(self, grads) or grads
            for name, w in self.model.params.items():
                self.model.params[name], self.optim_configs[name] = self._rule(
                    w, grads[name], self.optim_configs[name]
                )
        except OverflowError as error:
            return diagnostics.describe_overflow(iteration, error, self)
        self.loss_history.append(loss)
        return None

    def _set_learning_rate(self, progress: float) -> None:
        if self.schedule is not None:  # None leaves optim_configs to whoever changes them by hand
            for config in self.optim_configs.values():
                config["learning_rate"] = self._base_lr * self.schedule(progress)

    def _decay_learning_rate(self) -> None:
        self.learning_rate = next(iter(self.optim_configs.values()))["learning_rate"]
        for config in self.optim_configs.values():
            config["learning_rate"] *= self.lr_decay
        self._base_lr *= self.lr_decay

    def _measure(self) -> str:
        """Add to both accuracies, and take a snapshot if it is to be kept. Returns a line to print."""
        train_acc = self.check_accuracy(self.X_train, self.y_train, self.num_train_samples)
        val_acc, finite = accuracy(self.model, self.X_val, self.y_val, self.rng, self.num_val_samples)
        if not finite:
            diagnostics.warn_of_scores()
        better = val_acc > self.best_val_acc or finite and not self.val_acc_history
        if better:
            self.best_val_acc, self.best_epoch = val_acc, self.epoch
            # Both in one line, so that Ctrl-C cannot come between them.
            self._best_snapshot = self._kept_snapshot = checkpoint.snapshot(self.model)
        elif finite and self.keep == "last":
            self._kept_snapshot = checkpoint.snapshot(self.model)
        self.train_acc_history.append(train_acc)
        self.val_acc_history.append(val_acc)
        epochs = f"{self.epoch} / {self.first_epoch + self.num_epochs}"
        return f"(Epoch {epochs}) train acc: {train_acc:f}; val_acc: {val_acc:f}"

    def _writers(self) -> list[Callback]:
        """The callbacks that checkpoint_name and run stand for."""
        epochs = [] if self.checkpoint_name is None else [EpochCheckpoints(self.checkpoint_name)]
        return [*epochs, *([] if self._run is None else [self._run])]

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
        return accuracy(self.model, X, y, self.rng, num_samples, batch_size)[0]
