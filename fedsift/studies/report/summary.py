"""The outcome in words: what a reader has to know first."""

from dataclasses import dataclass
from typing import Any

from rich.filesize import decimal

from fedsift.core.errors import counted
from fedsift.runs.scores import decimals
from fedsift.studies.optout.scenario_result import Proof
from fedsift.studies.report.observers import observers
from fedsift.studies.report.outcome import Outcome
from fedsift.studies.report.table import human_change, last_line

_NAMED = 5  # clients; the others are counted


@dataclass(frozen=True)
class Summary:
    """What stands at the top of the page."""

    verdict: str  # of the outcome
    headline: str  # the verdict for people, where it is not a plain "proven", with what follows from it in `warnings`
    warnings: list[str]  # sentences on what did not come about
    still_in: list[str]  # who asked to leave and is part of the server's state all the same, and why
    lead: str  # who left, what the server's state is, what it cost
    points: list[str]  # more of it, a paragraph each

    @property
    def sentences(self) -> list[str]:
        """All of it, in the order in which it is read."""
        return [*filter(None, [self.headline, *self.warnings, *self.still_in, self.lead, *self.points])]


def summarise(outcome: Outcome) -> Summary:
    """The outcome in words."""
    points = [*observers(outcome), _checks(outcome), _cost(outcome), _scores(outcome), _storage(outcome)]
    return Summary(
        verdict=outcome.verdict,
        headline=_headline(outcome),
        warnings=_warnings(outcome),
        still_in=listed([f"{client}: {last_line(why)}" for client, why in outcome.still_in.items()]),
        lead=" ".join(filter(None, (_who_left(outcome), _state(outcome), _price(outcome)))),
        points=[point for point in points if point],
    )


def difference_attack(attacks: dict[str, Any]) -> str:
    """What comes of subtracting two states, in words."""
    difference = attacks["difference"]
    return (
        "Who holds the server's state before a removal and the state after it can subtract one from the other: here "
        f"this gave back {difference['recovered_share']:.1%} of the leaver's contribution ({difference['verdict']}). "
        "Of a single removal it must succeed, since what an exact removal takes away is that contribution and nothing "
        "else. So two states are never published, and several clients are removed as one batch where that can be."
    )


def _headline(outcome: Outcome) -> str:
    if outcome.verdict == Proof.NOT_PROVEN:
        return "Not proven: the server's state is not shown to be that of the run without those who left."
    if outcome.verdict == Proof.REFUSED:
        number = len(outcome.refusals)
        removals = counted(number, "removal was", "removals were") if number else "removals were"
        return f"Incomplete: {removals} refused."
    if outcome.still_in:
        number = len(outcome.still_in)
        return (
            f"Incomplete: {counted(number, 'client that asked to leave has', 'clients that asked to leave have')} not."
        )
    return ""


def _warnings(outcome: Outcome) -> list[str]:
    warnings = []
    if outcome.differing:
        steps = ", ".join(listed([str(step) for step in outcome.differing]))
        after = "step" if len(outcome.differing) == 1 else "steps"
        warnings.append(f"After {after} {steps} the state differs from the oracle's: no removal up to there is shown.")
    elif outcome.verdict == Proof.NOT_PROVEN:
        warnings.append("The run itself says so, although no single step tells of a difference.")
    if outcome.verdict == Proof.NOT_PROVEN and outcome.refusals:
        warnings.append(f"Besides, {counted(len(outcome.refusals), 'removal was', 'removals were')} refused.")
    if outcome.still_in:
        number = counted(len(outcome.still_in), "client that asked to leave is", "clients that asked to leave are")
        warnings.append(f"{number} still part of the server's state:")
    elif outcome.refusals:
        warnings.append("All of them were removed when they asked again.")
    return warnings


def _who_left(outcome: Outcome) -> str:
    everybody = outcome.result.clients + len(outcome.joined_later)
    left = len(outcome.left)
    parts = [f"{left:,} of {counted(everybody, 'client', 'clients')} left."]
    if left == 0:
        parts = [f"None of {counted(everybody, 'client', 'clients')} left."]
    elif left == everybody > 1:
        parts = [f"All {everybody:,} clients left."]
    if outcome.came_back:
        parts.append(f"{len(outcome.came_back):,} of them came back.")
    if outcome.joined_later:
        new = counted(len(outcome.joined_later), "new client", "new clients")
        parts.append(f"{new} joined after the merge.")
    return " ".join(parts)


def _state(outcome: Outcome) -> str:
    members = outcome.steps[-1].members
    if not outcome.left and not outcome.joined_later:
        return f"Nothing was subtracted: the server still holds all {members:,}."
    isnt = "is not shown to be" if outcome.verdict == Proof.NOT_PROVEN else "is"
    if outcome.gone and not outcome.came_back and not outcome.joined_later:
        run = f"the run without {'it' if len(outcome.gone) == 1 else 'them'}" if members else "the run without members"
    else:
        run = f"the run of the {counted(members, 'client that is a member', 'clients that are members')} now alone"
    return f"The server {isnt} byte for byte {run}."


def _price(outcome: Outcome) -> str:
    ours, everybody = outcome.steps_retrained, outcome.steps_of_everybody
    if not outcome.left:
        return ""
    text = counted(ours, "optimiser step", "optimiser steps")
    if outcome.steps_of_refused:
        text += f", {outcome.steps_of_refused:,} of them in refused reruns,"
    if ours < everybody:
        return f"{text} instead of {everybody:,}."
    return f"{text.removesuffix(',')}; training all others again would have taken {everybody:,}."


def _checks(outcome: Outcome) -> str:
    full = sum(step.same_as_full is not None for step in outcome.steps)
    number = len(outcome.steps)
    every = "the merge" if number == 1 else f"each of the scenario's {number} steps, the merge included"
    text = (
        f"The state's digest was compared, after {every}, with that of sums to which the members, trained anew, were "
        "only ever added"
    )
    run = "that of a whole federation of exactly these members"
    if full == len(outcome.steps):
        text += f", and with {run}"
    elif full:
        text += f"; and, after {full} of them, with {run}"
    if outcome.differing:
        return f"{text}. It differed after {len(outcome.differing)} of them."
    return f"{text}. It was the same each time." if outcome.verdict != Proof.NOT_PROVEN else f"{text}."


def _cost(outcome: Outcome) -> str:
    ours, everybody = outcome.steps_retrained, outcome.steps_of_everybody
    if not 0 < ours < everybody:
        return ""
    return (
        f"A removal retrains the one who leaves: {counted(ours, 'optimiser step', 'optimiser steps')} in all. "
        f"Had everybody who stayed trained again after each removal or batch, that would have been {everybody:,}, "
        f"{everybody / ours:,.{0 if everybody > 10 * ours else 1}f} times as many."
    )


def _scores(outcome: Outcome) -> str:
    # Up to the last step in which there were members to score.
    scored = [(step.step, step.scores) for step in outcome.steps if step.scores and step.scores.members is not None]
    if not scored:
        return ""
    (_, first), (number, last) = scored[0], scored[-1]
    when = "at the end" if outcome.steps[-1].members else f"after step {number:,}"
    metric = outcome.result.metric
    scored_on = "rows that nobody trained on" if outcome.result.held_out else "the rows trained on (held-in)"
    assert last.members is not None and first.members is not None and last.worst_decile is not None
    parts = [f"On {scored_on}, members' mean {metric} is {decimals(last.members)}"]
    if len(scored) > 1:
        parts[0] += f" {when} ({decimals(first.members)} at first)"
    parts.append(f"{decimals(last.worst_decile)} in the worst tenth of them")
    if last.alone is not None:
        better, worse = last.better_than_alone, last.worse_than_alone
        gain = f"{counted(better, 'is', 'are')} better off than that, {worse} worse"
        parts.append(f"{decimals(last.alone)} if each were alone ({gain})")
    if last.zero_shot is not None:
        parts.append(f"{decimals(last.zero_shot)} with the base model")
    if last.leavers is not None:
        parts.append(f"{decimals(last.leavers)} for those who left")
    if last.newcomers is not None:
        parts.append(f"{decimals(last.newcomers)} for clients that never joined")
    text = ", ".join(parts) + "."
    mean, worst = last.stayers_change_mean, last.stayers_change_worst
    if len(scored) > 1 and mean is not None and worst is not None:
        changes = human_change(mean), human_change(worst)
        text += " For those who stayed it changed by {} in the mean, and by {} for the worst of them.".format(*changes)
    return text


def _storage(outcome: Outcome) -> str:
    result = outcome.result
    return (
        f"The server keeps {decimal(result.server_bytes)}, a client {decimal(round(result.mask_bytes_mean))}; an "
        f"upload has {decimal(round(result.upload_bytes_mean))} in the mean, "
        f"{result.upload_bytes_mean / result.dense_bytes:.1%} of the "
        f"{decimal(result.dense_bytes)} of a dense one."
    )


def listed(names: list[str]) -> list[str]:
    """The first names, and how many more there are."""
    more = len(names) - _NAMED
    return names if more <= 0 else [*names[:_NAMED], f"and {more:,} more"]
