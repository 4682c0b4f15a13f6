"""Stages: operations between two layers, and their effect on constant and removed units.

A stage works on *features*, the entries along the axis that the next layer reads. A unit is one
feature, or, after flattening a feature map, one feature for each pixel. ``Constants`` has the
features whose value does not depend on the input or the pixel, and their values.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Protocol, cast

import torch
from torch import Tensor, fx, nn

__all__ = ["Constants", "Elementwise", "Flatten", "Normalize", "Pool", "Stage"]


class Constants(NamedTuple):
    """Which features are constant (bool), and their values (float64); ``[features]``, on CPU."""

    known: Tensor
    value: Tensor


class Stage(Protocol):
    """One operation between a layer and the next."""

    @property
    def name(self) -> str:
        """Its name in messages."""

    @property
    def factor(self) -> int:
        """How many output features each input feature becomes."""

    def push(self, constants: Constants, model: nn.Module) -> Constants:
        """Return the constants after the stage."""


@dataclass(frozen=True)
class Elementwise:
    """An elementwise function without parameters."""

    name: str
    node: fx.Node
    factor: int = 1

    def push(self, constants: Constants, model: nn.Module) -> Constants:
        """Return the function's values at the constants."""

        def value_of(_: fx.Node) -> Tensor:
            return constants.value.clone()  # the function may change it in place

        args, kwargs = fx.map_arg(self.node.args, value_of), fx.map_arg(self.node.kwargs, value_of)
        target = self.node.target
        if self.node.op == "call_module":
            # call forward directly: calling the module would run the user's hooks
            value = model.get_submodule(str(target)).forward(*args, **kwargs)
        elif self.node.op == "call_method":
            value = getattr(args[0], str(target))(*args[1:], **kwargs)
        else:
            value = target(*args, **kwargs)  # type: ignore[operator]
        return Constants(constants.known, value)


@dataclass(frozen=True)
class Pool:
    """A mean, a maximum or the identity: constants stay constant, or only zeros do."""

    name: str
    only_zero: bool = False
    factor: int = 1

    def push(self, constants: Constants, model: nn.Module) -> Constants:  # noqa: ARG002
        """Return the features that stay constant."""
        known, value = constants
        return Constants(known & (value == 0), value) if self.only_zero else constants


@dataclass(frozen=True)
class Flatten:
    """Flattening: a unit's pixels become adjacent features."""

    name: str
    factor: int

    def push(self, constants: Constants, model: nn.Module) -> Constants:  # noqa: ARG002
        """Return each constant once for each pixel."""
        return Constants(*(part.repeat_interleave(self.factor) for part in constants))


@dataclass(frozen=True)
class Normalize:
    """Batch normalization, with parameters and statistics for each feature."""

    name: str
    target: str
    factor: int = 1

    def push(self, constants: Constants, model: nn.Module) -> Constants:
        """Normalize the constants by the running statistics; where γ is 0, the constant is β."""
        module = cast(nn.BatchNorm2d, model.get_submodule(self.target))
        known, value = constants
        if module.running_mean is None or module.running_var is None:
            known = torch.zeros_like(known)  # batch statistics depend on the input
        else:
            deviation = (_exact(module.running_var) + module.eps).sqrt()
            value = (value - _exact(module.running_mean)) / deviation
        if module.affine:
            gamma, beta = _exact(module.weight), _exact(module.bias)
            value = torch.where(gamma == 0, beta, value * gamma + beta)
            known = known | (gamma == 0)
        return Constants(known, value)


def _exact(tensor: Tensor) -> Tensor:
    return tensor.detach().cpu().double()
