"""Picture keys and other untrusted text in CSV files, which programs read and people open in spreadsheets."""

import csv
import io
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar
from urllib.parse import unquote, unquote_to_bytes

from pipeline.core.errors import CorruptData

Row = TypeVar("Row")

_UNSAFE = re.compile(r'[\x00-\x1f\x7f-\x9f\u2028\u2029%,"]|^[=+\-@]')
_UNSAFE_PATH = re.compile(rf"{_UNSAFE.pattern}|[\udc80-\udcff]")


def encode_key(key: str) -> str:
    """A picture key as one CSV field without quotes, which a spreadsheet does not read as a formula.

    Control characters, line separators, `%`, `,`, `"`, and a leading `=`, `+`, `-` or `@` are percent-encoded.
    """
    return _UNSAFE.sub(lambda found: "".join(f"%{byte:02X}" for byte in found[0].encode()), key)


def decode_key(text: str) -> str:
    """The inverse of `encode_key`."""
    return unquote(text)


def encode_path(path: bytes) -> str:
    """A file's path as one CSV field, like `encode_key`; bytes that are not UTF-8 are percent-encoded too."""
    text = path.decode("utf-8", "surrogateescape")
    return _UNSAFE_PATH.sub(
        lambda found: "".join(f"%{byte:02X}" for byte in found[0].encode("utf-8", "surrogateescape")), text
    )


def decode_path(text: str) -> bytes:
    """The inverse of `encode_path`."""
    return unquote_to_bytes(text)


def read_rows(
    path: Path, header: Sequence[str], parse: Callable[[list[str]], Row], *, option: str, remedy: str
) -> list[Row]:
    """Read a CSV file; empty lines are skipped.

    Args:
        path: path of the file.
        header: the expected column names.
        parse: function that converts the fields of a row; their number equals that of `header`. It raises `ValueError`
            if a field is wrong.
        option: the option that gave the path, for error messages.
        remedy: the next step, for error messages.

    Returns:
        The parsed rows.

    Raises:
        FileNotFoundError: there is no such file.
        CorruptData: the file is not UTF-8, or its header or a row is wrong; the message gives the line number.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")  # spreadsheets write a byte order mark at the start
    except UnicodeDecodeError as error:
        raise CorruptData(f"{option} {path}: not UTF-8 ({error}); save it as UTF-8") from None
    parsed = []
    try:
        rows = csv.reader(io.StringIO(text, newline=""), strict=True)
        for row in rows:
            if rows.line_num == 1:
                if row != list(header):
                    raise ValueError(f"header {','.join(row)!r}, expected {','.join(header)!r}")
            elif row:
                if len(row) != len(header):
                    raise ValueError(f"{len(row)} fields, expected {len(header)}")
                parsed.append(parse(row))
        if rows.line_num == 0:
            raise ValueError(f"nothing, expected the header {','.join(header)!r}")
    except (ValueError, csv.Error) as error:
        raise CorruptData(f"{option} {path}, line {max(1, rows.line_num)}: {error}; {remedy}") from None
    return parsed
