"""Features of a discriminator (the paper's section 5.1): its maps, pooled to 4×4, as one row per picture.

"We train on Imagenet-1k and then use the discriminator's convolutional features from all layers, maxpooling each layers
representation to produce a 4 × 4 spatial grid. These features are then flattened and concatenated". Maps are taken
after batch norm and activation, in the order of the layers, as in the code for SVHN that the authors released.
"""

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, cast

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from torch.nn.functional import max_pool2d

from pipeline.core import progress
from pipeline.core.errors import BadParameters
from pipeline.imageset.format.image_set import ImageSet, Rows
from pipeline.models.base import FeatureNetwork

Norm = Literal["running", "own", "benchmark"]
FeatureMatrix = npt.NDArray[np.float32]

BLOCK = 64
"""Pictures in a batch. It never changes, because the last bits of a convolution can depend on the batch size."""

GRID = 4
"""Height and width to which the maps of each layer are pooled."""

STATISTICS_BATCH = 128
"""Batch size of the authors' released code, which averages mean and variance over batches."""


def pixels(images: npt.NDArray[np.uint8]) -> torch.Tensor:
    """The input of the networks: float32 (n, 3, side, side) in [-1, 1] from uint8 (n, side, side, 3)."""
    return torch.from_numpy(images).permute(0, 3, 1, 2).float() / 127.5 - 1


def with_statistics(network: nn.Module, images: ImageSet, rows: Rows) -> nn.Module:
    """A copy in evaluation mode whose batch norm uses the statistics of these pictures.

    As in the authors' released code, mean and variance of each batch of 128 are averaged over the batches; an
    incomplete last batch is left out.

    Raises:
        BadParameters: the rows do not fill a batch.
    """
    if len(rows) < STATISTICS_BATCH:
        raise BadParameters(
            f"statistics_pictures: {len(rows)} pictures do not fill one batch of {STATISTICS_BATCH}; take more"
        )
    copied = copy.deepcopy(network).train()
    for module in copied.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.reset_running_stats()
            module.momentum = None  # None: the plain mean over batches
    with torch.no_grad():
        for start in range(0, len(rows) - STATISTICS_BATCH + 1, STATISTICS_BATCH):
            copied(pixels(images.read(rows[start : start + STATISTICS_BATCH])))
    return copied.eval()


def of_pictures(network: nn.Module, images: npt.NDArray[np.uint8]) -> FeatureMatrix:
    """Features float32 (n, count) of pictures uint8 (n, side, side, 3); each row depends only on its own picture.

    Args:
        network: a `FeatureNetwork` in evaluation mode.
    """
    rows = []
    for start in range(0, len(images), BLOCK):
        block = images[start : start + BLOCK]
        padded = np.zeros((BLOCK, *images.shape[1:]), np.uint8)
        padded[: len(block)] = block
        with torch.no_grad():
            maps = cast(FeatureNetwork, network).features(pixels(padded))
            pooled = [max_pool2d(layer, layer.shape[-1] // GRID).flatten(1) for layer in maps]
        rows.append(torch.cat(pooled, dim=1)[: len(block)].numpy())
    return np.concatenate(rows)


def write(path: Path, network: nn.Module, images: ImageSet, rows: Rows, title: str) -> FeatureMatrix:
    """Write the features of `rows`, in their order, to a `.npy` file; after an interruption, a new call resumes.

    Returns:
        The memory-mapped file: float32 (n, count).
    """
    width = of_pictures(network, images.read(rows[:1])).shape[1]
    # The file is not memory-mapped while it is written: on a full disk, that would kill the process (SIGBUS).
    with path.open("r+b" if path.exists() else "w+b") as file:
        header = {"descr": "<f4", "fortran_order": False, "shape": (len(rows), width)}
        np.lib.format.write_array_header_1_0(file, header)
        start = file.tell()
        file.seek(0, 2)
        block_bytes = BLOCK * width * 4
        done = (file.tell() - start) // block_bytes * BLOCK  # an incomplete block is computed again
        file.seek(start + done * width * 4)
        file.truncate()
        with progress.bar(title, len(rows), done=done) as advance:
            for block in _blocks(rows[done:]):
                file.write(of_pictures(network, images.read(block)).tobytes())
                advance(len(block))
    mapped: FeatureMatrix = np.load(
        path, mmap_mode="c"
    )  # torch requires writable memory; nothing is written to the file
    return mapped


def _blocks(rows: Rows) -> Iterator[Rows]:
    for start in range(0, len(rows), BLOCK):
        yield rows[start : start + BLOCK]
