"""Matrix products of a training step, computed by the faster of two CPU libraries."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["addmm", "matmul"]

# below this number of multiplications, oneDNN's setup costs more than the product
_MANY = 4_000_000
_one_dnn = getattr(torch.ops.mkldnn, "_linear_pointwise", None)
_HAS_ONE_DNN = (
    _one_dnn is not None
    and torch.backends.mkldnn.is_available()
    and torch.backends.cpu.get_cpu_capability() == "AVX512"
)


def _use_one_dnn(a: Tensor, columns: int) -> bool:
    # on AMD processors torch's default library (MKL) uses AVX2 only, at half the speed
    return (
        _HAS_ONE_DNN
        and a.dtype == torch.float32
        and a.device.type == "cpu"
        and a.shape[0] * a.shape[1] * columns > _MANY
    )


def matmul(a: Tensor, b: Tensor, out: Tensor | None = None) -> Tensor:
    """Return ``a @ b``; write the result to ``out`` if given."""
    if not _use_one_dnn(a, b.shape[1]):
        return torch.mm(a, b) if out is None else torch.mm(a, b, out=out)
    result: Tensor
    if a.stride(0) == 1:  # a transposed operand is fastest in second place
        result = _one_dnn(b.t(), a, None, "none", [], "").t()  # type: ignore[misc]
    else:
        result = _one_dnn(a, b.t(), None, "none", [], "")  # type: ignore[misc]
    return result if out is None else out.copy_(result)


def addmm(bias: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """Return ``a @ b + bias``, with one bias per column."""
    if not _use_one_dnn(a, b.shape[1]):
        return torch.addmm(bias, a, b)
    result: Tensor = _one_dnn(a, b.t(), bias, "none", [], "")  # type: ignore[misc]
    return result
