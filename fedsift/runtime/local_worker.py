"""The process of a worker on this machine: it answers its parent, and ends with it, however that ends.

Run with the descriptor of a connection to the parent, and the ClientApp; standard input is open while the parent lives.
"""

import os
import sys
import threading
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

from fedsift.core.errors import FedsiftError


def _end_with_parent() -> None:
    sys.stdin.buffer.read()  # Nothing is ever written there: it ends when the parent does.
    os._exit(1)


def _tried(work: Callable[[], Any]) -> tuple[Any, Exception | None]:
    """What comes of it, or what was raised: a mistake of the user's as it is, anything else with its traceback."""
    try:
        return work(), None
    except FedsiftError as error:
        return None, error
    except Exception:
        return None, RuntimeError(f"in a worker: {traceback.format_exc()}")


def main(descriptor: int, client_app: str) -> None:
    """Say that the app is imported, then answer one request after the other."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    parent: Connection[Any, Any] = Connection(descriptor)

    def worker() -> Any:
        from fedsift.runtime.worker import Worker

        return Worker(client_app)

    own, failure = _tried(worker)
    parent.send((None, failure))
    while failure is None:
        name, arguments = parent.recv()
        parent.send(_tried(lambda: getattr(own, name)(*arguments)))  # noqa: B023  It is called at once.


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
