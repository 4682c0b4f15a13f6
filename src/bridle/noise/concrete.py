"""Concrete dropout: dropout whose rate is learned."""

from __future__ import annotations

import math
from typing import Any, ClassVar, Self, final

import torch
from torch import Tensor, nn

from bridle.errors import UsageError
from bridle.noise.base import Multiplier
from bridle.noise.protocol import KeepProb, Spot
from bridle.ops import uniform_like

__all__ = ["ConcreteDropout", "RateEntropy"]


@final
class RateEntropy:
    """The regularizer of a learned rate: ``-strength · units · H(p)``, a penalty on its logit.

    ``H(p) = -p ln p - (1 - p) ln(1 - p)`` is the entropy of one mask entry in nats. The penalty is
    lowest at a rate of one half. Its gradient with respect to the logit l is
    ``strength · units · l · p (1 - p)``.
    """

    separable = False
    constraint = False
    elastic = None

    def __init__(self, noise: ConcreteDropout) -> None:
        self._noise = noise

    def __repr__(self) -> str:
        return f"RateEntropy({self._noise.entropy:g}, units={self._noise.units})"

    @property
    def _weight(self) -> float:
        return self._noise.entropy * self._noise.units

    def value(self, weight: Tensor) -> Tensor:
        """Return ``-strength · units · H(p)`` for a logit: a scalar."""
        log_drop, log_keep = nn.functional.logsigmoid(weight), nn.functional.logsigmoid(-weight)
        return self._weight * (log_drop.exp() * log_drop + log_keep.exp() * log_keep).sum()

    def gradient(self, weight: Tensor) -> Tensor:
        """Return the gradient with respect to the logit."""
        drop = weight.sigmoid()
        return self._weight * weight * drop * (1 - drop)

    def prox(self, weight: Tensor, step: float | Tensor) -> Tensor:  # noqa: ARG002
        """Raise an error: this penalty acts only by its gradient.

        Raises
        ------
        UsageError
            Always.
        """
        raise UsageError(f"{self} has no closed-form proximal step; use mode='coupled'")


@final
class ConcreteDropout(Multiplier):
    """Concrete dropout: the probability to drop is learned (Gal, Hron & Kendall 2017).

    The mask is relaxed to values between 0 and 1, so that the rate has a gradient::

        z = sigmoid((ln p - ln(1 - p) + ln u - ln(1 - u)) / temperature)
        y = x (1 - z) / (1 - p)

    Here p is the probability to drop, and u is uniform, a pure function of its address. The paper's
    entropy term ``-entropy · units · H(p)`` is added to the loss. It pulls the rate towards one
    half; without it, training only lowers the rate. The paper also has a term on the next layer's
    weights that depends on the rate. Here you choose a penalty such as ``L2`` instead, which does
    not depend on the rate.

    Use it as a rule of :func:`bridle.regularize`. Each place then learns its own rate. The logit
    becomes a parameter of the optimizer, without weight decay, and the gradient of the entropy
    term is added at each step. ``receipt.state_dict()`` contains the rates. Prediction is exactly
    the identity, as for inverted dropout. The mean of the relaxed mask is 1 - p only in the limit
    of temperature 0.

    Parameters
    ----------
    keep_prob, drop_prob : float; exactly one of the two
        The initial probability, above 0 and below 1. The attribute ``keep_prob`` is the current
        one.
    entropy : float
        Strength of the entropy term, per unit. Use 1 / N if the loss is the mean negative
        log-likelihood over N training rows.
    temperature : float
        Temperature of the relaxation, above 0; the paper uses 0.1. In the limit 0 it is ordinary
        dropout, which has no gradient for the rate.

    Raises
    ------
    UsageError
        If both or neither of the two are given, or a value is out of range.

    Examples
    --------
    >>> import torch, bridle
    >>> model = torch.nn.Sequential(torch.nn.Linear(4, 32), torch.nn.ReLU(), torch.nn.Linear(32, 1))
    >>> optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    >>> noise = bridle.ConcreteDropout(drop_prob=0.2, entropy=0.0)
    >>> receipt = bridle.regularize(model, {"1": noise}, optimizer=optimizer)
    >>> X = torch.randn(256, 4, generator=torch.Generator().manual_seed(0))
    >>> for _ in range(100):
    ...     optimizer.zero_grad()
    ...     torch.nn.functional.mse_loss(model(X)[:, 0], X.sum(1)).backward()
    ...     optimizer.step()
    >>> bool(receipt.noises[0].noise.keep_prob > 0.85)  # such a simple function needs little noise
    True
    """

    learned: nn.Parameter
    _defaults: ClassVar[dict[str, Any]] = {"entropy": 1e-5, "temperature": 0.1}

    def __init__(
        self,
        *,
        keep_prob: KeepProb | None = None,
        drop_prob: KeepProb | None = None,
        entropy: float = 1e-5,
        temperature: float = 0.1,
    ) -> None:
        super().__init__(keep_prob=keep_prob, drop_prob=drop_prob)
        keep = self._keep_prob
        if isinstance(keep, Tensor):
            raise UsageError(
                "ConcreteDropout learns one probability; give one number as its initial value"
            )
        if keep == 1:
            raise UsageError(
                "keep_prob is 1, from which ConcreteDropout cannot learn; give a value below 1"
            )
        if not (math.isfinite(entropy) and entropy >= 0):
            raise UsageError(f"entropy is {entropy}; it must be a finite number, 0 or more")
        if not (math.isfinite(temperature) and temperature > 0):
            raise UsageError(f"temperature is {temperature}; it must be a finite number above 0")
        self.entropy = entropy
        self.temperature = temperature
        self.units = 0
        logit = math.log1p(-keep) - math.log(keep)
        self.learned = nn.Parameter(torch.tensor([logit], dtype=torch.float32))

    def __repr__(self) -> str:
        return f"ConcreteDropout(keep_prob={round(self.keep_prob, 4)}{self._shown()})"

    def options(self) -> dict[str, Any]:
        """Return the other constructor arguments, by name."""
        return {"entropy": self.entropy, "temperature": self.temperature}

    @property
    def keep_prob(self) -> float:
        """The current keep probability."""
        return float((-self.learned.detach().double()).sigmoid())

    @property
    def drawn_keep_prob(self) -> float:
        """The current keep probability."""
        return self.keep_prob

    def keep_at(self, address: Tensor) -> float:  # noqa: ARG002
        """Return the current keep probability."""
        return self.keep_prob

    def placed(self, spot: Spot) -> Self:
        """Return the noise for one place, with its own rate and the same initial rate."""
        other = type(self)(keep_prob=self._keep_prob, **self.options())
        other.learned = nn.Parameter(other.learned.detach().to(spot.device))
        return other

    def regularizer(self) -> RateEntropy:
        """Return the penalty on the logit."""
        return RateEntropy(self)

    def train(self, x: Tensor, address: Tensor, *, rows: Tensor | None = None) -> Tensor:
        """Return ``x`` times the relaxed mask of an address; the rate gets gradients.

        Parameters
        ----------
        x : Tensor
            ``[rows, ...]``.
        address : Tensor
            int64 ``[3]``; see :func:`bridle.address_of`.
        rows : Tensor, optional
            int64 row addresses; see :func:`bridle.ops.dropout`.

        Returns
        -------
        Tensor
            With the shape and dtype of ``x``.
        """
        self.units = math.prod(x.shape[1:])
        dtype = torch.promote_types(x.dtype, torch.float32)
        noise = uniform_like(x, address, rows=rows).logit().to(dtype)
        logit = self.learned.to(x.device, dtype)
        kept = (-(logit + noise) / self.temperature).sigmoid()
        return (x * (kept / (-logit).sigmoid())).to(x.dtype)

    def seen(self, x: Tensor, y: Tensor) -> Tensor:
        """Return which units have a mask above one half, which has probability ``keep_prob``."""
        multiplier = (y / x)[x != 0].flatten()
        return multiplier * self.keep_prob > 0.5
