"""Weights of rows: sample weights, class weights, and both together."""

from __future__ import annotations

from numbers import Real
from typing import Any

import numpy as np
import scipy.sparse
from sklearn.utils import compute_sample_weight
from sklearn.utils.validation import _check_sample_weight

from bridle.errors import UsageError, did_you_mean
from bridle.estimators.tensors import with_positive_strides

__all__ = ["as_sample_weight", "class_weights_of_rows", "weights_in"]

Array = np.ndarray[Any, np.dtype[Any]]


def as_sample_weight(sample_weight: Any, X: Any) -> Array | None:
    """Return the sample weights as a float array ``[rows]``, or None if there are none.

    Raises
    ------
    ValueError
        If a weight is negative or not finite, all are zero, or their number is not that of X.
    """
    if sample_weight is None:
        return None
    weight: Array = _check_sample_weight(sample_weight, X)
    if (weight < 0).any():
        raise UsageError(f"sample_weight has the value {weight.min():g}; weights must be 0 or more")
    return weight


def class_weights_of_rows(class_weight: Any, y: Any, classes: Array, multilabel: bool) -> Array:
    """Return the weight of each row by its class, or by the product over its labels.

    Parameters
    ----------
    class_weight : dict, list of dict or "balanced"
        A list has one dict per label of a multilabel target, with the weights of 0 and 1.
    y : array ``[rows]`` or ``[rows, labels]``
        Class labels, or an indicator matrix.
    classes : array
        The known classes.
    multilabel : bool
        Whether y is an indicator matrix.

    Raises
    ------
    UsageError
        If a dict names an unknown class or has a negative weight, or their number is wrong.
    """
    if isinstance(class_weight, str):
        return np.asarray(compute_sample_weight(class_weight, y))
    single = isinstance(class_weight, dict)
    if multilabel and (single or len(class_weight) != len(classes)):
        given = "a dict" if single else f"a list of {len(class_weight)}"
        raise UsageError(
            f"class_weight is {given}, and y has {len(classes)} labels; pass a list of "
            f"{len(classes)} dicts, such as {{0: 1, 1: 5}} for each label, or 'balanced'"
        )
    if not multilabel and not single:
        raise UsageError(
            "class_weight is a list, which is for multilabel targets, and y has one label per "
            "row; pass a dict, such as {class: weight}, or 'balanced'"
        )
    each = [class_weight] if single else class_weight
    known = [0, 1] if multilabel else classes.tolist()
    for weights in each:
        for name, weight in weights.items():
            if name not in known:
                raise UsageError(
                    f"class_weight has the class {name!r}, which y does not have; "
                    f"{did_you_mean(str(name), map(str, known))}"
                )
            value = weight.item() if getattr(weight, "ndim", None) == 0 else weight
            number = isinstance(value, Real)
            if not number or not 0 <= value < np.inf:
                raise UsageError(
                    f"class_weight of the class {name!r} is {weight!r}; weights must be "
                    "finite numbers, 0 or more"
                )
    y = y if scipy.sparse.issparse(y) else np.asarray(y)
    columns = [y[:, [at]] for at in range(len(each))] if multilabel else [y]
    total = np.ones(np.shape(y)[0])
    for column, weights in zip(columns, each, strict=True):
        labels = column.toarray() if scipy.sparse.issparse(column) else column
        total *= [float(weights.get(label, 1.0)) for label in labels.ravel().tolist()]
    return total


def weights_in(weight: Array, dtype: Any) -> Array:
    """Return the weights of rows in the dtype of the network, writable.

    Raises
    ------
    UsageError
        If all are zero, or one of them or their sum is outside the normal range of the dtype.
    """
    with np.errstate(over="ignore", under="ignore"):
        cast = np.require(weight.astype(dtype, copy=False), requirements=["C", "W"])
        total = cast.sum()
    if not weight.any():
        raise UsageError(
            "all rows have a weight of zero: each sample weight or class weight is 0; give at "
            "least one row a weight above 0"
        )
    # subnormal numbers are flushed to zero in training
    if not np.isfinite(total) or ((weight > 0) & (cast < np.finfo(cast.dtype).tiny)).any():
        extremes = f"{weight[weight > 0].min():g} to {weight.max():g}"
        raise UsageError(
            f"the sample weights are {extremes}, too small or too large for {cast.dtype}; "
            "multiply them by a constant"
        )
    return with_positive_strides(cast)
