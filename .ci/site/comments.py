"""An extension of griffe: the comment behind an attribute is its docstring, as the code here has it."""

import ast
from typing import Any

import griffe


class Comments(griffe.Extension):
    """Reads them from the source."""

    def on_attribute_instance(self, *, node: ast.AST | griffe.ObjectNode, attr: griffe.Attribute, **_: Any) -> None:
        """Take the comment of the attribute's last line."""
        _, _, comment = attr.lines[-1].partition("  # ") if attr.lines else ("", "", "")
        if comment and attr.docstring is None:
            attr.docstring = griffe.Docstring(comment[0].upper() + comment[1:] + ".", parent=attr)
