"""Learned noise rates: parameters of the optimizer, but not of the model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import distributed as dist, nn

from bridle.errors import UsageError
from bridle.modules.attachment import Attachment
from bridle.modules.noise_hooks import UnitNoise, WeightNoise, noises_of
from bridle.modules.ranks import Ranks
from bridle.noise import ConcreteDropout
from bridle.penalties import Penalty

__all__ = ["LearnedRates", "load_rates", "rates_of", "regularizers_of"]

Placed = UnitNoise | WeightNoise


def _learned(noises: Sequence[Placed]) -> dict[str, tuple[ConcreteDropout, nn.Parameter]]:
    """Return each noise that learns its rate, and the rate's logit, by the rate's name."""
    return {
        f"rate {placed.where} {placed.name}": (placed.noise, placed.noise.learned)
        for placed in noises
        if isinstance(placed.noise, ConcreteDropout)
    }


def rates_of(noises: Sequence[Placed]) -> dict[str, float]:
    """Return the logits of the learned rates, by name."""
    return {name: float(logit.detach()) for name, (_, logit) in _learned(noises).items()}


def load_rates(noises: Sequence[Placed], state: Mapping[str, float]) -> None:
    """Set the logits to values from :func:`rates_of`."""
    with torch.no_grad():
        for name, (_, logit) in _learned(noises).items():
            logit.fill_(state[name])


def regularizers_of(model: nn.Module) -> dict[str, Penalty]:
    """Return the penalty on each learned rate of a model's noises, by the rate's name."""
    learned = _learned(noises_of(model))
    return {name: noise.regularizer() for name, (noise, _) in learned.items()}


class LearnedRates:
    """The learned rates of a model's noises, and their membership in an optimizer."""

    def __init__(self, noises: Sequence[Placed]) -> None:
        self._learned = _learned(noises)
        self._ranks = noises[0].ranks if noises else Ranks()
        self._optimizer: torch.optim.Optimizer | None = None
        self._attachment: Attachment | None = None
        self._handle: Any = None

    def __bool__(self) -> bool:
        return bool(self._learned)

    def add_to(self, optimizer: torch.optim.Optimizer) -> None:
        """Add the rates to an optimizer, without weight decay. Later calls do nothing.

        They join a parameter group without weight decay, or a new one if there is none.

        Raises
        ------
        UsageError
            If a new group is needed, but a learning-rate scheduler already exists.
        """
        if not self._learned or self._optimizer is not None:
            return
        logits = {name: logit for name, (_, logit) in self._learned.items()}
        groups = [g for g in optimizer.param_groups if not float(g.get("weight_decay", 0))]
        if groups:
            groups[0]["params"].extend(logits.values())
        elif hasattr(optimizer.step, "_wrapped_by_lr_sched"):
            raise UsageError(
                "learned dropout rates need a parameter group with weight_decay=0; none exists, "
                "and none can be added after the scheduler is created: create the scheduler after "
                "bridle.regularize, or add such a group to the optimizer"
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
        """Remove the rates and their state from the optimizer.

        If a learning-rate scheduler exists, it counts the group that was added for them. The group
        then stays, empty.
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
        """Average the gradients over processes; data-parallel wrappers do not know the rates."""
        if not (dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1):
            return
        for _noise, logit in self._learned.values():
            if logit.grad is None:
                logit.grad = torch.zeros_like(logit)
            self._ranks.average_(logit.grad)
