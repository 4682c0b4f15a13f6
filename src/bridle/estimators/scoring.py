"""What the classifier and the regressor that search select by, and how classes are coded."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.metrics import get_scorer
from sklearn.utils._param_validation import StrOptions

from bridle.errors import DataError
from bridle.search.scoring import SCORINGS, check_scoring
from bridle.tables import ClassTarget

__all__ = ["SelectedScore", "coded_classes", "scorings"]

Array = np.ndarray[Any, np.dtype[Any]]


class SelectedScore:
    """``score`` by what the search selects by; goes before scikit-learn's mixins."""

    scoring: str | None
    _kind: str

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Return the score that was selected by: ``scoring``, or the kind's usual one.

        Parameters
        ----------
        X : array, sparse matrix or DataFrame ``[rows, features]``
        y : array ``[rows]``
        sample_weight : array ``[rows]``, optional

        Returns
        -------
        float
        """
        name = check_scoring(self.scoring, self._kind)
        return float(get_scorer(name)(self, X, y, sample_weight=sample_weight))


def scorings(kind: str) -> list[Any]:
    """Return what ``scoring`` may be."""
    return [None, StrOptions(set(SCORINGS[kind]))]


def coded_classes(y: Array) -> tuple[ClassTarget, Array, Array]:
    """Return the coding of classes, the classes, and the code of each row.

    Raises
    ------
    DataError
        If there is one class only.
    """
    labels, codes = np.unique(y, return_inverse=True)
    if len(labels) < 2:
        raise DataError(f"y has one class only, {labels.tolist()[0]!r}; give rows of two or more")
    return ClassTarget(tuple(labels.tolist())), labels, codes.astype(np.int64)
