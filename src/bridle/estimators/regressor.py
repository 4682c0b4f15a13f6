"""``MLPRegressor``: scikit-learn's regressor with more regularizers."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from sklearn.base import RegressorMixin, _fit_context
from sklearn.metrics import mean_squared_error, r2_score
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted, column_or_1d

from bridle.errors import UsageError
from bridle.estimators.base import BaseMLP, supports_partial_fit
from bridle.estimators.targets import CheckedScore
from bridle.estimators.tensors import require_representable

__all__ = ["MLPRegressor"]

Array = np.ndarray[Any, np.dtype[Any]]


class MLPRegressor(CheckedScore, RegressorMixin, BaseMLP):
    """scikit-learn's ``MLPRegressor`` with dropout, L1, DropConnect and max-norm.

    scikit-learn's parameters keep their meaning. If the others have their defaults, the same
    ``random_state`` gives the same network up to rounding.

    Parameters
    ----------
    loss : {"squared_error", "poisson"}, default="squared_error"
        Half the squared error; or half the Poisson deviance with the prediction exp(score), for
        ``y >= 0``.
    hidden_layer_sizes : int or sequence of int, default=(100,)
        Number of units in each hidden layer.
    activation : {"identity", "logistic", "tanh", "relu"}, default="relu"
        Activation function of the hidden layers.
    solver : {"lbfgs", "sgd", "adam"}, default="adam"
        Optimizer. "lbfgs" supports ``alpha``, but neither masks nor proximal steps.
    alpha : float, default=0.0001
        Strength of the L2 penalty: adds ``½ alpha Σw² / rows`` to the loss of a batch.
    batch_size : int or "auto", default="auto"
        Rows per batch. "auto" is 200, or all rows if there are fewer.
    learning_rate : {"constant", "invscaling", "adaptive"}, default="constant"
        Learning-rate schedule of "sgd". "invscaling" uses ``learning_rate_init / t ** power_t``;
        "adaptive" divides the rate by 5 whenever training stops improving.
    learning_rate_init : float, default=0.001
        Initial learning rate of "sgd" and "adam".
    power_t : float, default=0.5
        Exponent of the "invscaling" schedule.
    max_iter : int, default=200
        Maximum number of epochs; for "lbfgs", of iterations.
    shuffle : bool, default=True
        Whether to shuffle the rows before each epoch.
    random_state : int, RandomState or None, default=None
        Seed of the initial weights, the batches, the validation split and the masks.
    tol : float, default=1e-4
        Smallest change of the loss or validation score that counts as an improvement.
    verbose : bool or int, default=False
        Whether to print the loss of each epoch.
    warm_start : bool, default=False
        Whether ``fit`` continues from the previous fit. The solver may change, the sizes of the
        network may not.
    momentum : float, default=0.9
        Momentum of "sgd".
    nesterovs_momentum : bool, default=True
        Whether "sgd" uses Nesterov's momentum.
    early_stopping : bool, default=False
        Whether to hold out ``validation_fraction`` of the rows, stop when their score no longer
        improves, and keep the weights of the best epoch.
    validation_fraction : float, default=0.1
        Share of the rows that ``early_stopping`` holds out.
    beta_1 : float, default=0.9
        Decay rate of the first moment in "adam".
    beta_2 : float, default=0.999
        Decay rate of the second moment in "adam".
    epsilon : float, default=1e-8
        Term that "adam" adds to the denominator for numerical stability.
    n_iter_no_change : int or inf, default=10
        Number of epochs without improvement after which training stops.
    max_fun : int, default=15000
        Maximum number of function evaluations of "lbfgs".
    l1 : float, default=0.0
        λ of the penalty ``λ Σ|w|`` next to the mean loss. It is applied by proximal steps, so that
        weights become exactly zero. The loss has half the squared error: to convert from a loss
        with the whole squared error, halve λ.
    keep_prob : float, default=1.0
        Dropout: probability of keeping a hidden unit in a training step (inverted dropout, so
        prediction needs no scaling).
    input_keep_prob : float, default=1.0
        Dropout of the inputs: probability of keeping an input.
    drop_connect_keep_prob : float, default=1.0
        DropConnect: probability of keeping a weight.
    max_norm : float or None, default=None
        Upper bound on the Euclidean norm of the weights that enter a unit.
    sparsity : float, Sparsity or None, default=None
        Share of weights to set to exactly zero. A float reaches it after half of ``max_iter``
        epochs; :class:`bridle.Sparsity` says more, as ``groups="units"`` for whole hidden units.
        Training cannot stop before that, and ``l1`` ends then.
    keep_stages : bool, default=False
        Whether to keep the weights after each epoch, for the ``staged_*`` methods.
    device : {"cpu", "cuda", "auto"}, default="cpu"
        Device for training and prediction. "auto" uses a GPU if there is one.

    Attributes
    ----------
    coefs_ : list of array ``[inputs, units]``
        Weights of each layer.
    intercepts_ : list of array ``[units]``
        Biases of each layer.
    coef_ : array ``[units, features]``
        Weights of the first layer, for ``SelectFromModel`` and ``RFE``.
    loss_ : float
        Loss of the last epoch, penalties included.
    loss_curve_ : list of float
        Loss of each epoch, penalties included. Not with "lbfgs".
    best_loss_ : float or None
        Lowest loss; None with ``early_stopping``.
    validation_scores_ : list of float or None
        R² on the held-out rows after each epoch, with ``early_stopping``. If their targets are all
        equal, R² is not defined, and it is the negative mean squared error.
    best_validation_score_ : float or None
        Highest validation score, with ``early_stopping``.
    validation_loss_curve_ : list of float or None
        Mean loss of the held-out rows after each epoch, penalties left out, with
        ``early_stopping``.
    history_ : dict of array ``[epochs]``
        Loss of each epoch. With ``early_stopping``, also the loss and score on the held-out rows
        and on equally many training rows, by the weights at the end of the epoch, with noise off
        and penalties left out. Not with "lbfgs".
    stages_ : list of array
        All parameters after each epoch, weights first, with ``keep_stages``.
    n_iter_ : int
        Number of epochs, or of iterations of "lbfgs".
    t_ : int
        Number of training samples seen.
    n_layers_ : int
        Number of layers, input layer included.
    n_outputs_ : int
        Number of outputs.
    out_activation_ : str
        Name of the output activation.
    sparsity_ : float
        Share of exact zeros that ``sparsity`` reached, in the weights that it acts on.
    mask_seed_ : int
        Seed in the address of every mask.
    encoder_ : TableEncoder
        Encoder of a DataFrame with non-numerical columns; see
        :class:`bridle.tables.TableEncoder`. Numerical input has none.
    imputed_values_ : array ``[features]``
        What replaces a missing value: the feature's mean over the rows of the first call. Not
        with ``encoder_``.
    indicated_features_ : int array
        Features with missing values in the first call. Each has a missing indicator, a further
        input after the features. A value that is missing in another feature is imputed without
        an indicator. Not with ``encoder_``.
    n_features_in_ : int
        Number of features in ``fit``.
    feature_names_in_ : array of str
        Column names, if ``X`` is a DataFrame whose column names are all strings.

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
        sparsity: Any = None,
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
        self.sparsity = sparsity
        self.keep_stages = keep_stages
        self.device = device

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Fit the network to X and y.

        Parameters
        ----------
        X : array, sparse matrix or DataFrame ``[rows, features]``
            Training samples. Missing values (NaN) are imputed; see ``imputed_values_``.
        y : array ``[rows]`` or ``[rows, outputs]``
            Target values.
        sample_weight : array ``[rows]``, default=None
            Weight of each row, 0 or more. A batch whose weights are all zero is left out. If
            ``early_stopping`` would train on or hold out rows of zero weight only, both parts
            are taken from the other rows.

        Returns
        -------
        MLPRegressor
            The fitted estimator.
        """
        return self._fit(X, y, sample_weight, incremental=False)

    @available_if(supports_partial_fit)
    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train for one epoch on these rows, starting from the current weights; see :meth:`fit`."""
        return self._fit(X, y, sample_weight, incremental=True)

    def predict(self, X: Any, return_std: bool = False) -> Any:
        """Return the predicted values.

        Parameters
        ----------
        X : array, sparse matrix or DataFrame ``[rows, features]``
        return_std : bool, default=False
            Whether to return the standard deviation of the predictions over 50 subnetworks as well
            (Monte Carlo dropout, Gal & Ghahramani 2016). The subnetworks are sampled by the masks
            of training. The noise in the target is not included.

        Returns
        -------
        array ``[rows]`` or ``[rows, outputs]``, or a tuple of two
            The predictions, and with ``return_std`` their standard deviations.

        Raises
        ------
        UsageError
            If ``return_std`` is True and the network was trained without masks.
        """
        check_is_fitted(self)
        prediction = self._decode(self._outputs(X))
        return (prediction, self._decode(self._spread(X))) if return_std else prediction

    def _decode(self, outputs: Array) -> Array:
        return outputs.ravel() if outputs.shape[1] == 1 else outputs

    def _out_activation(self) -> str:
        return "exp" if self.loss == "poisson" else "identity"

    def _encode_targets(self, X: Any, y: Any, incremental: bool, reset: bool) -> tuple[Any, Array]:
        del incremental
        X, y = self._validate_for_fit(X, y, reset, multi_output=True, y_numeric=True)
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        if y.dtype.kind not in "biuf":
            raise UsageError(f"y has the dtype {y.dtype}; pass numbers, such as y.astype(float)")
        if self.loss == "poisson" and (y < 0).any():
            raise UsageError(
                f"y has the value {y.min()}, and loss='poisson' needs values of 0 or more; use "
                "loss='squared_error'"
            )
        require_representable("y", y, X.dtype)
        return X, y.reshape(len(y), -1).astype(X.dtype, copy=False)

    def _encode_known_targets(self, y: Any) -> Array:
        return np.asarray(y, self.coefs_[0].dtype).reshape(len(y), -1)

    def _score_predictions(self, y: Any, predictions: Array, sample_weight: Any) -> float:
        return float(r2_score(y, predictions, sample_weight=sample_weight))

    def _validation_score(self, outputs: Array, y: Array, sample_weight: Array | None) -> float:
        seen = y if sample_weight is None else y[sample_weight > 0]
        if (seen == seen[0]).all():  # R² is not defined, and a score must tell epochs apart
            return -float(mean_squared_error(y, outputs, sample_weight=sample_weight))
        return self._score_predictions(y, outputs, sample_weight)
