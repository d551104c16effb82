"""A training that is told to stop finishes its step and writes its checkpoint first."""

import contextlib
import signal
import threading
import time
from collections.abc import Iterator
from types import FrameType

from pipeline.core import progress

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Ctrl-C, `kill`, and a closed terminal."""

ONE_SIGNAL_SECONDS = 1.0
"""Signals within this time count as one: a terminal, DVC and torchrun may each send one to the same process."""


class StopRequest:
    """Whether a signal asked the training to stop."""

    def __init__(self) -> None:
        self.wanted = False


@contextlib.contextmanager
def first_signal_waits(title: str) -> Iterator[StopRequest]:
    """While the block runs, the first signal only sets `wanted`; a second one acts as before the block, at once.

    In another thread than the main one, signals act as before: Python handles them in the main thread.

    Args:
        title: name of the work, for the message.
    """
    request = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield request
        return
    before = {int(number): signal.getsignal(number) for number in SIGNALS}
    first = 0.0

    def handle(number: int, frame: FrameType | None) -> None:
        nonlocal first
        if not request.wanted:
            request.wanted = True
            first = time.monotonic()
            with contextlib.suppress(OSError):  # the terminal may be gone
                progress.say(f"{title}: stopping after this step; a second signal stops at once")
        elif time.monotonic() - first > ONE_SIGNAL_SECONDS:
            earlier = before[number]
            if callable(earlier):
                earlier(number, frame)
            else:
                raise KeyboardInterrupt

    for number, earlier in before.items():
        if earlier != signal.SIG_IGN:  # ignored under nohup
            signal.signal(number, handle)
    try:
        yield request
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier)
