"""What an opt-out report says in words, worked out by hand."""

from fedsift.studies.report.summary import summarise
from fedsift.studies.report.tables import all_tables, events
from tests.studies.report.results import one_refused, outcome_of, played, step, three_of_a_hundred, to_the_last


def test_summary_of_three_who_left() -> None:
    """After the first removal 99 stay, after the batch 97: 196 trainings of 20 steps; ours are 3 of 20."""
    summary = summarise(outcome_of(three_of_a_hundred()))
    lead = (
        "3 of 100 clients left. The server is byte for byte the run without them. 60 optimiser steps instead of 3,920."
    )
    assert summary.lead == lead
    assert (summary.verdict, summary.headline, summary.warnings) == ("proven", "", [])
    points = " ".join(summary.points)
    assert "65 times as many" in points
    assert (
        "On rows that nobody trained on, members' mean answer probability is 0.987 at the end (0.988 at first)"
        in points
    )
    assert "0.975 if each were alone (48 are better off than that, 9 worse), 0.107 with the base model" in points
    assert "changed by -0.001 in the mean, and by -0.002" in points


def test_rows_that_were_trained_on_are_said_to_be() -> None:
    points = " ".join(summarise(outcome_of(three_of_a_hundred() | {"held_out": False})).points)
    assert "On the rows trained on (held-in), members' mean" in points


def test_summary_of_one_batch_of_five_hundred() -> None:
    lead = summarise(outcome_of(played(500, [["a", "b", "c"]]))).lead
    assert lead.startswith("3 of 500 clients left.")
    assert lead.endswith("60 optimiser steps instead of 9,940.")


def test_summary_to_the_last() -> None:
    """59 + 58 + ... + 0 = 1,770 trainings of 20 steps."""
    summary = summarise(outcome_of(to_the_last()))
    assert summary.lead == (
        "All 60 clients left. The server is byte for byte the run without members. "
        "1,200 optimiser steps instead of 35,400."
    )
    assert "is 0.976 after step 59 (0.988 at first), 0.922 in the worst tenth of them" in " ".join(summary.points)


def test_who_comes_back_and_who_is_new() -> None:
    told = three_of_a_hundred()
    told["steps"].append(step(3, 99, 3, [], {}, True) | {"joined": ["person-0042", "new"]})
    told["costs"] = {}
    outcome = outcome_of(told)
    assert outcome.gone == ["person-0007", "person-0099"]
    assert (outcome.came_back, outcome.joined_later) == (["person-0042"], ["new"])
    assert summarise(outcome).lead.startswith(
        "3 of 101 clients left. 1 of them came back. 1 new client joined after the merge. "
        "The server is byte for byte the run of the 99 clients that are members now alone."
    )


def test_who_comes_back_is_not_said_to_be_new() -> None:
    told = three_of_a_hundred()
    told["steps"].append(step(3, 99, 3, [], {}, True) | {"joined": ["person-0042", "new"]})
    rows = events(outcome_of(told)).rows
    assert [row[:3] for row in rows[-2:]] == [(3, "person-0042", "came back"), (3, "new", "joined")]


def test_refused_reruns_are_counted_the_same_everywhere() -> None:
    """20 steps each of two who left and of one who was refused."""
    outcome = outcome_of(one_refused())
    tables = all_tables(outcome)
    assert sum(tables["removals"].column("steps_retrained")) == sum(tables["steps"].column("steps_retrained")) == 60
    in_numbers = dict(tables["overview"].rows)
    assert (in_numbers["optimiser steps retrained"], in_numbers["of them, in refused reruns"]) == (60, 20)
    assert summarise(outcome).lead.endswith("60 optimiser steps, 20 of them in refused reruns, instead of 3,940.")
    assert tables["costs"].column("SIFT-Masks")[-1] == sum(tables["steps"].column("trainings")[1:]) == 3


def test_what_the_scenario_planned_stands_beside_the_refusal() -> None:
    tables = all_tables(outcome_of(one_refused()))
    for name in ("events", "removals"):
        assert tables[name].column("planned") == ["", "", "data-changed"], name


def test_refused_and_then_removed() -> None:
    told = one_refused()
    told["steps"].append(step(3, 97, 3, ["person-0099"], {}, True))
    summary = summarise(outcome_of(told))
    assert summary.headline == "Incomplete: 1 removal was refused."
    assert summary.warnings == ["All of them were removed when they asked again."]


def test_the_worse_verdict_holds() -> None:
    """What the steps tell counts, even where the file claims better; and the other way round."""
    claimed = three_of_a_hundred(differing=1) | {"verdict": "proven"}
    assert outcome_of(claimed).verdict == "not proven"
    assert outcome_of(one_refused() | {"verdict": "proven"}).verdict == "refused"
    assert summarise(outcome_of(three_of_a_hundred() | {"verdict": "not proven"})).headline.startswith("Not proven")


def test_who_was_away_is_still_in() -> None:
    told = three_of_a_hundred()
    told["steps"][2] |= {"asked": ["person-0042", "person-0099", "gone-fishing"], "offline": ["gone-fishing"]}
    summary = summarise(outcome_of(told))
    assert summary.headline == "Incomplete: 1 client that asked to leave has not."
    assert summary.warnings == ["1 client that asked to leave is still part of the server's state:"]
    assert summary.still_in == ["gone-fishing: it was away"]
