"""Encode the columns of a table as the inputs of a network."""

from __future__ import annotations

from collections import Counter
from copy import copy
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pandas as pd
from sklearn.preprocessing import OneHotEncoder, RobustScaler

from bridle.errors import DataError, ModelFileError, did_you_mean
from bridle.tables.bins import PiecewiseLinear
from bridle.tables.columns import Column, as_dates, as_numbers, as_strings, column_of
from bridle.tables.text import TextFeatures

if TYPE_CHECKING:
    from skrub import DatetimeEncoder

__all__ = ["TableEncoder"]

FloatArray = np.ndarray[Any, np.dtype[np.float64]]
MISSING = "(missing)"
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
    - *Text* columns (strings with more distinct values) become 30 latent components of their
      character n-grams.
    - *Constant* columns are left out.
    - With :meth:`binned`, numerical features are also encoded in bins.

    The kind of each column is decided in ``fit`` and does not change.

    Attributes
    ----------
    columns : tuple of str
        The columns that ``transform`` needs.
    feature_names : tuple of str
        The name of each column of the output.
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
        self._scaler: RobustScaler | None = None
        self._one_hot: OneHotEncoder | None = None
        self._texts: dict[str, TextFeatures] = {}
        self._bins: PiecewiseLinear | None = None
        self.feature_names: tuple[str, ...] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that ``transform`` needs."""
        return tuple(column.name for column in self._all if column.kind != "constant")

    @property
    def notes(self) -> tuple[str, ...]:
        """Remarks on how columns were interpreted."""
        constant = [column.name for column in self._all if column.kind == "constant"]
        texts = [column.name for column in self._all if column.kind == "text"]
        found = []
        if constant:
            found.append(f"left out, because they are constant: {_listed(constant)}")
        if texts:
            found.append(f"read as free text: {_listed(texts)}")
        return tuple(found)

    def summary(self) -> dict[str, int]:
        """Return the number of columns of each kind."""
        return dict(Counter(column.kind for column in self._all))

    def fit(self, frame: pd.DataFrame) -> Self:
        """Decide the kind of each column, and learn centers, scales, categories and components.

        Parameters
        ----------
        frame : DataFrame
            The training rows, without the target.

        Returns
        -------
        TableEncoder
            Itself.

        Raises
        ------
        DataError
            If all values of a column are missing, one is infinite, or all columns are constant.
        """
        self._all = tuple(column_of(frame[name]) for name in frame.columns)
        if not self.columns:
            raise DataError(f"all {len(self._all)} columns are constant; give columns that vary")
        self._texts = {
            column.name: TextFeatures.fit(frame[column.name])[0] for column in self._of("text")
        }
        numbers = self._numbers(frame)
        if numbers.shape[1]:
            center = RobustScaler(with_scaling=False).fit(numbers).center_
            self._scaler = _scaler(center, _safe_scale(numbers))
        self._one_hot = _one_hot(self._of("category"))
        self.feature_names = self._names()
        return self

    def binned(self, frame: pd.DataFrame, bins: int) -> TableEncoder:
        """Return a copy of the encoder that also encodes numerical features in bins.

        Parameters
        ----------
        frame : DataFrame
            The rows that were passed to ``fit``.
        bins : int
            The number of quantile bins of each numerical feature; 0 is none.

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
        made._bins = PiecewiseLinear.fit(self._scaled(frame), bins) if bins else None
        made.feature_names = made._names()
        return made

    @property
    def numbers(self) -> int:
        """The number of numerical features, which can also be encoded in bins."""
        return 0 if self._scaler is None else len(self._scaler.center_)

    def transform(self, frame: pd.DataFrame) -> np.ndarray[Any, np.dtype[np.float32]]:
        """Encode rows.

        Parameters
        ----------
        frame : DataFrame
            It must have the columns of ``fit``, in any order. Other columns are ignored.

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
            raise DataError(f"the table lacks the column {_listed(absent)}; {hint}")
        out = np.zeros((len(frame), len(self.feature_names)), dtype=np.float32)
        if not len(frame):
            return out
        numbers = self._scaled(frame)
        blocks = [numbers, self._missing(frame), self._categories(frame)]
        blocks += [
            self._texts[column.name].transform(frame[column.name]) for column in self._of("text")
        ]
        if self._bins is not None:
            blocks.append(self._bins.transform(numbers))
        np.concatenate(blocks, axis=1, out=out, casting="same_kind")
        return out

    def _of(self, *kinds: str) -> list[Column]:
        return [column for column in self._all if column.kind in kinds]

    def _numbers(self, frame: pd.DataFrame) -> FloatArray:
        """Return numerical and date columns as float64, with NaN for missing values."""
        blocks = [as_numbers(frame[column.name])[:, None] for column in self._of("number")]
        for column in self._of("date"):
            dates = as_dates(frame[column.name], column.date_format)
            blocks.append(_date_encoder(column).transform(dates).to_numpy(dtype=np.float64))
        return np.concatenate(blocks, axis=1) if blocks else np.zeros((len(frame), 0))

    def _scaled(self, frame: pd.DataFrame) -> FloatArray:
        numbers = self._numbers(frame)
        if self._scaler is None:
            return numbers
        # numbers near the largest float must not overflow in between
        scaled = np.clip(self._scaler.transform(np.clip(numbers, -1e300, 1e300)), -1e9, 1e9)
        return np.nan_to_num(scaled / np.sqrt(1 + np.square(scaled / CLIP)), nan=0.0)

    def _missing(self, frame: pd.DataFrame) -> FloatArray:
        columns = [column for column in self._of("number", "date") if column.has_missing]
        blocks = [_is_missing(frame[column.name]) for column in columns]
        return np.array(blocks, dtype=np.float64).T.reshape(len(frame), len(columns))

    def _categories(self, frame: pd.DataFrame) -> FloatArray:
        columns = self._of("category")
        if self._one_hot is None:
            return np.zeros((len(frame), 0))
        texts = [as_strings(frame[column.name]).fillna(MISSING) for column in columns]
        return self._one_hot.transform(np.array(texts, dtype=object).T)

    def _names(self) -> tuple[str, ...]:
        names = [column.name for column in self._of("number")]
        for column in self._of("date"):
            names += _date_encoder(column).get_feature_names_out()
        numbers = list(names)
        names += [f"{c.name}={MISSING}" for c in self._of("number", "date") if c.has_missing]
        for column in self._of("category"):
            names += [f"{column.name}={category}" for category in _levels(column)]
        for column in self._of("text"):
            names += [f"{column.name}~{i}" for i in range(self._texts[column.name].count)]
        if self._bins is not None:
            names = names + self._bins.names(numbers)
        return tuple(names)

    def state(self) -> tuple[dict[str, Any], dict[str, np.ndarray[Any, Any]]]:
        """Return the fitted state as JSON values and named arrays; no objects of other libraries.

        Returns
        -------
        tuple
            A dict of JSON values, and a dict of arrays.
        """
        columns = [column.state() for column in self._all]
        arrays: dict[str, np.ndarray[Any, Any]] = {}
        if self._scaler is not None:
            arrays |= {"center": self._scaler.center_, "scale": self._scaler.scale_}
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
        encoder._one_hot = _one_hot(encoder._of("category"))
        for index, column in enumerate(encoder._of("text")):
            encoder._texts[column.name] = TextFeatures(
                **{
                    part: _array(arrays, f"text.{index}.{part}")
                    for part in ("idf", "directions", "scale")
                }
            )
        if encoder._of("number", "date"):
            encoder._scaler = _scaler(_array(arrays, "center"), _array(arrays, "scale"))
        if "bins.edges" in arrays:
            parts = ("columns", "counts", "edges")
            learned = {part: _array(arrays, f"bins.{part}") for part in parts}
            encoder._bins = PiecewiseLinear.from_arrays(**learned, width=encoder.numbers)
        encoder.feature_names = encoder._names()
        return encoder


def _array(arrays: dict[str, np.ndarray[Any, Any]], name: str) -> np.ndarray[Any, Any]:
    if name not in arrays:
        raise ModelFileError(f"the encoder's array {name!r} is missing; fit the model again")
    return arrays[name]


def _is_missing(values: pd.Series[Any]) -> np.ndarray[Any, Any]:
    texts = as_strings(values) if pd.api.types.is_string_dtype(values.dtype) else values
    return texts.isna().to_numpy()


def _listed(names: list[str]) -> str:
    shown = ", ".join(map(repr, names[:5]))
    return shown + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def _scaler(center: FloatArray, scale: FloatArray) -> RobustScaler:
    """Build a scaler with these centers and scales."""
    scaler = RobustScaler()
    scaler.center_, scaler.scale_ = center, scale
    scaler.n_features_in_ = len(center)
    return scaler


def _safe_scale(numbers: FloatArray) -> FloatArray:
    """Return the interquartile range; half the range if that is 0; 1 if both are 0."""
    # nanpercentile works column by column, which is slow
    percentile = np.nanpercentile if np.isnan(numbers).any() else np.percentile
    low, high = percentile(numbers, [25, 75], axis=0)
    half = (np.nanmax(numbers, axis=0) / 2) - (np.nanmin(numbers, axis=0) / 2)
    scale = np.where(high > low, high / 2 - low / 2, half / 2) * 2
    return np.where(scale > 0, scale, 1.0)


def _levels(column: Column) -> list[str]:
    return [*column.categories, MISSING] if column.has_missing else list(column.categories)


def _one_hot(columns: list[Column]) -> OneHotEncoder | None:
    if not columns:
        return None
    levels = [np.array(_levels(column), dtype=object) for column in columns]
    encoder = OneHotEncoder(categories=levels, handle_unknown="ignore", sparse_output=False)
    return encoder.fit(np.array([[level[0] for level in levels]], dtype=object))


def _date_encoder(column: Column) -> DatetimeEncoder:
    """Return skrub's encoder for one column; its fit only learns the column's name."""
    from skrub import DatetimeEncoder  # takes seconds to import

    encoder = DatetimeEncoder(
        resolution="hour" if column.has_time else "day",
        add_weekday=True,
        periodic_encoding="circular",
    )
    days = pd.Series(pd.to_datetime(["2000-01-01", "2000-01-02"]), name=column.name)
    return encoder.fit(days)
