import io
import re
import signal
import threading
import time

import pytest
from rich.console import Console

from fedsift.runtime import progress
from fedsift.runtime.progress import PhaseBars


def play(bars: PhaseBars) -> None:
    with bars:
        bars.begin("query", 1)
        bars.advance("query")
        bars.finish()


def test_bars_leave_signals_alone() -> None:
    """So they can be shown from any thread, as notebooks and servers have them."""
    before = signal.getsignal(signal.SIGINT)
    heard = []
    bars = PhaseBars(Console(file=io.StringIO()))
    thread = threading.Thread(target=lambda: heard.append(play(bars)))
    thread.start()
    thread.join()
    assert heard
    with bars:
        assert signal.getsignal(signal.SIGINT) is before


def test_without_a_console_nothing_is_printed(capfd: pytest.CaptureFixture[str]) -> None:
    bars = PhaseBars()
    play(bars)
    with pytest.warns(UserWarning, match="look alike"):
        bars.warn("two ids look alike")
    assert bars.seconds.keys() == {"start", "query", "stop"}
    assert capfd.readouterr() == ("", "")


def test_without_a_terminal_there_are_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    """One at the end of each phase, and others while one lasts, with the speed and the time left."""
    monkeypatch.setattr(progress, "_LINE_SECONDS", 0.05)
    shown = io.StringIO()
    bars = PhaseBars(Console(file=shown))
    with bars:
        bars.begin("train", 3)
        for _ in range(2):
            bars.advance("train")
            time.sleep(0.1)
        bars.advance("train")
        bars.finish()
    lines = shown.getvalue().splitlines()
    assert {line.split()[0] for line in lines} == {"train"}  # What takes no second has no line.
    assert any(re.fullmatch(r"train +\d+ s, 2/3, [\d.]+ clients/s, \d+ s left", line) for line in lines)
    assert re.fullmatch(r"train +\d+ s, 3/3, [\d.]+ clients/s", lines[-1])


def test_a_warning_is_a_line_on_the_console() -> None:
    shown = io.StringIO()
    PhaseBars(Console(file=shown)).warn("two ids look alike")
    PhaseBars(Console(file=shown)).warn("")
    assert shown.getvalue() == "warning: two ids look alike\n"


@pytest.mark.parametrize(
    ("begun", "counted", "last"),
    [
        ([("train", 2)], ["train"] * 3, "3/3"),  # more replies than were announced
        ([("train", 0)], ["train"] * 5, "5"),  # nobody knew how many
        ([("train", 3), ("evaluate", 1)], ["evaluate", "train", "train"], "1/1"),  # a batch within another
        ([], ["train"], ""),  # no batch at all
    ],
)
def test_never_more_is_done_than_there_is(begun: list[tuple[str, int]], counted: list[str], last: str) -> None:
    shown = io.StringIO()
    with PhaseBars(Console(file=shown)) as bars:
        for message_type, total in begun:
            bars.begin(message_type, total)
        for message_type in counted:
            bars.advance(message_type)
        bars.finish()
    lines = shown.getvalue().splitlines()
    assert (lines[-1].split(", ")[1] if lines else "") == last
