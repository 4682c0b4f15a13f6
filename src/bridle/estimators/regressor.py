"""``MLPRegressor``: scikit-learn's, with what it lacks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Self

import numpy as np
from sklearn.base import RegressorMixin, _fit_context
from sklearn.metrics import r2_score
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted, column_or_1d

from bridle.errors import UsageError
from bridle.estimators.base import BaseMLP, takes_part
from bridle.estimators.prediction import keeps_stages

__all__ = ["MLPRegressor"]

Array = np.ndarray[Any, np.dtype[Any]]


class MLPRegressor(RegressorMixin, BaseMLP):
    """scikit-learn's ``MLPRegressor`` with dropout, L1, DropConnect and max-norm.

    Parameters
    ----------
    loss : {"squared_error", "poisson"}
        Half the squared error; or half the Poisson deviance of exp(score), for ``y >= 0``.
    hidden_layer_sizes, activation, solver, alpha, batch_size, learning_rate, \
learning_rate_init, power_t, max_iter, shuffle, random_state, tol, verbose, warm_start, momentum, \
nesterovs_momentum, early_stopping, validation_fraction, beta_1, beta_2, epsilon, \
n_iter_no_change, max_fun, l1, keep_prob, input_keep_prob, drop_connect_keep_prob, max_norm, \
keep_stages, device
        As in :class:`MLPClassifier`. The loss is half the squared error: an ``l1`` of λ here is 2 λ
        beside a whole one.

    Attributes
    ----------
    coefs_, intercepts_, loss_, loss_curve_, validation_loss_curve_, n_iter_ and others
        As in :class:`MLPClassifier`.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> import bridle
    >>> X, y = load_diabetes(return_X_y=True, scaled=True)
    >>> model = bridle.MLPRegressor(
    ...     solver="lbfgs", alpha=10, hidden_layer_sizes=16, random_state=0, max_iter=300
    ... )
    >>> bool(model.fit(20 * X[:300], y[:300] / 100).score(20 * X[300:], y[300:] / 100) > 0.4)
    True
    """

    _parameter_constraints = BaseMLP._parameter_constraints | {
        "loss": [StrOptions({"squared_error", "poisson"})]
    }

    def __init__(
        self,
        loss: str = "squared_error",
        hidden_layer_sizes: Any = (100,),
        activation: str = "relu",
        *,
        solver: str = "adam",
        alpha: float = 0.0001,
        batch_size: int | str = "auto",
        learning_rate: str = "constant",
        learning_rate_init: float = 0.001,
        power_t: float = 0.5,
        max_iter: int = 200,
        shuffle: bool = True,
        random_state: Any = None,
        tol: float = 1e-4,
        verbose: bool | int = False,
        warm_start: bool = False,
        momentum: float = 0.9,
        nesterovs_momentum: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        n_iter_no_change: float = 10,
        max_fun: int = 15000,
        l1: float = 0.0,
        keep_prob: float = 1.0,
        input_keep_prob: float = 1.0,
        drop_connect_keep_prob: float = 1.0,
        max_norm: float | None = None,
        keep_stages: bool = False,
        device: str = "cpu",
    ) -> None:
        self.loss = loss
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.solver = solver
        self.alpha = alpha
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.learning_rate_init = learning_rate_init
        self.power_t = power_t
        self.max_iter = max_iter
        self.shuffle = shuffle
        self.random_state = random_state
        self.tol = tol
        self.verbose = verbose
        self.warm_start = warm_start
        self.momentum = momentum
        self.nesterovs_momentum = nesterovs_momentum
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.n_iter_no_change = n_iter_no_change
        self.max_fun = max_fun
        self.l1 = l1
        self.keep_prob = keep_prob
        self.input_keep_prob = input_keep_prob
        self.drop_connect_keep_prob = drop_connect_keep_prob
        self.max_norm = max_norm
        self.keep_stages = keep_stages
        self.device = device

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Fit the network.

        Parameters
        ----------
        X : array, sparse matrix or DataFrame ``[rows, features]``
        y : array ``[rows]`` or ``[rows, outputs]``
        sample_weight : array ``[rows]``, optional

        Returns
        -------
        MLPRegressor
            Itself.
        """
        return self._fit(X, y, sample_weight, incremental=False)

    @available_if(takes_part)
    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train one epoch on these rows, from where the network stands; see :meth:`fit`."""
        return self._fit(X, y, sample_weight, incremental=True)

    def predict(self, X: Any, return_std: bool = False) -> Any:
        """Return the value of each row, ``[rows]`` or ``[rows, outputs]``.

        Parameters
        ----------
        X : array, sparse matrix or DataFrame ``[rows, features]``
        return_std : bool
            Return too how far 50 subnetworks, drawn by the masks of training, differ: the standard
            deviation of their predictions (Monte Carlo dropout, Gal & Ghahramani 2016). It says
            nothing of the noise in the target.

        Returns
        -------
        array, or two

        Raises
        ------
        UsageError
            If ``return_std`` is asked of a network without masks.
        """
        check_is_fitted(self)
        outputs = self._outputs(X)
        value = outputs.ravel() if outputs.shape[1] == 1 else outputs
        if not return_std:
            return value
        spread = self._spread(X)
        return value, spread.ravel() if outputs.shape[1] == 1 else spread

    @available_if(keeps_stages)
    def staged_predict(self, X: Any) -> Iterator[Array]:
        """Yield what :meth:`predict` would have returned after each epoch; needs ``keep_stages``.

        Parameters
        ----------
        X : array, sparse matrix or DataFrame ``[rows, features]``
        """
        for outputs in self._staged_outputs(X):
            yield outputs.ravel() if outputs.shape[1] == 1 else outputs

    @available_if(keeps_stages)
    def staged_score(self, X: Any, y: Any, sample_weight: Any = None) -> Iterator[float]:
        """Yield R² after each epoch; the arguments are those of ``score``."""
        for said in self.staged_predict(X):
            yield float(r2_score(y, said, sample_weight=sample_weight))

    def _link(self) -> str:
        return "exp" if self.loss == "poisson" else "identity"

    def _targets(self, X: Any, y: Any, incremental: bool, reset: bool) -> tuple[Any, Array]:
        del incremental
        X, y = self._rows(X, y, reset, multi_output=True, y_numeric=True)
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        if self.loss == "poisson" and (y < 0).any():
            raise UsageError(f"y has {y.min()}, and loss='poisson' is for values of 0 or more")
        return X, y.reshape(len(y), -1).astype(X.dtype, copy=False)

    def _known_targets(self, y: Any) -> Array:
        """Return the targets of a fitted network, ``[rows, outputs]``."""
        return np.asarray(y, self.coefs_[0].dtype).reshape(len(y), -1)

    def _validation_score(self, outputs: Array, y: Array, sample_weight: Array | None) -> float:
        return float(r2_score(y, outputs, sample_weight=sample_weight))
