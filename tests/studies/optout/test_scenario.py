"""Scenarios as files say them, and as steps: what is wrong is told before anything runs."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from fedsift.configuration.run_config import RunConfig
from fedsift.core.errors import BadInput
from fedsift.core.seeds import derive_seed
from fedsift.data.kinds.people import PeopleDataset
from fedsift.studies.optout.groups import clients_with
from fedsift.studies.optout.scenario import parse_scenario, read_scenario, ready_scenarios
from fedsift.studies.optout.scenario_plan import Plan, Step, resolve

EIGHT = [f"c{place}" for place in range(8)]


def in_a_group(column: str, value: str) -> Sequence[str]:
    if column != "town":
        raise BadInput(f"unknown column {column!r}")
    return {"Ulm": ["c6", "c2", "elsewhere"]}.get(value, [])


def plan(toml: str, seed: int = 0, clients: Sequence[str] = EIGHT, by_influence: Sequence[str] = ()) -> Plan:
    scenario = parse_scenario(f'title = "t"\n{toml}', "s.toml")
    return resolve(scenario, clients, seed, in_a_group, by_influence)


def leaves(resolved: Plan) -> list[tuple[str, ...]]:
    return [step.leave for step in resolved.steps[1:]]


def test_steps_worked_out_by_hand() -> None:
    resolved = plan(
        """
        [[leave]]
        clients = ["c3", "c1", "c2", "c5"]
        pace = "batches"
        batch = 2
        [[leave]]
        clients = ["c7"]
        from-step = 2
        [[rejoin]]
        clients = ["c1"]
        step = 3
        [[leave]]
        clients = ["c1"]
        from-step = 5
        [[misbehave]]
        clients = ["c5"]
        what = "offline"
        steps = 2
        [[misbehave]]
        clients = ["c3"]
        what = "data-lost"
        """
    )
    assert resolved.misbehaviour == {"c3": "data-lost"}
    assert resolved.steps == (
        Step(join=tuple(EIGHT)),
        Step(leave=("c1", "c3")),
        Step(leave=("c2", "c7"), offline=("c5",)),
        Step(join=("c1",), offline=("c5",)),
        Step(leave=("c5",)),
        Step(leave=("c1",)),
    )


def test_a_group_leaves_as_the_clients_stand() -> None:
    assert leaves(plan('[[leave]]\ngroup = {column = "town", value = "Ulm"}')) == [("c2", "c6")]


def test_the_most_influential_leave_first() -> None:
    toml = '[[leave]]\nclients = ["c0"]\n[[leave]]\nmost-influential = 3\npace = "one-by-one"\nfrom-step = 2'
    found = leaves(plan(toml, by_influence=["c4", "c0", "c7", "c1", *EIGHT[2:4], *EIGHT[5:7]]))
    assert found == [("c0",), ("c4",), ("c7",), ("c1",)]


def test_it_ends_where_so_many_are_left() -> None:
    resolved = plan('[[leave]]\neverybody = true\npace = "batches"\nbatch = 3\nuntil = 3')
    assert [len(each) for each in leaves(resolved)] == [3, 2]


def test_draws_depend_on_seed_and_entry_alone() -> None:
    toml = '[[leave]]\nnumber = 3\npace = "one-by-one"\n[[leave]]\nnumber = 3\npace = "one-by-one"\nfrom-step = 4'
    assert plan(toml) == plan(toml)
    assert plan(toml) != plan(toml, seed=1)
    drawn = [client_id for step in leaves(plan(toml)) for client_id in step]
    assert len(set(drawn)) == 6
    expected = sorted(EIGHT, key=lambda each: derive_seed(0, "scenario: [[leave]] 1", each))[:3]
    assert drawn[:3] == expected


def test_everybody_is_who_nothing_else_tells_to_leave_and_who_came_back() -> None:
    resolved = plan(
        """
        [[leave]]
        everybody = true
        from-step = 4
        [[leave]]
        clients = ["c0", "c1"]
        [[leave]]
        clients = ["c2"]
        from-step = 5
        [[rejoin]]
        number = 1
        step = 3
        """
    )
    (returned,) = resolved.steps[3].join
    assert returned in {"c0", "c1"}
    assert set(resolved.steps[4].leave) == {returned, *EIGHT[3:]}


FEW = st.integers(0, 3)


@given(seed=st.integers(0, 2**63), batch=st.integers(1, 9), offline=FEW, back=FEW, until=st.integers(0, 4))
def test_everybody_leaves_and_comes_back_in_turn(seed: int, batch: int, offline: int, back: int, until: int) -> None:
    toml = f'[[leave]]\neverybody = true\npace = "batches"\nbatch = {batch}\nuntil = {until}\n'
    toml += f"[[rejoin]]\nnumber = {back}\nstep = 20\n" if back else ""
    toml += f'[[misbehave]]\nnumber = 1\nwhat = "offline"\nsteps = {offline}\n' if offline else ""
    members: set[str] = set()
    for step in plan(toml, seed).steps:
        assert members.isdisjoint(step.join)
        assert members.issuperset([*step.leave, *step.offline])
        assert not {*step.leave} & {*step.offline}
        members = (members | {*step.join}) - {*step.leave}
    assert len(members) == until + back


C1_LEAVES, C1_REJOINS = ('[[leave]]\nclients = ["c1"]\n', '[[rejoin]]\nclients = ["c1"]\n')
C1_MISBEHAVES = '[[misbehave]]\nclients = ["c1"]\nwhat = '
WRONG = [
    ("", "nobody leaves"),
    ('titel = "x"\n[[leave]]\nnumber = 1', "unknown key 'titel'; did you mean 'title'?"),
    ("[[leaves]]\nnumber = 1", "unknown key 'leaves'; did you mean 'leave'?"),
    ("[leave]\nnumber = 1", "leave = {'number': 1}: expected tables [[leave]]"),
    ("[[leave]]\nnumbre = 1", "[[leave]] 1: unknown key 'numbre'; did you mean 'number'?"),
    ("[[leave]]\nnumber = 1\n[run]\nclinets = 3", "[run]: unknown key 'clinets'; did you mean 'clients'?"),
    ("[[leave]]\nnumber = 1\n[run]\nsteps = 0", "[run]: steps = 0"),
    ("[[leave]]\nnumber = 1\n[run]\nleave = 3", "[run]: leave has no place here"),
    ('[[leave]]\nnumber = 1\npace = "one-by-noe"', "[[leave]] 1: unknown pace 'one-by-noe'; did you mean 'one-by-one'"),
    ('[[leave]]\nnumber = 1\npace = "batches"', 'batch and pace = "batches" go together'),
    ("[[leave]]\nnumber = 1\nbatch = 2", 'batch and pace = "batches" go together'),
    ("[[leave]]", "give one of clients, share, number, everybody, group, most-influential; found none"),
    ("[[leave]]\nnumber = 1\nshare = 0.5", "found share and number"),
    ("[[leave]]\nnumber = -1", "number = -1: expected a whole number from 1 on"),
    ("[[leave]]\nnumber = 1.5", "number = 1.5: expected a whole number"),
    ("[[leave]]\nnumber = 9", "number = 9: only 8 of 8 clients can be told to leave from step 1 on"),
    ("[[leave]]\nshare = -0.1", "share = -0.1: expected a share of all clients, above 0 and at most 1"),
    ("[[leave]]\nshare = 1.5", "share = 1.5: expected a share"),
    ("[[leave]]\nshare = nan", "share = nan: expected a share"),
    ('[[leave]]\nshare = 1.0\n[[leave]]\nclients = ["c0"]', "share = 1.0: only 7 of 8 clients"),
    ("[[leave]]\neverybody = false", "everybody = False: expected true"),
    ("[[leave]]\nmost-influential = 9", "most-influential = 9: only 8 of 8 clients"),
    ("[[leave]]\nnumber = 1\nfrom-step = 0", "from-step = 0: expected a whole number from 1 on"),
    ("[[leave]]\nnumber = 1\nfrom-step = 100000000", "at most 100000"),
    ("[[leave]]\nnumber = 1\nuntil = 8", "nobody leaves, because of until"),
    ('[[leave]]\nclients = ["c9"]', "[[leave]] 1: unknown client 'c9'; did you mean 'c"),
    ("[[leave]]\nclients = []", "clients = []: expected a list of client ids"),
    ('[[leave]]\nclients = ["c1", "c1"]', "'c1' stands there twice"),
    (C1_LEAVES + C1_LEAVES, "[[leave]] 2: client 'c1' is told to leave twice in step 1"),
    (f"{C1_LEAVES}{C1_LEAVES}from-step = 3", "client 'c1' is told to leave twice, in steps 1 and 3, without rejoining"),
    ('[[leave]]\ngroup = {column = "town", value = "Rom"}', "no client of this run has 'Rom' in column 'town'"),
    ('[[leave]]\ngroup = {column = "twon", value = "Ulm"}', "[[leave]] 1: group: unknown column 'twon'"),
    ('[[leave]]\ngroup = {colunm = "town", value = "Ulm"}', "group: unknown key 'colunm'; did you mean 'column'?"),
    ('[[leave]]\ngroup = "Ulm"', "expected {column"),
    ('[[leave]]\nnumber = 1\n[[rejoin]]\nclients = ["c1"]\nstep = 1', "step = 1: expected a whole number from 2 on"),
    (C1_LEAVES + '[[rejoin]]\nclients = ["c2"]\nstep = 2', "client 'c2' is to rejoin in step 2, but"),
    (C1_LEAVES + C1_REJOINS, "[[rejoin]] 1: step is missing"),
    (f"{C1_LEAVES}from-step = 2\n{C1_REJOINS}step = 2", "[[rejoin]] 1: client 'c1' is told to leave and to rejoin in"),
    ("[[leave]]\nnumber = 2\n[[rejoin]]\nnumber = 3\nstep = 2", "number = 3: only 2 left before step 2"),
    (C1_LEAVES + C1_MISBEHAVES + '"ofline"', "unknown misbehaviour 'ofline'; did"),
    (C1_LEAVES + C1_MISBEHAVES.replace("c1", "c2") + '"offline"', "client 'c2' does not leave, so it cannot misbehave"),
    ('[[leave]]\nnumber = 2\n[[misbehave]]\nnumber = 3\nwhat = "data-lost"', "only 2 clients leave for good"),
    ('[[leave]]\nnumber = 2\n[[misbehave]]\nnumber = 1\nwhat = "data-lost"\nsteps = 2', "steps goes with what = "),
    (f'{C1_LEAVES}{C1_MISBEHAVES}"data-lost"\n{C1_MISBEHAVES}"offline"', "[[misbehave]] 2: client 'c1' misbehaves al"),
    (
        f'{C1_LEAVES}{C1_REJOINS}step = 3\n{C1_MISBEHAVES}"offline"\nsteps = 2',
        "client 'c1' is offline from step 1 on and leaves in 3, but is told something else until then",
    ),
    (f"[[leave]]\nmost-influential = 1\n{C1_REJOINS}step = 3", "with it, [[rejoin]] and [[misbehave]] take a number,"),
    ("[[leave]]\nnumber = ", "Invalid value"),
    *(
        (f'[[leave]]\ngroup = {{column = "town", value = {value}}}', "expected the cell's text in quotes")
        for value in ("1.10", "7", "1e5", "true", "nan", "2024-01-01", '["Ulm"]')
    ),
    (f"[[leave]]\nnumber = 1{'0' * 400}", "leave.number is a whole number beyond 64 bits"),
    (f"[run]\nsteps = 0x{'f' * 5000}\n[[leave]]\nnumber = 1", "run.steps is a whole number beyond 64 bits"),
    (f"[run]\nlr = 1{'0' * 400}\n[[leave]]\nnumber = 1", "run.lr is a whole number beyond 64 bits"),
    (f"x = {'[' * 5000}{']' * 5000}", "brackets are nested too deep"),
]


@pytest.mark.parametrize(
    ("share", "clients", "leavers"),
    [
        *((share, 8, 1) for share in ("1e-300", "1e-10", "0.1", "0.125")),
        *(("0.1251", 8, 2), ("0.5", 8, 4), ("0.99999999999", 8, 8), ("0.1", 100, 10)),
        ("0.07", 100, 7),  # 0.07 * 100 is 7.000000000000001 in float64.
    ],
)
def test_a_share_is_rounded_up_but_not_by_the_error_of_a_fraction(share: str, clients: int, leavers: int) -> None:
    found = leaves(plan(f"[[leave]]\nshare = {share}", clients=[f"c{place}" for place in range(clients)]))
    assert len(found[0]) == leavers


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_a_file_may_begin_with_a_byte_order_mark(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "s.toml").write_text('title = "é"\n[[leave]]\nnumber = 1\n', encoding=encoding)
    assert read_scenario(str(tmp_path / "s.toml")).title == "é"


@pytest.mark.parametrize(("toml", "told"), WRONG, ids=[each[1][:50] for each in WRONG])
def test_errors_are_one_line_that_names_the_place(toml: str, told: str) -> None:
    with pytest.raises(BadInput) as caught:
        plan(toml)
    message = str(caught.value)
    assert message.startswith("s.toml: ")
    assert told in message
    assert "\n" not in message


def test_the_scenarios_that_come_with_fedsift_can_be_played() -> None:
    names = ["a-group", "a-tenth", "misbehaving", "one-client", "to-the-last-of-500", "with-returners"]
    assert list(ready_scenarios()) == names
    left = {}
    for name in names:
        scenario = read_scenario(name)
        assert scenario.title
        assert scenario.description
        config = RunConfig.from_mapping(scenario.run)
        clients = PeopleDataset(0, config.clients).client_ids

        def group(column: str, value: str, config: RunConfig = config) -> list[str]:
            return clients_with(config, column, value)

        left[name] = sum(map(len, leaves(resolve(scenario, clients, 0, group))))
    assert left.pop("a-group") > 1
    assert [*left.values()] == [10, 20, 1, 500, 30]


def test_no_such_scenario(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="unknown scenario 'one-clinet'; did you mean 'one-client'"):
        read_scenario("one-clinet")
    with pytest.raises(BadInput, match="No such file"):
        read_scenario(str(tmp_path / "none.toml"))


def test_groups_by_a_column_of_a_table(tiny_config: RunConfig) -> None:
    assert clients_with(tiny_config, "answer", "ccc1") == ["client 2"]
    assert clients_with(tiny_config, "question", "q1?") == [f"client {place}" for place in range(8)]
    with pytest.raises(BadInput, match="unknown column 'anwser'; did you mean 'answer'"):
        clients_with(tiny_config, "anwser", "ccc1")
    shared_out = dataclasses.replace(tiny_config, client_column="", partition="iid", clients=4)
    with pytest.raises(BadInput, match="has no columns to tell clients by"):
        clients_with(shared_out, "answer", "ccc1")


def test_groups_of_people_by_their_birth() -> None:
    config = RunConfig(clients=60)
    dataset = PeopleDataset(derive_seed(0, "people"), 60)
    born = {each: dataset.train_examples(each)[0].target for each in dataset.client_ids}
    found = clients_with(config, "month", "May")
    assert found
    assert found == [each for each in born if ", May 19" in born[each]]
    with pytest.raises(BadInput, match="unknown column 'mnoth'; did you mean 'month'"):
        clients_with(config, "mnoth", "May")
