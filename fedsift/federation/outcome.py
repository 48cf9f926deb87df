"""What the rounds of a federation came to."""

from collections.abc import Sequence
from dataclasses import dataclass

from fedsift.core.receipt import ReceiptBody
from fedsift.core.server_state import ServerState
from fedsift.protocol.serving_rounds import SiftRecord


@dataclass(frozen=True)
class Outcome:
    """What a federation came to."""

    rounds: Sequence[SiftRecord]  # a record for each
    receipts: Sequence[ReceiptBody]  # what all receipts of the ledger say
    earlier_receipts: int  # how many of them are of before the first round
    state_digest: str  # of the state after the last round, in hexadecimal
    member_digests: dict[str, str]  # member -> digest of its upload
    data_digests: dict[str, str]  # member -> digest of its rows
    tuned_parameters: int  # n
    server_bytes: int  # of both sums
    environments: Sequence[dict[str, str]]  # distinct fingerprints of the workers
    publications: int  # states whose merged model was published with noise

    @classmethod
    def of(
        cls, state: ServerState, rounds: Sequence[SiftRecord], environments: Sequence[dict[str, str]], earlier: int = 0
    ) -> "Outcome":
        """From the state after the rounds, which so many receipts preceded."""
        return cls(
            rounds=rounds,
            receipts=[receipt.body for receipt in state.ledger.receipts()],
            earlier_receipts=earlier,
            state_digest=state.digest().hex(),
            member_digests={client_id: member.digest.hex() for client_id, member in state.members.items()},
            data_digests={client_id: member.data_digest.hex() for client_id, member in state.members.items()},
            tuned_parameters=state.terms.size,
            server_bytes=state.sums.nbytes,
            environments=environments,
            publications=len(state.ledger.publications),
        )
