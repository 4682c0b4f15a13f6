"""scikit-learn's stochastic optimizers on one flat parameter tensor, with proximal L1 steps."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bridle.estimators.perceptron import Perceptron
from bridle.estimators.tensors import tensor_of
from bridle.ops.stepping import adam_pass

__all__ = ["SOLVERS", "AdamOptimizer", "SGDOptimizer"]

Array = np.ndarray[Any, np.dtype[Any]]
_L1 = 6  # index of L1 in the strengths that adam_pass takes
_SMALLEST_RATE = 1e-6  # an adaptive learning rate below this ends training


class AdamOptimizer:
    """Adam (Kingma & Ba 2015) as in scikit-learn: ``eps`` is added to the uncorrected √v.

    L1 is applied in the same pass, as a proximal step in Adam's own metric.
    """

    name = "adam"
    same_rate = True  # in each epoch until a plateau

    def __init__(
        self, count: int, dtype: Any, rate: float, betas: tuple[float, float], eps: float
    ) -> None:
        self.learning_rate = rate
        self.rate, self.betas, self.eps = rate, betas, eps
        self.t = 0
        self.moment: Array = np.zeros((1, count), dtype)
        self.square: Array = np.zeros((1, count), dtype)

    def continue_from(self, previous: AdamOptimizer) -> None:
        """Take over the moments of an optimizer, but not its settings."""
        self.t, self.moment, self.square = previous.t, previous.moment, previous.square

    def load_state(self, network: Perceptron) -> None:
        """Copy the moments to the device of the parameters; an older optimizer may share them."""
        device = network.flat.device
        self._moment = tensor_of(self.moment).to(device, copy=True)
        self._square = tensor_of(self.square).to(device, copy=True)

    def save_state(self) -> None:
        """Copy the moments back to NumPy arrays."""
        self.moment, self.square = self._moment.cpu().numpy(), self._square.cpu().numpy()
        del self._moment, self._square

    @property
    def state(self) -> tuple[Tensor, Tensor]:
        """Both moments, as tensors."""
        return self._moment, self._square

    def strengths(self, steps: int, l1: float) -> Tensor:
        """Return what Adam's kernels take for the next steps, float64 ``[steps, 9]``."""
        beta1, beta2 = self.betas
        rows = []
        for t in range(self.t + 1, self.t + 1 + steps):
            correction1, correction2 = 1 - beta1**t, 1 - beta2**t
            # the op adds eps to the corrected root, so eps is corrected as well
            eps = self.eps / math.sqrt(correction2)
            rows.append(
                (self.rate, beta1, beta2, eps, 1 / correction1, 1 / correction2, l1, 0.0, 0.0)
            )
        return torch.from_numpy(np.array(rows, np.float64))  # much faster than torch.tensor

    def count(self, steps: int) -> None:
        """Count steps that were taken."""
        self.t += steps
        corrections = [1 - beta**self.t for beta in self.betas]
        self.learning_rate = self.rate * math.sqrt(corrections[1]) / corrections[0]

    def step(self, network: Perceptron, l1: float) -> None:
        """Take a gradient step, then apply the prox of ``l1 Σ|w|`` to the weights."""
        strengths = self.strengths(1, l1)
        self.count(1)
        w, gradient = network.flat[None], network.gradient[None]
        if not l1:
            adam_pass(w, gradient, self._moment, self._square, None, strengths)
            return
        for part in (slice(network.penalized), slice(network.penalized, None)):
            moments = self._moment[:, part], self._square[:, part]
            adam_pass(w[:, part], gradient[:, part], *moments, None, strengths)
            strengths[0, _L1] = 0.0  # biases are not penalized

    def update_learning_rate(self, samples_seen: int) -> None:
        """Do nothing: Adam's base rate is constant."""

    def continue_after_plateau(self) -> bool:
        """Return False: Adam does not lower its rate when the loss stops improving."""
        return False


class SGDOptimizer:
    """SGD with classical or Nesterov momentum and scikit-learn's three learning-rate schedules.

    L1 is applied as a proximal step of length ``rate / (1 - momentum)``. With momentum, a constant
    gradient leads to steps of that length.
    """

    name = "sgd"

    def __init__(
        self,
        count: int,
        dtype: Any,
        rate: float,
        schedule: str,
        momentum: float,
        nesterov: bool,
        power: float,
    ) -> None:
        self.learning_rate = self.rate = rate
        self.schedule, self.momentum, self.nesterov, self.power = (
            schedule,
            momentum,
            nesterov,
            power,
        )
        self.velocity: Array = np.zeros(count, dtype)

    def continue_from(self, previous: SGDOptimizer) -> None:
        """Take over the velocity of an optimizer, and its rate if the schedule is the same."""
        self.velocity = previous.velocity
        if (self.rate, self.schedule) == (previous.rate, previous.schedule):
            self.learning_rate = previous.learning_rate

    def load_state(self, network: Perceptron) -> None:
        """Copy the velocity to the device of the parameters."""
        self._velocity = tensor_of(self.velocity).to(network.flat.device, copy=True)

    def save_state(self) -> None:
        """Copy the velocity back to a NumPy array."""
        self.velocity = self._velocity.cpu().numpy()
        del self._velocity

    @property
    def state(self) -> tuple[Tensor, Tensor]:
        """The velocity, twice, as a tensor."""
        return self._velocity, self._velocity

    def _threshold(self, l1: float) -> float:
        """Return the length of the proximal step of L1."""
        return l1 * self.learning_rate / (1 - self.momentum if self.momentum < 1 else 1)

    @property
    def same_rate(self) -> bool:
        """Whether the rate is the same in each epoch until a plateau."""
        return self.schedule != "invscaling"

    def count(self, steps: int) -> None:
        """Do nothing: no step depends on their number."""

    def strengths(self, steps: int, l1: float) -> Tensor:
        """Return what the compiled steps take, float64 ``[steps, 9]``."""
        values = self.learning_rate, self.momentum, self._threshold(l1), float(self.nesterov)
        return torch.tensor([values + (0.0,) * 5], dtype=torch.float64).repeat(steps, 1)

    def step(self, network: Perceptron, l1: float) -> None:
        """Take a gradient step, then apply the prox of ``l1 Σ|w|`` to the weights."""
        rate, momentum, velocity = self.learning_rate, self.momentum, self._velocity
        velocity.mul_(momentum).add_(network.gradient, alpha=-rate)
        if self.nesterov:
            network.flat.add_(velocity, alpha=momentum).add_(network.gradient, alpha=-rate)
        else:
            network.flat.add_(velocity)
        if l1:
            weights = network.flat[: network.penalized]
            threshold = self._threshold(l1)
            weights.sub_(weights.clamp(-threshold, threshold))

    def update_learning_rate(self, samples_seen: int) -> None:
        """Set the rate of the "invscaling" schedule, given the number of samples seen so far."""
        if self.schedule == "invscaling":
            self.learning_rate = self.rate / (samples_seen + 1) ** self.power

    def continue_after_plateau(self) -> bool:
        """Divide an adaptive rate by 5 on a plateau; return whether to continue training."""
        if self.schedule != "adaptive" or self.learning_rate <= _SMALLEST_RATE:
            return False
        self.learning_rate /= 5
        return True


SOLVERS = ("lbfgs", "sgd", "adam")
