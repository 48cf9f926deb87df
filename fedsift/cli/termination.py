"""SIGTERM, as a cluster's scheduler or a container's end sends it: it ends a command as Ctrl-C does."""

import signal

TERMINATED = 128 + signal.SIGTERM  # exit code, as of a shell


class Termination:
    """A handler of SIGTERM. What comes while the command ends already is ignored: `timeout` sends it twice."""

    def __init__(self) -> None:
        self.heard = False

    def __call__(self, *_: object) -> None:
        """End the command."""
        if not self.heard:
            self.heard = True
            raise KeyboardInterrupt  # itself, as Ray raises one instead of whatever a handler does

    def check(self) -> None:
        """End the command if it was to end, but Python ignored it, as it does while it cleans up an object."""
        if self.heard:
            raise KeyboardInterrupt


TERMINATION = Termination()
