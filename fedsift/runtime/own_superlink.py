"""A SuperLink for simulations that answers the processes of its own user alone.

python -m fedsift.runtime.own_superlink OPTIONS-OF-FLOWER-SUPERLINK

Flower has no account authentication of its own, and whoever reaches a SuperLink can have it run code. On Linux the
kernel tells whose a connection on loopback is, so each request is let in by that: no token is needed, which Flower
would show to everybody in the command line of the processes that it starts.
"""

import os
import socket
import sys
from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import Any

_TABLE = Path("/proc/net/tcp")  # IPv4
_ESTABLISHED = "01"  # A socket in any other state may have been given up by its process, and belong to nobody.

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class OwnUserOnly:
    """ASGI middleware that refuses (403) every request whose connection is not this user's."""

    def __init__(self, app: Callable[[Scope, Receive, Send], Awaitable[None]]) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or refuse."""
        if scope["type"] == "lifespan" or owner(scope["client"], scope["server"]) == os.geteuid():
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            await send({"type": "http.response.start", "status": 403, "headers": [(b"content-length", b"0")]})
            await send({"type": "http.response.body", "body": b""})


def owner(client: tuple[str, int] | None, server: tuple[str, int] | None) -> int | None:
    """The user id whose process holds the client's end of an IPv4 connection on this machine; None for nobody's."""
    if client is None or server is None:
        return None
    ends = [_end(*client), _end(*server)]
    for line in _TABLE.read_text(encoding="ascii").splitlines()[1:]:
        _, local, remote, state, _, _, _, uid, *_ = line.split()
        if [local, remote] == ends and state == _ESTABLISHED:
            return int(uid)
    return None


def _end(host: str, port: int) -> str:
    """An end of a connection as Linux writes it."""
    address = int.from_bytes(socket.inet_aton(host), sys.byteorder)
    return f"{address:08X}:{port:04X}"


def main() -> None:
    """Run `flower-superlink` with the middleware in front of all its interfaces."""
    from flwr.superlink import extensions
    from flwr.superlink.cli.flower_superlink import flower_superlink
    from starlette.middleware import Middleware

    if _TABLE.exists():
        extensions.get_middleware = lambda: (Middleware(OwnUserOnly),)
    flower_superlink()


if __name__ == "__main__":
    main()
