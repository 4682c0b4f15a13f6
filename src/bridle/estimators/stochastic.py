"""Training by epochs: batches, schedules, stopping, and what is written down of each."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from sklearn.base import is_classifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.utils import gen_batches
from torch import Tensor

from bridle.errors import UsageError
from bridle.estimators.optimizers import AdamRule, MomentumRule
from bridle.estimators.perceptron import LINKS, Perceptron
from bridle.estimators.prediction import Outputs, taker
from bridle.ops import max_norm_step

__all__ = ["Epochs"]

Array = np.ndarray[Any, np.dtype[Any]]
_NOT_LOOKED = (float("nan"),) * 4


class Epochs(Outputs):
    """Training by adam or sgd, as scikit-learn has it, with masks and proximal steps."""

    _optimizer: AdamRule | MomentumRule

    def _validation_score(self, scores: Array, y: Array, sample_weight: Array | None) -> float:
        raise NotImplementedError

    def _held_out(self, X: Any, y: Array, weight: Array | None) -> list[Any]:
        """Split rows for early stopping: X, y and weights to train on, and to look at."""
        stratify = y if is_classifier(self) and self.n_outputs_ == 1 else None
        parts = [each for each in (X, y, weight) if each is not None]
        found = train_test_split(
            *parts,
            random_state=self._random_state,
            test_size=self.validation_fraction,
            stratify=stratify,
        )
        if weight is None:
            found += [None, None]
        if found[1].shape[0] < 2:
            raise UsageError(
                f"The validation set is too small: {found[1].shape[0]} of {X.shape[0]} rows, and "
                f"it needs 2; raise validation_fraction, which is {self.validation_fraction}"
            )
        return [found[0], found[2], found[4], found[1], found[3], found[5]]

    def _size_of_batch(self, rows: int) -> int:
        if self.batch_size == "auto":
            return min(200, rows)
        if self.batch_size > rows:
            warnings.warn(
                f"batch_size is {self.batch_size} and there are {rows} rows; it is made {rows}",
                stacklevel=5,
            )
        return int(min(self.batch_size, rows))

    def _fit_stochastic(
        self, network: Perceptron, X: Any, y: Array, weight: Array | None, incremental: bool
    ) -> None:
        if not incremental or not hasattr(self, "_optimizer"):
            self._optimizer = self._rule_for(self.coefs_)
        self._steps, self._epochs = getattr(self, "_steps", 0), getattr(self, "_epochs", [])
        if self.early_stopping and incremental:
            raise ValueError("partial_fit does not support early_stopping=True")
        held = None
        if self.early_stopping:
            X, y, weight, *held = self._held_out(X, y, weight)
            # the split shuffles, so that the first ones are as good as any
            some = slice(0, min(held[0].shape[0], X.shape[0]))
            learned = [X[some], y[some], None if weight is None else weight[some]]
        rows = X.shape[0]
        size = self._size_of_batch(rows)
        best = network.flat.clone()
        take = taker(X, network.flat)
        targets = torch.from_numpy(y.astype(self.coefs_[0].dtype)).to(network.flat.device)
        weights = None if weight is None else torch.from_numpy(weight).to(network.flat.device)
        order = np.arange(rows)
        self._optimizer.begin(network)
        try:
            self.n_iter_ = 0
            for _ in range(1 if incremental else self.max_iter):
                if self.shuffle:
                    order = order[self._random_state.permutation(rows)]
                places = torch.from_numpy(order).to(network.flat.device)
                loss = self._epoch(network, take, targets, weights, places, size)
                self.n_iter_ += 1
                self.t_ += rows
                self.loss_ = loss
                self.loss_curve_.append(loss)
                if self.verbose:
                    print(f"Iteration {self.n_iter_}, loss = {loss:.8f}")
                looked = _NOT_LOOKED
                if held is None:
                    self._count_by_loss()
                else:
                    training, validation = (self._look(network, *p) for p in (learned, held))
                    looked = (training[0], validation[0], training[1], validation[1])
                    if self._count_by_score(*validation):
                        best.copy_(network.flat)
                self._epochs.append((loss, *looked))
                if self.keep_stages:
                    self.stages_ = getattr(self, "stages_", [])
                    self.stages_.append(network.flat.cpu().numpy().copy())
                self._optimizer.epoch_ends(self.t_)
                if self._no_improvement_count > self.n_iter_no_change:
                    if not self._optimizer.may_go_on():
                        break
                    self._no_improvement_count = 0
                if not incremental and self.n_iter_ == self.max_iter:
                    warnings.warn(
                        f"max_iter is {self.max_iter}, and after as many epochs training still "
                        "improves; give more",
                        ConvergenceWarning,
                        stacklevel=4,
                    )
        except KeyboardInterrupt:
            warnings.warn("Training interrupted by user.", stacklevel=4)
        finally:
            self._optimizer.end()
        if held is not None:
            network.flat.copy_(best)

    def _epoch(
        self,
        network: Perceptron,
        take: Callable[[Tensor], Tensor],
        y: Tensor,
        weight: Tensor | None,
        order: Tensor,
        size: int,
    ) -> float:
        """Make the steps of one epoch; return the mean loss of the batches with the penalties."""
        masks, rule = self._masks(), self._optimizer
        penalized = network.flat[: network.penalized]
        slope = network.gradient[: network.penalized]
        losses, counts = [], []
        for part in gen_batches(len(order), size):
            batch = order[part]
            own = None if weight is None else weight[batch]
            targets = y.index_select(0, batch)
            loss = network.step_gradient(take(batch), targets, own, masks, self._steps)
            if self.alpha:
                share = self.alpha / (len(batch) if own is None else float(own.sum()))
                loss.add_(penalized.dot(penalized), alpha=0.5 * share)
                slope.add_(penalized, alpha=share)
            if self.l1:
                loss.add_(penalized.abs().sum(), alpha=self.l1)
            rule.step(network, self.l1)
            if self.max_norm is not None:
                bound = torch.tensor([self.max_norm], dtype=torch.float64)
                for layer in network.weights:
                    max_norm_step(layer[None], bound)
            losses.append(loss)
            counts.append(len(batch))
            self._steps += 1
        return float(np.average(torch.stack(losses).double().cpu().numpy(), weights=counts))

    def _count_by_loss(self) -> None:
        best, last = self.best_loss_, self.loss_curve_[-1]
        if best is None:  # early stopping before, and none now
            best = np.inf
        self._no_improvement_count += 1
        if not last > best - self.tol:
            self._no_improvement_count = 0
        self.best_loss_ = min(best, last)

    def _look(
        self, network: Perceptron, X: Any, y: Array, weight: Array | None
    ) -> tuple[float, float]:
        """Return the mean loss of rows and their score, noise off and penalties left out."""
        scores = self._scores(network, X)
        target = torch.from_numpy(y.astype(self.coefs_[0].dtype)).to(scores.device)
        losses = network.losses(scores, target).cpu().numpy()
        said = LINKS[self.out_activation_](scores).cpu().numpy()
        score = float("nan")
        if np.isfinite(said).all():
            score = self._validation_score(said, y, weight)
        return float(np.average(losses, weights=weight)), score

    def _count_by_score(self, loss: float, score: float) -> bool:
        """Note the held-out loss and score; return whether the score is the best so far."""
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
