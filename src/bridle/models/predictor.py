"""Predict rows of any form with a model's encoder, its target and the outputs of its network."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from os import PathLike
from typing import Any

import numpy as np
import pandas as pd

from bridle.errors import UsageError
from bridle.models.reading import read_for_model
from bridle.statistics.temperature import tempered
from bridle.tables.encoder import TableEncoder
from bridle.tables.in_memory import as_frame, is_array
from bridle.tables.options import ReadOptions
from bridle.tables.read import ReadTable
from bridle.tables.target import ClassTarget, ValueTarget
from bridle.tables.typed import TypedReader

__all__ = ["Encoded", "Predictor", "Rows", "check_temperature", "named"]

Rows = (
    str
    | PathLike[str]
    | pd.DataFrame
    | ReadTable
    | pd.Series
    | Mapping[Any, Any]
    | list[Any]
    | np.ndarray[Any, Any]
)
"""What a model predicts: a table, a row or several."""

Features = np.ndarray[Any, np.dtype[np.float32]]
FloatArray = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True, eq=False)
class Encoded:
    """Rows as the inputs of a network.

    Attributes
    ----------
    features : ndarray
        float32 ``[rows, features]``.
    index : Index
        That of the rows.
    notes : list of str
        Remarks on the rows.
    """

    features: Features
    index: pd.Index[Any]
    notes: list[str]


@dataclass(frozen=True, eq=False)
class Predictor:
    """A model without what only training needs.

    Attributes
    ----------
    encoder : TableEncoder
    target : ClassTarget or ValueTarget
    target_name : str
    facts : dict
    outputs : callable
        The network: from features ``[rows, features]`` to outputs ``[members, rows, outputs]``.
    temperature : float
        That of the averaged probabilities.
    """

    encoder: TableEncoder
    target: ClassTarget | ValueTarget
    target_name: str
    facts: dict[str, Any]
    outputs: Callable[[Features], np.ndarray[Any, Any]]
    temperature: float = 1.0

    @cached_property
    def _typed(self) -> TypedReader:
        marks = (self.facts.get("table") or {}).get("marks") or {}
        return TypedReader(self.encoder, tuple(marks.get("units") or ()))

    @cached_property
    def _names(self) -> list[str]:
        return list(self.encoder.schema)

    def encode(self, table: Rows, reading: ReadOptions | None = None) -> Encoded:
        """Encode rows of any form.

        Raises
        ------
        DataError
            If the rows cannot be read or lack a column.
        """
        notes: list[str] = []
        plain = reading is None or reading == ReadOptions()
        if isinstance(table, Mapping) and plain:
            row = self._typed.row(table, notes)
            if row is not None:
                return Encoded(row, pd.RangeIndex(1), notes)
        if not isinstance(table, (str, PathLike, ReadTable)):
            frame = as_frame(table, self._names)
            found = self._typed.frame(frame, notes) if plain else None
            if found is not None:
                return Encoded(found, frame.index, notes)
            read = read_for_model(self, frame, reading)
            index = frame.index
        else:
            read = read_for_model(self, table, reading)
            index = read.frame.index
        notes = list(read.notes)
        features = self.encoder.transform(read.frame, notes)
        return Encoded(features, index, notes)

    def predict(self, table: Rows, reading: ReadOptions | None = None) -> pd.DataFrame:
        """Predict the target of each row; see :meth:`bridle.TableModel.predict`."""
        encoded = self.encode(table, reading)
        found = named(self.target, self._means(encoded.features), encoded.index)
        found.attrs["notes"] = encoded.notes
        return found

    def predict_proba(
        self, table: Rows, reading: ReadOptions | None = None
    ) -> pd.DataFrame | FloatArray:
        """Predict probabilities; see :meth:`bridle.TableModel.predict_proba`."""
        if not isinstance(self.target, ClassTarget):
            raise UsageError(
                f"{self.target_name!r} is predicted by regression, which has no probabilities; "
                "call predict"
            )
        encoded = self.encode(table, reading)
        means = self._means(encoded.features)
        if is_array(table):
            return means
        found = pd.DataFrame(means, index=encoded.index, columns=pd.Index(self.target.classes))
        found.attrs["notes"] = encoded.notes
        return found

    def _means(self, features: Features) -> FloatArray:
        """Return the mean over the members: values ``[rows]``, probabilities ``[rows, classes]``.

        For classification it is the mean of the members' probabilities, at the temperature.
        """
        outputs = self.outputs(features).astype(np.float64)
        if isinstance(self.target, ValueTarget):
            mean: FloatArray = outputs[..., 0].mean(0)
            return mean
        if outputs.size:
            outputs -= outputs.max(-1, keepdims=True)
        np.exp(outputs, out=outputs)
        outputs /= outputs.sum(-1, keepdims=True)
        shares = outputs[0] if len(outputs) == 1 else outputs.mean(0)
        return tempered(shares, self.temperature)


def check_temperature(temperature: float, target: ClassTarget | ValueTarget) -> None:
    """Raise a UsageError if a model cannot have this temperature."""
    if not (math.isfinite(temperature) and temperature > 0):
        raise UsageError(f"temperature is {temperature}; it must be a finite number above 0")
    if temperature != 1.0 and isinstance(target, ValueTarget):
        raise UsageError(
            f"temperature is {temperature}, but a regression has no probabilities; leave it out"
        )


def named(
    target: ClassTarget | ValueTarget, found: FloatArray, index: pd.Index[Any]
) -> pd.DataFrame:
    """Return values ``[rows]``, or probabilities ``[rows, classes]``, as a table."""
    if isinstance(target, ValueTarget):
        values = target.inverse(found).to_numpy()
        return pd.DataFrame({"prediction": values}, index=index)
    columns: dict[str, Any] = {"prediction": target.decode(found.argmax(axis=1))}
    for code, name in enumerate(target.classes):
        columns[f"probability_{name}"] = found[:, code]
    return pd.DataFrame(columns, index=index)
