"""The scores to select by, under scikit-learn's names; higher is better."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from bridle.errors import UsageError

__all__ = ["SCORINGS", "check_scoring", "mean_losses", "scores_of"]

_LEAST = math.log(1e-12)  # of a row's log-likelihood; one wrong row could decide everything


def _accuracy(outputs: Tensor, y: Tensor) -> Tensor:
    return (outputs.argmax(-1) == y).double().mean(1)


def _balanced_accuracy(outputs: Tensor, y: Tensor) -> Tensor:
    right = (outputs.argmax(-1) == y).double()
    sums = torch.zeros(len(outputs), outputs.shape[-1], dtype=torch.float64)
    sums.index_add_(1, y, right)
    counts = torch.bincount(y, minlength=outputs.shape[-1])
    return (sums / counts)[:, counts > 0].mean(1)


def _neg_log_loss(outputs: Tensor, y: Tensor) -> Tensor:
    codes = y.expand(outputs.shape[:2])[..., None]
    return outputs.double().log_softmax(-1).gather(2, codes)[..., 0].clamp(min=_LEAST).mean(1)


def _area(scores: Tensor, positive: Tensor) -> Tensor:
    """Return the area under the ROC curve of each row of scores, by Mann and Whitney's U."""
    from scipy.stats import rankdata  # takes half a second to import

    ranks = torch.from_numpy(rankdata(scores.numpy(), axis=-1))
    ones = int(positive.sum())
    zeros = positive.numel() - ones
    return (ranks[..., positive].sum(-1) - ones * (ones + 1) / 2) / (ones * zeros)


def _roc_auc(outputs: Tensor, y: Tensor) -> Tensor:
    shares = outputs.double().softmax(-1)
    if shares.shape[-1] == 2:
        return _area(shares[..., 1], y == 1)
    areas = [_area(shares[..., code], y == code) for code in y.unique()]
    return torch.stack(areas).mean(0)


def _r2(outputs: Tensor, y: Tensor) -> Tensor:
    spread = (y.double() - y.double().mean()).square().sum()
    return 1 - (outputs[..., 0].double() - y).square().sum(1) / spread


def _neg_root_mean_squared_error(outputs: Tensor, y: Tensor) -> Tensor:
    return -(outputs[..., 0].double() - y).square().mean(1).sqrt()


SCORINGS: dict[str, dict[str, Callable[[Tensor, Tensor], Tensor]]] = {
    "classification": {
        "accuracy": _accuracy,
        "balanced_accuracy": _balanced_accuracy,
        "neg_log_loss": _neg_log_loss,
        "roc_auc": _roc_auc,
    },
    "regression": {
        "r2": _r2,
        "neg_root_mean_squared_error": _neg_root_mean_squared_error,
    },
}
"""The scores of each task; the first is that of "auto". The target of a regression is standardized.

For classification that is accuracy, of equal ones that with the lowest log loss. The temperature
calibrates the probabilities afterwards, and no other score selects models that are significantly
better, not even by that score (``benchmarks/search_answers.py``).
"""


def check_scoring(scoring: str | None, task: str) -> str:
    """Return the name of the score to select by; None and "auto" are the default of the task.

    Raises
    ------
    UsageError
        If the task has no score of that name.
    """
    known = SCORINGS[task]
    if scoring in (None, "auto"):
        return next(iter(known))
    if scoring not in known:
        raise UsageError(
            f"scoring is {scoring!r}; for {task} it must be one of {', '.join(map(repr, known))}"
        )
    return scoring


def mean_losses(outputs: Tensor, y: Tensor, *, classes: bool) -> Tensor:
    """Return the mean loss of each configuration, float64 ``[configurations]``."""
    if not classes:
        return (outputs[..., 0].double() - y).square().mean(1)
    codes = y.expand(outputs.shape[:2]).reshape(-1)
    rows = F.cross_entropy(outputs.double().flatten(0, 1), codes, reduction="none")
    return rows.view(outputs.shape[:2]).mean(1)


def scores_of(outputs: Tensor, y: Tensor, scoring: str) -> Tensor:
    """Return the score of each configuration.

    Parameters
    ----------
    outputs : Tensor
        ``[configurations, rows, outputs]``. A configuration with an output that is not finite
        scores minus infinity.
    y : Tensor
        ``[rows]``
    scoring : str

    Returns
    -------
    Tensor
        float64 ``[configurations]``.

    Examples
    --------
    >>> outputs = torch.tensor([[[2.0, 1.0], [0.0, 1.0], [1.0, 0.0]]])
    >>> scores_of(outputs, torch.tensor([0, 1, 1]), "balanced_accuracy")
    tensor([0.7500], dtype=torch.float64)
    """
    function = next(known[scoring] for known in SCORINGS.values() if scoring in known)
    finite = outputs.flatten(1).isfinite().all(1)
    found = torch.full((len(outputs),), -torch.inf, dtype=torch.float64)
    if finite.any():
        found[finite] = function(outputs[finite], y).double()
    return found
