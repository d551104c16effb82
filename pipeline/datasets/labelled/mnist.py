"""MNIST: four IDX files, each compressed with gzip or unpacked.

A file starts with big-endian numbers of four bytes: a magic number (2051 for pictures, 2049 for labels), the count and,
for pictures, rows and columns. One byte per pixel or label follows. A grey value is repeated in red, green and blue.
"""

import gzip
import math
import zlib
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline.core.errors import CorruptData, MissingInput
from pipeline.datasets.labelled.splits import DIGITS, MOST_PICTURES, LabelledSplit, label
from pipeline.datasets.published import Published

SIDE = 28
STEMS = {"train": "train", "test": "t10k"}
"""Prefix of the file names of each split."""

IMAGES_MAGIC, LABELS_MAGIC = 2051, 2049

_SITE = "https://ossci-datasets.s3.amazonaws.com/mnist"
_KNOWN = {
    "train-images-idx3-ubyte.gz": (9_912_422, "f68b3c2dcbeaaa9fbdd348bbdeb94873", 60_000),
    "train-labels-idx1-ubyte.gz": (28_881, "d53e105ee54ea40749a09fcbcd1e9432", 60_000),
    "t10k-images-idx3-ubyte.gz": (1_648_877, "9fb629c4189551a2d022fa330f9573f3", 10_000),
    "t10k-labels-idx1-ubyte.gz": (4_542, "ec29112dd5afa0611ce80d1b7f02629c", 10_000),
}
ARCHIVES = {
    name: Published(length, f"{_SITE}/{name}", f"{_SITE}/{name}", md5=md5, entries=entries)
    for name, (length, md5, entries) in _KNOWN.items()
}
"""What is published about each file, by file name."""


def locate(folder: Path) -> list[Path]:
    """The four files that `read` reads: images, then labels, of each split; the unpacked file if there is no `.gz`."""
    packed = [folder / name for name in ARCHIVES]
    return [path.with_suffix("") if path.with_suffix("").exists() and not path.exists() else path for path in packed]


def read(folder: Path) -> dict[str, LabelledSplit]:
    """The splits `train` and `test`.

    Raises:
        MissingInput: a file is not there.
        CorruptData: a file is cut off, damaged, or holds something else; or the numbers of labels and pictures differ.
    """
    paths = locate(folder)
    return {split: _read_split(*paths[2 * place : 2 * place + 2]) for place, split in enumerate(STEMS)}


def _read_split(images_path: Path, labels_path: Path) -> LabelledSplit:
    grey = _read_idx(images_path, IMAGES_MAGIC, (SIDE, SIDE))
    numbers = _read_idx(labels_path, LABELS_MAGIC, ())
    images = np.broadcast_to(grey[..., None], (*grey.shape, 3))
    return label(images, numbers.astype(np.int64), DIGITS, labels_path)


def _read_idx(path: Path, magic: int, shape: tuple[int, ...]) -> npt.NDArray[np.uint8]:
    """Read the items of an IDX file of bytes: uint8 (n, *shape)."""
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            header = np.frombuffer(file.read(8 + 4 * len(shape)).ljust(8 + 4 * len(shape), b"\0"), ">u4").tolist()
            if [header[0], *header[2:]] != [magic, *shape]:
                expected = ", ".join(map(str, (magic, "n", *shape)))
                raise CorruptData(f"{path}: begins with {header}, expected [{expected}]; download or copy it again")
            if header[1] > MOST_PICTURES:
                raise CorruptData(
                    f"{path}: announces {header[1]:,} items, expected at most {MOST_PICTURES:,}; get it again"
                )
            length = header[1] * math.prod(shape)
            # Reading one more byte checks that nothing follows, and makes gzip compare the checksum.
            data = file.read(length + 1)
    except FileNotFoundError:
        raise MissingInput(f"{path}: no such file; download it again") from None
    except (gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise CorruptData(f"{path}: truncated, or no gzip ({error}); download or copy it again") from None
    if len(data) != length:
        found = f"only {len(data):,}" if len(data) < length else "more"
        raise CorruptData(f"{path}: announces {length:,} bytes and has {found}; download or copy it again")
    return np.frombuffer(data, np.uint8).reshape(header[1], *shape)
