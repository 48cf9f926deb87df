"""The files of a sweep that is over."""

import json
from pathlib import Path

from fedsift.core.plain_files import written_whole
from fedsift.files.output import write_whole
from fedsift.studies.report.drawing import drawn
from fedsift.studies.sweep.sweep import Swept
from fedsift.studies.sweep.sweep_figure import figure_of
from fedsift.studies.sweep.sweep_tables import as_json, table_of


def write_sweep(swept: Swept, out: Path) -> None:
    """Write result.json, table.csv and table.tex; where options vary also figure.svg and figure.png.

    Raises:
        BadInput: options vary, and matplotlib is not installed.
    """
    table = table_of(swept)
    write_whole(out / "result.json", json.dumps(as_json(swept), indent=1) + "\n")
    write_whole(out / "table.csv", table.to_csv())
    comments = "".join(f"% {line}\n" for line in table.title.split("\n"))
    write_whole(out / "table.tex", comments + table.to_latex())
    figure = figure_of(swept) if swept.varies else None
    if figure is not None:
        forms = drawn(figure)
        write_whole(out / f"{figure.name}.svg", forms.svg)
        with written_whole(out / f"{figure.name}.png") as partial:
            partial.write_bytes(forms.png)
