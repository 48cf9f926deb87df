"""Rows as turns of a chat template: what is asked, what is learnt, and where the one ends and the other begins."""

from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from fedsift.core.errors import BadInput
from fedsift.core.examples import Example
from fedsift.learning.model_settings import ModelSettings
from fedsift.learning.models import load_model
from fedsift.learning.tasks.rendering import ChatTurns
from tests.models import ALPHABET, EOS, save_model

TURN = "{{ m.role }}: {{ m.content }}<eos>\n"
OPENS = "{% if add_generation_prompt %}assistant: {% endif %}"
HELLO = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "yo"}]


def each_turn(turn: str, after: str = OPENS) -> str:
    return "{% for m in messages %}" + turn + "{% endfor %}" + after


def chat(template: str | None, merges: bool = False, system: str = "") -> ChatTurns:
    """With one token a byte; with merges, two line feeds are one."""
    vocabulary = {token: index for index, token in enumerate([*ALPHABET, *["ĊĊ"] * merges])}
    tokenizer = Tokenizer(models.BPE(vocabulary, merges=[("Ċ", "Ċ")] * merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<eos>")
    fast.chat_template = template
    return ChatTurns(fast, system, "mine")


def rendered(turns: ChatTurns, row: Any, *answers: str) -> tuple[str, list[str]]:
    prompt, targets = turns.tokens(row, answers)
    decode = turns._tokenizer.decode
    return decode(prompt), [decode(target) for target in targets]


@pytest.mark.parametrize(
    ("template", "asked", "learned"),
    [
        (each_turn(TURN), "user: hi<eos>\nassistant: ", "yo<eos>"),  # The line feed after the end is nobody's.
        (each_turn(TURN, OPENS + "{% if not add_generation_prompt %}<eos>{% endif %}"), ..., "yo<eos>"),
        (each_turn("{{ m.role }}: {{ m.content }}\n"), "user: hi\nassistant: ", "yo<eos>"),  # none, so the model's own
        (each_turn("{{ m.role }}: {{ m.content }} ###\n"), "user: hi ###\nassistant: ", "yo ###"),
        (each_turn("{{ m.role }}: {% if loop.last %}<t></t>{% endif %}{{ m.content }}<eos>"), ..., "<t></t>yo<eos>"),
        (each_turn("{{ m.role }}: {{ m.content|trim }}<eos>"), "user: hi<eos>assistant: ", "yo<eos>"),
        (
            each_turn(TURN, "{% if add_generation_prompt %}assistant:{% endif %}"),
            "user: hi<eos>\nassistant:",
            " yo<eos>",
        ),
    ],
)
def test_a_turn_ends_with_its_own_end(template: str, asked: str, learned: str) -> None:
    if "<t>" in template:  # Only the last turn has it, and the user's is the last one in a prompt.
        template = template.replace("loop.last", "m.role == 'assistant'")
    found, targets = rendered(chat(template), HELLO)
    assert targets == [learned]
    assert asked is ... or found == asked


def test_pairs_conversations_and_the_system() -> None:
    turns = chat(each_turn(TURN), system="be brief")
    prompt = "system: be brief<eos>\nuser: hi<eos>\nassistant: "
    assert rendered(turns, HELLO) == (prompt, ["yo<eos>"])
    assert rendered(turns, Example("hi", " yo")) == (prompt, ["yo<eos>"])
    assert rendered(turns, ("hi", " yo"), "a", "bc") == (prompt, ["a<eos>", "bc<eos>"])
    longer = [{"role": "system", "content": "own"}, *HELLO, *HELLO, {"role": "user", "content": "left out"}]
    asked = "system: own<eos>\nuser: hi<eos>\nassistant: yo<eos>\nuser: hi<eos>\nassistant: "
    assert rendered(turns, longer) == (asked, ["yo<eos>"])
    assert turns.answer(longer) == "yo"


def test_the_date_is_the_same_every_day() -> None:
    template = "{% if strftime_now is defined %}{{ strftime_now('%d %b %Y') }}{% endif %}" + each_turn(TURN)
    assert rendered(chat(template), HELLO)[0].startswith("26 Jul 2024user: hi")


@pytest.mark.parametrize(
    ("template", "told"),
    [
        (None, "model 'mine' has no chat template; give a model that was tuned to chat"),
        ("", "has no chat template"),
        ("{% for m in messages %}", r"fails on \[.*\]: Unexpected end of template"),
        ("{{ raise_exception('roles must alternate') }}", "fails on .*: roles must alternate"),
        (each_turn(TURN, "{% if add_generation_prompt %}assistant: <think>{% endif %}"), "breaks the border .*<think>"),
        (each_turn("{{ m.role }}: <eos>"), "breaks the border"),  # It leaves out what is said.
        ("{{ messages|length }}" + each_turn(TURN), "breaks the border"),
    ],
)
def test_templates_that_will_not_do(template: str | None, told: str) -> None:
    with pytest.raises(BadInput, match=told) as caught:
        chat(template)
    assert "\n" not in str(caught.value)


def test_a_token_across_the_border() -> None:
    """Where prompt and answer meet, two line feeds become one token: nobody would be asked what was learnt."""
    turns = chat(each_turn(TURN, "{% if add_generation_prompt %}assistant:\n{% endif %}").replace(": ", ":\n"), True)
    assert rendered(turns, HELLO) == ("user:\nhi<eos>\nassistant:\n", ["yo<eos>"])
    with pytest.raises(BadInput, match=r"not the first ones where '.nyo' follows; begin the answer without white"):
        turns.tokens([HELLO[0], {"role": "assistant", "content": "\nyo"}])


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ([{"role": "user"}], "turn 1 .* has no text as its content"),
        ([{"content": "x"}], "has no text as its role"),
        ([HELLO[0], {"role": "assistant", "content": ["parts"]}], "turn 2 .* has no text as its content"),
        ([HELLO[0]], "no turn of the assistant's that follows"),
        (HELLO[1:], "no turn of the assistant's that follows"),
        ([*HELLO, {"role": "user", "content": "\ud800"}], "turn 3 .* no valid Unicode at character 1"),
        ([], "no pair"),
        ("text", "no pair"),
    ],
)
def test_rows_that_are_no_conversation(row: Any, told: str) -> None:
    with pytest.raises(BadInput, match=told):
        chat(each_turn(TURN)).tokens(row)


def test_a_model_learns_its_own_turns(tmp_path: Path) -> None:
    """Language modelling and choices, each cut to fit; without a chat, a conversation is no row."""
    with pytest.raises(BadInput, match="has no chat template"):
        load_model(ModelSettings(model=str(save_model(tmp_path / "plain", "gpt2")), chat=True))
    folder = save_model(tmp_path / "chat", "gpt2", chat=True)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    settings = {"model": str(folder), "max_length": 32}
    _, modelling = load_model(ModelSettings(**settings, chat=True))
    row = modelling.encode(HELLO)
    assert tokenizer.decode(row.ids) == "[user]hi<eos>[assistant]yo<eos>"
    assert row.ids[-row.targets :] == [*tokenizer("yo").input_ids, EOS]
    told = modelling.describe([{"role": "user", "content": "o" * 40}, HELLO[1]])
    assert (told.tokens, told.cut, told.target, told.learned) == (32, 61 - 32, "yo<eos>", ["y", "o", "<eos>"])
    assert told.prompt.startswith("[user]ooo") and told.prompt.endswith("o<eos>[assistant]")
    _, choices = load_model(ModelSettings(**settings, chat=True, choices=("yo", "no")))
    rows, answer = choices.encode(HELLO)
    assert ([tokenizer.decode(each.ids[-each.targets :]) for each in rows], answer) == (["yo<eos>", "no<eos>"], 0)
    with pytest.raises(BadInput, match=r"is a conversation, .* give --chat"):
        load_model(ModelSettings(**settings))[1].encode(HELLO)
    with pytest.raises(BadInput, match="has an encoder and a decoder; chat is for causal models"):
        load_model(ModelSettings(model=str(save_model(tmp_path / "t5", "t5")), chat=True))


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"system": "be brief"}, "system is the first turn of a chat: give --chat"),
        ({"chat": True, "task": "classification", "choices": ("a", "b")}, "chat belongs to --task language-modelling"),
        ({"chat": True, "task": "my:task"}, "chat belongs to a transformers model"),
    ],
)
def test_options_that_exclude_each_other(options: dict[str, Any], told: str) -> None:
    with pytest.raises(BadInput, match=told):
        ModelSettings(**options)
