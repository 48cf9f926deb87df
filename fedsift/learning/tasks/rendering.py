"""How a row becomes tokens: a prompt and what is learnt after it, as plain text or as turns of a chat template."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from fedsift.core.errors import BadInput
from fedsift.core.examples import ASSISTANT, Message, Row, answer_of, as_conversation, as_example, shown
from fedsift.learning.tasks.text import gap_of, prompt_tokens, target_tokens

_SHOWN = 60  # characters of a text in an error
_ANSWER = "forty-two"  # of a conversation that a template is tried on
# The bits of a training depend on what a template writes. Some write the date, which is this one for all of them.
_TODAY = datetime(2024, 7, 26)
_DATES = "".join(f"|replace('%{each}', '{_TODAY.strftime(f'%{each}')}')" for each in "aAbBdHIjmMpSyY")
_NO_CLOCK = "{%- macro strftime_now(form) -%}{{ form" + _DATES + " }}{%- endmacro -%}"


class Tokens(NamedTuple):
    """Token ids of a prompt, and of each target that may follow on it."""

    prompt: list[int]
    targets: list[list[int]]


class Rendering(ABC):
    """Makes tokens of rows."""

    @abstractmethod
    def answer(self, row: Row) -> str:
        """The text of a row's target, without what sets it off.

        Raises:
            BadInput: the row is not one for this rendering.
        """

    @abstractmethod
    def tokens(self, row: Row, answers: Sequence[str] = ()) -> Tokens:
        """A row's prompt with its own target, or with each of the answers that are given; not cut to fit.

        Raises:
            BadInput: the row is not one for this rendering.
        """


class PlainText(Rendering):
    """Prompt and target as they are. They are tokenised apart: the border between them is the same for all targets."""

    def __init__(self, tokenizer: Any, closed: bool) -> None:
        """With a Hugging Face tokenizer; where `closed`, a target ends with the end-of-sequence token."""
        self._tokenizer, self._closed = tokenizer, closed

    def answer(self, row: Row) -> str:
        """The target without white space around it."""
        return as_example(row).target.strip()

    def tokens(self, row: Row, answers: Sequence[str] = ()) -> Tokens:
        """Answers stand after the gap that the row's own target has."""
        example = as_example(row)
        targets = [f"{gap_of(example)}{each}" for each in answers] or [example.target]
        prompt = prompt_tokens(self._tokenizer, example.prompt, closed=False)
        return Tokens(prompt, [target_tokens(self._tokenizer, each, self._closed) for each in targets])


class ChatTurns(Rendering):
    """A conversation in the chat template of a model's own; the target is the assistant's last turn, with its end.

    What is tokenised is the whole text, so the model sees the tokens that it was trained on; the prompt's must be the
    whole's first ones.
    """

    def __init__(self, tokenizer: Any, system: str, name: str) -> None:
        """Try the template on a conversation, to see how it ends a turn.

        Args:
            tokenizer: a Hugging Face one.
            system: what the system says first, where a conversation does not say it itself; empty for nothing.
            name: the model's, for errors.

        Raises:
            BadInput: there is no template, it fails, or a prompt is not how its conversation begins.
        """
        self._tokenizer, self._system, self._what = tokenizer, system, f"the chat template of model {name!r}"
        if not tokenizer.chat_template:
            raise BadInput(
                f"chat: the tokenizer of model {name!r} has no chat template; give a model that was tuned to chat (an "
                "instruct one), put its template into the tokenizer's files, or leave chat out"
            )
        try:
            self._template = _NO_CLOCK + tokenizer.get_chat_template()
        except ValueError as error:
            raise BadInput(f"{self._what}: {error}") from error
        tried = as_conversation((_ANSWER.upper(), _ANSWER))
        opening, whole = self._opening(tried), self._rendered(tried, opens=False)
        _, found, closing = whole.removeprefix(opening).rpartition(_ANSWER)
        if not whole.startswith(opening) or not found:
            raise BadInput(f"{self._what} {_BREAKS}: {_differing(opening, whole)}")
        self._closing, self._end = closing, _end_of_turn(tokenizer, closing)
        if not self._end:
            raise BadInput(f"{self._what} does not end a turn, and its tokenizer has no end-of-sequence token")
        self.tokens(tried)

    def answer(self, row: Row) -> str:
        """What the assistant says last, without white space around it."""
        return answer_of(row)

    def tokens(self, row: Row, answers: Sequence[str] = ()) -> Tokens:
        """The turn that is learnt ends with the template's end-of-turn token.

        Raises:
            BadInput: the template fails, or breaks the border between prompt and target.
        """
        conversation = as_conversation(row)
        *before, last = conversation
        opening = self._opening(conversation)
        prompt, targets = self._ids(opening), []
        for answer in answers or [last["content"]]:
            whole = self._rendered([*before, {**last, "content": answer}], opens=False)
            if not whole.startswith(opening) or not whole.endswith(self._closing):
                raise BadInput(f"{self._what} {_BREAKS}: {_differing(opening, whole)}")
            ids = self._ids(whole[: len(whole) - len(self._closing)] + self._end)
            if ids[: len(prompt)] != prompt or len(ids) == len(prompt):
                raise BadInput(
                    f"{self._what} {_BREAKS}: the tokens of the prompt, which ends in {opening[-_SHOWN:]!r}, are not "
                    f"the first ones where {answer[:_SHOWN]!r} follows; begin the answer without white space, or give "
                    "the template that belongs to the tokenizer"
                )
            targets.append(ids[len(prompt) :])
        return Tokens(prompt, targets)

    def _opening(self, conversation: Sequence[Message]) -> str:
        """A conversation up to where the assistant's last turn begins."""
        return self._rendered(conversation[:-1], opens=True)

    def _rendered(self, turns: Sequence[Message], opens: bool) -> str:
        if self._system and turns[0]["role"] != "system":
            turns = [{"role": "system", "content": self._system}, *turns]
        try:
            text: str = self._tokenizer.apply_chat_template(
                list(turns), chat_template=self._template, tokenize=False, add_generation_prompt=opens
            )
        except Exception as error:  # Whatever a template raises, or what it calls.
            reason = " ".join(str(error).split()) or type(error).__name__
            raise BadInput(f"{self._what} fails on {shown(list(turns))}: {reason}") from error
        return text

    def _ids(self, text: str) -> list[int]:
        ids: list[int] = self._tokenizer(text, add_special_tokens=False).input_ids
        return ids


_BREAKS = f"breaks the border between prompt and {ASSISTANT}'s turn, so that what is learnt is not what is asked"


def _end_of_turn(tokenizer: Any, closing: str) -> str:
    """What stands after an answer, up to the first token of its own kind: the end of a turn; empty where none is."""
    known = {token.content for token in tokenizer.added_tokens_decoder.values() if token.content.strip()}
    ends = [(place, -len(token), token) for token in known if (place := closing.find(token)) >= 0]
    if ends:
        place, _, token = min(ends)
        return closing[: place + len(token)]
    return closing.rstrip() or tokenizer.eos_token or ""


def _differing(opening: str, whole: str) -> str:
    """Where two texts differ, the first of which should begin the second."""
    place = next((at for at, pair in enumerate(zip(opening, whole, strict=False)) if pair[0] != pair[1]), len(whole))
    there = f"...{whole[max(0, place - 20) : place + _SHOWN]!r}"
    return f"before an answer it writes ...{opening[max(0, place - 20) : place + _SHOWN]!r}, with it {there}"
