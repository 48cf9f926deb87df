import pytest

from fedsift.data.look_alikes import look_alike_warning, look_alikes

ODD = ("ann  é", "ann e\u0301", "ann\u200b é", "\ufeffann é", "ann\u00a0é", "\u00adann é", "an\u034fn é", "ann\x00 é")


@pytest.mark.parametrize("other", ["ANN É", "ann é ", "\tann é", *ODD, "ann é\u3164", "\uff21nn é", "ann\U000e0100 é"])
def test_what_people_overlook(other: str) -> None:
    assert look_alikes(["bob", "ann é", other, "eve"]) == [["ann é", other]]


def test_ids_that_differ_to_the_eye() -> None:
    assert look_alikes(["7", "07", "007", "1.1", "1.10", "a-b", "ab", "a b", "é", "e"]) == []
    assert look_alike_warning(look_alikes(["7", "07"])) == ""


def test_the_warning_names_them_so_that_they_can_be_told_apart() -> None:
    told = look_alike_warning(look_alikes(["é", "e\u0301", "x", "X", "x ", "a", "A", "b", "B", "c", "C"]))
    groups = "'\\xe9', 'e\\u0301'; 'x', 'X', 'x '; 'a', 'A'; and 2 more such groups"
    assert told == f"different clients whose ids look alike: {groups}"
