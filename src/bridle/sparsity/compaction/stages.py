"""What may stand between two layers: what it does to their units, and to constant ones.

A stage works on *features*, the entries of the axis that the next layer reads: a unit is one
feature, or as many neighbouring ones as a flattened map has pixels. ``Constants`` says which
features have one value whatever the input (and whatever the pixel), and which value.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Protocol, cast

import torch
from torch import Tensor, fx, nn

__all__ = ["Constants", "Elementwise", "Flatten", "Normalize", "Pool", "Stage"]


class Constants(NamedTuple):
    """Which features are constant: bool and float64 ``[features]``, on the CPU."""

    known: Tensor
    value: Tensor


class Stage(Protocol):
    """One step from a layer to the next."""

    @property
    def name(self) -> str:
        """What the user calls it."""

    @property
    def factor(self) -> int:
        """How many features it makes of one."""

    def push(self, constants: Constants, model: nn.Module) -> Constants:
        """Return the constants behind it."""

    def shrink(self, model: nn.Module, keep: Tensor) -> None:
        """Keep the features of the mask ``keep`` only."""


@dataclass(frozen=True)
class Elementwise:
    """A function of each number by itself, that has no parameters."""

    name: str
    node: fx.Node
    factor: int = 1

    def push(self, constants: Constants, model: nn.Module) -> Constants:
        """Return the function's values at the constants."""

        def given(_: fx.Node) -> Tensor:
            return constants.value.clone()  # the function may work in place

        args, kwargs = fx.map_arg(self.node.args, given), fx.map_arg(self.node.kwargs, given)
        target = self.node.target
        if self.node.op == "call_module":
            # forward, not the call, which would run the user's hooks
            value = model.get_submodule(str(target)).forward(*args, **kwargs)
        elif self.node.op == "call_method":
            value = getattr(args[0], str(target))(*args[1:], **kwargs)
        else:
            value = target(*args, **kwargs)  # type: ignore[operator]
        return Constants(constants.known, value)

    def shrink(self, model: nn.Module, keep: Tensor) -> None:
        """Do nothing: it takes any number of features."""


@dataclass(frozen=True)
class Pool:
    """A mean, a maximum or the identity: constants stay, or only those that are 0 do."""

    name: str
    only_zero: bool = False
    factor: int = 1

    def push(self, constants: Constants, model: nn.Module) -> Constants:  # noqa: ARG002
        """Return the constants that are left."""
        known, value = constants
        return Constants(known & (value == 0), value) if self.only_zero else constants

    def shrink(self, model: nn.Module, keep: Tensor) -> None:
        """Do nothing: it takes any number of features."""


@dataclass(frozen=True)
class Flatten:
    """Flattening: a unit's pixels become neighbouring features."""

    name: str
    factor: int

    def push(self, constants: Constants, model: nn.Module) -> Constants:  # noqa: ARG002
        """Return each constant as often as there are pixels."""
        return Constants(*(part.repeat_interleave(self.factor) for part in constants))

    def shrink(self, model: nn.Module, keep: Tensor) -> None:
        """Do nothing: it takes any number of features."""


@dataclass(frozen=True)
class Normalize:
    """Batch normalization, which has parameters and statistics for each feature."""

    name: str
    target: str
    factor: int = 1

    def push(self, constants: Constants, model: nn.Module) -> Constants:
        """Return what the running statistics make of the constants; where γ is 0, all is β."""
        module = cast(nn.BatchNorm2d, model.get_submodule(self.target))
        known, value = constants
        if module.running_mean is None or module.running_var is None:
            known = torch.zeros_like(known)  # the batch's own statistics: no constant is one
        else:
            deviation = (_exact(module.running_var) + module.eps).sqrt()
            value = (value - _exact(module.running_mean)) / deviation
        if module.affine:
            gamma, beta = _exact(module.weight), _exact(module.bias)
            value = torch.where(gamma == 0, beta, value * gamma + beta)
            known = known | (gamma == 0)
        return Constants(known, value)

    def shrink(self, model: nn.Module, keep: Tensor) -> None:
        """Keep the parameters and statistics of some features."""
        module = cast(nn.BatchNorm2d, model.get_submodule(self.target))
        for name, parameter in list(module.named_parameters(recurse=False)):
            kept = parameter[keep.to(parameter.device)].clone()
            setattr(module, name, nn.Parameter(kept, requires_grad=parameter.requires_grad))
        for name in ("running_mean", "running_var"):
            buffer = getattr(module, name)
            if buffer is not None:
                setattr(module, name, buffer[keep.to(buffer.device)].clone())
        module.num_features = int(keep.sum())


def _exact(tensor: Tensor) -> Tensor:
    return tensor.detach().cpu().double()
