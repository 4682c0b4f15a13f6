"""What the classifier and the regressor share: scikit-learn's network, with regularizers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Self

import numpy as np
import torch
from sklearn.utils import check_random_state
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import _check_sample_weight

from bridle.errors import UsageError
from bridle.estimators.lbfgs import Lbfgs
from bridle.estimators.prediction import keeps_stages
from bridle.estimators.stochastic import Epochs

__all__ = ["BaseMLP", "takes_part"]

Array = np.ndarray[Any, np.dtype[Any]]


def takes_part(estimator: Epochs) -> bool:
    """Whether there is ``partial_fit``; says why not."""
    if estimator.solver == "lbfgs":
        raise AttributeError("partial_fit is there with solver='adam' or 'sgd', not with 'lbfgs'")
    return True


class BaseMLP(Epochs, Lbfgs):
    """How a fit goes; see the classifier and the regressor."""

    def _targets(self, X: Any, y: Any, incremental: bool, reset: bool) -> tuple[Any, Array]:
        """Return validated rows, and what the network fits: ``[rows, outputs]``."""
        raise NotImplementedError

    def _known_targets(self, y: Any) -> Array:
        """Return the targets of a fitted network, ``[rows, outputs]``."""
        raise NotImplementedError

    def _row_weights(self, y: Any, sample_weight: Array | None) -> Array | None:
        """Return the weight of each row, given its target."""
        del y
        return sample_weight

    def _fit(self, X: Any, y: Any, sample_weight: Any, *, incremental: bool) -> Self:
        sizes = self.hidden_layer_sizes
        hidden = list(sizes) if isinstance(sizes, Iterable) else [sizes]
        if any(size <= 0 for size in hidden):
            raise UsageError(f"hidden_layer_sizes must be > 0, got {hidden}")
        self._check_regularizers()
        first = not hasattr(self, "coefs_") or (not self.warm_start and not incremental)
        given = y
        X, y = self._targets(X, y, incremental, reset=first)
        weight = None if sample_weight is None else _check_sample_weight(sample_weight, X)
        weight = self._row_weights(given, weight)
        self.n_outputs_ = y.shape[1]
        units = [X.shape[1], *(int(size) for size in hidden), self.n_outputs_]
        self._random_state = check_random_state(self.random_state)
        if first:
            self._begin(units, X.dtype)
        else:
            self.densify()
        network = self._loaded()
        if weight is not None:
            weight = weight.astype(self.coefs_[0].dtype, copy=False)
        if self.solver == "lbfgs":
            self._fit_lbfgs(network, X, y, weight)
        else:
            self._fit_stochastic(network, X, y, weight, incremental)
        self._store(network)
        if not bool(network.flat.isfinite().all()):
            # the words that scikit-learn's users look for
            raise ValueError(
                "Solver produced non-finite parameter weights. The input data may contain large "
                "values and need to be preprocessed."
            )
        return self

    @available_if(keeps_stages)
    def staged_loss(self, X: Any, y: Any, sample_weight: Any = None) -> Iterator[float]:
        """Yield the mean loss after each epoch, noise off and penalties left out.

        Parameters
        ----------
        X : array, sparse matrix or DataFrame ``[rows, features]``
        y : array ``[rows]`` or ``[rows, outputs]``
        sample_weight : array ``[rows]``, optional
        """
        target = torch.from_numpy(self._known_targets(y).astype(self.coefs_[0].dtype))
        for network, scores in self._staged(X):
            losses = network.losses(scores, target.to(scores.device)).cpu().numpy()
            yield float(np.average(losses, weights=sample_weight))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags
