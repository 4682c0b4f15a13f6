"""The same random configurations on many tables, and the few of them that serve most.

Run ``python benchmarks/search_portfolio.py measure --data FOLDER --csv FILE`` (``--device cuda``:
some minutes) and then ``python benchmarks/search_portfolio.py choose --csv FILE``. The first trains
every configuration with five folds on each table, and writes the scores of its held-out rows and
of a test part down. The second chooses greedily (Feurer et al. 2022: "portfolio"), and says what
that is worth on a table that it was not chosen on: each is left out in turn.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from machine import machine
from search_quality import VALUES
from sklearn.model_selection import train_test_split
from torch import Tensor

from bridle.searching.answer import averaged
from bridle.searching.budget import EPOCHS, FEWEST_STEPS, MOST_STEPS, batch_size_for
from bridle.searching.configuration import HIDDEN, Configuration, Space
from bridle.searching.encoding import encoded, encodings_of
from bridle.searching.scoring import mean_losses, scores_of
from bridle.searching.shard import Shard
from bridle.searching.task import Task, fold_of_rows
from bridle.table import ClassTarget, ValueTarget

CLASSES = (
    *("wdbc", "sonar", "ionosphere", "vowel", "lung-small", "credit-approval", "australian"),
    *("ilpd", "diabetes", "vehicle", "credit-g", "car", "arrhythmia", "colon", "cnae-9", "kc1"),
    *("jasmine", "splice", "madelon", "spambase", "phoneme", "satimage", "adult"),
)
FOLDS, SPLIT = 5, 31
LOOKS = (1 / 9, 1 / 6, 2 / 9, 1 / 3, 1 / 2, 2 / 3, 5 / 6, 1)
TOGETHER = 256
SCORINGS = {True: ("balanced_accuracy", "accuracy"), False: ("neg_root_mean_squared_error",)}


def drawn(count: int, *, classes: bool) -> list[Configuration]:
    """Return the configurations: the same ones for each table."""
    random = np.random.default_rng(0)
    space = Space((HIDDEN,), (0, 16), classes=classes)
    return [space.sample(random) for _ in range(count)]


class Table:
    """A table's rows, encoded as the search does it, and a test part."""

    def __init__(self, name: str, folder: Path, device: str) -> None:
        classes = name not in VALUES
        frame = pd.read_csv(folder / f"{name}.csv.gz", low_memory=False)
        if classes:
            frame["target"] = frame["target"].astype(str)
        by = frame["target"] if classes else None
        rest, test = train_test_split(frame, test_size=0.2, random_state=SPLIT, stratify=by)
        encoders = encodings_of(rest.drop(columns="target"))
        coding = (ClassTarget if classes else ValueTarget).fit(frame["target"])
        y, self.y_test = (
            torch.from_numpy(coding.transform(part["target"])) for part in (rest, test)
        )
        count = len(coding.classes) if isinstance(coding, ClassTarget) else 0
        fold = torch.from_numpy(fold_of_rows(y.numpy(), FOLDS, count, 0))
        X, self.X_test = (encoded(encoders, part) for part in (rest, test))
        self.task = Task(X, y, fold, count, device)

    @torch.no_grad()
    def tested(self, shard: Shard, bins: int) -> Tensor:
        """Return each configuration's outputs for the test part, averaged over its folds."""
        X = self.X_test[bins].to(self.task.device)
        found = []
        with shard.averaged() as network:
            for block in X.split(max(1, 2**20 // len(network.seeds))):
                outputs = network(block.expand(len(network.seeds), -1, -1), noise=False)
                found.append(outputs.unflatten(0, (-1, FOLDS)).cpu())
        outputs = torch.cat(found, dim=2)
        return torch.stack([averaged(each, classes=bool(self.task.classes)) for each in outputs])

    def measured(self, configurations: list[Configuration]) -> pd.DataFrame:
        """Train them all, and return a row for each look at each."""
        task = self.task
        rows = min(len(task.rows_of(v)[0]) for v in range(FOLDS))
        size = batch_size_for(rows)
        longest = int(min(MOST_STEPS, max(FEWEST_STEPS, EPOCHS * rows / size)))
        found: list[pd.DataFrame] = []
        for bins in task.inputs:
            here = [
                at
                for at, each in enumerate(configurations)
                if (each.bins if each.bins in task.inputs else 0) == bins
            ]
            for begin in range(0, len(here), TOGETHER):
                ids = here[begin : begin + TOGETHER]
                shard = Shard(
                    task,
                    [configurations[at].with_shape(HIDDEN, bins) for at in ids],
                    ids,
                    seed=0,
                    batch_size=size,
                )
                for share in LOOKS:
                    shard.train(round(share * longest) - shard.step)
                    found.append(self._look(shard, bins).assign(id=ids, part=round(share, 3)))
        return pd.concat(found)

    def _look(self, shard: Shard, bins: int) -> pd.DataFrame:
        task, classes = self.task, bool(self.task.classes)
        known, said = shard.held_out()[:, task.judged], self.tested(shard, bins)
        y = task.y[task.judged]
        return pd.DataFrame(
            {"step": shard.step, "loss": mean_losses(known, y, classes=classes).numpy()}
            | {name: scores_of(known, y, name).numpy() for name in SCORINGS[classes]}
            | {
                f"test {name}": scores_of(said, self.y_test, name).numpy()
                for name in SCORINGS[classes]
            }
        )


def measure(options: argparse.Namespace) -> None:
    """Write every look at every configuration down, table by table."""
    print(f"{machine(options.device)}; {options.configurations} configurations\n")
    found = []
    for name in options.sets:
        began = time.perf_counter()
        table = Table(name, options.data, options.device)
        configurations = drawn(options.configurations, classes=bool(table.task.classes))
        found.append(table.measured(configurations).assign(set=name))
        pd.concat(found).to_csv(options.csv, index=False, float_format="%.5g")
        print(f"{name}: {time.perf_counter() - began:.1f} s", flush=True)


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--csv", type=Path, required=True)
    parser.add_argument("--sets", nargs="*", default=[*CLASSES, *VALUES])
    parser.add_argument("--configurations", type=int, default=256)
    parser.add_argument("--device", default="cpu")
    measure(parser.parse_args())


if __name__ == "__main__":
    main()
