"""What all noises share, and what those share whose mask is of zeros and ones."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from bridle.errors import UsageError
from bridle.noise.protocol import (
    KeepProb,
    Scaling,
    Spot,
    check_scaling,
    drawn_probability,
    resolve,
)
from bridle.ops.formatting import format_value

__all__ = ["BernoulliMask", "Multiplier"]


class Multiplier(ABC):
    """Noise of mean 1 with a keep probability: prediction is the identity."""

    scaling: Scaling = "inverted"
    shared = False
    multiplies: bool = True
    """Whether training only multiplies, so that the weights that read the units can take it in."""
    learned: nn.Parameter | None = None
    """The logit of a rate that is learned."""
    fuses_relu: ClassVar[bool] = False
    """Whether ``train`` takes ``relu`` and ``bias``, and does all in one pass."""

    _defaults: ClassVar[dict[str, Any]] = {}

    def __init__(
        self, *, keep_prob: KeepProb | None = None, drop_prob: KeepProb | None = None
    ) -> None:
        self._keep_prob = resolve(type(self).__name__, keep_prob, drop_prob)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(keep_prob={format_value(self._keep_prob)}{self._shown()})"

    def _shown(self) -> str:
        """Return the options that are not the default's, for printing."""
        return "".join(
            f", {name}={value!r}"
            for name, value in self.options().items()
            if value != self._defaults.get(name, False)
        )

    def options(self) -> dict[str, Any]:
        """Return what else the noise is made of, by the names of its arguments."""
        return {}

    @property
    def keep_prob(self) -> KeepProb:
        """The probability to keep, as asked for."""
        return self._keep_prob

    @property
    def drawn_keep_prob(self) -> KeepProb:
        """The probability to keep, as drawn."""
        return self._keep_prob

    @property
    def inverted(self) -> bool:
        """Whether training has the mean of the data, so that prediction is free."""
        return self.scaling == "inverted"

    def keep_at(self, address: Tensor) -> KeepProb:  # noqa: ARG002
        """Return the probability to keep at an address, which a schedule may change."""
        return self._keep_prob

    def now(self, address: Tensor) -> Multiplier:  # noqa: ARG002
        """Return the noise as it is at an address."""
        return self

    @abstractmethod
    def train(self, x: Tensor, address: Tensor) -> Tensor:
        """Return ``x`` with the noise of that address applied."""

    def predict(self, x: Tensor) -> Tensor:
        """Return what replaces the noise at prediction: ``x``, the very same tensor."""
        return x

    def take(self, members: Tensor) -> Self:
        """Return the noise of some members (int64 ``[count]``) of the population."""
        if not isinstance(self._keep_prob, Tensor):
            return self
        return self.keeping(self._keep_prob[members.cpu()])

    def keeping(self, keep_prob: KeepProb) -> Self:
        """Return the same noise with another probability to keep, which is not checked."""
        other = copy.copy(self)
        other._keep_prob = keep_prob
        return other

    def rescaled(self, scaling: Scaling) -> Self:
        """Return the noise itself: it has no classic form.

        Raises
        ------
        UsageError
            If another scaling than "inverted" is asked for.
        """
        if scaling != "inverted":
            raise UsageError(f"{self} has mean 1 in training and no {scaling} form")
        return self

    def placed(self, spot: Spot) -> Self:  # noqa: ARG002
        """Return the noise for one place of a model."""
        return self

    def rows_of(self, x: Tensor) -> int:
        """Return how many rows (examples) an input has."""
        return x.shape[0]

    def train_packed(
        self, x: PackedSequence, address: Tensor, *, rank: int = 0, processes: int = 1
    ) -> Tensor:
        """Return the data of packed sequences with noise: each step of each is a row."""
        rows = torch.arange(x.data.shape[0], device=x.data.device) * processes + rank
        return self.train(x.data, address, rows=rows)  # type: ignore[call-arg]

    def seen(self, x: Tensor, y: Tensor) -> Tensor:
        """Return what an audit counts: which entries were kept of those that are not zero.

        Parameters
        ----------
        x, y : Tensor
            What went into ``train`` and what came out.

        Returns
        -------
        Tensor
            bool, one entry for each independent draw; or the multipliers, floating.
        """
        return (y != 0)[x != 0].flatten()


class BernoulliMask(Multiplier):
    """A mask that keeps with a probability; subclasses say what a mask's entry belongs to."""

    def __init__(
        self,
        *,
        keep_prob: KeepProb | None = None,
        drop_prob: KeepProb | None = None,
        scaling: Scaling = "inverted",
    ) -> None:
        super().__init__(keep_prob=keep_prob, drop_prob=drop_prob)
        check_scaling(scaling)
        self.scaling = scaling

    def __repr__(self) -> str:
        options = f"scaling={self.scaling!r}{self._shown()}"
        return f"{type(self).__name__}(keep_prob={format_value(self._keep_prob)}, {options})"

    @property
    def drawn_keep_prob(self) -> KeepProb:
        """The probability to keep, as drawn: a multiple of 1/65536."""
        return drawn_probability(self._keep_prob)

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

    def rescaled(self, scaling: Scaling) -> Self:
        """Return the same noise with the other scaling."""
        check_scaling(scaling)
        other = copy.copy(self)
        other.scaling = scaling
        return other
