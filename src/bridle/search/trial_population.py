"""Trials × folds as one population of networks, trained step by step."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from bridle.errors import UsageError
from bridle.networks.embedding import shape_of
from bridle.networks.population import Network
from bridle.networks.shared_members import SharedNetwork, average_shared
from bridle.noise import DropConnect, Dropout
from bridle.ops.population import PopulationState, can_step, population_outputs, population_steps
from bridle.ops.stepping import PENALTIES, adam_pass, adam_strengths, max_norm_pass
from bridle.search.batches import FoldBatches, MixupShares
from bridle.search.configuration import Configuration
from bridle.search.cuda_graph import GraphedStep, HostThrottle, can_capture, to_gpu
from bridle.search.data import SearchData
from bridle.search.embedded import embedding_of
from bridle.search.losses import class_weights, losses_of

__all__ = ["TrialPopulation"]

BETAS = (0.9, 0.99)
_MAX_ROWS, _MAX_OUTPUTS = 1024, 2**20  # predicted at once: rows of a member, rows of all members
_MAX_STEPS = 16  # in one call, after which an interrupt can act


def member_seed(seed: int, trial: int, fold: int) -> int:
    """Return the seed of a member, which does not depend on the other members of its population."""
    return int(np.random.SeedSequence([seed, trial, fold]).generate_state(1)[0])


class TrialPopulation:
    """Trials of one shape, each with every fold: member ``k * folds + v`` is trial k, fold v.

    Parameters
    ----------
    data : SearchData
    configurations : sequence of Configuration
        All of one shape.
    ids : sequence of int
        The trials' ids, which determine their seeds.
    seed, batch_size : int

    Raises
    ------
    UsageError
        If a class code is out of range.
    """

    def __init__(
        self,
        data: SearchData,
        configurations: Sequence[Configuration],
        ids: Sequence[int],
        *,
        seed: int,
        batch_size: int,
    ) -> None:
        if data.classes and not 0 <= int(data.y.min()) <= int(data.y.max()) < data.classes:
            raise UsageError(
                f"y has codes from {int(data.y.min())} to {int(data.y.max())}, but there are "
                f"{data.classes} classes; give codes from 0 to {data.classes - 1}"
            )
        self.data = data = data.on_device()
        self.configurations = list(configurations)
        self.step = 0
        hidden, bins, _, self.shared_members = configurations[0].shape
        self.X = data.inputs[bins]
        self.encoded = data.encoded.get(bins)
        seeds = [member_seed(seed, each, v) for each in ids for v in range(data.folds)]
        embedding = embedding_of(configurations, data.folds, data.numbers)
        kind: Any = partial(Network, embedding=embedding)
        if self.shared_members > 1:
            kind = partial(SharedNetwork, shared_members=self.shared_members)
        self.network: Network | SharedNetwork = kind(
            [self.X.shape[1], *hidden, data.outputs],
            seeds=seeds,
            hidden_noise=self._noise(Dropout, "keep_prob"),
            input_noise=self._noise(Dropout, "input_keep_prob"),
            weight_noise=self._noise(DropConnect, "drop_connect_keep_prob"),
        ).to(data.device)
        self.parameters = list(self.network.parameters())
        self.moments = [torch.zeros_like(p) for p in self.parameters]
        self.squares = [torch.zeros_like(p) for p in self.parameters]
        self.average = [p.detach().clone() for p in self.parameters]
        self.best = [torch.empty_like(average) for average in self.average]
        self._set_strengths()
        trained = [data.rows_of(v)[0] for v in range(data.folds)]
        self.batches = FoldBatches(trained, batch_size, seed)
        self._set_loss(trained, seeds)
        self._graphed_step = GraphedStep() if can_capture(self.X.device) else None
        self._throttle = HostThrottle()

    def _set_strengths(self) -> None:
        self.learning_rates = self._column("learning_rate")
        self.l1, self.l2 = self._column("l1"), self._column("l2")
        self.averaging = self._column("averaging")
        self.max_norm = self._column("max_norm").to(self.data.device)
        self.has_max_norm = bool(self.max_norm.isfinite().any())
        kinds = ("input_keep_prob", "keep_prob", "drop_connect_keep_prob")
        self.keep_probs = torch.stack([self._column(kind) for kind in kinds])

    def _set_loss(self, trained: Sequence[Tensor], seeds: Sequence[int]) -> None:
        alphas = self._column("mixup")
        self.mixup = MixupShares(alphas.tolist(), seeds) if alphas.any() else None
        self.smoothing = self._column("label_smoothing").float()[:, None].to(self.data.device)
        powers, classes = self._column("class_weight"), self.data.classes
        self.class_weight = (
            class_weights(self.data.y.cpu(), trained, powers, classes).to(self.data.device)
            if classes
            else torch.empty(0)
        )

    def _column(self, name: str) -> Tensor:
        """Return a hyperparameter of each member, float64 ``[members]``."""
        values = [float(getattr(each, name)) for each in self.configurations]
        return torch.tensor(values, dtype=torch.float64).repeat_interleave(self.data.folds)

    def _noise(self, kind: Any, name: str) -> Any:
        keep = self._of_each(self._column(name).to(self.data.device))
        return kind(keep_prob=keep) if bool((keep < 1).any()) else None

    def _of_each(self, values: Tensor) -> Tensor:
        """Repeat what a member has for each network that shares its weights."""
        if self.shared_members == 1:
            return values
        return values.repeat_interleave(self.shared_members, 0)

    # ------------------------------------------------------------------------------- training

    def _strengths(self, steps: int) -> Tensor:
        """Return what :func:`adam_pass` takes for weights, float64 ``[steps, members, 9]``."""
        t = torch.arange(self.step + 1, self.step + 1 + steps, dtype=torch.float64)[:, None]
        decay = 1 - ((self.averaging + 1) / (t + self.averaging)).nan_to_num(1.0).clamp(max=1)
        rates, l1, l2, t = (
            each.expand(decay.shape).reshape(-1)
            for each in (self.learning_rates, self.l1, self.l2, t)
        )
        strengths = adam_strengths(
            learning_rate=rates,
            l1=l1,
            l2=l2,
            average_decay=decay.reshape(-1),
            steps=t,
            betas=BETAS,
        )
        return strengths.view(steps, len(self.learning_rates), -1)

    def train(self, steps: int) -> None:
        """Train every member for this many steps."""
        self.network.train()
        end = self.step + steps
        while self.step < end:
            self._train(min(_MAX_STEPS, end - self.step))

    def _train(self, steps: int) -> None:
        rows = self.batches.take(self.step, steps)
        shares = None if self.mixup is None else self.mixup.take(self.step, steps)
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
            classes=self.data.classes,
            X=self.X,
            y=self.data.y,
            rows=rows,
            shares=shares,
            strengths=strengths,
            smoothing=self.smoothing,
            class_weight=self.class_weight,
            bounds=self.max_norm,
            seeds=self.network.seeds,
            keeps=self.keep_probs,
            first_step=self.step,
            shared=self.shared_members,
            embedding=shape_of(self.network.embedding),
            encoded=self.encoded,
        )
        self.network.steps += len(rows)

    def _torch_steps(self, arguments: Sequence[Tensor]) -> None:
        """Do what :func:`population_steps` does, with torch's own operations."""
        device = self.X.device
        if self._graphed_step is None:
            for each in zip(*(a.to(device) for a in arguments), strict=True):
                self._torch_step(*each)
            return
        for each in zip(*(to_gpu(a, device) for a in arguments), strict=True):
            self._graphed_step(self._torch_step, *each)
        self._throttle()

    def _torch_step(self, rows: Tensor, weights: Tensor, shares: Tensor | None = None) -> None:
        network, data, layers = self.network, self.data, len(self.network.sizes) - 1
        picked = rows.repeat(len(self.configurations), 1)
        X = self.X[picked]
        share = None if shares is None else shares[:, None]
        if share is not None:
            X = torch.lerp(X.roll(1, 1), X, share[..., None])
        outputs = network(X, noise=True)
        losses = losses_of(
            outputs,
            self._of_each(data.y[picked]),
            None if share is None else self._of_each(share),
            self._of_each(self.smoothing),
            self._of_each(self.class_weight),
        )
        loss = losses.sum() / self.shared_members
        gradients = torch.autograd.grad(loss, self.parameters)
        biases = weights.clone()
        biases[:, PENALTIES] = 0.0
        for i, (p, g) in enumerate(zip(self.parameters, gradients, strict=True)):
            strengths = weights if i < layers else biases
            adam_pass(
                p.data,
                g.contiguous(),
                self.moments[i],
                self.squares[i],
                self.average[i],
                strengths,
            )
        if self.has_max_norm:
            for weight in self.parameters[:layers]:
                each = weight.data.flatten(0, -3)
                bound = self.max_norm.repeat_interleave(len(each) // len(self.max_norm))
                max_norm_pass(each, bound)
        network.steps += 1

    # ----------------------------------------------------------------------------- evaluation

    @contextmanager
    def averaged_weights(self) -> Iterator[Network | SharedNetwork]:
        """Give the network its averaged weights for the duration of a ``with`` block."""
        kept = [p.data for p in self.parameters]
        for p, average in zip(self.parameters, self.average, strict=True):
            p.data = average
        try:
            yield self.network
        finally:
            for p, data in zip(self.parameters, kept, strict=True):
                p.data = data

    @torch.no_grad()
    def held_out_outputs(self) -> Tensor:
        """Return the outputs of each trial for the scored rows, by the member that held each out.

        float32 ``[trials, scored rows, outputs]`` on the CPU.
        """
        data = self.data
        count, rows = len(self.configurations), int(data.scored.sum())
        held_out = torch.empty(count, rows, data.outputs)
        place = data.scored.cumsum(0) - 1
        parts = [data.scored_rows_of(v) for v in range(data.folds)]
        longest = max(map(len, parts))
        table = torch.stack([F.pad(part, (0, longest - len(part))) for part in parts])
        k, classes = self.shared_members, bool(data.classes)
        at_once = min(_MAX_ROWS, max(1, _MAX_OUTPUTS // (count * data.folds * k)))
        with self.averaged_weights() as network:
            for at in range(0, longest, at_once):
                block = table[:, at : at + at_once]
                outputs = average_shared(self._outputs(network, block), k, classes=classes)
                outputs = outputs.view(count, data.folds, block.shape[1], -1)
                for v, part in enumerate(parts):
                    here = place[part[at : at + at_once]]
                    held_out[:, here] = outputs[:, v, : len(here)]
        return held_out

    def _outputs(self, network: Network | SharedNetwork, rows: Tensor) -> Tensor:
        """Return the outputs for rows ``[folds, count]``, of each member for those of its fold."""
        if can_step(self.X.device) and self.shared_members == 1:
            return population_outputs(
                [p.detach() for p in self.parameters],
                sizes=network.sizes,
                X=self.X,
                rows=rows.contiguous(),
                embedding=shape_of(network.embedding),
                encoded=self.encoded,
            )
        picked = rows.repeat(len(self.configurations), 1).to(self.X.device)
        return network(self.X[picked], noise=False).cpu()

    # ------------------------------------------------------------------------------------ state

    def keep_best(self, trials: Sequence[int]) -> None:
        """Keep the averaged weights of some trials as their best so far."""
        folds = self.data.folds
        members = torch.tensor(
            [at * folds + v for at in trials for v in range(folds)],
            dtype=torch.int64,
            device=self.data.device,
        )
        for kept, average in zip(self.best, self.average, strict=True):
            kept[members] = average[members]

    def state(self) -> dict[str, Any]:
        """Return the step and the trained tensors, by name and layer."""
        return {"step": self.step, **self._tensors()}

    def _tensors(self) -> dict[str, list[Tensor]]:
        return {
            "weights": [p.detach() for p in self.parameters],
            "moments": self.moments,
            "squares": self.squares,
            "average": self.average,
            "best": self.best,
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Continue from what :meth:`state` returned."""
        self.step = int(state["step"])
        self.network.steps.fill_(self.step)
        with torch.no_grad():
            for name, mine in self._tensors().items():
                for to, value in zip(mine, state[name], strict=True):
                    to.copy_(value)
