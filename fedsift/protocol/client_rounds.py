"""Rounds over clients that are known by their own id: what the strategies of this floor share."""

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field
from logging import getLogger
from typing import Generic, TypeVar

from flwr.app import ConfigRecord, Message, MetricRecord, RecordDict
from flwr.serverapp import Grid
from flwr.serverapp.strategy import Strategy

from fedsift.core.errors import Refused, legible, visible
from fedsift.protocol import messages
from fedsift.protocol.messages import EVALUATE, QUERY, Stream, Wish, message_to

_LOG = getLogger("flwr")  # Flower's own logger: what a strategy says belongs beside what Flower says.


@dataclass
class RoundRecord:
    """What a round did."""

    joined: list[str] = field(default_factory=list)  # clients merged in this round
    newcomers: list[str] = field(default_factory=list)  # clients that never join, and are only scored; sorted
    # client (or node, where it did not say who it is) -> at what stage it failed first, and why
    failures: dict[str, str] = field(default_factory=dict)
    scores: dict[str, dict[str, float]] = field(default_factory=dict)  # client -> score name -> value
    members: int = 0  # number of members after merging and removing
    state_digest: str = ""  # of the state after merging and removing


RecordT = TypeVar("RecordT", bound=RoundRecord)


class ClientRounds(Strategy, Generic[RecordT]):
    """A strategy that asks clients who they are and what they want, and checks that replies come from them.

    Attributes:
        rounds: a record for each round so far.
        clients: node id -> client id, of the nodes that answered this round's query.
    """

    def __init__(self) -> None:
        self.rounds: list[RecordT] = []
        self.clients: dict[int, str] = {}

    def aggregate_evaluate(self, server_round: int, replies: Iterable[Message]) -> MetricRecord | None:
        """Keep each client's scores and return their means over the clients that have them."""
        record = self.rounds[-1]
        for reply in replies:
            client_id = self.name(reply)
            try:
                self.client_record(reply)
                record.scores[client_id] = messages.reply_scores(reply)
            except Refused as error:
                self.failed(client_id, EVALUATE, error)
        return MetricRecord({**mean_scores(record.scores)}) if record.scores else None

    def query(self, server_round: int, grid: Grid) -> dict[int, Wish]:
        """Every node's wish. A client id belongs to the first node that claims it in a round."""
        self.clients = {}
        claimed: set[str] = set()
        wishes: dict[int, Wish] = {}
        content, nodes = RecordDict(), list(grid.get_node_ids())
        queries = (message_to(node_id, QUERY, server_round, content) for node_id in nodes)
        for reply in grid.send_and_receive(Stream(queries, len(nodes))):
            node_id = reply.metadata.src_node_id
            try:
                if reply.has_error():
                    raise Refused(reply.error.reason)
                client = messages.client_record(reply)
                client_id = messages.field(client, "client-id", str)
                wish = messages.field(client, "wish", str)
                self.check_identity(node_id, client_id)
                if client_id in claimed:
                    raise Refused(f"another node claims to be client {client_id!r}")
                if wish not in set(Wish):
                    raise Refused(f"unknown wish {wish!r}")
            except Refused as error:
                self.failed(str(node_id), QUERY, error)
                continue
            claimed.add(client_id)
            self.clients[node_id] = client_id
            wishes[node_id] = Wish(wish)
        newcomers = (self.clients[node_id] for node_id, wish in wishes.items() if wish == Wish.NEWCOMER)
        self.rounds[-1].newcomers = sorted(newcomers)
        return wishes

    def check_identity(self, node_id: int, client_id: str) -> None:
        """Refuse a client id that a node may not speak for; here, any node may speak for any client."""

    def tell(self, message_type: str, server_round: int, clients: Container[str], grid: Grid) -> None:
        """Tell clients that they have joined, or that their removal is done."""
        nodes, content = [node for node, client_id in self.clients.items() if client_id in clients], RecordDict()
        told = [message_to(node_id, message_type, server_round, content) for node_id in nodes]
        for reply in grid.send_and_receive(told) if told else ():
            if reply.has_error():
                self.failed(self.name(reply), message_type, Refused(reply.error.reason))

    def client_record(self, reply: Message) -> ConfigRecord:
        """The client's part of a reply; refuses an error and a reply in another client's name."""
        if reply.has_error():
            raise Refused(reply.error.reason)
        record = messages.client_record(reply)
        self.check_name(reply.metadata.src_node_id, messages.field(record, "client-id", str))
        return record

    def check_name(self, node_id: int, claimed: str) -> None:
        """Refuse another client's name than the one that a node gave when it was asked."""
        known = self.clients.get(node_id)
        if claimed != known:
            raise Refused(f"a reply in the name of client {claimed!r} came from the node of client {known!r}")

    def name(self, reply: Message) -> str:
        """The client behind a reply, or its node id where it is not known."""
        return self.clients.get(reply.metadata.src_node_id, str(reply.metadata.src_node_id))

    def failed(self, client_id: str, stage: str, error: Refused) -> None:
        """Note in this round's record that a client failed, unless it had before."""
        reason = f"{stage}: {error}"
        _LOG.warning("client %s: %s", legible(client_id), "\n    ".join(map(visible, reason.splitlines())))
        self.rounds[-1].failures.setdefault(client_id, reason)


def mean_scores(scores: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """The mean of every score over the clients that have it, summed in the order of their ids."""
    values: dict[str, list[float]] = {}
    for client_id in sorted(scores):
        for name, value in scores[client_id].items():
            values.setdefault(name, []).append(value)
    return {name: sum(each) / len(each) for name, each in values.items()}


def last_line(failure: str) -> str:
    """Stage and last line of a failure as records tell it: of a traceback, the error itself."""
    stage, _, told = failure.partition(": ")
    lines = told.strip().splitlines()
    return visible(f"{stage}: {lines[-1] if lines else 'no reason was given'}")
