"""The training pictures, as uint8: read from the image set batch by batch, or resident on a GPU."""

from typing import Protocol

import numpy as np
import torch

from pipeline.imageset.format.image_set import ImageSet, Rows

RESIDENT_SHARE = 0.5
"""Pictures are resident on a GPU if they take at most this share of its free memory; the rest is for networks, Adam and
the maps of a batch."""

_BLOCK = 4096


class Pictures(Protocol):
    """Gives the pictures of rows in two parts, so that the first one can run in another thread during earlier steps."""

    def prepare(self, rows: Rows) -> torch.Tensor:
        """On the CPU: what `take` needs for these rows, int64 (n,); the first axis is that of the pictures."""

    def take(self, prepared: torch.Tensor) -> torch.Tensor:
        """On the device of `prepared`: the pictures, uint8 (n, side, side, C)."""


class MappedPictures:
    """Pictures read from the memory-mapped files of an image set. The system keeps what is read often in memory."""

    def __init__(self, images: ImageSet) -> None:
        self._images = images

    def prepare(self, rows: Rows) -> torch.Tensor:
        """The pictures themselves."""
        return torch.from_numpy(self._images.read(rows))

    def take(self, prepared: torch.Tensor) -> torch.Tensor:
        """`prepared` as it is."""
        return prepared


class ResidentPictures:
    """Pictures that were copied to the device at the start; only row numbers are sent to it in each step.

    Args:
        images: image set; its pictures are read at its `side`.
        rows: int64 (n,), increasing; only these rows can be asked for.
        device: where the pictures are.
    """

    def __init__(self, images: ImageSet, rows: Rows, device: torch.device) -> None:
        self._rows = rows
        shape = images.read(rows[:1]).shape[1:]
        self._pictures = torch.empty((len(rows), *shape), dtype=torch.uint8, device=device)
        for start in range(0, len(rows), _BLOCK):
            block = torch.from_numpy(images.read(rows[start : start + _BLOCK]))
            self._pictures[start : start + len(block)] = block.to(device)

    def prepare(self, rows: Rows) -> torch.Tensor:
        """The positions of the rows, int64 (n,)."""
        return torch.from_numpy(np.searchsorted(self._rows, rows))

    def take(self, prepared: torch.Tensor) -> torch.Tensor:
        """The pictures at these positions, a copy."""
        return self._pictures.index_select(0, prepared)


def open_pictures(images: ImageSet, rows: Rows, device: torch.device) -> Pictures:
    """Resident pictures on a GPU with enough free memory (`RESIDENT_SHARE`), otherwise mapped ones."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        if len(rows) * images.read(rows[:1]).nbytes <= RESIDENT_SHARE * free:
            return ResidentPictures(images, rows, device)
    return MappedPictures(images)
