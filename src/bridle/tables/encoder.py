"""Encode the columns of a table as the inputs of a network."""

from __future__ import annotations

from collections import Counter
from copy import copy
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pandas as pd

from bridle.errors import DataError, ModelFileError, did_you_mean
from bridle.tables.bins import PiecewiseLinear
from bridle.tables.columns import Column, as_levels, column_of, restricted
from bridle.tables.date_features import date_features
from bridle.tables.encoders import (
    FloatArray,
    array_of,
    center_of,
    hot_columns,
    listed,
    names_of,
    notes_on,
    read_columns,
    safe_scale,
)
from bridle.tables.frequent import with_frequent
from bridle.tables.levels import LevelsReader
from bridle.tables.remarks import remarks_on
from bridle.tables.text import TextFeatures

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["TableEncoder"]

CLIP = 3.0


class TableEncoder:
    """Encodes the columns of a table as features for a network.

    - *Numerical* columns are centered at their median and divided by their interquartile range,
      then smoothly clipped: ``z / √(1 + (z / 3)²)`` (Holzmüller et al. 2024). A missing value is
      imputed by the median. If values were missing in ``fit``, there is also a missing indicator.
    - *Categorical* columns (strings with at most 64 distinct values, booleans, pandas categories)
      are one-hot encoded. A missing value is a category of its own if it occurred in ``fit``. An
      unseen category is all zeros.
    - *Dates* become year, total seconds, and circular month, day, weekday and hour. These are then
      treated as numerical.
    - *Text* columns (strings with more distinct values, and pandas categories with more than 512)
      become 30 latent components of their character n-grams. Values of three rows or more are
      one-hot encoded as well, at most 512 in a table: the most frequent ones.
    - *Constant* columns and columns without values are left out.
    - With :meth:`binned`, numerical features are also encoded in bins.

    The kind of each column is decided in ``fit`` and does not change.

    Attributes
    ----------
    columns : tuple of str
        The columns that ``transform`` needs.
    feature_names : tuple of str
        The name of each column of the output.
    feature_columns : tuple of str
        The column of the table that each feature encodes.
    notes : tuple of str
        Remarks on how columns were interpreted.

    Examples
    --------
    >>> import pandas as pd
    >>> table = pd.DataFrame({"age": [20, 30, None, 50], "town": ["Ulm", "Bonn", "Ulm", "Ulm"]})
    >>> encoder = TableEncoder().fit(table)
    >>> encoder.feature_names
    ('age', 'age=(missing)', 'town=Bonn', 'town=Ulm')
    >>> encoder.transform(table).round(2)
    array([[-0.65,  0.  ,  0.  ,  1.  ],
           [ 0.  ,  0.  ,  1.  ,  0.  ],
           [ 0.  ,  1.  ,  0.  ,  1.  ],
           [ 1.22,  0.  ,  0.  ,  1.  ]], dtype=float32)
    """

    def __init__(self) -> None:
        self._all: tuple[Column, ...] = ()
        self._center: FloatArray = np.zeros(0)
        self._scale: FloatArray = np.zeros(0)
        self.levels: dict[str, LevelsReader] = {}  # of categories, and of frequent texts
        self._texts: dict[str, TextFeatures] = {}
        self._bins: PiecewiseLinear | None = None
        self._ranges: dict[str, tuple[float, float]] = {}
        self.feature_names: tuple[str, ...] = ()
        self.feature_columns: tuple[str, ...] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that ``transform`` needs."""
        return tuple(column.name for column in self._all if column.kind != "constant")

    @property
    def notes(self) -> tuple[str, ...]:
        """Remarks on how columns were interpreted."""
        return notes_on(self._all)

    def summary(self) -> dict[str, int]:
        """Return the number of columns of each kind."""
        return dict(Counter(column.kind for column in self._all))

    @property
    def schema(self) -> dict[str, Column]:
        """The columns by name, as they are read at prediction."""
        return {column.name: column for column in self._all}

    def fit(self, frame: pd.DataFrame, columns: Sequence[Column] | None = None) -> Self:
        """Decide the kind of each column, and learn centers, scales, categories and components.

        Parameters
        ----------
        frame : DataFrame
            The training rows, without the target.
        columns : sequence of Column, optional
            The columns of the whole table, if their kinds are decided already.

        Returns
        -------
        TableEncoder
            Itself.

        Raises
        ------
        DataError
            If a value is infinite, or all columns are constant.
        """
        if columns is None:
            self._all = tuple(column_of(frame[name]) for name in frame.columns)
        else:
            self._all = tuple(restricted(column, frame[column.name]) for column in columns)
        if not self.columns:
            raise DataError(f"all {len(self._all)} columns are constant; give columns that vary")
        self._all = with_frequent(self._all, frame)
        self._texts = {n: TextFeatures.fit(each)[0] for n, each in self._written(frame).items()}
        read = read_columns(frame, self._of("number", "date"), {})
        numbers = self._numbers(read, len(frame))
        names = [column.name for column in self._of("number")]
        self._ranges = {n: (float(np.nanmin(read[n])), float(np.nanmax(read[n]))) for n in names}
        self._center, self._scale = center_of(numbers), safe_scale(numbers)
        self.levels = self._levels_readers()
        self._name_features()
        return self

    def binned(self, frame: pd.DataFrame, bins: int, *, spread: bool = False) -> TableEncoder:
        """Return a copy of the encoder that also encodes numerical features in bins.

        Parameters
        ----------
        frame : DataFrame
            The rows that were passed to ``fit``.
        bins : int
            The number of quantile bins of each numerical feature; 0 is none.
        spread : bool
            Whether a value that many rows have takes one bin at most.

        Returns
        -------
        TableEncoder

        Examples
        --------
        >>> import pandas as pd
        >>> table = pd.DataFrame({"age": [20, 30, 40, 50, 60]})
        >>> TableEncoder().fit(table).binned(table, 2).feature_names
        ('age', 'age[-0.949,0)', 'age[0,0.949)')
        """
        made = copy(self)
        made._bins = None
        if bins:
            numbers = self._numbers(read_columns(frame, self._of("number", "date"), {}), len(frame))
            made._bins = PiecewiseLinear.fit(self.scaled(numbers), bins, spread=spread)
        made._name_features()
        return made

    @property
    def numbers(self) -> int:
        """The number of numerical features, which can also be encoded in bins."""
        return len(self._center)

    @property
    def ranges(self) -> Mapping[str, tuple[float, float]]:
        """The lowest and the highest value of each numerical column in training."""
        return self._ranges

    def transform(
        self, frame: pd.DataFrame, notes: list[str] | None = None
    ) -> np.ndarray[Any, np.dtype[np.float32]]:
        """Encode rows.

        Parameters
        ----------
        frame : DataFrame
            It must have the columns of ``fit``, in any order. Other columns are ignored.
        notes : list of str, optional
            Remarks on the rows are added to it: categories that are new, numbers far outside the
            training range, and cells that were taken as missing.

        Returns
        -------
        ndarray
            float32 ``[rows, features]``, finite.

        Raises
        ------
        DataError
            If a column is absent, or a value does not fit the kind of its column.
        """
        absent = [name for name in self.columns if name not in frame.columns]
        if absent:
            hint = did_you_mean(absent[0], frame.columns)
            s = "s" if len(absent) > 1 else ""
            raise DataError(f"the table lacks the column{s} {listed(absent)}; {hint}")
        if not len(frame):
            return np.zeros((0, len(self.feature_names)), dtype=np.float32)
        read = read_columns(frame, self._all, self.levels)
        if notes is not None:
            notes += remarks_on(self._all, read, self._ranges, frame)
        texts = {n: self._texts[n].transform(each) for n, each in self._written(frame).items()}
        return self.encoded(read, len(frame), texts)

    def encoded(
        self, read: Mapping[str, Any], rows: int, texts: Mapping[str, FloatArray] | None = None
    ) -> np.ndarray[Any, np.dtype[np.float32]]:
        """Encode columns that are read (float64, dates, :class:`Levels`), and features of texts."""
        out = np.zeros((rows, len(self.feature_names)), dtype=np.float32)
        numbers = self.scaled(self._numbers(read, rows))
        out[:, : numbers.shape[1]] = numbers
        at = numbers.shape[1]
        for column in self._of("number", "date"):
            if column.has_missing:
                out[:, at] = pd.isna(read[column.name])
                at += 1
        for name, reader in self.levels.items():
            codes = read[name].codes
            known = np.flatnonzero(codes >= 0)
            out[known, at + codes[known]] = 1
            at += reader.count
        for name, text in self._texts.items():
            out[:, at : at + text.count] = (texts or {})[name]
            at += text.count
        self.fill_bins(out, numbers)
        return out

    def fill_bins(self, out: np.ndarray[Any, Any], numbers: FloatArray) -> None:
        """Write the bins of scaled numbers to the last features, if there are any."""
        if self._bins is not None and self._bins.count:
            self._bins.write(numbers, out[:, -self._bins.count :])

    def scaled(self, numbers: FloatArray) -> FloatArray:
        """Return numbers ``[rows, numbers]`` centered, scaled and smoothly clipped, without NaN."""
        # numbers near the largest float must not overflow in between
        found = np.clip(numbers, -1e300, 1e300)
        found -= self._center
        found /= self._scale
        np.clip(found, -1e9, 1e9, out=found)
        found /= np.sqrt(1 + np.square(found / CLIP))
        found[np.isnan(found)] = 0.0
        return found

    def _levels_readers(self) -> dict[str, LevelsReader]:
        return {column.name: LevelsReader(column) for column in hot_columns(self._all)}

    def _of(self, *kinds: str) -> list[Column]:
        return [column for column in self._all if column.kind in kinds]

    def _written(self, frame: pd.DataFrame) -> dict[str, pd.Series[Any]]:
        return {column.name: as_levels(frame[column.name], column) for column in self._of("text")}

    def _numbers(self, read: Mapping[str, Any], rows: int) -> FloatArray:
        """Return numerical and date columns as float64, with NaN for missing values."""
        blocks = [read[column.name][:, None] for column in self._of("number")]
        blocks += [date_features(read[c.name], has_time=c.has_time) for c in self._of("date")]
        return np.concatenate(blocks, axis=1) if blocks else np.zeros((rows, 0))

    def _name_features(self) -> None:
        texts = {name: text.count for name, text in self._texts.items()}
        numbers, others = names_of(self._all, texts)
        found = [*numbers, *others]
        if self._bins is not None:
            names = self._bins.names([name for _, name in numbers])
            found += zip(self._bins.columns_of([c for c, _ in numbers]), names, strict=True)
        self.feature_columns = tuple(column for column, _ in found)
        self.feature_names = tuple(name for _, name in found)

    def state(self) -> tuple[dict[str, Any], dict[str, np.ndarray[Any, Any]]]:
        """Return the fitted state as JSON values and named arrays; no objects of other libraries.

        Returns
        -------
        tuple
            A dict of JSON values, and a dict of arrays.
        """
        columns = [column.state() for column in self._all]
        arrays: dict[str, np.ndarray[Any, Any]] = {}
        if self.numbers:
            arrays |= {"center": self._center, "scale": self._scale}
        if self._ranges:
            arrays["ranges"] = np.array(list(self._ranges.values()))
        for index, features in enumerate(self._texts.values()):
            arrays |= {f"text.{index}.{name}": a for name, a in features.arrays().items()}
        if self._bins is not None:
            arrays |= {f"bins.{name}": array for name, array in self._bins.arrays().items()}
        return {"columns": columns}, arrays

    @classmethod
    def from_state(
        cls, state: dict[str, Any], arrays: dict[str, np.ndarray[Any, Any]]
    ) -> TableEncoder:
        """Build an encoder from what :meth:`state` returned; its output is the same bit for bit.

        Raises
        ------
        ModelFileError
            If the state is not that of an encoder.
        """
        if not isinstance(state, dict) or not isinstance(state.get("columns"), list):
            raise ModelFileError("the state of the table's columns is missing; fit the model again")
        encoder = cls()
        encoder._all = tuple(Column.from_state(column) for column in state["columns"])
        encoder.levels = encoder._levels_readers()
        for index, column in enumerate(encoder._of("text")):
            encoder._texts[column.name] = TextFeatures(
                **{
                    part: array_of(arrays, f"text.{index}.{part}")
                    for part in ("idf", "directions", "scale")
                },
                limit=arrays.get(f"text.{index}.limit"),
            )
        if encoder._of("number", "date"):
            encoder._center, encoder._scale = array_of(arrays, "center"), array_of(arrays, "scale")
        numbers = [column.name for column in encoder._of("number")]
        if "ranges" in arrays and arrays["ranges"].shape == (len(numbers), 2):
            found = arrays["ranges"].tolist()  # earlier files do not have them
            encoder._ranges = dict(zip(numbers, map(tuple, found), strict=True))
        if "bins.edges" in arrays:
            learned = {p: array_of(arrays, f"bins.{p}") for p in ("columns", "counts", "edges")}
            encoder._bins = PiecewiseLinear.from_arrays(**learned, width=encoder.numbers)
        encoder._name_features()
        return encoder
