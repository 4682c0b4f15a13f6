"""Scores, outputs and their spread over subnetworks, computed in blocks of rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.sparse
import torch
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from bridle.errors import UsageError
from bridle.estimators.fitted import FittedMLP
from bridle.estimators.perceptron import OUTPUT_ACTIVATIONS, Perceptron
from bridle.estimators.tensors import overflow_in, tensor_of
from bridle.estimators.validation import ValidatedInput
from bridle.subnetworks import subnetwork_scores

__all__ = ["MLPPrediction", "row_loader"]

Array = np.ndarray[Any, np.dtype[Any]]
_ROWS_AT_ONCE = 8192  # bounds the memory of a prediction
SUBNETWORKS = 50


def row_loader(X: Any, like: Tensor) -> Callable[[Tensor], Tensor]:
    """Return a function that maps row indices to dense rows.

    The rows have the dtype and the device of ``like``. They are valid until the next call, which
    may reuse their memory.
    """
    if scipy.sparse.issparse(X):
        rows = X.tocsr()

        def load_sparse(indices: Tensor) -> Tensor:
            part = rows[indices.cpu().numpy()].toarray()
            return torch.from_numpy(part).to(like)

        return load_sparse
    dense = tensor_of(X).to(like)
    buffer = dense.new_empty(0, dense.shape[1])

    def load_dense(indices: Tensor) -> Tensor:
        nonlocal buffer
        if len(indices) > len(buffer):
            buffer = dense.new_empty(len(indices), dense.shape[1])
        return torch.index_select(dense, 0, indices, out=buffer[: len(indices)])

    return load_dense


class MLPPrediction(ValidatedInput, FittedMLP):
    """Scores and outputs of a fitted network."""

    def _scores(self, network: Perceptron, X: Any) -> Tensor:
        if overflow_in(X, self.coefs_[0].dtype) is not None:
            network = network.double()
        load, rows = row_loader(X, network.flat), X.shape[0]
        parts = torch.arange(rows, device=network.flat.device).split(_ROWS_AT_ONCE)
        return torch.cat([network.scores(load(part)) for part in parts])

    def _predicted_scores(self, X: Any, out_activation: str = "identity") -> Array:
        """Return the scores ``[rows, outputs]`` after an output activation."""
        check_is_fitted(self)
        X = self._validate_for_predict(X)
        network = self._to_perceptron()
        scores = self._scores(network, X)
        if scores.dtype != torch.float64 and not bool(scores.isfinite().all()):
            scores = self._scores(network.double(), X)
        outputs = OUTPUT_ACTIVATIONS[out_activation](scores)
        self._require_numbers(outputs, X)
        found: Array = outputs.cpu().numpy()
        return found

    def _outputs(self, X: Any) -> Array:
        """Return the network's outputs ``[rows, outputs]``."""
        check_is_fitted(self)
        return self._predicted_scores(X, self.out_activation_)

    def _spread(self, X: Any) -> Array:
        """Return the standard deviation of the outputs over subnetworks, ``[rows, outputs]``."""
        masks = self._masks()
        if not masks.any:
            raise UsageError(
                "return_std needs subnetworks, but this network was trained without masks: fit "
                "with keep_prob, input_keep_prob or drop_connect_keep_prob below 1"
            )
        network, X = self.to_network(), self._validate_for_predict(X)
        if overflow_in(X, self.coefs_[0].dtype) is not None:
            network = network.double()
        load = row_loader(X, network.weights[0].detach())
        activation = OUTPUT_ACTIVATIONS[self.out_activation_]
        subnetworks = range(self._steps, self._steps + SUBNETWORKS)
        parts = [
            activation(subnetwork_scores(network, load(part), k=subnetworks)[:, 0]).std(0)
            for part in torch.arange(X.shape[0]).split(_ROWS_AT_ONCE)
        ]
        spread = torch.cat(parts)
        self._require_numbers(spread, X)
        found: Array = spread.cpu().numpy()
        return found

    @staticmethod
    def _require_numbers(outputs: Tensor, X: Any) -> None:
        """Raise UsageError if an output is NaN: the finite values of X are too large."""
        wrong = outputs.isnan().any(-1)
        if bool(wrong.any()):
            row = int(wrong.int().argmax())
            extreme = abs(X[[row]]).max()
            raise UsageError(
                f"the network's output for row {row} is not a number: its sums overflow, with "
                f"values of up to {extreme:g} in X; scale X in training and prediction"
            )
