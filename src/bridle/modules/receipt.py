"""``Receipt``: what ``regularize`` added to a model, its state, and the way to undo it."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from bridle.errors import RegularizationWarning, UsageError
from bridle.modules.attach import attach
from bridle.modules.attachment import Attachment, PenaltyRule
from bridle.modules.chosen import ChosenRules, chosen_rules
from bridle.modules.decaying import penalties_among
from bridle.modules.learned_rates import LearnedRates, load_rates, rates_of
from bridle.modules.noise_hooks import UnitNoise, WeightNoise
from bridle.modules.optimizers import optimizer_for
from bridle.modules.requests import are_attached, requests_of
from bridle.modules.select import Selector
from bridle.modules.streams import check_seed, seed_of
from bridle.penalties import Annealed, Sparsity, at_step
from bridle.penalties.sharded import value_of

__all__ = ["Receipt"]

_OWN_REFERENCES = 3
"""The references to a model that only its receipt keeps: the receipt, the requests, this call."""


class Receipt:
    """The regularization that :func:`bridle.regularize` added to a model; ``undo()`` removes it.

    Attributes
    ----------
    noises : list
        The noises in the model's order; each has ``name``, ``noise`` and ``where``.
    penalties : dict of str to tuple of Penalty, Annealed, WeightDecay or Sparsity
        The rules of each parameter, attached to an optimizer or not.
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
        rules: dict[Selector, list[PenaltyRule | Sparsity]],
    ) -> None:
        self.noises = noises
        chosen = chosen_rules(model, rules) if rules else ChosenRules({}, [], [])
        self.penalties: dict[str, tuple[Any, ...]] = chosen.by_name()
        self._single, self._joint = chosen.single, chosen.joint
        if rules:  # the audit checks that they are attached, even if the receipt was discarded
            requests_of(model).given.append(self.penalties)
        if noises:
            requests_of(model).noises.extend(noises)
        self.attachments: list[Attachment] = []
        self._rates = LearnedRates(noises)
        self._optimizers: list[str] = []
        self._model = model
        self._rules = rules
        self._handles = handles
        self._read = False

    def __del__(self) -> None:
        """Warn of penalties that nothing can attach any more, since nobody read the receipt."""
        waits = getattr(self, "_rules", None) or getattr(self, "_rates", None)
        if not waits or self._read or self._optimizers or sys.is_finalizing():
            return
        if sys.getrefcount(self._model) <= _OWN_REFERENCES or self._are_attached_elsewhere():
            return
        what, so = "learned rates", "stay fixed"
        if self._rules:
            what, so = "penalties", "do nothing, unless bridle.attach gives them to one"
        warnings.warn(
            f"the receipt of bridle.regularize was thrown away before its {what} were attached "
            f"to an optimizer, so they {so}: give optimizer=… to regularize, or keep the "
            "receipt and call receipt.attach(optimizer)",
            RegularizationWarning,
            stacklevel=2,
        )

    def _are_attached_elsewhere(self) -> bool:
        weights = dict(self._model.named_parameters())
        mine = [weights[name] for name in self.penalties if name in weights]
        return bool(mine) and are_attached(mine)

    def __getstate__(self) -> dict[str, Any]:
        """Return the state of a copy, which may be thrown away, as this one may then."""
        self._read = True
        return dict(vars(self))

    def __str__(self) -> str:
        """Return one line for each noise, each penalized parameter and each learned rate."""
        self._read = True
        state = self._attached_to(self._optimizers)
        lines = [f"{noise} (stream {noise.key[1]})" for noise in self.noises]
        lines += [
            f"{name}: {', '.join(map(str, each))}, {self._state_of(name, each)}"
            for name, each in self.penalties.items()
        ]
        lines += [f"{name}: learned, {state}" for name in rates_of(self.noises)]
        return "\n".join(lines) or "no noises, no penalties"

    @staticmethod
    def _attached_to(optimizers: list[str]) -> str:
        where = ", ".join(optimizers)
        return f"attached to {where}" if where else "not attached to an optimizer yet"

    def _state_of(self, name: str, rules: tuple[Any, ...]) -> str:
        """Say to which optimizers the rules of a parameter are attached, and whether they act."""
        gradient = not any(isinstance(each, Sparsity) for each in rules)
        pairs = [
            (kind, acting.why_idle(acting.weights[name], gradient=gradient))
            for kind, acting in zip(self._optimizers, self.attachments, strict=True)
            if name in acting.weights
        ]
        if pairs and all(why for _, why in pairs):
            return self._attached_to([kind for kind, _ in pairs]) + pairs[0][1]
        return self._attached_to([kind for kind, why in pairs if not why])

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
        self._read = True
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

    def add(self, attached: Attachment, optimizer: torch.optim.Optimizer) -> None:
        """Note an attachment of some of the penalties, which ``undo()`` then removes, too."""
        self.attachments.append(attached)
        self._optimizers.append(type(optimizer).__name__)

    def learn(self, optimizer: torch.optim.Optimizer) -> None:
        """Let an optimizer learn the noises' rates, unless another one already does.

        The penalties are not attached.

        Raises
        ------
        UsageError
            If it needs a parameter group for them, and its learning-rate scheduler allows none.
        """
        self._rates.add_to(optimizer)
        self._read |= not self._rules

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
        self._read = True
        self.penalties.clear()
        requests = requests_of(self._model)
        requests.noises = [each for each in requests.noises if each not in self.noises]
        self._handles, self.noises, self._rules = [], [], {}
        self._single, self._joint = {}, []

    def state_dict(self) -> dict[str, int | float]:
        """Return the state for a checkpoint, so that a resumed run equals an uninterrupted one.

        It has the step of each noise, its stream where that differs from its place in the receipt,
        the seed if it is not 0, the learned rates (as logits), and the steps of annealed penalties.
        All values are JSON numbers.
        """
        self._read = True
        state: dict[str, int | float] = {
            f"{noise.where} {noise.name}": noise.counter.step for noise in self.noises
        }
        state |= {
            _stream_of(noise): noise.key[1]
            for place, noise in enumerate(self.noises)
            if noise.key[1] != place
        }
        state |= seed_of(self.noises)
        state |= rates_of(self.noises)
        state |= {name: each.step for name, each in self._annealed().items()}
        return state

    def load_state_dict(self, state: Mapping[str, int | float]) -> None:
        """Restore the state from a checkpoint.

        Raises
        ------
        UsageError
            If the checkpoint was saved with other rules, or with another seed.
        """
        optional = {_stream_of(noise) for noise in self.noises} | {"seed"}
        other = sorted((set(self.state_dict()) ^ set(state)) - optional)
        if other:
            raise UsageError(
                "the checkpoint was saved with other rules: they differ in "
                f"{', '.join(map(repr, other))}; regularize with the rules of the checkpoint"
            )
        check_seed(self.noises, state)
        for place, noise in enumerate(self.noises):
            noise.counter.step = int(state[f"{noise.where} {noise.name}"])
            noise.move_to(int(state.get(_stream_of(noise), place)))
        load_rates(self.noises, state)
        for name, attached in self._annealed().items():
            attached.load_state_dict({"step": int(state[name])})

    def _annealed(self) -> dict[str, Attachment]:
        """Return the attachments with schedules, by their keys in the state."""
        return {
            f"step of attachment {place}": attached
            for place, attached in enumerate(self.attachments)
            if attached.sparsity
            or any(_is_annealed(rule) for each in attached.rules.values() for rule in each)
            or any(_is_annealed(rule) for each in attached.joint for rule in each.rules)
        }

    def value(self) -> Tensor:
        """Return R(w), the sum of all penalties: a differentiable scalar."""
        self._read = True
        everything = dict(self._model.named_parameters())
        gone = [name for name in self._single if name not in everything]
        if gone:
            raise UsageError(
                f"{', '.join(gone[:4])} is no parameter of the model any more: call "
                "receipt.undo(), and regularize again"
            )
        step = self.attachments[0].step if self.attachments else 0
        values = [
            value_of(penalty, everything[name]).sum()
            for name, rules in self._single.items()
            for penalty in at_step(penalties_among(rules), step)
        ]
        for each in self._joint:
            each.bound.refuse_replaced(each)
            each.step = step
            values.append(each.value())
        return torch.stack(values).sum() if values else torch.zeros(())


def _is_annealed(rule: PenaltyRule) -> bool:
    return isinstance(rule, Annealed) or getattr(rule, "schedule", None) is not None


def _stream_of(noise: UnitNoise | WeightNoise) -> str:
    """Return the key of a noise's stream in a receipt's state."""
    return f"stream {noise.where} {noise.name}"
