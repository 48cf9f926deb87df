"""JSON with one meaning."""

import json
from typing import Any

import pytest
from hypothesis import given, strategies as st

from fedsift.core.strict_json import parse_json

TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner),
)


@given(VALUES, st.booleans())
def test_what_is_written_comes_back(value: Any, ascii_only: bool) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only)
    assert parse_json(text) == parse_json(text.encode()) == value


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('{"a": 1, "b": 2, "a": 1}', "the key 'a' twice"),
        ('[{"x": {"a": 1, "\\u0061": 2}}]', "the key 'a' twice"),
        ("[NaN]", "NaN is no number"),
        ("-Infinity", "-Infinity is no number"),
        ("1e999", "the number 1e999 is too large"),
        ("9" * 5000, "Exceeds the limit"),
        ("[" * 65 + "]" * 65, "nested deeper than 64"),
        ('{"a":' * 100_000 + "1" + "}" * 100_000, "nested deeper than 64"),
        ('["\\ud800"]', "no valid Unicode"),
        ('{"\\udfff": 1}', "no valid Unicode"),
        (b'"\xff"', "invalid start byte"),
        (b"\xef\xbb\xbf1", "BOM"),
        ("[1] 2", "Extra data"),
        ("", "Expecting value"),
        (" " * 11, "larger than 10 bytes"),
    ],
)
def test_what_is_refused(text: str | bytes, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        parse_json(text, largest=10 if isinstance(text, str) and not text.strip() and text else None)


def test_brackets_in_texts_are_no_depth() -> None:
    text = json.dumps(["[" * 1000, '\\"{' * 1000, {"[[" * 99: 1}])
    assert parse_json(text) == json.loads(text)
    assert parse_json("[" * 64 + "]" * 64)
    assert parse_json("[" + "[]," * 1000 + "[]]") == [[]] * 1001


def test_own_files_may_hold_what_python_writes() -> None:
    value = [float("inf"), "\ud800"]
    assert parse_json(json.dumps(value), own=True) == value
    with pytest.raises(ValueError, match="twice"):
        parse_json('{"a": NaN, "a": 1}', own=True)
