"""Predictions, scores and losses after each epoch of training."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from bridle.errors import UsageError
from bridle.estimators.perceptron import OUTPUT_ACTIVATIONS, Perceptron
from bridle.estimators.prediction import MLPPrediction
from bridle.estimators.tensors import tensor_of

__all__ = ["StagedPrediction", "has_stages"]

Array = np.ndarray[Any, np.dtype[Any]]


def has_stages(estimator: MLPPrediction) -> bool:
    """Return True if the estimator keeps the weights of each epoch, else raise AttributeError."""
    if not estimator.keep_stages or estimator.solver == "lbfgs":
        raise AttributeError(
            "staged methods need the weights of each epoch: fit with keep_stages=True and "
            "solver='adam' or 'sgd'"
        )
    return True


class StagedPrediction(MLPPrediction):
    """The ``staged_*`` methods that classifier and regressor share."""

    stages_: list[Array]

    def _decode(self, outputs: Array) -> Array:
        """Return predictions, given the network's outputs ``[rows, outputs]``."""
        raise NotImplementedError

    def _encode_known_targets(self, y: Any) -> Array:
        """Return y as a fitted network's targets, ``[rows, outputs]``."""
        raise NotImplementedError

    def _score_predictions(self, y: Any, predictions: Array, sample_weight: Any) -> float:
        """Return the score of predictions: accuracy for a classifier, R² for a regressor."""
        raise NotImplementedError

    def _staged(self, X: Any) -> Iterator[tuple[Perceptron, Tensor]]:
        """Yield the network and its scores after each epoch."""
        check_is_fitted(self)
        if not hasattr(self, "stages_"):
            raise UsageError("the fit kept no stages; fit again with keep_stages=True")
        X = self._validate_for_predict(X)
        network = self._empty_perceptron()
        for stage in self.stages_:
            network.flat.copy_(tensor_of(stage))
            yield network, self._scores(network, X)

    def _staged_outputs(self, X: Any) -> Iterator[Array]:
        for _, scores in self._staged(X):
            yield OUTPUT_ACTIVATIONS[self.out_activation_](scores).cpu().numpy()

    @available_if(has_stages)
    def staged_predict(self, X: Any) -> Iterator[Array]:
        """Yield the predictions after each epoch, in the shape of :meth:`predict`.

        Needs ``keep_stages=True``.

        Parameters
        ----------
        X : array, sparse matrix or DataFrame ``[rows, features]``
        """
        for outputs in self._staged_outputs(X):
            yield self._decode(outputs)

    @available_if(has_stages)
    def staged_score(self, X: Any, y: Any, sample_weight: Any = None) -> Iterator[float]:
        """Yield the score after each epoch: accuracy for a classifier, R² for a regressor.

        Needs ``keep_stages=True``.

        Parameters
        ----------
        X : array, sparse matrix or DataFrame ``[rows, features]``
        y : array ``[rows]`` or ``[rows, outputs]``
        sample_weight : array ``[rows]``, optional
        """
        for predictions in self.staged_predict(X):
            yield self._score_predictions(y, predictions, sample_weight)

    @available_if(has_stages)
    def staged_loss(self, X: Any, y: Any, sample_weight: Any = None) -> Iterator[float]:
        """Yield the mean loss after each epoch, noise off and penalties left out.

        Needs ``keep_stages=True``.

        Parameters
        ----------
        X : array, sparse matrix or DataFrame ``[rows, features]``
        y : array ``[rows]`` or ``[rows, outputs]``
        sample_weight : array ``[rows]``, optional
        """
        target = torch.from_numpy(self._encode_known_targets(y).astype(self.coefs_[0].dtype))
        for network, scores in self._staged(X):
            losses = network.losses(scores, target.to(scores)).cpu().numpy()
            yield float(np.average(losses, weights=sample_weight))
