"""The matrix products of a training step, each by the library that is fastest at its shape."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["product", "product_with_bias"]

# fewer multiplications than this are over before oneDNN has arranged its operands
_MANY = 4_000_000
_one_dnn = getattr(torch.ops.mkldnn, "_linear_pointwise", None)
_HAS_ONE_DNN = (
    _one_dnn is not None
    and torch.backends.mkldnn.is_available()
    and torch.backends.cpu.get_cpu_capability() == "AVX512"
)


def _by_one_dnn(a: Tensor, columns: int) -> bool:
    # on AMD's processors torch's own library (MKL) keeps to AVX2, at half the pace
    return (
        _HAS_ONE_DNN
        and a.dtype == torch.float32
        and a.device.type == "cpu"
        and a.shape[0] * a.shape[1] * columns > _MANY
    )


def product(a: Tensor, b: Tensor, out: Tensor | None = None) -> Tensor:
    """Return ``a @ b``, written to ``out`` where there is one."""
    if not _by_one_dnn(a, b.shape[1]):
        return torch.mm(a, b) if out is None else torch.mm(a, b, out=out)
    found: Tensor
    if a.stride(0) == 1:  # a transposed one is read fastest as the second operand
        found = _one_dnn(b.t(), a, None, "none", [], "").t()  # type: ignore[misc]
    else:
        found = _one_dnn(a, b.t(), None, "none", [], "")  # type: ignore[misc]
    return found if out is None else out.copy_(found)


def product_with_bias(bias: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """Return ``a @ b + bias``, with a bias for each column."""
    if not _by_one_dnn(a, b.shape[1]):
        return torch.addmm(bias, a, b)
    found: Tensor = _one_dnn(a, b.t(), bias, "none", [], "")  # type: ignore[misc]
    return found
