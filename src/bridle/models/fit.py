"""Fit a network without regularization, with early stopping alone, and with all regularizers."""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any, Unpack

import numpy as np
import torch

from bridle.checks.tables import Parts, table_checks, told
from bridle.errors import UsageError
from bridle.models.arguments import whole_of
from bridle.models.credit import recorded_lowering
from bridle.models.grouping import facts_of_grouping, groups_of
from bridle.models.judge import begin_boosting, judge_members, with_class_weights
from bridle.models.reading import FitTable, read_for_fit, values_target, with_task
from bridle.models.recipe import (
    DEFAULT_STRENGTHS,
    Recipe,
    Strengths,
    noises_of,
    penalties_of,
)
from bridle.models.result import FitResult, Fitted
from bridle.models.row_forms import By, check_rows
from bridle.models.split import three_parts
from bridle.models.split_notes import absent_classes
from bridle.models.table_model import TableModel
from bridle.models.words import FitWords, settings_of
from bridle.networks.history import Dataset, History
from bridle.networks.objectives import CrossEntropy, Objective, SquaredError
from bridle.networks.population import Network
from bridle.networks.stopping import BestWeights
from bridle.networks.training import train_keeping
from bridle.statistics import Rival, judge_gap
from bridle.statistics.boosting import BOOSTING
from bridle.statistics.scores import (
    Judged,
    compare,
)
from bridle.tables import (
    ClassTarget,
    ReadOptions,
    TableEncoder,
    ValueTarget,
    facts_of_table,
)
from bridle.tables.arrays import Features, Target, table_of
from bridle.version import __version__

__all__ = ["encoders_of", "fit", "judge_members", "with_class_weights"]

PLAIN, REGULARIZED, STOPPED = 0, 1, 2
"""The members of the population; there is no third one without early stopping."""

OTHER = {PLAIN: "the regularized network", REGULARIZED: "the plain network"}
"""The other network that each of the two is compared with in its verdict."""


def fit(
    table: Features,
    target: Target = None,
    *,
    task: str = "auto",
    strengths: Strengths | None = None,
    recipe: Recipe | None = None,
    drop: Sequence[str] = (),
    reading: ReadOptions | None = None,
    groups: By = None,
    time: By = None,
    seed: int = 0,
    on_epoch: Callable[[int, int], None] | None = None,
    **words: Unpack[FitWords],
) -> FitResult:
    """Fit a plain and a regularized network to a table, and compare them.

    The plain network has no regularization. The regularized one has all regularizers, early
    stopping included. A third network has early stopping alone, so that the result says what the
    others add to it. All are one population: they start from the same weights and see the same
    batches. A fifth of the rows is the test set, which is evaluated once, at the end: it gives the
    gap, the verdict and the comparisons. Another fifth is held out, for early stopping. Gradient
    boosting is fitted to the training rows too: a network underfits if another learner is better.

    Parameters
    ----------
    table : path, DataFrame or array
        A file or a DataFrame; see :func:`bridle.tables.read_table`. Columns may be numerical,
        categorical, boolean, dates or text, and may have missing values. Rows without a target are
        left out. Or features ``X`` ``[rows, features]``: an array, a list of rows, a Series or a
        tensor; the columns of an array are named "0", "1" and so on.
    target : str, int or array
        The name of the column to predict, or the target ``y``: an array, a list, a Series or a
        tensor with a label (a string, a number or a boolean) or a value for each row.
    task : {"auto", "classification", "regression"}
        "auto" is classification if the target is text, boolean, or whole numbers with few distinct
        values.
    strengths : Strengths, optional
        Default: L1 1e-4, L2 1e-3 and dropout. Dropout keeps half of the hidden units for
        classification, and 95 % for regression.
    recipe : Recipe, optional
        How to train.
    drop : sequence of str
        Columns to leave out.
    reading : ReadOptions, optional
        What overrules the signs of the file, such as its separator.
    groups : str or array, optional
        The group of each row, such as its patient: the name of a column, which is then no feature,
        or a value for each row. No group is in two parts, and the intervals are those of new
        groups: rows of one group count as less than as many rows of different groups.
    time : str or array, optional
        The time of each row, likewise: dates or numbers. Training rows come before held-out rows,
        and these before test rows; equal times are in one part. With ``groups`` too, the parts must
        be apart in both; if the times of the groups overlap too much, this is refused.
    seed : int
        The seed of the split, the weights, the batches and the masks; 0 or more.
    on_epoch : callable, optional
        Called with (epoch, epochs) after each epoch.
    **words
        The fields of ``strengths`` and ``recipe`` by their own names, such as ``l1=1e-4`` and
        ``epochs=30``, in place of those two. Also ``drop_prob``, in place of ``keep_prob``. As on
        the command line, ``patience=0`` turns early stopping off.

    Returns
    -------
    FitResult
        A KeyboardInterrupt after the first epoch ends the training. The result then has the
        networks of the epochs until then, and ``result.interrupted`` is true.

    Raises
    ------
    UsageError
        If an argument is unknown or out of range, or ``y`` has not one value for each row.
    DataError
        If the table cannot be used.
    TrainingError
        If the loss is not finite.

    Examples
    --------
    >>> import pandas as pd, bridle
    >>> table = pd.DataFrame({"x": range(100), "y": ["no"] * 50 + ["yes"] * 50})
    >>> result = bridle.fit(table, target="y", recipe=bridle.Recipe(epochs=20))
    >>> result.rows
    {'training': 60, 'held out': 20, 'test': 20}
    >>> result.regularized.test.value > 0.8
    True
    >>> X, y = [[x] for x in range(100)], [x > 50 for x in range(100)]
    >>> bridle.fit(X, y, l1=1e-4, epochs=20).model.target.classes
    (False, True)
    """
    strengths, recipe = settings_of(words, strengths, recipe)
    if task not in ("auto", "classification", "regression"):
        raise UsageError(f"task is {task!r}; it must be 'auto', 'classification' or 'regression'")
    seed = whole_of("seed", seed)
    if not 0 <= seed < 2**32:
        raise UsageError(f"seed is {seed}; it must be 0 or more and below 2**32")
    check_rows((table, target), groups, time)
    table, target = table_of(table, target, reading)
    given = read_for_fit(table, target, drop, reading, groups=groups, time=time)
    given, task = with_task(given, task)
    frame, truth = given.frame, given.truth
    strengths = DEFAULT_STRENGTHS[task] if strengths is None else strengths
    rows, encoder, coding = encoders_of(given, task, seed)
    X = torch.from_numpy(encoder.transform(frame))
    y = torch.from_numpy(coding.transform(truth))
    data = {name: Dataset(X[at], y[at]) for name, at in rows.items()}
    outputs = len(coding.classes) if isinstance(coding, ClassTarget) else 1
    members = [None, strengths] if recipe.patience is None else [None, strengths, None]
    population = Network(
        [X.shape[1], *recipe.hidden, outputs],
        seeds=[seed] * len(members),
        **noises_of(members),
    )
    of_rows = {name: groups_of(given.grouping, at) for name, at in rows.items()}
    boosting = begin_boosting(data, coding, seed, given.grouping, of_rows["test"])
    history = _train(population, data, coding, members, recipe, seed, on_epoch)
    judged = {
        name: judge_members(population, part, coding, of_rows[name]) for name, part in data.items()
    }
    boosted = boosting()
    plain, regularized, *stopped = (
        _describe(population, history, judged, boosted, member) for member in range(len(members))
    )
    test = judged["test"]
    early_stopping = compare(test[PLAIN], test[STOPPED]) if stopped else None
    beyond = compare(test[STOPPED], test[REGULARIZED]) if stopped else None
    checked = table_checks(
        frame,
        truth,
        given.columns,
        given.warned,
        Parts(rows["training"], rows["test"]),
        **given.kept_apart,
    )
    facts = _facts(strengths, recipe, seed, regularized)
    if early_stopping is not None and beyond is not None:
        facts["lowering"] = recorded_lowering(
            plain.diagnosis, stopped[0].diagnosis, regularized.diagnosis, early_stopping, beyond
        )
    facts["table"] = {
        **facts_of_table(
            frame[list(encoder.columns)], truth, rows["training"], split="three parts"
        ),
        "marks": given.marks,
        **facts_of_grouping(given.grouping, rows["training"]),
    }
    return FitResult(
        model=TableModel(population.take([REGULARIZED]), encoder, coding, target, facts),
        plain=plain,
        regularized=regularized,
        stopped=stopped[0] if stopped else None,
        comparison=compare(test[PLAIN], test[REGULARIZED]),
        early_stopping=early_stopping,
        beyond=beyond,
        history=history,
        strengths=strengths,
        rows={name: len(at) for name, at in rows.items()},
        population=population,
        data=data,
        places=rows,
        notes=(
            *told(given.notes, given.warned, checked),
            *encoder.notes,
            *absent_classes(given.grouping, truth, rows, task),
            *_interruption(history, recipe),
        ),
        reading=given.read.line,
        grouping=given.grouping,
        table_checks=tuple(checked),
    )


def encoders_of(
    given: FitTable, task: str, seed: int
) -> tuple[dict[str, np.ndarray[Any, Any]], TableEncoder, ClassTarget | ValueTarget]:
    """Split the rows, and fit the encoders of features and target to the training part."""
    truth = given.truth
    classes = ClassTarget.fit(truth) if task == "classification" else None
    rows = three_parts(
        len(truth), classes.transform(truth) if classes else None, seed, given.grouping
    )
    encoder = TableEncoder().fit(given.frame.iloc[rows["training"]], given.columns)
    return rows, encoder, classes or values_target(truth.iloc[rows["training"]], truth)


def _train(
    population: Network,
    data: Mapping[str, Dataset],
    coding: ClassTarget | ValueTarget,
    members: Sequence[Strengths | None],
    recipe: Recipe,
    seed: int,
    on_epoch: Callable[[int, int], None] | None,
) -> History:
    objective: Objective = CrossEntropy() if isinstance(coding, ClassTarget) else SquaredError()
    training, held_out = (
        with_class_weights(data[name], data["training"], coding, recipe)
        for name in ("training", "held out")
    )
    patience = [None, *[recipe.patience] * (len(members) - 1)]
    # the plain network with early stopping is the plain one at an earlier epoch
    trained = [PLAIN, REGULARIZED]
    best = BestWeights(
        population,
        patience,
        trained=population.take(trained),
        source=[*trained, PLAIN][: len(members)],
    )
    return train_keeping(
        best,
        training,
        held_out,
        objective=objective,
        learning_rate=recipe.learning_rate,
        epochs=recipe.epochs,
        batch_size=recipe.batch_size,
        penalties=penalties_of([members[each] for each in trained]),
        seed=seed,
        on_epoch=on_epoch,
        keep_interrupted=True,
    )


def _interruption(history: History, recipe: Recipe) -> tuple[str, ...]:
    if not history.interrupted:
        return ()
    return (
        f"interrupted after epoch {len(history.train_loss)} of {recipe.epochs}: the networks are "
        "the best of the epochs until then",
    )


def _describe(
    network: Network,
    history: History,
    judged: dict[str, list[Judged]],
    boosted: Judged | None,
    member: int,
) -> Fitted:
    test = judged["test"]
    rivals = [] if boosted is None else [Rival(BOOSTING, compare(test[member], boosted))]
    if member in OTHER and not np.array_equal(*history.train_loss[:, [PLAIN, REGULARIZED]].T):
        other = compare(test[member], test[1 - member])
        rivals.insert(0, Rival(OTHER[member], other))
    training, held_out = judged["training"][member], judged["held out"][member]
    return Fitted(
        diagnosis=judge_gap(training, held_out, test[member], rivals),
        test=test[member].interval(),
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
