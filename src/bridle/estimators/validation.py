"""Rows as scikit-learn takes them, and tables with texts and gaps, which it refuses."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils import check_array, check_consistent_length
from sklearn.utils.validation import validate_data

from bridle.errors import UsageError
from bridle.estimators.params import Settings
from bridle.tables import TableEncoder

__all__ = ["TabularRows", "has_texts_or_gaps"]


def has_texts_or_gaps(X: Any) -> bool:
    """Return whether this is a DataFrame with columns that are not numeric, or missing values."""
    if not isinstance(X, pd.DataFrame):
        return False
    numeric = all(pd.api.types.is_numeric_dtype(dtype) for dtype in X.dtypes)
    return not numeric or bool(X.isna().any(axis=None))


class TabularRows(Settings):
    """How rows come in: arrays and sparse matrices as they are, other tables by an encoder."""

    encoder_: TableEncoder

    def _rows(self, X: Any, y: Any, reset: bool, **checks: Any) -> tuple[Any, Any]:
        """Return validated rows and targets; a table with texts or gaps is encoded."""
        if not self._is_table(X, reset):
            if not reset:
                self._refuse_bare(X)
            else:
                self.__dict__.pop("encoder_", None)
            return validate_data(
                self,
                X,
                y,
                accept_sparse=["csr", "csc"],
                dtype=(np.float64, np.float32),
                reset=reset,
                **checks,
            )
        validate_data(self, X, skip_check_array=True, reset=reset)
        if y is not None:
            y = check_array(y, ensure_2d=False, dtype=None, input_name="y")
            check_consistent_length(X, y)
        if reset:
            self.encoder_ = TableEncoder().fit(X)
        return self.encoder_.transform(X), y

    def _known_rows(self, X: Any) -> Any:
        """Return validated rows to predict."""
        if self._is_table(X, reset=False):
            return self._rows(X, None, reset=False)[0]
        self._refuse_bare(X)
        return validate_data(
            self, X, accept_sparse=["csr", "csc"], reset=False, dtype=(np.float64, np.float32)
        )

    def _refuse_bare(self, X: Any) -> None:
        if hasattr(self, "encoder_"):
            raise UsageError(
                f"X is a {type(X).__name__}, and the fit had a DataFrame with texts or gaps; give "
                "a DataFrame with the same columns"
            )

    def _is_table(self, X: Any, reset: bool) -> bool:
        if reset:
            return has_texts_or_gaps(X)
        return isinstance(X, pd.DataFrame) and hasattr(self, "encoder_")
