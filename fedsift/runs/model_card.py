"""README.md of an exported model: what it is, how to use it, and where it comes from."""

import json
import re
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from fedsift.configuration.run_config import RunConfig
from fedsift.core.errors import counted, visible
from fedsift.core.ledger import Ledger
from fedsift.data.kinds import kind_of
from fedsift.data.template import Template
from fedsift.runs.card_code import card_code
from fedsift.runs.run_folder import RunFolder
from fedsift.runs.scores import SCORES, Score, three_places
from fedsift.runs.served import Served

_MARKS = re.compile(r"[\\`*_\[\]<>|&#~]")
_OPTIONS = (
    *("model", "task", "tune", "lora-rank", "dtype", "steps", "lr", "batch-size", "levels", "localise"),
    *("messages", "chat", "system", "max-length", "merge-scale", "shared-head", "test-share", "seed"),
)
_PACKAGES = ("fedsift", "torch", "transformers", "peft", "safetensors", "numpy")


def model_card(
    folder: RunFolder, config: RunConfig, client_id: str | None, served: Served, is_encoder_decoder: bool
) -> str:
    """The card, in Markdown with a front matter in YAML. Nobody is named in it but the member whose model it is."""
    template = kind_of(config.dataset).template(config)
    use = _use(config, template, served, is_encoder_decoder)
    parts = [_front_matter(config), _what(folder, client_id, served), use]
    return "\n".join([*parts, *_origin(folder, config, template, served), *_scores(folder, client_id)])


def _front_matter(config: RunConfig) -> str:
    lines = ["---"]
    if not config.is_custom:
        lines += [f"library_name: {'peft' if config.lora_rank else 'transformers'}"]
        if config.model != "people" and not Path(config.model).exists():
            lines += [f"base_model: {json.dumps(config.model)}"]
    return "\n".join([*lines, "tags:", "- fedsift", "- federated-learning", "---", ""])


def _what(folder: RunFolder, client_id: str | None, served: Served) -> str:
    if client_id is None:
        return (
            "# A merged model\n\nWhat everybody is served who is no member of the federation of "
            f"{_plain(folder.path.resolve().name)}.\n\n"
            "**This copy is outside the run.** It is made of what the members of its day contributed. A removal does "
            "not reach it: when a member has left, delete it by hand and export anew.\n"
        )
    also = " and its head, with its own rows on top" if served.head else ""
    return (
        f'# The model of member "{_plain(client_id)}"\n\nWhat this member of the federation of '
        f"{_plain(folder.path.resolve().name)} is served: its own model{also}.\n\n"
        "**This copy is outside the run.** `fedsift forget` deletes what the run has of a member; it does not reach "
        "this folder: after the member left, delete it by hand. It gives the member's rows away.\n"
    )


def _use(config: RunConfig, template: Template | None, served: Served, is_encoder_decoder: bool) -> str:
    code = card_code(config, template, is_encoder_decoder, served.head is not None)
    head = ""
    if served.head is not None:
        head = (
            "\nThe base model makes the features of the head (`head.safetensors`, `head.json`); the other is tuned. "
            "Served is the blend of both.\n"
        )
    needs = "With your task's module where Python finds it" if config.is_custom else "Without fedsift"
    return f"## Use\n\n{needs}:\n\n```python\n{code}```\n{head}"


def _origin(folder: RunFolder, config: RunConfig, template: Template | None, served: Served) -> Iterator[str]:
    with Ledger.open(folder.ledger, read_only=True) as ledger:
        members, receipts = len(ledger.members()), [receipt.body for receipt in ledger.receipts()]
    options = config.to_mapping()
    made = {"prompt": template.prompt, "target": template.target} if template else {"prompt": "as in your rows"}
    yield "## Where it comes from\n\n| | |\n| --- | --- |"
    yield f"| run | {_plain(folder.path.resolve().name)}, {counted(members, 'member')} |"
    yield f"| state digest | `{served.state_digest}` |"
    yield f"| profile of reproducibility | {config.profile} |"
    yield from (f"| {name} | {_cell(value)} |" for name, value in made.items())
    if config.is_custom:
        del options["model"]  # The task makes its own.
    yield from (f"| {name} | {_cell(options[name])} |" for name in _OPTIONS if options.get(name, "") != "")
    yield f"| versions | {', '.join(_versions())} |"
    yield "\nRemovals so far, by the number of their receipt: " + (
        ", ".join(f"{body.number} {body.verdict}" for body in receipts) + ".\n" if receipts else "none.\n"
    )


def _scores(folder: RunFolder, client_id: str | None) -> Iterator[str]:
    """A member's scores beside the members' means, or for who is no member the newcomers' means."""
    if (result := folder.read_result()) is None:
        return
    rows = "rows that nobody tuned on" if result.held_out else "the rows that members tuned on"
    yield f"## Scores\n\n{result.metric}, on {rows}:\n"
    if client_id is None:
        yield "| | newcomers, mean and 95% interval |\n| --- | --- |"
        newcomers = result.newcomers_after_removal or result.newcomers
        found = vars(newcomers).items() if newcomers else ()
        yield from (f"| {kind} | {score} |" for kind, score in found if isinstance(score, Score))
    else:
        yield "| | this member | members, mean and 95% interval |\n| --- | --- | --- |"
        for kind, score in (result.scores_after_removal or result.scores).items():
            own = score.per_client.get(client_id)
            yield f"| {SCORES[kind]} | {'' if own is None else three_places(own)} | {score} |"
    yield ""


def _cell(value: object) -> str:
    return _plain(str(value))


def _plain(text: str) -> str:
    """A text in Markdown that is nothing but text."""
    return _MARKS.sub(r"\\\g<0>", visible(text))


def _versions() -> Iterator[str]:
    for name in _PACKAGES:
        try:
            yield f"{name} {version(name)}"
        except PackageNotFoundError:  # peft is an extra.
            continue
