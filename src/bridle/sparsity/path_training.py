"""Training of one network at one strength after another, for the λ path."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd

from bridle.errors import TrainingError, UsageError
from bridle.modules.attach import attach
from bridle.modules.decaying import penalties_among
from bridle.modules.layout import groups_in
from bridle.modules.rules import penalties_by_name
from bridle.penalties import Grouping, Penalty, at_step

__all__ = ["Batch", "Loss", "PathTrainer", "bound_groups", "gpus_of", "loss_gradients"]

Batch = tuple[Tensor, ...]
Loss = Callable[[nn.Module, Any], Tensor]


class PathTrainer:
    """Trains a copy of a model, and evaluates it.

    Parameters
    ----------
    model : torch.nn.Module
        The model to copy.
    names : list of str
        The penalized parameters.
    training : tuple of Tensor
    loss : callable
        ``loss(model, batch)``.
    optimizer : callable
        Parameters → a new optimizer, for each strength.
    batch_size : int or None
        None uses all rows as one batch.
    metric : str
        See :func:`bridle.attach`.
    seed : int
        Of the shuffles.
    """

    def __init__(
        self,
        model: nn.Module,
        names: list[str],
        training: Batch,
        *,
        loss: Loss,
        optimizer: Callable[[Any], torch.optim.Optimizer],
        batch_size: int | None,
        metric: str,
        seed: int,
    ) -> None:
        self.model = copy.deepcopy(model).train()
        self.names = names
        self.weights = tuple(dict(self.model.named_parameters())[name] for name in names)
        self._initial = _state(self.model)
        self._training = training
        self._loss = loss
        self._optimizer = optimizer
        self._batch_size = batch_size
        self._metric = metric
        self._shuffles = torch.Generator().manual_seed(seed)
        first = optimizer(self.model.parameters())
        if not isinstance(first, torch.optim.Optimizer):
            raise UsageError(
                f"optimizer returned a {type(first).__name__}; return a torch.optim.Optimizer"
            )
        self.learning_rate = min(float(group["lr"]) for group in first.param_groups)

    def leave_saddle(self, rule: Penalty) -> None:
        """Restore the initial weights if all weights are zero and the next step keeps them zero."""
        if any(bool(w.any()) for w in self.weights):
            return
        self.model.train()
        rate = self.learning_rate
        gradients = loss_gradients(self.model, self._training, self._loss, self.names)
        acting = penalties_by_name(self.model, {self.weights: rule})  # knows the axes of groups
        if not any(
            bool(each.prox(-rate * g, rate).any())
            for name, _, g in gradients
            for each in at_step(penalties_among(acting[name]), 0)
        ):
            self.model.load_state_dict(self._initial)

    def train(self, rule: Penalty, *, epochs: int, tolerance: float) -> int:
        """Train with a penalty, and return the number of epochs.

        Stops after an epoch that changes no parameter by more than ``tolerance``.
        """
        self.model.train()
        optimizer = self._optimizer(self.model.parameters())
        attached = attach(optimizer, {self.weights: rule}, model=self.model, metric=self._metric)
        done, change = 0, math.inf
        while done < epochs and not change <= tolerance:
            before = [w.detach().clone() for w in self.model.parameters()] if tolerance else []
            for batch in self._batches():
                optimizer.zero_grad()
                _loss_value(self.model, batch, self._loss).backward()
                optimizer.step()
            if tolerance:
                pairs = zip(before, self.model.parameters(), strict=True)
                change = max(float((a - b).detach().abs().max()) for a, b in pairs)
            done += 1
        attached.detach()
        return done

    @torch.no_grad()
    def evaluate(
        self, held_out: Batch, score: Callable[[nn.Module, Any], Any] | None
    ) -> tuple[Any, ...]:
        """Return both losses, the score, the zeros, the dead units and inputs, and the state."""
        self.model.eval()
        losses = [
            float(_loss_value(self.model, part, self._loss)) for part in (held_out, self._training)
        ]
        number = None if score is None else float(score(self.model, held_out))
        zeros = [float((w == 0).double().mean()) for w in self.weights]
        shares = dict(zip(self.names, zeros, strict=True))
        return (*losses, number, shares, *_count_dead(self.model), _state(self.model))

    def _batches(self) -> list[Batch]:
        rows = self._training
        if self._batch_size is None:
            return [rows]
        parts = torch.randperm(len(rows[0]), generator=self._shuffles).split(self._batch_size)
        return [tuple(each[part.to(each.device)] for each in rows) for part in parts]


def gpus_of(model: nn.Module) -> list[int]:
    """Return the GPUs whose random state the model can change."""
    return sorted({p.device.index for p in model.parameters() if p.is_cuda})


def bound_groups(model: nn.Module, names: list[str], groups: Grouping) -> dict[str, Grouping]:
    """Return the groups of each named weight."""
    found = {}
    for name in names:
        path, _, last = name.rpartition(".")
        module, holder = (
            model.get_submodule(path),
            model.get_submodule(path.rpartition(".")[0]),
        )
        axes = getattr(module, last).ndim
        found[name] = groups_in(groups, name, module, axes, holder)
    return found


def loss_gradients(
    model: nn.Module, batch: Any, loss: Loss, names: list[str]
) -> list[tuple[str, Tensor, Tensor]]:
    """Return each named weight with its name and its gradient; the model is not changed."""
    with torch.random.fork_rng(gpus_of(model)), torch.enable_grad():
        twin = copy.deepcopy(model)  # the loss may update running statistics
        weights = [dict(twin.named_parameters())[name] for name in names]
        value = _loss_value(twin, batch, loss)
        known = (
            torch.autograd.grad(value, weights, allow_unused=True) if value.requires_grad else []
        )
    triples = zip(names, weights, known, strict=False)
    found = [(name, w.detach(), g) for name, w, g in triples if g is not None]
    if not found:
        raise UsageError(
            f"the loss does not depend on {', '.join(names[:4])}; select weights that it depends on"
        )
    return found


def _loss_value(model: nn.Module, batch: Any, loss: Loss) -> Tensor:
    value = loss(model, batch)
    if not isinstance(value, Tensor) or value.ndim:
        shown = f"shape {list(value.shape)}" if isinstance(value, Tensor) else type(value).__name__
        raise UsageError(f"loss returned a value of {shown}; return a scalar Tensor")
    if not bool(value.isfinite()):
        raise TrainingError(f"the loss is {value.item()}; lower the learning rate, or scale X")
    return value


def _state(model: nn.Module) -> dict[str, Any]:
    return {
        name: value.detach().to("cpu", copy=True) if isinstance(value, Tensor) else value
        for name, value in model.state_dict().items()
    }


def _count_dead(model: nn.Module) -> tuple[dict[str, int], dict[str, int]]:
    """Count the units and the inputs of each layer whose weights are all zero."""
    units, inputs = {}, {}
    for name, layer in model.named_modules():
        if isinstance(layer, nn.Linear | _ConvNd):
            groups = getattr(layer, "groups", 1)
            rows, columns = layer.weight.shape[:2]
            zero = (layer.weight == 0).reshape(groups, rows // groups, columns, -1).all(-1)
            # [groups, out, in]; a transposed convolution has [groups, in, out]
            out, into = (1, 2) if not getattr(layer, "transposed", False) else (2, 1)
            units[name] = int(zero.all(into).sum())
            inputs[name] = int(zero.all(out).sum())
    return units, inputs
