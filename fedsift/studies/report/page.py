"""The page: sections of figures and tables in one file that needs nothing else."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from fedsift.core.errors import counted
from fedsift.studies.report.drawing import Drawn, Figure
from fedsift.studies.report.observers import OURS
from fedsift.studies.report.outcome import Outcome
from fedsift.studies.report.summary import Summary, difference_attack
from fedsift.studies.report.table import Table

_HERE = Path(__file__).parent


@dataclass(frozen=True)
class _Section:
    """A part of the page: some words, then the figure of its name, then tables."""

    name: str
    tables: tuple[str, ...]
    words: tuple[str, ...] = ()
    title: str = ""  # as the name for none


_SECTIONS = (
    _Section("timeline", ("events", "steps")),
    _Section(
        "scores",
        ("scores",),
        (
            "What clients score with what they are served, members with their own part in it, newcomers and leavers "
            "without one; beside it the base model, and the best that members can have alone: their own tuned model, "
            "their own head or their most frequent label. A change for stayers is the score now less the score after "
            "the merge.",
        ),
    ),
    _Section(
        "costs",
        ("costs_in_all", "costs", "on_clock"),
        (
            "Client trainings that it takes to remove clients, and to let them join again, added up; the merge, which "
            f"every method begins with, is left out. Those of {OURS} were counted in this run; those of the other "
            "methods follow from the number of members, as if nothing were ever refused. On the virtual clock stand, "
            "where rounds were asked for, methods that train from scratch in rounds for each change; that follows from "
            "the schedule of the rounds, and nothing was trained for it.",
        ),
    ),
    _Section(
        "attacks",
        ("membership", "memory", "relearning", "canaries", "reconstruction"),
        (
            "Can the data of those who left be told from data that were never there? Each attack is made on the state "
            "before they left, on the state after, and on that of the run which they never joined: that is what each "
            "figure is held against, since the leavers' data may be easier or harder than others' for a model that "
            "never had them. A difference counts whatever its sign. AUC is the share of pairs in which an example of "
            "theirs looks more like a member's than one of others'; TPR at FPR is the share of the leavers' data found "
            "while that share of others' is accused (of fewer than 1,000 others, or 100 for 1%, none may be).",
            "Metrics of memory ask a model for the leavers' answers: how likely each is, what it says by itself, how "
            "much of an answer it goes on with by heart, and how likely wrong ones are beside it. All lie between 0 "
            "and 1; a truth ratio falls where rows are remembered, the others rise. Utility is what is left for those "
            "who stay and those who never joined.",
            "Reconstruction is of one who stays: all others have their own data, and what is published. They can do it "
            "whether anybody leaves or not; where more comes out after a removal than in the run which the leavers "
            "never joined, the removal told of those who stay.",
        ),
    ),
    _Section(
        "storage",
        ("storage",),
        (
            "Counted for all methods by their formulas: models of four bytes a parameter, and masks of a bit a "
            "parameter. Where there is a shared head, its sums are counted with the methods that serve it. What the "
            "server and the clients of this run keep, as measured, stands under The run.",
        ),
    ),
    _Section(
        "removals",
        ("removals",),
        (
            "BIT_EXACT: the rerun had the digest that was merged, and was subtracted. REBUILT: all who stayed trained "
            "again. REFUSED: nothing was changed. Steps retrained are those of the rerun, also where it was refused "
            "(the certificate then has 0). A certificate lies beside this page.",
        ),
    ),
    _Section("run", ("overview", "configuration", "environment"), title="The run"),
)


def page(outcome: Outcome, summary: Summary, tables: Mapping[str, Table], figures: Mapping[Figure, Drawn]) -> str:
    """report.html: no scripts, nothing loaded, everything that a user wrote escaped."""
    environment = Environment(
        loader=FileSystemLoader(_HERE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    by_name = {
        figure.name: {"title": figure.title, "svg": Markup(forms.page_wide + forms.page_narrow)}
        for figure, forms in figures.items()
    }
    words = {section.name: list(section.words) for section in _SECTIONS}
    if outcome.result.attacks:
        words["attacks"].append(difference_attack(outcome.result.attacks))
    if outcome.refused_reruns:
        reruns = counted(outcome.refused_reruns, "refused rerun is", "refused reruns are")
        words["costs"].append(f"{reruns} among the trainings of {OURS}; the other methods are charged for none.")
    return environment.get_template("page.html.j2").render(
        scenario=outcome.result.scenario,
        summary=summary,
        sections=[section for section in _SECTIONS if any(name in tables for name in section.tables)],
        words=words,
        figures=by_name,
        tables=tables,
        style=Markup((_HERE / "style.css").read_text(encoding="utf-8")),
    )
