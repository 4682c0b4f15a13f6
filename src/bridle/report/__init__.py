"""The report: what was found, for people, as one HTML page and as files."""

from bridle.report.document import Report
from bridle.report.entry import report_of, write_report

__all__ = ["Report", "report_of", "write_report"]
