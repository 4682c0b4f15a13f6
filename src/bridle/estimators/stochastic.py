"""Mini-batch training by Adam or SGD, with early stopping and a record of each epoch."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from sklearn.base import is_classifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from torch import Tensor

from bridle.errors import RegularizationWarning, UsageError
from bridle.estimators.epochs import (
    Batches,
    Penalties,
    epoch_losses,
    epoch_means,
    epochs_at_once,
    losses_of_epochs,
)
from bridle.estimators.interrupts import DeferredInterrupts
from bridle.estimators.optimizers import AdamOptimizer, SGDOptimizer
from bridle.estimators.perceptron import OUTPUT_ACTIVATIONS, Perceptron
from bridle.estimators.shuffling import Shuffles
from bridle.estimators.sparse_training import sparse_weights_of
from bridle.estimators.staged import StagedPrediction
from bridle.ops.perceptron import Plateau
from bridle.penalties.sparse_weights import SparseWeights

__all__ = ["StochasticTraining"]

Array = np.ndarray[Any, np.dtype[Any]]
_NOT_EVALUATED = (float("nan"),) * 4


@dataclass(frozen=True)
class _Samples:
    """Rows, targets and sample weights."""

    X: Any
    y: Array
    weight: Array | None

    @property
    def weighted_rows(self) -> int:
        """The number of rows with a weight above 0."""
        return len(self.y) if self.weight is None else int(np.count_nonzero(self.weight))

    def first(self, count: int) -> _Samples:
        """Return the first rows with a weight above 0, at most ``count`` of them."""
        if self.weight is None:
            return _Samples(self.X[:count], self.y[:count], None)
        part = np.flatnonzero(self.weight)[:count]
        return _Samples(self.X[part], self.y[part], self.weight[part])


class StochasticTraining(StagedPrediction):
    """Training by Adam or SGD, as in scikit-learn, with masks and proximal steps."""

    _optimizer: AdamOptimizer | SGDOptimizer
    sparsity_: float

    def _validation_score(self, outputs: Array, y: Array, sample_weight: Array | None) -> float:
        raise NotImplementedError

    # ------------------------------------------------------------------------------------- data

    def _split_for_early_stopping(self, samples: _Samples) -> tuple[_Samples, _Samples]:
        """Split samples into training and validation samples; both have rows of weight."""
        stratify = is_classifier(self) and self.n_outputs_ == 1
        training, validation = self._split(samples, stratify)
        rows, weighted = len(samples.y), samples.weighted_rows
        if weighted < rows and (training.weighted_rows < 1 or validation.weighted_rows < 2):
            # a part without weight can neither be trained on nor scored
            samples = samples.first(weighted)
            counts = np.unique(samples.y, return_counts=True)[1]
            stratify = stratify and min(counts) > 1
            training, validation = self._split(samples, stratify)
        held = validation.weighted_rows
        if held < 2:
            raise UsageError(
                f"The validation set is too small: {held} of {rows} rows, and it needs 2 (rows "
                "with a weight of 0 do not count); raise validation_fraction, which is "
                f"{self.validation_fraction}, or set early_stopping=False"
            )
        return training, validation

    def _split(self, samples: _Samples, stratify: bool) -> tuple[_Samples, _Samples]:
        X, y, weight = samples.X, samples.y, samples.weight
        try:
            split = train_test_split(
                *(each for each in (X, y, weight) if each is not None),
                random_state=self._random_state,
                test_size=self.validation_fraction,
                stratify=y if stratify else None,
            )
        except ValueError as error:
            raise UsageError(
                f"early_stopping cannot hold out {self.validation_fraction} of {len(y)} rows with "
                f"a weight: {error}; change validation_fraction, give more rows, or set "
                "early_stopping=False"
            ) from error
        if weight is None:
            split += [None, None]
        return _Samples(*split[0::2]), _Samples(*split[1::2])

    def _effective_batch_size(self, rows: int) -> int:
        if self.batch_size == "auto":
            return min(200, rows)
        if self.batch_size > rows:
            warnings.warn(
                f"batch_size is {self.batch_size}, but there are only {rows} rows; "
                f"using batch_size={rows}",
                stacklevel=6,
            )
        return int(min(self.batch_size, rows))

    # ----------------------------------------------------------------------------------- epochs

    def _fit_stochastic(
        self,
        network: Perceptron,
        X: Any,
        y: Array,
        weight: Array | None,
        incremental: bool,
        interrupts: DeferredInterrupts,
    ) -> None:
        """Train ``network`` for one epoch if ``incremental``, else until training stops."""
        previous, self._optimizer = (
            getattr(self, "_optimizer", None),
            self._make_optimizer(self.coefs_),
        )
        if incremental and type(previous) is type(self._optimizer):
            self._optimizer.continue_from(previous)
        self._steps, self._epochs = getattr(self, "_steps", 0), getattr(self, "_epochs", [])
        if self.early_stopping and incremental:
            raise ValueError("partial_fit does not support early_stopping=True")
        training, evaluated = _Samples(X, y, weight), None
        if self.early_stopping:
            training, validation = self._split_for_early_stopping(training)
            # the split has shuffled the rows, so the first ones are a random sample
            count = min(validation.X.shape[0], training.X.shape[0])
            evaluated = (training.first(count), validation)
        size = self._effective_batch_size(training.X.shape[0])
        batches = Batches.of(
            network,
            training.X,
            training.y,
            training.weight,
            size,
            compiled=self.sparsity is None,
        )
        sparse = self._sparse_weights(network, len(batches.counts), incremental)
        best = network.flat if evaluated is None else network.flat.clone()
        interrupts.deliver()
        self._optimizer.load_state(network)
        try:
            self._run_epochs(network, batches, evaluated, best, incremental, sparse, interrupts)
            interrupts.deliver()
        except KeyboardInterrupt:
            warnings.warn("Training interrupted by user.", stacklevel=4)
        finally:
            self._optimizer.save_state()
        if evaluated is not None:
            network.flat.copy_(best)
        if sparse is not None:
            self._sparse_steps, self.sparsity_ = sparse.step, sparse.reached
            if sparse.step < sparse.rule.end and not incremental:
                warnings.warn(
                    f"training ended after {sparse.step} steps, in the ramp of {sparse.rule}: "
                    f"{sparse.reached:.1%} of the weights are zero",
                    RegularizationWarning,
                    stacklevel=5,
                )

    def _sparse_weights(
        self, network: Perceptron, batches: int, incremental: bool
    ) -> SparseWeights | None:
        """Return the weights that ``sparsity`` acts on; its ramp begins with each ``fit``."""
        self.__dict__.pop("sparsity_", None)
        sparse = sparse_weights_of(
            self.sparsity, network, steps=self.max_iter * batches, incremental=incremental
        )
        if sparse is not None and incremental:
            sparse.step = getattr(self, "_sparse_steps", 0)
        return sparse

    def _run_epochs(
        self,
        network: Perceptron,
        batches: Batches,
        evaluated: tuple[_Samples, _Samples] | None,
        best: Tensor,
        incremental: bool,
        sparse: SparseWeights | None,
        interrupts: DeferredInterrupts,
    ) -> None:
        """Run the epochs of a fit.

        ``evaluated`` has the training and validation samples that early stopping scores after each
        epoch. The parameters are copied to ``best`` when the validation score improves.
        """
        shuffles = Shuffles(len(batches.y), self._random_state if self.shuffle else None)
        most, self.n_iter_ = 1 if incremental else self.max_iter, 0
        each = evaluated is not None or sparse is not None or self.verbose or self.keep_stages
        at_once = 1 if each else epochs_at_once(network, self._optimizer, batches, most)
        if not self.loss_curve_:
            self.loss_ = float("nan")  # for an interrupt in the first epoch
        while self.n_iter_ < most:
            interrupts.deliver()
            ramping = sparse is not None and sparse.step < sparse.rule.end
            epochs = min(at_once, most - self.n_iter_)
            for loss in self._train_epochs(network, batches, shuffles, epochs, sparse, interrupts):
                self.n_iter_ += 1
                self.t_ += len(batches.y)
                self.loss_ = loss
                self.loss_curve_.append(loss)
                if self.verbose:
                    print(f"Iteration {self.n_iter_}, loss = {loss:.8f}")
                if ramping:
                    self._forget_best()  # the weights are not sparse yet
                self._record_epoch(network, loss, evaluated, best)
                self._optimizer.update_learning_rate(self.t_)
            if self._no_improvement_count > self.n_iter_no_change:
                if not self._optimizer.continue_after_plateau():
                    return
                self._no_improvement_count = 0
        if not incremental:
            warnings.warn(
                f"training has not converged after max_iter={self.max_iter} epochs; raise max_iter",
                ConvergenceWarning,
                stacklevel=5,
            )

    def _train_epochs(
        self,
        network: Perceptron,
        batches: Batches,
        shuffles: Shuffles,
        epochs: int,
        sparse: SparseWeights | None,
        interrupts: DeferredInterrupts,
    ) -> list[float]:
        """Take the steps of epochs, until a plateau if there are several.

        Returns the mean loss of the batches of each, penalties included.
        """
        penalties = Penalties(self.alpha, self.l1, self.max_norm)
        if epochs > 1:
            best = np.inf if self.best_loss_ is None else self.best_loss_
            plateau = Plateau(self._no_improvement_count, self.n_iter_no_change, best, self.tol)
            orders = shuffles.draw(epochs)
            losses = losses_of_epochs(
                network,
                self._optimizer,
                batches,
                orders,
                self._masks(),
                penalties,
                self._steps,
                plateau,
            )
            shuffles.keep(len(losses), epochs)
            self._steps += losses.size
            return epoch_means(losses, batches.counts)
        order, counts = batches.taken(shuffles.next())
        parts, end = [], self._steps + len(counts)
        for taken in epoch_losses(
            network, self._optimizer, batches, order, self._masks(), penalties, self._steps, sparse
        ):
            parts.append(taken)
            self._steps += taken.numel()
            if self._steps < end:
                interrupts.deliver()
        return epoch_means(torch.cat(parts).double().cpu().numpy()[None], counts)

    # ------------------------------------------------------------------------------- evaluation

    def _record_epoch(
        self,
        network: Perceptron,
        loss: float,
        evaluated: tuple[_Samples, _Samples] | None,
        best: Tensor,
    ) -> None:
        """Record the losses and scores of an epoch, and its weights with ``keep_stages``."""
        record = _NOT_EVALUATED
        if evaluated is None:
            self._update_no_improvement_by_loss()
        else:
            training, validation = (self._evaluate(network, samples) for samples in evaluated)
            record = (training[0], validation[0], training[1], validation[1])
            if self._update_no_improvement_by_score(*validation):
                best.copy_(network.flat)
        self._epochs.append((loss, *record))
        if self.keep_stages:
            self.stages_ = getattr(self, "stages_", [])
            self.stages_.append(network.flat.cpu().numpy().copy())

    def _evaluate(self, network: Perceptron, samples: _Samples) -> tuple[float, float]:
        """Return the mean loss and the score of samples, noise off and penalties left out."""
        scores = self._scores(network, samples.X)
        target = torch.from_numpy(samples.y.astype(self.coefs_[0].dtype)).to(scores.device)
        losses = network.losses(scores, target).cpu().numpy()
        outputs = OUTPUT_ACTIVATIONS[self.out_activation_](scores).cpu().numpy()
        score = float("nan")
        if np.isfinite(outputs).all():
            score = self._validation_score(outputs, samples.y, samples.weight)
        return float(np.average(losses, weights=samples.weight)), score

    def _forget_best(self) -> None:
        """Let the next epoch be the best so far."""
        self._no_improvement_count = 0
        if self.best_loss_ is not None:
            self.best_loss_ = np.inf
        if self.best_validation_score_ is not None:
            self.best_validation_score_ = -np.inf

    def _update_no_improvement_by_loss(self) -> None:
        best, last = self.best_loss_, self.loss_curve_[-1]
        if best is None:  # the previous fit used early stopping, this one does not
            best = np.inf
        self._no_improvement_count += 1
        if not last > best - self.tol:
            self._no_improvement_count = 0
        self.best_loss_ = min(best, last)

    def _update_no_improvement_by_score(self, loss: float, score: float) -> bool:
        """Record the validation loss and score; return whether the score is the best so far."""
        if self.validation_scores_ is None or self.best_validation_score_ is None:
            self.validation_scores_, self.best_validation_score_ = [], -np.inf
        if self.validation_loss_curve_ is None:
            self.validation_loss_curve_ = []
        self.validation_scores_.append(score)
        self.validation_loss_curve_.append(loss)
        if self.verbose:
            print(f"Validation score: {score:f}")
        better = score > self.best_validation_score_
        self._no_improvement_count += 1
        if not score < self.best_validation_score_ + self.tol:
            self._no_improvement_count = 0
        if better:
            self.best_validation_score_ = score
        return better
