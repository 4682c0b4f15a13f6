"""The ``bridle`` program: all commands and the entry point."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from bridle.cli.audit import audit
from bridle.cli.demo import demo
from bridle.cli.diagnose import diagnose
from bridle.cli.export import export
from bridle.cli.fit import fit
from bridle.cli.predict import predict
from bridle.errors import BridleError, UsageError
from bridle.version import __version__

__all__ = ["app", "main"]

app = typer.Typer(
    name="bridle",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",  # wraps the paragraphs of a docstring
    pretty_exceptions_enable=False,
    help="Find out whether a neural network overfits, and regularize it.",
)

app.command()(fit)  # the help lists the commands in this order
app.command()(predict)
app.command()(diagnose)
app.command()(audit)
app.command()(export)
app.command()(demo)


@app.callback(invoke_without_command=True)
def _root(
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    if version:
        print(__version__)  # noqa: T201
        raise typer.Exit


def main() -> None:
    """Run the command line. An error of bridle is printed as one line with an exit code."""
    try:
        app()
    except BridleError as error:
        print(f"bridle: {error}", file=sys.stderr)  # noqa: T201
        sys.exit(2 if isinstance(error, UsageError) else 1)
