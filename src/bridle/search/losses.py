"""The training loss of each member, with its label smoothing, mixup and class weights."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

__all__ = ["class_weights", "losses_of"]


def class_weights(y: Tensor, parts: Sequence[Tensor], powers: Tensor, classes: int) -> Tensor:
    """Return each member's class weights, float32 ``[members, classes]``.

    Parameters
    ----------
    y : Tensor
        int64 ``[rows]``.
    parts : sequence of Tensor
        The rows that each fold trains on. Member ``m`` has the fold ``m % folds``.
    powers : Tensor
        float64 ``[members]``: the power that is taken of the inverse class frequency.
    classes : int
    """
    counts = torch.stack([torch.bincount(y[rows], minlength=classes) for rows in parts])
    rows = torch.tensor([[len(part)] for part in parts], dtype=torch.float64)
    inverse = rows / (classes * counts.clamp(min=1).double())
    return (inverse.repeat(len(powers) // len(parts), 1) ** powers[:, None]).float()


def losses_of(
    outputs: Tensor, y: Tensor, shares: Tensor | None, smoothing: Tensor, class_weight: Tensor
) -> Tensor:
    """Return the mean loss of each member, ``[members]``.

    Parameters
    ----------
    outputs : Tensor
        ``[members, batch, outputs]``.
    y : Tensor
        ``[members, batch]``: int64 class codes, or a float32 target with squared error.
    shares : Tensor, optional
        ``[members, 1]``: the share of a row in mixup; the rest is of the row before it.
    smoothing : Tensor
        ``[members, 1]``: the label smoothing.
    class_weight : Tensor
        ``[members, classes]``.
    """
    if y.is_floating_point():
        if shares is not None:
            y = shares * y + (1 - shares) * y.roll(1, 1)
        return (outputs[..., 0] - y).square().mean(1)
    logs = F.log_softmax(outputs, -1)
    even = -logs.mean(-1)

    def weighted(target: Tensor) -> Tensor:
        picked = -logs.gather(2, target[..., None])[..., 0]
        smoothed = (1 - smoothing) * picked + smoothing * even
        return smoothed * class_weight.gather(1, target)

    losses = weighted(y)
    if shares is not None:
        losses = shares * losses + (1 - shares) * weighted(y.roll(1, 1))
    return losses.mean(1)
