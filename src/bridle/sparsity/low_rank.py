"""``low_rank``: Linear layers as a product of two smaller ones, by the singular values."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from bridle.errors import UsageError
from bridle.modules.select import Selector
from bridle.penalties.protocol import is_number
from bridle.sparsity.exported import Exported
from bridle.sparsity.linears import Left, exchange_linears

__all__ = ["low_rank"]

_NOTE = (
    "each of these layers is now a Sequential of two Linear layers: to train them, build an "
    "optimizer from the new model's parameters"
)


def low_rank(
    model: nn.Module,
    example: Tensor | tuple[Tensor, ...],
    *,
    rank: int | None = None,
    energy: float | None = None,
    layers: Selector = "*",
) -> Exported:
    """Return a copy whose Linear layers are two smaller ones each, where that saves parameters.

    A weight ``[out, in]`` with the singular values σ becomes ``[out, r] · [r, in]``, by the
    truncated singular value decomposition, which is the nearest matrix of rank r in the Frobenius
    norm (Eckart & Young 1936). Its relative error is ``√(Σ_{i>r} σᵢ² / Σ σᵢ²)``. A layer is
    converted if ``r (out + in) < out · in``; all other layers stay as they are, with the reason.

    Parameters
    ----------
    model : torch.nn.Module
        It is not changed.
    example : Tensor or tuple of Tensor
        A batch, or the tuple of arguments that ``model`` takes: the change of the outputs is
        measured on it.
    rank : int, optional
        The highest rank r.
    energy : float, optional
        Above 0, at most 1: the share of ``Σ σ²`` that is kept; r is the smallest rank that keeps
        it. Default, if ``rank`` is not given: 1, which drops the singular values that are 0 up to
        rounding, as a penalty on the nuclear norm makes them. Predictions are then equal up to
        rounding.
    layers : Selector
        Which layers; see :data:`bridle.modules.Selector`.

    Returns
    -------
    Exported
        The new module, in the mode of the given one, and what was done to each layer. The factors
        have the dtype and the device of the weight.

    Raises
    ------
    UsageError
        If both ``rank`` and ``energy`` are given, if one is out of range, if the model cannot be
        copied, or if it fails on the example.

    Examples
    --------
    >>> import torch
    >>> from bridle.sparsity import low_rank
    >>> from torch import nn
    >>> model = nn.Sequential(nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 2))
    >>> with torch.no_grad():
    ...     _ = model[0].weight.copy_(torch.outer(torch.arange(16.0), torch.ones(16)))
    >>> small = low_rank(model, torch.randn(4, 16))
    >>> small.layers[0].form, small.bytes_before, small.bytes_after
    ('rank 1', 1224, 328)
    >>> print(small.kept[0])
    layer '2' stays as it is: rank 2 of 2 saves no parameters
    """
    if rank is not None and energy is not None:
        raise UsageError(f"rank={rank!r} and energy={energy!r} are both given; give one of them")
    if rank is not None and (isinstance(rank, bool) or not isinstance(rank, int) or rank < 1):
        raise UsageError(f"rank is {rank!r}; it must be an integer, 1 or more")
    kept = 1.0 if energy is None else energy
    if not is_number(kept) or not 0 < kept <= 1:
        raise UsageError(f"energy is {energy!r}; it must be a number above 0, and at most 1")

    def convert(layer: nn.Linear) -> tuple[nn.Module, str, float]:
        return _factored(layer, rank, float(kept))

    exact = rank is None and kept == 1
    return exchange_linears(model, example, convert, layers=layers, note=_NOTE, exact=exact)


def _factored(
    layer: nn.Linear, rank: int | None, energy: float
) -> tuple[nn.Sequential, str, float]:
    weight = layer.weight.detach()
    if not bool(weight.isfinite().all()):
        raise Left("its weight is not finite")
    wide = weight.double() if weight.device.type != "mps" else weight.cpu().double()
    left, sigma, right = torch.linalg.svd(wide, full_matrices=False)
    found = _rank(sigma, weight, energy) if rank is None else min(rank, len(sigma))
    if found * (layer.in_features + layer.out_features) >= weight.numel():
        raise Left(f"rank {found} of {len(sigma)} saves no parameters")
    root = sigma[:found].sqrt()
    first = nn.Linear(layer.in_features, found, bias=False, device="meta")
    second = nn.Linear(found, layer.out_features, bias=layer.bias is not None, device="meta")
    trains = layer.weight.requires_grad
    first.weight = nn.Parameter((root[:, None] * right[:found]).to(weight), requires_grad=trains)
    second.weight = nn.Parameter((left[:, :found] * root).to(weight), requires_grad=trains)
    if layer.bias is not None:
        second.bias = nn.Parameter(
            layer.bias.detach().clone(), requires_grad=layer.bias.requires_grad
        )
    product = second.weight.detach().to(wide) @ first.weight.detach().to(wide)
    size = float(wide.norm())
    error = float((product - wide).norm()) / size if size else 0.0
    return nn.Sequential(first, second), f"rank {found}", error


def _rank(sigma: Tensor, weight: Tensor, energy: float) -> int:
    """Return the smallest rank that keeps a share of the energy, at least 1."""
    if energy == 1:  # numpy's rule for the rank of a matrix
        bound = float(sigma[0]) * max(weight.shape) * torch.finfo(weight.dtype).eps
        return max(1, int((sigma > bound).sum()))
    if float(sigma[0]) == 0:
        return 1
    squares = (sigma / sigma[0]).square()  # the square of a small number is 0
    shares = squares.cumsum(0) / squares.sum()
    return min(len(sigma), int((shares < energy).sum()) + 1)
