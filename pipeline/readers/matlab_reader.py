"""MATLAB files of version 5, arrays of numbers only ("MAT-File Format", The MathWorks: level 5).

A header of 128 bytes, then elements: a tag with type and length, then the data, padded to 8 bytes. A variable is an
element of elements: flags, dimensions, name, numbers; or the same inside a zlib stream. Read here, and not by scipy,
whose reader ends the process on some damaged files.
"""

import io
import math
import struct
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pipeline.core.errors import CorruptData

_HEADER = 128
_MATRIX, _COMPRESSED = 14, 15
_INT8, _INT32, _UINT32 = 1, 5, 6
_STORED = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
"""How numbers are stored, by the type of their element."""

_CLASSES = {
    **{1: "cell", 2: "object", 3: "object", 4: "char", 5: "sparse", 6: "double", 7: "single", 8: "int8", 9: "uint8"},
    **{10: "int16", 11: "uint16", 12: "int32", 13: "uint32", 14: "int64", 15: "uint64", 16: "function", 17: "opaque"},
}
_FIRST_NUMBER = 6
_COMPLEX = 0x0800
_LONGEST_NAME = 1 << 10
_MOST_AXES = 32
_BLOCK = 1 << 20


class _Damaged(Exception):
    """What is wrong with the file."""


class _Tag(NamedTuple):
    """Type and length of an element; `small` is its data where that stands in the tag itself."""

    kind: int
    length: int
    small: bytes | None


class _Plain:
    """The bytes of an element that is not compressed."""

    def __init__(self, file: io.BufferedReader, length: int) -> None:
        self._file, self._left = file, length

    def fill(self, buffer: memoryview) -> None:
        """Read as many bytes as `buffer` has room for."""
        self._left -= len(buffer)
        if self._left < 0:
            raise _Damaged("an element is longer than what it stands in")
        while buffer:
            count = self._file.readinto(buffer)
            if not count:
                raise _Damaged("it ends in the middle of an element")
            buffer = buffer[count:]

    def finish(self) -> None:
        """Nothing follows that could be compared."""


class _Inflated:
    """The bytes of an element inside a zlib stream of `length` bytes."""

    def __init__(self, file: io.BufferedReader, length: int) -> None:
        self._file, self._left = file, length
        self._stream = zlib.decompressobj()

    def fill(self, buffer: memoryview) -> None:
        while buffer:
            data = self._some(len(buffer))
            if not data:
                raise _Damaged("it ends in the middle of an element")
            buffer[: len(data)] = data
            buffer = buffer[len(data) :]

    def finish(self) -> None:
        """Read to the end of the stream, where its checksum is compared; at most padding may be left."""
        if len(self._some(9)) > 8 or self._some(1) or not self._stream.eof:
            raise _Damaged("a compressed variable does not end where it should")

    def _some(self, most: int) -> bytes:
        """At least one byte, unless the stream has ended."""
        while not self._stream.eof:
            packed = self._stream.unconsumed_tail
            if not packed:
                packed = self._file.read(min(_BLOCK, self._left))
                self._left -= len(packed)
            data = self._stream.decompress(packed, min(most, _BLOCK))
            if data:
                return data
            if not packed:
                break
        return b""


_Reader = _Plain | _Inflated


def read_arrays(path: Path, names: Sequence[str], *, most_bytes: int) -> dict[str, npt.NDArray[Any]]:
    """The arrays of the given names.

    Args:
        path: the file.
        names: variables to read; others are passed over, and one that is not there is left out.
        most_bytes: length of one of them above which it is refused before memory is taken for it.

    Returns:
        Integer or float arrays in MATLAB's shape and order (the first axis changes fastest), of the type they are
        stored with, which may be shorter than their class.

    Raises:
        CorruptData: the file is cut off, damaged, of another version, or one of the variables holds something else.
    """
    found: dict[str, npt.NDArray[Any]] = {}
    try:
        with path.open("rb") as file:
            end = file.seek(0, 2)
            file.seek(0)
            order = _byte_order(file.read(_HEADER))
            while file.tell() < end:
                # Tags of compressed variables are not aligned, and neither is what follows them.
                kind, length, _ = _tag(_Plain(file, 8), order)
                next_element = file.tell() + length
                if next_element > end:
                    raise _Damaged(f"an element of {length:,} bytes begins {end - file.tell():,} bytes before the end")
                if kind in (_MATRIX, _COMPRESSED):
                    reader = _Inflated(file, length) if kind == _COMPRESSED else _Plain(file, length)
                    name, array = _variable(reader, order, names, most_bytes)
                    if name in found:
                        raise _Damaged(f"it holds two variables {name}")
                    if array is not None:
                        found[name] = array
                file.seek(next_element)
    except (_Damaged, zlib.error) as error:
        raise CorruptData(f"{path}: truncated, or no MATLAB file as expected: {error}; get it again") from None
    return found


def _byte_order(header: bytes) -> str:
    mark, version = header[126:128], header[124:126]
    if len(header) < _HEADER or mark not in (b"IM", b"MI"):
        start = header[:20].decode("ascii", "replace")
        raise _Damaged(f"it begins with {start!r}, not with the header of version 5")
    order = "<" if mark == b"IM" else ">"
    (number,) = struct.unpack(f"{order}H", version)
    if number != 0x0100:
        raise _Damaged(f"it is of version {'7.3' if number == 0x0200 else f'{number:#06x}'}, expected 5")
    return order


def _take(reader: _Reader, length: int) -> npt.NDArray[np.uint8]:
    data = np.empty(length, np.uint8)  # no memory is touched before something is there to fill it
    reader.fill(data.data)
    return data


def _tag(reader: _Reader, order: str) -> _Tag:
    data = _take(reader, 8).tobytes()
    first, length = struct.unpack(f"{order}II", data)
    if first >> 16:  # a small element: length and type in the first half of the tag, its data in the second
        if first >> 16 > 4:
            raise _Damaged(f"a small element of {first >> 16} bytes")
        return _Tag(first & 0xFFFF, first >> 16, data[4 : 4 + (first >> 16)])
    return _Tag(first, length, None)


def _data(reader: _Reader, tag: _Tag, most: int) -> bytes | npt.NDArray[np.uint8]:
    """An element's data; the padding after it is read as well."""
    if tag.small is not None:
        return tag.small
    if tag.length > most:
        raise _Damaged(f"an element of {tag.length:,} bytes, expected at most {most:,}")
    data = _take(reader, tag.length)
    if padding := -tag.length % 8:
        _take(reader, padding)
    return data


def _variable(
    reader: _Reader, order: str, names: Sequence[str], most_bytes: int
) -> tuple[str, npt.NDArray[Any] | None]:
    """Name and array of a variable; None for one that is not asked for."""
    if isinstance(reader, _Inflated) and _tag(reader, order).kind != _MATRIX:
        raise _Damaged("a compressed element that is no variable")
    flags = _part(reader, order, _UINT32, 8)
    dimensions = _part(reader, order, _INT32, 4 * _MOST_AXES)
    name = _part(reader, order, _INT8, _LONGEST_NAME).decode("latin1")
    if name not in names:
        return name, None
    (flag,) = struct.unpack_from(f"{order}I", flags.ljust(4, b"\0"))
    kind = _CLASSES.get(flag & 0xFF, "unknown")
    if flag & 0xFF < _FIRST_NUMBER or flag & 0xFF > 15 or flag & _COMPLEX:
        raise _Damaged(f"{name} is of class {'complex ' if flag & _COMPLEX else ''}{kind}, expected real numbers")
    shape = tuple(np.frombuffer(dimensions[: len(dimensions) // 4 * 4], f"{order}i4").tolist())
    tag = _tag(reader, order)
    if tag.kind not in _STORED:
        raise _Damaged(f"{name} holds elements of type {tag.kind}, expected numbers")
    dtype = np.dtype(order + _STORED[tag.kind])
    if len(shape) < 2 or min(shape) < 0 or math.prod(shape) * dtype.itemsize != tag.length:
        raise _Damaged(f"{name} announces the shape {shape} and {tag.length:,} bytes of type {dtype.name}")
    array = np.ndarray(shape, dtype, _data(reader, tag, most_bytes), order="F")
    reader.finish()
    return name, array


def _part(reader: _Reader, order: str, kind: int, most: int) -> bytes:
    """The data of one of the elements before a variable's numbers."""
    tag = _tag(reader, order)
    if tag.kind != kind:
        raise _Damaged(f"an element of type {tag.kind} where {kind} was expected")
    return bytes(_data(reader, tag, most))
