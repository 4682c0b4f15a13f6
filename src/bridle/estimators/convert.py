"""Conversion between scikit-learn's and bridle's MLP estimators, fitted or not."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from sklearn import neural_network

from bridle.errors import RegularizationWarning, UsageError
from bridle.estimators.classifier import MLPClassifier
from bridle.estimators.optimizers import AdamOptimizer, SGDOptimizer
from bridle.estimators.regressor import MLPRegressor

__all__ = ["from_sklearn", "to_sklearn"]

PAIRS: dict[type, type] = {
    neural_network.MLPClassifier: MLPClassifier,
    neural_network.MLPRegressor: MLPRegressor,
}
_NOT_EVALUATED = (float("nan"),) * 4
FITTED = (
    "classes_",
    "n_iter_",
    "t_",
    "n_layers_",
    "n_outputs_",
    "out_activation_",
    "n_features_in_",
    "feature_names_in_",
    "loss_",
    "loss_curve_",
    "best_loss_",
    "validation_scores_",
    "best_validation_score_",
    "_label_binarizer",
    "_no_improvement_count",
)


def from_sklearn(estimator: Any) -> MLPClassifier | MLPRegressor:
    """Convert a scikit-learn MLP to bridle's estimator.

    The result has the same parameters. A fitted estimator keeps its weights and the state of its
    optimizer, so that ``partial_fit`` continues as in scikit-learn. Regularizers can be added
    afterwards: ``from_sklearn(theirs).set_params(keep_prob=0.5)``.

    Parameters
    ----------
    estimator : sklearn.neural_network.MLPClassifier or MLPRegressor
        The estimator to convert, fitted or not.

    Returns
    -------
    MLPClassifier or MLPRegressor

    Raises
    ------
    UsageError
        If the estimator is of another class.

    Examples
    --------
    >>> import bridle
    >>> from sklearn.neural_network import MLPClassifier
    >>> bridle.from_sklearn(MLPClassifier(alpha=0.1)).set_params(keep_prob=0.5)
    MLPClassifier(alpha=0.1, keep_prob=0.5)
    """
    kind = PAIRS.get(type(estimator))
    if kind is None:
        raise UsageError(
            f"the estimator is a {type(estimator).__name__}; give scikit-learn's MLPClassifier or "
            "MLPRegressor"
        )
    made: Any = kind(**estimator.get_params(deep=False))
    if hasattr(estimator, "coefs_"):
        _copy(estimator, made)
        made.mask_seed_, made._steps = 0, 0
        made.validation_loss_curve_ = None
        made._epochs = [(loss, *_NOT_EVALUATED) for loss in getattr(estimator, "loss_curve_", [])]
        theirs = getattr(estimator, "_optimizer", None)
        if theirs is not None:
            made._optimizer = _optimizer_of(made, theirs)
    return made


def to_sklearn(estimator: MLPClassifier | MLPRegressor) -> Any:
    """Convert bridle's estimator to a scikit-learn MLP.

    Parameters
    ----------
    estimator : MLPClassifier or MLPRegressor
        The estimator to convert, fitted or not.

    Returns
    -------
    sklearn.neural_network.MLPClassifier or MLPRegressor
        If fitted, it has the same weights and the same predictions. Its optimizer starts anew.

    Raises
    ------
    UsageError
        If the estimator is of another class, if it has an encoder for tables or missing indicators,
        or if it is not fitted and has a regularizer that scikit-learn does not support.

    Warns
    -----
    RegularizationWarning
        If the estimator was fitted with such a regularizer. Further training would not use it.

    Examples
    --------
    >>> import bridle
    >>> bridle.to_sklearn(bridle.MLPRegressor(alpha=0.1))
    MLPRegressor(alpha=0.1)
    """
    kind = next((theirs for theirs, ours in PAIRS.items() if ours is type(estimator)), None)
    if kind is None:
        raise UsageError(
            f"the estimator is a {type(estimator).__name__}; give bridle's MLPClassifier or "
            "MLPRegressor"
        )
    fitted = hasattr(estimator, "coefs_")
    if hasattr(estimator, "encoder_"):
        raise UsageError(
            "the estimator was fitted on a DataFrame with non-numerical columns or missing values, "
            "which scikit-learn's estimator does not accept; transform the table with "
            "estimator.encoder_ and fit again"
        )
    if len(getattr(estimator, "indicated_features_", ())):
        raise UsageError(
            "the estimator was fitted with missing values, so its network has missing indicators "
            "as further inputs, which scikit-learn's estimator does not accept; impute the missing "
            "values and fit again"
        )
    params = estimator.get_params(deep=False)
    defaults = type(estimator)().get_params(deep=False)
    made: Any = kind()
    known = made.get_params(deep=False)
    lost = [
        name
        for name, value in params.items()
        if name not in (*known, "keep_stages", "device") and value != defaults[name]
    ]
    if lost:
        message = f"scikit-learn does not support {', '.join(lost)}"
        if not fitted:
            raise UsageError(f"{message}; reset it to its default, or convert a fitted estimator")
        warnings.warn(
            f"{message}: predictions are the same, but further training will not use it",
            RegularizationWarning,
            stacklevel=2,
        )
    made.set_params(**{name: value for name, value in params.items() if name in known})
    if fitted:
        _copy(estimator, made)
        made._best_coefs = [each.copy() for each in made.coefs_]
        made._best_intercepts = [each.copy() for each in made.intercepts_]
    return made


def _copy(source: Any, target: Any) -> None:
    for name in ("coefs_", "intercepts_"):
        setattr(target, name, [np.array(each) for each in getattr(source, name)])
    for name in FITTED:
        if hasattr(source, name):
            value = getattr(source, name)
            setattr(target, name, list(value) if isinstance(value, list) else value)


def _optimizer_of(made: Any, theirs: Any) -> AdamOptimizer | SGDOptimizer:
    """Return an optimizer with the state of scikit-learn's optimizer."""
    optimizer: AdamOptimizer | SGDOptimizer = made._make_optimizer(made.coefs_)

    def flat(parts: Any) -> Any:
        return np.concatenate([np.ravel(part) for part in parts])

    if isinstance(optimizer, AdamOptimizer):
        optimizer.t = theirs.t
        optimizer.moment, optimizer.square = flat(theirs.ms)[None], flat(theirs.vs)[None]
    else:
        optimizer.velocity = flat(theirs.velocities)
    optimizer.learning_rate = theirs.learning_rate
    return optimizer
