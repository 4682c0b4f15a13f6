"""``MLPClassifier``: scikit-learn's, with what it lacks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Self

import numpy as np
from sklearn.base import ClassifierMixin, _fit_context
from sklearn.metrics import accuracy_score
from sklearn.preprocessing import LabelBinarizer
from sklearn.utils import compute_sample_weight
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import type_of_target, unique_labels
from sklearn.utils.validation import column_or_1d

from bridle.errors import UsageError
from bridle.estimators.base import BaseMLP, takes_part
from bridle.estimators.prediction import keeps_stages

__all__ = ["MLPClassifier"]

Array = np.ndarray[Any, np.dtype[Any]]


class MLPClassifier(ClassifierMixin, BaseMLP):
    """scikit-learn's ``MLPClassifier`` with dropout, L1, DropConnect, max-norm and class weights.

    The arguments that scikit-learn has mean what they mean there, and with none of the others the
    same ``random_state`` gives the same network, to rounding: the same first weights (Glorot &
    Bengio 2010), batches, solvers and stopping. Mind that ``alpha`` is divided by the rows of a
    batch, as there: the article's λ is ``alpha / batch_size``; see
    :func:`bridle.convert_strength`.

    Parameters
    ----------
    hidden_layer_sizes : int or sequence of int
        Units of each hidden layer.
    activation : {"identity", "logistic", "tanh", "relu"}
    solver : {"lbfgs", "sgd", "adam"}
        lbfgs takes ``alpha`` alone: neither masks nor proximal steps.
    alpha : float
        Adds ``½ alpha Σw² / rows`` to the loss of a batch.
    batch_size : int or "auto"
        "auto" is 200, or all rows if there are fewer.
    learning_rate : {"constant", "invscaling", "adaptive"}
        Of sgd: constant; ``learning_rate_init / t ** power_t``; or a fifth whenever nothing
        improves.
    learning_rate_init, power_t : float
    max_iter : int
        Epochs at most; iterations of lbfgs.
    shuffle : bool
    random_state : int, RandomState or None
        Of the first weights, the batches, the split and the masks.
    tol : float
        What counts as better.
    verbose : bool
    warm_start : bool
        Go on from the last fit.
    momentum, nesterovs_momentum : float, bool
        Of sgd.
    early_stopping : bool
        Hold ``validation_fraction`` of the rows out, stop when their score does not improve, and
        keep the best weights.
    validation_fraction : float
    beta_1, beta_2, epsilon : float
        Of adam.
    n_iter_no_change : int
        Epochs without anything better before stopping.
    max_fun : int
        Of lbfgs.
    l1 : float
        λ of ``λ Σ|w|``, beside the mean loss; by proximal steps, so that weights become exactly
        zero.
    keep_prob, input_keep_prob, drop_connect_keep_prob : float
        The probability to keep a hidden unit, an input, a weight in a step of training (inverted
        dropout: nothing is left to do at prediction).
    max_norm : float, optional
        The bound on the norm of the weights that enter a unit.
    class_weight : dict or "balanced", optional
        The weight of each class; "balanced" is rows / (classes × rows of the class).
    keep_stages : bool
        Keep the weights after each epoch, for :meth:`staged_predict`, :meth:`staged_predict_proba`,
        :meth:`staged_score` and :meth:`staged_loss`.
    device : {"cpu", "cuda", "auto"}
        Where it trains and predicts.

    Attributes
    ----------
    classes_, coefs_, intercepts_, loss_, loss_curve_, best_loss_, n_iter_, t_, n_layers_, \
n_outputs_, out_activation_, n_features_in_, feature_names_in_, validation_scores_, \
best_validation_score_
        As in scikit-learn. The losses have the penalties in them.
    validation_loss_curve_ : list of float, or None
        The mean loss of the held-out rows after each epoch, without penalties; with
        ``early_stopping``.
    history_ : dict of arrays ``[epochs]``
        ``epoch`` and ``loss``; with ``early_stopping`` also ``training_loss``,
        ``validation_loss``, ``training_score`` and ``validation_score``, by the weights at the end
        of each epoch, noise off and penalties left out; the two of training on as many rows as were
        held out. Not with lbfgs.
    stages_ : list of arrays
        With ``keep_stages``: all parameters after each epoch, weights first.
    coef_ : array ``[units, features]``
        The first layer's weights, by which ``SelectFromModel`` and ``RFE`` choose inputs.
    mask_seed_ : int
        The seed in every mask's address.
    encoder_ : TableEncoder
        Where ``X`` was a DataFrame with texts, categories, dates or missing values: what made
        numbers of it (:class:`bridle.tables.TableEncoder`). A DataFrame of numbers alone is taken
        as it is, as scikit-learn does.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> import bridle
    >>> X, y = load_digits(return_X_y=True)
    >>> model = bridle.MLPClassifier(
    ...     keep_prob=0.8,
    ...     l1=1e-5,
    ...     learning_rate_init=0.003,
    ...     batch_size=50,
    ...     early_stopping=True,
    ...     random_state=0,
    ... )
    >>> model.fit(X[:1200] / 16, y[:1200]).score(X[1200:] / 16, y[1200:]) > 0.88
    True
    """

    _parameter_constraints = BaseMLP._parameter_constraints | {
        "class_weight": [dict, StrOptions({"balanced"}), None]
    }

    def __init__(
        self,
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
        class_weight: Any = None,
        keep_stages: bool = False,
        device: str = "cpu",
    ) -> None:
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
        self.class_weight = class_weight
        self.keep_stages = keep_stages
        self.device = device

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Fit the network.

        Parameters
        ----------
        X : array, sparse matrix or DataFrame ``[rows, features]``
        y : array ``[rows]`` or ``[rows, labels]``
            Classes; or 0 and 1 for each of several labels.
        sample_weight : array ``[rows]``, optional

        Returns
        -------
        MLPClassifier
            Itself.
        """
        return self._fit(X, y, sample_weight, incremental=False)

    @available_if(takes_part)
    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None, classes: Any = None) -> Self:
        """Train one epoch on these rows, from where the network stands.

        Parameters
        ----------
        X, y, sample_weight
            As in :meth:`fit`.
        classes : array, optional
            All classes; needed in the first call.

        Returns
        -------
        MLPClassifier
            Itself.
        """
        known = getattr(self, "classes_", None)
        if known is None and classes is None:
            raise UsageError("classes must be passed on the first call to partial_fit")
        if classes is not None:
            wanted = unique_labels(classes)
            if known is not None and not np.array_equal(known, wanted):
                raise UsageError(
                    f"classes is {classes}, and was {known} in the first call; give the same, "
                    "or none"
                )
            if known is None:
                several = type_of_target(y).startswith("multilabel")
                self._label_binarizer = LabelBinarizer().fit(y if several else wanted)
                self.classes_ = wanted
        return self._fit(X, y, sample_weight, incremental=True)

    def predict(self, X: Any) -> Array:
        """Return the class of each row, ``[rows]``, or ``[rows, labels]`` of 0 and 1."""
        outputs = self._outputs(X)
        return self._decided(outputs)

    def predict_proba(self, X: Any, return_std: bool = False) -> Any:
        """Return the probability of each class, ``[rows, classes]``.

        Parameters
        ----------
        X : array, sparse matrix or DataFrame ``[rows, features]``
        return_std : bool
            Return too, in the same shape, the standard deviation over 50 subnetworks; see
            :meth:`MLPRegressor.predict`.

        Raises
        ------
        UsageError
            If ``return_std`` is asked of a network without masks.
        """
        shares = self._shares(self._outputs(X))
        if not return_std:
            return shares
        spread = self._spread(X)
        return shares, np.hstack([spread, spread]) if self.n_outputs_ == 1 else spread

    @available_if(keeps_stages)
    def staged_predict(self, X: Any) -> Iterator[Array]:
        """Yield what :meth:`predict` would have returned after each epoch; needs ``keep_stages``.

        Parameters
        ----------
        X : array, sparse matrix or DataFrame ``[rows, features]``
        """
        for outputs in self._staged_outputs(X):
            yield self._decided(outputs)

    @available_if(keeps_stages)
    def staged_predict_proba(self, X: Any) -> Iterator[Array]:
        """Yield what :meth:`predict_proba` would have returned after each epoch.

        Parameters
        ----------
        X : array, sparse matrix or DataFrame ``[rows, features]``
        """
        for outputs in self._staged_outputs(X):
            yield self._shares(outputs)

    @available_if(keeps_stages)
    def staged_score(self, X: Any, y: Any, sample_weight: Any = None) -> Iterator[float]:
        """Yield the accuracy after each epoch; the arguments are those of ``score``."""
        for said in self.staged_predict(X):
            yield float(accuracy_score(y, said, sample_weight=sample_weight))

    def decision_function(self, X: Any) -> Array:
        """Return the scores, ``[rows, classes]``; of two classes the second's, ``[rows]``.

        What softmax, or the logistic function, makes probabilities of.
        """
        scores = self._predicted_scores(X)
        return scores.ravel() if self.n_outputs_ == 1 else scores

    def predict_log_proba(self, X: Any) -> Array:
        """Return the logarithm of :meth:`predict_proba`."""
        with np.errstate(divide="ignore"):
            return np.log(self.predict_proba(X))

    def _link(self) -> str:
        return "softmax" if self._label_binarizer.y_type_ == "multiclass" else "logistic"

    def _shares(self, outputs: Array) -> Array:
        return np.hstack([1 - outputs, outputs]) if self.n_outputs_ == 1 else outputs

    def _decided(self, outputs: Array) -> Array:
        said = outputs.ravel() if self.n_outputs_ == 1 else outputs
        found: Array = self._label_binarizer.inverse_transform(said)
        return found

    def _targets(self, X: Any, y: Any, incremental: bool, reset: bool) -> tuple[Any, Array]:
        X, y = self._rows(X, y, reset, multi_output=True)
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        if not hasattr(self, "classes_") or (not self.warm_start and not incremental):
            self._label_binarizer = LabelBinarizer().fit(y)
            self.classes_ = self._label_binarizer.classes_
        else:
            self._check_classes(unique_labels(y))
        found: Array = self._label_binarizer.transform(y).astype(bool)
        return X, found

    def _known_targets(self, y: Any) -> Array:
        """Return the targets of a fitted network, ``[rows, outputs]``."""
        self._check_known(unique_labels(y))
        found: Array = self._label_binarizer.transform(y)
        return found

    def _check_classes(self, classes: Array) -> None:
        if self.warm_start and set(classes) != set(self.classes_):
            # the words that scikit-learn's users look for
            raise ValueError(
                "warm_start can only be used where `y` has the same classes as in the previous "
                f"call to fit. Previously got {self.classes_}, `y` has {classes}"
            )
        self._check_known(classes)

    def _check_known(self, classes: Array) -> None:
        strange = np.setdiff1d(classes, self.classes_, assume_unique=True)
        if len(strange):
            raise UsageError(f"y has {strange}, which are not among the classes {self.classes_}")

    def _row_weights(self, y: Any, sample_weight: Array | None) -> Array | None:
        if self.class_weight is None:
            return sample_weight
        weight: Array = compute_sample_weight(self.class_weight, y)
        return weight if sample_weight is None else weight * sample_weight

    def _validation_score(self, outputs: Array, y: Array, sample_weight: Array | None) -> float:
        truth = y.ravel() if self.n_outputs_ == 1 else y
        said = self._label_binarizer.inverse_transform(truth.astype(np.int64))
        return float(accuracy_score(said, self._decided(outputs), sample_weight=sample_weight))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags
