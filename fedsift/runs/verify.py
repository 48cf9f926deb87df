"""`fedsift verify`: audit a run's ledger; with the oracle, retrain every remaining member and compare."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fedsift.core.audit import Finding, audit
from fedsift.core.certificate import check_against
from fedsift.core.errors import BadInput, counted
from fedsift.core.ledger import Ledger
from fedsift.core.server_state import ServerState
from fedsift.core.signing_key import default_key_path, load_or_make_key, public_key_of
from fedsift.runs.ledger_folder import LedgerFolder
from fedsift.runs.older_ledger import certificate_problems
from fedsift.runtime.progress import PhaseBars

if TYPE_CHECKING:
    from fedsift.federation.outcome import Outcome

_SHOWN = 5


@dataclass(frozen=True)
class Verified:
    """What an audit found."""

    profile: str  # the reproducibility profile of the merge
    sealed_by: str  # the public key that seals the ledger, in hexadecimal; empty for none
    known_key: str | None  # the public key that must have sealed it; None where none is known here
    findings: list[Finding]  # one for each check

    @property
    def checks(self) -> dict[str, list[str]]:
        """The problems that each check found, by the check's name."""
        return {finding.check: finding.problems for finding in self.findings}

    @property
    def holds(self) -> bool:
        """Whether no check found a problem."""
        return not any(finding.problems for finding in self.findings)


def verify(
    path: Path, oracle: bool, certificate: Path | None, bars: PhaseBars, public_key: str | None = None
) -> Verified:
    """All checks of a run's ledger; nothing is changed.

    Args:
        path: the run's folder.
        oracle: whether all members train again.
        certificate: one to check against the ledger.
        bars: progress.
        public_key: whose seal the ledger has to have, in hexadecimal; by default that of this user's signing key, where
            there is one.

    Raises:
        BadInput: there is no such run or certificate.
    """
    folder, config = LedgerFolder.open(path)
    known_key = public_key or _own_public_key()
    newest = max(folder.certificates.numbers(), default=0)  # Before the ledger: what is certified later is in neither.
    with Ledger.open(folder.ledger, read_only=True) as ledger:
        with ledger.snapshot():
            findings, sealed_by = audit(ledger, known_key), ledger.public_key
            if newest:
                findings.append(Finding("certificates", [*certificate_problems(ledger, folder.certificates, newest)]))
            if certificate is not None:
                findings.append(Finding("certificate", check_against(certificate, ledger)))
        if oracle:
            if any(finding.problems for finding in findings):
                raise BadInput("the ledger is damaged, so an oracle would tell nothing; run verify without --oracle")
            from fedsift.data.loading import load_dataset  # Flower: not where nobody trains
            from fedsift.runs.federate import merge, places

            state = ServerState(ledger)
            expected = {client_id: member.digest.hex() for client_id, member in state.members.items()}
            digest = state.digest().hex()
            bars.prefix = "oracle "
            outcome = merge(config, places(load_dataset(config).client_ids, expected), bars)
            findings.append(Finding("oracle", _compare(expected, digest, outcome)))
    return Verified(config.profile, sealed_by, known_key, findings)


def _own_public_key() -> str | None:
    """Of this user; none is made for it."""
    try:
        path = default_key_path()
        return public_key_of(load_or_make_key(path)) if path.exists() else None
    except BadInput:
        return None


def _compare(expected: dict[str, str], digest: str, outcome: "Outcome") -> list[str]:
    found = outcome.member_digests
    different = [client_id for client_id in expected if found.get(client_id) != expected[client_id]]
    problems = [f"client {client_id!r} trains to another contribution now" for client_id in different[:_SHOWN]]
    if len(different) > _SHOWN:
        problems.append(f"... and {len(different) - _SHOWN} more of {counted(len(expected), 'member')}")
    if not different and outcome.state_digest != digest:
        problems.append(f"the state is {digest}, the oracle's {outcome.state_digest}")
    return problems
