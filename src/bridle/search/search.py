"""``search``: a table in, the regularization that generalizes out, with a model that predicts."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from bridle.errors import DataError, UsageError
from bridle.models.fit import split_rows, without_columns
from bridle.search.answer import winners_of
from bridle.search.assembling import Ground, result_of
from bridle.search.comparing import boosting_outputs
from bridle.search.configuration import HIDDEN
from bridle.search.encoding import encoded, encodings_of
from bridle.search.engine import check_engine
from bridle.search.halving import PLAIN_ID, Progress
from bridle.search.holding import Terms, hold
from bridle.search.journal import Journal
from bridle.search.result import SearchResult
from bridle.search.scoring import check_scoring
from bridle.search.task import Task, check_device, fold_of_rows
from bridle.tables import (
    ClassTarget,
    ValueTarget,
    facts_of_table,
    infer_task,
    read_table,
    target_column,
)

__all__ = ["search"]

Table = str | PathLike[str] | pd.DataFrame
FOLDS = 5


def search(
    table: Table,
    target: str,
    *,
    test: Table | None = None,
    task: str = "auto",
    budget: float | str | None = None,
    configurations: int | None = None,
    epochs: int | None = None,
    scoring: str | None = None,
    answer: str = "ensemble",
    folds: int = FOLDS,
    hidden: Sequence[Sequence[int]] = (HIDDEN,),
    drop: Sequence[str] = (),
    seed: int = 0,
    engine: str = "local",
    workers: int = 1,
    memory: str | None = None,
    device: str = "auto",
    directory: str | PathLike[str] | None = None,
    resume: bool = False,
    on_progress: Callable[[Progress], None] | None = None,
) -> SearchResult:
    """Search over all regularizers at once, and return the best network with its evidence.

    Draws configurations (:class:`bridle.search.Space`), trains each with every fold as one
    tensor program, and lets the better third go on, twice: successive halving (Li et al. 2018). A
    configuration is scored on all rows, each predicted by the network that did not learn it (on
    about 20,000 of them where there are more). The best ones' networks, one for each fold, are
    averaged into the model that predicts; then the test part is opened, once. Configurations may
    take numbers in 16 bins too, where that adds 512 inputs at most.

    Parameters
    ----------
    table : path or DataFrame
    target : str
        The column to predict.
    test : path or DataFrame, optional
        Rows of your own to test on. Default: a fifth of the table.
    task : {"auto", "classification", "regression"}
    budget : float or str, optional
        Seconds, or a time such as "90s", "2m", "1h". Default: a minute, where ``configurations``
        is not given.
    configurations : int, optional
        How many to begin with, instead of a time: the same on any machine.
    epochs : int, optional
        How long the last ones train, at most. Default: 120, or what makes 900 to 12,000 steps.
    scoring : str, optional
        What to select by: "accuracy" (the default for classes), "balanced_accuracy",
        "neg_log_loss", "roc_auc"; "r2" (the default for values), "neg_root_mean_squared_error".
    answer : {"ensemble", "best", "refit"}
        What predicts: the networks of the best configurations (eight at most, all folds),
        averaged; those of the best one; or five networks of the best one, trained on all rows.
    folds : int
    hidden : sequence of sequences of int
        The hidden layers to choose from.
    drop : sequence of str
        Columns to leave out.
    seed : int
        Of everything.
    engine : {"local", "dask", "ray", "joblib"}
        Who does the work; see :func:`bridle.search.engine.runner_of`.
    workers : int
        Processes of one thread each, for the local engine; 1 is this process with its threads.
    memory : str, optional
        What the networks may take at once, such as "500MB": the search is cut into parts that fit.
        Default: 2 GB; on a GPU 8 GB, and half of what is free there at most.
    device : {"auto", "cpu", "cuda"}
        Where networks train; "auto" is a GPU where there is one, with one worker.
    directory : path, optional
        Where to write everything down as it is found.
    resume : bool
        Go on with the search in the directory. With ``configurations`` it ends as it would have
        without a stop, bit for bit; with a time, given what the clock had decided till then.
    on_progress : callable, optional
        Called with a :class:`bridle.search.Progress` now and then.

    Returns
    -------
    SearchResult

    Raises
    ------
    UsageError
        If an argument is out of range, or the budget too short for the smallest search.
    DataError
        If the table cannot be used.
    TrainingError
        If no configuration gave finite outputs, or workers were lost again and again.

    Examples
    --------
    >>> import pandas as pd, bridle
    >>> table = pd.DataFrame({"x": range(120), "y": ["no"] * 60 + ["yes"] * 60})
    >>> found = bridle.search(table, "y", configurations=9, epochs=60, hidden=[(16,)], folds=3)
    >>> found.considered, found.model.network.members
    (9, 3)
    >>> found.scores["chosen"] > 0.8
    True
    """
    began = time.monotonic()
    if task not in ("auto", "classification", "regression"):
        raise UsageError(f"task is {task!r}; it is 'auto', 'classification' or 'regression'")
    if folds < 2:
        raise UsageError(f"folds is {folds}; it must be 2 or more")
    if resume and directory is None:
        raise UsageError("resume needs the directory of the search to go on with")
    check_engine(engine, workers)
    alone = engine == "local" and workers == 1
    place = check_device("cpu" if device == "auto" and not alone else device)
    terms = Terms(
        "", budget, configurations, epochs, answer, seed, engine, workers, memory
    )  # refused, if so, before the table is read
    frame, truth = target_column(without_columns(read_table(table), drop, target), target)
    kind = infer_task(truth) if task == "auto" else task
    terms = replace(terms, scoring=check_scoring(scoring, kind))
    learned, tested = _parts(frame, truth, test, target, kind, seed)
    encoders = encodings_of(learned[0])
    coding: ClassTarget | ValueTarget = (
        ClassTarget.fit(truth if test is None else pd.concat([learned[1], tested[1]]))
        if kind == "classification"
        else ValueTarget.fit(learned[1])
    )
    y = torch.from_numpy(coding.transform(learned[1]))
    classes = len(coding.classes) if isinstance(coding, ClassTarget) else 0
    if len(y) < 2 * folds:
        raise DataError(f"{len(y)} rows are too few for {folds} folds; give fewer folds, or rows")
    rows = torch.from_numpy(fold_of_rows(y.numpy(), folds, classes, seed))
    X, X_test = (encoded(encoders, frame) for frame, _ in (learned, tested))
    work = Task(X, y, rows, classes, place)
    boosted = boosting_outputs(
        X[0], y, X_test[0], classes=classes, seed=seed, seconds=terms.seconds
    )
    y_test = torch.from_numpy(coding.transform(tested[1]))
    places = {"searched": learned[0].index.to_numpy(), "test": tested[0].index.to_numpy()}
    split = "test part" if test is None else "none"
    facts = facts_of_table(frame[list(encoders[0].columns)], truth, places["searched"], split=split)
    ground = Ground(encoders, coding, target, X_test, y_test, boosted, places, facts)
    journal = None if directory is None else Journal(Path(directory), resume=resume)
    contest = hold(
        work,
        tuple(map(tuple, hidden)),
        terms,
        began=began,
        test_rows=len(y_test),
        journal=journal,
        on_progress=on_progress,
    )
    winners = winners_of(contest, answer)
    found = result_of(contest, winners, work, ground, answer)
    if journal is not None:
        journal.finish(found.to_dict(), {PLAIN_ID, *(each.id for each in winners)})
    return found


Part = tuple[pd.DataFrame, "pd.Series[Any]"]


def _parts(
    frame: pd.DataFrame,
    truth: pd.Series[Any],
    test: Table | None,
    target: str,
    kind: str,
    seed: int,
) -> tuple[Part, Part]:
    """Return the rows to search on, and the test part."""
    if test is not None:
        return (frame, truth), target_column(read_table(test), target)
    codes = ClassTarget.fit(truth).transform(truth) if kind == "classification" else None
    rest, held = split_rows(len(truth), codes, seed)
    return (frame.iloc[rest], truth.iloc[rest]), (frame.iloc[held], truth.iloc[held])
