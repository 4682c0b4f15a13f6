"""Base class of ``MLPClassifier`` and ``MLPRegressor``: one call of ``fit`` or ``partial_fit``."""

from __future__ import annotations

from numbers import Integral
from typing import Any, Self

import numpy as np
from sklearn.base import is_classifier
from sklearn.utils import check_random_state

from bridle.errors import UsageError
from bridle.estimators.interrupts import DeferredInterrupts
from bridle.estimators.lbfgs import LbfgsTraining
from bridle.estimators.perceptron import Perceptron
from bridle.estimators.stochastic import StochasticTraining
from bridle.estimators.targets import check_target
from bridle.estimators.tensors import require_representable
from bridle.estimators.validation import refuse_masked
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
        hidden = self._hidden_units()
        check_target(y, classes=is_classifier(self))
        refuse_masked("sample_weight", sample_weight)
        self._check_regularizers()
        reset = not hasattr(self, "coefs_") or (not self.warm_start and not incremental)
        labels = y
        X, y = self._encode_targets(X, y, incremental, reset=reset)
        weight = self._combined_weights(labels, as_sample_weight(sample_weight, X))
        if not reset:
            self._check_same_network(hidden, y.shape[1])
        self.n_outputs_ = y.shape[1]
        units = [X.shape[1], *hidden, self.n_outputs_]
        self._random_state = check_random_state(self.random_state)
        if reset:
            self._initialize(units, X.dtype)
        else:
            self._continue()
        network = self._to_perceptron()
        require_representable("X", X, self.coefs_[0].dtype)
        require_representable("y", y, self.coefs_[0].dtype)
        if weight is not None:
            weight = weights_in(weight, self.coefs_[0].dtype)
        if self.solver == "lbfgs":
            self._fit_lbfgs(network, X, y, weight)
            self._store_parameters(network)
        else:
            with DeferredInterrupts() as interrupts:
                try:
                    self._fit_stochastic(network, X, y, weight, incremental, interrupts)
                finally:
                    self._store_parameters(network)
        self._require_finite(network)
        return self

    def _hidden_units(self) -> tuple[int, ...]:
        """Return the sizes of the hidden layers."""
        sizes = self.hidden_layer_sizes
        each = np.atleast_1d(np.asarray(sizes, dtype=object))
        if each.ndim > 1 or any(
            isinstance(n, bool) or not isinstance(n, Integral) or n <= 0 for n in each
        ):
            raise UsageError(
                f"hidden_layer_sizes is {sizes!r}, and hidden_layer_sizes must be > 0: whole "
                "numbers of units, such as 100 or (100, 50)"
            )
        return tuple(map(int, each))

    def _require_finite(self, network: Perceptron) -> None:
        """Raise ValueError if training diverged; early stopping keeps the best epoch instead."""
        what, stopped = "", self.early_stopping and self.solver != "lbfgs"
        if not bool(network.flat.isfinite().all()):
            what = "non-finite parameter weights"  # scikit-learn's own wording
        elif (self.n_iter_ or self.solver == "lbfgs") and not (stopped or np.isfinite(self.loss_)):
            what = f"a non-finite loss, {self.loss_}"
        if what:
            raise ValueError(
                f"Solver produced {what}. The input data may contain large values and need to be "
                "preprocessed."
            )

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
