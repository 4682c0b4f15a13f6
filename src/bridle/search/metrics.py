"""All scores of a model's predictions: of classes and probabilities, or of values."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from bridle.search.scoring import scores_of

__all__ = ["METRIC_NAMES", "excess_errors", "excess_text", "metrics_of", "metrics_text"]

METRIC_NAMES = {
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "roc_auc": "ROC AUC",
    "log_loss": "log loss",
    "brier": "Brier score",
    "rmse": "RMSE",
    "r2": "R²",
}
_SCORES = ("accuracy", "balanced_accuracy", "roc_auc", "r2")  # the error is what they lack of 1


def metrics_of(outputs: Tensor, y: Tensor, *, classes: bool, unit: float = 1.0) -> dict[str, float]:
    """Return the scores of outputs ``[rows, outputs]``; an undefined one is NaN.

    For classification these are accuracy, balanced accuracy, ROC AUC (of several classes the mean
    of each against the rest), log loss in nats, and the Brier score: the mean squared distance
    between probabilities and one-hot truth, 0 to 2. For regression they are RMSE, in the target's
    units, and R².

    Parameters
    ----------
    outputs : Tensor
        Logarithms of probabilities up to a constant, or standardized values.
    y : Tensor
    classes : bool
    unit : float
        The standard deviation that the target was divided by.

    Examples
    --------
    >>> outputs = torch.tensor([[0.9, 0.1], [0.2, 0.8]]).log()
    >>> found = metrics_of(outputs, torch.tensor([0, 1]), classes=True)
    >>> {name: round(value, 3) for name, value in found.items()}
    {'accuracy': 1.0, 'balanced_accuracy': 1.0, 'roc_auc': 1.0, 'log_loss': 0.164, 'brier': 0.05}
    """

    def score(name: str) -> float:
        return float(scores_of(outputs[None], y, name))

    several = len(y.unique()) > 1
    if not classes:
        return {
            "rmse": -unit * score("neg_root_mean_squared_error"),
            "r2": score("r2") if several else math.nan,
        }
    one_hot = torch.nn.functional.one_hot(y, outputs.shape[-1])
    return {
        "accuracy": score("accuracy"),
        "balanced_accuracy": score("balanced_accuracy"),
        "roc_auc": score("roc_auc") if several else math.nan,
        "log_loss": -score("neg_log_loss"),
        "brier": float((outputs.double().softmax(-1) - one_hot).square().sum(-1).mean()),
    }


def metrics_text(metrics: dict[str, float]) -> str:
    """Return the scores in one line.

    Examples
    --------
    >>> metrics_text({"rmse": 2.5, "r2": 0.91234})
    'RMSE 2.5, R² 0.9123'
    """
    told = [f"{METRIC_NAMES[n]} {v:.4g}" for n, v in metrics.items() if math.isfinite(v)]
    return ", ".join(told)


def excess_errors(held_out: dict[str, float], test: dict[str, float]) -> dict[str, float]:
    """Return by how much each error is higher on the test set, as a share of the held-out error.

    The error of a score is 1 minus the score. It is NaN where there are no held-out errors.

    Examples
    --------
    >>> excess_errors({"accuracy": 0.5, "log_loss": 0.5}, {"accuracy": 0.25, "log_loss": 0.625})
    {'accuracy': 0.5, 'log_loss': 0.25}
    """

    def error(name: str, value: float) -> float:
        return 1 - value if name in _SCORES else value

    found = {}
    for name, value in held_out.items():
        known, new = error(name, value), error(name, test[name])
        found[name] = new / known - 1 if known > 0 else math.nan
    return found


def excess_text(excess: dict[str, float]) -> str:
    """Return how much higher the errors are, in one line.

    Examples
    --------
    >>> excess_text({"accuracy": 0.2, "log_loss": -0.05})
    '1 − accuracy +20.0 %, log loss -5.0 %'
    """
    told = [
        f"{'1 − ' if name in _SCORES else ''}{METRIC_NAMES[name]} {100 * share:+.1f} %"
        for name, share in excess.items()
        if math.isfinite(share)
    ]
    return ", ".join(told) or "none, there are no held-out errors"
