"""Pictures in parquet files, as Hugging Face publishes data sets: a column `image` of {bytes, path}, or of bytes alone.

A key is `FILE/ROW` (`train-00000-of-00257/000012`), so that key order is the order of files and rows, and each row
group is read only once. Labels come from the column `label`, by name if the file's metadata has class names.
"""

import contextlib
import functools
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.core.errors import CorruptData
from pipeline.readers import first_bytes
from pipeline.readers.base import (
    ARCHIVE,
    BESIDE_TABLES,
    NOT_A_PICTURE,
    Entry,
    File,
    LeftOut,
    Place,
    Read,
    UnreadableEntry,
    in_key_order,
    key_text,
)
from pipeline.readers.folder_reader import Folder

_LABELS = ("label", "fine_label", "cls")


@dataclass(frozen=True)
class Parquet:
    """The pictures of a parquet file, or of all parquet files in a folder and its subfolders.

    Other files in the folder are left out, also if they are pictures.

    Args:
        path: the file or the folder.
    """

    path: Path

    def files(self) -> list[File]:
        """What the file system says about each parquet file; other files have length and time 0."""
        found = [(path, path.stat()) for path in self.paths()]
        files = [File(self._name(path), status.st_size, status.st_mtime_ns) for path, status in found]
        return files + [File(entry.key, 0, 0) for entry in self._others()]

    def paths(self) -> list[Path]:
        """The parquet files, in a fixed order; if the path is a file, its name may have any suffix."""
        if self.path.is_dir():
            found = filter(_is_parquet, Folder(self.path).entries())
            return [self.path / os.fsdecode(bytes(entry.place)) for entry in found]
        return [self.path]

    def holds_pictures(self) -> bool:
        """Whether the first file has a column of pictures.

        Raises:
            CorruptData: it is cut off or damaged.
        """
        for path in self.paths():
            status = path.stat()
            return _find_column(_opened(path, status.st_size, status.st_mtime_ns).schema_arrow) is not None
        return False

    def entries(self) -> list[Entry]:
        """List all rows, and the other files of the folder; only the files' metadata and labels are read.

        Raises:
            CorruptData: a file is cut off, or has no column of pictures.
        """
        found: list[Entry] = []
        for number, path in enumerate(self.paths()):
            name = self._name(path).removesuffix(".parquet")
            found += (Entry(f"{name}/{row:07d}", label, (number, row)) for row, label in enumerate(_labels(path)))
        return in_key_order(found + self._others())

    @contextlib.contextmanager
    def open(self) -> Iterator[Read]:
        paths = self.paths()

        def read(place: Place) -> bytes:
            assert isinstance(place, tuple)
            number, row = place
            value = _row(paths[number], row)
            if not isinstance(value, bytes):
                raise UnreadableEntry("the row holds no bytes, only the name of a file elsewhere")
            return value

        yield read

    def _others(self) -> list[Entry]:
        """Everything in the folder but the parquet files."""
        if not self.path.is_dir():
            return []
        reason = LeftOut(BESIDE_TABLES, "the folder's parquet files are read; give this file in a folder of its own")
        others = [entry for entry in Folder(self.path).entries() if not _is_parquet(entry)]
        return [entry._replace(place=(-1, 0), left_out=entry.left_out or reason) for entry in others]

    def _name(self, path: Path) -> str:
        name = path.relative_to(self.path) if self.path.is_dir() else Path(path.name)
        return key_text(os.fsencode(name.as_posix()))


def _is_parquet(entry: Entry) -> bool:
    """Whether an entry of a folder is a file named as parquet, also if it is damaged."""
    is_file = entry.left_out is not None and entry.left_out.reason in (ARCHIVE, NOT_A_PICTURE)
    return is_file and entry.key.lower().endswith(".parquet")


def _row(path: Path, row: int) -> Any:
    """The picture of a row, taken from the row group that this process has cached."""
    status = path.stat()
    opened = _opened(path, status.st_size, status.st_mtime_ns)
    for group in range(opened.num_row_groups):
        rows = opened.metadata.row_group(group).num_rows
        if row < rows:
            return _group(path, status.st_size, status.st_mtime_ns, group)[row].as_py()
        row -= rows
    raise CorruptData(f"{path}: fewer rows than before; the file was changed while in use")


@functools.lru_cache(maxsize=4)
def _opened(path: Path, size: int, changed: int) -> pq.ParquetFile:
    try:
        return pq.ParquetFile(path)
    except (pa.ArrowException, OSError) as error:
        raise _damaged(path, error) from None


@functools.lru_cache(maxsize=1)
def _group(path: Path, size: int, changed: int, group: int) -> pa.Array:
    """The encoded pictures of one row group, usually 100 to 1,000."""
    opened = _opened(path, size, changed)
    column = _column(path, opened.schema_arrow)
    try:
        table = opened.read_row_group(group, columns=[column])
    except (pa.ArrowException, OSError) as error:
        raise _damaged(path, error) from None
    values = table.column(column.partition(".")[0]).combine_chunks()
    return values.field("bytes") if pa.types.is_struct(values.type) else values


def _column(path: Path, schema: pa.Schema) -> str:
    """The column that holds the pictures; see `_find_column`."""
    if name := _find_column(schema):
        return name
    raise CorruptData(
        f"{path}: expected a column `image` with the bytes of pictures, found {', '.join(schema.names[:8])}"
    )


def _find_column(schema: pa.Schema) -> str | None:
    """`image.bytes`, or a column of bytes called `image`, `img` or `bytes`; None if there is no such column."""
    for name in ("image", "img", "bytes", "image_bytes"):
        kind = schema.field(name).type if name in schema.names else None
        if kind is not None and (pa.types.is_binary(kind) or pa.types.is_large_binary(kind)):
            return name
        if kind is not None and pa.types.is_struct(kind) and kind.get_field_index("bytes") >= 0:
            return f"{name}.bytes"
    return None


def _labels(path: Path) -> list[str | None]:
    """The label of each row: a class name if the metadata lists names, else the value as text."""
    status = path.stat()
    opened = _opened(path, status.st_size, status.st_mtime_ns)
    schema = opened.schema_arrow
    _column(path, schema)
    name = next((name for name in _LABELS if name in schema.names), None)
    if name is None:
        return [None] * int(opened.metadata.num_rows)
    try:
        values = opened.read(columns=[name]).column(name).to_pylist()
    except (pa.ArrowException, OSError) as error:
        raise _damaged(path, error) from None
    names = _class_names(schema, name)
    return [
        None if value is None else names[value] if isinstance(value, int) and 0 <= value < len(names) else str(value)
        for value in values
    ]


def _class_names(schema: pa.Schema, column: str) -> list[str]:
    """Class names from Hugging Face's metadata; empty if it has none."""
    try:
        features = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"]
        return [str(name) for name in features[column]["names"]]
    except (KeyError, TypeError, ValueError):
        return []


def _damaged(path: Path, error: Exception) -> CorruptData:
    reason = " ".join(str(error).split())[:200]
    with path.open("rb") as file:
        start = file.read(first_bytes.LENGTH)
        file.seek(-min(4, path.stat().st_size), os.SEEK_END)
        is_complete = file.read() == b"PAR1"
    if start and first_bytes.archive_format(start) != "parquet":
        return CorruptData(f"{path}: not parquet but {first_bytes.describe(start)}; move it out of the folder")
    if is_complete:
        return CorruptData(f"{path}: damaged ({reason}); copy it again from where it is sound")
    return CorruptData(f"{path}: truncated ({reason}); download or copy it again")
