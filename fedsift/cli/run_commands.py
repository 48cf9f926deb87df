"""Commands around a run: simulate, look at data, remove, join, audit, export."""

from pathlib import Path
from typing import Annotated, Any

import typer

from fedsift.cli.options import JSON, TRACK, TRACK_LOSSES, TRAINING, settings_of, takes
from fedsift.cli.sweep_command import SEEDS, repeat
from fedsift.cli.terminal import NOTHING_WRITTEN, errors_in_one_line, how_to_resume, progress_bars, tell
from fedsift.configuration.run_config import RunConfig
from fedsift.core.errors import BadInput
from fedsift.core.options import Group
from fedsift.files.output import output_folder


@takes(*Group)
def run(
    overrides: dict[str, Any],
    config: Annotated[Path | None, typer.Argument(help="A config.toml; options override it.")] = None,
    preset: Annotated[str | None, typer.Option(help="paper: as published (levels 65535, paper localisation).")] = None,
    out: Annotated[Path | None, typer.Option(help="Output folder, new or empty; default runs/001, 002, ...")] = None,
    resume: Annotated[Path | None, typer.Option(help="A run's folder: go on with it after any stop.")] = None,
    seeds: Annotated[int | None, SEEDS] = None,
    track: Annotated[str | None, TRACK] = None,
    track_losses: Annotated[bool, TRACK_LOSSES] = False,
    json_: Annotated[bool, JSON] = False,
) -> None:
    """Simulate: merge all clients, remove those who leave, evaluate."""
    with errors_in_one_line(NOTHING_WRITTEN):
        settings = settings_of(overrides, config, preset)
        if resume and (config or preset or out or seeds or any(value is not None for value in overrides.values())):
            raise BadInput("--resume takes the run's own configuration; give no other option than --track and --json")
        from fedsift.runs.trackers import track_of

        tracked = track_of(track, track_losses)
        if seeds:
            from fedsift.studies.sweep.commands import Run

            repeat(Run(), settings.to_mapping(), seeds, out, json_, tracked)
            return
        from fedsift.cli.run_summary import run_summary
        from fedsift.runs import run as simulation

        with output_folder(resume or out) as folder, errors_in_one_line(how_to_resume("run", folder), folder):
            bars = progress_bars()
            if resume:
                result = simulation.resume(folder, bars, tracked)
            else:
                result = simulation.run(settings, folder, bars, tracked)
            tell(result, json_, run_summary(result, folder), good=result.proven)


@takes(*TRAINING, without="dataset")
def check_data(
    overrides: dict[str, Any],
    dataset: Annotated[str, typer.Argument(help=RunConfig.options()["dataset"].help)],
    json_: Annotated[bool, JSON] = False,
) -> None:
    """Show what a data set holds, as the model will see it, and train one client twice."""
    with errors_in_one_line(NOTHING_WRITTEN):
        settings = settings_of({"dataset": dataset, **overrides})
        from fedsift.cli.run_summary import data_summary
        from fedsift.runs.check_data import check_data as check

        report = check(settings, progress_bars())
        tell(report, json_, data_summary(report), good=report.repeatable)


def forget(
    run: Annotated[Path, typer.Argument(help="The run's folder.")],
    clients: Annotated[list[str], typer.Argument(help="Members that leave, as one batch.")],
    rebuild: Annotated[bool, typer.Option("--rebuild", help="Where a rerun differs, rerun all others.")] = False,
    rows: Annotated[
        str, typer.Option(help="The one client stays, without these rows: a table, or numbers as 1,4-6.")
    ] = "",
    json_: Annotated[bool, JSON] = False,
) -> None:
    """Remove clients from a run, or rows of a client that stays: only they train again."""
    with errors_in_one_line("the state is that of before or of after; the same command goes on"):
        from fedsift.cli.run_summary import removal_summary
        from fedsift.runs.forget import forget as remove
        from fedsift.runs.forget_rows import forget_rows

        bars = progress_bars()
        if rows:
            if len(clients) != 1 or rebuild:
                raise BadInput("--rows goes with one client, and without --rebuild")
            result = forget_rows(run, clients[0], rows, bars)
        else:
            result = remove(run, clients, rebuild, bars, bars.tell)
        tell(result, json_, removal_summary(result, run), good=not result.refused)


def join(
    run: Annotated[Path, typer.Argument(help="The run's folder.")],
    clients: Annotated[list[str], typer.Argument(help="Clients of the data, new ones or such that left.")],
    json_: Annotated[bool, JSON] = False,
) -> None:
    """Merge clients into a run: only they train."""
    with errors_in_one_line("the same command goes on with those who have not joined"):
        from fedsift.cli.run_summary import join_summary
        from fedsift.runs.join import join as merge

        result = merge(run, clients, progress_bars())
        tell(result, json_, join_summary(result), good=not result.failures)


def verify(
    run: Annotated[Path, typer.Argument(help="The run's folder.")],
    oracle: Annotated[bool, typer.Option("--oracle", help="Also retrain every remaining member and compare.")] = False,
    certificate: Annotated[Path | None, typer.Option(help="A certificate to check against the ledger.")] = None,
    public_key: Annotated[str | None, typer.Option(help="Whose seal it has to have; default: your own key's.")] = None,
    json_: Annotated[bool, JSON] = False,
) -> None:
    """Audit a run's ledger."""
    with errors_in_one_line("nothing was changed"):
        from fedsift.cli.run_summary import audit_summary
        from fedsift.core.signing_key import given_public_key
        from fedsift.runs.verify import verify as check

        known = None if public_key is None else given_public_key(public_key)
        verified = check(run, oracle, certificate, progress_bars(), known)
        found = {"profile": verified.profile, "sealed_by": verified.sealed_by, "checks": verified.checks}
        tell(found, json_, audit_summary(verified), good=verified.holds)


def export(
    run: Annotated[Path, typer.Argument(help="The run's folder.")],
    out: Annotated[Path, typer.Argument(help="A folder, new or empty, outside the run.")],
    member: Annotated[str | None, typer.Option(help="The model of this member.")] = None,
    merged: Annotated[bool, typer.Option("--merged", help="What everybody else is served.")] = False,
    json_: Annotated[bool, JSON] = False,
) -> None:
    """Write a model that works without fedsift: a Hugging Face folder, or with LoRA a PEFT adapter."""
    with errors_in_one_line(NOTHING_WRITTEN, out):
        if (member is None) != merged:
            raise BadInput("give --member ID or --merged, one of them")
        from fedsift.cli.run_summary import export_summary
        from fedsift.runs.export import export as write

        exported = write(run, member, out)
        tell(exported, json_, export_summary(exported))


def figures(
    folder: Annotated[Path, typer.Argument(help="The folder of a run or a comparison that is over.")],
    json_: Annotated[bool, JSON] = False,
) -> None:
    """Draw a run (alone against served, rows by label and client) or a comparison (scores, removals by method)."""
    with errors_in_one_line(NOTHING_WRITTEN):
        from fedsift.studies.comparison.figure import is_comparison, write_comparison_figure
        from fedsift.studies.run_figures import write_figures

        written = write_comparison_figure(folder) if is_comparison(folder) else write_figures(folder)
        files = [str(file) for file in written]
        tell(files, json_, [f"written  {file}" for file in files])
