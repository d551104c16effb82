"""A CSV file of what people said about samples: checked when read, sorted, and edited by one at a time."""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from pipeline.core import files
from pipeline.core.errors import MissingInput
from pipeline.csv_text import encode_key, read_rows

LONGEST_NAME = 64
"""Characters in the name of an object or a concept."""

Row = TypeVar("Row", bound=Any)


@dataclass(frozen=True)
class Table(Generic[Row]):
    """One kind of file.

    Attributes:
        option: where its path comes from, for messages.
        header: names of the columns.
        parse: a row of a line's fields; raises `ValueError` with what is wrong.
        fields: the fields of a row, which can be ordered and hashed.
    """

    option: str
    header: Sequence[str]
    parse: Callable[[list[str]], Row]
    fields: Callable[[Row], Sequence[object]]

    def read(self, path: Path) -> list[Row]:
        """All rows.

        Raises:
            MissingInput: there is no such file.
            CorruptData: a line is not such a row; the message names it.
        """
        try:
            return read_rows(path, self.header, self.parse, option=self.option, remedy="mend or drop the line")
        except FileNotFoundError:
            raise MissingInput(f"{self.option} {path}: no such file; make it with dcgan review-samples") from None

    def edit(self, path: Path, change: Callable[[list[Row]], Iterable[Row]]) -> None:
        """Replace all rows by what `change` makes of them, each once, sorted; see `files.held`.

        Args:
            path: made, with its folder, if there is none. It stays as it is where nothing changes.

        Raises:
            CorruptData: as for `read`.
        """
        with files.locked_for_editing(path) as there:
            before = self.read(there) if there.exists() else []
            after = sorted(set(change(before)))
            if after != before:
                lines = [",".join(encode_key(str(field)) for field in self.fields(row)) for row in after]
                files.write_text(there, "\n".join([",".join(self.header), *lines]) + "\n")


def sha256(text: str) -> str:
    """A field that is a SHA-256; `ValueError` where it is not."""
    if not re.fullmatch("[0-9a-f]{64}", text):
        raise ValueError(f"model {text[:80]!r}, expected a SHA-256 of 64 lower-case hex characters")
    return text


def whole(name: str, text: str) -> int:
    """A field that is a whole number from 0 on; `ValueError` where it is not."""
    if not re.fullmatch("0|[1-9][0-9]{0,18}", text):
        raise ValueError(f"{name} {text[:80]!r}, expected a whole number")
    return int(text)


def named(what: str, text: object) -> str:
    """The name of an object or a concept; `ValueError` where it is not one."""
    if not isinstance(text, str) or not text.strip() or len(text) > LONGEST_NAME:
        raise ValueError(f"{what} {str(text)[:80]!r}, expected a name of at most {LONGEST_NAME} characters")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError(f"{what} {text!r}, expected a name in Unicode") from None
    return text


def rated(text: str) -> str:
    """A field that is a rater's name; `ValueError` where it is empty."""
    if not text:
        raise ValueError("rater is empty, expected who judged")
    return text
