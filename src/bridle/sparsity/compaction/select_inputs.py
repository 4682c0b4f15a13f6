"""``Select``: drops the dead inputs of the first layer."""

from __future__ import annotations

from typing import cast

from torch import Tensor, nn

from bridle.sparsity.compaction.cutting import Layer, set_tensor

__all__ = ["Select", "dead_columns", "select_inputs"]


class Select(nn.Module):
    """Selects entries along one axis for the layer after it.

    Parameters
    ----------
    index : Tensor
        int64: the indices to select, stored as a buffer.
    dim : int
        The axis.

    Examples
    --------
    >>> import torch
    >>> Select(torch.tensor([0, 2]), dim=-1)(torch.tensor([[5.0, 6.0, 7.0]]))
    tensor([[5., 7.]])
    """

    index: Tensor

    def __init__(self, index: Tensor, dim: int) -> None:
        super().__init__()
        self.register_buffer("index", index)
        self.dim = dim

    def extra_repr(self) -> str:
        """Return the number of selected entries, and the axis."""
        return f"{len(self.index)} entries, dim={self.dim}"

    def forward(self, X: Tensor) -> Tensor:
        """Return the selected entries."""
        return X.index_select(self.dim, self.index)


def dead_columns(layer: Layer) -> Tensor:
    """Return which inputs no weight reads: bool ``[inputs]``, on the CPU."""
    return (layer.weight == 0).transpose(0, 1).flatten(1).all(1).cpu()


def select_inputs(model: nn.Module, name: str) -> tuple[int, ...]:
    """Remove a layer's dead inputs, and put a :class:`Select` in front of it.

    Returns
    -------
    tuple of int
        The dead inputs.
    """
    layer = cast(Layer, model.get_submodule(name))
    dead = dead_columns(layer)
    places = tuple(dead.nonzero().flatten().tolist())
    keep = ~dead
    if not keep.any():
        keep[0] = True  # torch layers have at least one input
    if keep.all():
        return places
    index = keep.nonzero().flatten().to(layer.weight.device)
    set_tensor(layer, "weight", layer.weight.detach().index_select(1, index), like=layer.weight)
    setattr(layer, "in_features" if isinstance(layer, nn.Linear) else "in_channels", len(index))
    selected = nn.Sequential()
    selected.add_module("select", Select(index, dim=-1 if isinstance(layer, nn.Linear) else -3))
    selected.add_module("layer", layer)
    selected.train(layer.training)
    for parent in list(model.modules()):
        if parent is not selected:
            for key, child in parent._modules.items():
                if child is layer:  # under each of its names
                    parent._modules[key] = selected
    return places
