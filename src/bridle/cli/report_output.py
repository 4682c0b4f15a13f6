"""Writes the report and the figures that a command was asked for."""

from __future__ import annotations

import shlex
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from bridle.cli.outputs import Outputs
from bridle.cli.progress import epoch_bar
from bridle.errors import UsageError

__all__ = ["ReportOutput", "check_folder"]


def check_folder(out: Path | None) -> None:
    """Raise an error if the folder of a file does not exist."""
    if out is not None and not out.parent.is_dir():
        raise UsageError(
            f"cannot write {str(out)!r}: there is no folder {str(out.parent)!r}; create it first"
        )


@dataclass(frozen=True)
class ReportOutput:
    """Where to write the report and its figures, and whether to run the ablation."""

    page: Path | None = None
    figures: Path | None = None
    ablation: bool = True

    @property
    def names(self) -> list[str]:
        """What is to be written, in this order."""
        wanted = {"report": self.page, "figures": self.figures}
        return [name for name, path in wanted.items() if path is not None]

    def check(self) -> None:
        """Raise an error if something cannot be written; call it before training."""
        check_folder(self.page)
        check_folder(self.figures)
        if self.page is not None and self.page.is_dir():
            raise UsageError(f"--report is {str(self.page)!r}, which is a folder; name a file")
        if self.figures is not None and self.figures.is_file():
            raise UsageError(f"--figures is {str(self.figures)!r}, which is a file; name a folder")

    def write(
        self, result: Any, table: Any, outputs: Outputs, *, quiet: bool, **options: Any
    ) -> None:
        """Write the page and the figures, if requested.

        An interrupt ends the measurements, and the page is written without the rest. The error that
        says so is raised after writing.
        """
        if not self.names:
            return
        from bridle.report.write import full_report, without

        command = shlex.join(["bridle", *sys.argv[1:]])
        ended: list[str] = []
        with epoch_bar("reporting", shown=not quiet) as on_epoch:
            report = full_report(
                result,
                table,
                ablation=self.ablation,
                command=command,
                on_epoch=on_epoch,
                on_interrupt=ended.append,
                **options,
            )
        left = ""
        if ended:
            left = f" {without(ended[0])}"
            Console(stderr=True).print(f"interrupted: the report is{left}")
        if self.page is not None:
            report.save(self.page)
            outputs.tell("report", f"report written to {self.page}{left}")
            Console(stderr=True).print(f"report written to {self.page}")
        if self.figures is not None:
            written = report.save_figures(self.figures)
            outputs.tell("figures", f"{len(written)} figures written to {self.figures}{left}")
            Console(stderr=True).print(f"{len(written)} figures written to {self.figures}")
        if ended:
            outputs.interrupt(KeyboardInterrupt())
