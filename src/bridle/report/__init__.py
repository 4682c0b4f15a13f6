"""The report: what was found, for people, as one HTML page and as files."""

from bridle.report.document import Report
from bridle.report.entry import Reportable, report_of

__all__ = ["Report", "Reportable", "report_of"]
