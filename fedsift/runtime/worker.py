"""What a worker's process does: it runs the ClientApp, one message at a time, deterministically."""

import importlib
import os
import traceback
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from flwr.app import Context, Error, Message, RecordDict, UserConfig

from fedsift.core.errors import BadInput, FedsiftError
from fedsift.learning.reproducibility import environment_fingerprint, make_deterministic
from fedsift.protocol.loaded import Loaded
from fedsift.protocol.messages import CLIENT_CRASHED, CLIENT_INPUT_ERROR
from fedsift.protocol.partial_merge import Merging, PartialMerge

T = TypeVar("T")

CLIENT_APP = "fedsift.federation.worker_app:app"  # of production


class Parcel(NamedTuple):
    """What a worker gets at once."""

    messages: Sequence[Message]  # at least one
    shared: Mapping[str, Any]  # bulky records of all messages, by name; on Ray where they lie in its object store
    contexts: Sequence[Context]  # of the messages' clients, as many as messages
    merge: PartialMerge | None = None  # the server's terms, if uploads are to be merged by the worker
    environment: str = ""  # the fingerprint that a worker should have, as canonical JSON; empty for any


class Prepared(NamedTuple):
    """What a worker tells once it is ready."""

    node: str  # the machine, for people
    fingerprint: dict[str, str]  # the worker's environment
    loaded: Loaded  # what must be the same in all workers
    software: str  # the version of fedsift, likewise


class Worker:
    """Runs one ClientApp for any number of clients, and functions beside it."""

    def __init__(self, client_app: str, cluster_folder: str | None = None) -> None:
        """Import the app, given as "module:name": an importable module's caches live as long as the worker.

        On a cluster, relative paths start from a folder, where the machine has it; None on this machine alone.
        """
        make_deterministic()
        self._on_cluster = cluster_folder is not None
        if cluster_folder is not None and Path(cluster_folder).is_dir():
            os.chdir(cluster_folder)
        module, name = client_app.split(":")
        self._module = importlib.import_module(module)
        self._app = getattr(self._module, name)

    def prepare(self, run_config: UserConfig, shared_file: str = "") -> Prepared:
        """Load what the app's module loads in its `prepare`, if it has one.

        Args:
            run_config: of the clients to come.
            shared_file: a file that this worker's machine must see; empty for none.

        Raises:
            BadInput: as the app raises it, or the file is not there; on a cluster the message names the machine.
        """
        node = self.node()
        try:
            if shared_file and not Path(shared_file).is_file():
                raise BadInput(
                    f"the masks' folder {Path(shared_file).parent} is not there as the server sees it: put --out on a "
                    "file system that all nodes share, under the same path"
                )
            loaded = getattr(self._module, "prepare", lambda _: Loaded())(run_config)
        except BadInput as error:
            raise BadInput(f"node {node}: {error}") if self._on_cluster else error from None
        compiled, device = bool(run_config.get("compile")), str(run_config.get("device", "cpu"))
        fingerprint = environment_fingerprint(compiled, device)
        return Prepared(node, fingerprint, loaded, version("fedsift"))

    def node(self) -> str:
        """The machine, for people."""
        return "this machine"

    def call(self, function: Callable[..., T], *arguments: Any) -> T:
        """Run a function in this process."""
        return function(*arguments)

    def handle(self, parcel: Parcel) -> list[tuple[Message | None, RecordDict]]:
        """Run the app on each message with its context, one after the other; returns replies and contexts' states.

        Where uploads are merged here, the reply of a merged one is None, but for the first, which has the sums.
        """
        merging = Merging(parcel.merge, len(parcel.messages)) if parcel.merge else None
        answers: list[tuple[Message | None, RecordDict]] = []
        for message, context in zip(parcel.messages, parcel.contexts, strict=True):
            for name, record in parcel.shared.items():
                message.content[name] = record
            reply = self._answer(message, context)
            answers.append((merging.take(message, reply) if merging else reply, context.state))
        if merging and (sums := merging.reply()):
            place = next(place for place, (reply, _) in enumerate(answers) if reply is None)
            answers[place] = sums, answers[place][1]
        return answers

    def _answer(self, message: Message, context: Context) -> Message:
        """The reply; a failure of the client is an error reply, as in Flower's own engine."""
        try:
            reply: Message = self._app(message, context)
        except FedsiftError as error:
            return Message(Error(CLIENT_INPUT_ERROR, str(error)), reply_to=message)
        except Exception:  # Whatever a user's data set or model raises is the client's failure, not the worker's.
            return Message(Error(CLIENT_CRASHED, traceback.format_exc()), reply_to=message)
        return reply
