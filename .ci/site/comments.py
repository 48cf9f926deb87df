"""An extension of griffe: what the code says for its readers, as the site's readers need it."""

import re
from typing import Any

import griffe


class Comments(griffe.Extension):
    """Comments behind a class's attributes become a section of its docstring; pages that are named become links."""

    def on_class(self, *, cls: griffe.Class, **_: Any) -> None:
        """Make the section "Attributes" from the last line of each attribute, where there is none."""
        if cls.docstring is None or "Attributes:" in cls.docstring.value:
            return
        lines = {name: each.lines[-1] for name, each in cls.attributes.items() if each.lines and name[0] != "_"}
        comments = [f"    {name}: {line.partition('  # ')[2]}" for name, line in lines.items() if "  # " in line]
        if comments:
            cls.docstring.value = "\n".join([cls.docstring.value, "", "Attributes:", *comments])

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Link docs/ROOM/PAGE.md, as seen from docs/reference."""
        if obj.docstring is not None:
            obj.docstring.value = re.sub(r"docs/([\w-]+/([\w-]+)\.md)", r"[\2](../\1)", obj.docstring.value)
