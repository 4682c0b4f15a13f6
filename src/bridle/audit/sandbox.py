"""Copies of a model and its optimizer, on which the audit makes real steps."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable
from types import FunctionType
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map

from bridle.audit.compiled import contexts, run_eagerly
from bridle.audit.reachable import reachable
from bridle.audit.snapshot import Snapshot
from bridle.errors import UsageError, first_line
from bridle.modules.attachment import Attachment, attachments_of
from bridle.modules.learned_rates import regularizers_of
from bridle.modules.noise_hooks import parameters_of
from bridle.modules.requests import forget

__all__ = ["Loss", "Sandbox", "is_from_step", "needs_closure", "unwrap"]

Loss = Callable[[nn.Module, Any], Tensor]


def unwrap(model: nn.Module) -> nn.Module:
    """Return the module inside data-parallel and compiled wrappers."""
    while True:
        if isinstance(model, nn.parallel.DistributedDataParallel | nn.DataParallel):
            model = model.module
        elif "_orig_mod" in getattr(model, "_modules", {}):
            model = cast(nn.Module, model._orig_mod)
        else:
            return model


def needs_closure(optimizer: torch.optim.Optimizer) -> bool:
    """Whether an optimizer's step takes a closure in any case, as that of LBFGS does."""
    closure = inspect.signature(type(optimizer).step).parameters.get("closure")
    return closure is not None and closure.default is inspect.Parameter.empty


def is_from_step(error: BaseException) -> bool:
    """Whether an error comes from an optimizer's step, and not from the user's loss."""
    found, trace = False, error.__traceback__
    while trace is not None:
        frame = trace.tb_frame
        if isinstance(frame.f_locals.get("self"), torch.optim.Optimizer):
            found = True
        elif frame.f_code is Sandbox.loss_of.__code__:
            return False
        trace = trace.tb_next
    return found


def _is_free(value: Any) -> bool:
    """Whether a function holds no object, such as the optimizer to which it belongs."""
    return isinstance(value, FunctionType) and not value.__closure__


def _rate_of(group: dict[str, Any]) -> float:
    """Return a group's learning rate: NaN if the optimizer chooses it, 1 if there is none."""
    rate = group.get("lr", 1)
    return float("nan") if rate is None else float(rate)


class Sandbox:
    """Makes identical copies and steps with them; the originals are only read."""

    def __init__(
        self, given: nn.Module, optimizer: torch.optim.Optimizer, batch: Any, loss: Loss
    ) -> None:
        self.given = given
        self.model = model = unwrap(given)
        self.optimizer = optimizer
        self.batch = batch
        self.loss = loss
        self.attached = attachments_of(optimizer)
        self.roots = [given, *([model] if model is not given else [])]
        self.start = Snapshot(loss)
        self.others: list[torch.optim.Optimizer] = []
        """The optimizers of the model's other parameters, which make no steps here."""
        self.originals = [*parameters_of(model).values(), *model.buffers()]
        """What a hook of a copy may reach, as hooks are not copied."""
        self.resting = [
            _rate_of(group) == 0 and bool(group["params"]) for group in optimizer.param_groups
        ]
        """Which parameter groups have a learning rate of 0 at this step."""

    def copies(self, *, decay: bool = True) -> tuple[nn.Module, torch.optim.Optimizer]:
        """Return a copy of the model in training mode, and one of its optimizer."""
        model, optimizer, _ = self.copied()
        for each in attachments_of(optimizer):
            each.detach()
        if not decay:
            for group in optimizer.param_groups:
                if "weight_decay" in group:
                    group["weight_decay"] = 0.0
        return model, optimizer

    def _usual_rate(self, group: dict[str, Any]) -> float:
        """Return the learning rate of a group after its warm-up."""
        return float(group.get("initial_lr") or self.optimizer.defaults.get("lr") or 1e-3)

    def rate(self, place: int) -> float:
        """Return the learning rate that a parameter group has in copies; NaN if none is given."""
        group = self.optimizer.param_groups[place]
        return self._usual_rate(group) if self.resting[place] else _rate_of(group)

    def copied(self) -> tuple[nn.Module, torch.optim.Optimizer, dict[int, Any]]:
        """Return a copy of the model, one of its optimizer, and the copy of each object by id."""
        memo: dict[int, Any] = {  # results of an earlier pass, which have no copy of their own
            id(value): value.detach().clone()
            for value in reachable(self.model)
            if isinstance(value, Tensor) and not value.is_leaf
        }
        memo |= {id(each): each for each in contexts(self.model)}
        meshes = [getattr(each, "device_mesh", None) for each in self.model.parameters()]
        memo |= {id(mesh): mesh for mesh in meshes}  # copies act in the same processes
        try:
            model, optimizer = copy.deepcopy((self.model, self.optimizer), memo)
        except Exception as error:
            raise UsageError(
                f"the model cannot be copied ({first_line(error)}): audit it before its first "
                "forward pass"
            ) from error
        for name, value in vars(self.optimizer).items():  # torch copies a part of them only
            if name not in vars(optimizer) and (not callable(value) or _is_free(value)):
                setattr(optimizer, name, copy.deepcopy(value, memo))
        for group, rests in zip(optimizer.param_groups, self.resting, strict=True):
            if rests:
                rate, given = self._usual_rate(group), group["lr"]
                group["lr"] = torch.full_like(given, rate) if isinstance(given, Tensor) else rate
        forget(model.parameters())  # the copy need not warn of penalties that it lacks
        run_eagerly(model)
        if not model.training:
            model.train()
        return model, optimizer, memo

    def attach(
        self,
        optimizer: torch.optim.Optimizer,
        model: nn.Module,
        memo: dict[int, Any],
        between: Callable[[], None],
    ) -> list[Attachment]:
        """Let the penalties act on a copy; ``between`` is called before the first and after each.

        Attachments that a copied optimizer has brought along keep their hooks, in this order.
        """
        brought = attachments_of(optimizer)
        hooks = [self._taken_hooks(optimizer, each) for each in brought]
        named = parameters_of(model)
        own = {id(named[name]): (each,) for name, each in regularizers_of(model).items()}
        again = []
        between()
        for place, each in enumerate(self.attached):
            if brought:
                made = brought[place]
                for hook in hooks[place][0]:
                    optimizer.register_step_pre_hook(hook)
                for hook in hooks[place][1]:
                    optimizer.register_step_post_hook(hook)
            else:
                mine = {n: memo[id(p)] for n, p in each.parameters.items() if id(p) in memo}
                rules = {
                    n: own.get(id(p), each.rules[n]) for n, p in mine.items() if n in each.rules
                }
                made = Attachment(optimizer, mine, rules, mode=each.mode, metric=each.metric)
                made.step = each.step
            again.append(made)
            between()
        return again

    @staticmethod
    def _taken_hooks(
        optimizer: torch.optim.Optimizer, owner: Attachment
    ) -> tuple[list[Any], list[Any]]:
        """Remove an attachment's hooks from an optimizer, and return them."""
        taken: tuple[list[Any], list[Any]] = ([], [])
        everything: list[dict[int, Any]] = [
            optimizer._optimizer_step_pre_hooks,
            optimizer._optimizer_step_post_hooks,
        ]
        for kept, hooks in zip(taken, everything, strict=True):
            for key in [k for k, hook in hooks.items() if getattr(hook, "__self__", None) is owner]:
                kept.append(hooks.pop(key))
        return taken

    def loss_of(self, model: nn.Module, batch: Any = None) -> Tensor:
        """Return a copy's loss on a copy of the batch; check that it is a scalar."""
        given = self.batch if batch is None else batch
        given = tree_map(lambda x: x.clone() if isinstance(x, Tensor) else x, given)
        value = self.loss(model, given)
        if not isinstance(value, Tensor) or value.numel() != 1:
            raise UsageError(f"loss(model, batch) returned {value!r}; return a scalar tensor")
        return value

    def check_loss(self) -> None:
        """Check that the loss depends on the model that it is given."""
        model, optimizer = self.copies()
        optimizer.zero_grad()
        value = self.loss_of(model)
        if value.requires_grad:
            value.backward()
        if all(parameter.grad is None for parameter in model.parameters()):
            raise UsageError(
                "loss(model, batch) does not depend on its first argument, a copy of the model: "
                "use its first argument throughout"
            )

    def step(self, *, decay: bool = True) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Make a step with a copy, without attachments; return its weights and gradients."""
        model, optimizer = self.copies(decay=decay)
        gradients: dict[str, Tensor] = {}

        def record() -> None:
            if not gradients:
                gradients.update(
                    (name, each.grad.detach().clone())
                    for name, each in parameters_of(model).items()
                    if each.grad is not None
                )

        self.run(model, optimizer, record)
        after = {name: value.detach().clone() for name, value in parameters_of(model).items()}
        return after, gradients

    def run(
        self, model: nn.Module, optimizer: torch.optim.Optimizer, record: Callable[[], None]
    ) -> None:
        """Make one optimizer step; ``record`` is called with the gradients of the loss."""
        self.start.restore()  # every copy gets the same noise

        def closure() -> Tensor:
            optimizer.zero_grad()
            value = self.loss_of(model)
            if value.requires_grad:
                value.backward()
            record()
            return value.detach()

        if needs_closure(optimizer):
            optimizer.step(closure)  # type: ignore[arg-type]
        else:
            closure()
            optimizer.step()
