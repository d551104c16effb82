"""The one progress bar, on stderr."""

import contextlib
import sys
from collections.abc import Callable, Iterator

_quiet = False


def set_quiet(quiet: bool) -> None:
    """Switch the bar off (`-q`) or on for this process."""
    global _quiet
    _quiet = quiet


def is_quiet() -> bool:
    """Whether it is off."""
    return _quiet


def say(message: str) -> None:
    """Print one line for a person on stderr, unless quiet."""
    if not _quiet:
        print(message, file=sys.stderr, flush=True)


def warn(message: str) -> None:
    """Print a warning on stderr, quiet or not."""
    print(f"warning: {message}", file=sys.stderr, flush=True)


@contextlib.contextmanager
def bar(title: str, total: int | None, unit: str = "pictures", done: int = 0) -> Iterator[Callable[[int], None]]:
    """Show progress while the block runs: time left, and for bytes the rate as well.

    Args:
        title: what is being done.
        total: how many units there are; None where nobody knows.
        unit: name of the units; `bytes` are shown as MB or GB.
        done: how many were done before (resumed work).

    Yields:
        A function to call with the number of units just finished; any thread may.
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
