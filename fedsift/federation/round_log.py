"""The rounds of a run that are over, written down: a run that was stopped goes on as if it had not been.

The ledger holds the state. `rounds.json` holds what the ledger does not: who joined in which round, scores, failures.
It is written whole, after every round, and within a round before removals are committed; it goes when there is a
result.json. It has numbers of single clients in it, so `forget` and `join` delete it: after them a run begins its
rounds anew, with those who are members.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from flwr.app import ArrayRecord, ConfigRecord, Message, MetricRecord
from flwr.serverapp import Grid

from fedsift.core.ledger import Ledger
from fedsift.core.receipt import ReceiptBody, RunFacts
from fedsift.core.server_state import ServerState
from fedsift.files.json_file import read_json, write_json
from fedsift.protocol.scoring import Scoring
from fedsift.protocol.serving_rounds import SiftRecord
from fedsift.strategies.sift_masks import SiftMasks


class RoundWatch(Protocol):
    """Is told what the rounds of a simulation do."""

    @property
    def on_losses(self) -> Callable[[str, Sequence[float]], None] | None:
        """Takes each client that joins, and the losses of its tuning; None where nobody wants them."""

    def round_over(self, number: int, record: SiftRecord) -> None:
        """A round is over; they count from 1."""


@dataclass
class _File:
    earlier_receipts: int
    rounds: list[SiftRecord]
    failures: dict[str, str]


@dataclass
class RoundLog:
    """What a run knows of its rounds."""

    path: Path  # of the file
    earlier_receipts: int = 0  # in the ledger before the first round: those that they removed take no part any more
    rounds: list[SiftRecord] = field(default_factory=list)  # a record for each round that is over
    failures: dict[str, str] = field(default_factory=dict)  # of the round under way
    watch: RoundWatch | None = None

    @classmethod
    def read(cls, path: Path) -> "RoundLog":
        """What a file holds.

        Raises:
            BadInput: it is damaged.
        """
        read = read_json(path, _File, "delete it, and the rounds are played anew with those who are members")
        return cls(path, read.earlier_receipts, read.rounds, read.failures)

    def write(self) -> None:
        """Write the file; a reader finds the old one or the new one."""
        write_json(self.path, _File(self.earlier_receipts, self.rounds, self.failures))

    @property
    def joined(self) -> set[str]:
        """Who joined in a round that is over."""
        return {client_id for record in self.rounds for client_id in record.joined}

    def settled(self, ledger: Ledger) -> list[ReceiptBody]:
        """What the receipts say that the round under way had before it was stopped."""
        known = self.earlier_receipts + sum(len(record.receipts) for record in self.rounds)
        return [receipt.body for receipt in ledger.receipts()[known:]]

    def gone(self, ledger: Ledger) -> set[str]:
        """Clients that left before the first round."""
        earlier = ledger.receipts()[: self.earlier_receipts]
        return removed_clients(receipt.body for receipt in earlier) - ledger.members().keys()


def removed_clients(receipts: Iterable[ReceiptBody]) -> set[str]:
    """Who has left by some receipts."""
    return {body.client for body in receipts if body.verdict.removed}


class LoggedRounds(SiftMasks):
    """SIFT-Masks from the first round that is not in the log, which it may take up in the middle."""

    def __init__(
        self,
        state: ServerState,
        localisations: Iterable[str],
        scoring: Scoring,
        facts: RunFacts,
        log: RoundLog,
        held_out: bool = False,
    ) -> None:
        """As for `SiftMasks`, and the log, which grows by a record for each round."""
        super().__init__(state, localisations, scoring, facts, held_out=held_out)
        self.rounds = list(log.rounds)
        self._log = log
        self._settled: list[ReceiptBody] = []

    def configure_train(
        self, server_round: int, arrays: ArrayRecord, config: ConfigRecord, grid: Grid
    ) -> Iterable[Message]:
        """As of `SiftMasks`; what the round did before it was stopped is its own."""
        log = self._log
        self._settled = log.settled(self.state.ledger)
        merged_before = [client_id for client_id in self.state.members if client_id not in log.joined]
        messages = super().configure_train(server_round, arrays, config, grid)
        record = self.rounds[-1]
        record.joined += merged_before
        for body in self._settled:
            if not body.verdict.done:
                record.failures[body.client] = log.failures[body.client]
        return messages

    def before_removals(self) -> None:
        """Write down who failed: once a refusal has its receipt, the client is not asked again."""
        self._log.failures = self.rounds[-1].failures
        self._log.write()

    def aggregate_train(
        self, server_round: int, replies: Iterable[Message]
    ) -> tuple[ArrayRecord | None, MetricRecord | None]:
        """As of `SiftMasks`; receipts from before the round was stopped come first."""
        merged = super().aggregate_train(server_round, replies)
        self.rounds[-1].receipts[:0] = self._settled
        return merged

    def aggregate_evaluate(self, server_round: int, replies: Iterable[Message]) -> MetricRecord | None:
        """As of `SiftMasks`; then the round is over and written down."""
        means = super().aggregate_evaluate(server_round, replies)
        self._log.rounds, self._log.failures = list(self.rounds), {}
        self._log.write()
        if self._log.watch:
            self._log.watch.round_over(len(self.rounds), self.rounds[-1])
        return means
