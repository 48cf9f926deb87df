"""What members choose by vote: it is made of the votes of who is a member, and of nobody else's."""

import dataclasses
from pathlib import Path

import pytest

from fedsift.configuration.run_config import RunConfig
from fedsift.core.blend import BLENDS, UNVOTED, Blend, choose_voters
from fedsift.core.ledger import Ledger
from fedsift.core.server_state import ServerState
from fedsift.data.loading import load_dataset
from fedsift.federation.outcome import Outcome
from fedsift.runs.federate import federate, merging, places
from fedsift.runtime.worker_pool import WorkerPool

PEOPLE = RunConfig(clients=10, newcomers=0, steps=2, seed=3)


@pytest.fixture(scope="module")
def people() -> list[str]:
    return load_dataset(PEOPLE).client_ids


@pytest.fixture(scope="module")
def leavers(people: list[str]) -> list[str]:
    """One who votes with its own model too, and one who does not."""
    _, voters = choose_voters(PEOPLE.sign_seed, people)
    assert len(voters) == 8
    return [sorted(voters)[0], next(each for each in people if each not in voters)]


def test_what_is_served_after_a_removal_is_that_of_a_run_never_joined(
    pool: WorkerPool, people: list[str], leavers: list[str], tmp_path: Path
) -> None:
    """The blend, and with it each score of each who stays."""

    def run(name: str, config: RunConfig, clients: list[str]) -> Outcome:
        (tmp_path / name).mkdir()
        return federate(
            pool, config, places(people, clients), ledger=tmp_path / f"{name}.sqlite", masks=tmp_path / name
        )

    left = run("left", PEOPLE.leaving(*leavers), people)
    stayers = [each for each in people if each not in leavers]
    never = run("never", PEOPLE, stayers)
    (merge, removal), (only,) = left.rounds, never.rounds
    assert not merge.failures and not removal.failures and not only.failures
    assert left.state_digest == never.state_digest
    assert removal.blend == only.blend and Blend(**only.blend) in BLENDS
    assert merge.blend in [blend._asdict() for blend in BLENDS]
    for client_id in stayers:
        assert removal.scores[client_id] == only.scores[client_id]
    for name in ("left", "never"):
        with Ledger.open(tmp_path / f"{name}.sqlite", read_only=True) as ledger:
            assert ServerState(ledger).blend == Blend(**only.blend)


def test_a_removal_forgets_what_was_chosen(
    pool: WorkerPool, people: list[str], leavers: list[str], tmp_path: Path
) -> None:
    """Until those who stay have voted: without an evaluation, they have not."""
    ledger, masks = tmp_path / "ledger.sqlite", tmp_path / "masks"
    masks.mkdir()
    members = places(people, [*leavers, *people[-2:]])
    federate(pool, PEOPLE, members, ledger=ledger, masks=masks)
    state = ServerState(Ledger.open(ledger))
    state.blend = chosen = next(blend for blend in BLENDS if blend != UNVOTED)
    assert state.blend == chosen
    state.ledger.close()
    federate(pool, merging(PEOPLE, leavers), members, ledger=ledger, masks=masks, rounds=1)
    state = ServerState(Ledger.open(ledger))
    assert not set(leavers) & set(state.members)
    assert state.blend == UNVOTED
    state.ledger.close()


def test_who_has_other_rows_than_were_merged_has_no_vote(
    pool: WorkerPool, tiny_config: RunConfig, tmp_path: Path
) -> None:
    """A row less, or other targets; the others' votes count."""
    table, ledger = tmp_path / "rows.jsonl", tmp_path / "ledger.sqlite"
    table.write_bytes(Path(tiny_config.dataset).read_bytes())
    config, everybody = dataclasses.replace(tiny_config, dataset=str(table)), {f"client {n}": n for n in range(8)}
    assert not federate(pool, config, everybody, ledger=ledger, masks=tmp_path).rounds[0].failures
    rows = table.read_text(encoding="utf-8").replace('"answer": "aaa', '"answer": "xyz').splitlines()
    table.write_text("\n".join(row for row in rows if "bbb1" not in row), encoding="utf-8")
    anew = WorkerPool("tests.client_app:app", 1)  # that reads the table again
    (again,) = federate(anew, config, everybody, ledger=ledger, masks=tmp_path).rounds
    reason = "query.vote: client '{}': its rows are others than those that it was merged with"
    assert again.failures == {each: reason.format(each) for each in ("client 0", "client 1")}
    assert again.blend
