"""SVHN's MATLAB files beside scipy's reading of them, and every way of being broken."""

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.io
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.core.errors import CorruptData, MissingInput
from pipeline.datasets.labelled import svhn
from pipeline.readers.matlab_reader import read_arrays

X = np.random.default_rng(1).integers(0, 256, (32, 32, 3, 12), dtype=np.uint8)
Y = np.array([[1], [9], [10], [2], [3], [4], [5], [6], [7], [8], [10], [1]], np.uint8)
DIGITS = ["1", "9", "0", "2", "3", "4", "5", "6", "7", "8", "0", "1"]


def mat(compressed: bool = True, **variables: Any) -> bytes:
    """A MATLAB file as scipy writes it."""
    buffer = io.BytesIO()
    scipy.io.savemat(buffer, variables, do_compression=compressed)
    return buffer.getvalue()


Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """A function that writes `train_32x32.mat`, a good `test_32x32.mat` beside it, and gives the first one's path."""
    (tmp_path / "test_32x32.mat").write_bytes(mat(X=X[..., :3], y=Y[:3]))

    def write(data: bytes) -> Path:
        (tmp_path / "train_32x32.mat").write_bytes(data)
        return tmp_path / "train_32x32.mat"

    return write


@pytest.mark.parametrize("compressed", [True, False])
@pytest.mark.parametrize("dtype", [np.uint8, np.float64, np.int32])
def test_as_scipy_reads_it(write: Write, tmp_path: Path, compressed: bool, dtype: Any) -> None:
    """Rows and columns stand as in the picture, ten is the digit nought, and other variables are passed over."""
    path = write(mat(compressed, other="text", X=X, cells=np.array([1, "a"], object), y=Y.astype(dtype)))
    reference = scipy.io.loadmat(path)
    found = svhn.read(tmp_path)
    assert list(found) == ["train", "test"]
    assert found["train"].images.dtype == np.uint8
    assert np.array_equal(found["train"].images, reference["X"].transpose(3, 0, 1, 2))
    assert found["train"].labels == DIGITS and found["test"].labels == DIGITS[:3]
    assert found["train"].classes == tuple("0123456789")


def test_extra_is_read_where_it_is_there(write: Write, tmp_path: Path) -> None:
    write(mat(X=X, y=Y.T))  # a row of labels is as good as a column
    (tmp_path / "extra_32x32.mat").write_bytes(mat(False, X=X[..., 5:6], y=Y[5:6]))
    found = svhn.read(tmp_path)
    assert {split: len(found[split].labels) for split in found} == {"train": 12, "test": 3, "extra": 1}


def big_endian(array: np.ndarray) -> bytes:
    """A variable as a machine of the other byte order writes it."""

    def element(kind: int, data: bytes) -> bytes:
        return struct.pack(">II", kind, len(data)) + data + bytes(-len(data) % 8)

    dims = element(5, np.array(array.shape, ">i4").tobytes())
    body = element(6, struct.pack(">II", 9, 0)) + dims + element(1, b"X") + element(2, array.tobytes("F"))
    return struct.pack(">II", 14, len(body)) + body


def test_the_other_byte_order(tmp_path: Path) -> None:
    (tmp_path / "x.mat").write_bytes(b"MATLAB 5.0".ljust(124) + b"\x01\x00MI" + big_endian(X))
    assert np.array_equal(read_arrays(tmp_path / "x.mat", ["X"], most_bytes=1 << 20)["X"], X)
    assert np.array_equal(scipy.io.loadmat(tmp_path / "x.mat")["X"], X)


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"X": X, "y": Y + 1}, "labels of 2 to 11, expected 1 to 10"),
        ({"X": X, "y": Y * 0}, "labels of 0 to 0"),
        ({"X": X, "y": Y / 2}, "not all whole numbers"),
        ({"X": X, "y": Y * np.nan}, "not all whole numbers"),
        ({"X": X, "y": Y[:11]}, "11 labels for 12 pictures"),
        ({"X": X[..., :0], "y": Y[:0]}, "holds no pictures"),
        ({"X": X[:, :31], "y": Y}, r"X is uint8 \(32, 31, 3, 12\), expected uint8 \(32, 32, 3, n\)"),
        ({"X": X[..., 0], "y": Y}, r"X is uint8 \(32, 32, 3\)"),
        ({"X": X.astype(np.float32), "y": Y}, r"X is float32 \(32, 32, 3, 12\)"),
        ({"X": X, "y": Y.reshape(3, 4)}, r"y is uint8 \(3, 4\), expected \(n, 1\)"),
        ({"X": X, "y": Y + 1j}, "y is of class complex double"),
        ({"X": X, "y": "text"}, "y is of class char, expected real numbers"),
        ({"X": np.array([X, 1], object), "y": Y}, "X is of class cell"),
        ({"X": {"a": X}, "y": Y}, "X is of class struct"),
        ({"y": Y}, "has no variable X, expected X and y"),
        ({"x": X, "Y": Y}, "has no variable X nor y"),
    ],
)
def test_what_does_not_fit(write: Write, tmp_path: Path, variables: dict[str, Any], message: str) -> None:
    """Range, counts, shapes, types: file, found, expected, what to do."""
    path = write(mat(**variables))
    with pytest.raises(CorruptData, match=rf"^{path}: .*{message}.* again$"):
        svhn.read(tmp_path)


@pytest.mark.parametrize("compressed", [True, False])
def test_truncated_at_any_length(write: Write, tmp_path: Path, compressed: bool) -> None:
    """In the header, between the variables, in a tag, in the numbers, in the last byte."""
    whole = mat(compressed, X=X, y=Y)
    for length in {*range(0, 260, 7), *range(260, len(whole), 997), *range(len(whole) - 90, len(whole), 3)}:
        path = write(whole[:length])
        with pytest.raises(CorruptData, match=rf"^{path}: (truncated, or no MATLAB|has no variable).* again$"):
            svhn.read(tmp_path)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"<!DOCTYPE html><html>sorry</html>", "it begins with '<!DOCTYPE html><html"),
        (b"MATLAB 7.3".ljust(124) + b"\x00\x02IM" + bytes(400), r"version 7\.3, expected 5"),
        (bytes(124) + b"\x00\x03IM", "version 0x0300"),
        (mat(X=X, y=Y) + mat(X=X)[128:], "it holds two variables X"),
        (
            mat(False, X=X, y=Y)[:128] + struct.pack("<II", 14, 0xFFFFFFF0) + bytes(900),
            "an element of 4,294,967,280 bytes",
        ),
        (bytes(124) + b"\x00\x01IM" + struct.pack("<II", 15, 8) + bytes(8), "Error -3 while decompressing"),
    ],
)
def test_what_is_no_mat_file(write: Write, tmp_path: Path, data: bytes, message: str) -> None:
    write(data)
    with pytest.raises(CorruptData, match=message):
        svhn.read(tmp_path)


def announcing(shape: tuple[int, ...], length: int) -> bytes:
    """A compressed X that announces a shape and a length and then holds zeros, a thousandth of its size packed."""
    body = struct.pack("<IIII", 6, 8, 9, 0) + struct.pack("<II", 5, 4 * len(shape))
    body += struct.pack(f"<{len(shape)}i", *shape) + bytes(-4 * len(shape) % 8) + struct.pack("<HH", 1, 1) + b"X\0\0\0"
    body += struct.pack("<II", 2, length) + bytes(1 << 22)
    packed = zlib.compress(struct.pack("<II", 14, len(body)) + body)
    return bytes(124) + b"\x00\x01IM" + struct.pack("<II", 15, len(packed)) + packed


@pytest.mark.parametrize(
    ("shape", "length", "message"),
    [
        ((32, 32, 3, 1_398_101), 4_294_966_272, "an element of 4,294,966,272 bytes, expected at most 3,072,000,000"),
        ((32, 32, 3, 900_000), 2_764_800_000, "it ends in the middle of an element"),
        ((32, 32, 3, 12), 2_764_800_000, r"announces the shape \(32, 32, 3, 12\) and 2,764,800,000 bytes"),
        ((32, 32, -3, -12), 36_864, r"announces the shape \(32, 32, -3, -12\)"),
        ((2**31 - 1,) * 8, 36_864, "announces the shape"),
        ((32, 32, 3, 1000), 3_072_000, "does not end where it should"),
    ],
)
def test_absurd_announcements(write: Write, tmp_path: Path, shape: tuple[int, ...], length: int, message: str) -> None:
    """Lengths are compared before memory is taken, and a zlib stream is read no further than announced."""
    write(announcing(shape, length))
    with pytest.raises(CorruptData, match=message):
        svhn.read(tmp_path)


@pytest.mark.parametrize("name", ["train_32x32.mat", "test_32x32.mat"])
def test_a_file_is_missing(write: Write, tmp_path: Path, name: str) -> None:
    write(mat(X=X, y=Y))
    (tmp_path / name).unlink()
    with pytest.raises(MissingInput, match=rf"{name}: no such file; download it again"):
        svhn.read(tmp_path)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.booleans(), st.integers(0, 320), st.integers(0, 255))
def test_damage_is_read_or_refused(write: Write, tmp_path: Path, compressed: bool, place: int, value: int) -> None:
    """Whatever byte is changed in headers and tags, no other error comes out."""
    data = bytearray(mat(compressed, y=Y, X=X))
    data[place] = value
    write(bytes(data))
    try:
        svhn.read(tmp_path)
    except CorruptData as error:
        assert "\n" not in str(error)
