from .compose import Reportable as Reportable, report_of as report_of
from .document import Report as Report
from .write import write_report as write_report
