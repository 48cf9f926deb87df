"""Tables as files."""

from fedsift.studies.report.table import Column, Interval, Table

COLUMNS = (Column("name", "name"), Column("served", "served", "interval"))


def test_the_ends_of_an_interval_are_columns_of_their_own() -> None:
    rows = [("a", Interval(0.5, 0.25, 0.75)), ("b", None)]
    assert Table("t", "title", COLUMNS, rows).to_csv() == "name,served,served_low,served_high\na,0.5,0.25,0.75\nb,,,\n"


def test_a_table_may_have_no_rows() -> None:
    assert Table("t", "title", COLUMNS, []).to_csv() == "name,served,served_low,served_high\n"
