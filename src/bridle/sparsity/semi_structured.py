"""N:M sparsity: the check, and torch's semi-structured weights where a GPU multiplies them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.sparse import SparseSemiStructuredTensor, to_sparse_semi_structured

from bridle.errors import UsageError, first_line
from bridle.modules.select import Selector
from bridle.sparsity.block_sparse import refuse_wrong
from bridle.sparsity.exported import Exported
from bridle.sparsity.linears import Left, exchange_linears

__all__ = ["NMPattern", "n_m_pattern", "to_semi_structured"]

_NOTE = "semi-structured layers are for prediction: their weights do not train"


@dataclass(frozen=True)
class NMPattern:
    """Whether each group of M neighbors in a row has at most N weights that are not zero.

    Attributes
    ----------
    n, m : int
    groups : int
        The number of groups.
    wrong : int
        The number of groups with more than N nonzero weights.
    rest : int
        The number of weights at the end of each row that fill no group.
    """

    n: int
    m: int
    groups: int
    wrong: int
    rest: int

    @property
    def holds(self) -> bool:
        """Whether the weight has the pattern."""
        return not self.wrong and not self.rest

    def __str__(self) -> str:
        if self.rest:
            return f"not {self.n}:{self.m}: {self.rest} weights of each row fill no group"
        if self.wrong:
            return f"not {self.n}:{self.m}: {self.wrong} of {self.groups} groups have more weights"
        return f"{self.n}:{self.m}"


def n_m_pattern(weight: Tensor, n: int = 2, m: int = 4) -> NMPattern:
    """Check the N:M pattern of a weight: at most N of M neighbors in a row are not zero.

    Rows are the last axis, the inputs of a Linear layer, as NVIDIA's sparse tensor cores take them
    (Mishra et al. 2021, arXiv:2104.08378).

    Parameters
    ----------
    weight : Tensor
        Any shape with one axis or more.
    n, m : int
        ``1 <= n < m``.

    Returns
    -------
    NMPattern

    Raises
    ------
    UsageError
        If n and m are no pattern, or if the weight is a scalar.

    Examples
    --------
    >>> import torch
    >>> from bridle.sparsity import n_m_pattern
    >>> weight = torch.tensor([[1.0, 0.0, 2.0, 0.0, 0.0, 0.0, 0.0, 3.0]])
    >>> print(n_m_pattern(weight), "and", n_m_pattern(weight, 1, 4))
    2:4 and not 1:4: 1 of 2 groups have more weights
    """
    if not 1 <= n < m:
        raise UsageError(f"n is {n} and m is {m}; give 1 <= n < m, such as 2 and 4")
    if weight.ndim < 1:
        raise UsageError("the weight is a scalar, which has no rows: give the weight of a layer")
    rest = weight.shape[-1] % m
    whole = weight.detach()[..., : weight.shape[-1] - rest].unflatten(-1, (-1, m))
    counts = (whole != 0).sum(-1)
    return NMPattern(n, m, counts.numel(), int((counts > n).sum()), rest)


def to_semi_structured(
    model: nn.Module, example: Tensor | tuple[Tensor, ...], *, layers: Selector = "*"
) -> Exported:
    """Return a copy whose 2:4 sparse Linear layers have torch's semi-structured weights.

    They need an NVIDIA GPU of compute capability 8.0 or higher, and float16 or bfloat16 weights
    (float32 only where torch has CUTLASS for it). A layer is converted if its weight is 2:4 sparse,
    if its sizes fit the GPU's tiles, and if its product on the GPU is that of the given layer up to
    rounding; all other layers stay as they are, with the reason. Predictions are checked on the
    example.

    Parameters
    ----------
    model : torch.nn.Module
        On the GPU. It is not changed.
    example : Tensor or tuple of Tensor
        A batch, or the tuple of arguments that ``model`` takes, on the GPU.
    layers : Selector
        Which layers; see :data:`bridle.modules.Selector`.

    Returns
    -------
    Exported
        The new module, in the mode of the given one, and what was done to each layer.

    Raises
    ------
    UsageError
        If there is no such GPU or the model is not on it, if the model cannot be copied, or if it
        fails on the example.

    Examples
    --------
    >>> import torch
    >>> from bridle.sparsity import to_semi_structured
    >>> to_semi_structured(torch.nn.Linear(64, 64), torch.randn(2, 64))
    Traceback (most recent call last):
    bridle.errors.UsageError: semi-structured weights need an NVIDIA GPU of compute capability 8.0 \
or higher, but the model is on the cpu: move model and example there, as float16 or bfloat16
    """
    if not isinstance(model, nn.Module):
        raise UsageError(f"model is a {type(model).__name__}; give a torch.nn.Module")
    for device in sorted({each.device for each in model.parameters()}, key=str):
        _refuse_device(device)
    return exchange_linears(model, example, _converted, layers=layers, note=_NOTE, exact=True)


def _refuse_device(device: torch.device) -> None:
    needs = "semi-structured weights need an NVIDIA GPU of compute capability 8.0 or higher, but "
    if device.type != "cuda":
        raise UsageError(
            f"{needs}the model is on the {device.type}: move model and example there, as float16 "
            "or bfloat16"
        )
    if torch.version.hip is None and torch.cuda.get_device_capability(device) < (8, 0):
        major, minor = torch.cuda.get_device_capability(device)
        raise UsageError(f"{needs}{device} has {major}.{minor}: use to_block_sparse there")


def _converted(layer: nn.Linear) -> tuple[nn.Module, str, float]:
    pattern = n_m_pattern(layer.weight)
    if not pattern.holds:
        raise Left(f"its weight is {pattern}")
    made = nn.Linear(
        layer.in_features, layer.out_features, bias=layer.bias is not None, device="meta"
    )
    try:
        weight: SparseSemiStructuredTensor = to_sparse_semi_structured(layer.weight.detach())
    except (RuntimeError, NotImplementedError, ValueError) as error:
        raise Left(f"torch does not convert its weight ({first_line(error)})") from error
    made.weight = nn.Parameter(weight, requires_grad=False)
    if layer.bias is not None:
        made.bias = nn.Parameter(layer.bias.detach().clone(), requires_grad=False)
    refuse_wrong(layer, made)
    return made, "2:4", 0.0
