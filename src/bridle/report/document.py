"""``Report``: a report that can be saved as one page and as figure files."""

from __future__ import annotations

from os import PathLike
from pathlib import Path

from bridle.errors import UsageError
from bridle.models.atomic_write import write_atomically
from bridle.report.export import files_of
from bridle.report.page import page_of
from bridle.report.records import Content

__all__ = ["Report"]


class Report(Content):
    """A report, for example on a fit, a search or a diagnosis.

    Attributes
    ----------
    headline : str
        The verdict in a few words.
    lede : tuple of str
        The verdict in sentences.
    subject : str
        What the report is about, in one line.
    tiles : tuple of Tile
        The key figures.
    evidence_title : str
    evidence, advice : tuple of str
        What the verdict is based on, and what to try next, in order of priority.
    sections : tuple of Section
    """

    def html(self) -> str:
        """Return the page as one self-contained HTML document."""
        return page_of(self)

    def save(self, path: str | PathLike[str]) -> None:
        """Write the page atomically: a failed write leaves an existing file unchanged.

        Raises
        ------
        UsageError
            If the folder does not exist.
        DataError
            If the file cannot be written.
        """
        if not Path(path).resolve().parent.is_dir():
            folder = str(Path(path).parent)
            raise UsageError(
                f"cannot write {str(path)!r}: there is no folder {folder!r}; create it first"
            )
        write_atomically(path, self.html().encode())

    def save_figures(self, folder: str | PathLike[str]) -> list[Path]:
        """Write every figure as PNG and as SVG, and return the paths.

        Parameters
        ----------
        folder : path
            Created if it does not exist. Its parent must exist.

        Raises
        ------
        UsageError
            If the parent does not exist, or the path is a file.
        DataError
            If a file cannot be written.
        """
        place = Path(folder)
        if place.is_file() or not place.resolve().parent.is_dir():
            reason = "it is a file" if place.is_file() else f"there is no {str(place.parent)!r}"
            raise UsageError(f"cannot write figures to {str(folder)!r}: {reason}; name a folder")
        contents = {  # all are drawn before the first is written
            place / f"{figure.name}.{ending}": content
            for figure in self.figures
            for ending, content in files_of(figure).items()
        }
        place.mkdir(exist_ok=True)
        for path, content in contents.items():
            write_atomically(path, content)
        return list(contents)
