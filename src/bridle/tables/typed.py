"""Encode values that have types, without the steps that only strings need."""

from __future__ import annotations

import math
from collections.abc import Collection, Hashable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from bridle.tables.encoder import TableEncoder
from bridle.tables.levels import Levels, LevelsReader
from bridle.tables.missing import numbers_in
from bridle.tables.plain_arrays import is_native
from bridle.tables.remarks import remarks_on

__all__ = ["TypedReader"]

Features = np.ndarray[Any, np.dtype[np.float32]]
_NUMBERS = (int, float, np.integer, np.floating, np.bool_)


class TypedReader:
    """Encodes numbers as numbers, and categories by their names; prepared once for a model.

    Its features are those of :meth:`TableEncoder.transform` on the same table. What may have to
    be read in another way is left to that: strings where the model has numbers or dates, texts,
    and numbers that had percent signs in training.

    Parameters
    ----------
    encoder : TableEncoder
    with_units : collection of str
        The columns that had units in training.

    Examples
    --------
    >>> table = pd.DataFrame({"age": [20, 30, 40, 50], "town": ["Ulm", "Bonn", "Ulm", "Ulm"]})
    >>> encoder = TableEncoder().fit(table)
    >>> reader, notes = TypedReader(encoder, ()), []
    >>> reader.row({"age": 35, "town": "Ulm"}, notes).tolist()
    [[0.0, 0.0, 1.0]]
    >>> reader.row({"age": "35 years", "town": "Ulm"}, notes) is None
    True
    """

    def __init__(self, encoder: TableEncoder, with_units: Collection[str]) -> None:
        self._encoder = encoder
        used = [column for column in encoder.schema.values() if column.kind != "constant"]
        self._columns = used
        self._kinds = {column.name: column.kind for column in used}
        self._reads_frames = not any(
            c.kind == "text" or c.name in with_units or numbers_in(c.missing) for c in used
        )
        dates = any(column.kind == "date" for column in used)
        self._reads_rows = self._reads_frames and not dates
        self._numbers = [column.name for column in used if column.kind == "number"]
        at = len(self._numbers)
        self._flags = []
        for place, column in enumerate(c for c in used if c.kind == "number"):
            if column.has_missing:
                self._flags.append((place, at))
                at += 1
        self._levels = []
        for name, reader in encoder.levels.items():
            self._levels.append((name, reader, at))
            at += reader.count
        self._width = len(encoder.feature_names)
        ranges = [encoder.ranges.get(name, (-math.inf, math.inf)) for name in self._numbers]
        self._low, self._high = np.array(ranges, dtype=np.float64).reshape(-1, 2).T

    def frame(self, frame: pd.DataFrame, notes: list[str]) -> Features | None:
        """Encode a table, or return None if a column is absent or must be read in another way."""
        if not self._reads_frames or not len(frame):
            return None
        names: dict[str, Hashable] = {str(name): name for name in frame.columns}
        if len(names) < frame.shape[1] or not self._kinds.keys() <= names.keys():
            return None
        if len(frame) == 1:
            row = frame.iloc[0]
            if row.dtype == object or not self._levels:
                found = self.row(dict(zip(names, row.tolist(), strict=True)), notes)
                if found is not None:
                    return found
        read: dict[str, Any] = {}
        for name, kind in self._kinds.items():
            values = frame[names[name]]
            if not _has_kind(values, kind):
                return None
            if kind == "number":
                numbers = values.to_numpy(dtype=np.float64, na_value=np.nan)
                if np.isinf(numbers).any():
                    return None
                read[name] = numbers
            else:
                read[name] = (
                    self._encoder.levels[name].read(values) if kind == "category" else values
                )
        notes += remarks_on(self._columns, read, self._encoder.ranges)
        return self._encoder.encoded(read, len(frame))

    def row(self, values: Mapping[str, Any], notes: list[str]) -> Features | None:
        """Encode one row by the columns' names, or return None as :meth:`frame` does."""
        if not self._reads_rows:
            return None
        out = np.zeros((1, self._width), dtype=np.float32)
        try:
            numbers = np.array([[_number(values[name]) for name in self._numbers]])
            places = [
                (name, at, *_place(reader, values[name])) for name, reader, at in self._levels
            ]
        except (KeyError, TypeError, OverflowError):
            return None
        scaled = self._encoder.scaled(numbers.reshape(1, -1))
        out[0, : len(self._numbers)] = scaled
        for place, at in self._flags:
            out[0, at] = np.isnan(numbers[0, place])
        new = False
        for _, at, code, level in places:
            if code >= 0:
                out[0, at + code] = 1
            new = new or level is not None
        self._encoder.fill_bins(out, scaled)
        away = np.maximum(self._low - numbers[0], numbers[0] - self._high)
        gaps = np.isnan(numbers[0])
        absent = gaps.sum() > sum(gaps[place] for place, _ in self._flags) or any(
            code < 0 and level is None for _, _, code, level in places
        )
        if new or absent or (away > self._high - self._low).any():
            read: dict[str, Any] = dict(zip(self._numbers, numbers.T, strict=True))
            for name, _, code, level in places:
                read[name] = Levels(np.array([code]), {} if level is None else {level: 1})
            notes += remarks_on(self._columns, read, self._encoder.ranges)
        return out


def _has_kind(values: pd.Series[Any], kind: str) -> bool:
    """Return whether values can be taken as they are."""
    dtype = values.dtype
    if kind == "date":
        return dtype.kind == "M" and not isinstance(dtype, pd.DatetimeTZDtype)
    if not is_native(dtype) or dtype.kind == "c":
        return False
    plain = pd.api.types.is_numeric_dtype(dtype) or pd.api.types.is_bool_dtype(dtype)
    if kind == "number":
        return plain
    if values.dtype == object:
        return bool(pd.api.types.infer_dtype(values, skipna=True) == "string")
    return plain or isinstance(dtype, (pd.CategoricalDtype, pd.StringDtype))


def _number(value: Any) -> float:
    """Return a number or NaN; raise a TypeError for anything else."""
    if isinstance(value, _NUMBERS):
        found = float(value)
        if not math.isinf(found):
            return found
    elif value is None or value is pd.NA or value is pd.NaT:
        return math.nan
    raise TypeError


def _place(reader: LevelsReader, value: Any) -> tuple[int, str | None]:
    """Return the code of a value, and its category if that is new."""
    if type(value) is str:
        return reader.place(value)
    if value is None or value is pd.NA or (isinstance(value, float) and math.isnan(value)):
        return reader.missing, None
    if isinstance(value, _NUMBERS):
        return reader.place(value)
    raise TypeError
