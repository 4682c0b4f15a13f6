"""A part of the search: configurations × folds as one population, trained step by step."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from bridle.network import Network
from bridle.noise import DropConnect, Dropout
from bridle.ops import max_norm_step
from bridle.ops.stepping import adam_pass, adam_strengths
from bridle.searching.configuration import Configuration
from bridle.searching.task import Task

__all__ = ["Shard"]

BETAS = (0.9, 0.99)
_ROWS_AT_ONCE = 1024
_DRAWS = 64  # steps whose mixing shares are drawn together


def member_seed(seed: int, configuration: int, fold: int) -> int:
    """Return the seed of a member: the same network in whatever population it is."""
    return int(np.random.SeedSequence([seed, configuration, fold]).generate_state(1)[0])


class Shard:
    """Configurations of one shape, each with every fold: member ``k * folds + v``."""

    def __init__(
        self,
        task: Task,
        configurations: Sequence[Configuration],
        ids: Sequence[int],
        *,
        seed: int,
        batch_size: int,
    ) -> None:
        self.task = task = task.placed()
        self.configurations = list(configurations)
        self.ids = list(ids)
        self.seed = seed
        self.batch_size = batch_size
        self.step = 0
        hidden, bins = configurations[0].shape
        self.X = task.inputs[bins]
        seeds = [member_seed(seed, each, v) for each in ids for v in range(task.folds)]
        self.network = Network(
            [self.X.shape[1], *hidden, task.outputs],
            seeds=seeds,
            hidden_noise=self._noise(Dropout, "keep_prob"),
            input_noise=self._noise(Dropout, "input_keep_prob"),
            weight_noise=self._noise(DropConnect, "drop_connect_keep_prob"),
        ).to(task.device)
        self.parameters = list(self.network.parameters())
        self.moments = [torch.zeros_like(p) for p in self.parameters]
        self.squares = [torch.zeros_like(p) for p in self.parameters]
        self.average = [p.detach().clone() for p in self.parameters]
        self.best = [torch.empty_like(average) for average in self.average]
        self.rates = self._column("learning_rate")
        self.l1, self.l2 = self._column("l1"), self._column("l2")
        self.max_norm = self._column("max_norm")
        self.averaging = self._column("averaging")
        self._trained = [task.rows_of(v)[0] for v in range(task.folds)]
        self._orders: dict[int, tuple[int, Tensor]] = {}
        self._shares: tuple[int, Tensor] = (-1, torch.empty(0))
        self._prepare_loss()

    def _column(self, name: str) -> Tensor:
        """Return a strength of each member, float64 ``[members]``."""
        values = [float(getattr(each, name)) for each in self.configurations]
        return torch.tensor(values, dtype=torch.float64).repeat_interleave(self.task.folds)

    def _noise(self, kind: Any, name: str) -> Any:
        keep = self._column(name)
        return kind(keep_prob=keep) if bool((keep < 1).any()) else None

    def _prepare_loss(self) -> None:
        task = self.task
        self.smoothing = self._column("label_smoothing").float()[:, None].to(task.device)
        self.mixup = self._column("mixup")
        if task.classes:
            powers, y = self._column("class_weight"), task.y.cpu()
            tables = []
            for v in range(task.folds):
                counts = torch.bincount(y[self._trained[v]], minlength=task.classes)
                inverse = len(self._trained[v]) / (task.classes * counts.clamp(min=1).double())
                tables.append(inverse)
            inverse = torch.stack(tables).repeat(len(self.configurations), 1)
            self.class_weight = (inverse ** powers[:, None]).float().to(task.device)

    # ------------------------------------------------------------------------------- training

    def _batch(self) -> Tensor:
        """Return the rows of this step, int64 ``[folds, batch]``; each fold has its own."""
        size = self.batch_size
        rows = []
        for v, trained in enumerate(self._trained):
            count = len(trained)
            places = torch.arange(self.step * size, (self.step + 1) * size)
            epochs, within = places // count, places % count
            first, last = int(epochs[0]), int(epochs[-1])
            parts = [
                self._order(v, epoch)[within[epochs == epoch]] for epoch in range(first, last + 1)
            ]
            rows.append(torch.cat(parts))
        return torch.stack(rows)

    def _order(self, fold: int, epoch: int) -> Tensor:
        """Return the rows of a fold in the order of an epoch."""
        kept = self._orders.get(fold)
        if kept is None or kept[0] != epoch:
            random = np.random.default_rng([self.seed, fold, epoch, 0x0BDE])
            kept = (
                epoch,
                self._trained[fold][torch.from_numpy(random.permutation(len(self._trained[fold])))],
            )
            self._orders[fold] = kept
        return kept[1]

    def _mixing(self) -> Tensor:
        """Return what each member keeps of a row that it mixes, ``[members, 1, 1]``."""
        chunk = self.step // _DRAWS
        if self._shares[0] != chunk:
            shares = np.ones((len(self.mixup), _DRAWS), dtype=np.float32)
            for member, alpha in enumerate(self.mixup.tolist()):
                if alpha:
                    seed = int(self.network.seeds[member])
                    shares[member] = np.random.default_rng([seed, chunk]).beta(alpha, alpha, _DRAWS)
            self._shares = (chunk, torch.from_numpy(shares).to(self.task.device))
        return self._shares[1][:, self.step % _DRAWS, None, None]

    def _losses(self, outputs: Tensor, y: Tensor, shares: Tensor | None) -> Tensor:
        """Return the training loss of each member, ``[members]``; y is ``[members, batch]``."""
        if not self.task.classes:
            if shares is not None:
                y = shares[..., 0] * y + (1 - shares[..., 0]) * y.roll(1, 1)
            return (outputs[..., 0] - y).square().mean(1)
        logs = F.log_softmax(outputs, -1)
        weights = self.class_weight.gather(1, y)
        picked = -logs.gather(2, y[..., None])[..., 0]
        even = -logs.mean(-1)
        losses = ((1 - self.smoothing) * picked + self.smoothing * even) * weights
        if shares is not None:
            other = y.roll(1, 1)
            picked = -logs.gather(2, other[..., None])[..., 0]
            second = (1 - self.smoothing) * picked + self.smoothing * even
            second = second * weights.roll(1, 1)
            losses = shares[..., 0] * losses + (1 - shares[..., 0]) * second
        return losses.mean(1)

    def train(self, steps: int) -> None:
        """Make so many steps with every member."""
        task, network, count = self.task, self.network, len(self.configurations)
        network.train()
        mixes = bool(self.mixup.any())
        bounded = bool(self.max_norm.isfinite().any())
        zero = torch.zeros_like(self.rates)
        for _ in range(steps):
            rows = self._batch().repeat(count, 1).to(task.device)
            X = self.X[rows]
            y = task.y[rows]
            shares = self._mixing() if mixes else None
            if shares is not None:
                X = torch.lerp(X.roll(1, 1), X, shares)
            losses = self._losses(network(X, noise=True), y, shares)
            gradients = torch.autograd.grad(losses.sum(), self.parameters)
            self.step += 1
            t = float(self.step)
            decay = 1 - ((self.averaging + 1) / (t + self.averaging)).nan_to_num(1.0).clamp(max=1)
            shared: dict[str, Any] = {
                "learning_rate": self.rates,
                "average_decay": decay,
                "betas": BETAS,
            }
            shared["steps"] = torch.full_like(self.rates, t)
            weights = adam_strengths(l1=self.l1, l2=self.l2, **shared)
            biases = adam_strengths(l1=zero, l2=zero, **shared)
            for i, (p, g) in enumerate(zip(self.parameters, gradients, strict=True)):
                adam_pass(
                    p.data,
                    g.contiguous(),
                    self.moments[i],
                    self.squares[i],
                    self.average[i],
                    weights if i < len(network.weights) else biases,
                )
            if bounded:
                for weight in network.weights:
                    max_norm_step(weight.data, self.max_norm)
            network.steps += 1

    # ----------------------------------------------------------------------------- evaluation

    @contextmanager
    def averaged(self) -> Iterator[Network]:
        """Let the network have its averaged weights."""
        kept = [p.data for p in self.parameters]
        for p, average in zip(self.parameters, self.average, strict=True):
            p.data = average
        try:
            yield self.network
        finally:
            for p, data in zip(self.parameters, kept, strict=True):
                p.data = data

    @torch.no_grad()
    def held_out(self) -> Tensor:
        """Return the outputs of each configuration for every row, by the member that held it out.

        float32 ``[configurations, rows, outputs]``; NaN for a row that is not judged.
        """
        task = self.task
        count, rows = len(self.configurations), len(task.y)
        found = torch.full((count, rows, task.outputs), torch.nan)  # on the CPU
        parts = [task.judged_rows_of(v) for v in range(task.folds)]
        longest = max(map(len, parts))
        table = torch.stack([F.pad(part, (0, longest - len(part))) for part in parts])
        with self.averaged() as network:
            for at in range(0, longest, _ROWS_AT_ONCE):
                block = table[:, at : at + _ROWS_AT_ONCE]
                outputs = network(self.X[block.repeat(count, 1).to(task.device)], noise=False).cpu()
                outputs = outputs.view(count, task.folds, block.shape[1], -1)
                for v, part in enumerate(parts):
                    here = part[at : at + _ROWS_AT_ONCE]
                    found[:, here] = outputs[:, v, : len(here)]
        return found

    # ------------------------------------------------------------------------------------ state

    def keep_best(self, places: Sequence[int]) -> None:
        """Note the averaged weights of some configurations as their best so far."""
        folds = self.task.folds
        members = torch.tensor(
            [at * folds + v for at in places for v in range(folds)],
            dtype=torch.int64,
            device=self.task.device,
        )
        for kept, average in zip(self.best, self.average, strict=True):
            kept[members] = average[members]

    def state(self) -> dict[str, Any]:
        """Return what it has learned."""
        return {
            "step": self.step,
            "weights": [p.detach() for p in self.parameters],
            "moments": self.moments,
            "squares": self.squares,
            "average": self.average,
            "best": self.best,
        }

    def load(self, state: dict[str, Any]) -> None:
        """Go on from what :meth:`state` returned."""
        self.step = int(state["step"])
        self.network.steps.fill_(self.step)
        for name in ("moments", "squares", "average", "best"):
            setattr(self, name, [value.to(self.task.device, copy=True) for value in state[name]])
        with torch.no_grad():
            for p, value in zip(self.parameters, state["weights"], strict=True):
                p.copy_(value)
