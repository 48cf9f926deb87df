"""`fedsift sweep`, and what --seeds does to other commands."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fedsift.cli.options import JSON, TRACK
from fedsift.cli.terminal import NOTHING_WRITTEN, errors_in_one_line, progress_bars, tell
from fedsift.files.output import output_folder

if TYPE_CHECKING:
    from fedsift.core.tracking import Track
    from fedsift.studies.sweep.commands import Command
    from fedsift.studies.sweep.sweep import Sweep

SEEDS = typer.Option(min=2, max=1000, help="Repeat with so many seeds; print means with 95% intervals.")


def sweep(
    file: Annotated[Path, typer.Argument(help="A .toml file: the options that vary, and all others.")],
    out: Annotated[Path | None, typer.Option(help="Output folder; a sweep in it goes on.")] = None,
    track: Annotated[str | None, TRACK] = None,
    json_: Annotated[bool, JSON] = False,
) -> None:
    """Play a run or a comparison over values of its options.

    All combinations, or those that a search looks at, with several seeds each; a table and a figure are written.
    """
    with errors_in_one_line(NOTHING_WRITTEN):
        from fedsift.runs.trackers import track_of
        from fedsift.studies.report.drawing import check_matplotlib
        from fedsift.studies.sweep.sweep_file import read_sweep

        check_matplotlib()
        play(read_sweep(file), out, json_, track_of(track))


def repeat(
    command: "Command", options: Mapping[str, Any], seeds: int, out: Path | None, as_json: bool, track: "Track | None"
) -> None:
    """Play a command with several seeds, and tell what came of it."""
    from fedsift.studies.sweep.sweep import Sweep

    play(Sweep(command, options, seeds), out, as_json, track)


def play(what: "Sweep", out: Path | None, as_json: bool, track: "Track | None") -> None:
    """Play a sweep, write its files, and tell what came of it."""
    from fedsift.studies.sweep import sweep_tables
    from fedsift.studies.sweep.sweep import play_sweep
    from fedsift.studies.sweep.write import write_sweep

    with output_folder(out) as folder:
        advice = f"the same command with --out {folder} goes on"
        with errors_in_one_line(advice, folder):
            swept = play_sweep(what, folder, progress_bars, track)
            write_sweep(swept, folder)
            shown = [*sweep_tables.printed(swept), f"written  {folder}"]
            tell(sweep_tables.as_json(swept), as_json, shown, good=swept.proven)
