"""Rules of other tools for overfitting and underfitting, for ``benchmarks/verdict_rules.py``.

Each rule is written from its definition in the version named. ``skore`` itself and
``weightwatcher`` are used where they are installed: the first to check the rule written here, the
second because its fit of a power law is a program, not a formula.
"""

from __future__ import annotations

import logging
import math
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn import metrics
from torch import Tensor, nn

__all__ = [
    "Rows",
    "baseline",
    "deepchecks_overfits",
    "gap_above",
    "skore_itself",
    "skore_verdict",
    "weightwatcher_verdict",
]

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class Rows:
    """Targets ``[rows]`` and predictions: values ``[rows]``, or probabilities ``[rows, 2]``."""

    y: Array
    said: Array

    @property
    def classification(self) -> bool:
        """Whether the target is a class."""
        return self.said.ndim == 2

    @property
    def values(self) -> Array:
        """The predicted class or value of each row."""
        return self.said.argmax(1) if self.classification else self.said


def _accuracies(rows: Rows) -> dict[str, float]:
    found = {"accuracy": float(metrics.accuracy_score(rows.y, rows.values))}
    precision, recall, *_ = metrics.precision_recall_fscore_support(
        rows.y, rows.values, labels=[0, 1], zero_division=0
    )
    for each in (0, 1):
        found |= {f"precision {each}": precision[each], f"recall {each}": recall[each]}
    return found


def _values(rows: Rows) -> dict[str, float]:
    wrong = rows.said - rows.y
    return {
        "R2": float(metrics.r2_score(rows.y, rows.said)),
        "-RMSE": -math.sqrt(float(np.mean(wrong**2))),
        "-MAE": -float(np.mean(np.abs(wrong))),
    }


def deepchecks_overfits(training: Rows, test: Rows, threshold: float = 0.1) -> bool:
    """Return deepchecks 0.19.1's "Train Test Performance" with its condition of degradation.

    One of the default metrics is lower on the test rows by a share of ``threshold`` or more.
    """
    if training.classification:
        before, after = _accuracies(training), _accuracies(test)
        names = ["accuracy", "precision 1", "recall 1"]
    else:
        before, after = _values(training), _values(test)
        names = list(before)
    for name in names:
        known, new = before[name], after[name]
        change = float(new != 0) if known == 0 else (known - new) / abs(known)
        if change >= threshold:
            return True
    return False


def gap_above(training: Rows, test: Rows, threshold: float = 0.1) -> bool:
    """Return whether accuracy or R² is lower on the test rows by more than ``threshold``."""
    find, name = (_accuracies, "accuracy") if training.classification else (_values, "R2")
    return find(training)[name] - find(test)[name] > threshold


def _of_skore(rows: Rows) -> dict[str, float]:
    """Return the scores that skore 0.28.0 votes on; the greater, the better."""
    if rows.classification:
        found = _accuracies(rows)
        shares = rows.said / rows.said.sum(1, keepdims=True)
        two = len(np.unique(rows.y)) == 2
        found["ROC AUC"] = float(metrics.roc_auc_score(rows.y, shares[:, 1])) if two else math.nan
        found["-log loss"] = -float(metrics.log_loss(rows.y, shares, labels=[0, 1]))
        found["-Brier"] = -float(np.mean((shares[:, 1] - rows.y) ** 2))
        return {"default": found["accuracy"], **found}
    found = _values(rows)
    share = np.abs(rows.said - rows.y) / np.maximum(np.abs(rows.y), np.finfo(np.float64).eps)
    return {"default": found["R2"], **found, "-MAPE": -float(np.mean(share))}


def _better(score: float, than: float, floor: float, share: float) -> bool:
    return bool(score - than >= max(floor, share * abs(than)))


def baseline(training: Rows, rows: Rows) -> Rows:
    """Return a dummy's predictions: the shares of the classes, or the mean, of training rows."""
    if training.classification:
        ones = float(training.y.mean())
        return Rows(rows.y, np.tile([1 - ones, ones], (len(rows.y), 1)))
    return Rows(rows.y, np.full(len(rows.y), training.y.mean()))


def skore_verdict(training: Rows, test: Rows) -> str:
    """Return "overfits", "underfits" or "" by SKD001 and SKD002 of skore 0.28.0.

    More than half of the default metrics have to vote for it. A vote for overfitting: the training
    score is better than the test score by 10 % of it, and by 0.03. For underfitting: neither score
    is better than a dummy's by 5 % of it and by 0.01.
    """
    known, new = _of_skore(training), _of_skore(test)
    votes = [_better(known[name], new[name], 0.03, 0.10) for name in known]
    if sum(votes) > len(votes) / 2:
        return "overfits"
    dummies = [_of_skore(baseline(training, rows)) for rows in (training, test)]
    votes = [
        not any(
            _better(score[name], dummy[name], 0.01, 0.05)
            for score, dummy in zip((known, new), dummies, strict=True)
        )
        for name in known
    ]
    return "underfits" if sum(votes) > len(votes) / 2 else ""


def skore_itself(training: Rows, test: Rows) -> str | None:
    """Return what the installed skore says of a model with these predictions, or None."""
    try:
        import skore
        from skore._checks.skd001_overfitting import CheckOverfitting
        from skore._checks.skd002_underfitting import CheckUnderfitting
    except ImportError:
        return None
    from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin

    said = np.concatenate([training.said, test.said])

    class Known(BaseEstimator):  # type: ignore[misc]
        """Looks its predictions up by the number of the row."""

        def fit(self, X: Array, y: Array) -> Known:  # noqa: ARG002
            self.classes_ = np.unique(y)
            return self

        def predict(self, X: Array) -> Array:
            found = said[X[:, 0].astype(int)]
            return found.argmax(1) if found.ndim == 2 else found

    class KnownClasses(ClassifierMixin, Known):  # type: ignore[misc]
        def predict_proba(self, X: Array) -> Array:
            return said[X[:, 0].astype(int)]

    class KnownValues(RegressorMixin, Known):  # type: ignore[misc]
        pass

    kind = KnownClasses if training.classification else KnownValues
    numbers = np.arange(len(said), dtype=np.float64)[:, None]
    cut = len(training.y)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        report = skore.EstimatorReport(
            kind(),
            X_train=numbers[:cut],
            y_train=training.y,
            X_test=numbers[cut:],
            y_test=test.y,
            **({"pos_label": None} if training.classification else {}),
        )
        if CheckOverfitting().check_function(report):
            return "overfits"
        return "underfits" if CheckUnderfitting().check_function(report) else ""


def weightwatcher_verdict(weights: list[Tensor]) -> str | None:
    """Return "overfits" if WeightWatcher's alpha is below 2, "underfits" above 6, or "".

    None if it is not installed, or if no layer is large enough for it. ``weights`` is
    ``[inputs, outputs]`` for each layer.
    """
    try:
        logging.disable(logging.CRITICAL)
        import weightwatcher
    except ImportError:
        return None
    layers: list[nn.Module] = []
    for weight in weights:
        layer = nn.Linear(*weight.shape)
        layer.weight.data = weight.detach().T.contiguous()
        layers += [layer, nn.ReLU()]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = weightwatcher.WeightWatcher(model=nn.Sequential(*layers[:-1])).analyze()
    if len(found) == 0:
        return None
    alpha = float(found["alpha"].mean())
    return "overfits" if alpha < 2 else "underfits" if alpha > 6 else ""
