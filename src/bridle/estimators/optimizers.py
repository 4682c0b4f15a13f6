"""The stochastic solvers of scikit-learn's networks on one flat tensor, with proximal steps."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch

from bridle.estimators.perceptron import Perceptron
from bridle.ops.stepping import adam_pass

__all__ = ["SOLVERS", "AdamRule", "MomentumRule"]

Array = np.ndarray[Any, np.dtype[Any]]
_L1 = 6  # its place in adam_pass's strengths
_SMALLEST_RATE = 1e-6  # an adaptive rate that is below ends training


class AdamRule:
    """Adam (Kingma & Ba 2015) as scikit-learn has it: ``eps`` is added to √v without correction.

    L1 is the proximal step in Adam's own metric, in the same pass.
    """

    def __init__(
        self, count: int, dtype: Any, rate: float, betas: tuple[float, float], eps: float
    ) -> None:
        self.learning_rate = rate
        self.rate, self.betas, self.eps = rate, betas, eps
        self.t = 0
        self.moment: Array = np.zeros((1, count), dtype)
        self.square: Array = np.zeros((1, count), dtype)

    def begin(self, network: Perceptron) -> None:
        """Put the moments beside the parameters."""
        device = network.flat.device
        self._moment = torch.from_numpy(self.moment).to(device)
        self._square = torch.from_numpy(self.square).to(device)

    def end(self) -> None:
        """Keep the moments as plain arrays."""
        self.moment, self.square = self._moment.cpu().numpy(), self._square.cpu().numpy()
        del self._moment, self._square

    def step(self, network: Perceptron, l1: float) -> None:
        """Move the parameters by the gradient, and the weights by the prox of ``l1 Σ|w|``."""
        self.t += 1
        beta1, beta2 = self.betas
        correction1, correction2 = 1 - beta1**self.t, 1 - beta2**self.t
        self.learning_rate = self.rate * math.sqrt(correction2) / correction1
        # the ops add eps to the corrected root, so that it is given corrected too
        eps = self.eps / math.sqrt(correction2)
        numbers = (self.rate, beta1, beta2, eps, 1 / correction1, 1 / correction2, l1, 0.0, 0.0)
        strengths = torch.tensor([numbers], dtype=torch.float64)
        w, slope = network.flat[None], network.gradient[None]
        if not l1:
            adam_pass(w, slope, self._moment, self._square, None, strengths)
            return
        for part in (slice(network.penalized), slice(network.penalized, None)):
            moments = self._moment[:, part], self._square[:, part]
            adam_pass(w[:, part], slope[:, part], *moments, None, strengths)
            strengths[0, _L1] = 0.0  # biases have no penalty

    def epoch_ends(self, rows: int) -> None:
        """Adam's rate does not change."""

    def may_go_on(self) -> bool:
        """Whether there is anything left to try when nothing improves: no."""
        return False


class MomentumRule:
    """Gradient descent with (Nesterov's) momentum and scikit-learn's three schedules.

    L1 is the proximal step of length ``rate / (1 - momentum)``, the step that a constant gradient
    comes to.
    """

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

    def begin(self, network: Perceptron) -> None:
        """Put the velocity beside the parameters."""
        self._velocity = torch.from_numpy(self.velocity).to(network.flat.device)

    def end(self) -> None:
        """Keep the velocity as a plain array."""
        self.velocity = self._velocity.cpu().numpy()
        del self._velocity

    def step(self, network: Perceptron, l1: float) -> None:
        """Move the parameters by the gradient, and the weights by the prox of ``l1 Σ|w|``."""
        rate, momentum, velocity = self.learning_rate, self.momentum, self._velocity
        velocity.mul_(momentum).add_(network.gradient, alpha=-rate)
        if self.nesterov:
            network.flat.add_(velocity, alpha=momentum).add_(network.gradient, alpha=-rate)
        else:
            network.flat.add_(velocity)
        if l1:
            weights = network.flat[: network.penalized]
            limit = l1 * rate / (1 - momentum) if momentum < 1 else l1 * rate
            weights.sub_(weights.clamp(-limit, limit))

    def epoch_ends(self, rows: int) -> None:
        """Lower the rate where it falls with the number of rows seen."""
        if self.schedule == "invscaling":
            self.learning_rate = self.rate / (rows + 1) ** self.power

    def may_go_on(self) -> bool:
        """Go on at a fifth of the rate where it is adaptive, and not too small yet."""
        if self.schedule != "adaptive" or self.learning_rate <= _SMALLEST_RATE:
            return False
        self.learning_rate /= 5
        return True


SOLVERS = ("lbfgs", "sgd", "adam")
