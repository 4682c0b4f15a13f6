"""The main job: a table in, a plain and a regularized network out, and whether it helped."""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from os import PathLike
from typing import Any

import numpy as np
import pandas as pd
import torch
from sklearn.model_selection import train_test_split

from bridle.errors import DataError, UsageError, did_you_mean
from bridle.models.recipe import DEFAULT_STRENGTHS, Recipe, Strengths
from bridle.models.result import FitResult, Fitted
from bridle.models.table_model import TableModel
from bridle.networks.history import Dataset, History
from bridle.networks.objectives import CrossEntropy, Objective, SquaredError
from bridle.networks.population import Network, predict
from bridle.networks.training import train
from bridle.statistics import judge_gap
from bridle.statistics.scores import Judged, compare, judge_classes, judge_values
from bridle.tables import (
    ClassTarget,
    TableEncoder,
    ValueTarget,
    facts_of_table,
    infer_task,
    read_table,
    target_column,
)
from bridle.version import __version__

__all__ = ["fit", "judge_members", "split_rows", "three_parts", "weighted", "without_columns"]

FEWEST_ROWS = 10
PLAIN, REGULARIZED = 0, 1
"""The two members of the population that a fit trains."""


def fit(
    table: str | PathLike[str] | pd.DataFrame,
    target: str,
    *,
    task: str = "auto",
    strengths: Strengths | None = None,
    recipe: Recipe | None = None,
    drop: Sequence[str] = (),
    seed: int = 0,
    on_epoch: Callable[[int, int], None] | None = None,
) -> FitResult:
    """Fit a plain and a regularized network to a table, and say whether regularizing helped.

    A fifth of the rows is the test part, which is opened once, at the end; another fifth is held
    out to measure the gap and to stop early; the rest is trained on. Both networks are one
    population: they start from the same weights and see the same batches, so that the
    regularizers, early stopping among them, are all that differs.

    Parameters
    ----------
    table : path or DataFrame
        CSV, CSV.gz or Parquet; columns may be numeric, categorical, boolean, dates or text, with
        missing values.
    target : str
        The column to predict.
    task : {"auto", "classification", "regression"}
        "auto" takes text, booleans and few whole numbers for classes.
    strengths : Strengths, optional
        Default: L1 1e-4, L2 1e-3 and dropout that keeps half of the hidden units for classes, 95 %
        for values.
    recipe : Recipe, optional
        How to train.
    drop : sequence of str
        Columns to leave out.
    seed : int
        Of the split, the weights, the batches and the masks; 0 or more.
    on_epoch : callable, optional
        Called with (epoch, epochs) after each epoch.

    Returns
    -------
    FitResult

    Raises
    ------
    UsageError
        If an argument is out of range.
    DataError
        If the table cannot be used; the message says why and what to do.
    TrainingError
        If the loss is no longer a number.

    Examples
    --------
    >>> import pandas as pd, bridle
    >>> table = pd.DataFrame({"x": range(100), "y": ["no"] * 50 + ["yes"] * 50})
    >>> result = bridle.fit(table, target="y", recipe=bridle.Recipe(epochs=20))
    >>> result.rows
    {'training': 60, 'held out': 20, 'test': 20}
    >>> result.regularized.test.value > 0.8
    True
    """
    recipe = Recipe() if recipe is None else recipe
    if task not in ("auto", "classification", "regression"):
        raise UsageError(f"task is {task!r}; it is 'auto', 'classification' or 'regression'")
    if not 0 <= seed < 2**32:
        raise UsageError(f"seed is {seed}; it must be 0 or more and below 2**32")
    frame, truth = target_column(without_columns(read_table(table), drop, target), target)
    task = infer_task(truth) if task == "auto" else task
    strengths = DEFAULT_STRENGTHS[task] if strengths is None else strengths
    codec = ClassTarget.fit(truth) if task == "classification" else None
    parts = three_parts(len(truth), codec.transform(truth) if codec else None, seed)
    encoder = TableEncoder().fit(frame.iloc[parts["training"]])
    coding = codec or ValueTarget.fit(truth.iloc[parts["training"]])
    X = torch.from_numpy(encoder.transform(frame))
    y = torch.from_numpy(coding.transform(truth))
    data = {name: Dataset(X[rows], y[rows]) for name, rows in parts.items()}
    objective: Objective = CrossEntropy() if codec else SquaredError()
    population = Network(
        [X.shape[1], *recipe.hidden, len(codec.classes) if codec else 1],
        seeds=[seed, seed],
        **strengths.noises(members=2),  # type: ignore[arg-type]
    )
    history = train(
        population,
        weighted(data["training"], data["training"], codec, recipe),
        weighted(data["held out"], data["training"], codec, recipe),
        objective=objective,
        learning_rate=recipe.learning_rate,
        epochs=recipe.epochs,
        batch_size=recipe.batch_size,
        penalties=strengths.penalties(members=2),
        patience=[None, recipe.patience],
        seed=seed,
        on_epoch=on_epoch,
    )
    judged = {name: judge_members(population, part, coding) for name, part in data.items()}
    fitted = [_describe(population, history, judged, member) for member in (PLAIN, REGULARIZED)]
    result_facts = _facts(strengths, recipe, seed, fitted[REGULARIZED])
    result_facts["table"] = facts_of_table(
        frame[list(encoder.columns)], truth, parts["training"], split="three parts"
    )
    return FitResult(
        model=TableModel(population.take([REGULARIZED]), encoder, coding, target, result_facts),
        plain=fitted[PLAIN],
        regularized=fitted[REGULARIZED],
        comparison=compare(judged["test"][PLAIN], judged["test"][REGULARIZED]),
        history=history,
        strengths=strengths,
        rows={name: len(rows) for name, rows in parts.items()},
        population=population,
        data=data,
        places=parts,
        notes=encoder.notes,
    )


def without_columns(frame: pd.DataFrame, drop: Sequence[str], target: str) -> pd.DataFrame:
    """Return a table without some of its columns, none of which is the target."""
    for name in drop:
        if name not in frame.columns:
            raise DataError(f"no column {name!r} to drop; {did_you_mean(name, frame.columns)}")
        if name == target:
            raise UsageError(f"{name!r} is the target and cannot be dropped")
    return frame.drop(columns=list(drop))


def split_rows(rows: int, codes: Any, seed: int) -> list[np.ndarray[Any, Any]]:
    """Return the rows to learn from and the test part, a fifth, stratified where classes allow."""
    if rows < FEWEST_ROWS:
        raise DataError(f"{rows} rows are too few to learn and test; give {FEWEST_ROWS} or more")
    return [np.sort(part) for part in _two_parts(np.arange(rows), codes, rows // 5, seed)]


def three_parts(rows: int, codes: Any, seed: int) -> dict[str, np.ndarray[Any, Any]]:
    """Return the rows of each part, stratified by class where classes are large enough."""
    if rows < FEWEST_ROWS:
        raise DataError(f"{rows} rows are too few for three parts; give {FEWEST_ROWS} or more")
    everything = np.arange(rows)
    rest, test = _two_parts(everything, codes, rows // 5, seed)
    training, held_out = _two_parts(rest, codes, rows // 5, seed)
    return {"training": np.sort(training), "held out": np.sort(held_out), "test": np.sort(test)}


def _two_parts(
    rows: np.ndarray[Any, Any], codes: Any, second: int, seed: int
) -> list[np.ndarray[Any, Any]]:
    groups = None
    if codes is not None:
        # a class of one row cannot be in both parts; it goes with the largest
        counts = np.bincount(codes[rows], minlength=codes.max() + 1)
        groups = np.where(counts[codes[rows]] < 2, counts.argmax(), codes[rows])
        if len(np.unique(groups)) > second:
            groups = None
    return train_test_split(rows, test_size=second, random_state=seed, stratify=groups)


def weighted(
    data: Dataset, training: Dataset, codec: ClassTarget | None, recipe: Recipe
) -> Dataset:
    """Return a part with class weights, which come from the training part for all parts."""
    if recipe.class_weight is None:
        return data
    if codec is None:
        raise UsageError(
            f"class_weight is {recipe.class_weight!r} and the task regression; leave it out"
        )
    if isinstance(recipe.class_weight, Mapping):
        for name in recipe.class_weight:
            if name not in codec.classes:
                hint = did_you_mean(str(name), map(str, codec.classes))
                raise DataError(f"class_weight names {name!r}, which is no class; {hint}")
        weights = torch.tensor([float(recipe.class_weight.get(c, 1.0)) for c in codec.classes])
    else:
        counts = torch.bincount(training.y, minlength=len(codec.classes)).clamp(min=1)
        weights = len(training.y) / (counts.count_nonzero() * counts)
    return Dataset(data.X, data.y, weights[data.y].float())


def judge_members(
    network: Network, data: Dataset, coding: ClassTarget | ValueTarget
) -> list[Judged]:
    """Judge each member on one part, noise off."""
    outputs = predict(network, data.X)
    truth = data.y.numpy()
    if isinstance(coding, ClassTarget):
        return [judge_classes(codes, truth) for codes in outputs.argmax(-1).numpy()]
    return [judge_values(values, truth) for values in outputs[..., 0].double().numpy()]


def _describe(
    network: Network, history: History, judged: dict[str, list[Judged]], member: int
) -> Fitted:
    return Fitted(
        diagnosis=judge_gap(judged["training"][member], judged["held out"][member]),
        test=judged["test"][member].interval(),
        zeros=tuple(float((w[member] == 0).double().mean()) for w in network.weights),
        epochs=int(history.epochs_kept[member]),
        best_epoch=int(history.best_epochs[member]),
    )


def _facts(strengths: Strengths, recipe: Recipe, seed: int, fitted: Fitted) -> dict[str, Any]:
    given = recipe.class_weight
    weights = {str(k): v for k, v in given.items()} if isinstance(given, Mapping) else given
    return {
        "strengths": asdict(strengths),
        "recipe": {**asdict(recipe), "hidden": list(recipe.hidden), "class_weight": weights},
        "seed": seed,
        "fitted": fitted.to_dict(),
        "versions": {
            "bridle": __version__,
            "torch": torch.__version__,
            "numpy": np.__version__,
            "python": platform.python_version(),
        },
    }
