"""Work in this process that stops at a moment, as if it had been killed there."""

import gc
from collections.abc import Callable
from typing import Any

import pytest


class Stopped(BaseException):
    """What a kill is to this process."""


def stopped(work: Callable[[], object], owner: Any, name: str, call: int) -> None:
    """Do some work until a function of `owner` is called for the n-th time."""
    function: Callable[..., Any] = getattr(owner, name)
    calls = []

    def stopping(*arguments: Any, **named: Any) -> Any:
        calls.append(1)
        if len(calls) == call:
            raise Stopped
        return function(*arguments, **named)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(owner, name, stopping)
        with pytest.raises(Stopped):
            work()
    gc.collect()  # The ledger's connection lives in the frames that were left.
