"""SVHN, cropped digits: a MATLAB file (MAT v5) for each split.

`X` is uint8 (32, 32, 3, n), `y` (n, 1) with labels of 1 to 10, where 10 is the digit 0. The split `extra` is a further
half million of easier digits, and is read where it is there.
"""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.datasets.labelled import DIGITS, MOST_PICTURES, Labelled, label
from pipeline.datasets.published import Published
from pipeline.errors import CorruptData, MissingInput

SIDE = 32
SPLITS = ("train", "test", "extra")

_SITE = "http://ufldl.stanford.edu/housenumbers"
_KNOWN = {
    "train": (182_040_794, "e26dedcc434d2e4c54c9b2d4a06d8373", 73_257),
    "test": (64_275_384, "eb5a983be6a315427106f1b164d9cef3", 26_032),
    "extra": (1_329_278_602, "a93ce644f1a588dc4d68dda5feec44a7", 531_131),
}


def file_name(split: str) -> str:
    """The file of a split, as upstream calls it."""
    return f"{split}_32x32.mat"


ARCHIVES = {
    file_name(split): Published(
        length, f"{_SITE}/{file_name(split)}", f"{_SITE}/{file_name(split)}", md5=md5, entries=entries
    )
    for split, (length, md5, entries) in _KNOWN.items()
}
"""What is known of each file, by its name."""

_NUMBERS = ("uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64", "single", "double")
_MOST_SHRUNK = 1032  # deflate's limit, of which a file of pictures is far


def locate(folder: Path) -> list[Path]:
    """The files that `read` reads; `extra` only where it is there."""
    paths = [folder / file_name(split) for split in SPLITS]
    return [path for path in paths if path.name != file_name("extra") or path.exists()]


def read(folder: Path) -> dict[str, Labelled]:
    """The splits `train` and `test`, and `extra` where it is there.

    Raises:
        MissingInput: a file is not there.
        CorruptData: one is cut off, damaged, or holds something else.
    """
    return {path.name.removesuffix("_32x32.mat"): _read_split(path) for path in locate(folder)}


def _read_split(path: Path) -> Labelled:
    if not path.is_file():
        raise MissingInput(f"{path}: no such file; download it again")
    _check_announced(path, _scipy(path, "whosmat"))
    values = _scipy(path, "loadmat", variable_names=["X", "y"])
    images, given = values.get("X"), values.get("y")
    # A variable that cannot be read comes as text that says so, or not at all.
    if not isinstance(images, np.ndarray) or not isinstance(given, np.ndarray):
        raise CorruptData(f"{path}: truncated or damaged: X and y could not both be read; download or copy it again")
    if images.dtype != np.uint8 or images.shape[:3] != (SIDE, SIDE, 3) or images.ndim != 4:
        raise CorruptData(
            f"{path}: X is {images.dtype} {images.shape}, expected uint8 ({SIDE}, {SIDE}, 3, n); get it again"
        )
    return label(images.transpose(3, 0, 1, 2), _digits(path, given), DIGITS, path)


def _check_announced(path: Path, announced: list[tuple[str, tuple[int, ...], str]]) -> None:
    """Refuse by their headers, before memory is taken for them, variables that are not SVHN's."""
    for name, kinds in (("X", ("uint8",)), ("y", _NUMBERS)):
        found = [(shape, kind) for other, shape, kind in announced if other == name]
        listed = "; ".join(f"{name} {kind} {shape}" for name, shape, kind in announced[:5]) or "nothing"
        if len(found) != 1 or found[0][1] not in kinds:
            raise CorruptData(
                f"{path}: expected one {name} of numbers, found {listed[:200]}; download or copy it again"
            )
        shape = tuple(int(length) for length in found[0][0])
        right = shape[:3] == (SIDE, SIDE, 3) and len(shape) == 4 if name == "X" else len(shape) == 2 and 1 in shape
        if not right:
            expected = f"({SIDE}, {SIDE}, 3, n)" if name == "X" else "(n, 1)"
            raise CorruptData(f"{path}: {name} is {shape}, expected {expected}; download or copy it again")
        pictures = shape[3] if name == "X" else max(shape)
        room = path.stat().st_size * _MOST_SHRUNK // (SIDE * SIDE * 3 if name == "X" else 1)
        if not 0 <= pictures <= min(MOST_PICTURES, room):
            raise CorruptData(
                f"{path}: announces {name} of {pictures:,} pictures, more than its {path.stat().st_size:,} bytes can "
                "hold; download or copy it again"
            )


def _digits(path: Path, given: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """Digits 0..9, int64 (n,), from labels of 1..10."""
    flat = given.ravel()
    if flat.dtype.kind not in "iuf" or not np.isfinite(flat).all() or (flat != np.floor(flat)).any():
        raise CorruptData(f"{path}: labels are not all whole numbers; download or copy it again")
    if flat.size and (flat.min() < 1 or flat.max() > 10):
        raise CorruptData(
            f"{path}: labels of {flat.min():.0f} to {flat.max():.0f}, expected 1 to 10; download or copy it again"
        )
    numbers: npt.NDArray[np.int64] = flat.astype(np.int64) % 10
    return numbers


def _scipy(path: Path, function: str, **options: Any) -> Any:
    """A function of scipy's reader, whose errors on a damaged file are nearly any."""
    from scipy import io  # slow, and only this data set needs it

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what cannot be read; it is missed afterwards
            return getattr(io, function)(path, appendmat=False, **options)
    except NotImplementedError:
        raise CorruptData(
            f"{path}: MATLAB's version 7.3, expected version 5 as published; download the published file"
        ) from None
    except PermissionError:
        raise
    except Exception as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise CorruptData(
            f"{path}: truncated, or no MATLAB file of version 5 ({reason}); download or copy it again"
        ) from None
