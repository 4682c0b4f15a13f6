"""Search a table's regularization: train many configurations, and return the best as a model."""

from __future__ import annotations

import time as clock
from collections.abc import Callable, Sequence
from dataclasses import replace
from os import PathLike
from pathlib import Path

from bridle.errors import UsageError, flag_of
from bridle.models.arguments import shapes_of, whole_of
from bridle.models.reading import read_for_fit, with_task
from bridle.models.row_forms import By, check_rows
from bridle.search.budget import memory_for
from bridle.search.build_result import build_result
from bridle.search.configuration import HIDDEN
from bridle.search.data import check_device
from bridle.search.embedded import embeds
from bridle.search.engine import check_engine, start_workers
from bridle.search.final_model import best_trials
from bridle.search.prepare import Table, prepare_table
from bridle.search.result import SearchResult
from bridle.search.run import SearchSettings, run_search
from bridle.search.run_directory import RunDirectory
from bridle.search.scoring import check_scoring
from bridle.search.successive_halving import Progress
from bridle.search.trial import PLAIN_ID
from bridle.statistics.second_process import is_running as second_process_runs
from bridle.tables import ReadOptions
from bridle.tables.arrays import Features, Target, table_of

__all__ = ["search"]


def search(
    table: Features,
    target: Target = None,
    *,
    test: Table | tuple[Features, Target] | None = None,
    task: str = "auto",
    budget: float | str | None = None,
    configurations: int | None = None,
    epochs: int | None = None,
    scoring: str = "auto",
    answer: str = "auto",
    folds: int | None = None,
    hidden: Sequence[Sequence[int]] = (HIDDEN,),
    drop: Sequence[str] = (),
    reading: ReadOptions | None = None,
    groups: By = None,
    time: By = None,
    seed: int = 0,
    engine: str = "local",
    workers: int = 1,
    memory: str | None = None,
    device: str = "auto",
    directory: str | PathLike[str] | None = None,
    resume: bool = False,
    on_progress: Callable[[Progress], None] | None = None,
    began: float | None = None,
    shared_members: int | None = None,
    embeddings: bool | None = None,
) -> SearchResult:
    """Search over all regularizers at once, and return the best model with its evidence.

    The search samples configurations (:class:`bridle.search.Space`) and trains each with every
    fold; all of them train together as one tensor program. The better third is promoted to the
    next rung, twice: successive halving (Li et al. 2018). A rung ends after three times the steps
    of the one before; from 10,000 rows on after five times the steps, so that more of the time is
    left for the last one. A configuration is scored by
    cross-validation: each row is predicted by the network that held it out. With more than 20,000
    rows, about 20,000 of them are scored.

    The networks of the best configurations, one for each fold, are averaged into the model. Then
    the test set is evaluated, once. Half of the configurations also encode numerical features in 16
    bins; for regression three quarters do. From 10,000 rows on there are 128 bins, or as many as
    add 2048 inputs (512 on a GPU), without noise on inputs; a value that many rows have takes one
    bin at most. Binning is off if 16 bins would add
    more than 512.

    Parameters
    ----------
    table : path, DataFrame or array
        A table, or features ``X``; see :func:`bridle.fit`.
    target : str, int or array
        The name of the column to predict, or the target ``y`` with a value for each row.
    test : path, DataFrame or (X, y), optional
        Other rows to test on. Default: a fifth of the table.
    task : {"auto", "classification", "regression"}
    budget : float or str, optional
        Seconds, or a time such as "90s", "2m" or "1h", from the call to the result. Default: a
        minute, unless ``configurations`` is given.
    configurations : int, optional
        The number of configurations in the first rung. It replaces the budget, so that the search
        is the same on every machine.
    epochs : int, optional
        Maximum number of epochs in the last rung. Default: 120, but at least 900 and at most
        12,000 steps.
    scoring : str
        The score to select by. For classification: "accuracy", "balanced_accuracy", "neg_log_loss"
        or "roc_auc". For regression: "r2" or "neg_root_mean_squared_error". "auto" is accuracy,
        of equal ones that with the lowest log loss, or R².
    answer : {"auto", "ensemble", "best", "refit"}
        The networks that are averaged into the model: those of the best configurations (at most
        eight, with all folds), those of the best configuration, or at least five networks with the
        best configurations that are trained on all rows. "auto" is "ensemble"; with ``time`` it is
        "refit", because the networks of the folds were trained on the earlier rows only.
    folds : int, optional
        The number of cross-validation folds. Default: 5. From 10,000 rows on, without ``groups``
        and ``time``, only as many of them are trained as hold out 5,000 rows together; every fold
        also trains on the rows that none holds out. From 25,000 rows on it is one fold.
    hidden : sequence of sequences of int
        The hidden layers to choose from.
    drop : sequence of str
        Columns to leave out.
    reading : ReadOptions, optional
        What overrules the signs of the file, such as its separator.
    groups : str or array, optional
        The group of each row, such as its patient: the name of a column, which is then no feature,
        or a value for each row. No group is in the test set and in other rows, or in two folds, and
        the intervals are those of new groups.
    time : str or array, optional
        The time of each row, likewise: dates or numbers. The test set is the last fifth. Each fold
        holds out a part and trains on the rows before it; the first part is not held out. Equal
        times stay together.
    seed : int
        The seed of the splits, the sampled configurations, the weights, the batches and the masks.
    engine : {"local", "dask", "ray", "joblib"}
        Where jobs run; see :func:`bridle.search.engine.runner_of`.
    workers : int
        The number of processes of the local engine, with one thread each. 1 is this process with
        all its threads.
    memory : str, optional
        Maximum memory for the networks and the encoded rows, such as "500MB". The search is split
        into jobs that fit, and numbers get fewer bins if many rows would take too much. Default:
        2 GB; on a GPU 8 GB, but at most half of its free memory.
    device : {"auto", "cpu", "cuda"}
        Where networks train. "auto" uses a GPU if there is one and the search runs in this
        process.
    directory : path, optional
        Where to store the search while it runs, so that it can be resumed.
    resume : bool
        Resume the search in the directory. With ``configurations`` the result is that of an
        uninterrupted search, bit for bit. With a budget, decisions that depended on time are
        reused.
    on_progress : callable, optional
        Called with a :class:`bridle.search.Progress` after each job.
    began : float, optional
        When the budget began, by ``time.monotonic()``. Default: at this call. For the command line
        it is the start of its process, so that the budget includes the imports.
    shared_members : int, optional
        The number of networks that share their weight matrices, up to 32, in place of each network
        of a fold; each has adapters, masks and outputs of its own (Gorishniy et al. 2025). The
        model has them as plain networks, so that it is as many times larger. Training takes about
        as many times longer too, so that a budget allows fewer configurations. Default: 1. The
        network without regularization is always a single one.
    embeddings : bool, optional
        Whether half of the configurations have a trainable embedding of the numerical features
        (:class:`bridle.networks.PeriodicEmbedding`), on tables with at most 32 of them; a date has
        several. With equal steps their errors are lower; in equal time some tables gain and others
        lose. Default: from 10,000 searched rows on, if that is possible and ``shared_members`` is
        1. Without ``test`` these are tables of 12,500 rows or more.

    Returns
    -------
    SearchResult

    Raises
    ------
    UsageError
        If an argument is out of range, or the budget is too short for the smallest search.
    DataError
        If the table cannot be used.
    TrainingError
        If no configuration gave finite outputs, or worker processes died repeatedly.

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
    began = clock.monotonic() if began is None else began
    if task not in ("auto", "classification", "regression"):
        raise UsageError(f"task is {task!r}; it must be 'auto', 'classification' or 'regression'")
    folds = None if folds is None else whole_of("folds", folds)
    if folds is not None and folds < 2:
        raise UsageError(f"folds is {folds}; it must be 2 or more")
    resume = flag_of("resume", resume)
    if resume and directory is None:
        raise UsageError("resume needs the directory of the search to resume; give directory")
    answer = _answer(answer, forward=time is not None)
    check_engine(engine, workers)
    in_this_process = engine == "local" and workers == 1
    device = check_device("cpu" if device == "auto" and not in_this_process else device)
    seed = whole_of("seed", seed)
    # checks its values before the table is read
    settings = SearchSettings(
        "",
        budget,
        configurations,
        epochs,
        answer,
        seed,
        engine,
        workers,
        memory,
        1 if shared_members is None else shared_members,
        embeddings is not None and flag_of("embeddings", embeddings),
    )
    shapes = shapes_of("hidden", hidden)
    check_rows((table, target), groups, time)
    table, target = table_of(table, target, reading)
    given = read_for_fit(table, target, drop, reading, groups=groups, time=time)
    wait_for_workers = start_workers(engine, workers)  # they import while the table is prepared
    given, task = with_task(given, task)
    settings = replace(settings, scoring=check_scoring(scoring, task))
    run_directory = None if directory is None else RunDirectory(Path(directory), resume=resume)
    prepared = prepare_table(
        given,
        table_of(*test, reading, name=target)[0] if isinstance(test, tuple) else test,
        target=target,
        task=task,
        folds=folds,
        seed=seed,
        device=device,
        seconds=settings.seconds,
        memory=memory_for(memory, device),
        groups=groups,
        time=time,
        bins=None if run_directory is None else run_directory.bins,
        resumed=resume,
        beside=not in_this_process,
    )
    if embeddings is None:
        settings = replace(settings, embeddings=embeds(prepared.data, settings.shared_members))
    if run_directory is not None and resume:
        run_directory.check_asked(
            budget=None if budget is None else settings.seconds,
            configurations=configurations,
            epochs=epochs,
            scoring=None if scoring == "auto" else scoring,
            shared_members=shared_members,
            embeddings=embeddings,
        )
        settings = replace(
            settings,
            scoring=run_directory.scoring,
            shared_members=run_directory.asked["shared_members"],
            embeddings=run_directory.asked["embeddings"],
        )
    if in_this_process and not second_process_runs():
        prepared.begin_boosting()()  # it takes its part of the budget here
    wait_for_workers()
    halving = run_search(
        prepared.data,
        shapes,
        settings,
        began=began,
        test_rows=len(prepared.y_test),
        directory=run_directory,
        on_progress=on_progress,
        on_plan=prepared.begin_boosting,
    )
    best = best_trials(halving, answer)
    try:
        result = build_result(halving, best, prepared, answer, began)
    except KeyboardInterrupt:
        if answer != "refit":
            raise
        halving.interrupted = True  # the networks of the folds are there already
        best = best_trials(halving, "best")
        result = build_result(halving, best, prepared, "best", began)
    if run_directory is not None:
        # an interrupted search may be resumed, from any trial that can still be promoted
        keep = None if result.interrupted else {PLAIN_ID, *(each.id for each in best)}
        run_directory.finish(result.to_dict(), keep)
    return result


def _answer(answer: str, *, forward: bool) -> str:
    """Return what the model is made of, if folds train on earlier rows or on all others."""
    if answer == "auto":
        return "refit" if forward else "ensemble"
    if forward and answer in ("ensemble", "best"):
        raise UsageError(
            f"answer is {answer!r}, but with time the networks of the folds were trained on the "
            "earlier rows only; leave answer out, or give 'refit'"
        )
    return answer
