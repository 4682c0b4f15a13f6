"""The command line: parses, calls, prints.

Exit codes: 0, it ran; 1, it ran and failed (the data, a file, the training); 2, it was called
wrongly. Results go to standard output, progress and errors to standard error.
"""

from __future__ import annotations

import json
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from bridle.errors import BridleError, DataError, UsageError
from bridle.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bridle.recipe import Strengths
    from bridle.result import FitResult

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
Out = Annotated[
    Path | None, typer.Option("--out", "-o", help="Where to write the model.", show_default=False)
]


def _strength(help_text: str) -> Any:
    return typer.Option(help=help_text, show_default=False, rich_help_panel="Strengths")


def _training(help_text: str) -> Any:
    return typer.Option(help=help_text, rich_help_panel="Training")


@app.command()
def fit(
    table: Table,
    target: Annotated[str, typer.Option(help="The column to predict.", show_default=False)],
    task: Annotated[str, typer.Option(help="auto, classification or regression.")] = "auto",
    out: Out = None,
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
    hidden: Annotated[str, _training("Units of each hidden layer, with commas.")] = "256,256",
    epochs: Annotated[int, _training("At most.")] = 100,
    patience: Annotated[
        int, _training("Epochs without a lower held-out loss before stopping; 0 is off.")
    ] = 20,
    learning_rate: Annotated[float, _training("Of Adam.")] = 1e-3,
    batch_size: Annotated[int, _training("Rows per step.")] = 128,
    class_weight: Annotated[
        str | None, _training("'balanced' weighs classes against their numbers.")
    ] = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Fit a plain and a regularized network to TABLE, and say whether regularizing helped.

    Without any strength: L1 1e-4, L2 1e-3, and a keep probability of 0.5 for classes, 0.95 for
    values. With one, only what is given acts.
    """
    from bridle.recipe import Recipe

    recipe = Recipe(
        hidden=_hidden(hidden),
        epochs=epochs,
        patience=patience or None,
        learning_rate=learning_rate,
        batch_size=batch_size,
        class_weight=class_weight,
    )
    strengths = _strengths(
        l1=l1,
        l2=l2,
        keep_prob=_keep(keep_prob, drop_prob),
        input_keep_prob=input_keep_prob,
        drop_connect_keep_prob=drop_connect_keep_prob,
        max_norm=max_norm,
    )
    options = {"task": task, "strengths": strengths, "recipe": recipe, "drop": drop or ()}
    _fit_and_print(table, target, out, as_json=as_json, quiet=quiet, seed=seed, **options)


@app.command()
def predict(
    model: Annotated[Path, typer.Argument(help="A model that `bridle fit --out` wrote.")],
    table: Table,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="A .csv or .parquet file.", show_default=False),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Predict a class with its probabilities, or a value, for each row of TABLE."""
    from bridle.modelfile import load, write_atomically

    if out is not None and out.suffix not in (".csv", ".parquet"):
        raise UsageError(f"cannot write {str(out)!r}: give --out a name in .csv or .parquet")
    predictions = load(model).predict(table)
    if out is not None:
        content = predictions.to_csv(index=False).encode()
        write_atomically(out, content if out.suffix == ".csv" else predictions.to_parquet())
        Console(stderr=True).print(f"{len(predictions)} predictions written to {out}")
    elif as_json:
        print(json.dumps(predictions.to_dict(orient="records"), ensure_ascii=False))  # noqa: T201
    else:
        sys.stdout.write(predictions.to_csv(index=False))


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
    _fit_and_print(example_table(), "class", None, as_json=as_json, quiet=quiet)


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


def _fit_and_print(
    table: Path, target: str, out: Path | None, *, as_json: bool, quiet: bool, **options: Any
) -> None:
    from bridle.fitting import fit as fit_table
    from bridle.modelfile import save_model

    if out is not None and not out.parent.is_dir():
        raise UsageError(f"cannot write {str(out)!r}: there is no folder {str(out.parent)!r}")
    with _progress(shown=not (quiet or as_json)) as on_epoch:
        result = fit_table(table, target, on_epoch=on_epoch, **options)
    if as_json:
        print(json.dumps(result.to_dict(), ensure_ascii=False))  # noqa: T201
    else:
        show(result, Console())
    if out is not None:  # last: where it fails, what was found is on the screen already
        save_model(result.model, out)
        Console(stderr=True).print(f"model written to {out}")


@contextmanager
def _progress(*, shown: bool) -> Iterator[Callable[[int, int], None]]:
    """Show a bar on standard error, and hand out what moves it."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("training"), BarColumn(), TextColumn("{task.completed}/{task.total}"))
    bar = Progress(
        *columns,
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
        disable=not shown,
    )
    with bar:
        task = bar.add_task("training", total=None)
        yield lambda epoch, epochs: bar.update(task, completed=epoch, total=epochs)


def show(result: FitResult, console: Console) -> None:
    """Print a result as a table and a sentence."""
    from rich.table import Table as Grid

    share = result.plain.diagnosis.score_name == "accuracy"
    networks = (result.plain, result.regularized)

    def score(value: float) -> str:
        return f"{100 * value:.1f} %" if share else f"{value:.3f}"

    def with_margin(value: float, margin: float) -> str:
        return f"{score(value).removesuffix(' %')} ± {score(margin)}"

    def gap(value: float, margin: float) -> str:
        text = with_margin(value, margin)
        return text.replace(" %", " points")

    name = result.plain.diagnosis.score_name
    grid = Grid(title=f"{result.model.target_name} ({result.model.task})", title_justify="left")
    for heading in ("", "plain", "regularized"):
        grid.add_column(heading, justify="left" if not heading else "right")
    rows: list[tuple[str, list[str]]] = [
        (
            f"training {name} ({result.rows['training']} rows)",
            [score(n.diagnosis.training.value) for n in networks],
        ),
        (
            f"held-out {name} ({result.rows['held out']} rows)",
            [score(n.diagnosis.held_out.value) for n in networks],
        ),
        (
            "gap (95 % interval)",
            [gap(n.diagnosis.gap.value, n.diagnosis.gap.margin) for n in networks],
        ),
        (
            f"test {name} ({result.rows['test']} rows)",
            [with_margin(n.test.value, n.test.margin) for n in networks],
        ),
        ("verdict", [n.diagnosis.verdict for n in networks]),
        (
            "zeros by layer",
            [", ".join(f"{100 * zeros:.0f} %" for zeros in n.zeros) for n in networks],
        ),
        ("epochs, of them best", [f"{n.epochs}, {n.best_epoch}" for n in networks]),
    ]
    for label, cells in rows:
        grid.add_row(label, *cells)
    console.print(grid)
    for note in result.notes:
        console.print(f"note: {note}", markup=False, highlight=False)
    console.print(result.verdict, markup=False, highlight=False)


def main() -> None:
    """Run the command line; every error that bridle raises is one line and an exit code."""
    try:
        app()
    except BridleError as error:
        print(f"bridle: {error}", file=sys.stderr)  # noqa: T201
        sys.exit(2 if isinstance(error, UsageError) else 1)
