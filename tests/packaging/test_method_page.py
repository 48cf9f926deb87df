"""docs/explanation/method.md: what it says of sums in float32 and in integers is so."""

from tests.api.test_python_page import DOCS, run_blocks


def test_the_page_on_the_method_runs() -> None:
    run_blocks(DOCS / "explanation/method.md")
