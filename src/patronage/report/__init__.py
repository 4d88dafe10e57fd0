"""The report that a marketer reads: one page, its figures as pictures, and the tables it is made of."""

from patronage.report.charts import report_figures
from patronage.report.contents import Report
from patronage.report.keeping import read_report, require_former_report, write_report
from patronage.report.making import make_report, remade
from patronage.report.page import report_html

__all__ = [
    "Report",
    "make_report",
    "read_report",
    "remade",
    "report_figures",
    "report_html",
    "require_former_report",
    "write_report",
]
