"""``bridle fit``: a search where nothing about the training is given, else two networks."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from bridle.cli.given import hidden_of, keep_prob_of, strengths_of
from bridle.cli.options import (
    AsJson,
    FiguresTo,
    Out,
    Quiet,
    ReportTo,
    Table,
    WithAblation,
    search_option,
    strength_option,
    training_option,
)
from bridle.cli.paper import Paper
from bridle.cli.running import fit_and_print, search_and_print
from bridle.errors import UsageError

__all__ = ["fit"]


def fit(
    table: Table,
    target: Annotated[str, typer.Option(help="The column to predict.", show_default=False)],
    task: Annotated[str, typer.Option(help="auto, classification or regression.")] = "auto",
    out: Out = None,
    report: ReportTo = None,
    figures: FiguresTo = None,
    ablation: WithAblation = True,
    seed: Annotated[int, typer.Option(help="Of split, weights, batches and masks.")] = 0,
    drop: Annotated[
        list[str] | None, typer.Option(help="A column to leave out; may be given again.")
    ] = None,
    l1: Annotated[float | None, strength_option("λ of λ Σ|w|.")] = None,
    l2: Annotated[float | None, strength_option("λ of ½ λ Σw².")] = None,
    keep_prob: Annotated[
        float | None, strength_option("Dropout: the probability to keep a hidden unit.")
    ] = None,
    drop_prob: Annotated[
        float | None, strength_option("The same as a probability to drop: 1 - keep.")
    ] = None,
    input_keep_prob: Annotated[
        float | None, strength_option("Dropout: the probability to keep an input.")
    ] = None,
    drop_connect_keep_prob: Annotated[
        float | None, strength_option("DropConnect: the probability to keep a weight.")
    ] = None,
    max_norm: Annotated[
        float | None, strength_option("The bound on the norm of a unit's incoming weights.")
    ] = None,
    hidden: Annotated[
        str | None,
        training_option(
            "Units of each hidden layer, with commas. Default: 256,256; in a search, 128,128."
        ),
    ] = None,
    epochs: Annotated[
        int | None, training_option("At most. Default: 100; in a search, 120.")
    ] = None,
    patience: Annotated[
        int | None,
        training_option(
            "Epochs without a lower held-out loss before stopping; 0 is off. Default: 20."
        ),
    ] = None,
    learning_rate: Annotated[float | None, training_option("Of Adam. Default: 0.001.")] = None,
    batch_size: Annotated[int | None, training_option("Rows per step. Default: 128.")] = None,
    class_weight: Annotated[
        str | None, training_option("'balanced' weighs classes against their numbers.")
    ] = None,
    budget: Annotated[
        str | None, search_option("How long, such as 90s, 2m or 1h. Default: 1m.")
    ] = None,
    configurations: Annotated[
        int | None, search_option("How many to begin with, instead of a time.")
    ] = None,
    scoring: Annotated[
        str | None, search_option("What to select by. Default: accuracy, or r2.")
    ] = None,
    answer: Annotated[
        str, search_option("What predicts: ensemble (of the best), best, or refit (on all rows).")
    ] = "ensemble",
    folds: Annotated[int, search_option("Of the cross-validation.")] = 5,
    test: Annotated[Path | None, search_option("Rows of your own to test on.")] = None,
    run: Annotated[Path | None, search_option("A directory to write everything down in.")] = None,
    resume: Annotated[bool, search_option("Go on with the search in --run.")] = False,
    engine: Annotated[str, search_option("local, dask, ray or joblib.")] = "local",
    workers: Annotated[int, search_option("Processes, for the local engine.")] = 1,
    device: Annotated[str, search_option("auto, cpu or cuda.")] = "auto",
    memory: Annotated[
        str | None,
        search_option("What the networks may take at once. Default: 2GB, and on a GPU 8GB."),
    ] = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Fit a network to TABLE that predicts new rows well, and say whether regularizing helped.

    Without any strength or training option: a search over all regularizers, beside a network
    without any. With a strength: a plain and a regularized network, where only what is given acts.
    With training options alone: L1 1e-4, L2 1e-3, and a keep probability of 0.5 for classes, 0.95
    for values.
    """
    from bridle.models.recipe import Recipe

    strengths = strengths_of(
        l1=l1,
        l2=l2,
        keep_prob=keep_prob_of(keep_prob, drop_prob),
        input_keep_prob=input_keep_prob,
        drop_connect_keep_prob=drop_connect_keep_prob,
        max_norm=max_norm,
    )
    options: dict[str, Any] = {"task": task, "drop": drop or (), "seed": seed}
    shape = None if hidden is None else hidden_of(hidden)
    training: dict[str, Any] = {
        "patience": patience,
        "learning_rate": learning_rate,
        "batch_size": batch_size,
        "class_weight": class_weight,
    }
    fixed = [name for name, value in training.items() if value is not None]
    fixed += [] if strengths is None else ["strengths"]
    wanted: dict[str, Any] = {
        "--budget": budget,
        "--configurations": configurations,
        "--scoring": scoring,
    }
    wanted |= {"--test": test, "--run": run, "--resume": resume or None}
    searched = [name for name, value in wanted.items() if value is not None]
    if searched and fixed:
        raise UsageError(
            f"{searched[0]} is of the search, which chooses {', '.join(fixed)} itself: leave "
            "one of them out"
        )
    if searched or not (fixed or shape or epochs):
        options |= {} if shape is None else {"hidden": (shape,)}
        options |= {
            "scoring": scoring,
            "folds": folds,
            "answer": answer,
            "epochs": epochs,
            "device": device,
        }
        options |= {"budget": budget, "configurations": configurations, "test": test}
        options |= {"directory": run, "resume": resume, "engine": engine, "workers": workers}
        search_and_print(
            table,
            target,
            out,
            Paper(report, figures, ablation),
            as_json=as_json,
            quiet=quiet,
            memory=memory,
            **options,
        )
        return
    given: dict[str, Any] = {"hidden": shape, "epochs": epochs, **training}
    chosen = {name: value for name, value in given.items() if value is not None}
    if patience == 0:
        chosen["patience"] = None
    fit_and_print(
        table,
        target,
        out,
        Paper(report, figures, ablation),
        as_json=as_json,
        quiet=quiet,
        strengths=strengths,
        recipe=Recipe(**chosen),
        **options,
    )
