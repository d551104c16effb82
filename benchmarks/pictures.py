"""Read pictures for benchmarks as arrays, write them as image sets, and train encoders on them."""

import hashlib
import itertools
import tempfile
from pathlib import Path

import numpy as np

from pipeline.core.params import default_profile, load_section
from pipeline.datasets.pictures.raw_folder import open_archive
from pipeline.dedup.encoder.autoencoder import AutoencoderConfig
from pipeline.dedup.encoder.codes import Encoder, load_encoder
from pipeline.dedup.encoder.train_autoencoder import train_autoencoder
from pipeline.imageset.format import image_set
from pipeline.imageset.format.image_set import Images
from pipeline.prepare.decode import Decoded, decode
from pipeline.prepare.resize import resize
from pipeline.readers.base import only_pictures

_MOST_PIXELS = 10**8
_CHUNK = 4096


def read_whole(path: Path, most: int | None = None) -> list[Images]:
    """Read pictures from a folder, zip, tar, LMDB or parquet file.

    Args:
        path: path of the folder or file.
        most: maximum number of files to read; None for all.

    Returns:
        Each readable picture as uint8 (H, W, 3), in key order.
    """
    source = open_archive(path).source
    with source.open() as read:
        entries = itertools.islice(only_pictures(source.entries()), most)
        found = (decode(read(entry.place), max_pixels=_MOST_PIXELS) for entry in entries)
        return [decoded.image for decoded in found if isinstance(decoded, Decoded)]


def read_squares(path: Path, side: int, under: str = "") -> Images:
    """Read pictures whose keys begin with `under`, prepared as the prepare stages do: uint8 (n, side, side, 3)."""
    source = open_archive(path).source
    made = []
    with source.open() as read:
        for entry in (entry for entry in only_pictures(source.entries()) if entry.key.startswith(under)):
            decoded = decode(read(entry.place), max_pixels=_MOST_PIXELS)
            if isinstance(decoded, Decoded):
                made.append(resize(decoded.image, side=side, method="area"))
    return np.stack(made)


def write_set(pictures: Images, folder: Path, first: int = 0) -> Path:
    """Write pictures uint8 (n, side, side, 3) as an image set and return its folder; the keys count from `first`."""
    with tempfile.TemporaryDirectory(dir=folder.parent) as chunks:
        starts = range(0, len(pictures), _CHUNK)
        for number, start in enumerate(starts):
            block = pictures[start : start + _CHUNK]
            side = block.shape[1]
            listed = [
                image_set.Picture(f"{n:08d}", side, side, image.nbytes, hashlib.sha256(b"%d" % n).hexdigest())
                for n, image in enumerate(block, first + start)
            ]
            image_set.write_chunk(Path(chunks), number, block, listed, [], sources=len(block))
        folder.mkdir()
        image_set.join_chunks(Path(chunks), len(starts), folder, side=pictures.shape[1], max_bad=0.0)
    return folder


def train_set(images: Path, section: AutoencoderConfig, to: Path, steps: int) -> Encoder:
    """Train an encoder on an image set with the parameters of a profile, for about `steps` steps."""
    count = len(image_set.ImageSet(images))
    update = {"epochs": max(1, round(steps * section.batch_size / count)), "batch_size": min(section.batch_size, count)}
    train_autoencoder(images, section.model_copy(update=update), name="benchmark", seed=1, to=to)
    return load_encoder(to / "encoder.safetensors")


def train_encoder(pictures: Images, steps: int = 1200) -> Encoder:
    """Train an encoder on pictures uint8 (n, side, side, 3) with the parameters of the workstation profile."""
    section = load_section(default_profile(), "dedup.imagenet.autoencoder", AutoencoderConfig)
    with tempfile.TemporaryDirectory() as folder:
        images = write_set(pictures, Path(folder) / "set")
        return train_set(images, section, Path(folder) / "model", steps)
