"""Copies of a model and its optimizer, on which the audit makes real steps."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map

from bridle.errors import UsageError
from bridle.modules.attachment import attachments_of
from bridle.modules.noise_hooks import parameters_of
from bridle.modules.requests import forget

__all__ = ["Loss", "Sandbox", "preserved_random_state", "unwrap"]

Loss = Callable[[nn.Module, Any], Tensor]


def unwrap(model: nn.Module) -> nn.Module:
    """Return the module inside data-parallel and compiled wrappers."""
    while True:
        if isinstance(model, nn.parallel.DistributedDataParallel | nn.DataParallel):
            model = model.module
        elif hasattr(model, "_orig_mod"):
            model = cast(nn.Module, model._orig_mod)
        else:
            return model


@contextmanager
def preserved_random_state() -> Iterator[None]:
    """Restore the random states of torch, NumPy and Python afterwards."""
    numpy_state, python_state = np.random.get_state(), random.getstate()
    with torch.random.fork_rng():
        try:
            yield
        finally:
            np.random.set_state(numpy_state)
            random.setstate(python_state)


class Sandbox:
    """Makes identical copies and steps with them; the originals are only read."""

    def __init__(
        self, model: nn.Module, optimizer: torch.optim.Optimizer, batch: Any, loss: Loss
    ) -> None:
        self.model = model
        self.optimizer = optimizer
        self.batch = batch
        self.loss = loss
        self.attached = attachments_of(optimizer)

    def copies(
        self, *, attached: bool = True, decay: bool = True
    ) -> tuple[nn.Module, torch.optim.Optimizer]:
        """Return a copy of the model, and one of the optimizer for the copy's parameters."""
        try:
            model, optimizer = copy.deepcopy((self.model, self.optimizer))
        except RuntimeError as error:
            raise UsageError(
                f"the model cannot be copied ({str(error).splitlines()[0]}): "
                "audit it before its first forward pass"
            ) from error
        if not model.training:
            model.train()
        if not decay:
            for group in optimizer.param_groups:
                if "weight_decay" in group:
                    group["weight_decay"] = 0.0
        forget(model.parameters())  # the copy need not warn of penalties that it lacks
        if not attached:  # copies have the attachments of the original
            for each in attachments_of(optimizer):
                each.detach()
        return model, optimizer

    def loss_of(self, model: nn.Module) -> Tensor:
        """Return a copy's loss on a copy of the batch; check that it is a scalar."""
        batch = tree_map(lambda x: x.clone() if isinstance(x, Tensor) else x, self.batch)
        value = self.loss(model, batch)
        if not isinstance(value, Tensor) or value.numel() != 1:
            raise UsageError(f"loss(model, batch) returned {value!r}; return a scalar tensor")
        return value

    def check_loss(self) -> None:
        """Check that the loss depends on the model that it is given."""
        model, _ = self.copies(attached=False)
        value = self.loss_of(model)
        trainable = [p for p in model.parameters() if p.requires_grad]
        grads: tuple[Tensor | None, ...] = ()
        if value.requires_grad:
            grads = torch.autograd.grad(value, trainable, allow_unused=True)
        if all(grad is None for grad in grads):
            raise UsageError(
                "loss(model, batch) does not depend on its first argument, a copy of the model: "
                "use its first argument throughout"
            )

    def step(
        self, *, attached: bool = True, decay: bool = True
    ) -> tuple[dict[str, Tensor], dict[str, Tensor], torch.optim.Optimizer]:
        """Make a step with a copy; return the new weights, the step's gradients, the optimizer."""
        model, optimizer = self.copies(attached=attached, decay=decay)
        gradients: dict[str, Tensor] = {}

        def record(*_: Any) -> None:
            for name, parameter in parameters_of(model).items():
                if parameter.grad is not None:
                    gradients[name] = parameter.grad.detach().clone()

        optimizer.register_step_pre_hook(record)  # runs after the attachments' hooks
        with torch.random.fork_rng():  # every copy gets the same noise
            optimizer.zero_grad()
            value = self.loss_of(model)
            if value.requires_grad:
                value.backward()
            optimizer.step()
        after = {name: value.detach().clone() for name, value in parameters_of(model).items()}
        return after, gradients, optimizer
