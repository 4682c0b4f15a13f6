"""The training steps of an epoch in a few compiled calls, where they fit.

Both ways take the same steps, and give the same numbers to rounding. What fits depends on the
network and the arguments, and not on the number of threads or on the time that a step takes, so
that a seed has one result.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor

from bridle.networks.history import Dataset
from bridle.networks.objectives import CrossEntropy, Objective, SquaredError
from bridle.networks.population import Network
from bridle.noise import DropConnect, Dropout
from bridle.ops.population import PopulationState, can_step, population_steps
from bridle.ops.stepping import adam_strengths
from bridle.penalties import Annealed, MaxNorm, Penalty

__all__ = ["CompiledSteps"]

_BETAS = (0.9, 0.999)
_PER_CALL = 2**30  # products of a weight and a row, of which a thread makes some 2**33 in a second
_PER_MEMBER = 2**24  # in a step: a member has one thread, and torch's products have all of them
_PER_UNIT = 64  # the activation, the mask and the memory of a unit take as long as so many products


class CompiledSteps:
    """Adam with adaptive proximal steps, by :func:`bridle.ops.population.population_steps`.

    Parameters
    ----------
    network : Network
        Trained in place. What :meth:`fit` accepts.
    training : Dataset
    objective : CrossEntropy or SquaredError
    penalties : sequence of Penalty
    learning_rate : float
    """

    def __init__(
        self,
        network: Network,
        training: Dataset,
        objective: Objective,
        penalties: Sequence[Penalty],
        learning_rate: float,
    ) -> None:
        self.network, self.rate = network, learning_rate
        self.X, self.y = training.X.contiguous(), training.y.contiguous()
        self.classes = network.sizes[-1] if isinstance(objective, CrossEntropy) else 0
        members = network.members
        self.class_weight = torch.ones(members, self.classes)
        if training.weight is not None:
            self.class_weight *= _weights_of_classes(self.y, training.weight, self.classes)
        self.l1, self.l2 = (torch.zeros(members, dtype=torch.float64) for _ in range(2))
        self.bounds = torch.full((members,), math.inf, dtype=torch.float64)
        for each in penalties:
            if isinstance(each, MaxNorm):
                self.bounds = _column(each.bound, members)
            elif each.elastic is not None:
                self.l1 += _column(each.elastic[0], members)
                self.l2 += _column(each.elastic[1], members)
        noises = network.input_noise, network.hidden_noise, network.weight_noise
        self.keeps = torch.stack(
            [_column(1.0 if each is None else each.keep_prob, members) for each in noises]
        )
        values = [each.detach() for each in network.parameters()]
        moments, squares = ([torch.zeros_like(each) for each in values] for _ in range(2))
        self.state = PopulationState(values, moments, squares, [])
        self.taken = 0

    @staticmethod
    def fit(
        network: Network,
        training: Dataset,
        objective: Objective,
        penalties: Sequence[Penalty | Annealed],
        batch_size: int,
    ) -> bool:
        """Return whether the compiled steps fit a training with the default optimizer."""
        parameters = list(network.parameters())
        plain = type(network) is Network and network.activation == "relu"
        hooked = network._forward_hooks or network._forward_pre_hooks or network._backward_hooks
        usable = can_step(parameters[0].device) and all(
            each.dtype == torch.float32 and each.requires_grad and each.is_contiguous()
            for each in parameters
        )
        same_step = bool((network.steps == network.steps[0]).all())
        return (
            plain
            and network.embedding is None
            and not hooked
            and usable
            and same_step
            and batch_size * sum(a * b for a, b in pairwise(network.sizes)) <= _PER_MEMBER
            and all(map(_noise_fits, (network.input_noise, network.hidden_noise)))
            and _weight_noise_fits(network.weight_noise)
            and _penalties_fit(penalties, network.members)
            and _data_fit(network, training, objective)
        )

    def epoch(self, order: Tensor, batch_size: int) -> None:
        """Take the steps of an epoch; an interrupt acts between calls."""
        units = sum(self.network.sizes)
        weights = sum(a * b for a, b in pairwise(self.network.sizes))
        work = self.network.members * batch_size * (weights + _PER_UNIT * units)
        full = len(order) // batch_size
        at_once = max(1, _PER_CALL // work)
        for first in range(0, full, at_once):
            steps = min(at_once, full - first)
            self._steps(order[first * batch_size :][: steps * batch_size].view(steps, 1, -1))
        if len(order) % batch_size:
            self._steps(order[full * batch_size :].view(1, 1, -1))

    def _steps(self, rows: Tensor) -> None:
        steps, members = len(rows), self.network.members
        counts = torch.arange(self.taken + 1, self.taken + 1 + steps, dtype=torch.float64)
        zeros = torch.zeros(steps * members, dtype=torch.float64)
        strengths = adam_strengths(
            learning_rate=zeros + self.rate,
            l1=self.l1.repeat(steps),
            l2=self.l2.repeat(steps),
            average_decay=zeros,
            steps=counts.repeat_interleave(members),
            betas=_BETAS,
        )
        population_steps(
            self.state,
            sizes=self.network.sizes,
            classes=self.classes,
            X=self.X,
            y=self.y,
            rows=rows,
            shares=None,
            strengths=strengths.view(steps, members, -1),
            smoothing=torch.zeros(members),
            class_weight=self.class_weight,
            bounds=self.bounds,
            seeds=self.network.seeds,
            keeps=self.keeps,
            first_step=int(self.network.steps[0]),
        )
        self.taken += steps
        self.network.steps += steps


def _column(value: float | Tensor, members: int) -> Tensor:
    """Return a number, or one for each member, as float64 ``[members]``."""
    return torch.as_tensor(value, dtype=torch.float64).reshape(-1).expand(members).contiguous()


def _noise_fits(noise: object) -> bool:
    return noise is None or (type(noise) is Dropout and noise.inverted and not noise.shared)


def _weight_noise_fits(noise: object) -> bool:
    return noise is None or (
        type(noise) is DropConnect and noise.inverted and not noise.per_example
    )


def _penalties_fit(penalties: Sequence[Penalty | Annealed], members: int) -> bool:
    """Whether there is a proximal step of elastic nets, and at most one max-norm."""
    strengths: list[float | Tensor] = []
    bounds = 0
    for each in penalties:
        if type(each) is MaxNorm and each.dim is None:
            strengths.append(each.bound)
            bounds += 1
        elif isinstance(each, Annealed) or each.elastic is None:
            return False
        else:
            strengths.extend(each.elastic)
    return bounds < 2 and all(torch.as_tensor(each).numel() in (1, members) for each in strengths)


def _data_fit(network: Network, data: Dataset, objective: Objective) -> bool:
    tensors = data.X, data.y
    if data.X.ndim != 2 or data.X.dtype != torch.float32 or data.X.shape[1] != network.sizes[0]:
        return False
    if any(each.device.type != "cpu" or each.requires_grad for each in tensors):
        return False
    if type(objective) is SquaredError:
        return data.y.dtype == torch.float32 and network.sizes[-1] == 1 and data.weight is None
    codes = type(objective) is CrossEntropy and data.y.dtype == torch.int64
    if not codes or not 0 <= int(data.y.min()) <= int(data.y.max()) < network.sizes[-1]:
        return False
    if data.weight is None:
        return True
    by_class = _weights_of_classes(data.y, data.weight, network.sizes[-1])
    return bool((by_class[data.y] == data.weight).all())


def _weights_of_classes(y: Tensor, weight: Tensor, classes: int) -> Tensor:
    """Return the weight of a row of each class, float32 ``[classes]``; 1 for an absent one."""
    return torch.ones(classes).index_copy(0, y, weight.float().cpu())
