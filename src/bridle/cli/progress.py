"""Progress bars on standard error, for training and for a search."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich.console import Console

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["epoch_bar", "search_bar"]


@contextmanager
def epoch_bar(what: str, *, shown: bool) -> Iterator[Callable[[int, int], None]]:
    """Show a progress bar, and yield a function that updates it with (epoch, epochs)."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn(what), BarColumn(), TextColumn("{task.completed}/{task.total}"))
    bar = Progress(
        *columns,
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not (shown and console.is_terminal),  # elsewhere it would leave an empty line
    )
    with bar:
        task = bar.add_task(what, total=None)
        yield lambda epoch, epochs: bar.update(task, completed=epoch, total=epochs)


@contextmanager
def search_bar(*, shown: bool) -> Iterator[Callable[[Any], None]]:
    """Show progress, best score so far and remaining time of a search."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    bar = Progress(
        TextColumn("searching"),
        BarColumn(),
        TextColumn("{task.fields[text]}"),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not (shown and console.is_terminal),  # elsewhere it would leave an empty line
    )
    with bar:
        task = bar.add_task("searching", total=1.0, text="")

        def see(progress: Any) -> None:
            text = f"{progress.configurations} configurations, best {progress.best:.4g}"
            bar.update(task, completed=progress.done, text=text)

        yield see
