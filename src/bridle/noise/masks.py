"""What dropout and DropConnect share: a Bernoulli mask with a keep probability and a scaling."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Self

from torch import Tensor

from bridle.noise.protocol import (
    KeepProb,
    Scaling,
    check_scaling,
    drawn_probability,
    resolve,
)

__all__ = ["BernoulliMask"]


class BernoulliMask(ABC):
    """A mask that keeps with a probability; subclasses say what a mask's entry belongs to."""

    def __init__(
        self,
        *,
        keep_prob: KeepProb | None = None,
        drop_prob: KeepProb | None = None,
        scaling: Scaling = "inverted",
    ) -> None:
        self._keep_prob = resolve(type(self).__name__, keep_prob, drop_prob)
        check_scaling(scaling)
        self.scaling: Scaling = scaling

    def __repr__(self) -> str:
        options = "".join(f", {name}={value}" for name, value in self.options().items() if value)
        return (
            f"{type(self).__name__}(keep_prob={self._keep_prob}, scaling={self.scaling!r}{options})"
        )

    @abstractmethod
    def options(self) -> dict[str, bool]:
        """Return what else the noise is made of, by the names of its arguments."""

    @property
    def keep_prob(self) -> KeepProb:
        """The probability to keep, as asked for."""
        return self._keep_prob

    @property
    def drawn_keep_prob(self) -> KeepProb:
        """The probability to keep, as drawn: a multiple of 1/65536."""
        return drawn_probability(self._keep_prob)

    @property
    def inverted(self) -> bool:
        """Whether training divides by the keep probability, so that prediction is free."""
        return self.scaling == "inverted"

    @abstractmethod
    def train(self, x: Tensor, address: Tensor) -> Tensor:
        """Return ``x`` with the mask of that address applied."""

    def predict(self, x: Tensor) -> Tensor:
        """Return what replaces the noise at prediction.

        Parameters
        ----------
        x : Tensor
            Any shape; ``[members, ...]`` when there is one keep probability per member.

        Returns
        -------
        Tensor
            Inverted: ``x``, the very same tensor. Classic: ``p x``, with p as drawn.
        """
        if self.inverted:
            return x
        drawn = self.drawn_keep_prob
        if isinstance(drawn, Tensor):
            drawn = drawn.view(-1, *[1] * (x.ndim - 1)).to(x)
        return x * drawn

    def take(self, members: Tensor) -> Self:
        """Return the noise of some members (int64 ``[count]``) of the population."""
        if not isinstance(self._keep_prob, Tensor):
            return self
        keep = self._keep_prob[members.cpu()]
        return type(self)(keep_prob=keep, scaling=self.scaling, **self.options())

    def rescaled(self, scaling: Scaling) -> Self:
        """Return the same noise with the other scaling."""
        return type(self)(keep_prob=self._keep_prob, scaling=scaling, **self.options())
