"""Commands around a run: simulate, look at data, remove, join, audit, export."""

from pathlib import Path
from typing import Annotated, Any

import typer

from fedsift.cli.options import (
    CONFIG,
    JSON,
    NO_RUN,
    OUT,
    PRESET,
    RUN,
    TRACK,
    TRACK_LOSSES,
    existing,
    settings_of,
    takes,
)
from fedsift.cli.sweep_command import SEEDS, repeat
from fedsift.cli.terminal import NOTHING_WRITTEN, errors_in_one_line, how_to_resume, progress_bars, tell
from fedsift.core.errors import BadInput
from fedsift.core.options import Group
from fedsift.files.output import output_folder


@takes(*Group)
def run(
    overrides: dict[str, Any],
    config: Annotated[Path | None, CONFIG] = None,
    preset: Annotated[str | None, PRESET] = None,
    out: Annotated[Path | None, OUT] = None,
    resume: Annotated[Path | None, typer.Option(help="A run's folder: go on with it after any stop.")] = None,
    seeds: Annotated[int | None, SEEDS] = None,
    track: Annotated[str | None, TRACK] = None,
    track_losses: Annotated[bool, TRACK_LOSSES] = False,
    json_: Annotated[bool, JSON] = False,
) -> None:
    """Simulate: merge clients, remove those who leave, score.

    The folder that it writes is a run; all other commands on runs take it. `fedsift check-data` takes the same options,
    and shows what the model would see.
    """
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


@takes(*Group)
def check_data(
    overrides: dict[str, Any],
    data: Annotated[str, typer.Argument(help="A data set, as --dataset has it, or a config.toml.")] = "",
    preset: Annotated[str | None, PRESET] = None,
    json_: Annotated[bool, JSON] = False,
) -> None:
    """Show what a data set holds, and train a client twice.

    Takes the options of `fedsift run`: rows are shown as the model sees them, and nothing is written. A client is
    trained twice to see that the same bits come out, without which no removal would be exact.
    """
    with errors_in_one_line(NOTHING_WRITTEN):
        config = Path(data) if data.endswith(".toml") else None
        if data and not config and overrides["dataset"] not in (None, data):
            raise BadInput(f"two data sets: {data} and --dataset {overrides['dataset']}; give one of them")
        if data and not config:
            overrides["dataset"] = data
        settings = settings_of(overrides, config, preset)
        from fedsift.cli.run_summary import data_summary
        from fedsift.runs.check_data import check_data as check

        report = check(settings, progress_bars())
        tell(report, json_, data_summary(report), good=report.repeatable)


def forget(
    run: Annotated[Path, RUN],
    clients: Annotated[list[str], typer.Argument(help="Ids of members that leave, together.")],
    rebuild: Annotated[
        bool,
        typer.Option("--rebuild", help="Where bits differ, train all others again."),
    ] = False,
    rows: Annotated[
        str, typer.Option(help="Remove only these rows of the one client: a table of them, or their numbers, as 1,4-6.")
    ] = "",
    json_: Annotated[bool, JSON] = False,
) -> None:
    """Remove clients, or rows of one: only they train again.

    The state afterwards is byte for byte that of a run in which they never were. A certificate is written for each.
    """
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
    run: Annotated[Path, RUN],
    clients: Annotated[list[str], typer.Argument(help="Ids of clients in the run's data, new ones or some that left.")],
    json_: Annotated[bool, JSON] = False,
) -> None:
    """Merge further clients into a run: only they train."""
    with errors_in_one_line("the same command goes on with those who have not joined"):
        from fedsift.cli.run_summary import join_summary
        from fedsift.runs.join import join as merge

        result = merge(run, clients, progress_bars())
        tell(result, json_, join_summary(result), good=not result.failures)


def verify(
    run: Annotated[Path, RUN],
    oracle: Annotated[bool, typer.Option("--oracle", help="Also train every member again, and compare.")] = False,
    certificate: Annotated[Path | None, typer.Option(help="Also check this removal certificate.")] = None,
    public_key: Annotated[
        str | None,
        typer.Option(help="Key that the ledger has to be sealed by; else your own."),
    ] = None,
    json_: Annotated[bool, JSON] = False,
) -> None:
    """Check a run's ledger; with --oracle by retraining.

    Exit code 0 if all checks hold, 3 if one does not.
    """
    with errors_in_one_line("nothing was changed"):
        from fedsift.cli.run_summary import audit_summary
        from fedsift.core.signing_key import given_public_key
        from fedsift.runs.verify import verify as check

        known = None if public_key is None else given_public_key(public_key)
        verified = check(run, oracle, certificate, progress_bars(), known)
        found = {"profile": verified.profile, "sealed_by": verified.sealed_by, "checks": verified.checks}
        tell(found, json_, audit_summary(verified), good=verified.holds)


def export(
    run: Annotated[Path, RUN],
    out: Annotated[Path, typer.Argument(help="Output folder, new or empty, outside the run.")],
    member: Annotated[str | None, typer.Option(help="The model of this member.")] = None,
    merged: Annotated[bool, typer.Option("--merged", help="The merged model, which everybody else is served.")] = False,
    json_: Annotated[bool, JSON] = False,
) -> None:
    """Write a served model for use without fedsift.

    It is a Hugging Face folder, or with LoRA a PEFT adapter.
    """
    with errors_in_one_line(NOTHING_WRITTEN, out):
        if (member is None) != merged:
            raise BadInput("give --member ID or --merged, one of them")
        from fedsift.cli.run_summary import export_summary
        from fedsift.runs.export import export as write

        exported = write(run, member, out)
        tell(exported, json_, export_summary(exported))


def figures(
    folder: Annotated[Path, existing("The folder of a run or a comparison.", NO_RUN)],
    json_: Annotated[bool, JSON] = False,
) -> None:
    """Draw a run, or a comparison of methods.

    Of a run what each client has alone against what it is served, and rows by label and client; of a comparison scores
    and removals by method.
    """
    with errors_in_one_line(NOTHING_WRITTEN):
        from fedsift.studies.comparison.figure import is_comparison, write_comparison_figure
        from fedsift.studies.run_figures import write_figures

        written = write_comparison_figure(folder) if is_comparison(folder) else write_figures(folder)
        files = [str(file) for file in written]
        tell(files, json_, [f"written  {file}" for file in files])
