"""The checks of the rows that a subject with arrays is diagnosed on."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from torch import Tensor

from bridle.checks.results import CheckResult, failed, not_run
from bridle.checks.tables import Parts, table_checks
from bridle.tables.schema import columns_of
from bridle.tables.warnings import warnings_on

__all__ = ["checks_of_rows"]

Array = np.ndarray[Any, np.dtype[Any]]

_MOST_CELLS = 2 * 10**6
_CODES = ("BR010", "BR011", "BR012", "BR013", "BR014")


def checks_of_rows(
    new: tuple[Any, Array] | None,
    training: tuple[Any, Array] | None,
    *,
    shared: str | None = None,
    ordered: bool = False,
) -> list[CheckResult]:
    """Return the checks of inputs that are a table: a DataFrame, or an array ``[rows, columns]``.

    Parameters
    ----------
    new, training : tuple, optional
        Inputs and targets.
    shared : str, optional
        Where groups are given: what is wrong if some are on both sides, else an empty string.
    ordered : bool
        Whether the split follows the time.
    """
    found = _of_table(new, training, grouped=shared is not None, ordered=ordered)
    if not shared:
        return found
    return [failed("BR013", shared) if each.code == "BR013" else each for each in found]


def _of_table(
    new: tuple[Any, Array] | None,
    training: tuple[Any, Array] | None,
    *,
    grouped: bool,
    ordered: bool,
) -> list[CheckResult]:
    pairs = [each for each in (training, new) if each is not None]
    frames = [_frame(X) for X, _ in pairs]
    tables = [each for each in frames if each is not None]
    if len(tables) < len(frames) or not tables:
        return [not_run(code, "the inputs are no table") for code in _CODES]
    if any(list(each.columns) != list(tables[0].columns) for each in tables):
        return [not_run(code, "the parts have different columns") for code in _CODES]
    if sum(each.size for each in tables) > _MOST_CELLS:
        return [not_run(code, f"the table has more than {_MOST_CELLS:,} cells") for code in _CODES]
    frame = pd.concat(tables, ignore_index=True)
    truth = pd.Series(np.concatenate([y for _, y in pairs]), name="target")
    parts = None
    if len(pairs) == 2:
        first = len(tables[0])
        parts = Parts(np.arange(first), np.arange(first, len(frame)))
    try:
        columns, _ = columns_of(frame)
        kept = {"grouped": grouped, "ordered": ordered}
        warned = warnings_on(frame, truth, columns, **kept)
        return table_checks(frame, truth, columns, warned, parts, **kept)
    except TypeError:  # cells that cannot be compared, such as dictionaries
        return [not_run(code, "the inputs are no table of numbers or texts") for code in _CODES]


def _frame(X: Any) -> pd.DataFrame | None:
    """Return inputs as a table with distinct names of columns, or None."""
    if isinstance(X, pd.DataFrame):
        if any(pd.api.types.is_complex_dtype(kind) for kind in X.dtypes):
            return None
        names = [str(name) for name in X.columns]
        return X.set_axis(names, axis=1) if len(set(names)) == len(names) else None
    if isinstance(X, Tensor):
        X = X.detach().cpu().numpy()
    if not isinstance(X, np.ndarray) or X.ndim != 2 or X.dtype.kind not in "fiub":
        return None
    return pd.DataFrame(X, columns=[f"column {at}" for at in range(X.shape[1])])
