"""The search with other spaces, beside its own.

Run ``python benchmarks/search_spaces.py --data FOLDER``. Each space is searched for the same
seconds on the same splits, in turn. The output is the root mean squared error of the test part
(``--sets classification``: the balanced accuracy in per cent, or the score of ``--scoring``), and
the paired difference of each other space, in per cent of the error or in points.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pandas as pd
from machine import machine
from search_draws import Wide
from search_quality import REGRESSION, table_of
from sklearn.model_selection import train_test_split

import bridle
from bridle.search import configuration, run
from bridle.search.configuration import HIDDEN, Configuration, Space

CLASSIFICATION = ("credit-g", "vehicle", "kc1", "phoneme", "australian", "jasmine")


class NoiseOfClassification(Space):
    """For regression, as much noise as for classification."""

    def sample(self, random: np.random.Generator) -> Configuration:
        """Sample as for classification, without what regression does not have."""
        sampled = Space(self.shapes, self.bins, balanced=self.balanced).sample(random)
        if self.classes:
            return sampled
        return replace(sampled, label_smoothing=0.0, class_weight=0.0)


class HalfAsOften(Space):
    """For regression, noise half as often as for classification."""

    def sample(self, random: np.random.Generator) -> Configuration:
        """Sample with another share of noise."""
        with patch.object(configuration, "REGRESSION_NOISE", 0.5):
            return super().sample(random)


class Previous(Wide):
    """Wider learning rates and L2, class weights always, bins for half of the configurations."""

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "balanced", True)


class Faster(Space):
    """Learning rates three times as high."""

    def sample(self, random: np.random.Generator) -> Configuration:
        """Sample, and learn faster."""
        sampled = super().sample(random)
        return replace(sampled, learning_rate=3 * sampled.learning_rate)


class Quiet(Space):
    """No dropout, DropConnect or mixup."""

    def sample(self, random: np.random.Generator) -> Configuration:
        """Sample, and remove the noises."""
        return replace(
            super().sample(random),
            keep_prob=1.0,
            input_keep_prob=1.0,
            drop_connect_keep_prob=1.0,
            mixup=0.0,
        )


class NoBins(Space):
    """No bins."""

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "bins", (0,))


SPACES: dict[str, type[Space]] = {
    "current": Space,
    "previous": Previous,
    "noise as in classification": NoiseOfClassification,
    "noise half as often": HalfAsOften,
    "no noise": Quiet,
    "3x learning rate": Faster,
    "no bins": NoBins,
}
WIDTHS = {"64-64": (64, 64), "256-256": (256, 256), "128-128-128": (128, 128, 128)}


def searched(
    rest: pd.DataFrame, test: pd.DataFrame, way: str, seconds: float, scoring: str, *, classes: bool
) -> float:
    """Return the test score of a search in one space."""
    with patch.object(run, "Space", SPACES.get(way, Space)):
        found = bridle.search(
            rest,
            "target",
            test=test,
            task="classification" if classes else "regression",
            budget=seconds,
            scoring=scoring if classes else "neg_root_mean_squared_error",
            hidden=[WIDTHS.get(way, HIDDEN)],
        )
    score = found.scores["chosen"]
    return 100 * score if classes else -float(np.std(rest["target"])) * score


def main() -> None:
    """Print a line for each split, and the paired differences."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument(
        "--sets", nargs="*", default=["regression"], help="'regression', 'classification', or names"
    )
    parser.add_argument("--ways", nargs="*", default=[*SPACES, *WIDTHS])
    parser.add_argument("--splits", type=int, nargs="*", default=[21, 22])
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--scoring", default="balanced_accuracy", help="for classification")
    options = parser.parse_args()
    print(f"{machine()}; {options.seconds:g} s\n")
    named = {"regression": REGRESSION, "classification": CLASSIFICATION}
    sets = [name for given in options.sets for name in named.get(given, [given])]
    first = options.ways[0]
    rows: list[dict[str, Any]] = []
    for split in options.splits:
        for name in sets:
            classes = name not in REGRESSION
            frame, by = table_of(name, options.data)
            rest, test = train_test_split(frame, test_size=0.2, random_state=split, stratify=by)
            found = {
                way: searched(rest, test, way, options.seconds, options.scoring, classes=classes)
                for way in options.ways
            }
            rows.append({"set": name, "split": split, **found})
            said = "  ".join(f"{way} {score:.4g}" for way, score in found.items())
            print(f"{name} {split}  {said}", flush=True)
    table = pd.DataFrame(rows).set_index("set").drop(columns="split")
    print("\n" + table.groupby("set", sort=False).mean().to_string())
    regression = table.index.isin(REGRESSION)
    ratios = table[regression].div(table.loc[regression, first], axis=0)
    for unit, change in (
        ("points", table[~regression].sub(table.loc[~regression, first], axis=0)),
        ("% of the error", 100 * ratios.apply(np.log)),
    ):
        for way in options.ways[1:] if len(change) else ():
            figures = f"{change[way].mean():+.2f} ± {change[way].sem():.2f} {unit}"
            print(f"{way} − {first}, paired: {figures} (standard error)")


if __name__ == "__main__":
    main()
