"""Inference by moment matching: under random masks, pre-activations are nearly Gaussian."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from bridle.errors import UsageError
from bridle.networks.embedding import first_inputs
from bridle.networks.population import ACTIVATIONS, Network
from bridle.noise import DropConnect, Dropout, GaussianDropout, Multiplier
from bridle.subnetworks.evaluator import row_batches

__all__ = ["GaussianPrediction", "predict_gaussian"]

_DENSITY = 1 / math.sqrt(2 * math.pi)

# the logistic function as a mixture of normal distribution functions (Monahan & Stefanski 1992);
# fitted by least squares, reweighted until the largest error was minimal; that error is 6e-7
_SCALES = (0.291521855841, 0.410974947866, 0.576272202059, 0.803978888954, 1.1227885636)
_SHARES = (0.0233254060304, 0.207705635041, 0.429808762329, 0.294857439062, 0.0443027575375)

_Activation = Callable[[Tensor, Tensor | None, bool], tuple[Tensor, Tensor | None]]


@dataclass(frozen=True, eq=False)
class GaussianPrediction:
    """The moments of a network's scores under random masks.

    Attributes
    ----------
    mean : Tensor
        ``[members, rows, outputs]``, in the network's dtype. Its softmax gives probabilities.
    std : Tensor
        In the same shape: the standard deviation of each score over the masks, by the same
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
    """Predict by Gaussian moment matching, the inference method of the DropConnect paper.

    Under a mask of keep probability p, the pre-activation u of a unit is a sum of many small
    independent terms. It is nearly Gaussian, with the mean and variance of the sum. For
    ``u = (M ∘ W) v`` with a mask that is not divided by p, Wan et al. (2013, section 3.2) have::

        u ~ N(p W v, p (1 - p) (W ∘ W) (v ∘ v))

    With inverted scaling (``M / p``) it is ``N(W v, (1 - p) / p (W ∘ W) (v ∘ v))``. The next layer
    receives the mean of ``a(u)``. The paper samples u and averages the activations (``samples=n``).
    Without ``samples`` the mean is computed in closed form, the limit of many samples. For a ReLU
    it is ``E max(u, 0) = m Φ(m / s) + s φ(m / s)``; for tanh and the logistic function, a mixture
    of five normal distribution functions, accurate to 2e-6.

    The paper has one DropConnect layer. With several layers, ``propagate="mean"`` treats each in
    this way and passes on the mean only, as if the layers below had no noise. ``"moments"`` also
    passes on the variance of each activation. The variance of u is then that of products of
    independent variables, ``Σ W² (E[v²] / p - E[v]²)``; correlations between the units of a layer
    are neglected. Dropout on units and inputs is treated in the same way (Wang & Manning 2013).

    Parameters
    ----------
    network : Network
        A network with any of the supported noises. Its mode does not matter and does not change.
    X : Tensor
        ``[rows, inputs]`` or ``[members, rows, inputs]``.
    propagate : {"mean", "moments"}
        What each layer passes on to the next.
    samples : int, optional
        The number of Gaussian samples whose activations are averaged, as in the paper. None
        computes the mean in closed form.
    seed : int
        The seed of the samples.
    batch_rows : int
        Rows per batch; it bounds the memory. The samples depend on it, other results do not.

    Returns
    -------
    GaussianPrediction

    Raises
    ------
    UsageError
        If ``X`` has the wrong shape, or an argument is out of range.

    Examples
    --------
    >>> import torch, bridle
    >>> noise = bridle.DropConnect(keep_prob=0.5)
    >>> network = bridle.Network([100, 50, 3], weight_noise=noise)
    >>> X = torch.randn(4, 100)
    >>> found = bridle.predict_gaussian(network, X)
    >>> exact = bridle.subnetworks.subnetwork_scores(network, X, k=10_000).mean(0)
    >>> mean_weights = bridle.predict(network, X)
    >>> bool((found.mean - exact).norm() < 0.3 * (mean_weights - exact).norm())
    True
    """
    if propagate not in ("mean", "moments"):
        raise UsageError(f"propagate is {propagate!r}; it must be 'mean' or 'moments'")
    if samples is not None and samples < 1:
        raise UsageError(f"samples is {samples}; give 1 or more, or None for the closed form")
    generator = torch.Generator(network.seeds.device).manual_seed(seed)
    activate = _activation(network.activation, samples, generator)
    parts = [
        _pass(network, part, activate, spread=propagate == "moments")
        for part in row_batches(network, X, batch_rows)
    ]
    means, variances = zip(*parts, strict=True)
    return GaussianPrediction(torch.cat(means, dim=1), torch.cat(variances, dim=1).sqrt())


def _pass(
    network: Network, X: Tensor, activate: _Activation, *, spread: bool
) -> tuple[Tensor, Tensor]:
    """Return mean and variance of the scores, ``[members, rows, outputs]``."""
    mean = first_inputs(network.embedding, X.expand(network.members, -1, -1))
    variance: Tensor | None = None  # None is 0
    for layer, (weight, bias) in enumerate(zip(network.weights, network.biases, strict=True)):
        if layer:
            mean, variance = activate(mean, variance, spread)
        units = network.hidden_noise if layer else network.input_noise
        used = weight
        for noise in (units, network.weight_noise):
            used = used if noise is None else noise.predict(used)
        # the ratio of the second moment of a masked value to its square
        excess = _excess(units, weight) * _excess(network.weight_noise, weight)
        square = _variance_of_products(mean, variance, excess)
        variance = None if square is None else torch.bmm(square, used.square())
        mean = torch.baddbmm(bias, mean, used)
    return mean, torch.zeros_like(mean) if variance is None else variance


def _excess(noise: Multiplier | None, like: Tensor) -> float | Tensor:
    """Return ``E[m²] / E[m]²`` of a noise's factors m: 1 / p in both scalings."""
    if noise is None:
        return 1.0
    if not isinstance(noise, Dropout | GaussianDropout | DropConnect):
        raise UsageError(
            f"{noise} is not supported by predict_gaussian: use bridle.Dropout, GaussianDropout "
            "or DropConnect, or sample with predict_ensemble"
        )
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


def _activation(name: str, samples: int | None, generator: torch.Generator) -> _Activation:
    """Return a function from the mean and variance of u to those of the activation."""
    function = ACTIVATIONS[name]

    def moments(
        mean: Tensor, variance: Tensor | None, spread: bool
    ) -> tuple[Tensor, Tensor | None]:
        if variance is None:
            return function(mean), None
        if samples is not None:
            return _sampled(function, mean, variance, samples, generator, spread=spread)
        return _CLOSED[name](mean, variance, spread)

    return moments


def _sampled(
    function: Callable[[Tensor], Tensor],
    mean: Tensor,
    variance: Tensor,
    samples: int,
    generator: torch.Generator,
    *,
    spread: bool,
) -> tuple[Tensor, Tensor | None]:
    deviation = variance.sqrt()
    total, squares = torch.zeros_like(mean), torch.zeros_like(mean)
    drawn = torch.empty_like(deviation)
    for _ in range(samples):
        value = function(torch.addcmul(mean, deviation, drawn.normal_(generator=generator)))
        total.add_(value, alpha=1 / samples)
        if spread:
            squares.addcmul_(value, value, value=1 / samples)
    return total, (squares - total.square()).clamp(min=0) if spread else None


def _identity(mean: Tensor, variance: Tensor, spread: bool) -> tuple[Tensor, Tensor | None]:
    return mean, variance if spread else None


def _relu(mean: Tensor, variance: Tensor, spread: bool) -> tuple[Tensor, Tensor | None]:
    # a minimal variance avoids 0 / 0; for a unit without variance, Φ and φ at ±∞ are right
    deviation = variance.clamp(min=torch.finfo(variance.dtype).tiny).sqrt()
    z = mean / deviation
    share = torch.special.ndtr(z)
    density = z.square_().mul_(-0.5).exp_().mul_(deviation).mul_(_DENSITY)
    first = torch.addcmul(density, mean, share)
    if not spread:
        return first, None
    second = torch.addcmul(mean * density, mean.square() + variance, share)
    return first, (second - first.square()).clamp(min=0)


def _logistic(mean: Tensor, variance: Tensor, spread: bool) -> tuple[Tensor, Tensor | None]:
    first, slope = _logistic_and_slope(mean, variance)
    # σ² is σ - σ'
    return first, (first - slope - first.square()).clamp(min=0) if spread else None


def _tanh(mean: Tensor, variance: Tensor, spread: bool) -> tuple[Tensor, Tensor | None]:
    first, slope = _logistic_and_slope(2 * mean, 4 * variance)
    first = first.mul_(2).sub_(1)
    # tanh(x) is 2 σ(2 x) - 1, and tanh² is 1 - tanh'
    return first, (1 - 4 * slope - first.square()).clamp(min=0) if spread else None


def _logistic_and_slope(mean: Tensor, variance: Tensor) -> tuple[Tensor, Tensor]:
    """Return ``E σ(u)`` and ``E σ'(u)`` with ``σ(x) ≈ Σ w Φ(s x)``, in closed form."""
    value, slope = torch.zeros_like(mean), torch.zeros_like(mean)
    for scale, share in zip(_SCALES, _SHARES, strict=True):
        factor = variance.mul(scale**2).add_(1).rsqrt_().mul_(scale)
        z = mean * factor
        value.add_(torch.special.ndtr(z), alpha=share)
        slope.addcmul_(z.square_().mul_(-0.5).exp_(), factor, value=share * _DENSITY)
    return value, slope


_CLOSED: dict[str, Callable[[Tensor, Tensor, bool], tuple[Tensor, Tensor | None]]] = {
    "identity": _identity,
    "relu": _relu,
    "logistic": _logistic,
    "tanh": _tanh,
}
