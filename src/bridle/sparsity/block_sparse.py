"""``to_block_sparse``: Linear layers with torch's block-sparse weights."""

from __future__ import annotations

import warnings

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from bridle.errors import UsageError, first_line
from bridle.modules.select import Selector
from bridle.sparsity.exported import Exported
from bridle.sparsity.linears import Left, exchange_linears, relative

__all__ = ["BlockSparseLinear", "to_block_sparse"]

SIZES = (64, 32, 16, 8, 4)
_NOTE = "block-sparse layers are for prediction: their weights are buffers, which do not train"


class BlockSparseLinear(nn.Module):
    """A Linear layer that stores the nonzero blocks of its weight only (torch's BSR layout).

    It is for prediction: weight and bias are buffers.

    Parameters
    ----------
    layer : torch.nn.Linear
        It is not changed.
    block : int
        The height and the width of a block; it must divide both sizes of the weight.

    Raises
    ------
    UsageError
        If the blocks do not divide the weight.

    Examples
    --------
    >>> import torch
    >>> from bridle.sparsity import BlockSparseLinear
    >>> layer = torch.nn.Linear(8, 8)
    >>> _ = layer.weight.data[:, :4].zero_()
    >>> sparse = BlockSparseLinear(layer, 4)
    >>> sparse, torch.allclose(sparse(torch.ones(2, 8)), layer(torch.ones(2, 8)), atol=1e-6)
    (BlockSparseLinear(in_features=8, out_features=8, block=4, blocks=2 of 4), True)
    """

    crow_indices: Tensor
    col_indices: Tensor
    values: Tensor
    bias: Tensor | None

    def __init__(self, layer: nn.Linear, block: int) -> None:
        super().__init__()
        self.in_features, self.out_features = layer.in_features, layer.out_features
        if block < 1 or self.in_features % block or self.out_features % block:
            raise UsageError(
                f"blocks of {block} do not divide a weight of {self.out_features} × "
                f"{self.in_features}: give a block size that divides both"
            )
        self.block = block
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Sparse BSR tensor support is in beta")
            sparse = layer.weight.detach().to_sparse_bsr((block, block))
        self.register_buffer("crow_indices", sparse.crow_indices())
        self.register_buffer("col_indices", sparse.col_indices())
        self.register_buffer("values", sparse.values())
        bias = None if layer.bias is None else layer.bias.detach().clone()
        self.register_buffer("bias", bias)

    @property
    def weight(self) -> Tensor:
        """The weight ``[out, in]``, a block-sparse tensor."""
        return torch.sparse_bsr_tensor(
            self.crow_indices,
            self.col_indices,
            self.values,
            size=(self.out_features, self.in_features),
            check_invariants=False,
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return ``x Wᵀ + b`` for inputs ``[..., in]``."""
        rows = F.linear(x.reshape(-1, self.in_features), self.weight, self.bias)
        return rows.reshape(*x.shape[:-1], self.out_features)

    def extra_repr(self) -> str:
        """Return the sizes, the block and the number of stored blocks."""
        blocks = self.in_features * self.out_features // self.block**2
        return (
            f"in_features={self.in_features}, out_features={self.out_features}, "
            f"block={self.block}, blocks={len(self.values)} of {blocks}"
        )


def to_block_sparse(
    model: nn.Module,
    example: Tensor | tuple[Tensor, ...],
    *,
    block: int | None = None,
    zeros: float = 0.5,
    layers: Selector = "*",
) -> Exported:
    """Return a copy whose Linear layers store only those blocks of the weight that are not zero.

    Predictions are equal up to rounding, which is checked on the example. A layer is converted if
    the blocks divide its weight, if enough blocks are zero, and if torch multiplies such a weight
    on its device in its dtype; all other layers stay as they are, with the reason. On a CPU, torch
    2.13 does that for float32 and float64.

    Parameters
    ----------
    model : torch.nn.Module
        It is not changed.
    example : Tensor or tuple of Tensor
        A batch, or the tuple of arguments that ``model`` takes.
    block : int, optional
        The height and the width of the blocks. Default: for each layer the one of 64, 32, 16, 8
        and 4 that needs the fewest bytes. The kernels of torch for CUDA take 16 and larger powers
        of 2.
    zeros : float
        From 0 to 1: the share of zero blocks that a layer must have.
    layers : Selector
        Which layers; see :data:`bridle.modules.Selector`.

    Returns
    -------
    Exported
        The new module, in the mode of the given one, and what was done to each layer.

    Raises
    ------
    UsageError
        If ``block`` or ``zeros`` is out of range, if the model cannot be copied, or if it fails on
        the example.

    Examples
    --------
    >>> import torch
    >>> from bridle.sparsity import to_block_sparse
    >>> from torch import nn
    >>> model = nn.Sequential(nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 3))
    >>> _ = model[0].weight.data[:, :24].zero_()
    >>> sparse = to_block_sparse(model, torch.randn(4, 32))
    >>> sparse.layers[0].form
    '75% of its blocks of 8 are zero'
    >>> print(sparse.kept[0])
    layer '2' stays as it is: blocks of 4 and more do not divide its weight of 3 × 32
    """
    if block is not None and (isinstance(block, bool) or not isinstance(block, int) or block < 1):
        raise UsageError(f"block is {block!r}; it must be an integer, 1 or more")
    if not 0 <= zeros <= 1:
        raise UsageError(f"zeros is {zeros!r}; it must be from 0 to 1")
    sizes = SIZES if block is None else (block,)

    def convert(layer: nn.Linear) -> tuple[nn.Module, str, float]:
        return _sparse(layer, sizes, zeros)

    return exchange_linears(model, example, convert, layers=layers, note=_NOTE, exact=True)


def _sparse(layer: nn.Linear, sizes: tuple[int, ...], zeros: float) -> tuple[nn.Module, str, float]:
    shape = f"{layer.out_features} × {layer.in_features}"
    fitting = [n for n in sizes if layer.in_features % n == 0 and layer.out_features % n == 0]
    if not fitting:
        least = f"{sizes[-1]} and more" if len(sizes) > 1 else f"{sizes[0]}"
        raise Left(f"blocks of {least} do not divide its weight of {shape}")
    weight = layer.weight.detach()
    shares = {size: _zero_share(weight, size) for size in fitting}
    enough = [each for each in fitting if shares[each] >= zeros]
    if not enough:
        best = fitting[-1]
        raise Left(f"{shares[best]:.0%} of its blocks of {best} are zero, less than {zeros:.0%}")
    # of the stored blocks, each with its index of 8 bytes
    stored = {each: (1 - shares[each]) * (weight.element_size() + 8 / each**2) for each in enough}
    size = min(enough, key=stored.__getitem__)
    made = BlockSparseLinear(layer, size)
    refuse_wrong(layer, made)
    return made, f"{shares[size]:.0%} of its blocks of {size} are zero", 0.0


def _zero_share(weight: Tensor, block: int) -> float:
    """Return the share of blocks that are zero."""
    tiles = weight.unflatten(0, (-1, block)).unflatten(2, (-1, block))
    return float((tiles == 0).all(3).all(1).double().mean())


def refuse_wrong(layer: nn.Linear, made: nn.Module) -> None:
    """Raise Left if a new layer fails, or differs from the given one by more than rounding."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(64, layer.in_features, generator=generator).to(layer.weight)
    with torch.no_grad():
        try:
            off = relative(layer(x), made(x))
        except (RuntimeError, NotImplementedError) as error:
            where = f"{str(layer.weight.dtype).removeprefix('torch.')} on {layer.weight.device}"
            raise Left(f"torch has no such product in {where} ({first_line(error)})") from error
    if not off <= torch.finfo(layer.weight.dtype).eps ** 0.5:
        raise Left(f"torch's product of the new layer differs by {off:.2g}")
