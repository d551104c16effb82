"""Progress bar and messages on stderr."""

import contextlib
import sys
from collections.abc import Callable, Iterator

_quiet = False


def set_quiet(quiet: bool) -> None:
    """Turn the progress bar and messages of this process off (`-q`) or on."""
    global _quiet
    _quiet = quiet


def is_quiet() -> bool:
    """Whether the progress bar and messages are off."""
    return _quiet


def say(message: str) -> None:
    """Print one line on stderr, unless quiet."""
    if not _quiet:
        print(message, file=sys.stderr, flush=True)


def warn(message: str) -> None:
    """Print a warning on stderr, even when quiet."""
    print(f"warning: {message}", file=sys.stderr, flush=True)


@contextlib.contextmanager
def bar(title: str, total: int | None, unit: str = "pictures", done: int = 0) -> Iterator[Callable[[int], None]]:
    """Show a progress bar with the remaining time while the block runs; for bytes, also show the rate.

    Args:
        title: title of the bar.
        total: number of units; None if unknown.
        unit: name of the units; `bytes` are shown as MB or GB.
        done: number of units that an earlier run finished.

    Yields:
        A function to call, from any thread, with the number of units that were just finished.
    """
    if _quiet or not sys.stderr.isatty():
        yield lambda count: None
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
