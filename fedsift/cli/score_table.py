"""The scores of a run as people are shown them."""

import textwrap
from collections.abc import Collection, Iterator, Mapping

from rich.table import Table
from rich.text import Text

from fedsift.core.errors import counted
from fedsift.runs.result import RunResult
from fedsift.runs.scores import SCORES, MemberScores, NewcomerScores, Score, TextScores, three_places

_OWN_ROWS = "served, own rows"  # newcomers' alone


def score_table(result: RunResult) -> Table:
    """A row for each kind of score; after removals, those who stay and those who left have columns too."""
    rows = "rows that nobody trained on (held-out)" if result.held_out else "the rows trained on (held-in)"
    newcomers, alone_by = result.newcomers, result.members and result.members.alone_by
    scored = max((len(score.per_client) for score in result.scores.values()), default=0)
    members = counted(result.clients, "member")
    of_members = members if scored >= result.clients else f"{scored} of {members}"
    who = f"{of_members}, {counted(_scored(newcomers), 'newcomer')}"
    table = Table(title=f"mean {result.metric} on {rows}\n{who}; in brackets 95% over clients")
    table.add_column("model")
    after = result.scores_after_removal
    removed = () if after is None else ("members after", "leavers after")
    for column in ("members", "newcomers", *removed):
        table.add_column(column, justify="right")
    leavers = {removal.client for removal in result.removals if removal.client is not None}
    for kind, title in [*SCORES.items(), ("served_own_rows", _OWN_ROWS)]:
        score, others = result.scores.get(kind), newcomers and getattr(newcomers, kind, None)
        if score is None and others is None:
            continue
        cells = [f"alone: {title}" if kind == alone_by else title, str(score or "-"), str(others or "-")]
        if after is not None:
            later = after[kind].per_client if kind in after else {}
            cells += [_mean_of(later, later.keys() - leavers), _mean_of(later, leavers)]
        table.add_row(*cells)
    return table


def score_lines(result: RunResult) -> list[Text]:
    """Who gains and who loses by what is served, and scores that have no row."""
    shown = []
    members, newcomers = result.members, result.newcomers
    if members and members.alone and members.served:
        compared = _counted(members.better_than_alone, members.worse_than_alone, members.served, members.alone)
        shown.append(Text(f"gain     members: {compared} alone ({_alone(members)})"))
    if newcomers and newcomers.zero_shot and newcomers.served:
        compared = _counted(
            newcomers.better_than_zero_shot, newcomers.worse_than_zero_shot, newcomers.served, newcomers.zero_shot
        )
        shown.append(Text(f"{'' if shown else 'gain':<8} newcomers: {compared} zero-shot"))
    shown += [*_text_lines("members", result.text), *_text_lines("newcomers", result.text_of_newcomers)]
    if members and members.held_in:
        told = {"local": members.held_in.local, "served": members.held_in.served}
        parts = [f"{kind} {three_places(score.mean)}" for kind, score in told.items() if score]
        shown.append(Text(f"held-in  {', '.join(parts)}, on the rows that members trained on"))
    before, after = result.scores.get("served"), (result.scores_after_removal or {}).get("served")
    leavers = {removal.client for removal in result.removals if removal.client is not None}
    if before and after and leavers & before.per_client.keys():
        was, now = _mean_of(before.per_client, leavers), _mean_of(after.per_client, leavers)
        shown.append(Text(f"leavers  served {was} as members, {now} after"))
    return shown


def _text_lines(who: str, text: TextScores | None) -> Iterator[Text]:
    """Likelihood, perplexity and ROUGE-L of language modelling, within 80 columns."""
    if text is None:
        return
    told = {
        "nll": ("a token", {kind: f"{score.mean:.4g}" for kind, score in text.nll.items()}),
        "perplex.": ("", {kind: f"{value:.4g}" for kind, value in text.perplexity.items()}),
        "rouge-l": ("generated", {kind: three_places(score.mean) for kind, score in text.rouge_l.items()}),
    }
    for title, (what, values) in told.items():
        if values:
            parts = [f"{SCORES.get(kind, _OWN_ROWS)} {value}" for kind, value in values.items()]
            line = f"{title:<8} {who}{what and f', {what}'}: {', '.join(parts)}"
            yield from map(Text, textwrap.wrap(line, 80, subsequent_indent=" " * 9))


def warning_lines(result: RunResult) -> list[Text]:
    """Whether members are worse off than alone in the mean, with what they are served in the end, and a way out."""
    members = result.members_after_removal or result.members
    newcomers = result.newcomers_after_removal or result.newcomers
    if not members or not members.served or not members.alone or round(members.lost, 3) == 0:
        return []
    told = (
        f"warning: members are worse off than alone by {three_places(members.lost)} in the mean: served "
        f"{three_places(members.served.mean)}, {_alone(members)} {three_places(members.alone.mean)}; worse off are "
        f"{members.worse_than_alone:,} of {counted(len(members.served.per_client), 'member')}"
    )
    if newcomers and newcomers.zero_shot:
        told += f", and {newcomers.worse_than_zero_shot:,} of {counted(_scored(newcomers), 'newcomer')} than zero-shot"
    head = "--no-shared-head, " if "shared_head" in result.scores else ""
    return [Text(told, "bold red"), Text(f"try      {head}fewer or more --steps, or more rows a client", "yellow")]


def _scored(newcomers: NewcomerScores | None) -> int:
    """How many newcomers have a score."""
    return len(newcomers.served.per_client) if newcomers and newcomers.served else 0


def _alone(members: MemberScores) -> str:
    return SCORES[members.alone_by] if members.alone_by else ""


def _counted(better: int, worse: int, served: Score, other: Score) -> str:
    both = served.per_client.keys() & other.per_client.keys()
    return f"{better} better, {worse} worse, {len(both) - better - worse} equal to"


def _mean_of(per_client: Mapping[str, float], clients: Collection[str]) -> str:
    values = [per_client[client] for client in sorted(clients) if client in per_client]
    return three_places(sum(values) / len(values)) if values else "-"
