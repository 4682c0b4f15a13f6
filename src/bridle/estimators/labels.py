"""Class labels of a classifier: encoded as targets, decoded from the network's outputs."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.metrics import accuracy_score
from sklearn.preprocessing import LabelBinarizer
from sklearn.utils.multiclass import type_of_target, unique_labels
from sklearn.utils.validation import column_or_1d

from bridle.errors import UsageError
from bridle.estimators.base import BaseMLP
from bridle.estimators.targets import CheckedScore, check_target
from bridle.estimators.weights import class_weights_of_rows

__all__ = ["ClassLabels"]

Array = np.ndarray[Any, np.dtype[Any]]


class ClassLabels(CheckedScore, ClassifierMixin, BaseMLP):
    """Conversion between class labels and the targets and outputs of a network."""

    classes_: Array
    class_weight: Any
    _label_binarizer: LabelBinarizer

    def _set_classes(self, y: Any, classes: Any) -> None:
        """Set ``classes_`` in the first call of ``partial_fit``; check it in later ones."""
        if isinstance(self.class_weight, str):
            raise UsageError(
                "class_weight is 'balanced', which needs all rows, and partial_fit has a part of "
                "them; pass a dict with the weight of each class"
            )
        check_target(y, classes=True)
        _check_exact(y)
        _check_exact(classes)
        known = getattr(self, "classes_", None)
        if known is None and classes is None:
            raise UsageError("classes must be passed on the first call to partial_fit")
        if classes is None:
            return
        labels = unique_labels(classes)
        if known is not None and not np.array_equal(known, labels):
            raise UsageError(
                f"classes is {classes}, but was {known} in the first call; pass the same classes, "
                "or leave the argument out"
            )
        if known is None:
            multilabel = type_of_target(y).startswith("multilabel")
            self._label_binarizer = LabelBinarizer().fit(y if multilabel else labels)
            self.classes_ = labels

    def _encode_targets(self, X: Any, y: Any, incremental: bool, reset: bool) -> tuple[Any, Array]:
        _check_exact(y)
        X, y = self._validate_for_fit(X, y, reset, multi_output=True)
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        if not hasattr(self, "classes_") or (not self.warm_start and not incremental):
            self._label_binarizer = LabelBinarizer().fit(y)
            self.classes_ = self._label_binarizer.classes_
        else:
            self._check_classes(unique_labels(y))
        return X, self._flags(y)

    def _flags(self, y: Any) -> Array:
        """Return known labels as bool ``[rows, outputs]``."""
        if y.ndim > 1 or self._label_binarizer.y_type_.startswith("multilabel"):
            flags: Array = self._label_binarizer.transform(y).astype(bool)
            return flags
        # a byte for each; the binarizer's integers would be most of the memory of a fit
        columns = self.classes_ if len(self.classes_) > 2 else self.classes_[1:]
        flags = np.zeros((len(y), max(1, len(columns))), bool)
        for column, label in enumerate(columns):
            flags[:, column] = y == label
        return flags

    def _encode_known_targets(self, y: Any) -> Array:
        self._check_known(unique_labels(y))
        targets: Array = self._label_binarizer.transform(y)
        return targets

    def _check_classes(self, classes: Array) -> None:
        if self.warm_start and set(classes) != set(self.classes_):
            # scikit-learn's own wording
            raise ValueError(
                "warm_start can only be used where `y` has the same classes as in the previous "
                f"call to fit. Previously got {self.classes_}, `y` has {classes}"
            )
        self._check_known(classes)

    def _check_known(self, classes: Array) -> None:
        unknown = np.setdiff1d(classes, self.classes_, assume_unique=True)
        if len(unknown):
            raise UsageError(
                f"y has the labels {unknown}, which are not in classes_ {self.classes_}; pass "
                "known labels only"
            )

    def _combined_weights(self, y: Any, sample_weight: Array | None) -> Array | None:
        if self.class_weight is None:
            return sample_weight
        multilabel = self._label_binarizer.y_type_.startswith("multilabel")
        weight = class_weights_of_rows(self.class_weight, y, self.classes_, multilabel)
        return weight if sample_weight is None else weight * sample_weight

    def _out_activation(self) -> str:
        return "softmax" if self._label_binarizer.y_type_ == "multiclass" else "logistic"

    def _probabilities(self, outputs: Array) -> Array:
        return np.hstack([1 - outputs, outputs]) if self.n_outputs_ == 1 else outputs

    def _decode(self, outputs: Array) -> Array:
        flat = outputs.ravel() if self.n_outputs_ == 1 else outputs
        labels: Array = self._label_binarizer.inverse_transform(flat)
        return labels

    def decision_function(self, X: Any) -> Array:
        """Return the network's outputs before softmax or the logistic function.

        Returns
        -------
        array ``[rows, classes]``
            For two classes the scores of the second, ``[rows]``.
        """
        scores = self._predicted_scores(X)
        return scores.ravel() if self.n_outputs_ == 1 else scores

    def predict_log_proba(self, X: Any) -> Array:
        """Return the logarithm of :meth:`predict_proba`."""
        with np.errstate(divide="ignore"):
            logs: Array = np.log(self.predict_proba(X))
        return logs

    def predict_proba(self, X: Any, return_std: bool = False) -> Any:
        """Return the probability of each class."""
        raise NotImplementedError

    def _score_predictions(self, y: Any, predictions: Array, sample_weight: Any) -> float:
        return float(accuracy_score(y, predictions, sample_weight=sample_weight))

    def _validation_score(self, outputs: Array, y: Array, sample_weight: Array | None) -> float:
        targets = y.ravel() if self.n_outputs_ == 1 else y
        labels = self._label_binarizer.inverse_transform(targets.astype(np.int64))
        return self._score_predictions(labels, self._decode(outputs), sample_weight)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags


def _check_exact(y: Any) -> None:
    """Refuse labels that scikit-learn would round: it makes pandas' nullable integers floats."""
    dtype: Any = getattr(y, "dtype", None)
    if (
        isinstance(dtype, np.dtype)
        or getattr(dtype, "kind", None) not in ("i", "u")
        or y.isna().all()
    ):
        return
    largest = max(abs(int(y.min())), abs(int(y.max())))
    if largest >= 2**53:
        name = "int64" if dtype.kind == "i" else "uint64"
        raise UsageError(
            f"y has the dtype {dtype} and labels such as {largest}, which scikit-learn rounds to "
            f"floats, so that classes become one; pass y.astype({name!r})"
        )
