"""How a row of a table becomes an example: a prompt with columns in braces, and the column to predict."""

import json
import re
from collections.abc import Mapping

from fedsift.core.errors import BadInput
from fedsift.core.examples import Example, Message
from fedsift.data.columns import MESSAGES, Columns

# A doubled brace is a literal one; between single ones stands a column's name, whatever its characters.
_PART = re.compile(r"(\{\{|\}\})|\{([^{}]+)\}|([{}])")
# \n and \t are a new line and a tab, unless a command of TeX begins with them: one of these, or \text...
_ESCAPE = re.compile(r"\\(\\|[nt][A-Za-z]*)")
_TEX_COMMANDS = """
nLeftarrow nLeftrightarrow nRightarrow nVDash nVdash nabla nameref natural ncong ne nearrow neg neq newcommand
newenvironment newline newpage newtheorem nexists ngeq ngeqq ngeqslant ngtr ni nicefrac nleftarrow nleftrightarrow
nleq nleqq nleqslant nless nmid noalign nobreak nocite noexpand noindent nolimits nolinebreak nonumber nopagebreak
normalfont normalsize not notag notin nparallel nprec npreceq nrightarrow nshortmid nshortparallel nsim nsubset
nsubseteq nsubseteqq nsucc nsucceq nsupset nsupseteq nsupseteqq ntriangleleft ntrianglelefteq ntriangleright
ntrianglerighteq nu null numberline numberwithin nvDash nvdash nwarrow tabcolsep tableofcontents tabular tag tan
tanh tau tbinom tensor tfrac thanks the thebibliography therefore theta thickapprox thicksim thickspace thinspace
thispagestyle tikz tilde times tiny title titleformat to today todo top toprule tr trace triangle triangledown
triangleleft trianglelefteq triangleq triangleright trianglerighteq tt twocolumn twoheadleftarrow
twoheadrightarrow
"""


class Template:
    """A prompt with columns in braces, and the column that holds the text to predict.

    Attributes:
        columns: the columns that it reads, each with the option that names it.
        parts: what a prompt is put together from: texts, and names of columns (True).
        gap: what stands between prompt and target.
    """

    columns: Columns
    parts: list[tuple[str, bool]]

    def __init__(self, prompt: str, target: str) -> None:
        r"""Read the template.

        Args:
            prompt: such as "Question: {question}\nAnswer:"; literal braces are doubled.
            target: the column of the text to predict. It is set off from the prompt by one space unless the prompt ends
                in white space itself.

        Raises:
            BadInput: no column in braces, or a lone brace.
        """
        self.prompt, self.target = prompt, target
        texts, end = [""], 0  # a text, a column, a text, ...
        for part in _PART.finditer(prompt):
            literal, field, lone = part.groups("")
            if lone:
                raise BadInput(f"prompt {prompt!r}: a single {lone!r}; write literal braces as {{{{ and }}}}")
            texts[-1] += prompt[end : part.start()] + literal[:1]
            texts += [field, ""] if field else []
            end = part.end()
        texts[-1] += prompt[end:]
        self.parts = [(text, place % 2 == 1) for place, text in enumerate(texts) if text]
        fields = [text for text, is_column in self.parts if is_column]
        if not fields:
            raise BadInput(f"prompt {prompt!r} names no column; put one in braces, such as {{question}}")
        self.columns = {**dict.fromkeys(fields, "prompt"), target: "target"}
        self.gap = "" if prompt[-1:].isspace() else " "

    def __call__(self, row: Mapping[str, str | None]) -> Example:
        """The example of one row.

        Raises:
            BadInput: it has nothing in a column; the message goes on from the row's number.
        """
        for column in self.columns:
            if not row[column]:
                raise BadInput(f"has nothing in column {column!r}; fill it or drop the row")
        prompt = "".join(str(row[text]) if is_column else text for text, is_column in self.parts)
        return Example(prompt, f"{self.gap}{row[self.target]}")


class Conversations:
    """Takes a column of conversations as they are.

    Attributes:
        columns: that one, with the option that names it.
    """

    def __init__(self, column: str) -> None:
        self.columns: Columns = {column: MESSAGES}
        self._column = column

    def __call__(self, row: Mapping[str, str | None]) -> list[Message]:
        """The conversation of one row.

        Raises:
            BadInput: it has none; the message goes on from the row's number.
        """
        try:
            turns = json.loads(row[self._column] or "null")
        except (ValueError, RecursionError) as error:
            raise BadInput(f"has no JSON in column {self._column!r}: {error}") from error
        if not isinstance(turns, list) or not turns or not all(isinstance(turn, dict) for turn in turns):
            expected = 'a list of turns, such as [{"role": "user", "content": "..."}, ...]'
            raise BadInput(f"has no conversation in column {self._column!r}: expected {expected}")
        return turns


RowMaker = Template | Conversations


def row_maker(prompt: str, target: str, messages: str) -> RowMaker:
    """What makes rows of a table's: of the column of conversations that is named, or of a prompt and a target.

    Raises:
        BadInput: as of `Template`.
    """
    return Conversations(messages) if messages else Template(prompt, target)


def unescaped(prompt: str) -> str:
    r"""A prompt as it is meant on a command line, where a shell passes \n on as two characters.

    \n is a new line, \t a tab and \\ a backslash; a command of TeX, such as \nabla or \theta, stays as it is, as does
    every other backslash.
    """

    def meant(escape: re.Match[str]) -> str:
        text = escape[1]
        if text == "\\":
            return text
        is_tex = text.startswith("text") or text in _TEX_COMMANDS.split()
        return escape[0] if is_tex else {"n": "\n", "t": "\t"}[text[0]] + text[1:]

    return _ESCAPE.sub(meant, prompt)
