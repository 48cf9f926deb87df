from enum import StrEnum

import pytest

from fedsift.core.errors import legible, unknown_name


@pytest.mark.parametrize(
    ("given_", "known", "told"),
    [
        ("stpes", ["steps", "lr"], "did you mean 'steps'?"),
        ("zzz", ["steps", "lr"], "valid: lr, steps"),
        ("zzz", ["l\nr", " s"], "valid: ' s', 'l\\nr'"),
        ("zzz", ["a,b", "c"], "valid: 'a,b', 'c'"),
    ],
)
def test_the_nearest_name_is_given_or_all(given_: str, known: list[str], told: str) -> None:
    assert str(unknown_name("key", given_, known)) == f"unknown key {given_!r}; {told}"


class _Pace(StrEnum):
    AT_ONCE = "at-once"
    ONE_BY_ONE = "one,by,one"


@pytest.mark.parametrize(
    ("name", "told"),
    [("at-onec", "did you mean 'at-once'?"), ("zzz", "valid: 'at-once', 'one,by,one'")],
)
def test_members_of_enums_stand_by_their_values(name: str, told: str) -> None:
    assert str(unknown_name("pace", name, _Pace)) == f"unknown pace {name!r}; {told}"


@pytest.mark.parametrize(
    ("name", "told"),
    [
        *((plain, plain) for plain in ("person-0003", "a b", "客户", "é", "007", "[red]", "a,b")),
        ("", "''"),
        (" a", "' a'"),
        ("a ", "'a '"),
        ("a\nb", r"'a\nb'"),
        ("a\u200b", r"'a\u200b'"),
        ("a\xa0b", r"'a\xa0b'"),
        ("a\x1b[31m", r"'a\x1b[31m'"),
        ("\udcff", r"'\udcff'"),
    ],
)
def test_an_odd_name_cannot_be_taken_for_another(name: str, told: str) -> None:
    assert legible(name) == told
