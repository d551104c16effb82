"""Render the labelled benchmarks in the published file formats: CIFAR-10's pickles, SVHN's MATLAB files, MNIST's IDX.

The same arguments give the same bytes. Each class has a tenth of a split; the order is random. Every picture has its
own seed, derived from the root seed. The files have compressed formats, but store their data uncompressed, because the
output of compressors differs between versions.
"""

import io
import pickle
import struct
import tarfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from pipeline.datasets.labelled import cifar10, mnist, svhn
from pipeline.miniature.digits import draw_house_number, draw_stroke_digit
from pipeline.miniature.textures import CLASSES, draw_texture
from pipeline.readers.pickled_batches import SIDE
from pipeline.seeding import numpy_rng

Numbers = npt.NDArray[np.int64]
Pixels = npt.NDArray[np.uint8]

DRAWN_CLASSES = ("stripes", "waves", "zigzag", "rings", "rays", "checks", "hexagons", "dots", "marbles", "stars")
"""Ten texture classes that replace CIFAR-10's classes; none can be recognised by its colours alone."""

_DATE_SECONDS = 1_325_376_000
_MAT_HEADER = b"MATLAB 5.0 MAT-file, drawn".ljust(116)  # scipy writes the current time here
_STORED = 0xFFFF


def _split(
    seed: int, name: str, split: str, count: int, draw: Callable[[np.random.Generator, int], Pixels]
) -> tuple[Pixels, Numbers]:
    """`count` pictures, uint8 (n, …), and their class numbers, int64 (n,)."""
    numbers = numpy_rng(seed, "miniature", name, split).permutation(count) % 10
    drawn = [draw(numpy_rng(seed, "miniature", name, split, i), int(number)) for i, number in enumerate(numbers)]
    return np.stack(drawn), numbers


def _small_texture(rng: np.random.Generator, number: int) -> Pixels:
    """Draw a picture of a class; its central square is averaged down to uint8 (32, 32, 3)."""
    texture = Image.fromarray(draw_texture(rng, list(CLASSES).index(DRAWN_CLASSES[number])))
    short = min(texture.size)
    left, top = (texture.width - short) // 2, (texture.height - short) // 2
    square = texture.crop((left, top, left + short, top + short))
    return np.asarray(square.resize((SIDE, SIDE), Image.Resampling.BOX))


def draw_cifar10(to: Path, *, train: int, test: int, seed: int) -> None:
    """Write `cifar-10-python.tar.gz`: five batches, a test batch and the names of the classes, as pickles.

    Args:
        to: an existing folder.
        train, test: number of pictures of the split.
        seed: root seed.
    """
    members: dict[str, dict[str, Any]] = {
        cifar10.META: {"label_names": list(DRAWN_CLASSES), "num_cases_per_batch": train // 5, "num_vis": 3072}
    }
    for split, count in (("train", train), ("test", test)):
        images, numbers = _split(seed, "cifar10", split, count, _small_texture)
        planes = images.transpose(0, 3, 1, 2).reshape(count, -1)
        names = cifar10.BATCHES[split]
        rows = np.array_split(np.arange(count), len(names))
        for place, (name, own) in enumerate(zip(names, rows, strict=True), 1):
            members[name] = {
                "batch_label": f"{split}ing batch {place} of {len(names)}",
                "labels": numbers[own].tolist(),
                "data": planes[own],
                "filenames": [f"{DRAWN_CLASSES[numbers[row]]}_s_{row:06d}.png" for row in own.tolist()],
            }
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name in sorted(members):
            data = pickle.dumps(members[name], protocol=2)
            info = tarfile.TarInfo(f"{cifar10.FOLDER}/{name}")  # owner 0, mode 0644
            info.size, info.mtime = len(data), _DATE_SECONDS
            archive.addfile(info, io.BytesIO(data))
    (to / cifar10.ARCHIVE).write_bytes(_gzipped(buffer.getvalue()))


def draw_svhn(to: Path, *, train: int, test: int, seed: int) -> None:
    """Write `train_32x32.mat` and `test_32x32.mat`; see `draw_cifar10` for the arguments."""
    from scipy import io as matlab  # slow to import, and only this data set needs it

    for split, count in (("train", train), ("test", test)):
        images, digits = _split(seed, "svhn", split, count, draw_house_number)
        labels = np.where(digits == 0, 10, digits).astype(np.uint8)[:, None]
        buffer = io.BytesIO()
        matlab.savemat(buffer, {"X": images.transpose(1, 2, 3, 0), "y": labels})
        (to / svhn.file_name(split)).write_bytes(_MAT_HEADER + buffer.getvalue()[len(_MAT_HEADER) :])


def draw_mnist(to: Path, *, train: int, test: int, seed: int) -> None:
    """Write the four `.gz` of IDX files; see `draw_cifar10` for the arguments."""
    for split, count in (("train", train), ("test", test)):
        images, digits = _split(seed, "mnist", split, count, draw_stroke_digit)
        stem = mnist.STEMS[split]
        head = struct.pack(">4I", mnist.IMAGES_MAGIC, count, mnist.SIDE, mnist.SIDE)
        (to / f"{stem}-images-idx3-ubyte.gz").write_bytes(_gzipped(head + images.tobytes()))
        head = struct.pack(">2I", mnist.LABELS_MAGIC, count)
        (to / f"{stem}-labels-idx1-ubyte.gz").write_bytes(_gzipped(head + digits.astype(np.uint8).tobytes()))


def _gzipped(data: bytes) -> bytes:
    """A gzip of stored blocks (RFC 1951, section 3.2.4; RFC 1952), identical for every version of zlib."""
    parts = [b"\x1f\x8b\x08\0\0\0\0\0\0\xff"]
    for start in range(0, max(len(data), 1), _STORED):
        block = data[start : start + _STORED]
        last = start + _STORED >= len(data)
        parts += [struct.pack("<BHH", last, len(block), len(block) ^ _STORED), block]
    return b"".join([*parts, struct.pack("<II", zlib.crc32(data), len(data) & 0xFFFFFFFF)])
