"""A pickled batch of 32×32 pictures, the format of CIFAR-10 and of downsampled ImageNet.

A batch is a dictionary. `data` is uint8 (n, 3072); each row holds the red, green and blue planes of a picture. `labels`
is a list of class numbers. Files that a later version of Python has rewritten have keys of type bytes.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.core.errors import CorruptData
from pipeline.readers.restricted_pickle import read_plain

SIDE = 32


def read_mapping(data: bytes, where: str) -> dict[str, Any]:
    """Read the dictionary in a pickle; its keys become text.

    Args:
        data: the pickle.
        where: name of the file or member, for messages.

    Raises:
        CorruptData: the pickle holds something else; see also `restricted_pickle.read_plain`.
    """
    value = read_plain(data, where)
    if not isinstance(value, dict):
        raise CorruptData(f"{where}: a {type(value).__name__}, expected a dictionary; download or copy it again")
    return {key.decode("latin1") if isinstance(key, bytes) else str(key): item for key, item in value.items()}


def pictures_of(batch: dict[str, Any], where: str) -> npt.NDArray[np.uint8]:
    """The pictures of a batch, uint8 (n, 32, 32, 3) RGB: a view of its rows.

    Raises:
        CorruptData: the batch has no pictures, or their shape or dtype is wrong.
    """
    data, width = batch.get("data"), SIDE * SIDE * 3
    if not isinstance(data, np.ndarray) or data.dtype != np.uint8 or data.shape[1:] != (width,):
        found = f"{data.dtype} {data.shape}" if isinstance(data, np.ndarray) else f"a {type(data).__name__}"
        raise CorruptData(f"{where}: data is {found}, expected uint8 (n, {width}); download or copy it again")
    return data.reshape(-1, 3, SIDE, SIDE).transpose(0, 2, 3, 1)


def numbers_of(batch: dict[str, Any], where: str) -> npt.NDArray[np.int64]:
    """The class numbers of a batch, int64 (n,); their range is not checked.

    Raises:
        CorruptData: the batch has no labels, or they are not whole numbers.
    """
    labels = batch.get("labels")
    if isinstance(labels, np.ndarray) and labels.ndim == 1 and labels.dtype.kind in "iu":
        return labels.astype(np.int64)
    if isinstance(labels, list) and all(type(number) is int and abs(number) < 1 << 60 for number in labels):
        return np.array(labels, np.int64)
    raise CorruptData(f"{where}: labels are no list of whole numbers; download or copy it again")
