"""Progress bars that hear Ctrl-C and SIGTERM whenever they come."""

import signal
from typing import Any, Self

from rich.console import Console

from fedsift.cli.termination import TERMINATION
from fedsift.runtime.progress import PhaseBars


class InterruptibleBars(PhaseBars):
    """Ctrl-C while Python cleans up an object would be ignored: here the next reply raises it again."""

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self._interrupted = False
        self._restored: Any = None

    def __enter__(self) -> Self:
        """From here on Ctrl-C is noted."""
        self._restored = signal.signal(signal.SIGINT, self._interrupt)
        return super().__enter__()

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        signal.signal(signal.SIGINT, self._restored)
        super().__exit__(kind)

    def advance(self, message_type: str) -> None:
        """Count a reply, unless the command was interrupted."""
        TERMINATION.check()
        if self._interrupted:
            raise KeyboardInterrupt
        super().advance(message_type)

    def _interrupt(self, *_: object) -> None:
        self._interrupted = True
        raise KeyboardInterrupt
