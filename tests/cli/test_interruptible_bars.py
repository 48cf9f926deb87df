import io
import signal
from contextlib import suppress

import pytest
from rich.console import Console

from fedsift.cli.interruptible_bars import InterruptibleBars
from fedsift.cli.termination import Termination


def test_sigterm_is_heard_once_and_comes_again_where_python_ignored_it(monkeypatch: pytest.MonkeyPatch) -> None:
    termination = Termination()
    monkeypatch.setattr("fedsift.cli.interruptible_bars.TERMINATION", termination)
    before = signal.signal(signal.SIGTERM, termination)
    try:
        with pytest.raises(KeyboardInterrupt), InterruptibleBars(Console(file=io.StringIO())) as bars:
            bars.begin("query", 2)
            bars.advance("query")
            with suppress(KeyboardInterrupt):
                signal.raise_signal(signal.SIGTERM)
            signal.raise_signal(signal.SIGTERM)  # while the command ends
            bars.advance("query")
    finally:
        signal.signal(signal.SIGTERM, before)


def test_an_interrupt_that_python_ignored_comes_again() -> None:
    """As one does that is raised in a destructor."""
    before = signal.getsignal(signal.SIGINT)
    bars = InterruptibleBars(Console(file=io.StringIO()))
    with pytest.raises(KeyboardInterrupt), bars:
        with suppress(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        bars.begin("query", 2)
        bars.advance("query")
    assert signal.getsignal(signal.SIGINT) is before
