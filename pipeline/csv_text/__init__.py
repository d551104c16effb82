"""Keys and other foreign text in CSV files that machines read and people open in a spreadsheet."""

import csv
import io
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar
from urllib.parse import unquote

from pipeline.core.errors import CorruptData

Row = TypeVar("Row")

_UNSAFE = re.compile(r'[\x00-\x1f\x7f-\x9f\u2028\u2029%,"]|^[=+\-@]')


def encode_key(key: str) -> str:
    """A key for a machine-read CSV: one line, no quotes, and no formula when a spreadsheet opens it.

    Control characters and line separators, `%`, `,`, `"`, and `=`, `+`, `-` or `@` in front, are percent-encoded.
    """
    return _UNSAFE.sub(lambda found: "".join(f"%{byte:02X}" for byte in found[0].encode()), key)


def decode_key(text: str) -> str:
    """The key that `encode_key` was given."""
    return unquote(text)


def read_rows(
    path: Path, header: Sequence[str], parse: Callable[[list[str]], Row], *, option: str, remedy: str
) -> list[Row]:
    """The rows of a CSV file, each as what `parse` makes of its fields; empty lines are passed over.

    Args:
        parse: raises `ValueError` with what is wrong with a row; it gets as many fields as the header has.
        option, remedy: for messages: where the path came from, and what to do.

    Raises:
        FileNotFoundError: there is no such file.
        CorruptData: not UTF-8, another header, or a row that is wrong; the message gives its line.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")  # spreadsheets put a byte order mark in front
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
