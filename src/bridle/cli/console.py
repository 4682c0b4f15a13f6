"""The console of results; what is to be saved after printing is saved if nobody reads on."""

from __future__ import annotations

import os
import sys

from rich.console import Console

__all__ = ["ResultConsole"]


class ResultConsole(Console):
    """A console whose reader may leave, as ``head`` does: the rest of the text is dropped."""

    def on_broken_pipe(self) -> None:
        """Go on without a reader; rich would end the program before the model is saved."""
        self.quiet = True
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
