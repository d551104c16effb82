"""Read and check a user's list of pictures: CSV or parquet with the columns `url`, `name` and `licence`."""

import csv
import io
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.acquire.url_list.picture_client import Outcome, clean_url
from pipeline.core.errors import BadParameters, MissingInput
from pipeline.readers.base import SUFFIXES

NEEDED = ("url", "name", "licence")
MANIFEST = ("name", "url", "licence", "status", "http_status", "bytes", "sha256", "detail")
"""Columns of the manifest; the further columns of the list follow."""

_NO_LICENCE = frozenset({"", "-", "?", "n/a", "na", "nan", "none", "null", "unknown"})
_ENDINGS = tuple(suffix.decode() for suffix in SUFFIXES)
_LONGEST_PART, _LONGEST_NAME = 255, 1000  # bytes


@dataclass(frozen=True)
class UrlRow:
    """One picture of the list; `extra` are the values of the list's further columns."""

    name: str
    url: str
    licence: str
    extra: tuple[str, ...]


def read_list(path: Path) -> tuple[tuple[str, ...], list[UrlRow]]:
    """Read a list; a CSV and a parquet file of the same rows give the same result.

    Returns:
        The names of the further columns; and the rows, sorted by name in byte order.

    Raises:
        MissingInput: there is no such file.
        BadParameters: the file is neither CSV nor parquet, lacks a column, repeats a column, or has one that the
            manifest reserves.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise MissingInput(f"--urls {path}: no such file; it is a CSV or parquet with {', '.join(NEEDED)}") from None
    except IsADirectoryError:
        raise BadParameters(f"--urls {path}: a folder, expected a CSV or parquet file") from None
    columns, rows = _read_parquet(path, data) if data.startswith(b"PAR1") else _read_csv(path, data)
    wrong = [
        *(f"no column {name}" for name in NEEDED if name not in columns),
        *(f"column {name} {count} times" for name, count in Counter(columns).items() if count > 1),
        *(f"a column {name}, which the manifest reserves" for name in MANIFEST[3:] if name in columns),
    ]
    if wrong:
        raise BadParameters(f"--urls {path}: {'; '.join(wrong)}; expected the columns {', '.join(NEEDED)}")
    url, name, licence = (columns.index(column) for column in NEEDED)
    further = [place for place in range(len(columns)) if place not in (url, name, licence)]
    found = [UrlRow(row[name], row[url], row[licence], tuple(row[place] for place in further)) for row in rows]
    found.sort(key=lambda row: (row.name.encode(), row.url, row.licence, row.extra))
    return tuple(columns[place] for place in further), found


def _read_csv(path: Path, data: bytes) -> tuple[list[str], list[list[str]]]:
    try:
        reader = csv.reader(io.StringIO(data.decode("utf-8-sig"), newline=""), strict=True)
        columns = next(reader, [])
        rows = []
        for row in reader:
            if row and len(row) != len(columns):
                raise BadParameters(
                    f"--urls {path}, line {reader.line_num}: {len(row)} fields, expected {len(columns)}; correct it"
                )
            if row:
                rows.append(row)
    except UnicodeDecodeError as error:
        raise BadParameters(f"--urls {path}: not UTF-8 ({error}); save it as UTF-8") from None
    except csv.Error as error:
        raise BadParameters(f"--urls {path}, line {reader.line_num}: {error}; correct the line") from None
    return columns, rows


def _read_parquet(path: Path, data: bytes) -> tuple[list[str], list[list[str]]]:
    try:
        table = pq.ParquetFile(io.BytesIO(data)).read()
        columns = [
            ["" if value is None else value for value in column.cast(pa.string()).to_pylist()] for column in table
        ]
    except (pa.ArrowException, UnicodeDecodeError) as error:
        reason = str(error).partition("\n")[0]
        raise BadParameters(f"--urls {path}: a parquet file that is not readable as text ({reason})") from None
    return table.column_names, [list(row) for row in zip(*columns, strict=True)]


def refusals(rows: list[UrlRow]) -> dict[int, Outcome]:
    """Map the numbers of rows that are refused before any download to their outcomes.

    If a name occurs more than once, all its rows are refused, so that the order of rows does not matter.
    """
    times = Counter(row.name for row in rows)
    folders = {row.name[:end] for row in rows for end in _slashes(row.name)}
    refused = {}
    for number, row in enumerate(rows):
        if why := _why_bad_name(row.name):
            refused[number] = Outcome("bad_name", detail=why)
        elif times[row.name] > 1:
            refused[number] = Outcome("bad_name", detail=f"{times[row.name]} rows have this name")
        elif row.name in folders:
            refused[number] = Outcome("bad_name", detail="the folder of another row has this name")
        else:
            try:
                clean_url(row.url)
            except ValueError as error:
                refused[number] = Outcome("bad_url", detail=str(error))
                continue
            if row.licence.strip().lower() in _NO_LICENCE:
                refused[number] = Outcome("no_licence", detail="write the licence under which you may use it")
    return refused


def _slashes(name: str) -> list[int]:
    return [place for place, letter in enumerate(name) if letter == "/"]


def _why_bad_name(name: str) -> str | None:
    """Why a picture may not have this name; None if it may."""
    parts = name.split("/")
    if not name:
        return "empty"
    if re.search(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]", name):
        return "a control character in it"
    if name.startswith("/") or "\\" in name or ".." in parts:
        return "it leaves its folder"
    if any(part.startswith(".") or not part for part in parts):
        return "a part of it is empty or hidden"
    if len(name.encode()) > _LONGEST_NAME or any(len(part.encode()) > _LONGEST_PART for part in parts):
        return f"longer than {_LONGEST_NAME} bytes or than {_LONGEST_PART} in a part"
    if not name.lower().endswith(_ENDINGS):
        return f"no picture's ending ({' '.join(_ENDINGS)})"
    return None
