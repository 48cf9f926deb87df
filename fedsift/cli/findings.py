"""How checks and their problems are shown."""

from collections.abc import Iterable

from rich.text import Text

from fedsift.core.audit import Finding


def findings_summary(findings: Iterable[Finding]) -> list[Text]:
    """Checks, and below each its problems."""
    shown = []
    for finding in findings:
        verdict, style = ("WRONG", "red") if finding.problems else ("ok", "green")
        shown.append(Text(f"{finding.check:<12} {verdict}", style))
        shown += [Text(f"{'':<12} {problem}") for problem in finding.problems]
    return shown
