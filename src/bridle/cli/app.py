"""The commands together as one program, and its entry point."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from bridle.cli.audit import audit
from bridle.cli.demo import demo
from bridle.cli.diagnose import diagnose
from bridle.cli.fit import fit
from bridle.cli.predict import predict
from bridle.errors import BridleError, UsageError
from bridle.version import __version__

__all__ = ["app", "main"]

app = typer.Typer(
    name="bridle",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Find out whether a neural network overfits, and restrain it.",
)

app.command()(fit)  # the help lists them in this order
app.command()(predict)
app.command()(diagnose)
app.command()(audit)
app.command()(demo)


@app.callback(invoke_without_command=True)
def _root(
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    if version:
        print(__version__)  # noqa: T201
        raise typer.Exit


def main() -> None:
    """Run the command line; every error that bridle raises is one line and an exit code."""
    try:
        app()
    except BridleError as error:
        print(f"bridle: {error}", file=sys.stderr)  # noqa: T201
        sys.exit(2 if isinstance(error, UsageError) else 1)
