"""Scenarios played over real workers, each state held against a federation that the leavers never joined."""

import dataclasses
import json
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import ray
from flwr.app import Message, RecordDict

from fedsift.configuration.run_config import RunConfig
from fedsift.core.contribution import Contribution
from fedsift.core.errors import BadInput
from fedsift.core.ledger import Ledger
from fedsift.core.mask_file import load_mask
from fedsift.core.running_sums import RunningSums, head_bytes
from fedsift.protocol import messages
from fedsift.runs.federate import federate
from fedsift.runs.verify import verify
from fedsift.runtime.progress import PhaseBars
from fedsift.runtime.ray_grid import RayGrid, node_configs
from fedsift.runtime.worker import Parcel
from fedsift.runtime.worker_pool import WorkerPool
from fedsift.strategies.registry import METHODS
from fedsift.studies.optout.oracle import chains
from fedsift.studies.optout.play_scenario import by_influence, play
from fedsift.studies.optout.scenario import parse_scenario
from fedsift.studies.optout.step_log import Step

EIGHT = [f"client {place}" for place in range(8)]


def play_out(toml: str, config: RunConfig, out: Path, **settings: Any) -> dict[str, Any]:
    scenario = parse_scenario(f'title = "t"\n{toml}', "s.toml")
    return dataclasses.asdict(play(scenario, config, out, PhaseBars(), **settings))


def members_of(result: dict[str, Any]) -> list[list[str]]:
    """Who is a member after each step."""
    members: set[str] = set()
    found = []
    for step in result["steps"]:
        members = (members | set(step["joined"])) - set(step["left"])
        found.append(sorted(members))
    return found


def assert_digests(result: dict[str, Any], pool: WorkerPool, config: RunConfig) -> None:
    """Each step's state is that of a federation of its members alone."""
    alone = dataclasses.replace(config, leave=(), evaluate=False, clients=0)
    for step, members in zip(result["steps"], members_of(result), strict=True):
        never_joined = federate(pool, alone, {each: EIGHT.index(each) for each in members})
        assert step["state_digest"] == never_joined.state_digest, step["step"]


def test_one_by_one_to_the_last(pool: WorkerPool, tiny_config: RunConfig, tmp_path: Path) -> None:
    config = dataclasses.replace(tiny_config, clients=5, newcomers=2)
    toml = '[[leave]]\neverybody = true\npace = "one-by-one"'
    result = play_out(toml, config, tmp_path / "out", full_oracles=2)
    steps = result["steps"]
    assert (result["verdict"], result["clients"], result["newcomers"]) == ("proven", 5, 2)
    assert [step["members"] for step in steps] == [5, 4, 3, 2, 1, 0]
    assert_digests(result, pool, config)
    assert all(step["same_as_incremental"] for step in steps)
    assert sum(step["same_as_full"] is True for step in steps) == 2
    assert all(step["asked"] == step["left"] and len(step["left"]) == 1 for step in steps[1:])
    assert [step["trainings"] for step in steps] == [5, 1, 1, 1, 1, 1]
    assert [step["steps_retrained"] for step in steps] == [0, 3, 3, 3, 3, 3]
    # A client uploads the same when it leaves as when it joined.
    assert steps[0]["bytes_up"] == sum(step["bytes_up"] for step in steps[1:]) == 5 * result["upload_bytes_mean"]

    assert result["costs"].keys() == {method.title for method in METHODS.values() if not method.in_rounds}
    assert result["on_clock"] == {}
    assert result["costs"]["SIFT-Masks"] == [5, 6, 7, 8, 9, 10]
    assert result["costs"]["Central FT"] == [5, 9, 12, 14, 15, 15]

    scores = [step["scores"] for step in steps]
    assert scores[0]["leavers"] is None
    assert scores[0]["stayers_change_mean"] == scores[0]["stayers_change_worst"] == 0
    assert scores[-1]["members"] is scores[-1]["worst_decile"] is scores[-1]["stayers_change_worst"] is None
    # Without members the merged model is the base model, whoever scores it.
    assert 0 < scores[-1]["newcomers"] < 1
    for score in scores[1:-1]:
        assert score["stayers_change_worst"] <= score["stayers_change_mean"]
        assert score["worst_decile"] <= score["members"]
    # The last member is served its own contribution, undivided.
    assert scores[4]["members"] == scores[4]["worst_decile"]

    out = tmp_path / "out"
    assert [each["certificate"] for each in result["removals"]] == [f"certificates/{n:04d}.json" for n in range(1, 6)]
    told = [(each["step"], [each["client"]]) for each in result["removals"]]
    assert told == [(step["step"], step["left"]) for step in steps[1:]]
    assert all((out / each["certificate"]).is_file() for each in result["removals"])
    files = ["certificates", "config.toml", "ledger.sqlite", "masks", "result.json", "scenario.toml"]
    assert sorted(path.name for path in out.iterdir()) == files
    assert not any((out / "masks").iterdir())
    assert json.loads((out / "result.json").read_text(encoding="utf-8")) == result
    bars = PhaseBars()
    assert verify(out, False, out / "certificates" / "0003.json", bars).holds


def test_batches_returners_and_misbehaviour(pool: WorkerPool, tiny_config: RunConfig, tmp_path: Path) -> None:
    """Seven leave in twos: four are refused, one is offline when it should ask, one comes back and leaves again."""
    config = dataclasses.replace(tiny_config, levels=65535)
    toml = """
        [[leave]]
        clients = ["client 0", "client 1", "client 2", "client 3", "client 4", "client 5", "client 6"]
        pace = "batches"
        batch = 2
        [[rejoin]]
        clients = ["client 0"]
        step = 3
        [[leave]]
        clients = ["client 0"]
        from-step = 5
        """
    wrong = {1: "data-lost", 2: "data-changed", 3: "other-hardware", 4: "tampered-upload", 5: "offline"}
    toml += "".join(f'[[misbehave]]\nclients = ["client {each}"]\nwhat = "{what}"\n' for each, what in wrong.items())
    result = play_out(toml, config, tmp_path / "out", full_oracles=3, evaluate_every=3)
    steps = result["steps"]
    told = [[step[key] for key in ("asked", "left", "joined", "offline")] for step in steps[1:]]
    assert told == [
        [["client 0", "client 1"], ["client 0"], [], []],
        [["client 2", "client 3"], [], [], []],
        [["client 4"], [], ["client 0"], ["client 5"]],
        [["client 5", "client 6"], ["client 5", "client 6"], [], []],
        [["client 0"], ["client 0"], [], []],
    ]
    reasons = {client_id: reason for step in steps for client_id, reason in step["refused"].items()}
    assert reasons.keys() == {"client 1", "client 2", "client 3", "client 4"}
    assert "has lost its data" in reasons["client 1"]
    assert "other data" in reasons["client 2"]
    assert "same data, another environment (MKL_CBWR is 'COMPATIBLE', then 'AVX2,STRICT')" in reasons["client 3"]
    assert "same data and environment, another upload" in reasons["client 4"]
    assert not any(step["failures"] for step in steps)
    assert result["verdict"] == "refused"

    assert [len(each) for each in members_of(result)] == [step["members"] for step in steps] == [8, 7, 7, 8, 6, 5]
    assert_digests(result, pool, config)
    assert all(step["same_as_incremental"] and step["same_as_full"] is not False for step in steps)
    assert [step["trainings"] for step in steps] == [8, 1, 2, 2, 2, 1]
    # To retrain all who remain would be dearer than one training, and cheaper than two removals one after the other.
    assert result["costs"]["Central FT"] == [8, 15, 15, 16, 22, 27]
    assert [step["scores"] is not None for step in steps] == [True, False, False, True, False, True]
    verdicts = [(each["client"], each["step"], each["verdict"]) for each in result["removals"]]
    assert verdicts[0] == ("client 0", 1, "BIT_EXACT")
    assert verdicts[1] == ("client 1", 1, "REFUSED")
    assert verdicts[-1] == ("client 0", 5, "BIT_EXACT")
    assert len(verdicts) == 8
    removals = result["removals"]
    planned = {each["client"]: each["planned"] for each in removals}
    assert planned == {f"client {each}": wrong.get(each, "") if each < 5 else "" for each in range(7)}
    assert sum(each["steps_retrained"] for each in removals) == sum(step["steps_retrained"] for step in steps)
    assert {each["client"] for each in removals if not each["steps_retrained"]} == {"client 1"}  # has lost its data
    with closing(Ledger.open(tmp_path / "out" / "ledger.sqlite", read_only=True)) as ledger:
        head = head_bytes(ledger.terms)
    size = result["tuned_parameters"]
    assert result["storage_bytes"]["SIFT-Masks"] == 4 * size + 8 * -(-size // 8) + head
    assert result["storage_bytes"]["FT + Merge"] == 4 * size
    assert sorted(path.name for path in (tmp_path / "out" / "masks").iterdir())[0].startswith("client%201")


def test_scores_are_means_over_who_they_say(pool: WorkerPool, tiny_config: RunConfig, tmp_path: Path) -> None:
    """Against a plain run with the same leavers, whose result tells the scores client by client."""
    config = dataclasses.replace(tiny_config, clients=7, newcomers=1)
    toml = '[[leave]]\nclients = ["client 2", "client 4"]'
    step, last = play_out(toml, config, tmp_path / "out", full_oracles=0)["steps"]
    run = dataclasses.replace(tiny_config, leave=("client 2", "client 4"))
    everyone = dict(zip(EIGHT, range(8), strict=True))
    masks = tmp_path / "masks"
    masks.mkdir()
    before, after = federate(pool, run, everyone, masks=masks, newcomers=["client 7"]).rounds
    served = [
        {each: score["served"] for each, score in r.scores.items() if run.localise in score} for r in (before, after)
    ]
    assert step["scores"]["members"] == pytest.approx(sum(served[0].values()) / 7)
    assert step["scores"]["worst_decile"] == min(served[0].values())
    assert step["scores"]["newcomers"] == before.scores["client 7"]["served"]
    assert step["scores"]["newcomers_zero_shot"] == before.scores["client 7"]["zero_shot"]
    kinds = ("local", "own_head")
    alone = [sum(score[kind] for score in before.scores.values() if run.localise in score) / 7 for kind in kinds]
    assert step["scores"]["alone"] == pytest.approx(max(alone))
    assert step["scores"]["better_than_alone"] + step["scores"]["worse_than_alone"] <= 7
    assert last["scores"]["members"] == pytest.approx(sum(served[1].values()) / 5)
    assert last["scores"]["newcomers"] == after.scores["client 7"]["served"]
    left = [after.scores[each]["served"] for each in ("client 2", "client 4")]
    assert last["scores"]["leavers"] == pytest.approx(sum(left) / 2)
    changes = [served[1][each] - served[0][each] for each in served[1]]
    assert last["scores"]["stayers_change_mean"] == pytest.approx(sum(changes) / 5)
    assert last["scores"]["stayers_change_worst"] == min(changes)
    assert last["same_as_full"] is None


def test_the_most_influential_leave_first(pool: WorkerPool, tiny_config: RunConfig, tmp_path: Path) -> None:
    toml = '[[leave]]\nmost-influential = 2\npace = "one-by-one"'
    config = dataclasses.replace(tiny_config, evaluate=False)
    result = play_out(toml, config, tmp_path / "out", full_oracles=0)
    masks = tmp_path / "masks"
    masks.mkdir()
    federate(pool, config, {each: place for place, each in enumerate(EIGHT)}, masks=masks)
    ledger = Ledger.open(tmp_path / "out" / "ledger.sqlite")
    terms = ledger.terms
    ledger.close()
    norms = {each: load_mask(masks, each, terms).l1 for each in EIGHT}
    largest = sorted(EIGHT, key=norms.__getitem__, reverse=True)
    assert [step["left"] for step in result["steps"][1:]] == [[largest[0]], [largest[1]]]
    assert by_influence(masks, EIGHT, EIGHT[:4], terms) == [each for each in largest if each in EIGHT[:4]] + EIGHT[4:]
    assert all(step["scores"] is None for step in result["steps"])


def test_a_single_wrong_bit_is_found(tiny_config: RunConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first removal leaves one bit of the sums wrong, as a bug or a faulty memory might."""
    subtract, calls = RunningSums.subtract, []

    def faulty(sums: RunningSums, contribution: Contribution) -> None:
        subtract(sums, contribution)
        calls.append(1)
        if len(calls) == 2:
            sums.level_sum[0] ^= 1

    monkeypatch.setattr(RunningSums, "subtract", faulty)
    toml = '[[leave]]\nnumber = 3\npace = "one-by-one"'
    result = play_out(toml, dataclasses.replace(tiny_config, evaluate=False), tmp_path / "out", full_oracles=9)
    assert [step["same_as_incremental"] for step in result["steps"]] == [True, True, False, False]
    assert [step["same_as_full"] for step in result["steps"]] == [None, True, False, False]
    assert [each["verdict"] for each in result["removals"]] == ["BIT_EXACT"] * 3  # Only the oracles see it.
    assert result["verdict"] == "not proven"


def test_chains_only_ever_grow() -> None:
    nothing: dict[str, Any] = dict.fromkeys((each.name for each in dataclasses.fields(Step)), 0)

    def step(number: int, joined: str = "", left: str = "") -> Step:
        return Step(**{**nothing, "step": number, "joined": list(joined), "left": list(left)})

    steps = [step(0, "abcdef"), step(1, left="a"), step(2, left="bc"), step(3, "a"), step(4), step(5, "b", "ad")]
    assert chains(steps) == [
        [(5, ["b", "e", "f"])],
        [(4, ["a", "d", "e", "f"]), (3, [])],
        [(2, ["d", "e", "f"]), (1, ["b", "c"]), (0, ["a"])],
    ]


def test_a_client_that_cannot_train_is_told_and_asks_for_nothing(one_cannot_train: RunConfig, tmp_path: Path) -> None:
    toml = '[[leave]]\nclients = ["client 4", "client 5"]'
    result = play_out(toml, one_cannot_train, tmp_path / "out", full_oracles=1)
    assert [*result["steps"][0]["failures"]] == ["client 5"]
    assert result["steps"][1]["asked"] == ["client 4"]
    assert (result["clients"], result["verdict"]) == (7, "proven")


@pytest.mark.parametrize(
    ("change", "settings", "told"),
    [
        ({"leave": ("client 1",)}, {}, "leave has no place here"),
        ({"leave_count": 2}, {}, "leave-count has no place here"),
        ({"oracle": True}, {}, "oracle has no place here"),
        ({"clients": 9}, {}, "has 8 clients"),
        ({}, {"full_oracles": -1}, "full-oracles = -1"),
        ({}, {"evaluate_every": 0}, "evaluate-every = 0"),
        ({"clients": 1}, {}, "number = 2: only 1 of 1 client"),
        ({"lr": 1e37, "steps": 20}, {}, "no client could be merged; client 'client "),
    ],
)
def test_what_is_wrong_is_told_and_nothing_is_written(
    tiny_config: RunConfig, tmp_path: Path, change: dict[str, Any], settings: dict[str, Any], told: str
) -> None:
    with pytest.raises(BadInput, match=told):
        play_out("[[leave]]\nnumber = 2", dataclasses.replace(tiny_config, **change), tmp_path / "out", **settings)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("killed", [False, True])
def test_queries_in_parcels_reach_everybody_once(pool: WorkerPool, tiny_config: RunConfig, killed: bool) -> None:
    """A hundred nodes: more than one query to a parcel, and a rest; then with a worker that dies over its parcels."""
    everyone = {f"client {place}": place % 8 for place in range(101)}
    grid = RayGrid(pool, node_configs(everyone), tiny_config.to_user_config())
    if killed:
        _, actor = pool.submit(Parcel([], {}, []))
        pool.finished(actor)
        ray.kill(actor)
    queries = [Message(RecordDict(), node_id, messages.QUERY, group_id="1") for node_id in grid.get_node_ids()]
    replies = list(grid.send_and_receive(queries))
    assert sorted(str(messages.client_record(reply)["client-id"]) for reply in replies) == sorted(everyone)
    assert {reply.metadata.src_node_id for reply in replies} == set(grid.get_node_ids())
