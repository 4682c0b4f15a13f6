"""Steps: how each node of a forward pass turns constant inputs into constant outputs.

Stages have one input and no layer. The steps here are everything else: layers, sums, products,
concatenation, attention and norms.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol, cast

import torch
from torch import Tensor, fx, nn

from bridle.sparsity.compaction.stages import Constants, Stage

__all__ = [
    "Attended",
    "Chunk",
    "Combined",
    "Concatenated",
    "Convolved",
    "Held",
    "Normed",
    "Place",
    "Step",
    "Through",
    "Values",
    "Written",
    "exact",
    "no_constants",
    "pads_with_zeros",
]

Place = fx.Node | tuple[fx.Node, str]
"""A node, or a part of what happens in it."""

Values = Mapping[Place, Constants]


class Step(Protocol):
    """What one node computes."""

    @property
    def node(self) -> Place:
        """The node."""

    def push(self, values: Values, model: nn.Module) -> Constants:
        """Return the constants of the node's output, from those of its inputs."""


def exact(tensor: Tensor) -> Tensor:
    """Return a tensor as float64, on the CPU."""
    return tensor.detach().cpu().double()


def no_constants(count: int) -> Constants:
    """Return that no feature is known to be constant."""
    return Constants(torch.zeros(count, dtype=torch.bool), torch.zeros(count).double())


def pads_with_zeros(layer: nn.Module) -> bool:
    """Whether a layer is a convolution whose border reads zeros."""
    if not isinstance(layer, nn.Conv2d):
        return False
    # torch stores the padding of 'same' and 'valid' here
    return layer.padding_mode == "zeros" and any(layer._reversed_padding_repeated_twice)


@dataclass(frozen=True)
class Through:
    """A stage."""

    node: fx.Node
    source: fx.Node
    stage: Stage

    def push(self, values: Values, model: nn.Module) -> Constants:
        """Push the constants through the stage."""
        return self.stage.push(values[self.source], model)


@dataclass(frozen=True)
class Written:
    """The output of a layer or an embedding: constant where all its weights are zero."""

    node: fx.Node
    target: str
    axis: int

    def push(self, values: Values, model: nn.Module) -> Constants:  # noqa: ARG002
        """Return the biases of the units without weights."""
        module = model.get_submodule(self.target)
        weight = cast(Tensor, module.weight).transpose(0, self.axis)
        bias = cast("Tensor | None", getattr(module, "bias", None))
        known = (weight == 0).flatten(1).all(1).cpu()
        return Constants(known, exact(weight.new_zeros(len(weight)) if bias is None else bias))


@dataclass(frozen=True)
class Convolved:
    """A convolution in groups: constant where the weights, or all inputs of the group, are."""

    node: fx.Node
    source: fx.Node
    target: str

    def push(self, values: Values, model: nn.Module) -> Constants:
        """Return the constants of its channels."""
        layer = cast(nn.Conv2d, model.get_submodule(self.target))
        known, value = values[self.source]
        weight, units = exact(layer.weight).flatten(2).sum(2), len(layer.weight)
        usable = known & value.isfinite()
        if pads_with_zeros(layer):
            usable = usable & (value == 0)
        members = usable.view(layer.groups, -1).repeat_interleave(units // layer.groups, 0)
        inputs = torch.where(usable, value, 0.0).view(layer.groups, -1)
        total = (weight * inputs.repeat_interleave(units // layer.groups, 0)).sum(1)
        zero = (layer.weight == 0).flatten(1).all(1).cpu()
        bias = torch.zeros(units).double() if layer.bias is None else exact(layer.bias)
        return Constants(zero | members.all(1), torch.where(zero, bias, bias + total))


@dataclass(frozen=True)
class Held:
    """A parameter or a buffer, as an activation; constant along its last axis or another."""

    node: fx.Node
    axis: int

    def push(self, values: Values, model: nn.Module) -> Constants:  # noqa: ARG002
        """Return the entries that are equal along all other axes."""
        owner, _, name = str(self.node.target).rpartition(".")
        tensor = exact(getattr(model.get_submodule(owner), name))
        flat = tensor.transpose(0, self.axis).reshape(tensor.shape[self.axis], -1)
        return Constants((flat == flat[:, :1]).all(1), flat[:, 0])


@dataclass(frozen=True)
class Combined:
    """A sum, a difference, a product or a quotient; an input without a node varies."""

    node: fx.Node
    operation: Callable[[Tensor, Tensor], Tensor]
    left: fx.Node | None
    right: fx.Node | None

    def push(self, values: Values, model: nn.Module) -> Constants:  # noqa: ARG002
        """Return the constants: of two constants, and of a product with zero."""
        count = len(values[cast(fx.Node, self.left or self.right)].known)
        nothing = no_constants(count)
        a = nothing if self.left is None else values[self.left]
        b = nothing if self.right is None else values[self.right]
        known = a.known & b.known
        value = torch.where(known, self.operation(a.value, b.value), 0.0)
        if self.operation is torch.mul:
            known = known | (a.known & (a.value == 0)) | (b.known & (b.value == 0))
        return Constants(known, value)


@dataclass(frozen=True)
class Concatenated:
    """A concatenation along the units' axis (or another, if ``joined`` is False)."""

    node: fx.Node
    sources: tuple[fx.Node | int, ...]
    joined: bool

    def push(self, values: Values, model: nn.Module) -> Constants:  # noqa: ARG002
        """Return the constants of all parts; a number is a part that varies, of that many."""
        parts = [
            no_constants(source) if isinstance(source, int) else values[source]
            for source in self.sources
        ]
        if self.joined:
            return Constants(*(torch.cat([part[i] for part in parts]) for i in range(2)))
        first = parts[0]
        known = torch.stack([part.known & (part.value == first.value) for part in parts]).all(0)
        return Constants(known, first.value)


@dataclass(frozen=True)
class Chunk:
    """A part of a tensor, which :func:`torch.chunk` cut along the units' axis."""

    node: fx.Node
    source: fx.Node
    first: int
    count: int

    def push(self, values: Values, model: nn.Module) -> Constants:  # noqa: ARG002
        """Return the constants of the part."""
        known, value = values[self.source]
        part = slice(self.first, self.first + self.count)
        return Constants(known[part], value[part])


@dataclass(frozen=True)
class Attended:
    """Heads of attention: their weights sum to one, so that constant values stay constant."""

    node: Place
    target: str
    names: tuple[str, str]
    first: int
    groups: int
    repeats: int
    dim: int

    def push(self, values: Values, model: nn.Module) -> Constants:  # noqa: ARG002
        """Return the constants of the values, once for each query head."""
        module = model.get_submodule(self.target)
        rows = slice(self.first, self.first + self.groups * self.dim)
        weight = getattr(module, self.names[0])[rows]
        bias = getattr(module, self.names[1])
        value = weight.new_zeros(len(weight)) if bias is None else bias[rows]
        known = (weight == 0).all(1).cpu()
        return Constants(*(self._repeated(part) for part in (known, exact(value))))

    def _repeated(self, part: Tensor) -> Tensor:
        return part.view(self.groups, self.dim).repeat_interleave(self.repeats, 0).flatten()


@dataclass(frozen=True)
class Normed:
    """LayerNorm or RMSNorm: constant where γ is zero; RMSNorm keeps zeros."""

    node: fx.Node
    source: fx.Node
    target: str

    def push(self, values: Values, model: nn.Module) -> Constants:
        """Return the constants."""
        module = model.get_submodule(self.target)
        gamma, beta = (cast("Tensor | None", getattr(module, n, None)) for n in ("weight", "bias"))
        known, value = values[self.source]
        if isinstance(module, nn.LayerNorm):
            known = torch.zeros_like(known)  # the mean is subtracted from zeros, too
        known = known & (value == 0)
        if gamma is not None:
            known = known | (gamma == 0).cpu()
        return Constants(known, torch.zeros_like(value) if beta is None else exact(beta))
