import json

from rich.console import Console

from fedsift.studies.bench.measurement import Measurement, Part, in_turn
from fedsift.studies.number_text import three_digits

PART = Part(
    "steps",
    [
        Measurement("ours", "time", "ms", (2.0, 4.0, 3.0)),
        Measurement("theirs", "time", "ms", (4.0, 4.0, 4.5)),
        Measurement("theirs", "memory", "MiB", (1234.5,)),
    ],
    notes=["a note"],
)


def shown(part: Part) -> str:
    console = Console(width=80)
    with console.capture() as captured:
        for each in (*part.tables(), *part.lines()):
            console.print(each)
    return captured.get()


def test_ratios_are_taken_within_a_round() -> None:
    """4/2, 4/4 and 4.5/3; their median is 1.5, where the ratio of the medians would be 1.33."""
    assert PART.ratios("theirs", "time") == (2.0, 1.0, 1.5)
    assert PART.ratios("theirs", "memory") == ()
    assert PART.ratios("ours", "time") == (1.0, 1.0, 1.0)


def test_the_table_has_medians_spread_and_ratios() -> None:
    text = shown(PART)
    for expected in ("3 (2 to 4)", "4 (4 to 4.5)", "x 1.50", "1,234", "a note", "ms", "MiB"):
        assert expected in text
    assert "x 1.00" not in text  # The first arm is not compared with itself.
    assert "x " not in shown(Part("steps", PART.measurements, compared=False))


def test_columns_that_do_not_fit_stand_in_further_tables() -> None:
    """No cell is broken, and every figure is there."""
    arms, quantities = ["fedsift, 100,000 clients", "theirs"], [f"quantity number {each}" for each in range(7)]
    values = {(arm, name): (float(place), 1e4 + place) for place, name in enumerate(quantities) for arm in arms}
    part = Part("title", [Measurement(*both, "ms", figures) for both, figures in values.items()], ["a note"])
    text = shown(part)
    assert max(map(len, text.splitlines())) <= 80
    assert text.count("title") == text.count("a note") == 1
    assert all(text.count(f" ({place} to 10,00{place})") == 2 for place in range(1, 7))
    assert text.count("fedsift, 100,000 clients") == len(part.tables()) > 1


def test_json_keeps_every_value() -> None:
    told = json.loads(json.dumps(PART.to_json()))
    assert [(each["arm"], each["median"], each["ratio"]) for each in told["measurements"]] == [
        ("ours", 3.0, 1.0),
        ("theirs", 4.0, 1.5),
        ("theirs", 1234.5, None),
    ]
    assert told["measurements"][0]["values"] == [2.0, 4.0, 3.0]


def test_figures_have_three_digits() -> None:
    numbers = {0.012345: "0.0123", 1.2345: "1.23", 99.94: "99.9", 100.4: "100", 12345.6: "12,346"}
    assert {each: three_digits(each) for each in numbers} == numbers


def test_every_arm_is_called_once_a_round_and_the_first_takes_turns() -> None:
    calls: list[str] = []

    def arm(name: str) -> int:
        calls.append(name)
        return len(calls)

    results = in_turn({name: lambda name=name: arm(name) for name in "abc"}, rounds=3, warm_up=1)  # type: ignore[misc]
    assert calls == list("cababcbcacab")
    assert results == {"a": [4, 9, 11], "b": [5, 7, 12], "c": [6, 8, 10]}
