import pytest

from fedsift.core.errors import legible, unknown_name


def test_the_nearest_name_is_given() -> None:
    assert str(unknown_name("key", "stpes", ["steps", "lr"])) == "unknown key 'stpes'; did you mean 'steps'?"


def test_without_a_near_name_all_are_given() -> None:
    assert str(unknown_name("key", "zzz", ["steps", "lr"])) == "unknown key 'zzz'; valid: lr, steps"
    assert str(unknown_name("key", "zzz", ["l\nr", " s"])) == "unknown key 'zzz'; valid: ' s', 'l\\nr'"


@pytest.mark.parametrize("name", ["person-0003", "a b", "客户", "é", "007", "[red]", "a,b"])
def test_a_plain_name_is_shown_as_it_is(name: str) -> None:
    assert legible(name) == name


@pytest.mark.parametrize(
    ("name", "told"),
    [
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


def test_names_with_commas_can_be_told_apart() -> None:
    assert str(unknown_name("client", "zzz", ["a,b", "c"])) == "unknown client 'zzz'; valid: 'a,b', 'c'"
