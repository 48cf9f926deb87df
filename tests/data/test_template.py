import pytest
from hypothesis import given, strategies as st

from fedsift.core.errors import BadInput
from fedsift.core.examples import Example
from fedsift.data.template import Template, unescaped


@pytest.mark.parametrize("column", ["q", "0", "meta.question", "q[en]", "q!r", "q:d", "q:>10", "a b", " q", "é", "q\n"])
def test_what_stands_in_braces_is_a_column_whatever_its_name(column: str) -> None:
    template = Template(f"Q: {{{column}}}\nA:", "a")
    assert list(template.columns) == [column, "a"]
    assert template({column: "{q} %s \\n", "a": "{a}"}) == Example("Q: {q} %s \\n\nA:", " {a}")


@pytest.mark.parametrize(
    ("prompt", "rendered"),
    [
        ("{q}", "what?"),
        ("{q}{q}", "what?what?"),
        ("{{{q}}}", "{what?}"),
        ("{{q}} {q}", "{q} what?"),
        ("\\frac{{1}}{{2}} {q}", "\\frac{1}{2} what?"),
    ],
)
def test_braces(prompt: str, rendered: str) -> None:
    assert Template(prompt, "a")({"q": "what?", "a": "x"}).prompt == rendered


def test_the_parts_of_a_prompt() -> None:
    template = Template("{{{q}}}: {a b}\nA: ", "a")
    assert template.parts == [("{", False), ("q", True), ("}: ", False), ("a b", True), ("\nA: ", False)]
    assert (template.gap, Template("{q}", "a").gap) == ("", " ")


@pytest.mark.parametrize("prompt", ["{q", "q}", "{}", "{q}}", "{{q}", "{a{q}}", "{q}{"])
def test_a_lone_brace_is_an_error(prompt: str) -> None:
    with pytest.raises(BadInput, match="literal braces"):
        Template(prompt, "a")


@pytest.mark.parametrize("nothing", [None, ""])
@pytest.mark.parametrize("column", ["q", "a"])
def test_a_row_with_nothing_in_a_column(column: str, nothing: str | None) -> None:
    with pytest.raises(BadInput, match=f"nothing in column '{column}'"):
        Template("{q}", "a")({"q": "what?", "a": "x", column: nothing})


@pytest.mark.parametrize(
    ("given_", "meant"),
    [
        (r"Question: {q}\nAnswer:", "Question: {q}\nAnswer:"),
        (r"{q}\nanswer:", "{q}\nanswer:"),
        (r"{q}\n\n\tA:\n", "{q}\n\n\tA:\n"),
        (r"{q}\n{r}", "{q}\n{r}"),
        (r"\theta \nabla \text{{x}} \nu_1 \tau \times \neq", r"\theta \nabla \text{{x}} \nu_1 \tau \times \neq"),
        (r"\to \tfrac12", r"\to \tfrac12"),
        (r"\alpha \d \r \x41 \u00e9 \' \0 \ ", r"\alpha \d \r \x41 \u00e9 \' \0 \ "),
        (r"C:\\new\\tmp", r"C:\new\tmp"),
        (r"\\n and \\\n", "\\n and \\\n"),
        (r"\\theta", r"\theta"),
        ("a real\nline \t and é", "a real\nline \t and é"),
        ("\\", "\\"),
    ],
)
def test_backslashes_on_the_command_line(given_: str, meant: str) -> None:
    assert unescaped(given_) == meant


@given(st.text())
def test_any_text_can_be_written(text: str) -> None:
    assert unescaped(text.replace("\\", "\\\\")) == text
