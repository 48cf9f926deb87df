"""`fedsift verify`: audit a run's ledger; with the oracle, retrain every remaining member and compare."""

import dataclasses
from pathlib import Path

from fedsift.core.audit import Finding, audit
from fedsift.core.certificate import check_certificate
from fedsift.core.errors import BadInput
from fedsift.core.ledger import Ledger
from fedsift.core.server_state import ServerState
from fedsift.data.loading import load_dataset
from fedsift.runs.federate import federate, places
from fedsift.runs.run_folder import RunFolder
from fedsift.runtime.progress import PhaseBars
from fedsift.runtime.ray_session import ray_session

_SHOWN = 5


def verify(path: Path, oracle: bool, certificate: Path | None, bars: PhaseBars) -> tuple[str, list[Finding]]:
    """The profile of the merge, and all checks with what they found; nothing is changed.

    Raises:
        BadInput: there is no such run or certificate.
    """
    folder, config = RunFolder.open(path)
    ledger = Ledger.open(folder.ledger, read_only=True)
    try:
        findings = audit(ledger)
        if certificate is not None:
            findings.append(Finding("certificate", check_certificate(certificate, ledger)))
        if oracle:
            if any(finding.problems for finding in findings):
                raise BadInput("the ledger is damaged, so an oracle would tell nothing; run verify without --oracle")
            state = ServerState(ledger)
            expected = {client_id: member.digest.hex() for client_id, member in state.members.items()}
            digest = state.digest().hex()
            with bars, ray_session(len(expected), config) as pool:
                bars.prefix = "oracle "
                alone = dataclasses.replace(config.leaving(), evaluate=False)
                outcome = federate(pool, alone, places(load_dataset(config).client_ids, expected), bars)
                bars.finish()
            findings.append(Finding("oracle", _compare(expected, digest, outcome)))
    finally:
        ledger.close()
    return config.profile, findings


def _compare(expected: dict[str, str], digest: str, outcome: dict[str, object]) -> list[str]:
    found = outcome["member_digests"]
    assert isinstance(found, dict)
    different = [client_id for client_id in expected if found.get(client_id) != expected[client_id]]
    problems = [f"client {client_id!r} trains to another contribution now" for client_id in different[:_SHOWN]]
    if len(different) > _SHOWN:
        problems.append(f"... and {len(different) - _SHOWN} more of {len(expected)} members")
    if not different and outcome["state_digest"] != digest:
        problems.append(f"the state is {digest}, the oracle's {outcome['state_digest']}")
    return problems
