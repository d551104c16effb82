"""MNIST's four files, packed or not, and every way of being broken."""

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest

from pipeline.core.errors import CorruptData, MissingInput
from pipeline.datasets.labelled import mnist

IMAGES, LABELS = "train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"
GREY = np.random.default_rng(1).integers(0, 256, (7, 28, 28), dtype=np.uint8)
NUMBERS = np.array([5, 0, 4, 1, 9, 2, 9], np.uint8)


def idx(array: np.ndarray, magic: int | None = None) -> bytes:
    """An IDX file of bytes."""
    magic = 0x0800 + array.ndim if magic is None else magic
    return struct.pack(f">{1 + array.ndim}I", magic, *array.shape) + array.tobytes()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The four files: seven pictures to train, three to test."""
    for name, data in (
        (IMAGES, idx(GREY)),
        (LABELS, idx(NUMBERS)),
        ("t10k-images-idx3-ubyte.gz", idx(GREY[4:])),
        ("t10k-labels-idx1-ubyte.gz", idx(NUMBERS[4:])),
    ):
        (tmp_path / name).write_bytes(gzip.compress(data))
    return tmp_path


def test_packed_or_not(folder: Path) -> None:
    """Grey is repeated, the order is upstream's; unpacked files count where there is no packed one."""
    for _ in range(2):
        found = mnist.read(folder)
        assert list(found) == ["train", "test"]
        assert found["train"].labels == ["5", "0", "4", "1", "9", "2", "9"]
        assert found["test"].labels == ["9", "2", "9"]
        assert found["train"].classes == tuple("0123456789")
        assert found["train"].images.shape == (7, 28, 28, 3) and found["train"].images.dtype == np.uint8
        assert all(np.array_equal(found["train"].images[..., channel], GREY) for channel in range(3))
        for path in folder.glob("*.gz"):
            path.with_suffix("").write_bytes(gzip.decompress(path.read_bytes()))
            path.unlink()
    assert [path.name for path in mnist.locate(folder)] == [name.removesuffix(".gz") for name in mnist.ARCHIVES]


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        (IMAGES, idx(GREY, 2052), r"begins with \[2052, 7, 28, 28\], expected \[2051, n, 28, 28\]"),
        (IMAGES, idx(GREY[:, :27]), r"begins with \[2051, 7, 27, 28\]"),
        (IMAGES, idx(GREY)[:10], r"begins with \[2051, 7, 0, 0\]"),
        (IMAGES, b"", r"begins with \[0, 0, 0, 0\]"),
        (IMAGES, idx(GREY)[:-1], "announces 5,488 bytes and has only 5,487"),
        (IMAGES, idx(GREY) + b"x", "announces 5,488 bytes and has more"),
        (
            IMAGES,
            struct.pack(">4I", 2051, 1 << 31, 28, 28),
            "announces 2,147,483,648 items, expected at most 1,000,000",
        ),
        (LABELS, idx(NUMBERS[:6]), "6 labels for 7 pictures"),
        (LABELS, idx(NUMBERS + 1), "labels of 1 to 10, expected 0 to 9"),
        (LABELS, idx(GREY), r"begins with \[2051, 7\], expected \[2049, n\]"),
    ],
)
@pytest.mark.parametrize("packed", [True, False])
def test_what_does_not_fit(folder: Path, name: str, data: bytes, message: str, packed: bool) -> None:
    """Magic number, shape, counts, range: file, found, expected, what to do."""
    path = folder / name if packed else (folder / name).with_suffix("")
    (folder / name).unlink()
    path.write_bytes(gzip.compress(data) if packed else data)
    with pytest.raises(CorruptData, match=rf"^{path}: {message}.* again$"):
        mnist.read(folder)


def test_no_pictures_at_all(folder: Path) -> None:
    (folder / IMAGES).write_bytes(gzip.compress(idx(GREY[:0])))
    (folder / LABELS).write_bytes(gzip.compress(idx(NUMBERS[:0])))
    with pytest.raises(CorruptData, match="holds no pictures"):
        mnist.read(folder)


@pytest.mark.parametrize("name", [IMAGES, "t10k-labels-idx1-ubyte.gz"])
def test_a_truncated_or_damaged_gzip(folder: Path, name: str) -> None:
    """Cut off anywhere, even within the checksum at its end; a flipped byte; something else."""
    data = (folder / name).read_bytes()
    cuts = {0, 1, 9, 15, len(data) // 2, len(data) - 9, len(data) - 8, len(data) - 1}
    flipped = bytearray(data)
    flipped[-6] ^= 1  # of the checksum
    for broken in [*(data[:cut] for cut in sorted(cuts)), bytes(flipped), b"<html>sorry</html>"]:
        (folder / name).write_bytes(broken)
        with pytest.raises(
            CorruptData, match=rf"^{folder / name}: (truncated, or no gzip|begins with \[0, 0).* again$"
        ):
            mnist.read(folder)


@pytest.mark.parametrize("name", list(mnist.ARCHIVES))
def test_a_file_is_missing(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(MissingInput, match=rf"{name}: no such file; download it again"):
        mnist.read(folder)
