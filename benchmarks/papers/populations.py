"""Networks that differ in strengths and seeds, trained as one population.

A run can stop at any step and continue from its checkpoint with the same bits, since masks and
batches are functions of the step.
"""

from __future__ import annotations

import hashlib
import json
import math
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from bridle import L1, L2, DropConnect, Dropout, Network, train_step
from bridle.errors import DataError, UsageError
from bridle.models.file import write_atomically
from bridle.networks.objectives import Objective, objective_of
from bridle.noise import Scaling
from bridle.ops import max_norm_step
from bridle.penalties import Penalty

__all__ = ["Batches", "Column", "Orders", "Plan", "Population", "crossed", "train"]

Batches = Callable[[int], tuple[Tensor, Tensor]]
"""The batch of a step: a function of the step and of nothing else."""


@dataclass(frozen=True)
class Column:
    """The strengths of one column of a table.

    ``l1`` is λ of λ Σ|w| and ``l2`` λ of ½ λ Σw², both added to the loss; ``max_norm`` bounds the
    norm of the weights that enter a unit.
    """

    name: str
    keep_prob: float = 1.0
    input_keep_prob: float = 1.0
    drop_connect_keep_prob: float = 1.0
    l1: float = 0.0
    l2: float = 0.0
    max_norm: float = math.inf

    def strengths(self) -> str:
        """Return what differs from no regularization."""
        plain = asdict(Column(self.name))
        mine = {name: value for name, value in asdict(self).items() if value != plain[name]}
        return ", ".join(f"{name}={value:g}" for name, value in mine.items()) or "none"


@dataclass(frozen=True)
class Plan:
    """What a population is and how it trains; two equal plans give the same bits."""

    sizes: tuple[int, ...]
    members: tuple[tuple[Column, int], ...]
    """The column and the seed of each network."""
    rates: tuple[tuple[int, float], ...]
    """So many steps with such a learning rate, in order."""
    momentum: float = 0.9
    adam: bool = False
    activation: str = "relu"
    per_example: bool = False
    """DropConnect draws a mask for each example; else one for each batch."""
    objective: str | Objective = "cross_entropy"
    scaling: Scaling = "inverted"
    initial_scale: float = 1.0
    """What He's initial weights are multiplied by."""

    @property
    def steps(self) -> int:
        """How many steps training takes."""
        return sum(steps for steps, _ in self.rates)

    def rate(self, step: int) -> float:
        """Return the learning rate of a step, from 0."""
        for steps, rate in self.rates:
            if step < steps:
                return rate
            step -= steps
        raise UsageError(
            f"there are {self.steps} steps; step {step + self.steps} is not among them"
        )

    def fingerprint(self, data: str) -> str:
        """Return a hash of the plan and of the data's own."""
        document = asdict(self) | {"objective": objective_of(self.objective).name, "data": data}
        return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()[:16]


def crossed(columns: tuple[Column, ...], seeds: tuple[int, ...]) -> tuple[tuple[Column, int], ...]:
    """Return each column with each seed: member ``c * len(seeds) + s``."""
    return tuple((column, seed) for column in columns for seed in seeds)


@dataclass
class Orders:
    """The order in which a seed sees its rows: shuffled anew when all have been seen."""

    rows: int
    seed: int
    _kept: dict[int, Tensor] = field(default_factory=dict)

    def at(self, step: int, batch_size: int) -> Tensor:
        """Return the rows of a step, int64 ``[batch_size]``."""
        place, parts = step * batch_size, []
        while batch_size:
            epoch, first = divmod(place, self.rows)
            parts.append(self._order(epoch)[first : first + batch_size])
            place, batch_size = place + len(parts[-1]), batch_size - len(parts[-1])
        return torch.cat(parts) if len(parts) > 1 else parts[0]

    def _order(self, epoch: int) -> Tensor:
        if epoch not in self._kept:
            drawn = np.random.default_rng([self.seed, epoch]).permutation(self.rows)
            self._kept = {key: kept for key, kept in self._kept.items() if key == epoch - 1}
            self._kept[epoch] = torch.from_numpy(drawn)
        return self._kept[epoch]


class Population:
    """The networks of a plan, and their optimizer."""

    def __init__(self, plan: Plan, device: str = "cpu") -> None:
        self.plan = plan
        self.device = device
        weight_noise = None
        if any(column.drop_connect_keep_prob < 1 for column, _ in plan.members):
            keep = self._strength("drop_connect_keep_prob")
            weight_noise = DropConnect(
                keep_prob=keep, scaling=plan.scaling, per_example=plan.per_example
            )
        self.network = Network(
            plan.sizes,
            seeds=[seed for _, seed in plan.members],
            activation=plan.activation,
            hidden_noise=self._dropout("keep_prob"),
            input_noise=self._dropout("input_keep_prob"),
            weight_noise=weight_noise,
        ).to(device)
        with torch.no_grad():
            for weight in self.network.weights:
                weight.mul_(plan.initial_scale)
        parameters = self.network.parameters()
        self.optimizer: torch.optim.Optimizer = (
            torch.optim.Adam(parameters, fused=True)
            if plan.adam
            else torch.optim.SGD(parameters, momentum=plan.momentum, fused=True)
        )
        self.penalties: list[Penalty] = []
        for name, kind in (("l1", L1), ("l2", L2)):
            if bool(self._strength(name).any()):
                self.penalties.append(kind(self._strength(name)))
        self.max_norm = self._strength("max_norm")
        self.step = 0

    def _strength(self, name: str) -> Tensor:
        values = [getattr(column, name) for column, _ in self.plan.members]
        return torch.tensor(values, dtype=torch.float64)

    def _dropout(self, name: str) -> Dropout | None:
        keep = self._strength(name)
        drops = bool((keep < 1).any())
        return Dropout(keep_prob=keep, scaling=self.plan.scaling) if drops else None

    def advance(self, X: Tensor, y: Tensor) -> None:
        """Make one step with every network."""
        rate = self.plan.rate(self.step)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        train_step(
            self.network,
            (X.to(self.device), y.to(self.device)),
            optimizer=self.optimizer,
            objective=self.plan.objective,
            penalties=self.penalties,
            mode="coupled",
        )
        if bool(self.max_norm.isfinite().any()):
            for weight in self.network.weights:
                max_norm_step(weight.data, self.max_norm)
        self.step += 1

    def content(self, fingerprint: str) -> bytes:
        """Return everything that the next step depends on, as a safetensors file."""
        tensors = {f"network.{name}": t for name, t in self.network.state_dict().items()}
        for place, state in self.optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{place}.{name}": t for name, t in state.items()}
        tensors = {name: t.detach().cpu().contiguous() for name, t in tensors.items()}
        return save(tensors, {"fingerprint": fingerprint, "step": str(self.step)})

    def load(self, path: Path, fingerprint: str) -> None:
        """Go on from a checkpoint of the same plan and data."""
        try:
            with safe_open(path, framework="pt", device=self.device) as file:
                header = file.metadata() or {}
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except (OSError, SafetensorError) as error:
            raise DataError(f"{path} is no checkpoint: {error}; delete it to begin anew") from error
        if header.get("fingerprint") != fingerprint:
            raise UsageError(
                f"{path} is of another run (other rows, seeds, strengths or limits): "
                "give another --run folder, or delete it"
            )
        networks = {
            name.removeprefix("network."): t
            for name, t in tensors.items()
            if name.startswith("network.")
        }
        self.network.load_state_dict(networks)
        state: dict[int, dict[str, Tensor]] = {}
        for name, tensor in tensors.items():
            if name.startswith("optimizer."):
                _, place, key = name.split(".", 2)
                state.setdefault(int(place), {})[key] = tensor
        self.optimizer.load_state_dict(self.optimizer.state_dict() | {"state": state})
        self.step = int(header["step"])


def train(
    plan: Plan,
    batches: Batches,
    *,
    data: str,
    device: str = "cpu",
    checkpoint: Path | None = None,
    save_every: float = 60.0,
) -> Population:
    """Train a population, from its checkpoint if there is one.

    Parameters
    ----------
    plan : Plan
    batches : callable
        The batch ``(X, y)`` of a step: ``X`` ``[members, rows, inputs]`` or ``[rows, inputs]``.
    data : str
        A fingerprint of the rows that ``batches`` draws from.
    device : str
    checkpoint : Path, optional
        Written whole or not at all, every ``save_every`` seconds and at the end.
    save_every : float
        Seconds.

    Raises
    ------
    UsageError
        If the checkpoint is of another plan or other data.
    DataError
        If it cannot be read or written.
    """
    fingerprint = plan.fingerprint(data)
    population = Population(plan, device)
    if checkpoint is not None:
        checkpoint.parent.mkdir(parents=True, exist_ok=True)
        if checkpoint.exists():
            population.load(checkpoint, fingerprint)
    population.network.train()
    begun, first, saved = time.monotonic(), population.step, time.monotonic()
    while population.step < plan.steps:
        population.advance(*batches(population.step))
        now, done = time.monotonic(), population.step == plan.steps
        if now - saved >= save_every or done:
            saved = now
            if checkpoint is not None:
                write_atomically(checkpoint, population.content(fingerprint))
            pace = (now - begun) / (population.step - first)
            left = pace * (plan.steps - population.step)
            print(
                f"step {population.step} of {plan.steps}, {1e3 * pace:.0f} ms each, "
                f"{left:.0f} s left",
                file=sys.stderr,
                flush=True,
            )
    population.network.eval()
    return population
