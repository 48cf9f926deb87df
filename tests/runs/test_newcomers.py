"""Clients that never join, and such without rows to be scored on, from the run to its last command."""

import dataclasses
import json
from pathlib import Path

import pytest

from fedsift.configuration.participants import Participants
from fedsift.configuration.run_config import RunConfig, write_toml
from fedsift.core.errors import BadInput, Refused
from fedsift.core.ledger import Ledger
from fedsift.data.loading import load_dataset
from fedsift.runs import run as simulation
from fedsift.runs.forget import forget
from fedsift.runs.join import join
from fedsift.runs.run_folder import RunFolder
from fedsift.runs.verify import verify
from fedsift.runtime.progress import PhaseBars

# Of these threads u and z are kept for scoring, at the share and seed below: the last client has no row to tune on.
ROWS = [(client, thread, number) for client in "abcdefgh" for number, thread in enumerate("uvwxyz")] + [("i", "u", 0)]


@pytest.fixture
def config(tiny_config: RunConfig, tmp_path: Path) -> RunConfig:
    """Nine clients, one of whom has a single row; rows belong to threads, and some clients never join."""
    table = tmp_path / "rows.jsonl"
    lines = [
        json.dumps({"who": f"client {who}", "thread": thread, "question": f"{who}{number}?", "answer": thread * 3})
        for who, thread, number in ROWS
    ]
    table.write_text("\n".join(lines), encoding="utf-8")
    return dataclasses.replace(tiny_config, dataset=str(table), group_column="thread", test_share=0.4, newcomers=2)


def test_newcomers_are_only_scored_until_they_join(config: RunConfig, tmp_path: Path) -> None:
    bars, out = PhaseBars(), tmp_path / "out"
    dataset = load_dataset(config)
    participants = Participants.of(config, dataset)
    assert set(dataset.test_only) == {"client i"}
    newcomer = next(each for each in participants.newcomers if each not in dataset.test_only)
    leaver = participants.members[0]
    run = dataclasses.replace(config, leave=(leaver,), oracle=True)
    result = simulation.run(run, out, bars)
    assert result.clients == len(participants.members)
    assert result.oracle is not None
    assert result.oracle.bit_identical
    scored = {client_id for client_id in participants.members if dataset.test_examples(client_id)}
    assert set(result.scores["sift_masks"].per_client) == set(result.scores["merged"].per_client) == scored
    assert not set(participants.newcomers) & RunFolder(out).members()

    with pytest.raises(Refused, match="unknown member"):
        forget(out, [newcomer], False, bars, print)
    joined = join(out, [newcomer], bars)
    assert joined.joined == [newcomer]
    assert joined.members == len(participants.members)  # one left, one came
    assert verify(out, True, None, bars).holds
    write_toml(dataclasses.replace(run, localise="coordinate", newcomers=0.3), out / "config.toml")
    again = simulation.resume(out, bars)  # It is a member now, whatever the configuration says.
    assert newcomer in RunFolder(out).members()
    assert again.state_digest == joined.state_digest
    assert forget(out, [newcomer], False, bars, print).state_digest == result.state_digest


def test_a_newcomer_that_is_to_leave_is_told_at_once(config: RunConfig, tmp_path: Path) -> None:
    (newcomer, *_) = Participants.of(config, load_dataset(config)).newcomers
    with pytest.raises(BadInput, match="is a newcomer, which never joins; newcomers = 0 lets all join"):
        simulation.run(dataclasses.replace(config, leave=(newcomer,)), tmp_path / "out", PhaseBars())
    assert not (tmp_path / "out").exists()


def test_who_takes_part_beside_them_changes_no_contribution(config: RunConfig, tmp_path: Path) -> None:
    """More newcomers are fewer members, and nothing else: each member's upload is as it was."""
    digests = []
    for number in (1, 3):
        out = tmp_path / str(number)
        simulation.run(dataclasses.replace(config, newcomers=number, evaluate=False), out, PhaseBars())
        with Ledger.open(out / "ledger.sqlite", read_only=True) as ledger:
            digests.append({client_id: member.digest for client_id, member in ledger.members().items()})
    many, few = digests
    assert len(many) > len(few)
    assert few.items() < many.items()
