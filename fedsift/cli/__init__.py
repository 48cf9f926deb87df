"""The `fedsift` command."""

import sys

import click
import typer

from fedsift.cli.bench_command import bench
from fedsift.cli.certificate_commands import log_head, public_key, verify_certificate, verify_log
from fedsift.cli.deployment_commands import leave, make_app, make_certificates, make_node_key, rekey
from fedsift.cli.evaluation_commands import compare, methods, optout, reproduce, tune
from fedsift.cli.plan_command import plan
from fedsift.cli.run_commands import check_data, export, figures, forget, join, run, verify
from fedsift.cli.sweep_command import sweep
from fedsift.cli.terminal import INTERRUPTED, say, say_traceback

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
_COMMANDS = {
    "A run": (run, check_data, forget, join, verify, export, figures),
    "Studies": (optout, tune, methods, compare, sweep, reproduce, bench, plan),
    "A deployment": (make_certificates, make_node_key, make_app, leave, rekey),
    "What a server signs": (verify_certificate, verify_log, log_head, public_key),
}
for _panel, _commands in _COMMANDS.items():
    for _command in _commands:
        app.command(rich_help_panel=_panel)(_command)


@app.callback()
def fedsift() -> None:
    """Federated simulations with exact unlearning."""


def main() -> None:
    """Entry point of the console script; a mistake in the options is told in one line, like any other."""
    sys.excepthook = say_traceback
    try:
        sys.exit(app(standalone_mode=False))
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        sys.exit(error.exit_code)
    except click.ClickException as error:
        context = error.ctx if isinstance(error, click.NoSuchOption) else None
        takes_ids = context is not None and context.command.name in ("forget", "join")
        hint = " (an id that begins with - comes after --)" if takes_ids else ""
        say(f"fedsift: {error.format_message()}{hint}", err=True)
        sys.exit(error.exit_code)
    except click.Abort:
        sys.exit(INTERRUPTED)
