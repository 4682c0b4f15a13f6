"""Base classes: ``Multiplier`` for all noises, ``BernoulliMask`` for masks of zeros and ones."""

from __future__ import annotations

import copy
import inspect
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


class _NamedProbability:
    """Refuses a probability that does not say whether it is that of keeping.

    It is a base class of its own so that signatures and documents show ``__init__``.
    """

    def __new__(cls, *given: Any, **options: Any) -> Self:
        """Refuse ``Dropout(0.5)`` and ``Dropout(p=0.5)``, which could mean either probability."""
        if given or "p" in options:
            _check_names_probability(cls, given, options)
        return super().__new__(cls)


class Multiplier(_NamedProbability, ABC):
    """Base class of noises with a keep probability.

    Their multipliers have mean 1, so prediction is the identity.
    """

    scaling: Scaling = "inverted"
    shared = False
    multiplies: bool = True
    """Whether training only multiplies, so that the factors can move into the next weights."""
    learned: nn.Parameter | None = None
    """The logit of a learned rate."""
    independent: ClassVar[bool] = False
    """Whether each entry of the input has a random number of its own."""
    fuses_relu: ClassVar[bool] = False
    """Whether ``train`` also accepts ``relu`` and ``bias``, in one pass."""

    _defaults: ClassVar[dict[str, Any]] = {}

    def __init__(
        self, *, keep_prob: KeepProb | None = None, drop_prob: KeepProb | None = None
    ) -> None:
        self._keep_prob = resolve(type(self).__name__, keep_prob, drop_prob)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(keep_prob={format_value(self._keep_prob)}{self._shown()})"

    def _shown(self) -> str:
        """Return the options that differ from the defaults, for ``repr``."""
        return "".join(
            f", {name}={value!r}"
            for name, value in self.options().items()
            if value != self._defaults.get(name, False)
        )

    def options(self) -> dict[str, Any]:
        """Return the other constructor arguments, by name."""
        return {}

    @property
    def keep_prob(self) -> KeepProb:
        """The requested keep probability."""
        return self._keep_prob

    @property
    def drawn_keep_prob(self) -> KeepProb:
        """The keep probability of the masks."""
        return self._keep_prob

    @property
    def inverted(self) -> bool:
        """Whether training keeps the mean, so that prediction is the identity."""
        return self.scaling == "inverted"

    def keep_at(self, address: Tensor) -> KeepProb:  # noqa: ARG002
        """Return the keep probability at an address; a schedule may change it."""
        return self._keep_prob

    def now(self, address: Tensor) -> Multiplier:  # noqa: ARG002
        """Return the noise with the strength that it has at an address."""
        return self

    @abstractmethod
    def train(self, x: Tensor, address: Tensor) -> Tensor:
        """Return ``x`` with the noise of an address applied."""

    def predict(self, x: Tensor) -> Tensor:
        """Return ``x`` itself: at prediction the noise is the identity."""
        return x

    def take(self, members: Tensor) -> Self:
        """Return the noise of some members (int64 ``[count]``) of the population."""
        if not isinstance(self._keep_prob, Tensor):
            return self
        return self.keeping(self._keep_prob[members.cpu()])

    def keeping(self, keep_prob: KeepProb) -> Self:
        """Return the same noise with another keep probability, which is not checked."""
        other = copy.copy(self)
        other._keep_prob = keep_prob
        return other

    def rescaled(self, scaling: Scaling) -> Self:
        """Return the noise itself; there is no classic form.

        Raises
        ------
        UsageError
            If the scaling is not "inverted".
        """
        if scaling != "inverted":
            raise UsageError(f"{self} has no {scaling} form; use scaling='inverted'")
        return self

    def placed(self, spot: Spot) -> Self:  # noqa: ARG002
        """Return the noise adapted to one place of a model."""
        return self

    def rows_of(self, x: Tensor) -> int:
        """Return the number of rows (examples) of an input."""
        return x.shape[0]

    def train_packed(
        self, x: PackedSequence, address: Tensor, *, rank: int = 0, processes: int = 1
    ) -> Tensor:
        """Return the data of packed sequences with noise; each time step is one row."""
        rows = torch.arange(x.data.shape[0], device=x.data.device) * processes + rank
        return self.train(x.data, address, rows=rows)  # type: ignore[call-arg]

    def seen(self, x: Tensor, y: Tensor) -> Tensor:
        """Return the draws that an audit counts: which entries of ``x`` were kept.

        Entries of ``x`` that are zero are left out, since they do not show whether they were kept.

        Parameters
        ----------
        x, y : Tensor
            Input and output of ``train``.

        Returns
        -------
        Tensor
            bool, one entry per independent draw; or the multipliers, floating.
        """
        return (y != 0)[x != 0].flatten()


def _check_names_probability(
    cls: type[Any], given: tuple[Any, ...], options: dict[str, Any]
) -> None:
    taken = inspect.signature(cls.__init__)
    if "keep_prob" not in taken.parameters or not {"keep_prob", "drop_prob"}.isdisjoint(options):
        return
    try:
        taken.bind_partial(None, *given, **options)
    except TypeError:  # it takes no such arguments; a subclass may
        pass
    else:
        return
    value = given[0] if given else options["p"]
    shown = f"{cls.__name__}({value!r})" if given else f"{cls.__name__}(p={value!r})"
    raise UsageError(
        f"{shown} does not say which probability is meant: torch's p is that of dropping, the "
        f"article's that of keeping; give drop_prob={value!r} or keep_prob={value!r}"
    )


class BernoulliMask(Multiplier):
    """Base class of masks of zeros and ones; subclasses define what one mask entry covers."""

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
        """The keep probability of the masks: a multiple of 1/65536."""
        return drawn_probability(self._keep_prob)

    def predict(self, x: Tensor) -> Tensor:
        """Return what replaces the noise at prediction.

        Parameters
        ----------
        x : Tensor
            Any shape; ``[members, ...]`` if there is one keep probability per member.

        Returns
        -------
        Tensor
            Inverted: ``x`` itself. Classic: ``p x``, where p is :attr:`drawn_keep_prob`.
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
