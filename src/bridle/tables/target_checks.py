"""Targets that are neither classes nor numbers, which are refused before the task is inferred."""

from __future__ import annotations

from typing import Any

import pandas as pd

from bridle.errors import DataError
from bridle.tables.columns import as_strings
from bridle.tables.dates import compact_form, looks_dated
from bridle.tables.numbers import is_amount, is_numberish

__all__ = ["MAX_CLASSES", "check_amounts", "check_classes", "check_dates", "differ"]

MAX_CLASSES = 20
"""With more distinct whole numbers the task is regression, not classification."""

_OWN = 0.9  # the share of rows with a class of their own from which on nothing can be learned
_ROWS = 4


def differ(target: pd.Series[Any]) -> bool:
    """Return whether nearly each row has a value of its own, in four rows or more."""
    return len(target) >= _ROWS and target.nunique() > _OWN * len(target)


def check_classes(target: pd.Series[Any]) -> None:
    """Refuse a class for nearly each row: names of rows, or numbers that were meant as values."""
    classes, rows = target.nunique(), len(target)
    if not differ(target):
        return
    number = pd.api.types.is_numeric_dtype(target.dtype)
    way = "; for numbers, give --task regression (in Python: task='regression')" if number else ""
    raise DataError(
        f"the target {target.name!r} has {classes} classes in {rows} rows, nearly one row each; "
        f"nothing can be learned of them. Give another --target{way}"
    )


def check_dates(target: pd.Series[Any]) -> None:
    """Refuse many dates: they are no classes, and no numbers before someone says from when."""
    if isinstance(target.dtype, pd.CategoricalDtype) or target.nunique() <= MAX_CLASSES:
        return
    also = "(in Python: task='classification') to use each one as a class"
    way = "--task classification"
    if pd.api.types.is_bool_dtype(target.dtype):
        return
    if pd.api.types.is_numeric_dtype(target.dtype):
        if compact_form(target) is None:
            return
        way, also = "--task regression", "(in Python: task='regression') to predict these numbers"
    elif not pd.api.types.is_datetime64_any_dtype(target.dtype):
        texts = as_strings(target).dropna()
        dated = texts.map(looks_dated).astype(bool)
        # other cells may be words such as "never"; with digits they make all of them codes
        if dated.sum() < len(texts) / 2 or texts[~dated].str.contains(r"\d").any():
            return
    raise DataError(
        f"the target {target.name!r} has dates or times, such as {str(target.iloc[0])!r}; convert "
        f"them to numbers, such as the days since a date or a duration, or give {way} {also}"
    )


def check_amounts(target: pd.Series[Any]) -> None:
    """Refuse many strings that look like numbers with a unit: they are hardly classes."""
    if isinstance(target.dtype, pd.CategoricalDtype) or target.nunique() <= MAX_CLASSES:
        return
    texts = as_strings(target)
    amounts = texts.map(
        lambda text: text is not None and (is_amount(text) or is_numberish(text))
    ).astype(bool)
    if amounts.sum() < len(texts) / 2 or texts.str.fullmatch(r"0\d+").any():
        return
    odd = [text for text in texts if text is not None and not is_numberish(text)]
    shown = f", but {odd[0]!r} is not one" if odd else ", but not in one unit or form"
    if odd and is_amount(odd[0]) and odd[0][0].isdigit():
        shown = f" with a unit, such as {odd[0]!r}"
    raise DataError(
        f"the target {target.name!r} looks like numbers{shown}: {target.nunique()} classes would "
        "be many; write plain numbers, or give --task classification (in Python: "
        "task='classification') to use them as classes"
    )
