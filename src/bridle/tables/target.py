"""The target: class codes for classification, standardized values for regression."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from bridle.errors import DataError, ModelFileError, did_you_mean
from bridle.tables.columns import Column
from bridle.tables.labels import ClassLabel, dtype_of, inferred, labels_of
from bridle.tables.target_checks import (
    MAX_CLASSES,
    check_amounts,
    check_classes,
    check_dates,
    differ,
)

__all__ = ["ClassTarget", "ValueTarget", "infer_task", "target_column", "task_of"]


def target_column(frame: pd.DataFrame, name: str) -> tuple[pd.DataFrame, pd.Series[Any]]:
    """Split a table into features and target.

    Parameters
    ----------
    frame : DataFrame
    name : str
        The name of the target's column.

    Returns
    -------
    tuple
        The features, and the target.

    Raises
    ------
    DataError
        If there is no such column, no other column or no row, or if the target is missing in a row.

    Examples
    --------
    >>> import pandas as pd
    >>> features, target = target_column(pd.DataFrame({"x": [1, 2], "y": [0, 1]}), "y")
    >>> list(features), target.tolist()
    (['x'], [0, 1])
    """
    if name not in frame.columns:
        raise DataError(f"no column {name!r} for the target; {did_you_mean(name, frame.columns)}")
    if len(frame.columns) == 1:
        raise DataError(f"{name!r} is the only column; give columns to predict it from")
    if not len(frame):
        raise DataError("the table has no rows; give rows below the header")
    target = frame[name]
    missing = int(target.isna().sum())
    if missing:
        raise DataError(
            f"the target {name!r} is missing in {missing} of {len(target)} rows; "
            "fill the values in or leave those rows out"
        )
    return frame.drop(columns=name), inferred(target)


def infer_task(target: pd.Series[Any]) -> str:
    """Infer whether the task is classification or regression.

    Strings, booleans and categories mean classification. So do whole numbers with at most 20
    distinct values, unless nearly all rows differ. Other numbers mean regression.

    Parameters
    ----------
    target : Series

    Returns
    -------
    str
        "classification" or "regression".

    Raises
    ------
    DataError
        If there are more than 20 distinct strings, and half of them look like numbers, such as
        "5 kg" or "<5"; or if there are more than 20 distinct dates, also as numbers such as
        20240113.

    Examples
    --------
    >>> import pandas as pd
    >>> infer_task(pd.Series([3, 5, 8])), infer_task(pd.Series([0.5, 1.0]))
    ('classification', 'regression')
    """
    numeric = pd.api.types.is_numeric_dtype(target.dtype)
    check_dates(target)
    if not numeric or pd.api.types.is_bool_dtype(target.dtype):
        check_amounts(target)
        return "classification"
    values = target.to_numpy(dtype=np.float64)
    whole = bool((np.isfinite(values) & (values == np.floor(values))).all())
    few = whole and target.nunique() <= MAX_CLASSES
    return "classification" if few and not differ(target) else "regression"


def task_of(target: pd.Series[Any], task: str) -> str:
    """Return the task of a table: the given one, or with "auto" the inferred one.

    Raises
    ------
    DataError
        As for :func:`infer_task`; or if nearly every row is a class of its own.
    """
    task = infer_task(target) if task == "auto" else task
    if task == "classification":
        check_classes(target)
    return task


@dataclass(frozen=True)
class ClassTarget:
    """The target of a classification: classes as int64 codes, in sorted order.

    Attributes
    ----------
    classes : tuple
        The class of each code: a string, an int, a bool or a float.

    Examples
    --------
    >>> import pandas as pd
    >>> target = ClassTarget.fit(pd.Series(["no", "yes", "no"]))
    >>> target.classes, target.transform(pd.Series(["yes", "no"]))
    (('no', 'yes'), array([1, 0]))
    """

    classes: tuple[ClassLabel, ...]

    @classmethod
    def fit(cls, target: pd.Series[Any]) -> ClassTarget:
        """Learn the classes.

        Raises
        ------
        DataError
            If there is only one class, or a number is infinite.
        """
        _check_finite(target)
        classes = sorted(set(labels_of(target)), key=lambda label: (isinstance(label, str), label))
        if len(classes) < 2:
            raise DataError(
                f"the target {target.name!r} has only one class, {classes[0]!r}; "
                "give rows of two or more classes"
            )
        return cls(tuple(classes))

    def transform(self, target: pd.Series[Any]) -> np.ndarray[Any, np.dtype[np.int64]]:
        """Return the code of each row, int64 ``[rows]``.

        A label of another type is found by how it is written: 1 is the class "1".

        Raises
        ------
        DataError
            If a class is unknown.
        """
        codes = {str(label): code for code, label in enumerate(self.classes)}
        labels = [str(label) for label in labels_of(target)]
        strange = [label for label in labels if label not in codes]
        if strange and len(self.classes) == 2 and set(codes) == {"False", "True"}:
            flags = {"0": "False", "1": "True", "false": "False", "true": "True"}
            labels = [flags.get(label, flags.get(label.lower(), label)) for label in labels]
            strange = [label for label in labels if label not in codes]
        if strange:
            hint = did_you_mean(str(strange[0]), map(str, self.classes))
            raise DataError(f"the class {strange[0]!r} did not occur in training; {hint}")
        return np.array([codes[label] for label in labels], dtype=np.int64)

    def inverse(self, codes: np.ndarray[Any, Any]) -> pd.Series[Any]:
        """Return the class of each code, ``[rows]``."""
        return pd.Series(self.decode(codes))

    def decode(self, codes: np.ndarray[Any, Any]) -> Any:
        """Return the class of each code as an array of pandas, ``[rows]``."""
        return self._labels.take(codes)

    @cached_property
    def _labels(self) -> Any:
        return pd.Series(list(self.classes), dtype=dtype_of(self.classes)).array

    def column(self, name: str) -> Column:
        """Return the target as a column, by which a table is read as in training."""
        kinds = {type(label) for label in self.classes}
        if kinds <= {int, float}:
            return Column(name, "number")
        return Column(name, "category", categories=tuple(map(str, self.classes)))

    def state(self) -> dict[str, Any]:
        """Return the state as JSON values."""
        return {"classes": list(self.classes)}

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> ClassTarget:
        """Build the target from what :meth:`state` returned.

        Raises
        ------
        ModelFileError
            If the state is not that of classes.
        """
        classes = state.get("classes") if isinstance(state, dict) else None
        plain = isinstance(classes, list) and all(
            isinstance(label, (str, int, float)) for label in classes
        )
        if not isinstance(classes, list) or not plain or len(classes) < 2:
            raise ModelFileError(
                f"the model file has invalid classes {classes!r}; fit the model again"
            )
        return cls(tuple(classes))


def _check_finite(target: pd.Series[Any]) -> None:
    if not pd.api.types.is_numeric_dtype(target.dtype):
        return
    values = target.to_numpy(dtype=np.float64)
    strange = np.flatnonzero(~np.isfinite(values))
    if len(strange):
        raise DataError(
            f"the target {target.name!r}, row {strange[0] + 1}: the value is "
            f"{values[strange[0]]}; correct it or leave the row out"
        )


@dataclass(frozen=True)
class ValueTarget:
    """The target of a regression, standardized: zero mean and unit standard deviation.

    Attributes
    ----------
    mean, scale : float
        Mean and standard deviation of the training rows, in the target's units.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> target = ValueTarget.fit(pd.Series([1.0, 3.0]))
    >>> target.transform(pd.Series([1.0, 5.0])), target.inverse(np.array([0.0])).tolist()
    (array([-1.,  3.], dtype=float32), [2.0])
    """

    mean: float
    scale: float

    @classmethod
    def fit(cls, target: pd.Series[Any]) -> ValueTarget:
        """Learn the mean and the standard deviation.

        Raises
        ------
        DataError
            If the target is not numerical, not finite, or constant.
        """
        numbers = _numeric(target)
        with np.errstate(over="ignore"):
            scale = float(numbers.std())
        if not 0 < scale < np.inf and np.ptp(numbers):
            size = "small" if scale == 0 else "large"
            raise DataError(
                f"the values of the target {target.name!r}, such as {numbers[0]:g}, are so {size} "
                "that their squares are no numbers; give them in another unit"
            )
        if scale == 0:
            raise DataError(
                f"the target {target.name!r} is {numbers[0]:g} in every row; "
                "give rows in which it varies"
            )
        return cls(float(numbers.mean()), scale)

    def transform(self, target: pd.Series[Any]) -> np.ndarray[Any, np.dtype[np.float32]]:
        """Return standardized values, float32 ``[rows]``.

        Raises
        ------
        DataError
            If the target is not numerical or not finite.
        """
        return ((_numeric(target) - self.mean) / self.scale).astype(np.float32)

    def inverse(self, values: np.ndarray[Any, Any]) -> pd.Series[Any]:
        """Return values in the target's units, float64 ``[rows]``."""
        return pd.Series(np.asarray(values, dtype=np.float64) * self.scale + self.mean)

    def column(self, name: str) -> Column:
        """Return the target as a column, by which a table is read as in training."""
        return Column(name, "number")

    def state(self) -> dict[str, Any]:
        """Return the state as JSON values."""
        return {"mean": self.mean, "scale": self.scale}

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> ValueTarget:
        """Build the target from what :meth:`state` returned.

        Raises
        ------
        ModelFileError
            If the state is not that of a regression target.
        """
        numbers = [state.get(name) for name in ("mean", "scale")] if isinstance(state, dict) else []
        if len(numbers) != 2 or not all(isinstance(number, (int, float)) for number in numbers):
            raise ModelFileError(
                f"the model file has an invalid target state {state!r}; fit the model again"
            )
        return cls(float(state["mean"]), float(state["scale"]))


def _numeric(target: pd.Series[Any]) -> np.ndarray[Any, np.dtype[np.float64]]:
    if not pd.api.types.is_numeric_dtype(target.dtype):
        raise DataError(
            f"the target {target.name!r} has {str(target.iloc[0])!r}, which is not a number; "
            "convert it to numbers, or use --task classification (in Python: "
            "task='classification')"
        )
    _check_finite(target)
    return target.to_numpy(dtype=np.float64)
