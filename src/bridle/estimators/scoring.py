"""The ``score`` method of the CV estimators, and their encoding of class labels."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.metrics import get_scorer
from sklearn.utils._param_validation import StrOptions

from bridle.errors import DataError
from bridle.estimators.targets import check_scored
from bridle.search.scoring import SCORINGS, check_scoring
from bridle.tables import ClassTarget

__all__ = ["ScoringMixin", "encode_classes", "scoring_constraint"]

Array = np.ndarray[Any, np.dtype[Any]]


class ScoringMixin:
    """A ``score`` method that uses ``scoring``; goes before scikit-learn's mixins."""

    scoring: str | None
    _kind: str

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Return the score on X and y by ``scoring``.

        The default scoring is accuracy for a classifier and R² for a regressor.

        Parameters
        ----------
        X : array, sparse matrix or DataFrame ``[rows, features]``
        y : array ``[rows]``
            True labels or values.
        sample_weight : array ``[rows]``, default=None
            Weight of each row.

        Returns
        -------
        float

        Raises
        ------
        UsageError
            If the values of y are of several types or missing, or a weight is negative.
        """
        check_scored(y, sample_weight, classes=self._kind == "classification")
        name = check_scoring(self.scoring, self._kind)
        return float(get_scorer(name)(self, X, y, sample_weight=sample_weight))


def scoring_constraint(kind: str) -> list[Any]:
    """Return the parameter constraint of ``scoring`` for a task kind."""
    return [None, StrOptions(set(SCORINGS[kind]))]


def encode_classes(y: Array) -> tuple[ClassTarget, Array, Array]:
    """Return the target encoding, the class labels, and the code of each row.

    Raises
    ------
    DataError
        If y has only one class.
    """
    labels, codes = np.unique(y, return_inverse=True)
    if len(labels) < 2:
        raise DataError(
            f"y has one class only, {labels.tolist()[0]!r}; pass rows of two or more classes"
        )
    return ClassTarget(tuple(labels.tolist())), labels, codes.astype(np.int64)
