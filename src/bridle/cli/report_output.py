"""Writes the report and the figures that a command was asked for."""

from __future__ import annotations

import shlex
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

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

    def check(self) -> None:
        """Raise an error if something cannot be written; call it before training."""
        check_folder(self.page)
        check_folder(self.figures)
        if self.page is not None and self.page.is_dir():
            raise UsageError(f"--report is {str(self.page)!r}, which is a folder; name a file")
        if self.figures is not None and self.figures.is_file():
            raise UsageError(f"--figures is {str(self.figures)!r}, which is a file; name a folder")

    def write(self, result: Any, table: Any, *, quiet: bool, **options: Any) -> None:
        """Write the page and the figures, if requested."""
        if self.page is None and self.figures is None:
            return
        from bridle.report.write import full_report

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
        if ended:
            left = f"interrupted: the report is without the {ended[0]} and what follows it"
            Console(stderr=True).print(left)
        if self.page is not None:
            report.save(self.page)
            Console(stderr=True).print(f"report written to {self.page}")
        if self.figures is not None:
            count = len(report.save_figures(self.figures))
            Console(stderr=True).print(f"{count} figures written to {self.figures}")
