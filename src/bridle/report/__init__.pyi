from .compose import Reportable as Reportable
from .compose import report_of as report_of
from .document import Report as Report
from .write import write_report as write_report
