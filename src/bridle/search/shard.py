"""A part of the search: configurations × folds as one population, trained step by step."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from bridle.errors import UsageError
from bridle.networks.population import Network
from bridle.noise import DropConnect, Dropout
from bridle.ops.population import PopulationState, can_step, population_steps
from bridle.ops.stepping import PENALTIES, adam_pass, adam_strengths, max_norm_pass
from bridle.search.configuration import Configuration
from bridle.search.losses import class_weights, losses_of
from bridle.search.replaying import Pace, Replay, replays, to_gpu
from bridle.search.task import Task

__all__ = ["Shard"]

BETAS = (0.9, 0.99)
_ROWS_AT_ONCE, _OUTPUTS_AT_ONCE = 1024, 2**20  # that are predicted together: a member's, and all
_AT_ONCE = 16  # steps of one call, which an interrupt has to wait for
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
        if task.classes and not 0 <= int(task.y.min()) <= int(task.y.max()) < task.classes:
            raise UsageError(
                f"y goes from {int(task.y.min())} to {int(task.y.max())}, and there are "
                f"{task.classes} classes; give codes from 0"
            )
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
        self.max_norm = self._column("max_norm").to(task.device)
        self.averaging = self._column("averaging")
        self.mixup = self._column("mixup")
        self.mixes = bool(self.mixup.any())
        self.bounded = bool(self.max_norm.isfinite().any())
        kinds = ("input_keep_prob", "keep_prob", "drop_connect_keep_prob")
        self.keeps = torch.stack([self._column(kind) for kind in kinds])
        self._trained = [task.rows_of(v)[0] for v in range(task.folds)]
        self._orders: dict[int, tuple[int, Tensor]] = {}
        self._shares: tuple[int, Tensor] = (-1, torch.empty(0))
        self._replay = Replay() if replays(self.X.device) else None
        self._pace = Pace()
        self.smoothing = self._column("label_smoothing").float()[:, None].to(task.device)
        powers = self._column("class_weight")
        self.class_weight = (
            class_weights(task.y.cpu(), self._trained, powers, task.classes).to(task.device)
            if task.classes
            else torch.empty(0)
        )

    def _column(self, name: str) -> Tensor:
        """Return a strength of each member, float64 ``[members]``."""
        values = [float(getattr(each, name)) for each in self.configurations]
        return torch.tensor(values, dtype=torch.float64).repeat_interleave(self.task.folds)

    def _noise(self, kind: Any, name: str) -> Any:
        keep = self._column(name).to(self.task.device)
        return kind(keep_prob=keep) if bool((keep < 1).any()) else None

    # ------------------------------------------------------------------------------- training

    def _batches(self, steps: int) -> Tensor:
        """Return the rows of the next steps, int64 ``[steps, folds, batch]``; folds differ."""
        places = torch.arange(self.step * self.batch_size, (self.step + steps) * self.batch_size)
        rows = []
        for v, trained in enumerate(self._trained):
            epochs, within = places // len(trained), places % len(trained)
            first, last = int(epochs[0]), int(epochs[-1])
            parts = [
                self._order(v, epoch)[within[epochs == epoch]] for epoch in range(first, last + 1)
            ]
            rows.append(torch.cat(parts).view(steps, self.batch_size))
        return torch.stack(rows, dim=1)

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

    def _mixing(self, steps: int) -> Tensor:
        """Return what each member keeps of a row that it mixes, float32 ``[steps, members]``."""
        shares = []
        for step in range(self.step, self.step + steps):
            chunk = step // _DRAWS
            if self._shares[0] != chunk:
                self._shares = (chunk, self._drawn_shares(chunk))
            shares.append(self._shares[1][step % _DRAWS])
        return torch.stack(shares)

    def _drawn_shares(self, chunk: int) -> Tensor:
        drawn = np.ones((_DRAWS, len(self.mixup)), dtype=np.float32)
        for member, alpha in enumerate(self.mixup.tolist()):
            if alpha:
                seed = int(self.network.seeds[member])
                drawn[:, member] = np.random.default_rng([seed, chunk]).beta(alpha, alpha, _DRAWS)
        return torch.from_numpy(drawn)

    def _strengths(self, steps: int) -> Tensor:
        """Return what Adam's pass takes for weights, float64 ``[steps, members, 9]``."""
        t = torch.arange(self.step + 1, self.step + 1 + steps, dtype=torch.float64)[:, None]
        decay = 1 - ((self.averaging + 1) / (t + self.averaging)).nan_to_num(1.0).clamp(max=1)
        rates, l1, l2, t = (
            each.expand(decay.shape).reshape(-1) for each in (self.rates, self.l1, self.l2, t)
        )
        strengths = adam_strengths(
            learning_rate=rates,
            l1=l1,
            l2=l2,
            average_decay=decay.reshape(-1),
            steps=t,
            betas=BETAS,
        )
        return strengths.view(steps, len(self.rates), -1)

    def train(self, steps: int) -> None:
        """Make so many steps with every member."""
        self.network.train()
        end = self.step + steps
        while self.step < end:
            self._train(min(_AT_ONCE, end - self.step))

    def _train(self, steps: int) -> None:
        rows = self._batches(steps)
        shares = self._mixing(steps) if self.mixes else None
        strengths = self._strengths(steps)
        if can_step(self.X.device):
            self._compiled_steps(rows, shares, strengths)
        else:
            self._torch_steps([rows, strengths] if shares is None else [rows, strengths, shares])
        self.step += steps

    def _compiled_steps(self, rows: Tensor, shares: Tensor | None, strengths: Tensor) -> None:
        values = [p.detach() for p in self.parameters]
        population_steps(
            PopulationState(values, self.moments, self.squares, self.average),
            sizes=self.network.sizes,
            classes=self.task.classes,
            X=self.X,
            y=self.task.y,
            rows=rows,
            shares=shares,
            strengths=strengths,
            smoothing=self.smoothing,
            class_weight=self.class_weight,
            bounds=self.max_norm,
            seeds=self.network.seeds,
            keeps=self.keeps,
            first_step=self.step,
        )
        self.network.steps += len(rows)

    def _torch_steps(self, numbers: Sequence[Tensor]) -> None:
        """Do what :func:`population_steps` does with torch's own operations."""
        there = self.X.device
        if self._replay is None:
            for each in zip(*(n.to(there) for n in numbers), strict=True):
                self._torch_step(*each)
            return
        for each in zip(*(to_gpu(n, there) for n in numbers), strict=True):
            self._replay(self._torch_step, *each)
        self._pace()

    def _torch_step(self, rows: Tensor, weights: Tensor, shares: Tensor | None = None) -> None:
        network, task = self.network, self.task
        picked = rows.repeat(len(self.configurations), 1)
        X = self.X[picked]
        share = None if shares is None else shares[:, None]
        if share is not None:
            X = torch.lerp(X.roll(1, 1), X, share[..., None])
        outputs = network(X, noise=True)
        losses = losses_of(outputs, task.y[picked], share, self.smoothing, self.class_weight)
        gradients = torch.autograd.grad(losses.sum(), self.parameters)
        biases = weights.clone()
        biases[:, PENALTIES] = 0.0
        for i, (p, g) in enumerate(zip(self.parameters, gradients, strict=True)):
            strengths = weights if i < len(network.weights) else biases
            adam_pass(
                p.data,
                g.contiguous(),
                self.moments[i],
                self.squares[i],
                self.average[i],
                strengths,
            )
        if self.bounded:
            for weight in network.weights:
                max_norm_pass(weight.data, self.max_norm)
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
        at_once = min(_ROWS_AT_ONCE, max(1, _OUTPUTS_AT_ONCE // (count * task.folds)))
        with self.averaged() as network:
            for at in range(0, longest, at_once):
                block = table[:, at : at + at_once]
                outputs = network(self.X[block.repeat(count, 1).to(task.device)], noise=False).cpu()
                outputs = outputs.view(count, task.folds, block.shape[1], -1)
                for v, part in enumerate(parts):
                    here = part[at : at + at_once]
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
        return {"step": self.step, **self._learned()}

    def _learned(self) -> dict[str, list[Tensor]]:
        return {
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
        with torch.no_grad():
            for name, mine in self._learned().items():
                for to, value in zip(mine, state[name], strict=True):
                    to.copy_(value)
