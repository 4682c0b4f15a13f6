"""Updates of a population's weights in one pass: Adam with penalties, and max-norm."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from bridle.errors import UsageError
from bridle.ops.backends import backend_of

__all__ = [
    "PENALTIES",
    "adam_pass",
    "adam_step",
    "adam_strengths",
    "max_norm_pass",
    "max_norm_step",
]

PENALTIES = slice(6, 8)
"""The columns of the L1 and L2 strengths in the result of :func:`adam_strengths`."""
_DTYPES = (torch.float32, torch.float64)


def adam_step(
    weight: Tensor,
    gradient: Tensor,
    exp_avg: Tensor,
    exp_avg_sq: Tensor,
    *,
    learning_rate: Tensor,
    l1: Tensor,
    l2: Tensor,
    steps: Tensor,
    betas: Sequence[float] = (0.9, 0.999),
    eps: float = 1e-8,
    average: Tensor | None = None,
    average_decay: Tensor | None = None,
) -> None:
    """Make a step of Adam, a proximal step of the penalties, and update an average, in place.

    1. Adam (Kingma & Ba 2015), with each member's bias corrections from its own number of steps.
    2. ``w ← soft(w, s l1) / (1 + s l2)``, where ``s = rate / (√v̂ + eps)`` is the step size that
       Adam used: the proximal step of ``l1 Σ|w| + ½ l2 Σw²`` (see :func:`elastic_prox`).
    3. ``average ← decay · average + (1 - decay) · w``.

    bridle's compiled kernels flush subnormal numbers to zero, in what they read and write here.

    Parameters
    ----------
    weight, gradient, exp_avg, exp_avg_sq : Tensor
        ``[members, ...]`` of one shape, float32 or float64, contiguous. All but the gradient are
        changed.
    learning_rate, l1, l2 : Tensor
        float64 ``[members]``.
    steps : Tensor
        int64 ``[members]``: the number of this step, from 1.
    betas : sequence of float
    eps : float
    average : Tensor, optional
        With the shape of ``weight``.
    average_decay : Tensor, optional
        float64 ``[members]``: the decay of the average.

    Raises
    ------
    UsageError
        If shapes, dtypes or numbers of members differ, or a tensor is not contiguous.

    Examples
    --------
    >>> import torch
    >>> from bridle.ops import adam_step
    >>> w, m, v = torch.tensor([[1.0, -0.05], [1.0, -0.05]]), torch.zeros(2, 2), torch.zeros(2, 2)
    >>> per_member = {"learning_rate": torch.tensor([0.1, 0.1]), "l2": torch.zeros(2)}
    >>> per_member |= {"l1": torch.tensor([0.0, 2.0]), "steps": torch.tensor([1, 1])}
    >>> adam_step(w, torch.ones(2, 2), m, v, **per_member)
    >>> w
    tensor([[ 0.9000, -0.1500],
            [ 0.7000,  0.0000]])
    """
    tensors = {"gradient": gradient, "exp_avg": exp_avg, "exp_avg_sq": exp_avg_sq}
    if (average is None) != (average_decay is None):
        raise UsageError("only one of average and average_decay is given; give both or neither")
    if average is not None:
        tensors["average"] = average
    _check(weight, tensors)
    members = weight.shape[0]
    decay = learning_rate if average_decay is None else average_decay
    numbers = {"learning_rate": learning_rate, "l1": l1, "l2": l2, "average_decay": decay}
    columns = {name: _column(name, value, members) for name, value in numbers.items()}
    count = _column("steps", steps, members)
    strengths = adam_strengths(**columns, steps=count, betas=betas, eps=eps)
    adam_pass(weight.detach(), gradient, exp_avg, exp_avg_sq, average, strengths)


def adam_strengths(
    *,
    learning_rate: Tensor,
    l1: Tensor,
    l2: Tensor,
    average_decay: Tensor,
    steps: Tensor,
    betas: Sequence[float],
    eps: float = 1e-8,
) -> Tensor:
    """Return the ``strengths`` argument of :func:`adam_pass`, float64 ``[members, 9]``.

    The tensors are float64 ``[members]`` on the CPU, as in :func:`adam_step`.
    """
    first, second = (float(beta) for beta in betas)
    columns = [
        learning_rate,
        torch.full_like(steps, first),
        torch.full_like(steps, second),
        torch.full_like(steps, float(eps)),
        1 / (1 - first**steps),
        1 / (1 - second**steps),
        l1,
        l2,
        average_decay,
    ]
    return torch.stack(columns, dim=1)


def adam_pass(
    weight: Tensor,
    gradient: Tensor,
    exp_avg: Tensor,
    exp_avg_sq: Tensor,
    average: Tensor | None,
    strengths: Tensor,
) -> None:
    """Make the step of :func:`adam_step` without checks.

    :func:`adam_strengths` computes ``strengths`` once per step, for all weight tensors.
    """
    step = backend_of(weight.device).adam_step
    step(weight, gradient, exp_avg, exp_avg_sq, average, strengths)


def max_norm_step(weight: Tensor, bound: Tensor) -> None:
    """Scale down the incoming weights of each unit to a bound on their norm, in place.

    The projection of :class:`bridle.MaxNorm` (Srivastava et al. 2014).

    Parameters
    ----------
    weight : Tensor
        ``[members, in, out]``, float32 or float64, contiguous.
    bound : Tensor
        float64 ``[members]``, above 0; infinity means no bound.

    Raises
    ------
    UsageError
        If a shape or dtype is wrong, or the weights are not contiguous.

    Examples
    --------
    >>> import torch
    >>> from bridle.ops import max_norm_step
    >>> w = torch.tensor([[[3.0, 0.3], [4.0, 0.4]]])
    >>> max_norm_step(w, torch.tensor([1.0]))
    >>> w
    tensor([[[0.6000, 0.3000],
             [0.8000, 0.4000]]])
    """
    _check(weight, {})
    if weight.ndim != 3:
        raise UsageError(f"weight has the shape {list(weight.shape)}; give [members, in, out]")
    bounds = _column("bound", bound, weight.shape[0])
    if not bool((bounds > 0).all()):
        raise UsageError(f"bound is {bounds.tolist()}; each must be above 0")
    max_norm_pass(weight.detach(), bounds)


def max_norm_pass(weight: Tensor, bound: Tensor) -> None:
    """Make the step of :func:`max_norm_step` without checks."""
    backend_of(weight.device).max_norm_step(weight, bound)


def _check(weight: Tensor, others: dict[str, Tensor]) -> None:
    if weight.dtype not in _DTYPES:
        raise UsageError(f"weight is {weight.dtype}; give float32 or float64")
    for name, value in {"weight": weight, **others}.items():
        if value.shape != weight.shape or value.dtype != weight.dtype:
            raise UsageError(
                f"{name} is {value.dtype} {list(value.shape)} and the weight is {weight.dtype} "
                f"{list(weight.shape)}; give both the same dtype and shape"
            )
        if not value.is_contiguous():
            raise UsageError(f"{name} is not contiguous; give {name}.contiguous()")


def _column(name: str, value: Tensor, members: int) -> Tensor:
    if value.shape != (members,):
        raise UsageError(
            f"{name} has the shape {list(value.shape)} for {members} members; give [{members}]"
        )
    return value.detach().to("cpu", torch.float64)
