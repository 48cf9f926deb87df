"""A Ray actor that runs the ClientApp: one message at a time, deterministically."""

import importlib
import traceback
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import ray
from flwr.app import Context, Error, Message, RecordDict, UserConfig

from fedsift.errors import FedsiftError
from fedsift.reproducibility import environment_fingerprint, make_deterministic
from strategies.partial_merge import Merging, PartialMerge

# Error codes of a reply. Flower keeps those below 100 for itself.
CLIENT_INPUT_ERROR = 100
CLIENT_CRASHED = 101


class Parcel(NamedTuple):
    """What a worker gets at once.

    Attributes:
        messages: at least one.
        shared: bulky records of all messages, by name: where they lie in Ray's object store.
        contexts: of the messages' clients, as many as messages.
        merge: the server's terms, if uploads are to be merged by the worker.
    """

    messages: Sequence[Message]
    shared: Mapping[str, Any]
    contexts: Sequence[Context]
    merge: PartialMerge | None = None


def start_worker(client_app: str, gpus: float, environment: dict[str, str] | None) -> Any:
    """A worker for an app ("module:name"), with a share of the GPUs.

    Args:
        client_app: what it runs.
        gpus: the share.
        environment: its variables; None where Ray was started with them, which saves Ray a process.
    """
    runtime_env = None if environment is None else {"env_vars": environment}
    return Worker.options(num_gpus=gpus, runtime_env=runtime_env).remote(client_app)  # type: ignore[attr-defined]


@ray.remote(num_cpus=1)
class Worker:
    """Runs one ClientApp for any number of clients."""

    def __init__(self, client_app: str) -> None:
        """Import the app, given as "module:name": an importable module's caches live as long as the worker."""
        make_deterministic()
        module, name = client_app.split(":")
        self._module = importlib.import_module(module)
        self._app = getattr(self._module, name)

    def prepare(self, run_config: UserConfig) -> dict[str, str]:
        """Load what the app's module loads in its `prepare`, if it has one; returns this worker's fingerprint."""
        getattr(self._module, "prepare", lambda _: None)(run_config)
        return environment_fingerprint(bool(run_config.get("compile")))

    def handle(self, parcel: Parcel) -> list[tuple[Message | None, RecordDict]]:
        """Run the app on each message with its context, one after the other; returns replies and contexts' states.

        Where uploads are merged here, the reply of a merged one is None, but for the first, which has the sums.
        """
        # Ray resolves references only where they are arguments themselves.
        records = {name: ray.get(reference) for name, reference in parcel.shared.items()}
        merging = Merging(parcel.merge, len(parcel.messages)) if parcel.merge else None
        answers: list[tuple[Message | None, RecordDict]] = []
        for message, context in zip(parcel.messages, parcel.contexts, strict=True):
            for name, record in records.items():
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
