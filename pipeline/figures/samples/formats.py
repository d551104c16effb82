"""The formats in which samples are written: a grid, an array, or a folder of pictures.

Arrays and folders are written in chunks of `CHUNK` pictures, so that any number of samples needs little memory. What an
interrupted run has written to the scratch folder is not generated again.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.core import files, progress
from pipeline.imageset import image_grid
from pipeline.imageset.format.image_set import Images
from pipeline.models.base import BatchStatisticsGenerator, Generator

CHUNK = 1024
"""Pictures that are generated and written at a time."""

_WRITERS = 16
"""Threads that write single files. Each file waits for the disk, and a disk flushes many files about as fast as one."""


@dataclass(frozen=True)
class Samples:
    """The samples number 0 to `count - 1` of a model and a seed.

    Attributes:
        label: class of all samples; None if the classes take turns, or the model has none.
        batch_statistics: whether batch norm uses the statistics of all samples together.
    """

    model: Generator
    count: int
    seed: int
    label: int | None = None
    batch_statistics: bool = False

    def labels(self, numbers: range) -> list[int] | None:
        """The classes of samples; None if the model has none."""
        return self.model.default_labels(numbers) if self.label is None else [self.label] * len(numbers)

    def pictures(self, numbers: range) -> Images:
        """Samples, uint8 (n, height, width, channels)."""
        return self.model.sample(len(numbers), self.seed, self.labels(numbers), first=numbers.start)

    def all_pictures(self) -> Images:
        """All samples, uint8 (count, height, width, channels)."""
        everything = range(self.count)
        if self.batch_statistics and isinstance(self.model, BatchStatisticsGenerator):
            z = self.model.latents(everything, self.seed)
            return self.model.decode_batch(z, self.labels(everything))
        images = np.empty((self.count, *self.model.image_shape), np.uint8)
        for numbers in self.chunks():
            images[numbers.start : numbers.stop] = self.pictures(numbers)
        return images

    def chunks(self, done: int = 0) -> Iterator[range]:
        """The numbers of the samples after the first `done`, in chunks, while a progress bar is shown."""
        with progress.bar("sample", self.count, done=done) as advance:
            for start in range(done, self.count, CHUNK):
                numbers = range(start, min(start + CHUNK, self.count))
                yield numbers
                advance(len(numbers))


def write_grid(samples: Samples, result: Path, *, singles: int) -> None:
    """Write `grid.png`, and the first `singles` samples as `singles/NNN.png`."""
    images = samples.all_pictures()
    image_grid.write_png(result / "grid.png", image_grid.grid(images))
    (result / "singles").mkdir()
    for number, image in enumerate(images[:singles]):
        image_grid.write_png(result / "singles" / f"{number:03d}.png", image)


def write_array(samples: Samples, scratch: Path, result: Path) -> None:
    """Write `samples.npy`, uint8 (count, height, width, channels), and `labels.npy`, int64 (count,), if any."""
    path = scratch / "samples.npy"
    shape = (samples.count, *samples.model.image_shape)
    # Not memory-mapped: on a full disk, a write raises an error, but a mapped page kills the process (SIGBUS).
    with path.open("r+b" if path.exists() else "w+b") as file:
        header = {"descr": "|u1", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, header)
        start, picture_bytes = file.tell(), int(np.prod(shape[1:]))
        done = (file.seek(0, 2) - start) // (CHUNK * picture_bytes) * CHUNK  # an incomplete chunk is generated again
        file.seek(start + done * picture_bytes)
        file.truncate()
        for numbers in samples.chunks(done):
            file.write(samples.pictures(numbers).tobytes())
    path.replace(result / path.name)
    labels = samples.labels(range(samples.count))
    if labels is not None:
        files.write_array(result / "labels.npy", np.array(labels, np.int64))


def write_folder(samples: Samples, scratch: Path, result: Path) -> None:
    """Write `pictures/NUMBER.png`, or `pictures/LABEL/NUMBER.png` if there are labels; numbers have equal lengths."""
    folder = scratch / "pictures"
    for left_over in folder.rglob(".*.tmp"):  # of a process that was killed while it wrote them
        left_over.unlink()
    digits = max(5, len(str(samples.count - 1)))
    for numbers in samples.chunks():
        labels = samples.labels(numbers)
        folders = [folder] * len(numbers) if labels is None else [folder / str(label) for label in labels]
        paths = [parent / f"{number:0{digits}d}.png" for parent, number in zip(folders, numbers, strict=True)]
        if not all(path.exists() for path in paths):
            with ThreadPoolExecutor(_WRITERS) as pool:
                list(pool.map(image_grid.write_png, paths, samples.pictures(numbers)))
    folder.replace(result / folder.name)
