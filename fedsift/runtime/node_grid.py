"""A Grid over Flower's own, for nodes that come and go: replies stream, and who does not answer is told.

Flower's grids return all replies at once, and leave out in silence who did not answer in time.
"""

import hashlib
import time
from collections.abc import Iterable, Iterator
from typing import Any

from flwr.app import Error, Message, RecordDict
from flwr.serverapp import Grid
from flwr.supercore.run import Run

from fedsift.configuration.server_settings import ServerSettings
from fedsift.protocol.messages import NO_ANSWER

_WINDOW = 64  # Messages in flight: each node has one at most, so that few nodes wait for the slowest.
_SHORTEST_WAIT, _LONGEST_WAIT = 0.05, 1.0  # Seconds between two looks for replies: longer while none comes.


class NodeGrid(Grid):
    """What a strategy sees of Flower's grid; as its `NodeKeys` it knows the nodes' keys and names."""

    def __init__(self, grid: Grid, settings: ServerSettings) -> None:
        self._grid, self._settings = grid, settings
        self._nodes: dict[int, Any] = {}
        self._next_round = time.monotonic()

    def set_run(self, run: Run) -> None:
        """Set the run."""
        self._grid.set_run(run)

    @property
    def run(self) -> Run:
        """The run."""
        return self._grid.run

    def create_message(
        self, content: RecordDict, message_type: str, dst_node_id: int, group_id: str, ttl: float | None = None
    ) -> Message:
        """A message to a node."""
        return Message(content, dst_node_id, message_type, ttl=ttl, group_id=group_id)

    def push_messages(self, messages: Iterable[Message]) -> Iterable[str]:
        """Send messages."""
        return self._grid.push_messages(messages)

    def pull_messages(self, message_ids: Iterable[str]) -> Iterable[Message]:
        """The replies that have come."""
        return self._grid.pull_messages(message_ids)

    def get_node_ids(self) -> list[int]:
        """The nodes of a new round: waits for its beginning, and for enough of them; not longer than the timeout."""
        time.sleep(max(0.0, self._next_round - time.monotonic()))
        self._next_round = time.monotonic() + self._settings.round_pause
        deadline = time.monotonic() + self._settings.round_timeout
        while True:
            self._nodes = {node.node_id: node for node in self._grid.get_nodes()}
            if len(self._nodes) >= self._settings.min_nodes or time.monotonic() > deadline:
                return sorted(self._nodes)
            time.sleep(_LONGEST_WAIT)

    def key(self, node_id: int) -> str:
        """SHA-256 of a node's public key, in hexadecimal."""
        return key_digest(self._nodes[node_id].public_key)

    def name(self, node_id: int) -> str:
        """The name that a node was registered under; empty for none."""
        return str(self._nodes[node_id].name)

    def send_and_receive(self, messages: Iterable[Message], *, timeout: float | None = None) -> Iterator[Message]:
        """Yield replies as they come; for a node that does not answer in time, an error.

        Args:
            messages: taken from their iterable as others are answered.
            timeout: is the settings' `round_timeout`, whatever is given: strategies know no other than none.
        """
        limit = self._settings.round_timeout
        source = iter(messages)
        pending: dict[str, tuple[Message, float]] = {}
        wait = _SHORTEST_WAIT
        exhausted = False
        while True:
            while not exhausted and len(pending) < _WINDOW:
                message = next(source, None)
                if message is None:
                    exhausted = True
                    break
                message.metadata.ttl = limit
                (message_id,) = [*self._grid.push_messages([message]), None][:1]
                if message_id is None:
                    yield _failed(message, "the message could not be sent")
                else:
                    pending[message_id] = message, time.monotonic() + limit
            if not pending:
                return
            replies = list(self._grid.pull_messages(pending.keys()))
            for reply in replies:
                message, _ = pending.pop(reply.metadata.reply_to_message_id)
                if reply.has_error():  # Of a node's own making, so perhaps blank.
                    reply = _failed(message, (reply.error.reason or "").strip() or "error", reply.error.code)
                yield reply
            now = time.monotonic()
            for message_id in [each for each, (_, deadline) in pending.items() if now > deadline]:
                message, _ = pending.pop(message_id)
                yield _failed(message, f"no answer within {limit:g} seconds")
            wait = _SHORTEST_WAIT if replies else min(2 * wait, _LONGEST_WAIT)
            if pending and not replies:
                time.sleep(wait)


def key_digest(public_key: bytes) -> str:
    """By what a ledger knows a node's key: SHA-256 of the public key in PEM, as Flower keeps it."""
    return hashlib.sha256(public_key).hexdigest()


def _failed(message: Message, reason: str, code: int = NO_ANSWER) -> Message:
    """An error in a node's stead. Flower's own errors do not always come from the node that they are about."""
    return Message(Error(code, reason), reply_to=message)
