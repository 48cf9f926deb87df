"""Flower's Grid over workers: replies stream, the broadcast is stored once, clients of dead workers run again.

The stock simulation engine returns all replies at once and asks for each node again and again; here
`send_and_receive` is a generator with about two messages in flight for each worker, so that memory and the cost of a
message do not depend on the number of clients.
"""

from collections.abc import Callable, Collection, Container, Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from itertools import count, groupby, islice
from operator import length_hint
from pathlib import Path
from typing import Any, Protocol

from flwr.app import ArrayRecord, ConfigRecord, Context, Message, MetricRecord, RecordDict, UserConfig
from flwr.serverapp import Grid
from flwr.supercore.run import Run
from flwr.supercore.task_identity import TaskIdentity

from fedsift.configuration.node_config import NodeConfig
from fedsift.protocol.messages import FORGET, LOSSES, QUERY, TRAIN, find_record, record_of
from fedsift.protocol.partial_merge import PartialMerge
from fedsift.runtime.in_flight import Workers, answers, slots
from fedsift.runtime.worker import Parcel

_PARCELS_PER_SLOT = 4
_UNSENT_PARCELS_PER_SLOT = 2
_LARGEST_PARCEL = 64
_SERVER_NODE_ID = 1
_FIRST_NODE_ID = 2


class Progress(Protocol):
    """Is told how far a batch of messages has come."""

    def begin(self, message_type: str, total: int) -> None:
        """A batch of `total` messages begins; the type is that of its first message."""

    def advance(self, message_type: str) -> None:
        """A reply has come."""


class RayGrid(Grid):
    """The Grid of one simulated run: its nodes, their contexts, and a pool of workers to run them.

    Attributes:
        partial_merge: lets workers merge the uploads of clients that join, and reply with the sums; None: they do not.
        on_losses: is told each client that joins, and the losses of its tuning; None: clients do not tell them.
    """

    def __init__(
        self,
        pool: Workers,
        node_configs: Sequence[UserConfig],
        run_config: UserConfig,
        progress: Progress | None = None,
        states: Mapping[int, RecordDict] | None = None,
    ) -> None:
        """One node for each of `node_configs`; node ids count from 2.

        `states` is what clients remember from before, by their place in `node_configs`.
        """
        self._pool, self._progress = pool, progress
        self.partial_merge: PartialMerge | None = None
        self.on_losses: Callable[[str, Sequence[float]], None] | None = None
        self._run = Run.create_empty(run_id=1)
        self._run_config = dict(run_config)
        self._node_configs = dict(enumerate(node_configs, start=_FIRST_NODE_ID))
        # All that a client changes in its context, and all that is kept of it.
        self._states = {place + _FIRST_NODE_ID: state for place, state in (states or {}).items()}
        self._broadcast: dict[str, tuple[ArrayRecord, Any]] = {}
        self._pushed: dict[str, Iterator[Message]] = {}
        self._message_numbers = count(1)
        # The constructor of Message takes its sender from here, as in the process of a real ServerApp.
        TaskIdentity.run_id, TaskIdentity.task_id, TaskIdentity.node_id = self._run.run_id, 1, _SERVER_NODE_ID

    def set_run(self, run: Run) -> None:
        """Set the run."""
        self._run = run

    @property
    def run(self) -> Run:
        """The run."""
        return self._run

    def get_node_ids(self) -> list[int]:
        """All nodes."""
        return list(self._node_configs)

    def create_message(
        self, content: RecordDict, message_type: str, dst_node_id: int, group_id: str, ttl: float | None = None
    ) -> Message:
        """A message to a node."""
        return Message(content, dst_node_id, message_type, ttl=ttl, group_id=group_id)

    def push_messages(self, messages: Iterable[Message]) -> list[str]:
        """Take messages in; they run when `pull_messages` asks for their replies."""
        ids = []
        for message in messages:
            message_id = f"message-{next(self._message_numbers)}"
            self._pushed[message_id] = self.send_and_receive([message])
            ids.append(message_id)
        return ids

    def pull_messages(self, message_ids: Iterable[str]) -> Iterator[Message]:
        """Replies to pushed messages."""
        for message_id in message_ids:
            yield from self._pushed.pop(message_id)

    def send_and_receive(self, messages: Iterable[Message], *, timeout: float | None = None) -> Iterator[Message]:
        """Yield replies as they come. Messages are taken from their iterable only as workers get free.

        Raises:
            TimeoutError: not all replies came within `timeout` seconds (never a silent partial answer).
            WorkerDied: a client's worker died three times over.
        """
        unsent = total = length_hint(messages)
        by_type = groupby(messages, lambda message: message.metadata.message_type)
        source: Iterator[Message] = iter(())
        announced = ""
        last_state = RecordDict()

        def take() -> list[Message]:
            nonlocal announced, source, unsent
            taken = self._next(source, total, unsent)
            if not taken and (following := next(by_type, None)):  # A parcel has messages of one type.
                source = following[1]
                taken = self._next(source, total, unsent)
            unsent -= len(taken)
            if taken and self._progress and not announced:
                announced = taken[0].metadata.message_type
                self._progress.begin(announced, total)
            return taken

        for sent, replies in answers(self._pool, take, self._submit, _node_name, timeout):
            for message, (reply, state) in zip(sent, replies, strict=True):
                last_state = last_state if state == last_state else state  # Most are equal: kept once.
                self._states[message.metadata.dst_node_id] = last_state
                if self._progress:
                    self._progress.advance(announced)
                if reply is not None:
                    self._take_losses(reply)
                    yield reply

    def _next(self, source: Iterator[Message], total: int, unsent: int) -> list[Message]:
        """The messages of the next parcel: one, or several; none at the end.

        Several queries, since they cost less than sending them; and several trainings that a worker merges. Of these
        the parcels get smaller towards the end, so that all workers finish at about the same time.
        """
        first = list(islice(source, 1))
        message_type = first[0].metadata.message_type if first else ""
        number, size = slots(self._pool), 1
        if message_type == QUERY:
            size = total // (_PARCELS_PER_SLOT * number)
        elif message_type == TRAIN and self.partial_merge is not None:
            size = unsent // (_UNSENT_PARCELS_PER_SLOT * number)
        return first + list(islice(source, max(0, min(_LARGEST_PARCEL, size) - 1)))

    def _submit(self, messages: Sequence[Message], died_under: Collection[Any]) -> tuple[Any, Any]:
        """Send messages to a worker, broadcast records by reference."""
        shared: dict[str, Any] = {}
        if len(messages) == 1:
            message = messages[0]
            bulky = {name: each for name, each in message.content.items() if isinstance(each, ArrayRecord)}
            found = {name: self._reference(name, record) for name, record in bulky.items()}
            shared = {name: reference for name, reference in found.items() if reference is not None}
            if shared:
                rest = RecordDict({name: record for name, record in message.content.items() if name not in shared})
                messages = [Message(rest, metadata=message.metadata)]  # type: ignore[call-overload]
        contexts = [self._context(each.metadata.dst_node_id) for each in messages]
        parcel = Parcel(messages, shared, contexts, self.partial_merge, _environment(messages[0]))
        return self._pool.submit(parcel, died_under)

    def _context(self, node_id: int) -> Context:
        state = deepcopy(self._states.get(node_id) or RecordDict())  # Its own: clients of a parcel change theirs.
        node = self._node_configs[node_id]
        if self.on_losses:
            node = {**node, "losses": True}
        return Context(self._run.run_id, node_id, node, state, self._run_config)

    def _take_losses(self, reply: Message) -> None:
        if self.on_losses is None or reply.has_error():
            return
        record = find_record(reply.content, LOSSES, MetricRecord)
        if record is not None and isinstance(losses := record["loss"], list):
            self.on_losses(str(self._node_configs[reply.metadata.src_node_id]["client-id"]), losses)

    def _reference(self, name: str, record: ArrayRecord) -> Any | None:
        """Where a record lies for all workers: put there when the same object is sent a second time."""
        known, reference = self._broadcast.get(name, (None, None))
        if known is not record:
            self._broadcast[name] = record, None
            return None
        if reference is None:
            reference = self._pool.share(record)
            self._broadcast[name] = record, reference
        return reference


def _node_name(message: Message) -> str:
    return f"node {message.metadata.dst_node_id}"


def _environment(message: Message) -> str:
    """Where the message of a member that leaves is to run: the fingerprint that it was merged with."""
    if message.metadata.message_type != FORGET or "client" not in message.content:
        return ""
    return str(record_of(message.content, "client", ConfigRecord).get("environment", ""))


def node_configs(
    clients: Mapping[str, int],
    newcomers: Container[str] = (),
    mask_folder: Path | None = None,
    vector_folder: Path | None = None,
) -> list[UserConfig]:
    """A simulated node for each of `clients`, given with their places in the data set, `newcomers` among them.

    They keep masks and plain task vectors in these folders; None keeps none.
    """
    masks, vectors = (str(each.resolve()) if each else "" for each in (mask_folder, vector_folder))
    return [
        NodeConfig(
            client_id=client_id,
            partition_id=place,
            num_partitions=len(clients),
            mask_folder=masks,
            vector_folder=vectors,
            newcomer=client_id in newcomers,
        ).to_user_config()
        for client_id, place in clients.items()
    ]
