"""The ClientApp as Flower's own engines load it: it sets up the process, then hands over to ours.

Processes of Flower's engines know nothing of reproducibility profiles, which must be there before torch is imported. So
this file imports nothing that imports torch before the first message.
"""

import dataclasses
import os
import sys
from pathlib import Path

from flwr.app import Context, Error, Message
from flwr.clientapp import ClientApp
from flwr.supercore.utils import get_flwr_home

from fedsift.core.errors import BadInput, FedsiftError, unknown_name
from fedsift.learning.reproducibility import PROFILES, worker_environment
from fedsift.protocol.messages import CLIENT_INPUT_ERROR


class _FlowerClientApp(ClientApp):
    """Our ClientApp, for contexts as Flower's engines make them."""

    def __call__(self, message: Message, context: Context) -> Message:
        """The reply; a mistake in the client's input is an error reply of one line."""
        try:
            _set_environment(str(context.run_config.get("profile", "")))
            return _answer(message, context)
        except FedsiftError as error:
            return Message(Error(CLIENT_INPUT_ERROR, str(error)), reply_to=message)


app = _FlowerClientApp()


def _set_environment(profile: str) -> None:
    """Set the profile's variables in this process.

    Raises:
        BadInput: there is no such profile, or torch was imported before without its variables.
    """
    if profile not in PROFILES:
        raise unknown_name("profile", profile, PROFILES)
    variables = worker_environment(profile, gpus=1)  # Whether there are any, the machine says.
    missing = {name: value for name, value in variables.items() if os.environ.get(name) != value}
    if missing and "torch" in sys.modules:
        wanted = " ".join(f"{name}={value}" for name, value in missing.items())
        raise BadInput(f"profile {profile}: torch was imported before; start the SuperNode with {wanted}")
    os.environ.update(missing)


def _answer(message: Message, context: Context) -> Message:
    from fedsift.configuration.node_config import NodeConfig
    from fedsift.configuration.server_settings import split
    from fedsift.federation import client_app

    config, settings = split(context.run_config)
    node = NodeConfig.read(context.node_config)
    if not node.client_folder:
        if node.partition_id < 0:
            raise BadInput("the SuperNode's --node-config has no client-folder: say where this client's masks are kept")
        masks = run_folder(settings.out, context.run_id) / "masks"
        masks.mkdir(parents=True, exist_ok=True)
        node = dataclasses.replace(node, mask_folder=str(masks))
    inner = Context(context.run_id, context.node_id, node.to_user_config(), context.state, config.to_user_config())
    reply: Message = client_app.app(message, inner)
    return reply


def run_folder(out: str, run_id: int) -> Path:
    """A run's folder; where none is given, one in Flower's home: simulated nodes and the server share a machine."""
    return Path(out) if out else get_flwr_home() / "fedsift" / f"run-{run_id}"
