"""Which rows scikit-learn's estimators would refuse, and the table encoder takes."""

from __future__ import annotations

from typing import Any

import pandas as pd

__all__ = ["has_texts_or_gaps"]


def has_texts_or_gaps(X: Any) -> bool:
    """Return whether this is a DataFrame with columns that are not numeric, or missing values."""
    if not isinstance(X, pd.DataFrame):
        return False
    numeric = all(pd.api.types.is_numeric_dtype(dtype) for dtype in X.dtypes)
    return not numeric or bool(X.isna().any(axis=None))
