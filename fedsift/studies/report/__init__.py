"""The opt-out report: a page, figures and tables from the result.json of `fedsift optout`.

write.py     write_report: the files
outcome.py   result.json, read and checked, and what follows from it: who is gone, who is not, the verdict
summary.py   the outcome in words
table.py     a table as CSV, LaTeX and text; tables.py which tables there are
drawing.py   a figure as SVG and PNG; figures.py which figures there are
page.py      sections, and the page from page.html.j2 and style.css
"""

from fedsift.studies.report.write import check_report, write_report

__all__ = ["check_report", "write_report"]
