"""The records that a report consists of: figures, tables and sections."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import altair as alt

    Chart = alt.Chart | alt.LayerChart | alt.FacetChart

__all__ = ["Content", "Figure", "Grid", "Panel", "Section", "Tile"]


@dataclass(frozen=True)
class Grid:
    """A table of text cells.

    Attributes
    ----------
    caption : str
        What the table shows; screen readers read it.
    head : tuple of str
    rows : tuple of tuple of str
        Each has as many cells as the head; the first cell is the row's header.
    numeric : frozenset of int
        The columns of numbers, which are right-aligned.
    folded : bool
        Whether readers open the table themselves.
    stacked : bool
        Whether each row is set as a list on narrow screens.
    """

    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numeric: frozenset[int] = frozenset()
    folded: bool = False
    stacked: bool = False


@dataclass(frozen=True)
class Panel:
    """One chart of a figure.

    Attributes
    ----------
    title : str
        Heading above the chart; empty if the figure has one panel.
    chart : altair.Chart, LayerChart or FacetChart
        Without width. Colors are variables of the theme, such as ``var(--training)``.
    """

    title: str
    chart: Chart


@dataclass(frozen=True)
class Figure:
    """A figure with its caption and its data as a table.

    Attributes
    ----------
    name : str
        In lower case with hyphens; used for file names and for the anchor in the page.
    title : str
        A short title.
    caption : str
        What the figure shows, in sentences that also serve readers who cannot see it.
    panels : tuple of Panel
    numbers : Grid
        The data of the figure as a table.
    """

    name: str
    title: str
    caption: str
    panels: tuple[Panel, ...]
    numbers: Grid


@dataclass(frozen=True)
class Section:
    """A section of the page.

    Attributes
    ----------
    name : str
        The anchor in the page.
    title : str
    text : tuple of str
        Paragraphs.
    figures : tuple of Figure
    grids : tuple of Grid
    code : str
        A command to run; empty if there is none.
    """

    name: str
    title: str
    text: tuple[str, ...] = ()
    figures: tuple[Figure, ...] = ()
    grids: tuple[Grid, ...] = ()
    code: str = ""


@dataclass(frozen=True)
class Tile:
    """A key figure at the top of the page, with values to compare it with, a line each."""

    label: str
    value: str
    margin: str = ""
    beside: tuple[str, ...] = ()


@dataclass(frozen=True)
class Content:
    """The text, figures and tables of a report.

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

    headline: str
    lede: tuple[str, ...]
    subject: str
    tiles: tuple[Tile, ...] = ()
    evidence_title: str = "The evidence"
    evidence: tuple[str, ...] = ()
    advice: tuple[str, ...] = ()
    sections: tuple[Section, ...] = field(default=())

    @property
    def figures(self) -> Iterator[Figure]:
        """All figures, in page order."""
        return (figure for section in self.sections for figure in section.figures)
