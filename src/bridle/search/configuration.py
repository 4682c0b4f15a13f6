"""The search space: a configuration of hyperparameters, and how configurations are sampled."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

import numpy as np

from bridle.checks.ranges import Range
from bridle.errors import UsageError

__all__ = [
    "HIDDEN",
    "PLAIN",
    "RANGES",
    "Configuration",
    "Shape",
    "Space",
    "input_noise_share",
    "ranges_of",
]

HIDDEN = (128, 128)
"""The default units of each hidden layer."""
EMBEDDED = 0.5
"""How often numbers are embedded, where they can be."""
DEVIATIONS = (0.1, 1.0)
"""The range of the standard deviation of the frequencies of an embedding."""
DEFAULT_DEVIATION = 0.3
"""Of the frequencies of an embedding, where none is sampled."""
INPUT_NOISE = 0.4
"""How often there is noise on inputs for classification."""
FINE_BINS = 16
"""With more bins there is no noise on inputs: a dropped bin is known from the bins beside it."""
REGRESSION_NOISE = 0.25
"""How often a noise is on for regression, as a share of how often it is for classification."""

RANGES = {
    "learning_rate": Range(1e-3, 1e-2, True, ("low", "high")),
    "l1": Range(1e-6, 1e-3, True, ("high",)),
    "l2": Range(1e-5, 1e-2, True, ("high",)),
    "keep_prob": Range(0.4, 0.95, False, ("low",)),
    "input_keep_prob": Range(0.7, 0.98, False, ("low",)),
    "drop_connect_keep_prob": Range(0.6, 0.95, False, ("low",)),
    "max_norm": Range(0.5, 5.0, True, ("low",)),
    "label_smoothing": Range(0.01, 0.3, False, ("high",)),
    "mixup": Range(0.05, 1.0, False, ("high",)),
}
"""The range of each strength, if it is on. At an end that is no edge, it is nearly off."""

Shape = tuple[tuple[int, ...], int, bool, int]
"""What :attr:`Configuration.shape` has."""


@dataclass(frozen=True)
class Configuration:
    """The hyperparameters of one network: learning rate, regularization strengths and shape.

    Attributes
    ----------
    learning_rate : float
        Of Adam.
    l1, l2 : float
        λ of ``λ Σ|w|`` and of ``½ λ Σw²``, as proximal steps in Adam's own metric.
    keep_prob, input_keep_prob, drop_connect_keep_prob : float
        The probability to keep a hidden unit, an input, and a weight.
    max_norm : float
        The bound on the norm of a unit's incoming weights; infinity is no bound.
    label_smoothing : float
        The share of the target that is spread evenly over the classes (Szegedy et al. 2016).
    mixup : float
        α of the Beta(α, α) distribution of mixup (Zhang et al. 2018); 0 is no mixup.
    averaging : float
        η of polynomial-decay weight averaging (Shamir & Zhang 2013): at step t the average moves
        by ``(η + 1) / (t + η)`` of the way to the weights. 0 averages all steps evenly, a higher
        value favors later steps, and infinity is no averaging.
    class_weight : float
        The power of the inverse class frequency in the class weights: 0 weights every row equally,
        1 every class.
    hidden : tuple of int
        Units of each hidden layer.
    bins : int
        The bins of the piecewise-linear encoding of numerical features (Gorishniy et al. 2022);
        0 is no such encoding.
    shared_members : int
        How many networks share their weight matrices in place of one network, with adapters of
        their own (Wen et al. 2020). Max-norm bounds the shared weights, before the adapters.
    embedding : float
        The standard deviation of the initial frequencies of a periodic embedding of the numerical
        features; see :class:`bridle.networks.PeriodicEmbedding`. 0 is no embedding.
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
    shared_members: int = 1
    embedding: float = 0.0

    @property
    def shape(self) -> Shape:
        """The hidden layers, the bins, whether numbers are embedded, and who shares weights.

        All members of one population have the same.
        """
        return self.hidden, self.bins, self.embedding > 0, self.shared_members

    def with_shape(
        self, hidden: tuple[int, ...], bins: int, embedded: bool = False, shared_members: int = 1
    ) -> Configuration:
        """Return a copy with another shape."""
        embedding = (self.embedding or DEFAULT_DEVIATION) if embedded else 0.0
        return replace(
            self, hidden=hidden, bins=bins, embedding=embedding, shared_members=shared_members
        )

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values, with None for infinity."""
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
"""No regularization at all: the baseline of every search."""


@dataclass(frozen=True)
class Space:
    """The space that configurations are sampled from.

    Each regularizer is on with its own probability, and then its strength is sampled: a cocktail
    (Kadra et al. 2021). For regression, each noise (on units, inputs, weights and rows) is on a
    quarter as often as for classification, and the drop probability of a unit is a third: the
    noise of classification gives higher errors there (``benchmarks/search_spaces.py``). The ranges
    were chosen by the scores of 256 configurations on 30 tables (``benchmarks/search_draws.py``).

    Attributes
    ----------
    shapes : tuple of tuple of int
        The hidden layers to choose from.
    bins : tuple of int
        The bins of the piecewise-linear encoding to choose from; 0 is no such encoding.
    classes : bool
        Whether the task is classification, which has label smoothing and class weights.
    balanced : bool
        Whether the score weights every class equally, as balanced accuracy does. Most
        configurations then have class weights; otherwise most have none.
    shared_members : int
        How many networks share their weights, in every configuration.
    embeds : bool
        Whether some configurations have an embedding of numbers. Networks that share weights have
        none.

    Raises
    ------
    UsageError
        If ``shapes`` or ``bins`` is empty, or networks that share weights would embed numbers.
    """

    shapes: tuple[tuple[int, ...], ...] = (HIDDEN,)
    bins: tuple[int, ...] = (0,)
    classes: bool = True
    balanced: bool = False
    shared_members: int = 1
    embeds: bool = False

    def __post_init__(self) -> None:
        if not self.shapes or not self.bins:
            raise UsageError(
                f"shapes is {self.shapes} and bins is {self.bins}; give at least one of each"
            )
        if self.embeds and self.shared_members > 1:
            raise UsageError(
                f"shared_members is {self.shared_members}, but networks that share weights have no "
                "embedding of numbers; give embeds=False"
            )

    def sample(self, random: np.random.Generator) -> Configuration:
        """Sample a configuration."""

        def within(name: str) -> float:
            low, high = RANGES[name].low, RANGES[name].high
            if not RANGES[name].log:
                return random.uniform(low, high)
            return float(np.exp(random.uniform(np.log(low), np.log(high))))

        def sometimes(share: float, value: float, off: float) -> float:
            return value if random.random() < share else off

        sampled = Configuration(
            learning_rate=within("learning_rate"),
            l1=sometimes(0.3, within("l1"), 0.0),
            l2=sometimes(0.6, within("l2"), 0.0),
            keep_prob=sometimes(0.7, within("keep_prob"), 1.0),
            input_keep_prob=sometimes(INPUT_NOISE, within("input_keep_prob"), 1.0),
            drop_connect_keep_prob=sometimes(0.15, within("drop_connect_keep_prob"), 1.0),
            max_norm=sometimes(0.15, within("max_norm"), math.inf),
            label_smoothing=sometimes(0.4, within("label_smoothing"), 0.0),
            mixup=sometimes(0.4, within("mixup"), 0.0),
            averaging=sometimes(0.9, random.choice([4.0, 8.0, 16.0]), math.inf),
            class_weight=sometimes(0.7, float(self.balanced), random.uniform(0.0, 1.0)),
            hidden=self.shapes[random.integers(len(self.shapes))],
            bins=self._sample_bins(random),
            shared_members=self.shared_members,
        )
        if sampled.bins > FINE_BINS:
            sampled = replace(sampled, input_keep_prob=1.0)
        if self.embeds:  # drawn last, so that the rest is that of a space without
            low, high = np.log(DEVIATIONS)
            deviation = float(np.exp(random.uniform(low, high)))
            sampled = replace(sampled, embedding=sometimes(EMBEDDED, deviation, 0.0))
        return sampled if self.classes else self._for_regression(sampled, random)

    def _sample_bins(self, random: np.random.Generator) -> int:
        """Sample bins uniformly; for regression, half of the samples take the finest ones."""
        count = len(self.bins)
        at = int(random.integers(count if self.classes else 2 * count))
        return sorted(self.bins)[min(at, count - 1)]

    @property
    def configurations(self) -> list[Configuration]:
        """The unregularized configuration of each shape."""
        embedded = (False, True) if self.embeds else (False,)
        return [
            PLAIN.with_shape(hidden, bins, each, self.shared_members)
            for hidden in self.shapes
            for bins in self.bins
            for each in embedded
        ]

    @staticmethod
    def _for_regression(sampled: Configuration, random: np.random.Generator) -> Configuration:
        """Turn most noises off, weaken dropout, and remove what only classification has."""
        units, inputs, weights, mixed = random.random(4) < REGRESSION_NOISE
        return replace(
            sampled,
            keep_prob=1 - (1 - sampled.keep_prob) / 3 if units else 1.0,
            input_keep_prob=sampled.input_keep_prob if inputs else 1.0,
            drop_connect_keep_prob=sampled.drop_connect_keep_prob if weights else 1.0,
            mixup=sampled.mixup if mixed else 0.0,
            label_smoothing=0.0,
            class_weight=0.0,
        )


def input_noise_share(*, classes: bool, bins: int) -> float:
    """Return how often :meth:`Space.sample` has noise on inputs."""
    if bins > FINE_BINS:
        return 0.0
    return INPUT_NOISE if classes else INPUT_NOISE * REGRESSION_NOISE


def ranges_of(*, classes: bool) -> dict[str, Range]:
    """Return the range of each strength, which for regression has weaker dropout."""
    if classes:
        return RANGES
    units = RANGES["keep_prob"]
    weaker = replace(units, low=1 - (1 - units.low) / 3, high=1 - (1 - units.high) / 3)
    return {**RANGES, "keep_prob": weaker}
