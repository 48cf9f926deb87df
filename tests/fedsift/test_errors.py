from fedsift.errors import unknown_name


def test_the_nearest_name_is_given() -> None:
    assert str(unknown_name("key", "stpes", ["steps", "lr"])) == "unknown key 'stpes'; did you mean 'steps'?"


def test_without_a_near_name_all_are_given() -> None:
    assert str(unknown_name("key", "zzz", ["steps", "lr"])) == "unknown key 'zzz'; valid: lr, steps"
