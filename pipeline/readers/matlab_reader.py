"""Read MATLAB files of version 5: numbers, text, cell and struct arrays ("MAT-File Format", The MathWorks: level 5).

A file has a header of 128 bytes, then elements. An element is a tag with type and length, then data, padded to 8 bytes.
A variable is an element that contains elements (flags, dimensions, name, values), or a zlib stream of such an element.
The values of cells and structs are variables without a name. scipy's reader is not used, because some damaged files
make it crash the process.
"""

import io
import math
import struct
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
import numpy.typing as npt

from pipeline.core.errors import CorruptData

_HEADER = 128
_MATRIX, _COMPRESSED = 14, 15
_INT8, _INT32, _UINT32 = 1, 5, 6
_STORED = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
"""The dtype of stored numbers, by element type."""

_CLASSES = {
    **{1: "cell", 2: "struct", 3: "object", 4: "char", 5: "sparse", 6: "double", 7: "single", 8: "int8", 9: "uint8"},
    **{10: "int16", 11: "uint16", 12: "int32", 13: "uint32", 14: "int64", 15: "uint64", 16: "function", 17: "opaque"},
}
_FIRST_NUMBER, _LAST_NUMBER = 6, 15
_COMPLEX = 0x0800
_LONGEST_NAME = 1 << 10
_MOST_AXES = 32
_DEEPEST = 8
"""Maximum depth of nested cells and structs; ImageNet's have one level."""

_BLOCK = 1 << 20


Value = npt.NDArray[Any] | str | list[Any]
"""Value of a variable; see `read_variables`."""


class _Damaged(Exception):
    """The file is damaged; the message says how."""


class _Tag(NamedTuple):
    """Type and length of an element; `small` is its data if the tag itself holds the data."""

    kind: int
    length: int
    small: bytes | None


class _Head(NamedTuple):
    """Name, class and shape of a variable; `is_number`: whether it is an array of real numbers."""

    name: str
    kind: str
    shape: tuple[int, ...]
    is_number: bool


class _Plain:
    """The bytes of an element that is not compressed."""

    def __init__(self, file: BinaryIO, length: int) -> None:
        self._file, self._left = file, length

    def fill(self, buffer: memoryview) -> None:
        """Fill `buffer` with the next bytes."""
        self._left -= len(buffer)
        if self._left < 0:
            raise _Damaged("an element is longer than the element that contains it")
        while buffer:
            count = self._file.readinto(buffer)  # type: ignore[attr-defined]
            if not count:
                raise _Damaged("it ends in the middle of an element")
            buffer = buffer[count:]

    def finish(self) -> None:
        """Do nothing: there is no checksum."""


class _Inflated:
    """The decompressed bytes of an element that is stored as a zlib stream of `length` bytes."""

    def __init__(self, file: BinaryIO, length: int) -> None:
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
        """Read to the end of the stream, which compares its checksum; only padding may be left."""
        if len(self._some(9)) > 8 or self._some(1) or not self._stream.eof:
            raise _Damaged("a compressed variable does not end where it should")

    def _some(self, most: int) -> bytes:
        """Return at least one byte, unless the stream has ended."""
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
    """Read the numeric arrays of the given names.

    Args:
        path: the file.
        names: variables to read; other variables are skipped, and missing ones are left out of the result.
        most_bytes: maximum size of an array; a larger one is refused before memory is allocated.

    Returns:
        Integer or float arrays by name, in MATLAB's shape and order (the first axis changes fastest). The dtype is the
        stored one, which may be smaller than that of the MATLAB class.

    Raises:
        CorruptData: the file is cut off, damaged, or of another version, or one of the variables is of another kind.
    """
    with path.open("rb") as file:
        found = _read(file, str(path), names, most_bytes, numbers_only=True)
    return {name: value for name, value in found.items() if isinstance(value, np.ndarray)}


def read_variables(data: bytes, where: str, names: Sequence[str], *, most_bytes: int) -> dict[str, Value]:
    """Read the variables of the given names, of any class except sparse arrays, objects and complex numbers.

    Args:
        data: content of the file.
        where: the file's name, for messages.
        names: as for `read_arrays`.
        most_bytes: maximum size of a variable.

    Returns:
        The values by name: a numeric array as from `read_arrays`; a text for a char array; a list of values for a cell
        array; a list of dictionaries for a struct array. Lists are in MATLAB's order, without their shape.

    Raises:
        CorruptData: as for `read_arrays`.
    """
    return _read(io.BytesIO(data), where, names, most_bytes, numbers_only=False)


def _read(file: BinaryIO, where: str, names: Sequence[str], most_bytes: int, *, numbers_only: bool) -> dict[str, Value]:
    found: dict[str, Value] = {}
    try:
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
                if isinstance(reader, _Inflated) and _tag(reader, order).kind != _MATRIX:
                    raise _Damaged("a compressed element that is no variable")
                name, value = _variable(reader, order, names, most_bytes, numbers_only)
                if name in found:
                    raise _Damaged(f"it holds two variables {name}")
                if value is not None:
                    found[name] = value
            file.seek(next_element)
    except (_Damaged, zlib.error) as error:
        raise CorruptData(f"{where}: truncated, or no MATLAB file as expected: {error}; get it again") from None
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
    data = np.empty(length, np.uint8)  # the system allocates pages only when they are written
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
    """Read the data of an element and the padding after it."""
    if tag.small is not None:
        return tag.small
    if tag.length > most:
        raise _Damaged(f"an element of {tag.length:,} bytes, expected at most {most:,}")
    data = _take(reader, tag.length)
    if padding := -tag.length % 8:
        _take(reader, padding)
    return data


def _variable(
    reader: _Reader, order: str, names: Sequence[str], most_bytes: int, numbers_only: bool
) -> tuple[str, Value | None]:
    """Read name and value of a variable; None for a variable that is not requested."""
    head = _head(reader, order)
    if head.name not in names:
        return head.name, None
    if numbers_only and not head.is_number:
        raise _Damaged(f"{head.name} is of class {head.kind}, expected real numbers")
    value = _value(reader, order, head, most_bytes, 0)
    reader.finish()
    return head.name, value


def _head(reader: _Reader, order: str) -> _Head:
    """Read the elements before a variable's values."""
    flags = _part(reader, order, _UINT32, 8)
    dimensions = _part(reader, order, _INT32, 4 * _MOST_AXES)
    name = _part(reader, order, _INT8, _LONGEST_NAME).decode("latin1")
    (flag,) = struct.unpack_from(f"{order}I", flags.ljust(4, b"\0"))
    shape = tuple(np.frombuffer(dimensions[: len(dimensions) // 4 * 4], f"{order}i4").tolist())
    if len(shape) < 2 or min(shape) < 0:
        raise _Damaged(f"{name} announces the shape {shape}")
    number, is_complex = flag & 0xFF, bool(flag & _COMPLEX)
    kind = ("complex " if is_complex else "") + _CLASSES.get(number, "unknown")
    return _Head(name, kind, shape, _FIRST_NUMBER <= number <= _LAST_NUMBER and not is_complex)


def _value(reader: _Reader, order: str, head: _Head, most_bytes: int, depth: int) -> Value:
    """Read the values of a variable, at most `most_bytes`."""
    if head.is_number:
        return _numbers(reader, order, head, most_bytes)
    if head.kind == "char":
        return _text(reader, order, head, most_bytes)
    if head.kind not in ("cell", "struct"):
        raise _Damaged(f"{head.name} is of class {head.kind}, expected numbers, text, cells or structs")
    fields = _field_names(reader, order, head) if head.kind == "struct" else [""]
    rows: list[dict[str, Value]] = []
    for _ in range(math.prod(head.shape) if fields else 0):
        row: dict[str, Value] = {}
        for field in fields:
            tag = _tag(reader, order)
            most_bytes -= 8 + tag.length
            if tag.kind != _MATRIX or most_bytes < 0 or depth == _DEEPEST:
                raise _Damaged(f"{head.name} holds an element of type {tag.kind} and {tag.length:,} bytes")
            inner = _Plain(io.BytesIO(_take(reader, tag.length).tobytes()), tag.length)
            # An element without any data is an empty array.
            row[field] = _value(inner, order, _head(inner, order), tag.length, depth + 1) if tag.length else np.empty(0)
        rows.append(row)
    return rows if head.kind == "struct" else [row[""] for row in rows]


def _field_names(reader: _Reader, order: str, head: _Head) -> list[str]:
    width = int.from_bytes(_part(reader, order, _INT32, 4), "little" if order == "<" else "big")
    data = _part(reader, order, _INT8, _LONGEST_NAME * 64)
    if not 0 < width <= _LONGEST_NAME or len(data) % width:
        raise _Damaged(f"{head.name} has field names of {width} bytes in {len(data)}")
    return [data[at : at + width].partition(b"\0")[0].decode("latin1") for at in range(0, len(data), width)]


def _numbers(reader: _Reader, order: str, head: _Head, most_bytes: int) -> npt.NDArray[Any]:
    tag = _tag(reader, order)
    if tag.kind not in _STORED:
        raise _Damaged(f"{head.name} holds elements of type {tag.kind}, expected numbers")
    dtype = np.dtype(order + _STORED[tag.kind])
    if math.prod(head.shape) * dtype.itemsize != tag.length:
        raise _Damaged(f"{head.name} announces the shape {head.shape} and {tag.length:,} bytes of type {dtype.name}")
    return np.ndarray(head.shape, dtype, _data(reader, tag, most_bytes), order="F")


def _text(reader: _Reader, order: str, head: _Head, most_bytes: int) -> str:
    tag = _tag(reader, order)
    encoding = {1: "latin1", 2: "latin1", 4: "utf-16", 16: "utf-8", 17: "utf-16"}.get(tag.kind)
    if encoding is None or sum(side > 1 for side in head.shape) > 1:
        raise _Damaged(f"{head.name} holds elements of type {tag.kind} in the shape {head.shape}, expected text")
    if encoding == "utf-16":
        encoding += "-le" if order == "<" else "-be"
    try:
        return bytes(_data(reader, tag, most_bytes)).decode(encoding)
    except UnicodeDecodeError as error:
        raise _Damaged(f"{head.name} holds no text ({error})") from None


def _part(reader: _Reader, order: str, kind: int, most: int) -> bytes:
    """Read the data of one of the elements before a variable's values."""
    tag = _tag(reader, order)
    if tag.kind != kind:
        raise _Damaged(f"an element of type {tag.kind} where {kind} was expected")
    return bytes(_data(reader, tag, most))
