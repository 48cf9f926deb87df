"""The strategy with real Ray workers and real Flower messages, some of them from hostile clients."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from flwr.app import ArrayRecord, ConfigRecord, UserConfig

from fedsift.configuration.run_config import RunConfig
from fedsift.core.mask_file import load_mask
from fedsift.core.server_state import ServerState
from fedsift.core.signing_key import public_key_of
from fedsift.federation.client_folder import ClientFolder
from fedsift.federation.evaluation import NLL
from fedsift.federation.run_state import open_state
from fedsift.protocol.messages import PUBLIC_KEY
from fedsift.protocol.partial_merge import PartialMerge
from fedsift.protocol.scoring import ALL, NEVER, Scoring
from fedsift.runtime.ray_grid import RayGrid
from fedsift.runtime.worker_pool import WorkerPool
from fedsift.strategies.sift_masks import SiftMasks

CLIENTS = 4
# What a member is scored by, on unseen rows of a task without frequencies of its labels.
TUNED = {"zero_shot", "local", "merged", "paper", "coordinate", "own"}
# Beside each that is a model of its own there is its negative log-likelihood a token, which tests of scores look at.
SCORES = TUNED | {"served", "own_head", "shared_head", "held_in local", "held_in served"}


class Keys:
    """Of nodes 2, 3, ... (clients 0, 1, ...): who has another key than at first, and who another name."""

    def __init__(self, changed: tuple[int, ...] = (), names: dict[int, str] | None = None) -> None:
        self._changed, self._names = changed, names or {}

    def key(self, node_id: int) -> str:
        return f"{'new' if node_id in self._changed else 'first'} key of node {node_id}"

    def name(self, node_id: int) -> str:
        return self._names.get(node_id, f"client {node_id - 2}")


def told(scores: dict[str, float]) -> set[str]:
    return {name for name in scores if not name.startswith(NLL)}


def federate(
    pool: WorkerPool,
    config: RunConfig,
    masks: Path,
    ways: dict[int, str],
    clients: int = CLIENTS,
    partial_sums: bool = False,
    state: ServerState | None = None,
    keys: Keys | None = None,
    scoring: Scoring = ALL,
) -> SiftMasks:
    """Two rounds over the first clients, those in `ways` hostile; from a new state, or one that has members."""
    usual = {"num-partitions": clients, "mask-folder": str(masks)}
    nodes = [{**usual, "partition-id": place, "way": ways.get(place, "")} for place in range(clients)]
    grid = RayGrid(pool, nodes, config.to_user_config())
    state = state or open_state(config, None, clients)
    if partial_sums:
        grid.partial_merge = PartialMerge(state.terms, state.ledger.checksum_secret)
    shown = "paper", "coordinate", "own"
    strategy = SiftMasks(state, shown, scoring, node_keys=keys, held_out=config.is_held_out)
    strategy.start(grid, ArrayRecord(), num_rounds=2, train_config=ConfigRecord({"score": True}))
    return strategy


@pytest.mark.parametrize(("commit_steps", "left"), [(0, ("client 1",)), (2, ("client 1", "client 3"))])
def test_merge_serve_remove(
    pool: WorkerPool, tiny_config: RunConfig, tmp_path: Path, commit_steps: int, left: tuple[str, ...]
) -> None:
    config = dataclasses.replace(tiny_config, leave=left, commit_share=commit_steps / tiny_config.steps)
    strategy = federate(pool, config, tmp_path, {})
    merge, removal = strategy.rounds
    assert sorted(merge.joined) == [f"client {index}" for index in range(CLIENTS)]
    assert told(merge.scores["client 1"]) == SCORES
    assert sorted((each.client, each.verdict, each.steps_retrained) for each in removal.receipts) == [
        (each, "BIT_EXACT", config.steps) for each in left
    ]
    assert told(removal.scores["client 1"]) == {"zero_shot", "merged", "served", "served_own_rows"}
    assert set(removal.scores["client 0"]) == set(merge.scores["client 0"])
    assert removal.scores["client 0"]["own"] == merge.scores["client 0"]["own"]  # Whoever leaves.
    assert not merge.failures
    assert not removal.failures
    load_mask(tmp_path, "client 0", strategy.state.terms)
    assert len(list(tmp_path.iterdir())) == CLIENTS - len(left)

    absent = {index: "fail" for index in range(CLIENTS) if f"client {index}" in left}
    never_joined = federate(pool, config, tmp_path, absent)
    assert {*never_joined.rounds[0].joined, *left} == {f"client {index}" for index in range(CLIENTS)}
    assert never_joined.state.digest() == strategy.state.digest()
    assert merge.blend
    assert never_joined.rounds[1].blend == removal.blend
    for client_id in never_joined.state.members:
        assert never_joined.rounds[1].scores[client_id]["served"] == removal.scores[client_id]["served"]
    assert removal.receipts[0].state_before == merge.state_digest
    assert removal.receipts[0].state_after == removal.state_digest == strategy.state.digest().hex()


def test_commit_steps_change_what_is_merged(pool: WorkerPool, tiny_config: RunConfig, tmp_path: Path) -> None:
    """And at one bit serve each member the model that its own quantised magnitudes are, among others or alone."""
    config = dataclasses.replace(tiny_config, levels=1, max_magnitude=0.02)
    plain, committed, alone = (
        federate(pool, dataclasses.replace(config, commit_share=commit_share), tmp_path, {}, clients)
        for commit_share, clients in ((0.0, CLIENTS), (0.6, CLIENTS), (0.6, 1))
    )
    without, members = plain.state.members, committed.state.members
    assert all(without[each].digest != members[each].digest for each in without)
    together, single = (each.rounds[0].scores["client 0"] for each in (committed, alone))
    assert together["coordinate"] == single["coordinate"] > 0
    assert together["own"] == pytest.approx(together["coordinate"], rel=1e-6)  # scored by its logits


def test_a_single_member_is_served_its_own_model(pool: WorkerPool, tiny_config: RunConfig, tmp_path: Path) -> None:
    config = dataclasses.replace(tiny_config, levels=2**32 - 1)
    scores = federate(pool, config, tmp_path, {}, clients=1).rounds[0].scores["client 0"]
    assert scores["paper"] == scores["coordinate"] == scores["merged"]
    assert scores["own"] == pytest.approx(scores["merged"], rel=1e-6)  # scored by its logits
    assert scores["coordinate"] == pytest.approx(scores["local"], rel=1e-3)
    assert scores["local"] > scores["zero_shot"]


@pytest.fixture(scope="module")
def one_worker(pool: WorkerPool) -> WorkerPool:
    return WorkerPool("tests.client_app:app", 1)


@pytest.mark.parametrize("partial_sums", [False, True])
@pytest.mark.parametrize(
    ("way", "reason"),
    [
        ("cut the upload", "do not fit"),
        ("speak for client 0", "in the name of client 'client 0'"),
        ("send text for bytes", "expected bytes"),
        ("send nothing", "lacks its client record"),
        ("fail", "disk on fire"),
    ],
)
def test_a_bad_contribution_is_not_merged(
    one_worker: WorkerPool, tiny_config: RunConfig, tmp_path: Path, way: str, reason: str, partial_sums: bool
) -> None:
    """And others are: with partial sums, the first two of eight clients are in one parcel to the one worker."""
    strategy = federate(one_worker, tiny_config, tmp_path, {1: way}, clients=8, partial_sums=partial_sums)
    merge = strategy.rounds[0]
    assert sorted(merge.joined) == [f"client {index}" for index in range(8) if index != 1]
    assert reason in merge.failures["client 1"]
    assert "client 1" not in strategy.state.members


@pytest.mark.parametrize(("way", "reason"), [("claim to be client 0", "claims to be"), ("wish nonsense", "nonsense")])
def test_a_bad_answer_to_the_query_is_left_out(
    pool: WorkerPool, tiny_config: RunConfig, tmp_path: Path, way: str, reason: str
) -> None:
    merge = federate(pool, tiny_config, tmp_path, {3: way}).rounds[0]
    assert len(merge.joined) == CLIENTS - 1
    assert [reason in failure for failure in merge.failures.values()] == [True]


@pytest.mark.parametrize("way", ["flip a bit of the rerun", "change the head of the rerun"])
def test_a_rerun_that_differs_changes_nothing(
    pool: WorkerPool, tiny_config: RunConfig, tmp_path: Path, way: str
) -> None:
    """In its mask, or in the last entry that it has in the shared head."""
    config = dataclasses.replace(tiny_config, leave=("client 1", "client 2"))
    strategy = federate(pool, config, tmp_path, {1: way})
    removal = strategy.rounds[1]
    assert {each.client: each.verdict for each in removal.receipts} == {"client 1": "REFUSED", "client 2": "BIT_EXACT"}
    assert "same data and environment, another upload" in removal.failures["client 1"]
    assert {each.state_after for each in removal.receipts} == {removal.state_digest}
    assert sorted(strategy.state.members) == ["client 0", "client 1", "client 3"]
    load_mask(tmp_path, "client 1", strategy.state.terms)  # Still a member, still served.
    assert "coordinate" in removal.scores["client 1"]


def test_a_removal_in_anothers_name_is_refused(pool: WorkerPool, tiny_config: RunConfig, tmp_path: Path) -> None:
    config = dataclasses.replace(tiny_config, leave=("client 2",))
    strategy = federate(pool, config, tmp_path, {2: "remove client 0"})
    merge, removal = strategy.rounds
    assert [(each.client, each.verdict) for each in removal.receipts] == [("client 2", "REFUSED")]
    assert "in the name of client 'client 0'" in removal.failures["client 2"]
    assert removal.state_digest == merge.state_digest
    assert len(strategy.state.members) == CLIENTS


def test_a_mask_of_ones_choice_is_not_served(pool: WorkerPool, tiny_config: RunConfig, tmp_path: Path) -> None:
    merge = federate(pool, tiny_config, tmp_path, {0: "send a mask of ones"}).rounds[0]
    assert "not merged with" in merge.failures["client 0"]
    assert "client 0" not in merge.scores


def test_a_vote_that_is_none_does_not_count(pool: WorkerPool, tiny_config: RunConfig, tmp_path: Path) -> None:
    """Its member is served all the same, by what the others chose."""
    merge = federate(pool, tiny_config, tmp_path, {1: "vote nonsense"}).rounds[0]
    assert merge.failures == {"client 1": "query.vote: votes [-1] are no 4 losses"}
    assert merge.blend
    assert told(merge.scores["client 1"]) == SCORES


def test_rows_held_in_are_served_by_the_own_model(pool: WorkerPool, tiny_config: RunConfig, tmp_path: Path) -> None:
    """Nobody votes, and nothing is blended."""
    merge = federate(pool, dataclasses.replace(tiny_config, test_share=0), tmp_path, {}).rounds[0]
    assert merge.blend == {}
    assert told(merge.scores["client 1"]) == TUNED | {"served"}
    assert merge.scores["client 1"]["served"] == merge.scores["client 1"]["own"]


def test_the_sums_are_those_of_the_members_decisions(pool: WorkerPool, tiny_config: RunConfig, tmp_path: Path) -> None:
    """As each keeps them in its file, with partial sums and without; and after a removal of those who stay."""
    config = dataclasses.replace(tiny_config, leave=("client 1",))
    for partial_sums in (False, True):
        (masks := tmp_path / str(partial_sums)).mkdir()
        strategy = federate(pool, config, masks, {}, partial_sums=partial_sums)
        terms, found = strategy.state.terms, strategy.state.head_sums()
        kept = [load_mask(masks, client_id, terms).decisions for client_id in strategy.state.members]
        assert terms.head is not None and len(kept) == CLIENTS - 1
        features = np.concatenate([each.features for each in kept if each]).astype(int)
        labels = np.concatenate([each.labels for each in kept if each])
        assert np.array_equal(found.gram, features.T @ features)
        assert np.array_equal(found.targets, features.T @ np.eye(terms.head.labels, dtype=int)[labels])
        assert found.rows == len(features) > 0


def test_a_member_is_its_nodes_alone(pool: WorkerPool, tiny_config: RunConfig, tmp_path: Path) -> None:
    merged = federate(pool, tiny_config, tmp_path, {}, keys=Keys())
    before = merged.state.digest()
    assert merged.state.ledger.node_key("client 1") == "first key of node 3"
    later = federate(pool, tiny_config, tmp_path, {}, state=merged.state, keys=Keys(changed=(3,)))
    (failure,) = later.rounds[0].failures.values()
    assert failure.startswith("query: client 'client 1' joined from a node with another key; if that was replaced, ")
    assert set(later.rounds[0].scores) == {"client 0", "client 2", "client 3"}
    assert later.state.digest() == before


def test_a_node_speaks_for_its_registered_client(pool: WorkerPool, tiny_config: RunConfig, tmp_path: Path) -> None:
    """One without a name, for nobody."""
    keys = Keys(names={3: "client 2", 4: ""})
    strategy = federate(pool, tiny_config, tmp_path, {}, keys=keys)
    assert set(strategy.state.members) == {"client 0", "client 3"}
    other, unnamed = strategy.rounds[0].failures["3"], strategy.rounds[0].failures["4"]
    assert "registered as 'client 2' claims to be client 'client 1'" in other
    assert "claims to be client 'client 2' was registered without a name: register its key with `flwr super" in unnamed


def test_who_is_a_member_says_the_state(pool: WorkerPool, tiny_config: RunConfig, tmp_path: Path) -> None:
    """Clients that have forgotten that they joined, as after a restart, do not train again."""
    merged = federate(pool, tiny_config, tmp_path, {}, clients=3)
    before = merged.state.digest()
    again = federate(pool, tiny_config, tmp_path, {}, clients=3, state=merged.state)
    assert [record.joined for record in again.rounds] == [[], []]
    assert [record.failures for record in again.rounds] == [{}, {}]
    assert told(again.rounds[0].scores["client 0"]) == SCORES
    assert again.state.digest() == before


def test_who_asks_to_leave_and_is_no_member_has_left(pool: WorkerPool, tiny_config: RunConfig, tmp_path: Path) -> None:
    nodes: list[UserConfig] = []
    for place in range(3):
        (tmp_path / str(place)).mkdir()
        nodes.append({"partition-id": place, "num-partitions": 3, "client-folder": str(tmp_path / str(place))})
    ClientFolder(tmp_path / "1").ask_to_leave()
    strategy = SiftMasks(open_state(tiny_config, None, 3), ("coordinate",), scoring=NEVER)
    strategy.start(RayGrid(pool, nodes, tiny_config.to_user_config()), ArrayRecord(), num_rounds=1)
    assert set(strategy.state.members) == {"client 0", "client 2"}
    assert strategy.rounds[0].receipts == []
    assert ClientFolder(tmp_path / "1").has_left


def test_who_left_and_is_a_member_again_leaves_again(pool: WorkerPool, tiny_config: RunConfig, tmp_path: Path) -> None:
    """An older ledger was put back; the client's own folder remembers."""
    nodes: list[UserConfig] = []
    for place in range(3):
        (tmp_path / str(place)).mkdir()
        nodes.append({"partition-id": place, "num-partitions": 3, "client-folder": str(tmp_path / str(place))})
    strategy = SiftMasks(open_state(tiny_config, None, 3), ("coordinate",), scoring=NEVER)
    grid = RayGrid(pool, nodes, tiny_config.to_user_config())
    key = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"
    told = ConfigRecord({PUBLIC_KEY: public_key_of(Ed25519PrivateKey.from_private_bytes(bytes.fromhex(key)))})
    strategy.start(grid, ArrayRecord(), num_rounds=1, train_config=told)
    (tmp_path / "1" / "left").touch()
    strategy.start(grid, ArrayRecord(), num_rounds=1, train_config=told)
    assert set(strategy.state.members) == {"client 0", "client 2"}
    assert [(body.client, body.verdict) for body in strategy.rounds[1].receipts] == [("client 1", "BIT_EXACT")]
    assert ClientFolder(tmp_path / "1").has_left
    for place in range(3):
        assert (tmp_path / str(place) / "public-key").read_text(encoding="utf-8") == f"{told[PUBLIC_KEY]}\n"


def test_some_are_scored_in_some_rounds(pool: WorkerPool, tiny_config: RunConfig, tmp_path: Path) -> None:
    """Two of three, the same in each round that is scored; the others measure nothing while they tune."""
    config = dataclasses.replace(tiny_config, leave=("client 1",))
    whole = federate(pool, config, tmp_path, {}).rounds
    some = federate(pool, config, tmp_path, {}, scoring=Scoring(every=2, clients=2)).rounds
    assert not some[0].scores and len(some[1].scores) == 2
    assert some[1].scores == {each: whole[1].scores[each] for each in some[1].scores}
    assert [each.state_digest for each in some] == [each.state_digest for each in whole]
