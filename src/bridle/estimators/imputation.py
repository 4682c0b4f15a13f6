"""Missing values in numerical input: the training mean, and a missing indicator."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse

__all__ = ["features_with_missing", "has_missing", "impute", "means_of"]

Array = np.ndarray[Any, np.dtype[Any]]


def has_missing(X: Any) -> bool:
    """Return whether an array or a sparse matrix of floats has missing values (NaN)."""
    values = X.data if scipy.sparse.issparse(X) else X
    with np.errstate(over="ignore", invalid="ignore"):
        total = values.sum()
    # the sum needs no memory; it is also NaN if it overflows in both directions
    return bool(np.isnan(total)) and bool(np.isnan(values).any())


def means_of(X: Any) -> Array:
    """Return the mean of each feature over its known values, float64; 0 if there is none."""
    missing = has_missing(X)
    known = X.shape[0] - _missing_cells(X).sum(0) if missing else np.full(X.shape[1], X.shape[0])
    if missing and scipy.sparse.issparse(X):
        X = X.copy()
        X.data = np.nan_to_num(X.data, nan=0.0)
    elif missing:
        X = np.where(np.isnan(X), 0, X)
    with np.errstate(over="ignore", invalid="ignore"):
        total = np.asarray(X.sum(0, dtype=np.float64)).ravel()
    # a sum beyond the largest float is cut there
    return np.nan_to_num(total) / np.maximum(np.asarray(known).ravel(), 1)


def features_with_missing(X: Any) -> Array:
    """Return the indices of the features with missing values."""
    if not has_missing(X):
        return np.empty(0, dtype=np.int64)
    return np.flatnonzero(np.asarray(_missing_cells(X).sum(0)).ravel())


def impute(X: Any, values: Array, indicated: Array) -> Any:
    """Return X with missing values replaced, and missing indicators as further columns.

    Parameters
    ----------
    X : float array or sparse matrix ``[rows, features]``
        It is not changed.
    values : float64 array ``[features]``
        The value that replaces a missing one.
    indicated : int array
        Features whose missing indicator is appended.

    Returns
    -------
    array or sparse matrix ``[rows, features + indicated]``
        With the dtype of X; X itself if there is nothing to do.
    """
    missing = has_missing(X)
    if not missing and not len(indicated):
        return X
    values = values.astype(X.dtype)
    if not scipy.sparse.issparse(X):
        cells = np.isnan(X)
        return np.hstack([np.where(cells, values, X), cells[:, indicated].astype(X.dtype)])
    cells = _missing_cells(X)[:, indicated].astype(X.dtype)
    filled = X.tocsr(copy=True)
    at = np.flatnonzero(np.isnan(filled.data))
    filled.data[at] = values[filled.indices[at]]
    return scipy.sparse.hstack([filled, cells], format="csr")


def _missing_cells(X: Any) -> Any:
    """Return where X is missing: int8, dense or CSR as X is."""
    if not scipy.sparse.issparse(X):
        return np.isnan(X)
    rows = X.tocsr(copy=True)
    rows.sum_duplicates()
    rows.data = np.isnan(rows.data).astype(np.int64)
    rows.eliminate_zeros()
    return rows
