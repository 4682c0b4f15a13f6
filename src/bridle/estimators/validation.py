"""Input validation, with an encoder for DataFrames that scikit-learn's networks reject."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils import check_array, check_consistent_length
from sklearn.utils.validation import validate_data

from bridle.errors import UsageError
from bridle.estimators.params import MLPParams
from bridle.tables import TableEncoder

__all__ = ["ValidatedInput", "needs_encoder"]


def needs_encoder(X: Any) -> bool:
    """Return whether X is a DataFrame with non-numerical columns or missing values."""
    if not isinstance(X, pd.DataFrame):
        return False
    numeric = all(pd.api.types.is_numeric_dtype(dtype) for dtype in X.dtypes)
    return not numeric or bool(X.isna().any(axis=None))


class ValidatedInput(MLPParams):
    """Validation of X and y: arrays and sparse matrices pass, other tables are encoded."""

    encoder_: TableEncoder

    def _validate_for_fit(self, X: Any, y: Any, reset: bool, **checks: Any) -> tuple[Any, Any]:
        """Return validated X and y; encode X if :func:`needs_encoder` says so."""
        if not self._is_encoded_table(X, reset):
            if not reset:
                self._require_dataframe(X)
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

    def _validate_for_predict(self, X: Any) -> Any:
        """Return validated X for prediction, encoded as in ``fit``."""
        if self._is_encoded_table(X, reset=False):
            return self._validate_for_fit(X, None, reset=False)[0]
        self._require_dataframe(X)
        return validate_data(
            self, X, accept_sparse=["csr", "csc"], reset=False, dtype=(np.float64, np.float32)
        )

    def _require_dataframe(self, X: Any) -> None:
        if hasattr(self, "encoder_"):
            raise UsageError(
                f"X is a {type(X).__name__}, but the estimator was fitted on a DataFrame with "
                "non-numerical columns or missing values; pass a DataFrame with the same columns"
            )

    def _is_encoded_table(self, X: Any, reset: bool) -> bool:
        if reset:
            return needs_encoder(X)
        return isinstance(X, pd.DataFrame) and hasattr(self, "encoder_")
