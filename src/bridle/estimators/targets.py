"""Checks of y before scikit-learn's, whose errors name neither y nor what to do."""

from __future__ import annotations

from numbers import Number
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import is_classifier

from bridle.errors import UsageError
from bridle.estimators.validation import refuse_masked

__all__ = ["CheckedScore", "check_scored", "check_target"]


def check_target(y: Any, *, classes: bool) -> None:
    """Refuse a y of one column whose values are of several types, missing, or of no use.

    Arrays of numbers or strings are left to scikit-learn.

    Parameters
    ----------
    y : array-like
    classes : bool
        Whether y has class labels; otherwise it must have numbers.

    Raises
    ------
    UsageError
        If labels are of several types, such as 1 and "a"; if values other than floats are missing;
        or if numbers are wanted and a value is none.
    """
    refuse_masked("y", y)
    values = _values_of(y)
    if values is None:
        if classes:
            _check_whole(y)
        elif getattr(getattr(y, "dtype", None), "kind", "") in ("M", "m"):
            raise UsageError(
                "y has dates or durations, which are no numbers; pass numbers, such as the days "
                "since a date"
            )
        return
    missing = int(pd.isna(values).sum())
    if missing:
        raise UsageError(f"y is missing in {missing} of {len(values)} rows; leave out those rows")
    if not classes and all(map(_is_number, values)):
        return
    kinds = {_kind(value) for value in values}
    if len(kinds) > 1:
        raise UsageError(
            f"y has values of several types ({', '.join(sorted(kinds))}); write all alike, such as "
            "y = [str(label) for label in y]"
        )
    (kind,) = kinds or {"number"}
    if not classes:
        odd = next(value for value in values if not _is_number(value))
        raise UsageError(f"y has {odd!r}, which is no number; pass numbers")
    dtype = getattr(y, "dtype", None)
    if isinstance(dtype, pd.CategoricalDtype):
        _check_whole(np.asarray(values))
    elif kind in ("number", "boolean") and dtype == np.dtype(object):
        name = "bool" if kind == "boolean" else "int"
        raise UsageError(
            f"Unknown label type: y has the dtype object and values such as "
            f"{values[0]!r}; pass y.astype({name})"
        )


def check_scored(y: Any, sample_weight: Any, *, classes: bool) -> None:
    """Refuse a y that :func:`check_target` refuses, and weights that are negative.

    Raises
    ------
    UsageError
        If y or a weight is of no use.
    """
    check_target(y, classes=classes)
    refuse_masked("sample_weight", sample_weight)
    if sample_weight is None:
        return
    try:
        least = np.min(np.asarray(sample_weight, dtype=np.float64), initial=np.inf)
    except (TypeError, ValueError) as error:
        raise UsageError(f"sample_weight has what is no number ({error}); pass numbers") from error
    if np.isnan(least):
        raise UsageError("sample_weight has NaN; weights must be 0 or more")
    if least < 0:
        raise UsageError(f"sample_weight has the value {least:g}; weights must be 0 or more")


class CheckedScore:
    """A ``score`` method that checks y first; goes before scikit-learn's mixins."""

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Return the accuracy of a classifier, or the R² of a regressor.

        Parameters
        ----------
        X : array, sparse matrix or DataFrame ``[rows, features]``
        y : array ``[rows]``
            True labels or values.
        sample_weight : array ``[rows]``, default=None
            Weight of each row.

        Returns
        -------
        float

        Raises
        ------
        UsageError
            If the values of y are of several types or missing, or a weight is negative.
        """
        check_scored(y, sample_weight, classes=is_classifier(self))
        scored: Any = super()
        return float(scored.score(X, y, sample_weight=sample_weight))


def _check_whole(y: Any) -> None:
    """Refuse fractions as labels."""
    numbers = np.asarray(y) if getattr(getattr(y, "dtype", None), "kind", "") == "f" else None
    if numbers is not None and numbers.ndim == 1 and np.isfinite(numbers).all():
        odd = numbers[numbers != np.floor(numbers)]
        if len(odd):
            raise UsageError(
                f"Unknown label type: y has fractions such as {odd[0]:g}, and classes are whole "
                "numbers or strings; use MLPRegressor, or pass y.astype(str)"
            )


def _values_of(y: Any) -> list[Any] | None:
    """Return the values of a list, of objects, of categories or of strings; else None."""
    if isinstance(y, (list, tuple)):
        return None if any(isinstance(each, (list, tuple, np.ndarray)) for each in y) else list(y)
    if isinstance(y, np.ndarray):
        return y.tolist() if y.dtype == object and y.ndim == 1 else None
    if isinstance(y, (pd.Series, pd.Index, pd.Categorical)):
        whole = y.dtype != object and not isinstance(y.dtype, (pd.CategoricalDtype, pd.StringDtype))
        nullable = isinstance(y.dtype, pd.api.extensions.ExtensionDtype) and y.isna().any()
        return None if whole and not nullable else y.tolist()
    return None


def _is_number(value: Any) -> bool:
    """Return whether a value is a number, a boolean, or a string of a number such as "1.5"."""
    try:
        float(value)
    except (TypeError, ValueError):
        return False
    return True


def _kind(value: Any) -> str:
    if getattr(value, "ndim", None) == 0:
        value = value.item()
    if isinstance(value, (bool, np.bool_)):
        return "boolean"
    if isinstance(value, (Number, np.number)):
        return "number"
    return "string" if isinstance(value, str) else type(value).__name__
