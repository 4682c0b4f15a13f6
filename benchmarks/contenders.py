"""The learners beside the search: each takes training rows and predicts the test rows.

With ``probabilities=True`` a classifier returns ``[rows, classes]`` in place of labels, the classes
in sorted order. All use as many threads as torch. Needs ``pip install "bridle[benchmarks]"``,
and CatBoost ``pip install catboost``.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import optuna
import pandas as pd
import torch
import xgboost
from sklearn.metrics import (
    accuracy_score,
    balanced_accuracy_score,
    log_loss,
    root_mean_squared_error,
)
from sklearn.model_selection import KFold, StratifiedKFold
from sklearn.utils.class_weight import compute_sample_weight

from bridle.search.configuration import Configuration
from bridle.search.data import SearchData, fold_of_rows
from bridle.search.final_model import average_outputs
from bridle.search.plan import batch_size_for
from bridle.search.trial_population import TrialPopulation
from bridle.tables import ClassTarget, TableEncoder, ValueTarget

__all__ = ["CONTENDERS", "score"]

FOLDS = 5
EPOCHS = 120
TIE = 1e-6  # the weight of the log loss beside the accuracy


def score(truth: pd.Series[Any], said: Any, *, classes: bool) -> float:
    """Return the balanced accuracy in per cent, or the root mean squared error."""
    if classes:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # a class that the test part lacks
            return 100 * float(balanced_accuracy_score(truth.to_numpy(), np.asarray(said)))
    return float(root_mean_squared_error(truth, said))


def _table(rest: pd.DataFrame, test: pd.DataFrame) -> tuple[Any, Any]:
    """Return both parts, with text columns as categories that they share."""
    both = pd.concat([rest, test]).drop(columns="target")
    for name in both.columns:
        if not pd.api.types.is_numeric_dtype(both[name]):
            both[name] = both[name].astype("category")
    return both.iloc[: len(rest)], both.iloc[len(rest) :]


def xgboost_by_optuna(
    rest: pd.DataFrame,
    test: pd.DataFrame,
    *,
    classes: bool,
    seconds: float,
    seed: int,
    balanced: bool = True,
    probabilities: bool = False,
) -> Any:
    """XGBoost, tuned by Optuna's TPE over the same folds in the same time.

    The space is that of Gorishniy et al. 2021, with class weights on or off if the score is
    balanced accuracy. Otherwise the score is accuracy, of equal ones that with the lowest log loss.
    Training stops early on the held-out fold; the final fit uses all rows and the folds' mean
    number of rounds.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    began = time.perf_counter()
    X, X_test = _table(rest, test)
    names, codes = np.unique(rest["target"], return_inverse=True) if classes else (None, None)
    y = codes if codes is not None else rest["target"].to_numpy(dtype=float)
    folds = (StratifiedKFold if classes else KFold)(FOLDS, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a class of fewer rows than folds
        parts = list(folds.split(X, y))
    several = names is not None and len(names) > 2
    objective = "reg:squarederror"
    if names is not None:
        objective = "multi:softprob" if several else "binary:logistic"
    shared: dict[str, Any] = {
        "objective": objective,
        "nthread": torch.get_num_threads(),
        "seed": seed,
    }
    shared |= {"num_class": len(names)} if names is not None and several else {}

    def data(rows: Any, weighted: bool) -> xgboost.DMatrix:
        weight = compute_sample_weight("balanced", y[rows]) if weighted else None
        return xgboost.DMatrix(X.iloc[rows], y[rows], weight=weight, enable_categorical=True)

    def said(booster: xgboost.Booster, table: xgboost.DMatrix, rounds: int) -> Any:
        out = booster.predict(table, iteration_range=(0, rounds))
        return out if names is None or several else np.stack([1 - out, out], 1)

    def trial_of(trial: optuna.Trial) -> float:
        chosen = {
            "max_depth": trial.suggest_int("max_depth", 3, 10),
            "min_child_weight": trial.suggest_float("min_child_weight", 1e-8, 1e5, log=True),
            "subsample": trial.suggest_float("subsample", 0.5, 1.0),
            "eta": trial.suggest_float("eta", 1e-3, 1.0, log=True),
            "colsample_bytree": trial.suggest_float("colsample_bytree", 0.5, 1.0),
            "gamma": trial.suggest_float("gamma", 1e-8, 1e2, log=True),
            "lambda": trial.suggest_float("lambda", 1e-8, 1e2, log=True),
        }
        weighted = classes and balanced and trial.suggest_categorical("balanced", [False, True])
        out = np.zeros(len(y) if names is None else (len(y), len(names)))
        rounds = []
        for learned, held in parts:
            validation = data(held, weighted)
            booster = xgboost.train(
                shared | chosen,
                data(learned, weighted),
                1000,
                evals=[(validation, "held_out")],
                early_stopping_rounds=50,
                verbose_eval=False,
            )
            rounds.append(booster.best_iteration + 1)
            out[held] = said(booster, validation, rounds[-1])
        trial.set_user_attr("rounds", int(np.mean(rounds)))
        if names is None:
            return -root_mean_squared_error(y, out)
        if balanced:
            return balanced_accuracy_score(y, out.argmax(1))
        return accuracy_score(y, out.argmax(1)) - TIE * log_loss(y, out, labels=range(len(names)))

    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=seed))
    study.enqueue_trial({"max_depth": 6, "eta": 0.1, "subsample": 0.9, "lambda": 1.0})

    def stop(study: optuna.Study, _: Any) -> None:
        if time.perf_counter() - began > 0.95 * seconds:
            study.stop()

    study.optimize(trial_of, callbacks=[stop])  # its timeout reads another clock
    best = dict(study.best_params)
    weighted = bool(best.pop("balanced", False))
    rounds = study.best_trial.user_attrs["rounds"]
    booster = xgboost.train(shared | best, data(np.arange(len(y)), weighted), rounds)
    out = said(booster, xgboost.DMatrix(X_test, enable_categorical=True), rounds)
    return out if names is None or probabilities else names[out.argmax(1)]


def _of_library(prepared: Callable[..., Any]) -> Callable[..., Any]:
    """Return a contender without a budget; ``prepared`` returns its model and both parts for it."""

    def fitted(
        rest: pd.DataFrame,
        test: pd.DataFrame,
        *,
        classes: bool,
        seconds: float,
        seed: int,
        probabilities: bool = False,
    ) -> Any:
        del seconds
        model, X, X_test = prepared(*_table(rest, test), classes=classes, seed=seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model.fit(X, rest["target"].to_numpy())
            return model.predict_proba(X_test) if probabilities else model.predict(X_test).ravel()

    return fitted


def pytabkit_network(kind: str, *, folds: int = 1) -> Callable[..., Any]:
    """Return a contender of pytabkit with its tuned defaults, averaged over folds if several.

    ``kind`` is ``RealMLP_TD`` (Holzmüller et al. 2024) or ``TabM_D`` (Gorishniy et al. 2025). They
    take no missing values in numerical features: the training rows' median replaces them.
    """

    def prepared(X: pd.DataFrame, X_test: pd.DataFrame, *, classes: bool, seed: int) -> Any:
        import pytabkit

        usual = X.median(numeric_only=True).fillna(0)  # a column may have missing values only
        model = getattr(pytabkit, f"{kind}_{'Classifier' if classes else 'Regressor'}")(
            device="cpu",
            random_state=seed,
            n_cv=folds,
            n_threads=torch.get_num_threads(),
            verbosity=0,
        )
        return model, X.fillna(usual), X_test.fillna(usual)

    return _of_library(prepared)


@_of_library
def catboost(X: pd.DataFrame, X_test: pd.DataFrame, *, classes: bool, seed: int) -> Any:
    """CatBoost with its defaults; missing categories are a category of their own."""
    from catboost import CatBoostClassifier, CatBoostRegressor

    texts = list(X.select_dtypes("category"))
    model = (CatBoostClassifier if classes else CatBoostRegressor)(
        cat_features=texts,
        random_seed=seed,
        thread_count=torch.get_num_threads(),
        verbose=False,
        allow_writing_files=False,
    )
    return model, *(each.astype(dict.fromkeys(texts, str)) for each in (X, X_test))


def _network(configuration: Configuration) -> Callable[..., Any]:
    """Return a contender: one network for each fold, averaged, with given strengths."""

    def fitted(
        rest: pd.DataFrame,
        test: pd.DataFrame,
        *,
        classes: bool,
        seconds: float,
        seed: int,
        probabilities: bool = False,
    ) -> Any:
        del seconds
        frame = rest.drop(columns="target")
        encoder = TableEncoder().fit(frame)
        coding = (ClassTarget if classes else ValueTarget).fit(rest["target"])
        X = torch.from_numpy(encoder.transform(frame))
        y = torch.from_numpy(coding.transform(rest["target"]))
        count = len(coding.classes) if isinstance(coding, ClassTarget) else 0
        fold = torch.from_numpy(fold_of_rows(y.numpy(), FOLDS, count, seed))
        data = SearchData({0: X}, y, fold, count)
        rows = len(data.rows_of(0)[0])
        size = batch_size_for(rows)
        population = TrialPopulation(data, [configuration], [0], seed=seed, batch_size=size)
        population.train(max(900, EPOCHS * rows // size))
        parts = torch.from_numpy(encoder.transform(test)).split(4096)
        with population.averaged_weights() as network, torch.no_grad():
            out = torch.cat([network(part, noise=False) for part in parts], 1)
        mean = average_outputs(out, classes=classes)
        if probabilities:
            return mean.exp().numpy()
        return coding.inverse((mean.argmax(-1) if classes else mean[:, 0]).numpy())

    return fitted


CONTENDERS: dict[str, Callable[..., Any]] = {
    "none": _network(Configuration()),
    "dropout": _network(Configuration(keep_prob=0.5)),
    "xgboost": xgboost_by_optuna,
    "realmlp": pytabkit_network("RealMLP_TD"),
    "realmlp, bagged": pytabkit_network("RealMLP_TD", folds=FOLDS),
    "tabm, bagged": pytabkit_network("TabM_D", folds=FOLDS),
    "catboost": catboost,
}
