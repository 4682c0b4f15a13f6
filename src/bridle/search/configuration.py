"""What the search chooses from: one set of strengths, and the space of them."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

import numpy as np

from bridle.errors import UsageError

__all__ = ["HIDDEN", "PLAIN", "Configuration", "Space"]

HIDDEN = (128, 128)
"""Units of each hidden layer, unless told otherwise."""
NOISE_OF_VALUES = 0.25
"""How often a noise is on where values are predicted, of how often it is for classes."""


@dataclass(frozen=True)
class Configuration:
    """One set of strengths, with the learning rate and the shape that go with them.

    Attributes
    ----------
    learning_rate : float
        Of Adam.
    l1, l2 : float
        λ of ``λ Σ|w|`` and of ``½ λ Σw²``, proximal in Adam's own metric.
    keep_prob, input_keep_prob, drop_connect_keep_prob : float
        The probability to keep a hidden unit, an input, a weight.
    max_norm : float
        The bound on the norm of the weights that enter a unit; infinity is none.
    label_smoothing : float
        The share of the target that is spread evenly over the classes (Szegedy et al. 2016).
    mixup : float
        α of Beta(α, α), by which pairs of rows are mixed (Zhang et al. 2018); 0 is none.
    averaging : float
        How late the averaged weights begin, as in polynomial-decay averaging (Shamir & Zhang
        2013): the average of step t moves by ``(averaging + 1) / (t + averaging)``; 0 averages all
        steps evenly, infinity is none.
    class_weight : float
        0 counts every row alike, 1 every class alike; a power of the inverse class frequency.
    hidden : tuple of int
        Units of each hidden layer.
    bins : int
        Of the piecewise-linear encoding of numbers (Gorishniy et al. 2022); 0 is none.
    """

    learning_rate: float = 1e-3
    l1: float = 0.0
    l2: float = 0.0
    keep_prob: float = 1.0
    input_keep_prob: float = 1.0
    drop_connect_keep_prob: float = 1.0
    max_norm: float = math.inf
    label_smoothing: float = 0.0
    mixup: float = 0.0
    averaging: float = math.inf
    class_weight: float = 0.0
    hidden: tuple[int, ...] = HIDDEN
    bins: int = 0

    @property
    def shape(self) -> tuple[tuple[int, ...], int]:
        """What members of one population must share."""
        return self.hidden, self.bins

    def with_shape(self, hidden: tuple[int, ...], bins: int) -> Configuration:
        """Return the same strengths in another shape."""
        return replace(self, hidden=hidden, bins=bins)

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values; infinity is None."""
        values = asdict(self) | {"hidden": list(self.hidden)}
        return {name: None if value == math.inf else value for name, value in values.items()}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Configuration:
        """Build a configuration from what :meth:`to_dict` returned."""
        known = {each.name for each in fields(cls)}
        given: dict[str, Any] = {
            name: math.inf if value is None else value
            for name, value in values.items()
            if name in known
        }
        return cls(**given | {"hidden": tuple(given["hidden"])})


PLAIN = Configuration()
"""No regularization at all: what every search is compared with."""


@dataclass(frozen=True)
class Space:
    """What configurations are drawn from.

    Each regularizer is on with a probability of its own, and then its strength is drawn: a
    cocktail (Kadra et al. 2021). For values, each noise (on units, inputs, weights and rows) is on
    a quarter as often, and a unit is then dropped a third as often: what is drawn for classes gives
    higher errors there (``benchmarks/search_spaces.py``). What is drawn was chosen by what 256
    configurations did on 30 tables (``benchmarks/search_draws.py``).

    Attributes
    ----------
    shapes : tuple of tuple of int
        Hidden layers to choose from.
    bins : tuple of int
        Piecewise-linear encodings to choose from; 0 is none.
    classes : bool
        Whether the target is a class, which has label smoothing and class weights.
    balanced : bool
        Whether the score counts every class alike, and not every row: most configurations then
        weigh classes, and otherwise most do not.

    Raises
    ------
    UsageError
        If there is no shape, or no encoding, to choose from.
    """

    shapes: tuple[tuple[int, ...], ...] = (HIDDEN,)
    bins: tuple[int, ...] = (0,)
    classes: bool = True
    balanced: bool = False

    def __post_init__(self) -> None:
        if not self.shapes or not self.bins:
            raise UsageError(f"{self} has nothing to choose from; give a shape and bins at least")

    def sample(self, random: np.random.Generator) -> Configuration:
        """Draw a configuration."""

        def log(low: float, high: float) -> float:
            return float(np.exp(random.uniform(np.log(low), np.log(high))))

        def often(share: float, value: float, off: float) -> float:
            return value if random.random() < share else off

        drawn = Configuration(
            learning_rate=log(1e-3, 1e-2),
            l1=often(0.3, log(1e-6, 1e-3), 0.0),
            l2=often(0.6, log(1e-5, 1e-2), 0.0),
            keep_prob=often(0.7, random.uniform(0.4, 0.95), 1.0),
            input_keep_prob=often(0.4, random.uniform(0.7, 0.98), 1.0),
            drop_connect_keep_prob=often(0.15, random.uniform(0.6, 0.95), 1.0),
            max_norm=often(0.15, log(0.5, 5.0), math.inf),
            label_smoothing=often(0.4, random.uniform(0.01, 0.3), 0.0),
            mixup=often(0.4, random.uniform(0.05, 1.0), 0.0),
            averaging=often(0.9, random.choice([4.0, 8.0, 16.0]), math.inf),
            class_weight=often(0.7, float(self.balanced), random.uniform(0.0, 1.0)),
            hidden=self.shapes[random.integers(len(self.shapes))],
            bins=self._drawn_bins(random),
        )
        return drawn if self.classes else self._lighter(drawn, random)

    def _drawn_bins(self, random: np.random.Generator) -> int:
        """Return bins; for values the finest ones in half of the draws, and one of all else."""
        count = len(self.bins)
        place = int(random.integers(count if self.classes else 2 * count))
        return sorted(self.bins)[min(place, count - 1)]

    @staticmethod
    def _lighter(drawn: Configuration, random: np.random.Generator) -> Configuration:
        """Return what values take of a configuration that was drawn for classes."""
        units, inputs, weights, mixed = random.random(4) < NOISE_OF_VALUES
        return replace(
            drawn,
            keep_prob=1 - (1 - drawn.keep_prob) / 3 if units else 1.0,
            input_keep_prob=drawn.input_keep_prob if inputs else 1.0,
            drop_connect_keep_prob=drawn.drop_connect_keep_prob if weights else 1.0,
            mixup=drawn.mixup if mixed else 0.0,
            label_smoothing=0.0,
            class_weight=0.0,
        )
