"""The files of a report."""

from collections.abc import Mapping
from pathlib import Path

from fedsift.core.errors import BadInput
from fedsift.core.extras import check_extra
from fedsift.core.plain_files import check_plain, written_whole
from fedsift.studies.report.drawing import check_matplotlib, drawn
from fedsift.studies.report.figures import all_figures
from fedsift.studies.report.open_unlearning import open_unlearning
from fedsift.studies.report.outcome import read_outcome
from fedsift.studies.report.summary import summarise
from fedsift.studies.report.tables import all_tables


def write_report(folder: Path) -> list[Path]:
    """Write report.html, figures/ (SVG, PNG) and tables/ (CSV, LaTeX) beside a result.json of `fedsift optout`.

    After attacks also open-unlearning.json.

    The same result.json gives the same bytes, with the same matplotlib and FreeType.

    Returns:
        The files written, the page first.

    Raises:
        BadInput: there is no such result.json, matplotlib or Jinja2 is not installed, or the folder cannot be written.
    """
    check_report()
    from fedsift.studies.report.page import page  # Jinja2

    outcome = read_outcome(folder)
    tables = all_tables(outcome)
    figures = {figure: drawn(figure) for figure in all_figures(outcome, tables)}
    contents: dict[str, str | bytes] = {"report.html": page(outcome, summarise(outcome), tables, figures)}
    for figure, forms in figures.items():
        contents |= {f"figures/{figure.name}.svg": forms.svg, f"figures/{figure.name}.png": forms.png}
    for name, table in tables.items():
        contents |= {f"tables/{name}.csv": table.to_csv(), f"tables/{name}.tex": table.to_latex()}
    if outcome.result.attacks:
        contents["open-unlearning.json"] = open_unlearning(outcome.result.attacks)
    return write_files(folder, contents)


def check_report() -> None:
    """See that a report can be written, before minutes are spent on what it shows.

    Raises:
        BadInput: matplotlib or Jinja2 is not installed.
    """
    check_matplotlib()
    check_extra("a report", "jinja2", "plots")


def write_files(folder: Path, contents: Mapping[str, str | bytes]) -> list[Path]:
    """Write files by their names within a folder; returns them.

    Raises:
        BadInput: they cannot be written.
    """
    return [_write(folder / name, content) for name, content in contents.items()]


def _write(file: Path, content: str | bytes) -> Path:
    """Write a file so that a reader finds the old one or the new one."""
    try:
        check_plain(file.parent, folder=True)
        file.parent.mkdir(exist_ok=True)
        with written_whole(file) as partial:
            partial.write_bytes(content.encode() if isinstance(content, str) else content)
    except OSError as error:
        raise BadInput(f"{file}: cannot be written ({error.strerror}); give a folder that you own") from error
    return file
