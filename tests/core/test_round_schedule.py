"""Rounds on the virtual clock, worked out by hand, and who is asked in them."""

from collections.abc import Mapping

import pytest
from hypothesis import given, strategies as st

from fedsift.core.round_schedule import Schedule
from fedsift.core.virtual_clock import Device

CLIENTS = [f"client {number}" for number in range(20)]
# Of 10 steps, with 100 bytes each way: 1 + 10 + 2, 1 + 20 + 2 and 1 + 40 + 2 seconds.
SPEEDS = {"a": 1.0, "b": 2.0, "c": 4.0}


def devices(**of: Mapping[str, object]) -> dict[str, Device]:
    return {each: Device(speed, down=100, up=50, watts=3, **of.get(each, {})) for each, speed in SPEEDS.items()}  # type: ignore[arg-type]


def schedule(known: Mapping[str, Device] | None = None, **settings: float) -> Schedule:
    return Schedule(lambda _: 10, rounds=1, device=(known or devices()).__getitem__, **settings)  # type: ignore[arg-type]


def test_a_round_waits_for_the_slowest() -> None:
    played = schedule().play(1, SPEEDS, 0.0, down=100, up=100)
    assert (played.counted, played.late, played.dropped) == (["a", "b", "c"], [], [])
    assert (played.spent.seconds, played.spent.up, played.spent.down) == (43, 300, 300)
    assert played.spent.joules == 3 * (13 + 23 + 43)


def test_stragglers_are_not_waited_for() -> None:
    """A third of three: the slowest, c. It has trained until b's answer closed the round."""
    played = schedule(stragglers=1 / 3).play(1, SPEEDS, 0.0, down=100, up=100)
    assert (played.counted, played.late) == (["a", "b"], ["c"])
    assert (played.spent.seconds, played.spent.up, played.spent.down) == (23, 200, 300)
    assert played.spent.joules == 3 * (13 + 23 + 23)


def test_the_deadline_closes_a_round() -> None:
    played = schedule(deadline=20.0).play(1, SPEEDS, 0.0, down=100, up=100)
    assert (played.counted, played.late) == (["a"], ["b", "c"])
    assert (played.spent.seconds, played.spent.up) == (20, 100)
    # A deadline later than those who are waited for is none.
    assert schedule(deadline=30.0, stragglers=1 / 3).play(1, SPEEDS, 0.0, 100, 100).spent.seconds == 23
    assert schedule(deadline=50.0).play(1, SPEEDS, 0.0, 100, 100).spent.seconds == 43


def test_a_share_of_the_steps() -> None:
    assert schedule().play(1, SPEEDS, 0.0, 100, 100, share=0.5).spent.seconds == 1 + 20 + 2


def test_who_is_not_available_has_received_the_model_alone() -> None:
    played = schedule(devices(c={"available": 0.0})).play(1, SPEEDS, 0.0, 100, 100)
    assert (played.counted, played.dropped) == (["a", "b"], ["c"])
    assert (played.spent.seconds, played.spent.up, played.spent.down) == (23, 200, 300)
    assert played.spent.joules == 3 * (13 + 23 + 1)


def test_a_trace_says_who_is_there() -> None:
    """From second 5 on: a is there and has time, b is there and has not, c comes later."""
    known = devices(a={"windows": ((0, 4), (5, 18))}, b={"windows": ((5, 27.9),)}, c={"windows": ((100, 200),)})
    played = schedule(known).play(1, SPEEDS, 5.0, 100, 100)
    assert (played.counted, played.dropped, played.spent.seconds) == (["a"], ["b"], 13)
    # At second 30 nobody is there: the clock goes on to second 100, when c comes.
    played = schedule(known).play(2, SPEEDS, 30.0, 100, 100)
    assert (played.counted, played.spent.seconds) == (["c"], 70 + 43)
    # After second 200 nobody comes any more.
    played = schedule(known).play(3, SPEEDS, 300.0, 100, 100)
    assert (played.counted, played.spent.seconds, played.spent.down) == ([], 0, 0)


def test_all_drop_out() -> None:
    played = Schedule(lambda _: 10, dropouts=1.0).play(1, CLIENTS, 0.0, 1, 1)
    assert (played.counted, len(played.dropped), played.spent.seconds) == ([], 20, 0)


def test_trainings_outside_of_rounds() -> None:
    spent = schedule().trained({"a": 20, "b": 5}, {"a": 100, "b": 0})
    assert (spent.seconds, spent.up, spent.down, spent.joules) == (22, 100, 0, 3 * (22 + 10))


@given(seed=st.integers(0, 2**63), number=st.integers(1, 99), order=st.permutations(CLIENTS))
def test_who_is_asked_derives_from_seed_and_round(seed: int, number: int, order: list[str]) -> None:
    """Not from who else is named first; and without a client that was asked, one other is in its place."""
    half = Schedule(lambda _: 1, seed=seed, sample=0.5)
    asked = half.asked(number, CLIENTS)
    assert len(asked) == 10
    assert half.asked(number, order) == asked
    assert half.play(number, order, 0.0, 1, 1) == half.play(number, CLIENTS, 0.0, 1, 1)
    rest = [each for each in CLIENTS if each not in asked]
    assert half.asked(number, [*asked, *rest[1:]]) == asked
    assert half.asked(number, [*asked[1:], *rest])[:9] == asked[1:]


def test_rounds_and_seeds_ask_others() -> None:
    half = [Schedule(lambda _: 1, seed=seed, sample=0.5).asked(number, CLIENTS) for seed in (0, 1) for number in (1, 2)]
    assert len(set(map(tuple, half))) == 4
    everybody = {each for number in range(10) for each in Schedule(lambda _: 1, sample=0.5).asked(number, CLIENTS)}
    assert everybody == set(CLIENTS)


def test_equal_devices_draw_who_is_late() -> None:
    """Two of ten in each round, others in each; the round takes as long as with all."""
    rounds = [Schedule(lambda _: 1, sample=0.5, stragglers=0.2).play(number, CLIENTS, 0.0, 0, 0) for number in range(9)]
    assert all((len(each.counted), len(each.late), each.spent.seconds) == (8, 2, 1) for each in rounds)
    assert len({tuple(each.late) for each in rounds}) > 5


@pytest.mark.parametrize("dropouts", [0.0, 0.3])
def test_dropouts_are_about_as_many_as_they_should_be(dropouts: float) -> None:
    played = [Schedule(lambda _: 1, dropouts=dropouts).play(number, CLIENTS, 0.0, 0, 0) for number in range(100)]
    share = sum(len(each.dropped) for each in played) / 2000
    assert abs(share - dropouts) <= 0.03
