"""Commands around a deployment: certificates, keys and app, a client's wish to leave, a node's new key."""

from pathlib import Path
from typing import Annotated

import typer

from fedsift.cli.options import RUN
from fedsift.cli.terminal import NOTHING_WRITTEN, errors_in_one_line, say


def make_certificates(
    folder: Annotated[Path, typer.Argument(help="Output folder, for ca.crt, ca.key, server.crt and server.key.")],
    host: Annotated[list[str], typer.Option(help="Name or address by which nodes reach the SuperLink; repeatable.")],
) -> None:
    """Make the TLS certificates of a deployment.

    Nodes and SuperLink talk with them.
    """
    with errors_in_one_line("some files may be missing: remove the folder and begin again"):
        from fedsift.runtime.credentials import make_certificates as make

        _tell_written(make(folder, host))
        say("give ca.crt to every node, server.crt and server.key to the SuperLink; keep ca.key offline")


def make_node_key(
    file: Annotated[Path, typer.Argument(help="The private key; the public one gets the same name and .pub.")],
) -> None:
    """Make the key that a node is known by.

    On the client's machine: the private key stays there.
    """
    with errors_in_one_line("one of the files may be missing: remove them and begin again"):
        from fedsift.runtime.credentials import make_node_key as make

        _tell_written(make(file))
        say("the server's operator needs the .pub file, nobody the other")


def make_app(
    folder: Annotated[Path, typer.Argument(help="New or empty; gets pyproject.toml and README.md.")],
) -> None:
    """Make the app that `flwr run` starts on a SuperLink.

    Its options are set by --run-config.
    """
    with errors_in_one_line(NOTHING_WRITTEN):
        from fedsift.configuration.run_config import RunConfig
        from fedsift.configuration.server_settings import ServerSettings
        from fedsift.runtime.flower_app import make_app as make

        _tell_written(make(folder, RunConfig(), ServerSettings()))


def rekey(
    run: Annotated[Path, RUN],
    client: Annotated[str, typer.Argument(help="A member.")],
    public_key: Annotated[Path, typer.Argument(help="The .pub file of the key that speaks for it from now on.")],
) -> None:
    """Tie a member to a new node key.

    When the old one was lost, or is replaced.
    """
    with errors_in_one_line("the member is tied to the old key or to the new one"):
        from fedsift.runs.rekey import rekey as tie

        tie(run, client, public_key)
        say(f"client {client!r} is tied to {public_key}")


def leave(
    client_folder: Annotated[Path, typer.Argument(help="The client-folder of the SuperNode's --node-config.")],
    undo: Annotated[bool, typer.Option("--undo", help="Take the request back, or join again after it.")] = False,
) -> None:
    """Ask to be removed, on a client's own machine.

    The server does it in its next round. With --undo the client stays, or joins again.
    """
    with errors_in_one_line("the same command goes on"):
        from fedsift.federation.client_folder import ClientFolder

        folder = ClientFolder(client_folder)
        if undo:
            folder.undo()
            say("this client stays, or joins in the server's next round")
        elif folder.has_left:
            say("this client has been removed already; --undo lets it join again")
        else:
            folder.ask_to_leave()
            say("this client asks to be removed in the server's next round")
            say("keep data, model and software as they are until then: it has to repeat its training")
            if not folder.has_mask:
                say("no mask is kept here: if the client has joined, this is not its client-folder", err=True)


def _tell_written(files: list[Path]) -> None:
    for file in files:
        say(f"written  {file}")
