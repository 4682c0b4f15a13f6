"""``Session``: adds regularization when training starts, and removes it when training ends."""

from __future__ import annotations

import weakref
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn

from bridle.errors import UsageError
from bridle.modules.attach import attach
from bridle.modules.attachment import PenaltyRule
from bridle.modules.regularize import Receipt, Rules, regularize
from bridle.modules.select import Selector

__all__ = ["Session"]


class Session:
    """The regularization of a training run; it keeps the masks' steps for the next run."""

    def __init__(self) -> None:
        self.receipt: Receipt | None = None
        self._model: weakref.ref[nn.Module] | None = None
        self._steps: dict[str, int | float] = {}

    def __getstate__(self) -> dict[str, Any]:
        """Leave everything out: a copy starts without a model."""
        return {}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__()  # type: ignore[misc]

    def begin(
        self,
        model: nn.Module,
        optimizers: Sequence[torch.optim.Optimizer],
        rules: Rules,
        *,
        seed: int,
        mode: str,
        metric: str,
        steps: Mapping[str, int | float] | None = None,
    ) -> Receipt:
        """Regularize a model and its optimizers, and return the receipt.

        ``steps`` are the mask steps of a checkpoint. Without them, a model that was trained before
        continues its sequence of masks.
        """
        self.end()  # a previous run may have ended with an error
        receipt = regularize(model, rules, seed=seed)
        try:
            if receipt.penalties or receipt.learns:
                _attach(receipt, model, optimizers, mode=mode, metric=metric)
            known = self._model is not None and self._model() is model
            if steps is None and known and self._fits(receipt.state_dict()):
                steps = self._steps
            if steps is not None:
                receipt.load_state_dict(steps)
        except BaseException:
            receipt.undo()
            raise
        self.receipt, self._model = receipt, weakref.ref(model)
        return receipt

    def _fits(self, state: Mapping[str, int | float]) -> bool:
        """Whether the masks of the previous run are those of this one."""
        same_seed = state.get("seed") == self._steps.get("seed")
        return same_seed and set(self._steps) == set(state)

    def end(self) -> None:
        """Remove all noises and penalties from the model."""
        if self.receipt is not None:
            self._steps = self.receipt.state_dict()
            self.receipt.undo()
            self.receipt = None


def _attach(
    receipt: Receipt,
    model: nn.Module,
    optimizers: Sequence[torch.optim.Optimizer],
    *,
    mode: str,
    metric: str,
) -> None:
    if len(optimizers) == 1:
        receipt.attach(optimizers[0], mode=mode, metric=metric)
        return
    weights = dict(model.named_parameters())
    left = {name for name in receipt.penalties if weights[name].requires_grad}
    for optimizer in optimizers:
        held = {id(p) for group in optimizer.param_groups for p in group["params"]}
        mine = {n: each for n, each in receipt.penalties.items() if id(weights[n]) in held}
        if mine:
            rules: dict[Selector, list[PenaltyRule]] = {
                weights[name]: list(each) for name, each in mine.items()
            }
            attached = attach(optimizer, rules, model=model, mode=mode, metric=metric)
            receipt.add(attached, optimizer)
        left -= set(mine)
    receipt.learn(optimizers[0])
    if left:
        raise UsageError(
            f"no optimizer has {', '.join(sorted(left)[:4])}, which the rules penalize: "
            "add it to an optimizer, or leave it out of the rules"
        )
