"""SVHN, cropped digits: a MATLAB file (MAT v5) for each split.

`X` is uint8 (32, 32, 3, n), `y` (n, 1) with labels of 1 to 10, where 10 is the digit 0. The split `extra` has half a
million further, easier digits; it is optional.
"""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.core.errors import CorruptData, MissingInput
from pipeline.datasets.labelled.splits import DIGITS, MOST_PICTURES, LabelledSplit, label
from pipeline.datasets.published import Published
from pipeline.readers.matlab_reader import read_arrays

SIDE = 32
SPLITS = ("train", "test", "extra")

_SITE = "http://ufldl.stanford.edu/housenumbers"
_KNOWN = {
    "train": (182_040_794, "e26dedcc434d2e4c54c9b2d4a06d8373", 73_257),
    "test": (64_275_384, "eb5a983be6a315427106f1b164d9cef3", 26_032),
    "extra": (1_329_278_602, "a93ce644f1a588dc4d68dda5feec44a7", 531_131),
}


def file_name(split: str) -> str:
    """The published file name of a split."""
    return f"{split}_32x32.mat"


ARCHIVES = {
    file_name(split): Published(
        length, f"{_SITE}/{file_name(split)}", f"{_SITE}/{file_name(split)}", md5=md5, entries=entries
    )
    for split, (length, md5, entries) in _KNOWN.items()
}
"""What is published about each file, by file name."""


def locate(folder: Path) -> list[Path]:
    """The files that `read` reads; `extra` only if it exists."""
    paths = [folder / file_name(split) for split in SPLITS]
    return [path for path in paths if path.name != file_name("extra") or path.exists()]


def read(folder: Path) -> dict[str, LabelledSplit]:
    """The splits `train` and `test`, and `extra` if its file exists.

    Raises:
        MissingInput: a file is not there.
        CorruptData: a file is cut off, damaged, or holds something else.
    """
    return {path.name.removesuffix("_32x32.mat"): _read_split(path) for path in locate(folder)}


def _read_split(path: Path) -> LabelledSplit:
    if not path.is_file():
        raise MissingInput(f"{path}: no such file; download it again")
    arrays = read_arrays(path, ["X", "y"], most_bytes=MOST_PICTURES * SIDE * SIDE * 3)
    if absent := [name for name in ("X", "y") if name not in arrays]:
        raise CorruptData(
            f"{path}: has no variable {' nor '.join(absent)}, expected X and y; download or copy it again"
        )
    images, given = arrays["X"], arrays["y"]
    if images.dtype != np.uint8 or images.shape[:3] != (SIDE, SIDE, 3) or images.ndim != 4:
        raise CorruptData(
            f"{path}: X is {images.dtype} {images.shape}, expected uint8 ({SIDE}, {SIDE}, 3, n); get it again"
        )
    if given.ndim != 2 or 1 not in given.shape:
        raise CorruptData(f"{path}: y is {given.dtype} {given.shape}, expected (n, 1); download or copy it again")
    return label(images.transpose(3, 0, 1, 2), _digits(path, given), DIGITS, path)


def _digits(path: Path, given: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """Digits 0..9, int64 (n,), from labels of 1..10."""
    flat = given.ravel()
    if not np.isfinite(flat).all() or (flat != np.floor(flat)).any():
        raise CorruptData(f"{path}: labels are not all whole numbers; download or copy it again")
    if flat.size and (flat.min() < 1 or flat.max() > 10):
        raise CorruptData(
            f"{path}: labels of {flat.min():.0f} to {flat.max():.0f}, expected 1 to 10; download or copy it again"
        )
    numbers: npt.NDArray[np.int64] = flat.astype(np.int64) % 10
    return numbers
