"""``bridle fit``: a search if no strength or training option is given, else a few networks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bridle.cli import fit_options as o, reading as r
from bridle.cli.checking import Checking
from bridle.cli.importing import quick_imports
from bridle.cli.options import (
    AsJson,
    FailOn,
    FiguresTo,
    Ignore,
    Out,
    Quiet,
    ReportTo,
    Table,
    WithAblation,
)
from bridle.cli.parsing import hidden_of
from bridle.cli.report_output import ReportOutput
from bridle.cli.running import fit_and_print, search_and_print
from bridle.errors import UsageError
from bridle.statistics.second_process import start as start_second_process

__all__ = ["fit"]


def fit(
    table: Table,
    target: o.Target,
    task: o.Task = "auto",
    out: Out = None,
    report: ReportTo = None,
    figures: FiguresTo = None,
    ablation: WithAblation = True,
    seed: o.Seed = 0,
    drop: o.Drop = None,
    groups: o.Groups = None,
    time: o.Time = None,
    fail_on: FailOn = None,
    ignore: Ignore = None,
    l1: o.L1 = None,
    l2: o.L2 = None,
    keep_prob: o.KeepProb = None,
    drop_prob: o.DropProb = None,
    input_keep_prob: o.InputKeepProb = None,
    drop_connect_keep_prob: o.DropConnectKeepProb = None,
    max_norm: o.MaxNorm = None,
    hidden: o.Hidden = None,
    epochs: o.Epochs = None,
    patience: o.Patience = None,
    learning_rate: o.LearningRate = None,
    batch_size: o.BatchSize = None,
    class_weight: o.ClassWeight = None,
    budget: o.Budget = None,
    configurations: o.Configurations = None,
    scoring: o.Scoring = None,
    answer: o.Answer = None,
    folds: o.Folds = None,
    test: o.TestTable = None,
    run: o.Run = None,
    resume: o.Resume = False,
    engine: o.Engine = None,
    workers: o.Workers = None,
    device: o.Device = None,
    memory: o.Memory = None,
    shared_members: o.SharedMembers = None,
    embeddings: o.Embeddings = None,
    sep: r.Sep = None,
    decimal: r.DecimalMark = None,
    thousands: r.Thousands = None,
    encoding: r.Encoding = None,
    header: r.Header = None,
    comment: r.Comment = None,
    date_format: r.DateFormat = None,
    missing: r.Missing = None,
    sheet: r.Sheet = None,
    sql: r.Sql = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Fit a network to TABLE, and show whether it overfits and whether regularization helps.

    Without strength or training options, it searches for the best regularization and compares the
    result with an unregularized network. With strength options, it trains a plain network, one
    with early stopping alone and a regularized one; only the given regularizers act, and early
    stopping (--patience 0 turns it off). With training options alone, the regularized network
    uses L1 1e-4, L2 1e-3, and dropout with a keep probability of 0.5 for classification and 0.95
    for regression. With --fail-on or --ignore it also lists the checks, as `bridle diagnose` does.
    """
    reading = r.options_of(
        missing,
        sep=sep,
        decimal=decimal,
        thousands=thousands,
        encoding=encoding,
        header=header,
        comment=comment,
        date_format=date_format,
        sheet=sheet,
        sql=sql,
    )
    regularizers = _given(
        l1=l1,
        l2=l2,
        keep_prob=keep_prob,
        drop_prob=drop_prob,
        input_keep_prob=input_keep_prob,
        drop_connect_keep_prob=drop_connect_keep_prob,
        max_norm=max_norm,
    )
    shape = None if hidden is None else hidden_of(hidden)
    training = _given(
        patience=patience,
        learning_rate=learning_rate,
        batch_size=batch_size,
        class_weight=class_weight,
    )
    searching = _given(
        budget=budget,
        configurations=configurations,
        scoring=scoring,
        answer=answer,
        folds=folds,
        test=test,
        run=run,
        resume=resume or None,
        engine=engine,
        workers=workers,
        device=device,
        memory=memory,
        shared_members=shared_members,
        embeddings=embeddings,
    )
    fixed = [*training, *regularizers]
    where = (table, target, out, ReportOutput(report, figures, ablation))
    common: dict[str, Any] = {"task": task, "drop": drop or (), "seed": seed, "reading": reading}
    common |= {"groups": groups, "time": time, "as_json": as_json, "quiet": quiet}
    common["checking"] = Checking.of(fail_on, ignore)
    started = [name for name in searching if name != "embeddings" or embeddings]
    is_search = _is_search(started, fixed, any_shape=bool(shape or epochs))
    if is_search:
        _check_run(run, resume=resume)
    start_second_process()  # before numpy and torch are imported
    if is_search:
        common |= {} if shape is None else {"hidden": (shape,)}
        searching |= {"directory": searching.pop("run", None), "epochs": epochs}
        common |= searching
        search_and_print(*where, **common)
        return
    with quick_imports():
        from bridle.models.words import settings_of

    words = regularizers | training | _given(hidden=shape, epochs=epochs)
    common["strengths"], common["recipe"] = settings_of(words)  # before the table is read
    fit_and_print(*where, **common)


def _given(**options: Any) -> dict[str, Any]:
    """Return the options that were given."""
    return {name: value for name, value in options.items() if value is not None}


def _option(name: str) -> str:
    """Return the option of a parameter."""
    return "--" + name.replace("_", "-")


def _is_search(searching: list[str], fixed: list[str], *, any_shape: bool) -> bool:
    """Return whether to search; options of the search exclude those of a fit without one."""
    if searching and fixed:
        starts = "starts" if len(searching) == 1 else "start"
        raise UsageError(
            f"{_listed(searching)} {starts} a search, but {_listed(fixed)} cannot be used in a "
            "search; leave out one of the two"
        )
    return bool(searching) or not (fixed or any_shape)


def _listed(names: list[str]) -> str:
    return ", ".join(map(_option, names))


def _check_run(run: Path | None, *, resume: bool) -> None:
    if resume and run is None:
        raise UsageError("--resume needs the directory of the search; give it with --run")
