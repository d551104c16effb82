"""Curves of a training for TensorBoard, an optional extra; no result depends on them."""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from pipeline.core.errors import BadParameters

Log = Callable[[int, Mapping[str, float]], None]
"""Called with the number of steps done and the metrics of the last of them."""


@contextlib.contextmanager
def curves(folder: Path | None) -> Iterator[Log]:
    """Write metrics to event files for TensorBoard while the block runs.

    Args:
        folder: where to write; None to write nothing. A resumed training adds a file to the earlier ones.

    Yields:
        The function to call with metrics.

    Raises:
        BadParameters: the package `tensorboard` is not installed.
    """
    if folder is None:
        yield lambda step, metrics: None
        return
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise BadParameters(
            f"--tensorboard {folder}: the package tensorboard is not installed; pip install "
            "'dcgan-pipeline[tensorboard]', or leave the option out: history.tsv has the curves too"
        ) from None

    with SummaryWriter(str(folder)) as writer:

        def log(step: int, metrics: Mapping[str, float]) -> None:
            for name, value in metrics.items():
                writer.add_scalar(name, value, step)

        yield log
