"""The `fedsift` command."""

import signal
import sys
from importlib.metadata import version
from typing import Annotated

import click
import typer

from fedsift.cli.bench_command import bench
from fedsift.cli.certificate_commands import log_head, public_key, verify_certificate, verify_log
from fedsift.cli.deployment_commands import leave, make_app, make_certificates, make_node_key, rekey
from fedsift.cli.evaluation_commands import compare, methods, optout, reproduce, tune
from fedsift.cli.examples import epilogue, paragraphs
from fedsift.cli.parsing import Command, Commands
from fedsift.cli.plan_command import plan
from fedsift.cli.run_commands import check_data, export, figures, forget, join, run, verify
from fedsift.cli.sweep_command import sweep
from fedsift.cli.terminal import INTERRUPTED, say, say_traceback
from fedsift.cli.termination import TERMINATION
from fedsift.core.options import hyphened

app = typer.Typer(cls=Commands, no_args_is_help=True, pretty_exceptions_enable=False, suggest_commands=False)
_PANELS = {
    "Run a federation": (run, check_data, tune, export, figures),
    "Remove clients, and prove it": (forget, join, verify, verify_certificate),
    "Evaluate": (optout, compare, methods, sweep, reproduce, bench, plan),
    "Operate a server": (make_certificates, make_node_key, make_app, leave, rekey, public_key, log_head, verify_log),
}
for _panel, _commands in _PANELS.items():
    for _command in _commands:
        _name = hyphened(_command.__name__)
        app.command(_name, cls=Command, rich_help_panel=_panel, help=paragraphs(_command), epilog=epilogue(_name))(
            _command
        )


def _say_version(asked: bool) -> None:
    if asked:
        say(f"fedsift {version('fedsift')}")
        raise typer.Exit


@app.callback()
def fedsift(
    _version: Annotated[
        bool, typer.Option("--version", callback=_say_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Federated-learning simulations with exact unlearning."""


def main() -> None:
    """Entry point of the console script; a mistake in the options is told in one line, like any other."""
    sys.excepthook = say_traceback
    signal.signal(signal.SIGTERM, TERMINATION)
    try:
        sys.exit(app(standalone_mode=False))
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        sys.exit(error.exit_code)
    except click.ClickException as error:
        say(f"fedsift: {error.format_message()}", err=True)
        sys.exit(error.exit_code)
    except click.Abort:
        sys.exit(INTERRUPTED)
