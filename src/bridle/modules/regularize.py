"""``regularize``: add noises to a module and penalties to its optimizer, with a way to undo it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from bridle.errors import UsageError
from bridle.modules.attach import attach
from bridle.modules.attachment import Attachment, PenaltyRule
from bridle.modules.computed_noise import ComputedWeightNoise
from bridle.modules.effective import EffectiveWeight
from bridle.modules.learned_rates import LearnedRates, load_rates, rates_of
from bridle.modules.noise_hooks import UnitNoise, WeightNoise, let_compilers_see_hooks, noises_of
from bridle.modules.optimizers import optimizer_for
from bridle.modules.placement import Before, Planned, plan
from bridle.modules.requests import requests_of
from bridle.modules.rules import penalties_by_name
from bridle.modules.select import Selector
from bridle.noise import Multiplier
from bridle.penalties import Annealed, Penalty, at_step

__all__ = ["Before", "Receipt", "regularize"]

Rule = Multiplier | Before | PenaltyRule
Rules = Mapping[Selector, Rule | Sequence[Rule]]


class Receipt:
    """The regularization that :func:`bridle.regularize` added to a model; ``undo()`` removes it.

    Attributes
    ----------
    noises : list
        The noises in the model's order; each has ``name``, ``noise`` and ``where``.
    penalties : dict of str to tuple of Penalty or Annealed
        The penalties of each parameter, attached to an optimizer or not.
    attachments : list of Attachment
        The attachments to optimizers.

    Examples
    --------
    >>> import torch, bridle
    >>> model = torch.nn.Linear(2, 1)
    >>> receipt = bridle.regularize(model, {"weight": bridle.L2(0.5)})
    >>> attached = receipt.attach(torch.optim.SGD(model.parameters(), lr=0.1))
    >>> print(receipt)
    weight: L2(0.5), attached to SGD
    >>> receipt.undo()
    """

    def __init__(
        self,
        model: nn.Module,
        noises: list[UnitNoise | WeightNoise],
        handles: list[Any],
        rules: dict[Selector, list[PenaltyRule]],
    ) -> None:
        self.noises = noises
        self.penalties = penalties_by_name(model, rules) if rules else {}
        if rules:  # the audit checks that they are attached, even if the receipt was discarded
            requests_of(model).given.append(self.penalties)
        self.attachments: list[Attachment] = []
        self._rates = LearnedRates(noises)
        self._optimizers: list[str] = []
        self._model = model
        self._rules = rules
        self._handles = handles

    def __str__(self) -> str:
        """Return one line for each noise, each penalized parameter and each learned rate."""
        where = ", ".join(self._optimizers)
        state = f"attached to {where}" if where else "not attached to an optimizer yet"
        lines = [f"{noise} (stream {int(noise.counter.next_address[1])})" for noise in self.noises]
        lines += [
            f"{name}: {', '.join(map(str, each))}, {state}" for name, each in self.penalties.items()
        ]
        lines += [f"{name}: learned, {state}" for name in rates_of(self.noises)]
        return "\n".join(lines) or "no noises, no penalties"

    def attach(
        self,
        optimizer: torch.optim.Optimizer,
        *,
        mode: str = "proximal",
        metric: str = "euclidean",
    ) -> Attachment | None:
        """Attach the penalties and the learned rates to an optimizer.

        See :func:`bridle.attach`. The rates of :class:`bridle.ConcreteDropout` become parameters
        of the first optimizer, without weight decay.

        Returns
        -------
        Attachment or None
            The attachment of the penalties; None if there are only rates.

        Raises
        ------
        UsageError
            If the rules have neither penalties nor rates to learn, and in the cases of
            :func:`bridle.attach`.
        """
        optimizer = optimizer_for(optimizer, mode if self._rules else "coupled")
        if not self._rules and not self._rates:
            raise UsageError("the rules have no penalties to attach; give one to regularize")
        attached = None
        if self._rules:
            attached = attach(optimizer, self._rules, model=self._model, mode=mode, metric=metric)
            self.attachments.append(attached)
        try:
            self.learn(optimizer)
        except BaseException:
            if attached is not None:
                self.attachments.pop().detach()
            raise
        self._optimizers.append(type(optimizer).__name__)
        return attached

    def learn(self, optimizer: torch.optim.Optimizer) -> None:
        """Let an optimizer learn the noises' rates, unless another one already does.

        The penalties are not attached.

        Raises
        ------
        UsageError
            If it needs a parameter group for them, and its learning-rate scheduler allows none.
        """
        self._rates.add_to(optimizer)

    @property
    def learns(self) -> bool:
        """Whether a noise learns its rate, and so needs an optimizer."""
        return bool(self._rates)

    def undo(self) -> None:
        """Remove all noises and penalties from the model. A second call does nothing."""
        for handle in self._handles:
            handle.remove()
        for attached in self.attachments:
            attached.detach()
        self._rates.remove()
        self.penalties.clear()
        self._handles, self.noises, self._rules = [], [], {}

    def state_dict(self) -> dict[str, int | float]:
        """Return the state for a checkpoint, so that a resumed run equals an uninterrupted one.

        It has the step of each noise, the learned rates (as logits), and the steps of annealed
        penalties. All values are JSON numbers.
        """
        state: dict[str, int | float] = {
            f"{noise.where} {noise.name}": noise.counter.step for noise in self.noises
        }
        state |= rates_of(self.noises)
        state |= {name: each.step for name, each in self._annealed().items()}
        return state

    def load_state_dict(self, state: Mapping[str, int | float]) -> None:
        """Restore the state from a checkpoint.

        Raises
        ------
        UsageError
            If the checkpoint was saved with other rules.
        """
        mine = self.state_dict()
        if set(mine) != set(state):
            other = sorted(set(mine) ^ set(state))
            raise UsageError(
                "the checkpoint was saved with other rules: they differ in "
                f"{', '.join(map(repr, other))}; regularize with the rules of the checkpoint"
            )
        for noise in self.noises:
            noise.counter.step = int(state[f"{noise.where} {noise.name}"])
        load_rates(self.noises, state)
        for name, attached in self._annealed().items():
            attached.step = int(state[name])

    def _annealed(self) -> dict[str, Attachment]:
        """Return the attachments with annealed penalties, by their keys in the state."""
        return {
            f"step of attachment {place}": attached
            for place, attached in enumerate(self.attachments)
            if any(isinstance(rule, Annealed) for each in attached.rules.values() for rule in each)
        }

    def value(self) -> Tensor:
        """Return R(w), the sum of all penalties: a differentiable scalar."""
        everything = dict(self._model.named_parameters())
        step = self.attachments[0].step if self.attachments else 0
        values = [
            penalty.value(everything[name]).sum()
            for name, rules in self.penalties.items()
            for penalty in at_step(rules, step)
        ]
        return torch.stack(values).sum() if values else torch.zeros(())


def regularize(
    model: nn.Module,
    rules: Rules,
    *,
    optimizer: torch.optim.Optimizer | None = None,
    seed: int = 0,
    mode: str = "proximal",
    metric: str = "euclidean",
) -> Receipt:
    """Add noises to a model and penalties to its optimizer, without changing the model itself.

    Noises are forward hooks. Parameters (also tied ones), names, ``state_dict`` keys, dtype,
    device, mode, other hooks and an existing optimizer do not change. A mask has the address
    (seed, stream, step): each noise has its own stream, and each training pass is a step. Rows are
    distinct in every process of ``torch.distributed``.

    Parameters
    ----------
    model : torch.nn.Module
    rules : mapping of selector to a rule, or to a sequence of rules
        See :data:`bridle.modules.Selector`. ``Dropout`` and its variants act on the output of the
        matching modules (the first element of a tuple), ``Before(Dropout(...))`` on the input,
        ``DropConnect`` on the weights in the forward pass, ``WeightDrop`` on the recurrent weights,
        and a penalty on the weights. If two rules of one kind match the same place, the later one
        holds.
    optimizer : torch.optim.Optimizer, optional
        Takes the penalties, and the rates that ``ConcreteDropout`` learns. Without it, call
        ``receipt.attach(optimizer)`` later.
    seed : int
        The seed of the masks.
    mode, metric : str
        How penalties act; see :func:`bridle.attach`.

    Returns
    -------
    Receipt
        Prints one line for each noise and penalty; ``undo()`` restores the model.

    Raises
    ------
    UsageError
        If a selector matches nothing, if a rule cannot act where it is placed, or if the place
        already has a noise. The model is then unchanged.

    Examples
    --------
    >>> import torch, bridle
    >>> from torch import nn
    >>> model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    >>> optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    >>> rules = {nn.ReLU: bridle.Dropout(keep_prob=0.5), "*": bridle.L1(1e-3)}
    >>> receipt = bridle.regularize(model, rules, optimizer=optimizer)
    >>> print(receipt)
    Dropout(keep_prob=0.5, scaling='inverted') after 1 (stream 0)
    0.weight: L1(0.001), attached to SGD
    2.weight: L1(0.001), attached to SGD
    >>> receipt.undo()
    """
    if not rules:
        raise UsageError(
            "there are no rules; give a mapping such as {'fc*': bridle.Dropout(keep_prob=0.5)}"
        )
    planned: Planned = {}
    penalties: dict[Selector, list[PenaltyRule]] = {}
    for selector, given in rules.items():
        for rule in given if isinstance(given, Sequence) else [given]:
            if isinstance(rule, Multiplier | Before):
                planned |= plan(model, selector, rule)
            elif isinstance(rule, Penalty | Annealed):
                penalties.setdefault(selector, []).append(rule)
            else:
                raise UsageError(
                    f"{rule!r} for {selector!r} is not a rule; give a noise such as Dropout, "
                    "Before(Dropout), or a penalty"
                )
    taken = {(noise.where, noise.name) for noise in noises_of(model)}
    for where, name in planned:
        if (where, name) in taken:
            raise UsageError(
                f"{name!r} already has a noise {where} it: call `receipt.undo()` first"
            )
    if penalties:
        penalties_by_name(model, penalties)  # check before the model is changed
    noises, handles = _install(planned, seed, len(taken))
    receipt = Receipt(model, noises, handles, penalties)
    if optimizer is not None and (penalties or receipt.learns):
        try:
            receipt.attach(optimizer, mode=mode, metric=metric)
        except BaseException:
            receipt.undo()
            raise
    return receipt


def _install(
    planned: Planned, seed: int, first: int
) -> tuple[list[UnitNoise | WeightNoise], list[Any]]:
    if planned:
        let_compilers_see_hooks()
    noises: list[UnitNoise | WeightNoise] = []
    handles: list[Any] = []
    for stream, ((where, name), (module, noise, place)) in enumerate(planned.items(), first):
        made: UnitNoise | WeightNoise
        if place is None:
            made = UnitNoise(name, noise, where=where, seed=seed, stream=stream)
        elif isinstance(place, EffectiveWeight):
            made = ComputedWeightNoise(noise, place, seed=seed, stream=stream)
        else:
            made = WeightNoise(
                name, noise, host=place.module, attribute=place.name, seed=seed, stream=stream
            )
        noises.append(made)
        handles += made.install(module)
    return noises, handles
