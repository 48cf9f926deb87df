import io
import signal
from contextlib import suppress

import pytest
from rich.console import Console

from fedsift.cli.interruptible_bars import InterruptibleBars


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
