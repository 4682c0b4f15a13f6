"""What a report is made of: figures, tables and sections, as plain frozen records."""

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
    """A table of texts.

    Attributes
    ----------
    caption : str
        What the table shows, for people who hear it read.
    head : tuple of str
    rows : tuple of tuple of str
        Each as long as the head; the first cell names the row.
    numeric : frozenset of int
        The columns that hold numbers and are set flush right.
    """

    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numeric: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Panel:
    """One chart of a figure.

    Attributes
    ----------
    title : str
        Above the chart; empty for a figure of one panel.
    chart : altair.Chart, LayerChart or FacetChart
        Without width; colours are names of the theme, such as ``var(--training)``.
    """

    title: str
    chart: Chart


@dataclass(frozen=True)
class Figure:
    """A figure with its words and its numbers.

    Attributes
    ----------
    name : str
        Lower case with hyphens: the name of its files and its place in the page.
    title : str
        What it is of, in a few words.
    caption : str
        What is to be seen, in sentences: also what those hear who do not see it.
    panels : tuple of Panel
    numbers : Grid
        The figure as a table.
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
        Its anchor.
    title : str
    text : tuple of str
        Paragraphs.
    figures : tuple of Figure
    grids : tuple of Grid
    code : str
        What to run, where there is something.
    """

    name: str
    title: str
    text: tuple[str, ...] = ()
    figures: tuple[Figure, ...] = ()
    grids: tuple[Grid, ...] = ()
    code: str = ""


@dataclass(frozen=True)
class Tile:
    """A figure of the first lines: what it is, before, and now."""

    label: str
    value: str
    margin: str = ""
    before: str = ""


@dataclass(frozen=True)
class Content:
    """What a report says and shows.

    Attributes
    ----------
    headline : str
        The verdict in a few words.
    lede : tuple of str
        The verdict in sentences.
    subject : str
        What was looked at.
    tiles : tuple of Tile
        The figures that matter most.
    evidence_title : str
    evidence, advice : tuple of str
        What the verdict rests on, and what to try next, in this order.
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
        """All figures, in the page's order."""
        return (figure for section in self.sections for figure in section.figures)
