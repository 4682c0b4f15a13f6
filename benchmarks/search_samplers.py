"""Samplers of configurations: random, TPE, and population-based training.

Run ``python benchmarks/search_samplers.py --data FOLDER``. Each does the same amount of work on the
same split, folds and batches:

- *random*: random configurations with successive halving; a third is promoted, twice (the search);
- *TPE*: the same, but after the first 18 configurations Optuna's TPE (multivariate, with the first
  rung's scores) proposes those of each job;
- *PBT*: population-based training (Jaderberg et al. 2017): a quarter as many networks train to the
  end; twelve times on the way, the worst quarter takes the weights of the best quarter and its
  strengths, perturbed by a fifth up or down.

Each predicts with the average of its best eight configurations. The output is the balanced accuracy
of the test part, and the best validation score over the held-out rows, in per cent.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pandas as pd
import torch
from machine import machine
from sklearn.model_selection import train_test_split

from bridle.networks.population import predict
from bridle.search.configuration import PLAIN, Configuration, Space
from bridle.search.data import SearchData, fold_of_rows
from bridle.search.encoding import encode, fit_encoders
from bridle.search.final_model import average_outputs, network_of
from bridle.search.job import Job, run_job
from bridle.search.plan import ENSEMBLE_SIZE, Plan, plan_search
from bridle.search.scoring import scores_of
from bridle.search.successive_halving import SuccessiveHalving
from bridle.search.trial import Trial
from bridle.tables import ClassTarget

SETS = ("credit-g", "vehicle", "kc1", "australian", "cnae-9", "jasmine")
SCORING = "balanced_accuracy"
FOLDS = 5
AT_RANDOM = 18
GENERATIONS = 12
TOGETHER_IN_A_JOB = 8


def suggest(trial: optuna.Trial, space: Space) -> Configuration:
    """Let Optuna sample the search's own space."""

    def often(name: str, draw: Callable[[], float], off: float) -> float:
        return draw() if trial.suggest_categorical(f"{name} on", [True, False]) else off

    def log(name: str, low: float, high: float) -> Callable[[], float]:
        return lambda: trial.suggest_float(name, low, high, log=True)

    def even(name: str, low: float, high: float) -> Callable[[], float]:
        return lambda: trial.suggest_float(name, low, high)

    return Configuration(
        learning_rate=log("learning_rate", 3e-4, 1e-2)(),
        l1=often("l1", log("l1", 1e-6, 1e-3), 0.0),
        l2=often("l2", log("l2", 1e-5, 1e-1), 0.0),
        keep_prob=often("keep", even("keep_prob", 0.4, 0.95), 1.0),
        input_keep_prob=often("input", even("input_keep_prob", 0.7, 0.98), 1.0),
        drop_connect_keep_prob=often("connect", even("connect_keep_prob", 0.6, 0.95), 1.0),
        max_norm=often("max_norm", log("max_norm", 0.5, 5.0), math.inf),
        label_smoothing=often("smoothing", even("smoothing", 0.01, 0.3), 0.0),
        mixup=often("mixup", even("mixup", 0.05, 1.0), 0.0),
        averaging=often("average", log("averaging", 4.0, 16.0), math.inf),
        class_weight=even("class_weight", 0.0, 1.0)(),
        hidden=space.shapes[0],
        bins=trial.suggest_categorical("bins", list(space.bins)),
    )


class ModelHalving(SuccessiveHalving):
    """Successive halving, with a first rung that TPE proposes."""

    def __init__(self, plan: Plan, space: Space, run: Any) -> None:
        super().__init__(plan, space, run)
        self.study = optuna.create_study(
            direction="maximize",
            sampler=optuna.samplers.TPESampler(
                n_startup_trials=AT_RANDOM,
                seed=plan.seed,
                multivariate=True,
                group=True,
                constant_liar=True,
            ),
        )
        self.asked: dict[int, optuna.Trial] = {}

    def _sample_trial(self, number: int) -> Trial:
        for known, asked in list(self.asked.items()):
            trial = self.trials.get(known)
            if trial is not None and trial.scores:
                self.study.tell(asked, max(trial.first_score, -1.0))
                del self.asked[known]
        if number <= AT_RANDOM:
            return super()._sample_trial(number)
        self.asked[number] = self.study.ask()
        return Trial(number, suggest(self.asked[number], self.space))


def moved(one: Configuration, random: np.random.Generator) -> Configuration:
    """Return a configuration with strengths perturbed by a fifth, up or down."""

    def by(value: float, low: float, high: float) -> float:
        return float(np.clip(value * random.choice([0.8, 1.25]), low, high))

    def keep(value: float, least: float) -> float:
        return value if value == 1 else 1 - by(1 - value, 0.02, 1 - least)

    return replace(
        one,
        learning_rate=by(one.learning_rate, 1e-4, 1e-2),
        l1=by(one.l1, 0.0, 1e-2),
        l2=by(one.l2, 0.0, 1.0),
        keep_prob=keep(one.keep_prob, 0.3),
        input_keep_prob=keep(one.input_keep_prob, 0.6),
        drop_connect_keep_prob=keep(one.drop_connect_keep_prob, 0.5),
        max_norm=by(one.max_norm, 0.25, math.inf),
        label_smoothing=by(one.label_smoothing, 0.0, 0.4),
        mixup=by(one.mixup, 0.0, 2.0),
        class_weight=by(one.class_weight, 0.0, 1.0),
    )


def population(data: SearchData, space: Space, plan: Plan) -> list[Trial]:
    """Train by population-based training; return the networks, the best first."""
    random = np.random.default_rng([plan.seed, 0xB07])
    work = sum(
        plan.promoted(r, plan.configurations) * (b - a)
        for r, (a, b) in enumerate(pairwise((0, *plan.steps)))
    )
    count = max(4, round(work / plan.steps[-1]))
    trials = [Trial(i, space.sample(random)) for i in range(count)]
    ends = np.linspace(0, plan.steps[-1], GENERATIONS + 1).round().astype(int)
    for generation, (start, stop) in enumerate(pairwise(ends.tolist())):
        shapes: dict[Any, list[Trial]] = {}
        for each in trials:
            shapes.setdefault(each.configuration.shape, []).append(each)
        for group in shapes.values():
            for at in range(0, len(group), TOGETHER_IN_A_JOB):
                part = group[at : at + TOGETHER_IN_A_JOB]
                states = tuple(each.state for each in part if each.state is not None)
                job = Job(
                    configurations=tuple(each.configuration for each in part),
                    ids=tuple(each.id for each in part),
                    states=states if generation else None,
                    start=start,
                    stop=stop,
                    evaluations=1,
                    rung=0,
                    seed=plan.seed,
                    batch_size=plan.batch_size,
                    scoring=plan.scoring,
                )
                for trial, result in zip(part, run_job(data, job)[0], strict=True):
                    trial.record(result, 0)
        trials.sort(key=lambda each: (-each.scores[-1], each.losses[-1]))
        if generation < GENERATIONS - 1:
            quarter = count // 4
            for place in range(quarter):
                best, worst = trials[place], trials[-1 - place]
                worst.configuration = moved(best.configuration, random)
                worst.state = best.state
                worst.steps, worst.scores = list(best.steps), list(best.scores)
                worst.losses = list(best.losses)
    return sorted(trials, key=lambda each: (-each.best[0], -each.best[1]))


def one(frame: pd.DataFrame, seed: int, configurations: int) -> dict[str, float]:
    """Return the test and the validation score of each sampler on one split."""
    rest, test = train_test_split(frame, test_size=0.2, random_state=seed, stratify=frame["target"])
    rows = rest.drop(columns="target")
    encoders = fit_encoders(rows)
    bins = tuple(encoders)
    coding = ClassTarget.fit(frame["target"])
    y = torch.from_numpy(coding.transform(rest["target"]))
    y_test = torch.from_numpy(coding.transform(test["target"]))
    inputs, X_test = (encode(encoders, part) for part in (rows, test))
    fold = torch.from_numpy(fold_of_rows(y.numpy(), FOLDS, len(coding.classes), seed))
    data = SearchData(inputs, y, fold, len(coding.classes))
    space = Space(((128, 128),), bins, balanced=True)
    plan, _ = plan_search(
        data,
        [PLAIN.with_shape((128, 128), b) for b in bins],
        seconds=None,
        configurations=configurations,
        epochs=None,
        memory=2e9,
        seed=seed,
        scoring=SCORING,
        workers=1,
    )

    def run(jobs: Any) -> Any:
        return (run_job(data, job) for job in jobs)

    found: dict[str, float] = {}
    ways: dict[str, list[Trial]] = {}
    for name, kind in (("random", SuccessiveHalving), ("TPE", ModelHalving)):
        halving = kind(plan, space, run)
        halving.run()
        ways[name] = halving.finalists[:ENSEMBLE_SIZE]
    ways["PBT"] = population(data, space, plan)[:ENSEMBLE_SIZE]
    for name, winners in ways.items():
        widest = max(each.configuration.bins for each in winners)
        outputs = average_outputs(
            predict(network_of(data, winners, widest), X_test[widest]), classes=True
        )
        found[name] = 100 * float(scores_of(outputs[None], y_test, SCORING))
        found[f"{name}, validation"] = 100 * winners[0].best[0]
    return found


def main() -> None:
    """Print a line for each split, the means, and the paired differences."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--sets", nargs="*", default=SETS)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--configurations", type=int, default=54)
    parser.add_argument("--csv", type=Path)
    options = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    print(f"{machine()}; {options.configurations} configurations, 128-128\n")
    rows = []
    for repeat in range(options.repeats):
        for name in options.sets:
            frame = pd.read_csv(options.data / f"{name}.csv.gz", low_memory=False)
            frame["target"] = frame["target"].astype(str)
            rows.append({"set": name, **one(frame, 11 + repeat, options.configurations)})
            print(
                "  ".join(
                    f"{k} {v}" if k == "set" else f"{k} {v:.2f}" for k, v in rows[-1].items()
                ),
                flush=True,
            )
            if options.csv:
                pd.DataFrame(rows).to_csv(options.csv, index=False)
    table = pd.DataFrame(rows)
    print("\n" + table.groupby("set", sort=False).mean().round(2).to_string())
    for other in ("TPE", "PBT"):
        change = table[other] - table["random"]
        spread = change.std(ddof=1) / np.sqrt(len(change))
        print(f"{other} − random, paired: {change.mean():+.2f} ± {spread:.2f} (standard error)")


if __name__ == "__main__":
    main()
