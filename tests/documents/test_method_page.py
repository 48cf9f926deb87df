"""docs/explanation/method.md: what it says of sums in float32 and in integers is so."""

from tests.documents.pages import page, run_python


def test_the_page_on_the_method_runs() -> None:
    run_python(page("method.md"))
