"""Weights that a module computes from parameters: parametrizations, pruning, older norms."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn.modules.linear import NonDynamicallyQuantizableLinear
from torch.nn.utils import parametrize, prune
from torch.nn.utils.spectral_norm import SpectralNorm
from torch.nn.utils.weight_norm import WeightNorm

from bridle.errors import UsageError
from bridle.penalties import Penalty
from bridle.penalties.protocol import takes_steps

__all__ = ["EffectiveWeight", "OfEffective", "OnPruned", "effective_weights", "refuse_uncalled"]


_READS = {"super", "multi_head_attention_forward"}  # what a forward pass without a call uses


@dataclass(frozen=True)
class EffectiveWeight:
    """A weight that a module computes from parameters, its sources, before it uses it."""

    path: str
    module: nn.Module
    name: str
    method: str
    """What computes it, such as ``"weight_norm"`` or ``"pruning"``."""

    sources: dict[str, nn.Parameter]

    @property
    def full_name(self) -> str:
        """The weight's qualified name, such as ``"0.weight"``."""
        return f"{self.path}.{self.name}" if self.path else self.name

    @property
    def parametrization(self) -> parametrize.ParametrizationList | None:
        """The module that computes it, if it is a parametrization and not a hook."""
        return _parametrizations(self.module).get(self.name)

    @property
    def of_norm(self) -> bool:
        """Whether it is a direction times a length."""
        return self.method in ("weight_norm", "WeightNorm")

    def mask(self) -> Tensor:
        """Return the mask of a pruned weight."""
        return cast(Tensor, getattr(self.module, f"{self.name}_mask"))

    def compute(self) -> Tensor:
        """Return the weight, differentiable, without a change to any buffer."""
        inner = self.parametrization
        if inner is not None:
            training = {module: module.training for module in inner.modules()}
            inner.eval()  # the power iteration of a spectral norm runs in training
            try:
                return inner.forward()  # without hooks
            finally:
                for module, was in training.items():
                    module.training = was
        if self.method == "pruning":
            (orig,) = self.sources.values()
            return orig * self.mask().to(orig.dtype)
        for hook in self.module._forward_pre_hooks.values():
            if isinstance(hook, WeightNorm) and hook.name == self.name:
                return hook.compute_weight(self.module)
            if isinstance(hook, SpectralNorm) and hook.name == self.name:
                return hook.compute_weight(self.module, do_power_iteration=False)
        raise UsageError(
            f"{self.full_name} is not computed by {self.method} any more: attach again"
        )


def effective_weights(model: nn.Module) -> list[EffectiveWeight]:
    """Return the weights that a model's modules compute, in the model's order."""
    return [
        EffectiveWeight(path, module, name, method, sources)
        for path, module in model.named_modules()
        for name, method, sources in _computed(path, module)
    ]


def refuse_uncalled(path: str, module: nn.Module, model: nn.Module) -> None:
    """Raise a UsageError if a weight of a module is computed by a hook that never runs.

    ``nn.MultiheadAttention`` reads the weight of its ``out_proj``, which it never calls. A subclass
    may have a forward pass of its own that does.
    """
    if not isinstance(module, NonDynamicallyQuantizableLinear):
        return
    forward = type(model.get_submodule(path.rpartition(".")[0])).forward
    used = getattr(getattr(forward, "__code__", None), "co_names", ())
    if forward is not nn.MultiheadAttention.forward and not _READS.intersection(used):
        return
    parametrized = _parametrizations(module)
    for name, method, sources in _computed(path, module):
        if name in parametrized:
            continue
        if method == "pruning":
            way = f"call torch.nn.utils.prune.remove on {path} and {name!r} first"
        else:
            way = f"use torch.nn.utils.parametrizations.{method}, which acts there"
        raise UsageError(
            f"{path}.{name} is computed by {method} in a hook, which never runs: the attention "
            f"module reads the weight and does not call {path}, so that training does not reach "
            f"{' and '.join(sources)}: {way}"
        )


def _computed(path: str, module: nn.Module) -> Iterator[tuple[str, str, dict[str, nn.Parameter]]]:
    prefix = f"{path}." if path else ""
    for name, inner in _parametrizations(module).items():
        methods = [type(each).__name__.strip("_") for each in inner]
        sources = inner.named_parameters(prefix=f"{prefix}parametrizations.{name}")
        yield name, " and ".join(methods), dict(sources)
    suffixes: tuple[str, ...]
    for hook in module._forward_pre_hooks.values():
        if isinstance(hook, WeightNorm):
            name, method, suffixes = hook.name, "weight_norm", ("_g", "_v")
        elif isinstance(hook, SpectralNorm):
            name, method, suffixes = hook.name, "spectral_norm", ("_orig",)
        elif isinstance(hook, prune.BasePruningMethod):
            name, method, suffixes = hook._tensor_name, "pruning", ("_orig",)
        else:
            continue
        parameters = {f"{prefix}{name}{end}": module._parameters[name + end] for end in suffixes}
        yield name, method, {key: each for key, each in parameters.items() if each is not None}


def _parametrizations(module: nn.Module) -> dict[str, parametrize.ParametrizationList]:
    """Return what computes a module's parametrized tensors, by the tensor's name."""
    if not parametrize.is_parametrized(module):
        return {}
    return dict(cast(Any, module.parametrizations))


class OfEffective:
    """A penalty of an effective weight, as a function of one of its sources.

    Its value counts once, at the first source. Its gradient goes through the computation. It has no
    proximal step, because a source does not have the norm, the zeros or the length of the weight.
    """

    separable = False
    elastic = None

    def __init__(self, penalty: Penalty, weight: EffectiveWeight, source: str) -> None:
        self.penalty = penalty
        self.weight = weight
        self.source = source
        self.constraint = penalty.constraint

    def __repr__(self) -> str:
        return f"{self.penalty} of {self.weight.full_name}"

    def value(self, weight: Tensor) -> Tensor:
        """Return R of the effective weight at the first source, and 0 at the others."""
        if self.source != next(iter(self.weight.sources)):
            return weight.new_zeros(())
        return self.penalty.value(self.weight.compute())

    def gradient(self, weight: Tensor) -> Tensor:
        """Return the gradient with respect to the source, which must be ``weight``."""
        source = self.weight.sources[self.source]
        with torch.enable_grad():
            effective = self.weight.compute()
        pushed = self.penalty.gradient(effective.detach())
        (gradient,) = torch.autograd.grad(effective, source, pushed, allow_unused=True)
        return torch.zeros_like(weight) if gradient is None else gradient

    def prox(self, weight: Tensor, step: float | Tensor) -> Tensor:  # noqa: ARG002
        """Raise a UsageError."""
        raise UsageError(self.refusal())

    def refusal(self) -> str:
        """Return why there is no proximal step, and what to do."""
        name, method = self.weight.full_name, self.weight.method
        lengths = ""
        if self.weight.of_norm:
            lengths = f"penalize the lengths of its rows, {next(iter(self.weight.sources))!r}"
        way = "" if self.constraint else "use mode='coupled'"
        way = " or ".join(filter(None, (way, lengths))) or "leave it out of the rules"
        return (
            f"{name} is computed by {method} from {' and '.join(self.weight.sources)}, so that the "
            f"proximal step of {self.penalty} has no closed form there: {way}"
        )


class OnPruned:
    """A penalty of a pruned weight, as a function of the parameter under the mask.

    The entries under the mask's zeros are not in the weight, and do not change.
    """

    elastic = None  # its step is not the step of the whole parameter

    def __init__(self, penalty: Penalty, weight: EffectiveWeight) -> None:
        self.penalty = penalty
        self.weight = weight
        self.separable = penalty.separable
        self.constraint = penalty.constraint
        self.steps_per_weight = takes_steps(penalty)

    def __repr__(self) -> str:
        return f"{self.penalty} of {self.weight.full_name}"

    def value(self, weight: Tensor) -> Tensor:
        """Return R of the masked weight."""
        return self.penalty.value(weight * self._mask(weight))

    def gradient(self, weight: Tensor) -> Tensor:
        """Return the gradient of R at the masked weight, 0 under the mask."""
        mask = self._mask(weight)
        return self.penalty.gradient(weight * mask) * mask

    def prox(self, weight: Tensor, step: float | Tensor) -> Tensor:
        """Return the proximal step of the masked weight."""
        mask = self._mask(weight)
        return torch.where(mask.bool(), self.penalty.prox(weight * mask, step), weight)

    def _mask(self, weight: Tensor) -> Tensor:
        return self.weight.mask().to(weight)
