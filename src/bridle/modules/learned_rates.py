"""Rates of noise that are learned: parameters of the optimizer, that the model knows nothing of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import distributed as dist
from torch import nn

from bridle.errors import UsageError
from bridle.modules.attachment import Attachment
from bridle.modules.noise_hooks import UnitNoise, WeightNoise, noises_of
from bridle.noise import ConcreteDropout
from bridle.penalties import Penalty

__all__ = ["LearnedRates", "load_rates", "rates_of", "regularizers_of"]

Placed = UnitNoise | WeightNoise


def _learned(noises: Sequence[Placed]) -> dict[str, tuple[ConcreteDropout, nn.Parameter]]:
    """Return the noises that learn their rate, and its logit, by the name of the rate."""
    return {
        f"rate {placed.where} {placed.name}": (placed.noise, placed.noise.learned)
        for placed in noises
        if isinstance(placed.noise, ConcreteDropout)
    }


def rates_of(noises: Sequence[Placed]) -> dict[str, float]:
    """Return the logits of the rates that noises have learned, by name."""
    return {name: float(logit.detach()) for name, (_, logit) in _learned(noises).items()}


def load_rates(noises: Sequence[Placed], state: Mapping[str, float]) -> None:
    """Set the logits to those that :func:`rates_of` returned."""
    with torch.no_grad():
        for name, (_, logit) in _learned(noises).items():
            logit.fill_(state[name])


def regularizers_of(model: nn.Module) -> dict[str, Penalty]:
    """Return the penalties on the rates that a model's noises learn, by the name of the rate."""
    learned = _learned(noises_of(model))
    return {name: noise.regularizer() for name, (noise, _) in learned.items()}


class LearnedRates:
    """The rates that a model's noises learn, and their place in an optimizer."""

    def __init__(self, noises: Sequence[Placed]) -> None:
        self._learned = _learned(noises)
        self._optimizer: torch.optim.Optimizer | None = None
        self._attachment: Attachment | None = None
        self._handle: Any = None

    def __bool__(self) -> bool:
        return bool(self._learned)

    def add_to(self, optimizer: torch.optim.Optimizer) -> None:
        """Become parameters of an optimizer, without weight decay; of the first one only.

        A group without decay takes them in, or else a new one does.

        Raises
        ------
        UsageError
            If a new group is needed and a learning-rate scheduler has counted the groups.
        """
        if not self._learned or self._optimizer is not None:
            return
        logits = {name: logit for name, (_, logit) in self._learned.items()}
        groups = [g for g in optimizer.param_groups if not float(g.get("weight_decay", 0))]
        if groups:
            groups[0]["params"].extend(logits.values())
        elif hasattr(optimizer.step, "_wrapped_by_lr_sched"):
            raise UsageError(
                "every parameter group of the optimizer has weight decay, which is not for rates, "
                "and its learning-rate scheduler allows no new group: make the scheduler after "
                "bridle.regularize, or add a group with weight_decay=0"
            )
        else:
            optimizer.add_param_group({"params": list(logits.values()), "weight_decay": 0.0})
        self._optimizer = optimizer
        self._handle = optimizer.register_step_pre_hook(self._average)
        penalties = {
            name: (noise.regularizer(),)
            for name, (noise, _) in self._learned.items()
            if noise.entropy
        }
        self._attachment = Attachment(
            optimizer, logits, penalties, mode="coupled", metric="euclidean"
        )

    def remove(self) -> None:
        """Take the rates out of the optimizer again, with their state.

        Where a learning-rate scheduler has counted the group that was made for them, it stays,
        empty.
        """
        if self._optimizer is None or self._attachment is None:
            return
        self._handle.remove()
        self._attachment.detach()
        mine = {id(logit) for _, logit in self._learned.values()}
        counted = hasattr(self._optimizer.step, "_wrapped_by_lr_sched")
        kept = []
        for group in self._optimizer.param_groups:
            others = [p for p in group["params"] if id(p) not in mine]
            if others or not group["params"] or counted:
                group["params"][:] = others
                kept.append(group)
        self._optimizer.param_groups[:] = kept
        for _, logit in self._learned.values():
            self._optimizer.state.pop(logit, None)
        self._optimizer = self._attachment = None

    @torch.no_grad()
    def _average(self, *_: Any) -> None:
        """Average the gradients over processes, which data-parallel wrappers do for the model's."""
        if not (dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1):
            return
        for _noise, logit in self._learned.values():
            if logit.grad is None:
                logit.grad = torch.zeros_like(logit)
            dist.all_reduce(logit.grad)
            logit.grad /= dist.get_world_size()
