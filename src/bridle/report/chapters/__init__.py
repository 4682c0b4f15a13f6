"""The chapters of a report: what is shown, and what is said of it, as far as there are data."""

from __future__ import annotations

from bridle.report.chapters.networks import path, regularizers, weights
from bridle.report.chapters.outcome import before_after, training
from bridle.report.chapters.proof import audited, measured, reproduce
from bridle.report.chapters.rows import calibration, worst
from bridle.report.chapters.search import searched
from bridle.report.material import Material
from bridle.report.records import Section

__all__ = ["chapters_of"]

CHAPTERS = (
    before_after,
    training,
    searched,
    regularizers,
    path,
    weights,
    calibration,
    worst,
    measured,
    audited,
    reproduce,
)


def chapters_of(material: Material) -> tuple[Section, ...]:
    """Return the sections that there are data for, in the order of reading."""
    found = [chapter(material) for chapter in CHAPTERS]
    return tuple(section for section in found if section is not None)
