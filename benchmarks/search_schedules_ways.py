"""The schedules and optimizers that ``search_schedules.py`` compares."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from unittest import mock

import numpy as np
import torch
from muon import Muon
from torch import Tensor

from bridle.ops.stepping import max_norm_pass
from bridle.search import engine, job
from bridle.search.plan import RUNGS
from bridle.search.trial_population import BETAS, TrialPopulation

Curve = Callable[[np.ndarray], np.ndarray]
DECOUPLED = 100.0  # λ of decoupled decay over λ of the proximal step: 1e-3 to 1


def one(share: np.ndarray) -> np.ndarray:
    """Stay as it is."""
    return np.ones_like(share)


def cosine(share: np.ndarray) -> np.ndarray:
    """Fall to zero as a half cosine."""
    return (1 + np.cos(np.pi * share)) / 2


def linear(share: np.ndarray) -> np.ndarray:
    """Fall to zero linearly."""
    return 1 - share


def late_cosine(share: np.ndarray) -> np.ndarray:
    """Stay for the first half, then fall as a half cosine."""
    return cosine(np.maximum(0, 2 * share - 1))


def last_quarter(share: np.ndarray) -> np.ndarray:
    """Stay for three quarters, then fall as a half cosine."""
    return cosine(np.maximum(0, 4 * share - 3))


def cosine_to_tenth(share: np.ndarray) -> np.ndarray:
    """Fall to a tenth as a half cosine."""
    return 0.1 + 0.9 * cosine(share)


def warm(share: np.ndarray) -> np.ndarray:
    """Rise over the first twentieth, then stay."""
    return np.minimum(1, 20 * share + 0.01)


def coslog4(share: np.ndarray) -> np.ndarray:
    """Fall and rise four times in the logarithm of the step (Holzmüller et al. 2024)."""
    return (1 - np.cos(2 * np.pi * np.log2(1 + 15 * share))) / 2


def rising(share: np.ndarray) -> np.ndarray:
    """Rise from zero to the full strength over the first third (Morerio et al. 2017)."""
    return np.minimum(1, 3 * share)


def half(share: np.ndarray) -> np.ndarray:
    """Stay at half."""
    return np.full_like(share, 0.5)


def none(share: np.ndarray) -> np.ndarray:
    """Stay at zero."""
    return np.zeros_like(share)


@dataclass(frozen=True)
class Way:
    """Factors of the strengths, by the share of the last rung or of the whole run.

    Attributes
    ----------
    rate, l2, noise, smoothing : callable
        Of the learning rate, of λ, of the drop probabilities, and of label smoothing.
    averaging : bool
        Whether weights are averaged, in configurations that do.
    beta2 : float
    decoupled : bool
        Whether λ of L2 is that of a decoupled decay (Loshchilov & Hutter 2019).
    factor : float
        Of the learning rate.
    free : bool
        Whether Adam is schedule-free (Defazio et al. 2024), with its own average.
    whole : bool
        Whether the share is that of the whole run.
    muon : float
        The learning rate of Muon over that of Adam; 0 is Adam alone. Muon trains the matrices
        between hidden layers, where L1 and L2 enter the gradient. Adam trains the rest.
    steps : float
        The steps that are made, as a multiple of those of the last rung or of the whole run.
    noises : tuple of int
        The noises that ``noise`` acts on: 0 on inputs, 1 on units, 2 on weights.
    """

    rate: Curve = one
    l2: Curve = one
    noise: Curve = one
    smoothing: Curve = one
    averaging: bool = True
    beta2: float = BETAS[1]
    decoupled: bool = False
    factor: float = 1.0
    free: bool = False
    whole: bool = False
    muon: float = 0.0
    steps: float = 1.0
    noises: tuple[int, ...] = (0, 1, 2)


WAYS = {
    "constant": Way(),
    "cosine": Way(rate=cosine),
    "linear": Way(rate=linear),
    "half constant, then cosine": Way(rate=late_cosine),
    "cosine to a tenth": Way(rate=cosine_to_tenth),
    "cosine, no averaging": Way(rate=cosine, averaging=False),
    "no averaging": Way(averaging=False),
    "2x rate, cosine": Way(rate=cosine, factor=2.0),
    "L2 falls": Way(l2=cosine),
    "noise falls": Way(noise=cosine),
    "label smoothing falls": Way(smoothing=cosine),
    "noise and label smoothing fall": Way(noise=cosine, smoothing=cosine),
    "noise falls in the last quarter": Way(noise=last_quarter),
    "dropout falls in the last quarter": Way(noise=last_quarter, noises=(1,)),
    "noise falls, cosine": Way(rate=cosine, noise=cosine),
    "half of the noise": Way(noise=half),
    "no noise": Way(noise=none),
    "noise rises": Way(noise=rising, whole=True),
    "warm-up": Way(rate=warm, whole=True),
    "cosine of the whole run": Way(rate=cosine, whole=True),
    "coslog4": Way(rate=coslog4, whole=True),
    "beta2 0.95": Way(beta2=0.95, whole=True),
    "beta2 0.999": Way(beta2=0.999, whole=True),
    "decoupled decay": Way(decoupled=True, whole=True),
    "2x rate": Way(factor=2.0),
    "schedule-free": Way(free=True, whole=True),
    "schedule-free, 3x rate": Way(free=True, factor=3.0, whole=True),
    "Muon": Way(muon=1.0, whole=True),
    "Muon, 3x rate": Way(muon=3.0, whole=True),
    "Muon, 1/8 of the steps": Way(muon=1.0, steps=1 / 8, whole=True),
    "1/8 of the steps": Way(steps=1 / 8, whole=True),
    "3x steps": Way(steps=3.0),
}


class Scheduled(TrialPopulation):
    """A population whose strengths follow a way."""

    def follow(self, way: Way, start: int, stop: int) -> None:
        """Follow a way between two steps."""
        self.way, self.start, self.stop = way, start, stop
        self.full_keep_probs, self.full_smoothing = self.keep_probs, self.smoothing
        self.decay = self.l2 * DECOUPLED
        if way.decoupled:
            self.l2 = torch.zeros_like(self.l2)
        inner = range(1, len(self.network.weights) - 1)
        self.muons = {at: Muon(self.parameters[at].data) for at in inner}

    def _factors(self, curve: Curve, steps: int) -> np.ndarray:
        done = np.arange(self.step, self.step + steps) - self.start
        return curve(done / (self.stop - self.start))

    def _strengths(self, steps: int) -> Tensor:
        strengths, way = super()._strengths(steps), self.way
        for place, factors in (
            (0, way.factor * self._factors(way.rate, steps)),
            (7, self._factors(way.l2, steps)),
        ):
            strengths[:, :, place] *= torch.from_numpy(factors)[:, None]
        if way.free:  # the step alone; train_free moves the weights and their average
            strengths[:, :, 1], strengths[:, :, 4], strengths[:, :, 8] = 0.0, 1.0, 1.0
        if not way.averaging:
            strengths[:, :, 8] = 0.0
        t = torch.arange(self.step + 1, self.step + 1 + steps, dtype=torch.float64)[:, None]
        strengths[:, :, 2] = way.beta2
        strengths[:, :, 5] = 1 / (1 - way.beta2**t)
        return strengths

    def _train_free(self, steps: int) -> None:
        """Step from y, a mean of the weights z and their average x, and move z and x by it."""
        if self.step == 0:
            self.z = [p.detach().clone() for p in self.parameters]
        for _ in range(steps):
            before = [p.detach().clone() for p in self.parameters]
            super()._train(1)
            for y, old, z, x in zip(self.parameters, before, self.z, self.average, strict=True):
                z += y.data - old
                x.lerp_(z, 1 / self.step)
                torch.lerp(z, x, BETAS[0], out=y.data)

    def _train_muon(self, steps: int) -> None:
        """Step with Adam, and take back what it did to the matrices that Muon trains."""
        for _ in range(steps):
            rate, l1, l2, decay = self._strengths(1)[0][:, [0, 6, 7, 8]].float().T[..., None, None]
            before = {
                at: [each[at].detach().clone() for each in (self.parameters, self.moments)]
                for at in self.muons
            }
            averages = {at: self.average[at].clone() for at in self.muons}
            super()._train(1)
            for at, muon in self.muons.items():
                weight, moment = before[at]
                gradient = (self.moments[at] - BETAS[0] * moment) / (1 - BETAS[0])
                gradient += l2 * weight + l1 * weight.sign()
                weight -= self.way.muon * rate * muon.step(gradient)
                max_norm_pass(weight, self.max_norm)
                self.parameters[at].data.copy_(weight)
                self.average[at].copy_(torch.lerp(weight, averages[at], decay))

    def _train(self, steps: int) -> None:
        """Train; the noise stays the same for all steps of a call."""
        way = self.way
        if way.free:
            self._train_free(steps)
            return
        if way.muon:
            self._train_muon(steps)
            return
        if way.decoupled:
            for _ in range(steps):
                rate = self.learning_rates * float(self._factors(way.rate, 1)[0])
                kept = (1 - rate * self.decay).float()[:, None, None]
                for weight in self.network.weights:
                    weight.data.mul_(kept)
                super()._train(1)
            return
        noise, smoothing = (
            float(self._factors(curve, steps).mean()) for curve in (way.noise, way.smoothing)
        )
        falls = torch.isin(torch.arange(3), torch.tensor(way.noises))[:, None]
        share = torch.where(falls, noise, 1.0)
        self.keep_probs = 1 - share * (1 - self.full_keep_probs)
        self.smoothing = smoothing * self.full_smoothing
        super()._train(steps)


@contextmanager
def falling_noise(last: float) -> Iterator[None]:
    """Let the noise of a search of one worker fall over the last rung, to a share of it."""
    way = Way(noise=lambda share: last + (1 - last) * cosine(share))

    def run(data: Any, given: job.Job) -> Any:
        def population(*arguments: Any, **options: Any) -> TrialPopulation:
            created = Scheduled(*arguments, **options)
            falls = given.rung == RUNGS - 1
            created.follow(way if falls else WAYS["constant"], given.start, given.stop)
            return created

        with mock.patch.object(job, "TrialPopulation", population):
            return job.run_job(data, given)

    with mock.patch.object(engine, "run_job", run):
        yield
