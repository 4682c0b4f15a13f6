"""Norms over the units themselves: LayerNorm and RMSNorm, with the width they were trained at.

A removed unit is exactly zero, but it counts in the mean over the width. So a narrower norm divides
by the original width.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, cast

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from bridle.sparsity.compaction.nested import lengths_of, nest, pad

__all__ = ["PartialLayerNorm", "is_width_norm", "narrow_norm", "width_of"]


class PartialLayerNorm(nn.LayerNorm):
    r"""Layer normalization of a vector whose missing entries are zero.

    With :math:`n` entries out of a width :math:`N`, :math:`\mu = \frac{1}{N}\sum_i x_i` and
    :math:`\sigma^2 = \frac{1}{N}\left(\sum_i (x_i - \mu)^2 + (N - n)\mu^2\right)`: the statistics
    of the whole vector.

    Parameters
    ----------
    entries, width : int
        ``n`` and ``N``.
    eps : float
    elementwise_affine : bool
    bias : bool

    Examples
    --------
    >>> import torch
    >>> norm = PartialLayerNorm(2, 4, eps=0.0)
    >>> whole = torch.nn.functional.layer_norm(torch.tensor([3.0, 0, 1, 0]), (4,), eps=0.0)
    >>> torch.allclose(norm(torch.tensor([3.0, 1.0])), whole[[0, 2]])
    True
    """

    def __init__(
        self,
        entries: int,
        width: int,
        *,
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
    ) -> None:
        super().__init__(entries, eps=eps, elementwise_affine=elementwise_affine, bias=bias)
        self.width = width

    def extra_repr(self) -> str:
        """Return the entries, the width and the settings."""
        return f"{self.normalized_shape[0]} of {self.width}, eps={self.eps}"

    def forward(self, X: Tensor) -> Tensor:
        """Return the normalized entries."""
        if X.is_nested:
            return nest(self.forward(pad(X)), lengths_of(X))
        wide = X if X.dtype == torch.float64 else X.float()
        mean = wide.sum(-1, keepdim=True) / self.width
        centred = wide - mean
        missing = (self.width - X.shape[-1]) * mean.square()
        variance = (centred.square().sum(-1, keepdim=True) + missing) / self.width
        normed = (centred * torch.rsqrt(variance + self.eps)).to(X.dtype)
        if not self.elementwise_affine:
            return normed
        scaled = normed * self.weight
        return scaled if self.bias is None else scaled + self.bias


def is_width_norm(module: nn.Module) -> bool:
    """Whether a module is a LayerNorm or an RMSNorm over the last axis, of any library."""
    return _is_layer_norm(module) or _is_rms_norm(module)


def _is_layer_norm(module: nn.Module) -> bool:
    """Whether a module is a LayerNorm over the last axis."""
    if not isinstance(module, nn.LayerNorm) or len(module.normalized_shape) != 1:
        return False
    return _computes(module, _layer_norm)


def _is_rms_norm(module: nn.Module) -> bool:
    if [name for name, _ in module.named_parameters()] != ["weight"] or module._buffers:
        return False
    named = isinstance(module, nn.RMSNorm) or "RMSNorm" in type(module).__name__
    weight = cast(Tensor, module.weight)
    known = named and weight.ndim == 1 and hasattr(module, _epsilon_name(module))
    return known and _computes(module, _rms_norm)


def width_of(norm: nn.Module) -> int:
    """Return the width that a norm divides by."""
    if isinstance(norm, PartialLayerNorm):
        return norm.width
    if isinstance(norm, nn.LayerNorm):
        return norm.normalized_shape[0]
    return len(cast(Tensor, norm.weight))


def narrow_norm(norm: nn.Module, width: int) -> nn.Module:
    """Return a norm, whose parameters have been cut, with the statistics of a width.

    An RMSNorm is changed in place: γ and ε absorb the factor between the two widths.
    """
    if isinstance(norm, nn.LayerNorm):
        entries = width_of(norm) if norm.weight is None else len(norm.weight)
        narrow = PartialLayerNorm(entries, width, eps=norm.eps, elementwise_affine=False)
        narrow.weight, narrow.bias = norm.weight, norm.bias
        narrow.elementwise_affine = norm.elementwise_affine
        return narrow.train(norm.training)
    shrunk, entries = cast(Any, norm), len(cast(Tensor, norm.weight))
    shrunk.weight.mul_((width / entries) ** 0.5)
    setattr(shrunk, _epsilon_name(norm), _epsilon(norm) * width / entries)
    if hasattr(norm, "normalized_shape"):
        shrunk.normalized_shape = (entries,)
    return norm


def _epsilon_name(module: nn.Module) -> str:
    return "variance_epsilon" if hasattr(module, "variance_epsilon") else "eps"


def _epsilon(module: nn.Module) -> float:
    value = getattr(module, _epsilon_name(module))
    weight = cast(Tensor, module.weight)
    return float(torch.finfo(weight.dtype).eps if value is None else value)


def _layer_norm(module: Any, X: Tensor) -> Tensor:
    if isinstance(module, PartialLayerNorm):
        missing = X.new_zeros(len(X), module.width - X.shape[-1])
        whole = F.layer_norm(torch.cat([X, missing], -1), (module.width,), eps=module.eps)
        normed = whole[:, : X.shape[-1]]
    else:
        normed = F.layer_norm(X, (X.shape[-1],), eps=module.eps)
    normed = normed if module.weight is None else normed * module.weight
    return normed if module.bias is None else normed + module.bias


def _rms_norm(module: Any, X: Tensor) -> Tensor:
    mean = X.square().mean(-1, keepdim=True)
    return X * torch.rsqrt(mean + _epsilon(module)) * module.weight


@torch.no_grad()
def _computes(module: nn.Module, formula: Callable[[Any, Tensor], Tensor]) -> bool:
    """Whether a module computes a formula, whatever its weights are now."""
    try:
        probe = copy.deepcopy(module).double().eval()
        for place, parameter in enumerate(probe.parameters()):
            parameter.copy_(torch.linspace(0.5, 2.0 + place, parameter.numel()))
        width = cast(Any, probe).weight
        features = width_of(probe) if width is None else len(width)
        X = torch.linspace(-1.0, 2.0, 3 * features).double().view(3, features)
        X = X.to(next(probe.parameters(), X).device).square() - 1.0
        return torch.allclose(probe.forward(X).double(), formula(probe, X), 1e-4, 1e-4)
    except Exception:  # another function under this name can raise anything
        return False
