"""From scikit-learn's networks to bridle's and back, fitted or not."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from sklearn import neural_network

from bridle.errors import RegularizationWarning, UsageError
from bridle.estimators.classifier import MLPClassifier
from bridle.estimators.optimizers import AdamRule, MomentumRule
from bridle.estimators.regressor import MLPRegressor

__all__ = ["from_sklearn", "to_sklearn"]

PAIRS: dict[type, type] = {
    neural_network.MLPClassifier: MLPClassifier,
    neural_network.MLPRegressor: MLPRegressor,
}
_NOT_LOOKED = (float("nan"),) * 4
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
    """Return bridle's estimator for one of scikit-learn's networks.

    The same arguments; where it is fitted, the same weights, and the solver's moments too, so that
    ``partial_fit`` goes on where scikit-learn's would. Then regularizers can be added:
    ``from_sklearn(theirs).set_params(keep_prob=0.5)``.

    Parameters
    ----------
    estimator : sklearn.neural_network.MLPClassifier or MLPRegressor

    Returns
    -------
    MLPClassifier or MLPRegressor

    Raises
    ------
    UsageError
        If it is neither.

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
        made._epochs = [(loss, *_NOT_LOOKED) for loss in getattr(estimator, "loss_curve_", [])]
        theirs = getattr(estimator, "_optimizer", None)
        if theirs is not None:
            made._optimizer = _rule_of(made, theirs)
    return made


def to_sklearn(estimator: MLPClassifier | MLPRegressor) -> Any:
    """Return scikit-learn's network for one of bridle's estimators.

    Parameters
    ----------
    estimator : MLPClassifier or MLPRegressor

    Returns
    -------
    sklearn.neural_network.MLPClassifier or MLPRegressor
        With the same weights, where it is fitted: it predicts the same. Its solver starts afresh.

    Raises
    ------
    UsageError
        If it is neither, if it has an encoder for tables, or if it is not fitted and has a
        regularizer that scikit-learn lacks.

    Warns
    -----
    RegularizationWarning
        If it was fitted with such a regularizer: further training would be without.

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
            "the estimator was fitted to a DataFrame with texts or gaps, which scikit-learn's does "
            "not take; encode the table first, with estimator.encoder_"
        )
    given = estimator.get_params(deep=False)
    plain = type(estimator)().get_params(deep=False)
    made: Any = kind()
    known = made.get_params(deep=False)
    lost = [
        name
        for name, value in given.items()
        if name not in (*known, "keep_stages", "device") and value != plain[name]
    ]
    if lost:
        said = f"scikit-learn has no {', '.join(lost)}"
        if not fitted:
            raise UsageError(f"{said}; leave it out, or convert the fitted estimator")
        warnings.warn(
            f"{said}: the network predicts the same, and further training is without",
            RegularizationWarning,
            stacklevel=2,
        )
    made.set_params(**{name: value for name, value in given.items() if name in known})
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


def _rule_of(made: Any, theirs: Any) -> AdamRule | MomentumRule:
    """Return the solver with the moments of scikit-learn's."""
    rule: AdamRule | MomentumRule = made._rule_for(made.coefs_)

    def flat(parts: Any) -> Any:
        return np.concatenate([np.ravel(part) for part in parts])

    if isinstance(rule, AdamRule):
        rule.t = theirs.t
        rule.moment, rule.square = flat(theirs.ms)[None], flat(theirs.vs)[None]
    else:
        rule.velocity = flat(theirs.velocities)
    rule.learning_rate = theirs.learning_rate
    return rule
