"""The ``bridle`` program: all commands and the entry point."""

from __future__ import annotations

import sys
from typing import Annotated, Any, NoReturn

import typer

from bridle.cli.audit import audit
from bridle.cli.convert import convert
from bridle.cli.demo import demo
from bridle.cli.diagnose import diagnose
from bridle.cli.explain import explain
from bridle.cli.export import export
from bridle.cli.fit import fit
from bridle.cli.outputs import NOTHING_DONE
from bridle.cli.predict import predict
from bridle.errors import BridleError, UsageError
from bridle.version import __version__

__all__ = ["app", "main"]

INTERRUPTED = 130
"""The exit code of a program that was interrupted, by the convention of shells."""

EXAMPLES = {
    "fit": "bridle fit table.csv --target column",
    "predict": "bridle predict model.bridle table.csv",
    "diagnose": "bridle diagnose model.bridle table.csv",
    "audit": "bridle audit model.bridle",
    "convert": 'bridle convert "torch.AdamW(weight_decay=0.1)" --to keras',
}
"""A call of each command that needs arguments, to end the message about a wrong call."""

ELSEWHERE = {
    "--alpha": "--l2; bridle convert converts the strength",
    "--dropout": "--drop-prob, or --keep-prob for the probability of keeping a unit",
    "--lr": "--learning-rate",
    "--weight-decay": "--l2; bridle convert converts the strength",
}
"""What other libraries call an option of ``bridle fit``, and the option."""

app = typer.Typer(
    name="bridle",
    no_args_is_help=True,
    rich_markup_mode="markdown",  # wraps the paragraphs of a docstring
    pretty_exceptions_enable=False,
    help="Find out whether a neural network overfits, and regularize it.",
)

app.command()(fit)  # the help lists the commands in this order
app.command()(predict)
app.command()(diagnose)
app.command()(explain)
app.command()(audit)
app.command()(export)
app.command()(convert)
app.command()(demo)


@app.callback(invoke_without_command=True)
def _root(
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    if version:
        print(__version__)  # noqa: T201
        raise typer.Exit


def main() -> None:
    """Run the command line. An error is printed as one line with an exit code."""
    try:
        code = app(standalone_mode=False)
    except KeyboardInterrupt:  # during shell completion
        code = INTERRUPTED
    except BridleError as error:
        _leave(str(error), _code_of(error))
    except Exception as error:
        if not hasattr(error, "format_message"):
            raise
        _leave_with_usage(error)
    if code == INTERRUPTED:  # which typer makes of a KeyboardInterrupt
        _leave(NOTHING_DONE, INTERRUPTED)
    sys.exit(code)


def _code_of(error: BridleError) -> int:
    """Return 2 if the call is wrong, 130 if the user interrupted it, else 1."""
    if isinstance(error, UsageError):
        return 2
    return INTERRUPTED if isinstance(error.__cause__, KeyboardInterrupt) else 1


def _leave_with_usage(error: Any) -> NoReturn:
    """Report an error that typer found in the command line."""
    context, message = getattr(error, "ctx", None), error.format_message()
    command = context.command_path if context is not None else "bridle"
    if type(error).__name__ == "NoArgsIsHelpError":
        error.show()
        sys.exit(error.exit_code)
    name = command.split()[-1]
    way = f"for example: {EXAMPLES[name]}" if name in EXAMPLES else "see bridle --help"
    if "option" in message.lower() and "missing" not in message.lower():
        way = f"see {command} --help"
    elsewhere = ELSEWHERE.get(getattr(error, "option_name", ""))
    if name == "fit" and elsewhere is not None:
        _leave(f"No such option: {error.option_name}; use {elsewhere}", error.exit_code)
    message = " ".join(message.split()).rstrip(".")
    link = " " if message.endswith("?") else "; "
    _leave(f"{message}{link}{way}", error.exit_code)


def _leave(message: str, code: int) -> NoReturn:
    if code == INTERRUPTED:
        # forgets an interrupted import, for which Python would end by the signal instead
        exec("")  # noqa: S102
    print(f"bridle: {message}", file=sys.stderr)  # noqa: T201
    sys.exit(code)
