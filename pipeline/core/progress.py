"""Progress and messages on stderr: a bar in a terminal, a line now and then elsewhere; links to files in a terminal."""

import contextlib
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

LINE_SECONDS = 30.0
"""Seconds between two lines of progress where stderr is no terminal, as in a log file."""

_quiet = False
_silent = False


def set_quiet(quiet: bool) -> None:
    """Turn the progress bar and messages of this process off (`-q`) or on."""
    global _quiet
    _quiet = quiet


def is_quiet() -> bool:
    """Whether the progress bar and messages are off."""
    return _quiet


@contextlib.contextmanager
def silenced() -> Iterator[None]:
    """Print nothing while the block runs, not even warnings: it repeats work whose messages were printed before."""
    global _quiet, _silent
    before = _quiet, _silent
    _quiet = _silent = True
    try:
        yield
    finally:
        _quiet, _silent = before


def say(message: str) -> None:
    """Print one line on stderr, unless quiet."""
    if not _quiet:
        print(message, file=sys.stderr, flush=True)


def warn(message: str) -> None:
    """Print a warning on stderr, even when quiet."""
    if not _silent:
        print(f"warning: {message}", file=sys.stderr, flush=True)


def link(path: Path) -> str:
    """The path as text for a message; in a terminal that shows hyperlinks, the text is a link to the file or folder.

    The escape sequence is OSC 8: https://gist.github.com/egmontkob/eb114294efbcd5adb1944c9f3cb5feda
    """
    if not (sys.stderr.isatty() and shows_hyperlinks(os.environ)):
        return str(path)
    return f"\033]8;;{path.absolute().as_uri()}\033\\{path}\033]8;;\033\\"


def shows_hyperlinks(environment: Mapping[str, str]) -> bool:
    """Whether the environment variables are those of a terminal that shows hyperlinks; false if that is not known.

    The list is https://github.com/Alhadis/OSC8-Adoption, as far as a terminal names itself. `FORCE_HYPERLINK` set to 1
    or 0 decides, as in other programs.
    """
    forced = environment.get("FORCE_HYPERLINK")
    if forced:
        return forced != "0"
    if environment.get("TERM", "dumb") == "dumb" or "STY" in environment:  # GNU screen
        return False
    return (
        environment.get("TERM_PROGRAM") in {"ghostty", "iTerm.app", "rio", "vscode", "WezTerm"}
        or environment["TERM"] in {"alacritty", "foot", "foot-extra", "xterm-ghostty", "xterm-kitty"}
        or bool({"DOMTERM", "KITTY_WINDOW_ID", "KONSOLE_VERSION", "WT_SESSION"} & environment.keys())
        or environment.get("VTE_VERSION", "0") >= "5000"  # GNOME Terminal and others from 0.50 on; 4 digits
    )


@contextlib.contextmanager
def bar(title: str, total: int | None, unit: str = "pictures", done: int = 0) -> Iterator[Callable[[int], None]]:
    """Show the progress with an estimate of the remaining time while the block runs.

    In a terminal this is a bar; for bytes, it also shows the rate. Elsewhere it is a line every `LINE_SECONDS`.

    Args:
        title: title of the bar.
        total: number of units; None if unknown.
        unit: name of the units; `bytes` are shown as MB, in a bar also as GB.
        done: number of units that an earlier run finished.

    Yields:
        A function to call, from any thread, with the number of units that were just finished.
    """
    if _quiet:
        yield lambda count: None
        return
    if not sys.stderr.isatty():
        yield _Lines(title, total, unit, done).advance
        return
    from rich import progress as rich_progress
    from rich.console import Console

    counts: tuple[rich_progress.ProgressColumn, ...]
    if unit == "bytes":
        counts = (rich_progress.DownloadColumn(), rich_progress.TransferSpeedColumn())
    else:
        counts = (rich_progress.MofNCompleteColumn(), rich_progress.TextColumn(unit))
    columns = (
        rich_progress.TextColumn("{task.description}"),
        rich_progress.BarColumn(),
        *counts,
        rich_progress.TimeElapsedColumn(),
        rich_progress.TextColumn("left"),
        rich_progress.TimeRemainingColumn(),
    )
    with rich_progress.Progress(*columns, console=Console(stderr=True)) as shown:
        task = shown.add_task(title, total=total, completed=done)
        yield lambda count: shown.advance(task, count)


class _Lines:
    """Progress as lines on stderr, at most one every `LINE_SECONDS`; `advance` may be called from any thread."""

    def __init__(self, title: str, total: int | None, unit: str, done: int) -> None:
        self.title, self.total, self.unit, self.done = title, total, unit, done
        self.first = done
        self.started = self.printed = time.monotonic()
        self.lock = threading.Lock()

    def advance(self, count: int) -> None:
        with self.lock:
            self.done += count
            now = time.monotonic()
            if now - self.printed >= LINE_SECONDS:
                self.printed = now
                say(self.line(now - self.started))

    def line(self, seconds: float) -> str:
        """The line after `seconds` of work."""
        amounts = [self.done] if self.total is None else [self.done, self.total]
        words = [f"{count / 1e6:,.1f} MB" if self.unit == "bytes" else f"{count:,}" for count in amounts]
        said = f"{self.title}: {' of '.join(words)}{'' if self.unit == 'bytes' else f' {self.unit}'}"
        finished = self.done - self.first
        if self.total is None or finished <= 0:
            return said
        return f"{said}, about {_duration(seconds * max(self.total - self.done, 0) / finished)} left"


def _duration(seconds: float) -> str:
    """Seconds below two minutes, then minutes, then hours and minutes."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"
