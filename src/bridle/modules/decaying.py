"""Decoupled decay at an optimizer's steps, and what stands in its way."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from bridle.dialects.live import settings_of_class
from bridle.dialects.settings import DecaySetting
from bridle.errors import UsageError
from bridle.modules.optimizers import groups_of
from bridle.penalties import Annealed, Penalty, Sparsity, WeightDecay
from bridle.penalties.application import follow_iterate

__all__ = [
    "Decays",
    "decay_among",
    "decay_arguments",
    "decay_once",
    "double",
    "own_decay",
    "penalties_among",
    "refuse_no_rate",
    "start_of",
]

PEAK = "bridle_peak_lr"
"""The parameter group's entry with its highest learning rate."""

Start = tuple[Tensor, Tensor | None]
"""A weight before the step, and the iterate z of a schedule-free optimizer."""


def penalties_among(rules: Iterable[Any]) -> tuple[Penalty | Annealed, ...]:
    """Return the rules that are terms of R(w), without decays and target sparsities."""
    return tuple(rule for rule in rules if not isinstance(rule, WeightDecay | Sparsity))


def decay_among(rules: Iterable[Any]) -> WeightDecay | None:
    """Return the decay among the rules of one parameter; of several only the last acts."""
    return next((rule for rule in rules if isinstance(rule, WeightDecay)), None)


def decay_arguments(optimizer: torch.optim.Optimizer) -> tuple[str, ...]:
    """Return the arguments by which an optimizer decays, as its record says."""
    known = settings_of_class(type(optimizer), DecaySetting, optimizer.defaults)
    names = [each.argument for _, each in known if getattr(each, "coupling", None) != "none"]
    return tuple(dict.fromkeys(["weight_decay", *names]))


def own_decay(arguments: Sequence[str], group: Mapping[str, Any]) -> str | None:
    """Return the decay of an optimizer's own that acts on a group, such as "weight_decay=0.01"."""
    for name in arguments:
        value = group.get(name)
        if isinstance(value, float | int | Tensor) and value:
            return f"{name}={float(value):g}"
    return None


def refuse_no_rate(optimizer: torch.optim.Optimizer, rules: Iterable[WeightDecay]) -> None:
    """Raise a UsageError if an optimizer has no learning rate that a decay can follow."""
    name = type(optimizer).__name__
    for rule in rules:
        if isinstance(optimizer, torch.optim.LBFGS):
            raise UsageError(
                f"LBFGS searches its step along a line, beside which {rule} has no step of its "
                "own: use L2 with mode='coupled'"
            )
        if any(group.get("lr") is None for group in optimizer.param_groups):
            raise UsageError(
                f"{name} chooses its own learning rate, which {rule} would need: give it lr, or "
                "use L2 with mode='coupled'"
            )


def start_of(optimizer: torch.optim.Optimizer, weight: Tensor) -> Start:
    """Return a copy of a weight, and of its iterate z if there is one."""
    now = weight.detach().clone()
    if "train_mode" not in groups_of(optimizer)[id(weight)]:
        return now, None
    z = optimizer.state.get(weight, {}).get("z")
    return now, now if z is None else z.clone()  # the first step makes z from the weight


@torch.no_grad()
def decay_once(
    optimizer: torch.optim.Optimizer, weight: Tensor, start: Start, rule: WeightDecay, step: int
) -> None:
    """Decay a weight that the optimizer has just moved away from ``start``."""
    group = groups_of(optimizer)[id(weight)]
    before, z_before = start
    averaged = z_before is not None
    lr = float(group["scheduled_lr"] if averaged else group["lr"])
    share = rule.share(lr, peak_lr=_peak(rule, group), step=step)
    if not share:
        return
    if z_before is None:
        weight.sub_(rule.taken(before, before - weight, share))
        return
    z = optimizer.state.get(weight, {}).get("z")
    if z is not None:
        # the decay is that of y, where the gradient is taken; it moves z, and x and y follow
        follow_iterate(weight, z, -rule.taken(before, z_before - z, share), group)


def _peak(rule: WeightDecay, group: dict[str, Any]) -> float | None:
    if rule.peak_lr is not None or not rule.needs_peak:
        return rule.peak_lr
    if PEAK not in group:
        known = (group.get(name) for name in ("max_lr", "initial_lr", "lr"))
        group[PEAK] = float(next(each for each in known if each is not None))
    return float(group[PEAK])


class Decays:
    """The decays of one attachment: they remember the weights before a step, and act after it.

    Parameters
    ----------
    optimizer : torch.optim.Optimizer
    parameters : dict of str to Parameter
    rules : mapping of str to sequence of rules
        Other rules than decays are passed over.
    """

    def __init__(
        self,
        optimizer: torch.optim.Optimizer,
        parameters: dict[str, nn.Parameter],
        rules: Mapping[str, Sequence[Any]],
    ) -> None:
        found = {name: decay_among(each) for name, each in rules.items()}
        self.rules = {name: rule for name, rule in found.items() if rule is not None}
        self._parameters = parameters
        self._arguments = decay_arguments(optimizer) if self.rules else ()
        self._starts: dict[str, Start] = {}

    def before(self, optimizer: torch.optim.Optimizer) -> None:
        """Remember the weights; check that the optimizer has no decay of its own for them."""
        if not self.rules:
            return
        groups = groups_of(optimizer)
        for name, rule in self.rules.items():
            weight = self._parameters[name]
            group = groups.get(id(weight))
            if group is None:
                continue
            own = own_decay(self._arguments, group)
            if own is not None:
                raise UsageError(double(name, rule, type(optimizer).__name__, own))
            self._starts[name] = start_of(optimizer, weight)

    def after(self, optimizer: torch.optim.Optimizer, step: int) -> None:
        """Decay the weights that the step has updated."""
        for name, start in self.taken_starts().items():
            weight = self._parameters[name]
            if weight.grad is not None:
                decay_once(optimizer, weight, start, self.rules[name], step)

    def taken_starts(self) -> dict[str, Start]:
        """Return the remembered weights, and forget them."""
        starts, self._starts = self._starts, {}
        return starts


def double(name: str, rule: WeightDecay, optimizer: str, own: str) -> str:
    """Return the message for a weight that would be decayed twice."""
    return (
        f"{name} would decay twice, by {rule} and by the {own} of {optimizer}: build the optimizer "
        f"with {own.partition('=')[0]}=0, or leave {name} out of the rules"
    )
