"""The sections of a report, each built from the records that it needs."""

from __future__ import annotations

from bridle.report.inputs import ReportInputs
from bridle.report.records import Section
from bridle.report.sections.audit import audited
from bridle.report.sections.checks import checked
from bridle.report.sections.measurements import other_measurements
from bridle.report.sections.mistakes import important_columns, mistakes
from bridle.report.sections.networks import path, regularizers, weights
from bridle.report.sections.outcome import before_after, training
from bridle.report.sections.predictions import calibration, worst
from bridle.report.sections.reproduce import reproduce
from bridle.report.sections.search import searched
from bridle.report.sections.table import what_was_read

__all__ = ["sections_of"]

SECTIONS = (
    before_after,
    checked,
    what_was_read,
    mistakes,
    important_columns,
    training,
    searched,
    regularizers,
    path,
    weights,
    calibration,
    worst,
    other_measurements,
    audited,
    reproduce,
)


def sections_of(inputs: ReportInputs) -> tuple[Section, ...]:
    """Return the sections that have data, in reading order."""
    found = [section_of(inputs) for section_of in SECTIONS]
    return tuple(section for section in found if section is not None)
