"""The one progress bar, on stderr."""

import contextlib
import sys
from collections.abc import Callable, Iterator

_quiet = False


def set_quiet(quiet: bool) -> None:
    """Switch the bar off (`-q`) or on for this process."""
    global _quiet
    _quiet = quiet


def say(message: str) -> None:
    """Print one line for a person on stderr, unless quiet."""
    if not _quiet:
        print(message, file=sys.stderr, flush=True)


def warn(message: str) -> None:
    """Print a warning on stderr, quiet or not."""
    print(f"warning: {message}", file=sys.stderr, flush=True)


@contextlib.contextmanager
def bar(title: str, total: int, unit: str = "pictures", done: int = 0) -> Iterator[Callable[[int], None]]:
    """Show progress while the block runs.

    Args:
        title: what is being done.
        total: how many units there are.
        unit: name of the units.
        done: how many were done before (resumed work).

    Yields:
        A function to call with the number of units just finished.
    """
    if _quiet or not sys.stderr.isatty():
        yield lambda count: None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn(unit),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task(title, total=total, completed=done)
        yield lambda count: progress.advance(task, count)
