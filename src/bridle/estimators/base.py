"""Base class of ``MLPClassifier`` and ``MLPRegressor``: one call of ``fit`` or ``partial_fit``."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Self

import numpy as np
from sklearn.utils import check_random_state

from bridle.errors import UsageError
from bridle.estimators.lbfgs import LbfgsTraining
from bridle.estimators.stochastic import StochasticTraining
from bridle.estimators.weights import as_sample_weight, weights_in

__all__ = ["BaseMLP", "supports_partial_fit"]

Array = np.ndarray[Any, np.dtype[Any]]


def supports_partial_fit(estimator: StochasticTraining) -> bool:
    """Return True if the solver trains by mini-batches, else raise AttributeError."""
    if estimator.solver == "lbfgs":
        raise AttributeError("partial_fit needs solver='adam' or 'sgd'; solver is 'lbfgs'")
    return True


class BaseMLP(StochasticTraining, LbfgsTraining):
    """Validation, initialization and training for both solver families."""

    def _encode_targets(self, X: Any, y: Any, incremental: bool, reset: bool) -> tuple[Any, Array]:
        """Return validated X, and y as the network's targets, ``[rows, outputs]``."""
        raise NotImplementedError

    def _combined_weights(self, y: Any, sample_weight: Array | None) -> Array | None:
        """Return the sample weights, multiplied by class weights if there are any."""
        del y
        return sample_weight

    def _fit(self, X: Any, y: Any, sample_weight: Any, *, incremental: bool) -> Self:
        sizes = self.hidden_layer_sizes
        hidden = list(sizes) if isinstance(sizes, Iterable) else [sizes]
        if any(size <= 0 for size in hidden):
            raise UsageError(f"hidden_layer_sizes must be > 0, got {hidden}")
        self._check_regularizers()
        reset = not hasattr(self, "coefs_") or (not self.warm_start and not incremental)
        labels = y
        X, y = self._encode_targets(X, y, incremental, reset=reset)
        weight = self._combined_weights(labels, as_sample_weight(sample_weight, X))
        if not reset:
            self._check_same_network(tuple(map(int, hidden)), y.shape[1])
        self.n_outputs_ = y.shape[1]
        units = [X.shape[1], *(int(size) for size in hidden), self.n_outputs_]
        self._random_state = check_random_state(self.random_state)
        if reset:
            self._initialize(units, X.dtype)
        else:
            self._continue()
        network = self._to_perceptron()
        if weight is not None:
            weight = weights_in(weight, self.coefs_[0].dtype)
        if self.solver == "lbfgs":
            self._fit_lbfgs(network, X, y, weight)
        else:
            self._fit_stochastic(network, X, y, weight, incremental)
        self._store_parameters(network)
        if not bool(network.flat.isfinite().all()):
            # scikit-learn's own wording
            raise ValueError(
                "Solver produced non-finite parameter weights. The input data may contain large "
                "values and need to be preprocessed."
            )
        return self

    def _check_same_network(self, hidden: tuple[int, ...], outputs: int) -> None:
        """Raise UsageError if further training needs a network of another shape."""
        known = getattr(self, "_hidden_sizes", hidden)
        now = self._out_activation()
        changed = None
        if hidden != known:
            changed = f"hidden_layer_sizes is {hidden}, and was {known}"
        elif outputs != self.n_outputs_:
            changed = f"y has {outputs} outputs, and had {self.n_outputs_}"
        elif now != self.out_activation_:
            changed = f"the loss needs the output {now!r}, and was fitted with "
            changed += repr(self.out_activation_)
        if changed:
            raise UsageError(
                f"{changed}, in the fit that this one continues; keep it as it was, or start a "
                "new network with fit and warm_start=False"
            )
