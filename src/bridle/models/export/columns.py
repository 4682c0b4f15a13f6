"""The columns of a table as inputs of a graph, and the features that their encoder makes."""

from __future__ import annotations

from itertools import product, zip_longest
from typing import Any

import numpy as np
import pandas as pd

from bridle.errors import UsageError
from bridle.models.export.graph import Graph
from bridle.models.export.texts import padded, text_features
from bridle.tables.bins import PiecewiseLinear
from bridle.tables.columns import Column, spellings_of
from bridle.tables.date_features import date_feature_names, date_features
from bridle.tables.encoder import CLIP, TableEncoder
from bridle.tables.encoders import hot_columns, levels_of
from bridle.tables.levels import LevelsReader
from bridle.tables.missing import ALWAYS, NO_ANSWER, USUAL, numbers_in
from bridle.tables.strings import without_zeros

__all__ = ["add_features"]

_HUGE, _FAR = 1e300, 1e9  # as the encoder cuts off before it divides, and after
_NEW = -1  # the code of an unknown category
_DAY = 86_400.0
_LAST_SECOND = 253_402_300_800.0  # the end of the year 9999; milliseconds are beyond it
# for each date part that goes round: dates that have each of its values, from `first` on
_PROBES = {
    "month": (1, pd.to_datetime([f"2000-{month:02}-01" for month in range(1, 13)])),
    "day": (1, pd.to_datetime([f"2000-01-{day:02}" for day in range(1, 32)])),
    "weekday": (1, pd.to_datetime([f"2024-01-{day:02}" for day in range(1, 8)])),
    "hour": (0, pd.to_datetime([f"2000-01-01 {hour:02}:00" for hour in range(24)])),
}


def add_features(graph: Graph, encoder: TableEncoder) -> tuple[str, str | None]:
    """Add an input for each column, and the features of the encoder.

    Returns
    -------
    tuple
        The features, float32 ``[rows, features]``; and whether a row is refused, bool
        ``[rows, 1]``, or None if there are neither numbers nor dates.

    Raises
    ------
    UsageError
        If a column cannot be exported.
    """
    columns = [column for column in encoder.schema.values() if column.kind != "constant"]
    for column in columns:
        if not column.name:
            raise UsageError("a column has no name, and an input needs one; name it, and fit again")
    texts = {
        c.name: graph.input(c.name, strings=True) for c in columns if c.kind in ("category", "text")
    }
    numeric = [column for column in columns if column.kind in ("number", "date")]
    blocks, refused, scaled = [], None, ""
    arrays = encoder.state()[1]
    if numeric:
        table = graph.side_by_side([graph.input(c.name, strings=False) for c in numeric])
        refused = _any_refused(graph, table, numeric)
        table = _without_codes(graph, table, numeric)
        plain = [at for at, column in enumerate(numeric) if column.kind == "number"]
        parts = [graph.columns(table, plain, len(numeric))] if plain else []
        for at, column in enumerate(numeric):
            if column.kind == "date":
                seconds = graph.columns(table, [at], len(numeric))
                parts.append(_date_parts(graph, seconds, column))
        scaled = _scaled(graph, graph.joined(parts), arrays["center"], arrays["scale"])
        blocks.append(scaled)
        gaps = [at for at, column in enumerate(numeric) if column.has_missing]
        if gaps:
            blocks.append(graph.node("IsNaN", graph.columns(table, gaps, len(numeric))))
    blocks += [_one_hot(graph, texts[c.name], c) for c in hot_columns(columns)]
    for index, column in enumerate(c for c in columns if c.kind == "text"):
        learned = {
            name.removeprefix(f"text.{index}."): array
            for name, array in arrays.items()
            if name.startswith(f"text.{index}.")
        }
        absent = {*ALWAYS, *USUAL, *column.missing}.difference(column.categories)
        blocks.append(text_features(graph, texts[column.name], sorted(absent), **learned))
    if "bins.edges" in arrays and len(arrays["bins.columns"]):
        bins = PiecewiseLinear.from_arrays(
            arrays["bins.columns"],
            arrays["bins.counts"],
            arrays["bins.edges"],
            width=encoder.numbers,
        )
        blocks.append(_binned(graph, scaled, bins))
    return graph.joined([graph.cast(block, np.float32) for block in blocks]), refused


def _any_refused(graph: Graph, numbers: str, columns: list[Column]) -> str:
    """Return whether a row has an infinite number, or a date that is hardly in seconds."""
    limits = [_LAST_SECOND if column.kind == "date" else np.inf for column in columns]
    size = graph.node("Abs", numbers)
    strange = graph.node("GreaterOrEqual", size, graph.constant(limits, np.float64))
    worst = graph.node(
        "ReduceMax", graph.cast(strange, np.float32), graph.constant([1], np.int64), keepdims=1
    )
    return graph.cast(worst, np.bool_)


def _without_codes(graph: Graph, numbers: str, columns: list[Column]) -> str:
    """Return the numbers, and NaN for those that mean a missing value in their column."""
    codes = [numbers_in(column.missing if column.kind == "number" else ()) for column in columns]
    for meant in zip_longest(*codes, fillvalue=np.nan):
        same = graph.node("Equal", numbers, graph.constant(meant, np.float64))
        numbers = graph.node("Where", same, graph.constant(np.nan, np.float64), numbers)
    return numbers


def _scaled(graph: Graph, numbers: str, center: Any, scale: Any) -> str:
    """Center, divide and clip numbers; missing values become 0, the median."""
    absent = graph.node("IsNaN", numbers)
    none = graph.constant(0.0, np.float64)
    present = graph.node("Where", absent, none, numbers)
    # onnxruntime leaves out a subtraction of what is 0 in single precision, but not one from it
    away = graph.node("Sub", graph.constant(center, np.float64), _within(graph, present, _HUGE))
    moved = graph.node("Neg", away)
    z = _within(graph, graph.node("Div", moved, graph.constant(scale, np.float64)), _FAR)
    share = graph.node("Div", z, graph.constant(CLIP, np.float64))
    square = graph.node("Mul", share, share)
    under = graph.node("Sqrt", graph.node("Add", square, graph.constant(1.0, np.float64)))
    return graph.node("Where", absent, none, graph.node("Div", z, under))


def _within(graph: Graph, numbers: str, limit: float) -> str:
    low, high = (graph.constant(sign * limit, np.float64) for sign in (-1, 1))
    return graph.node("Clip", numbers, low, high)


def _one_hot(graph: Graph, texts: str, column: Column) -> str:
    """Add one column for each category; an unknown one is all zeros."""
    found = graph.looked_up(texts, _codes(column), _NEW)
    if column.has_missing and spellings_of(column).has_marks:
        mark = graph.node("RegexFullMatch", texts, pattern=rf"\s*(?:{NO_ANSWER})\s*")
        gone = graph.constant(len(column.categories), np.int64)
        found = graph.node("Where", mark, gone, found)
    every = graph.constant(np.arange(len(levels_of(column)))[None], np.int64)
    return graph.node("Equal", graph.column(found), every)


def _binned(graph: Graph, scaled: str, bins: PiecewiseLinear) -> str:
    """Add :class:`PiecewiseLinear`, whose bounds are what it makes of numbers far off."""
    widths = [len(edges) - 1 for edges in bins.edges]
    chosen = graph.constant(np.repeat(bins.columns, widths), np.int64)
    starts = np.concatenate([edges[:-1] for edges in bins.edges])
    lengths = np.concatenate([np.diff(edges) for edges in bins.edges])
    low, high = bins.transform(np.repeat([[-1e12], [1e12]], max(bins.columns) + 1, axis=1))
    place = graph.node("Gather", scaled, chosen, axis=1)
    place = graph.node("Sub", place, graph.constant(starts, np.float64))
    place = graph.node("Div", place, graph.constant(lengths, np.float64))
    place = graph.node("Max", place, graph.constant(low, np.float64))
    return graph.node("Min", place, graph.constant(high, np.float64))


def _codes(column: Column) -> dict[str, int]:
    """Return the place of each string that is a category or a missing value, as it is read."""
    cells = [*column.categories, *ALWAYS, *USUAL, *column.missing]
    whole = [without_zeros(level) for level in column.categories]
    whole = [level for level in whole if level.lstrip("-").isdigit()]
    cells += [f"{level}{zeros}" for level in whole for zeros in ("", ".0", ".00")]
    for word in spellings_of(column).flags:
        cells += ["".join(each) for each in product(*({c, c.upper()} for c in word))]
    distinct = pd.Series(list(dict.fromkeys(cells)), dtype=object, name=column.name)
    codes = LevelsReader(column).read(distinct).codes
    return {
        written: int(code)
        for cell, code in zip(distinct, codes, strict=True)
        for written in padded(cell)
    }


def _date_parts(graph: Graph, seconds: str, column: Column) -> str:
    """Add the features of dates, from seconds since 1970."""
    absent = graph.node("IsNaN", seconds)
    known = graph.node("Where", absent, graph.constant(0.0, np.float64), seconds)
    clock = _Clock(graph, known)
    names = date_feature_names("", has_time=column.has_time)
    blocks = []
    for at, name in enumerate(names):
        unit = name.split("_")[1]
        if unit == "year":
            blocks.append(clock.year)
        elif unit == "total":
            blocks.append(graph.cast(graph.cast(known, np.float32), np.float64))
        else:
            first, dates = _PROBES[unit]
            made = date_features(pd.Series(dates), has_time=column.has_time)[:, at]
            table = graph.constant(made, np.float64)
            value = graph.node("Sub", getattr(clock, unit), graph.constant(first, np.float64))
            blocks.append(graph.node("Gather", table, graph.cast(value, np.int64)))
    return graph.node("Where", absent, graph.constant(np.nan, np.float64), graph.joined(blocks))


class _Clock:
    """The year, month, day, weekday and hour of seconds since 1970, as doubles.

    Years start in March, so that a leap day is the last one: a cycle of 400 years has 146,097 days.
    """

    def __init__(self, graph: Graph, seconds: str) -> None:
        self._graph = graph
        days = self._floor(seconds, _DAY)
        rest = self._of("Sub", seconds, self._of("Mul", days, _DAY))
        self.hour = self._floor(rest, 3600.0)
        self.weekday = self._of("Add", self._rest(self._of("Add", days, 3.0), 7.0), 1.0)
        shifted = self._of("Add", days, 719_468.0)  # from March of the year 0 on
        cycle = self._floor(shifted, 146_097.0)
        at = self._of("Sub", shifted, self._of("Mul", cycle, 146_097.0))
        leaps = self._of("Sub", self._floor(at, 36_524.0), self._floor(at, 1460.0))
        leaps = self._of("Sub", leaps, self._floor(at, 146_096.0))
        year = self._floor(self._of("Add", at, leaps), 365.0)
        start = self._of("Add", self._of("Mul", year, 365.0), self._floor(year, 4.0))
        start = self._of("Sub", start, self._floor(year, 100.0))
        of_year = self._of("Sub", at, start)
        fifths = self._of("Add", self._of("Mul", of_year, 5.0), 2.0)
        month = self._floor(fifths, 153.0)  # 0 is March; five months have 153 days
        before = self._floor(self._of("Add", self._of("Mul", month, 153.0), 2.0), 5.0)
        self.day = self._of("Add", self._of("Sub", of_year, before), 1.0)
        late = self._floor(month, 10.0)  # January and February are of the next year
        self.month = self._of("Add", month, 3.0)
        self.month = self._of("Sub", self.month, self._of("Mul", late, 12.0))
        years = self._of("Add", year, self._of("Mul", cycle, 400.0))
        self.year = self._of("Add", years, late)

    def _of(self, operator: str, value: str, other: str | float) -> str:
        if isinstance(other, float):
            other = self._graph.constant(other, np.float64)
        return self._graph.node(operator, value, other)

    def _floor(self, value: str, by: float) -> str:
        return self._graph.node("Floor", self._of("Div", value, by))

    def _rest(self, value: str, by: float) -> str:
        return self._of("Sub", value, self._of("Mul", self._floor(value, by), by))
