"""A sorted CSV file of judgements on samples: checked when it is read, locked while it is edited."""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from pipeline.core import files
from pipeline.core.errors import MissingInput
from pipeline.csv_text import encode_key, read_rows

MAX_NAME = 64
"""Characters in the name of an object or a concept."""

Row = TypeVar("Row", bound=Any)


@dataclass(frozen=True)
class CsvTable(Generic[Row]):
    """A kind of file.

    Attributes:
        option: the option that names the file, for messages.
        header: names of the columns.
        parse: makes a row (sortable and hashable) from the fields of a line; raises `ValueError` for wrong fields.
        fields: the fields of a row.
    """

    option: str
    header: Sequence[str]
    parse: Callable[[list[str]], Row]
    fields: Callable[[Row], Sequence[object]]

    def read(self, path: Path) -> list[Row]:
        """All rows.

        Raises:
            MissingInput: there is no such file.
            CorruptData: a line is wrong; the message names it.
        """
        try:
            return read_rows(path, self.header, self.parse, option=self.option, remedy="correct or delete the line")
        except FileNotFoundError:
            raise MissingInput(f"{self.option} {path}: no such file; make it with dcgan review-samples") from None

    def edit(self, path: Path, change: Callable[[list[Row]], Iterable[Row]]) -> None:
        """Replace the rows by those that `change` returns, sorted and without repetition, under a lock.

        Args:
            path: made, with its folder, if it does not exist; not written if nothing changes.

        Raises:
            CorruptData: see `read`.
        """
        with files.locked_for_editing(path) as target:
            before = self.read(target) if target.exists() else []
            after = sorted(set(change(before)))
            if after != before:
                lines = [",".join(encode_key(str(field)) for field in self.fields(row)) for row in after]
                files.write_text(target, "\n".join([",".join(self.header), *lines]) + "\n")


def check_sha256(text: str) -> str:
    """Return a SHA-256; `ValueError` if the text is not one."""
    if not re.fullmatch("[0-9a-f]{64}", text):
        raise ValueError(f"model {text[:80]!r}, expected a SHA-256 of 64 lower-case hex characters")
    return text


def parse_whole_number(name: str, text: str) -> int:
    """Return a whole number from 0 on; `ValueError` if the text is not one."""
    if not re.fullmatch("0|[1-9][0-9]{0,18}", text):
        raise ValueError(f"{name} {text[:80]!r}, expected a whole number")
    return int(text)


def check_name(field: str, text: object) -> str:
    """Return the name of an object or concept; `ValueError` if it is empty, too long or not Unicode."""
    if not isinstance(text, str) or not text.strip() or len(text) > MAX_NAME:
        raise ValueError(f"{field} {str(text)[:80]!r}, expected a name of at most {MAX_NAME} characters")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError(f"{field} {text!r}, expected a name in Unicode") from None
    return text


def check_rater(text: str) -> str:
    """Return the name of a rater; `ValueError` if it is empty."""
    if not text:
        raise ValueError("rater is empty, expected a name")
    return text
