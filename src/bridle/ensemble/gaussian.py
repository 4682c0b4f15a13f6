"""Inference by moment matching: what enters an activation under random masks is nearly Gaussian."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from bridle.ensemble.scores import row_parts
from bridle.errors import UsageError
from bridle.network import ACTIVATIONS, Network
from bridle.noise import DropConnect, Dropout

__all__ = ["GaussianPrediction", "predict_gaussian"]

_NODES = 16  # of the quadrature
_SQRT_HALF = math.sqrt(0.5)
_DENSITY = 1 / math.sqrt(2 * math.pi)


@dataclass(frozen=True, eq=False)
class GaussianPrediction:
    """The moments of a network's scores under random masks.

    Attributes
    ----------
    mean : Tensor
        ``[members, rows, outputs]``, in the network's dtype: take the softmax for probabilities.
    std : Tensor
        Of the same shape: the standard deviation of each score over the masks, by the same
        approximation.
    """

    mean: Tensor
    std: Tensor


@torch.no_grad()
def predict_gaussian(
    network: Network,
    X: Tensor,
    *,
    propagate: Literal["mean", "moments"] = "moments",
    samples: int | None = None,
    seed: int = 0,
    batch_rows: int = 4096,
) -> GaussianPrediction:
    """Predict by Gaussian moment matching: the inference of the DropConnect paper.

    Under a mask of keep probability p, what enters a unit is a sum of many small independent
    parts, nearly a Gaussian with the sum's own moments. Wan et al. (2013, section 3.2), for
    ``u = (M ∘ W) v`` with a mask that is not divided by p::

        u ~ N(p W v, p (1 - p) (W ∘ W) (v ∘ v))

    With inverted scaling (``M / p``) it is ``N(W v, (1 - p) / p (W ∘ W) (v ∘ v))``. What goes on to
    the next layer is the mean of ``a(u)``. The paper draws samples of u and averages their
    activations (``samples=…``). Without ``samples`` that mean is computed instead, which is the
    limit of many samples: for a ReLU in closed form, ``E max(u, 0) = m Φ(m / s) + s φ(m / s)``;
    for tanh and the logistic function by Gauss-Hermite quadrature.

    The paper has one layer of DropConnect. With several, ``propagate="mean"`` does the same at
    each, and hands on the mean only, as if the layers below had no noise. ``"moments"`` hands on
    the variance of each activation too, so that the variance of u is that of products of two
    independent things, ``Σ W² (E[v²] / p - E[v]²)``; what it neglects is that the units of a layer
    vary together. Dropout on units and inputs enters in the same way (Wang & Manning 2013).

    Parameters
    ----------
    network : Network
        With any noises, in either mode, which stays as it is.
    X : Tensor
        ``[rows, inputs]`` or ``[members, rows, inputs]``.
    propagate : {"mean", "moments"}
        What a layer hands on.
    samples : int, optional
        Average the activations of so many Gaussian samples, as the paper does.
    seed : int
        Of the samples.
    batch_rows : int
        Rows at a time, which bounds the memory. Samples depend on it, nothing else does.

    Returns
    -------
    GaussianPrediction

    Raises
    ------
    UsageError
        If ``X`` does not have the network's inputs, or an argument is out of range.

    Examples
    --------
    >>> import torch, bridle
    >>> noise = bridle.DropConnect(keep_prob=0.5)
    >>> network = bridle.Network([100, 50, 3], weight_noise=noise)
    >>> X = torch.randn(4, 100)
    >>> found = bridle.predict_gaussian(network, X)
    >>> exact = bridle.ensemble.subnetwork_scores(network, X, k=1000).mean(0)
    >>> mean_weights = bridle.predict(network, X)
    >>> bool((found.mean - exact).norm() < 0.3 * (mean_weights - exact).norm())
    True
    """
    if propagate not in ("mean", "moments"):
        raise UsageError(f"propagate is {propagate!r}; it is 'mean' or 'moments'")
    if samples is not None and samples < 1:
        raise UsageError(f"samples is {samples}; give 1 or more, or None for the limit of many")
    generator = torch.Generator(network.seeds.device).manual_seed(seed)
    activate = _activation(network.activation, samples, generator)
    parts = [
        _pass(network, part, activate, spread=propagate == "moments")
        for part in row_parts(network, X, batch_rows)
    ]
    means, variances = zip(*parts, strict=True)
    return GaussianPrediction(torch.cat(means, dim=1), torch.cat(variances, dim=1).sqrt())


def _pass(
    network: Network, X: Tensor, activate: _Activation, *, spread: bool
) -> tuple[Tensor, Tensor]:
    """Return mean and variance of the scores, ``[members, rows, outputs]``."""
    mean = X.expand(network.members, -1, -1)
    variance: Tensor | None = None  # None is 0
    for layer, (weight, bias) in enumerate(zip(network.weights, network.biases, strict=True)):
        if layer:
            mean, variance = activate(mean, variance, spread)
        units = network.hidden_noise if layer else network.input_noise
        used = weight
        for noise in (units, network.weight_noise):
            used = used if noise is None else noise.predict(used)
        # how much larger the second moment of a masked number is than its square
        excess = _excess(units, weight) * _excess(network.weight_noise, weight)
        square = _variance_of_products(mean, variance, excess)
        variance = None if square is None else torch.bmm(square, used.square())
        mean = torch.baddbmm(bias, mean, used)
    return mean, torch.zeros_like(mean) if variance is None else variance


def _excess(noise: Dropout | DropConnect | None, like: Tensor) -> float | Tensor:
    """Return ``E[m²] / E[m]²`` of a noise's factors m, which is 1 / p in either scaling."""
    if noise is None:
        return 1.0
    keep = noise.drawn_keep_prob
    return 1 / keep.to(like).view(-1, 1, 1) if isinstance(keep, Tensor) else 1 / keep


def _variance_of_products(
    mean: Tensor, variance: Tensor | None, excess: float | Tensor
) -> Tensor | None:
    """Return ``excess E[v²] - E[v]²``."""
    certain = isinstance(excess, float) and excess == 1
    if variance is None:
        return None if certain else mean.square() * (excess - 1)
    return variance if certain else mean.square() * (excess - 1) + variance * excess


_Activation = Callable[[Tensor, Tensor | None, bool], tuple[Tensor, Tensor | None]]


def _activation(name: str, samples: int | None, generator: torch.Generator) -> _Activation:
    """Return a function from mean and variance to those of the activation."""
    function = ACTIVATIONS[name]
    # torch's logistic function is eight times as fast as its tanh
    averaged = _tanh if name == "tanh" else function

    def certain(mean: Tensor) -> tuple[Tensor, None]:
        return function(mean), None

    def identity(
        mean: Tensor, variance: Tensor | None, spread: bool
    ) -> tuple[Tensor, Tensor | None]:
        return mean, variance if spread else None

    def relu(mean: Tensor, variance: Tensor | None, spread: bool) -> tuple[Tensor, Tensor | None]:
        if variance is None:
            return certain(mean)
        # a unit without variance has Φ and φ of ±∞, so that a little keeps 0 / 0 away
        deviation = variance.clamp(min=torch.finfo(variance.dtype).tiny).sqrt()
        z = mean / deviation
        share = torch.special.ndtr(z)
        density = (z.square() * -0.5).exp() * (deviation * _DENSITY)
        first = torch.addcmul(density, mean, share)
        if not spread:
            return first, None
        second = (mean.square() + variance) * share + mean * density
        return first, (second - first.square()).clamp(min=0)

    def expected(
        mean: Tensor, variance: Tensor | None, spread: bool
    ) -> tuple[Tensor, Tensor | None]:
        if variance is None:
            return certain(mean)
        deviation = variance.sqrt()
        total, squares = torch.zeros_like(mean), torch.zeros_like(mean)
        if samples is None:
            nodes, weights = np.polynomial.hermite_e.hermegauss(_NODES)
            pairs = zip(nodes.tolist(), (weights / weights.sum()).tolist(), strict=True)
            points = ((torch.add(mean, deviation, alpha=node), weight) for node, weight in pairs)
        else:
            points = (
                (mean + deviation * _normal(mean, generator), 1 / samples) for _ in range(samples)
            )
        for point, weight in points:
            value = averaged(point)
            total.add_(value, alpha=weight)
            if spread:
                squares.addcmul_(value, value, value=weight)
        return total, (squares - total.square()).clamp(min=0) if spread else None

    if name == "identity":
        return identity
    return relu if name == "relu" and samples is None else expected


def _tanh(x: Tensor) -> Tensor:
    return (2 * x).sigmoid_().mul_(2).sub_(1)


def _normal(like: Tensor, generator: torch.Generator) -> Tensor:
    return torch.randn(like.shape, dtype=like.dtype, device=like.device, generator=generator)
