"""Input validation, imputation, and an encoder for DataFrames that scikit-learn rejects."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils import check_array, check_consistent_length
from sklearn.utils.validation import validate_data

from bridle.errors import UsageError
from bridle.estimators.imputation import features_with_missing, has_missing, impute, means_of
from bridle.estimators.params import MLPParams
from bridle.tables import TableEncoder
from bridle.tables.read import plain_frame

__all__ = ["ValidatedInput", "needs_encoder", "refuse_masked", "refuse_repeated", "unmasked"]

Array = np.ndarray[Any, np.dtype[Any]]
_FITTED = ("encoder_", "imputed_values_", "indicated_features_")


def needs_encoder(X: Any) -> bool:
    """Return whether X is a DataFrame with non-numerical columns."""
    return isinstance(X, pd.DataFrame) and not all(
        pd.api.types.is_numeric_dtype(dtype) for dtype in X.dtypes
    )


class ValidatedInput(MLPParams):
    """Validation of X and y: missing numbers are imputed, tables with text are encoded."""

    encoder_: TableEncoder
    imputed_values_: Array
    indicated_features_: Array

    def _validate_for_fit(self, X: Any, y: Any, reset: bool, **checks: Any) -> tuple[Any, Any]:
        """Return the network's inputs and validated y; decide how X is read if ``reset``."""
        refuse_repeated(X)
        if not self._is_encoded_table(X, reset):
            if not reset:
                self._require_dataframe(X)
            X, y = validate_data(
                self,
                unmasked(X),
                y,
                accept_sparse=["csr", "csc"],
                dtype=(np.float64, np.float32),
                ensure_all_finite="allow-nan",
                reset=reset,
                **checks,
            )
            if reset:
                self._forget_input()
                self.imputed_values_ = means_of(X)
                self.indicated_features_ = features_with_missing(X)
            return self._imputed(X), y
        validate_data(self, X, skip_check_array=True, reset=reset)
        X = plain_frame(X, "X")
        if y is not None:
            y = check_array(y, ensure_2d=False, dtype=None, input_name="y")
            if checks.get("y_numeric") and y.dtype == object:
                y = y.astype(np.float64)
            check_consistent_length(X, y)
        if reset:
            self._forget_input()
            self.encoder_ = TableEncoder().fit(X)
        return self.encoder_.transform(X), y

    def _validate_for_predict(self, X: Any) -> Any:
        """Return the network's inputs for prediction, imputed or encoded as in ``fit``."""
        refuse_repeated(X)
        if self._is_encoded_table(X, reset=False):
            return self._validate_for_fit(X, None, reset=False)[0]
        self._require_dataframe(X)
        X = validate_data(
            self,
            unmasked(X),
            accept_sparse=["csr", "csc"],
            reset=False,
            dtype=(np.float64, np.float32),
            ensure_all_finite="allow-nan",
        )
        return self._imputed(X)

    def _imputed(self, X: Any) -> Any:
        if hasattr(self, "imputed_values_"):
            return impute(X, self.imputed_values_, self.indicated_features_)
        if has_missing(X):
            raise UsageError(
                "X has missing values, but the estimator was converted from scikit-learn, so it "
                "has no values to impute; impute them first, or fit again"
            )
        return X

    def _forget_input(self) -> None:
        for name in _FITTED:
            self.__dict__.pop(name, None)

    def _require_dataframe(self, X: Any) -> None:
        if hasattr(self, "encoder_"):
            raise UsageError(
                f"X is a {type(X).__name__}, but the estimator was fitted on a DataFrame with "
                "non-numerical columns; pass a DataFrame with the same columns"
            )

    def _is_encoded_table(self, X: Any, reset: bool) -> bool:
        if reset:
            return needs_encoder(X)
        return isinstance(X, pd.DataFrame) and hasattr(self, "encoder_")

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.input_tags.allow_nan = True
        return tags


def refuse_repeated(X: Any) -> None:
    """Raise UsageError if two columns of a DataFrame have the same name."""
    if isinstance(X, pd.DataFrame) and not X.columns.is_unique:
        name = X.columns[X.columns.duplicated()][0]
        raise UsageError(f"X has several columns named {name!r}; rename them")


def refuse_masked(name: str, values: Any) -> None:
    """Raise UsageError if a masked array has masked values."""
    if np.ma.is_masked(values):
        raise UsageError(
            f"{name} is a masked array with {np.ma.getmaskarray(values).sum()} masked values; "
            f"leave out those rows, or fill them by {name}.filled"
        )


def unmasked(X: Any) -> Any:
    """Return a masked array with NaN for its masked values; anything else as it is."""
    if isinstance(X, np.ma.MaskedArray):
        values = X.data.astype(X.dtype if X.dtype.kind == "f" else np.float64)
        values[np.ma.getmaskarray(X)] = np.nan
        return values
    return X
