"""The command line: parses, calls, prints.

Exit codes: 0, it ran; 1, it ran and failed (the data, a file, the training); 2, it was called
wrongly. Results go to standard output, progress and errors to standard error.
"""

from __future__ import annotations

import json
import shlex
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from bridle.errors import BridleError, DataError, UsageError
from bridle.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bridle.recipe import Strengths

__all__ = ["app", "main"]

app = typer.Typer(
    name="bridle",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Find out whether a neural network overfits, and restrain it.",
)

Table = Annotated[Path, typer.Argument(help="CSV, CSV.gz or Parquet.", show_default=False)]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for machines.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress.")]
ReportTo = Annotated[
    Path | None,
    typer.Option("--report", help="Where to write the report, one HTML page.", show_default=False),
]
FiguresTo = Annotated[
    Path | None,
    typer.Option(
        "--figures", help="A folder for the report's figures, PNG and SVG.", show_default=False
    ),
]
WithAblation = Annotated[
    bool,
    typer.Option(help="In the report: train again with each regularizer alone."),
]
Out = Annotated[
    Path | None, typer.Option("--out", "-o", help="Where to write the model.", show_default=False)
]


def _strength(help_text: str) -> Any:
    return typer.Option(help=help_text, show_default=False, rich_help_panel="Strengths")


def _training(help_text: str) -> Any:
    return typer.Option(help=help_text, show_default=False, rich_help_panel="Training")


def _searching(help_text: str) -> Any:
    return typer.Option(help=help_text, rich_help_panel="Search, where no strength is given")


@app.command()
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
    l1: Annotated[float | None, _strength("λ of λ Σ|w|.")] = None,
    l2: Annotated[float | None, _strength("λ of ½ λ Σw².")] = None,
    keep_prob: Annotated[
        float | None, _strength("Dropout: the probability to keep a hidden unit.")
    ] = None,
    drop_prob: Annotated[
        float | None, _strength("The same as a probability to drop: 1 - keep.")
    ] = None,
    input_keep_prob: Annotated[
        float | None, _strength("Dropout: the probability to keep an input.")
    ] = None,
    drop_connect_keep_prob: Annotated[
        float | None, _strength("DropConnect: the probability to keep a weight.")
    ] = None,
    max_norm: Annotated[
        float | None, _strength("The bound on the norm of a unit's incoming weights.")
    ] = None,
    hidden: Annotated[
        str | None, _training("Units of each hidden layer, with commas. [default: 256,256]")
    ] = None,
    epochs: Annotated[int | None, _training("At most. [default: 100; in a search, 120]")] = None,
    patience: Annotated[
        int | None,
        _training("Epochs without a lower held-out loss before stopping; 0 is off. [default: 20]"),
    ] = None,
    learning_rate: Annotated[float | None, _training("Of Adam. [default: 0.001]")] = None,
    batch_size: Annotated[int | None, _training("Rows per step. [default: 128]")] = None,
    class_weight: Annotated[
        str | None, _training("'balanced' weighs classes against their numbers.")
    ] = None,
    budget: Annotated[
        str | None, _searching("How long, such as 90s, 2m or 1h. [default: 1m]")
    ] = None,
    configurations: Annotated[
        int | None, _searching("How many to begin with, instead of a time.")
    ] = None,
    scoring: Annotated[
        str | None, _searching("What to select by. [default: accuracy, or r2]")
    ] = None,
    answer: Annotated[
        str, _searching("What predicts: ensemble (of the best), best, or refit (on all rows).")
    ] = "ensemble",
    folds: Annotated[int, _searching("Of the cross-validation.")] = 5,
    test: Annotated[Path | None, _searching("Rows of your own to test on.")] = None,
    run: Annotated[Path | None, _searching("A directory to write everything down in.")] = None,
    resume: Annotated[bool, _searching("Go on with the search in --run.")] = False,
    engine: Annotated[str, _searching("local, dask, ray or joblib.")] = "local",
    workers: Annotated[int, _searching("Processes, for the local engine.")] = 1,
    device: Annotated[str, _searching("auto, cpu or cuda.")] = "auto",
    memory: Annotated[str, _searching("What the networks may take at once.")] = "2GB",
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Fit a network to TABLE that predicts new rows well, and say whether regularizing helped.

    Without any strength or training option: a search over all regularizers, beside a network
    without any. With a strength: a plain and a regularized network, where only what is given acts.
    With training options alone: L1 1e-4, L2 1e-3, and a keep probability of 0.5 for classes, 0.95
    for values.
    """
    from bridle.recipe import Recipe

    strengths = _strengths(
        l1=l1,
        l2=l2,
        keep_prob=_keep(keep_prob, drop_prob),
        input_keep_prob=input_keep_prob,
        drop_connect_keep_prob=drop_connect_keep_prob,
        max_norm=max_norm,
    )
    options: dict[str, Any] = {"task": task, "drop": drop or (), "seed": seed}
    shape = None if hidden is None else _hidden(hidden)
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
        options |= {
            "hidden": (shape or (256, 256),),
            "scoring": scoring,
            "folds": folds,
            "answer": answer,
            "epochs": epochs,
            "device": device,
        }
        options |= {"budget": budget, "configurations": configurations, "test": test}
        options |= {"directory": run, "resume": resume, "engine": engine, "workers": workers}
        _search_and_print(
            table,
            target,
            out,
            _Paper(report, figures, ablation),
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
    _fit_and_print(
        table,
        target,
        out,
        _Paper(report, figures, ablation),
        as_json=as_json,
        quiet=quiet,
        strengths=strengths,
        recipe=Recipe(**chosen),
        **options,
    )


@app.command()
def predict(
    model: Annotated[Path, typer.Argument(help="A model that `bridle fit --out` wrote.")],
    table: Table,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="A .csv or .parquet file.", show_default=False),
    ] = None,
    subnetworks: Annotated[
        int | None,
        typer.Option(help="Average so many subnetworks, and give their spread too."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Predict a class with its probabilities, or a value, for each row of TABLE."""
    from bridle.modelfile import load, write_atomically

    if out is not None and out.suffix not in (".csv", ".parquet"):
        raise UsageError(f"cannot write {str(out)!r}: give --out a name in .csv or .parquet")
    predictions = load(model).predict(table, subnetworks=subnetworks)
    if out is not None:
        content = predictions.to_csv(index=False).encode()
        write_atomically(out, content if out.suffix == ".csv" else predictions.to_parquet())
        Console(stderr=True).print(f"{len(predictions)} predictions written to {out}")
    elif as_json:
        print(json.dumps(predictions.to_dict(orient="records"), ensure_ascii=False))  # noqa: T201
    else:
        sys.stdout.write(predictions.to_csv(index=False))


@app.command()
def diagnose(
    model: Annotated[Path, typer.Argument(help="A model that `bridle fit --out` wrote.")],
    table: Table,
    training: Annotated[
        Path | None,
        typer.Option(help="The rows that it was trained on, as a table.", show_default=False),
    ] = None,
    refit: Annotated[
        bool,
        typer.Option(help="Train again, on shuffled targets and by gradient boosting, to compare."),
    ] = True,
    seed: Annotated[int, typer.Option(help="Of what is drawn.")] = 0,
    report: ReportTo = None,
    figures: FiguresTo = None,
    ablation: WithAblation = True,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Say whether MODEL overfits, underfits or is fine, by rows of TABLE that it has not seen.

    The very table that it was fitted to is known again, and taken apart as it was then.
    """
    from bridle.diagnosing import diagnose as diagnose_model
    from bridle.modelfile import load
    from bridle.printing import show_diagnosis

    paper = _Paper(report, figures, ablation)
    paper.check()
    loaded = load(model)
    found = diagnose_model(
        loaded,
        table,
        training=training,
        reference=refit,
        shuffled_labels=refit,
        seed=seed,
    )
    if as_json:
        print(json.dumps(found.to_dict(), ensure_ascii=False))  # noqa: T201
    else:
        show_diagnosis(found, Console())
    paper.write(found, table, quiet=quiet or as_json, model=loaded)


@app.command()
def audit(
    model: Annotated[Path, typer.Argument(help="A model that `bridle fit --out` wrote.")],
    table: Annotated[
        Path | None, typer.Argument(help="Rows to step with; random ones without it.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Prove that MODEL's regularizers act: real steps on a copy, measured beside the formulas.

    Exits with 0 when everything acts as it should, else with 1.
    """
    from bridle.modelaudit import audit_model
    from bridle.modelfile import load

    audited = audit_model(load(model), table)
    if as_json:
        print(json.dumps(audited.to_dict(), ensure_ascii=False))  # noqa: T201
    else:
        sys.stdout.write(str(audited))
    raise typer.Exit(audited.exit_code)


@app.command()
def demo(as_json: AsJson = False, quiet: Quiet = False) -> None:
    """Do the main job on the table that comes with bridle: German credit data."""
    _fit_and_print(example_table(), "class", None, _Paper(), as_json=as_json, quiet=quiet)


@app.callback(invoke_without_command=True)
def _root(
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    if version:
        print(__version__)  # noqa: T201
        raise typer.Exit


def example_table() -> Path:
    """Return the path of the German credit table, installed or in a checkout."""
    here = Path(__file__).resolve()
    places = (here.parent / "examples", here.parents[2] / "examples")
    for place in places:
        if (place / "credit-g.csv").is_file():
            return place / "credit-g.csv"
    raise DataError(f"credit-g.csv is not in {places[0]}; install bridle again")


def _hidden(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.split(",") if part.strip())
    except ValueError:
        raise UsageError(f"--hidden is {text!r}; give whole numbers with commas: 256,256") from None


def _keep(keep_prob: float | None, drop_prob: float | None) -> float | None:
    if keep_prob is None and drop_prob is None:
        return None
    from bridle.noise import Dropout

    return float(Dropout(keep_prob=keep_prob, drop_prob=drop_prob).keep_prob)


def _strengths(**given: float | None) -> Strengths | None:
    """Return the strengths that were given, or None when there are none."""
    from bridle.recipe import Strengths

    chosen = {name: value for name, value in given.items() if value is not None}
    return Strengths(**chosen) if chosen else None


@dataclass(frozen=True)
class _Paper:
    """Where a report goes, and what it takes."""

    page: Path | None = None
    figures: Path | None = None
    ablation: bool = True

    def check(self) -> None:
        """Refuse what cannot be written before anything is trained."""
        _check_folder(self.page)
        _check_folder(self.figures)
        if self.page is not None and self.page.is_dir():
            raise UsageError(f"--report is {str(self.page)!r}, a folder; name a file")
        if self.figures is not None and self.figures.is_file():
            raise UsageError(f"--figures is {str(self.figures)!r}, a file; name a folder")

    def write(self, result: Any, table: Path, *, quiet: bool, **options: Any) -> None:
        """Write the page and the figures, as far as they are asked for."""
        if self.page is None and self.figures is None:
            return
        from bridle.reporting import full_report

        command = shlex.join(["bridle", *sys.argv[1:]])
        with _progress("reporting", shown=not quiet) as on_epoch:
            report = full_report(
                result,
                table,
                ablation=self.ablation,
                command=command,
                on_epoch=on_epoch,
                **options,
            )
        if self.page is not None:
            report.save(self.page)
            Console(stderr=True).print(f"report written to {self.page}")
        if self.figures is not None:
            count = len(report.save_figures(self.figures))
            Console(stderr=True).print(f"{count} figures written to {self.figures}")


def _search_and_print(
    table: Path,
    target: str,
    out: Path | None,
    paper: _Paper,
    *,
    as_json: bool,
    quiet: bool,
    **options: Any,
) -> None:
    from bridle.modelfile import save_model
    from bridle.printing import show_search
    from bridle.searching import search

    _check_folder(out)
    paper.check()
    with _search_progress(shown=not (quiet or as_json)) as on_progress:
        result = search(table, target, on_progress=on_progress, **options)
    if as_json:
        print(json.dumps(result.to_dict(), ensure_ascii=False))  # noqa: T201
    else:
        show_search(result, Console())
    if out is not None:  # last: where it fails, what was found is on the screen already
        save_model(result.model, out)
        Console(stderr=True).print(f"model written to {out}")
    paper.write(result, table, quiet=quiet or as_json)


@contextmanager
def _search_progress(*, shown: bool) -> Iterator[Callable[[Any], None]]:
    """Show the share that is done, the best score so far and the time left."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    bar = Progress(
        TextColumn("searching"),
        BarColumn(),
        TextColumn("{task.fields[said]}"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
        disable=not shown,
    )
    with bar:
        task = bar.add_task("searching", total=1.0, said="")

        def see(progress: Any) -> None:
            said = f"{progress.configurations} configurations, best {progress.best:.4g}"
            bar.update(task, completed=progress.done, said=said)

        yield see


def _check_folder(out: Path | None) -> None:
    if out is not None and not out.parent.is_dir():
        raise UsageError(f"cannot write {str(out)!r}: there is no folder {str(out.parent)!r}")


def _fit_and_print(
    table: Path,
    target: str,
    out: Path | None,
    paper: _Paper,
    *,
    as_json: bool,
    quiet: bool,
    **options: Any,
) -> None:
    from bridle.fitting import fit as fit_table
    from bridle.modelfile import save_model
    from bridle.printing import show

    _check_folder(out)
    paper.check()
    with _progress("training", shown=not (quiet or as_json)) as on_epoch:
        result = fit_table(table, target, on_epoch=on_epoch, **options)
    if as_json:
        print(json.dumps(result.to_dict(), ensure_ascii=False))  # noqa: T201
    else:
        show(result, Console())
    if out is not None:  # last: where it fails, what was found is on the screen already
        save_model(result.model, out)
        Console(stderr=True).print(f"model written to {out}")
    paper.write(result, table, quiet=quiet or as_json)


@contextmanager
def _progress(what: str, *, shown: bool) -> Iterator[Callable[[int, int], None]]:
    """Show a bar on standard error, and hand out what moves it."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn(what), BarColumn(), TextColumn("{task.completed}/{task.total}"))
    bar = Progress(
        *columns,
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
        disable=not shown,
    )
    with bar:
        task = bar.add_task(what, total=None)
        yield lambda epoch, epochs: bar.update(task, completed=epoch, total=epochs)


def main() -> None:
    """Run the command line; every error that bridle raises is one line and an exit code."""
    try:
        app()
    except BridleError as error:
        print(f"bridle: {error}", file=sys.stderr)  # noqa: T201
        sys.exit(2 if isinstance(error, UsageError) else 1)
