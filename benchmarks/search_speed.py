"""The time of the search to a validation score, beside other searches' time to the same score.

Run ``python benchmarks/search_speed.py --data FOLDER``. The score is balanced accuracy over the
held-out rows of the same five folds, with the same encoding; medians over seeds. Competitors:

- Optuna's TPE with its median pruner and two worker processes of one thread. Each trial is a plain
  torch loop (``torch_loop.py``) over the same space, with the same steps and evaluations. It gets
  up to ``--times`` times the search's seconds to reach the search's score.
- scikit-learn's ``HalvingRandomSearchCV`` over ``MLPClassifier``, two jobs, once; its score is the
  mean over the folds. The search is timed to that score.

The parts: milliseconds for a step of one network in a torch loop (two processes), with the folds as
one population and with eight configurations × folds as one, and the steps that halving saves.
"""

from __future__ import annotations

import argparse
import tempfile
import time
import warnings
from itertools import pairwise
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import optuna
import pandas as pd
import torch
from machine import machine
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from scipy.stats import loguniform
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.model_selection import HalvingRandomSearchCV, PredefinedSplit, train_test_split
from sklearn.neural_network import MLPClassifier
from torch_loop import cross_validate

import bridle
from bridle.search.configuration import Configuration
from bridle.search.data import SearchData, fold_of_rows
from bridle.search.encoding import encode, fit_encoders
from bridle.search.plan import ETA, EVALUATIONS, RUNGS, batch_size_for
from bridle.search.successive_halving import Progress
from bridle.search.trial_population import TrialPopulation
from bridle.tables import ClassTarget

SETS = ("credit-g", "vehicle", "kc1", "phoneme", "australian")
SCORING = "balanced_accuracy"
FOLDS = 5


def data_of(frame: pd.DataFrame, seed: int) -> SearchData:
    """Encode a table as the search does."""
    rows = frame.drop(columns="target")
    coding = ClassTarget.fit(frame["target"])
    y = torch.from_numpy(coding.transform(frame["target"]))
    fold = torch.from_numpy(fold_of_rows(y.numpy(), FOLDS, len(coding.classes), seed))
    return SearchData(encode(fit_encoders(rows), rows), y, fold, len(coding.classes))


def sample(trial: optuna.Trial, bins: list[int]) -> Configuration:
    """Let Optuna sample the search's space, without what torch has no module for."""

    def often(name: str, draw: Any, off: float) -> float:
        return draw() if trial.suggest_categorical(f"{name} on", [True, False]) else off

    return Configuration(
        learning_rate=trial.suggest_float("learning_rate", 1e-3, 1e-2, log=True),
        l1=often("l1", lambda: trial.suggest_float("l1", 1e-6, 1e-3, log=True), 0.0),
        l2=often("l2", lambda: trial.suggest_float("l2", 1e-5, 1e-2, log=True), 0.0),
        keep_prob=often("keep", lambda: trial.suggest_float("keep_prob", 0.4, 0.95), 1.0),
        input_keep_prob=often("input", lambda: trial.suggest_float("input_keep", 0.7, 0.98), 1.0),
        label_smoothing=often("smooth", lambda: trial.suggest_float("smoothing", 0.01, 0.3), 0.0),
        mixup=often("mixup", lambda: trial.suggest_float("alpha", 0.05, 1.0), 0.0),
        averaging=often("average", lambda: 8.0, float("inf")),
        class_weight=often("weight", lambda: trial.suggest_float("class_weight", 0.0, 1.0), 1.0),
        bins=trial.suggest_categorical("bins", bins),
    )


def _optuna_worker(
    data: SearchData, path: str, steps: int, batch_size: int, target: float, seed: int, end: float
) -> None:
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.simplefilter("ignore")
    storage = JournalStorage(JournalFileBackend(path))
    study = optuna.load_study(
        study_name="search",
        storage=storage,
        sampler=optuna.samplers.TPESampler(seed=seed, multivariate=True, group=True),
        pruner=optuna.pruners.MedianPruner(n_startup_trials=8),
    )

    def objective(trial: optuna.Trial) -> float:
        def after_fold(done: int, score: float) -> None:
            trial.report(score, done)
            if trial.should_prune() or time.time() > end:
                raise optuna.TrialPruned

        value = cross_validate(
            data,
            sample(trial, sorted(data.inputs)),
            steps=steps,
            evaluations=EVALUATIONS * RUNGS,
            batch_size=batch_size,
            scoring=SCORING,
            after_fold=after_fold,
        )
        trial.set_user_attr("at", time.time())
        if value >= target:
            trial.study.stop()
        return value

    def enough(study: optuna.Study, trial: optuna.trial.FrozenTrial) -> None:
        del trial
        if best_of(study)[0] >= target or time.time() > end:
            study.stop()

    study.optimize(objective, timeout=max(0.1, end - time.time()), callbacks=[enough])


def by_optuna(
    data: SearchData,
    steps: int,
    batch_size: int,
    target: float,
    limit: float,
    seed: int,
    folder: Path,
) -> dict[str, float]:
    """Return the time of two processes to the target, their best score and their trials."""
    path = str(folder / f"optuna-{time.time_ns()}.log")
    storage = JournalStorage(JournalFileBackend(path))
    study = optuna.create_study(study_name="search", storage=storage, direction="maximize")
    joblib.Parallel(2)(joblib.delayed(_import_all)() for _ in range(2))  # not on its clock
    began = time.time()
    joblib.Parallel(2)(
        joblib.delayed(_optuna_worker)(
            data, path, steps, batch_size, target, seed + worker, began + limit
        )
        for worker in range(2)
    )
    best, _ = best_of(study)
    _, at = best_of(study, target)
    return {
        "optuna s": at - began,
        "optuna best": 100 * best,
        "optuna trials": len(study.trials),
    }


def best_of(study: optuna.Study, target: float = np.inf) -> tuple[float, float]:
    """Return the best value, and when the target was reached: infinity if it was not."""
    whole = study.get_trials(states=[optuna.trial.TrialState.COMPLETE])
    done = [(float(each.value), each) for each in whole if each.value is not None]
    hits = [float(each.user_attrs["at"]) for value, each in done if value >= target]
    return max((value for value, _ in done), default=-np.inf), min(hits, default=np.inf)


def _import_all() -> None:
    torch.set_num_threads(1)
    optuna.logging.set_verbosity(optuna.logging.ERROR)


def by_halving(data: SearchData, seed: int) -> dict[str, float]:
    """Return the score and the seconds of scikit-learn's halving search over its MLP."""
    search = HalvingRandomSearchCV(
        MLPClassifier((256, 256), random_state=seed),
        {
            "alpha": loguniform(1e-6, 1e1),
            "learning_rate_init": loguniform(3e-4, 1e-2),
            "batch_size": [16, 32, 64, 128],
        },
        n_candidates=27,
        factor=3,
        resource="max_iter",
        min_resources=12,
        max_resources=108,
        cv=PredefinedSplit(data.fold.numpy()),
        scoring=SCORING,
        refit=False,
        n_jobs=2,
        random_state=seed,
    )
    began = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        search.fit(data.inputs[0].numpy(), data.y.numpy())
    return {"sklearn s": time.perf_counter() - began, "sklearn best": 100 * search.best_score_}


def _torch_steps(data: SearchData, configuration: Configuration, steps: int, size: int) -> float:
    torch.set_num_threads(1)
    began = time.perf_counter()
    cross_validate(
        data, configuration, steps=steps, evaluations=EVALUATIONS, batch_size=size, scoring=SCORING
    )
    return time.perf_counter() - began


def parts(data: SearchData, steps: int, batch_size: int) -> dict[str, float]:
    """Return milliseconds for a step of one network in each way, and what halving saves."""
    configuration = Configuration(
        keep_prob=0.7, input_keep_prob=0.9, mixup=0.3, averaging=8.0, l1=1e-5, l2=1e-4
    )
    count = 200
    alone = joblib.Parallel(2)(
        joblib.delayed(_torch_steps)(data, configuration, count, batch_size) for _ in range(4)
    )
    found = {"loop ms": 1e3 * float(np.median(alone)) / count / data.folds / 2}
    for name, together in (("folds together ms", 1), ("population ms", 8)):
        population = TrialPopulation(
            data, [configuration] * together, range(together), seed=0, batch_size=batch_size
        )
        population.train(5)
        times = []
        for _ in range(5):
            began = time.perf_counter()
            population.train(20)
            times.append((time.perf_counter() - began) / 20 / together / data.folds)
        found[name] = 1e3 * float(np.median(times))
    ends = [0, *(steps // ETA ** (RUNGS - 1 - rung) for rung in range(RUNGS))]
    work = sum((b - a) / ETA**at for at, (a, b) in enumerate(pairwise(ends)))
    return found | {"halving ×": steps / work}


def one(
    frame: pd.DataFrame, options: argparse.Namespace, seed: int, *, whole: bool
) -> dict[str, float]:
    """Return the figures of one set beside Optuna; if ``whole``, beside scikit-learn too."""
    seen: list[tuple[float, float]] = []
    began = time.perf_counter()

    def note(progress: Progress) -> None:
        seen.append((time.perf_counter() - began, progress.best))

    rest, test = train_test_split(frame, test_size=0.2, random_state=11, stratify=frame["target"])
    found = bridle.search(
        rest,
        "target",
        test=test,
        budget=options.seconds,
        scoring=SCORING,
        seed=seed,
        on_progress=note,
    )
    target = found.validation_score
    mine = next(at for at, best in seen if best >= target)
    steps = int(found.configurations["steps"].max())
    data = data_of(rest, seed)
    size = batch_size_for(min(len(data.rows_of(v)[0]) for v in range(FOLDS)))
    row = {"bridle s": mine, "bridle best": 100 * target, "K": found.considered, "steps": steps}
    limit = options.times * mine
    row |= by_optuna(data, steps, size, target, limit, seed, options.folder)
    row["× optuna"] = row["optuna s"] / mine
    if not whole:
        return row
    row |= by_halving(data, seed)
    row["bridle s to sklearn's"] = next(
        (at for at, best in seen if 100 * best >= row["sklearn best"]), np.inf
    )
    row["× sklearn"] = row["sklearn s"] / row["bridle s to sklearn's"]
    return row | parts(data, steps, size)


def main() -> None:
    """Print a line for each set."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--sets", nargs="*", default=SETS)
    parser.add_argument("--seconds", type=float, default=15)
    parser.add_argument("--times", type=float, default=22)
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2])
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()))
    options = parser.parse_args()
    print(f"{machine()}\n")
    rows = []
    for name in options.sets:
        frame = pd.read_csv(options.data / f"{name}.csv.gz", low_memory=False)
        frame["target"] = frame["target"].astype(str)
        for at, seed in enumerate(options.seeds):
            rows.append({"set": name, "seed": seed} | one(frame, options, seed, whole=at == 0))
            said = (f"{k} {v:.4g}" if k != "set" else str(v) for k, v in rows[-1].items())
            print("  ".join(said), flush=True)
    print("\nmedians over seeds")
    table = pd.DataFrame(rows).drop(columns="seed").groupby("set", sort=False).median()
    print(table.T.to_string(float_format=lambda value: f"{value:.3g}"))
    times = [each for each in table.columns if "×" in str(each)]
    print("\nmedians: " + ", ".join(f"{each} {table[each].median():.3g}" for each in times))


if __name__ == "__main__":
    main()
