"""People's verdicts on pairs of pictures, in a CSV file that is kept in git.

    sha256_a,sha256_b,key_a,key_b,label,keep,rater,sample

A verdict is about contents (SHA-256 of the source bytes), not about names, and its two sides have no order; the keys
are there for people. A row without `sha256_b` means that a picture is always kept.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import astuple, dataclass, fields
from pathlib import Path

from pipeline.core import files
from pipeline.core.errors import MissingInput
from pipeline.csv_text import decode_key, encode_key, read_rows

LABELS = {
    "same_bytes": "the same file",
    "same_pixels": "the same picture, stored in another way",
    "near": "the same shot, edited or encoded again",
    "mirrored": "a mirrored copy",
    "similar": "another shot of the same subject",
    "different": "nothing to do with each other",
}
"""The words of a verdict, from closest to farthest."""

NOT_DUPLICATES = frozenset({"mirrored", "similar", "different"})
"""Labels that forbid removing one picture of the pair for the other."""


@dataclass(frozen=True)
class Verdict:
    """One row.

    Attributes:
        sha256_a, sha256_b: 64 hex characters; `sha256_b` and `label` are empty for "always keep a".
        key_a, key_b: names, as they stand in an index.
        label: one of `LABELS`.
        keep: empty, or the one of the two contents that ranks first in its group.
        rater: who judged.
        sample: the draw that the pair was part of, or empty.
    """

    sha256_a: str
    sha256_b: str
    key_a: str
    key_b: str
    label: str
    keep: str
    rater: str
    sample: str

    @property
    def always_keep(self) -> bool:
        """Whether the row is about one picture."""
        return not self.sha256_b


HEADER = [field.name for field in fields(Verdict)]


def read_verdicts(path: Path) -> list[Verdict]:
    """Read and check verdicts.

    Raises:
        MissingInput: there is no such file. (An empty one has the header alone.)
        CorruptData: a row is not a verdict; the message gives its line.
    """
    try:
        return read_rows(path, HEADER, _parse, option="--verdicts", remedy="mend or drop the line")
    except FileNotFoundError:
        raise MissingInput(
            f"--verdicts {path}: no such file; make one with this line alone: {','.join(HEADER)}"
        ) from None


def _parse(row: list[str]) -> Verdict:
    """One row as a verdict; `ValueError` says what is wrong."""
    verdict = Verdict(row[0], row[1], decode_key(row[2]), decode_key(row[3]), row[4], row[5], *map(decode_key, row[6:]))
    pair = {verdict.sha256_a} if verdict.always_keep else {verdict.sha256_a, verdict.sha256_b}
    for sha256 in sorted(pair):
        if not re.fullmatch("[0-9a-f]{64}", sha256):
            raise ValueError(f"{sha256!r}, expected a SHA-256 of 64 lower-case hex characters")
    if verdict.keep and verdict.keep not in pair:
        raise ValueError(f"keep is {verdict.keep!r}, expected nothing or one of the row's SHA-256")
    if verdict.always_keep:
        if verdict.label:
            raise ValueError(f"label {verdict.label!r} without a second picture, expected none")
    elif verdict.label not in LABELS:
        raise ValueError(f"label {verdict.label!r}, expected one of {', '.join(LABELS)}")
    return verdict


def write_verdicts(path: Path, verdicts: Iterable[Verdict]) -> None:
    """Write verdicts atomically, each once, sorted; the same verdicts in any order give the same bytes."""
    lines = {
        ",".join(encode_key(value) for value in astuple(verdict)) for verdict in verdicts
    }  # only keys and names hold what needs encoding, and the rest is unchanged by it
    files.write_text(path, "\n".join([",".join(HEADER), *sorted(lines)]) + "\n")


def edit_verdicts(path: Path, change: Callable[[list[Verdict]], Iterable[Verdict]]) -> None:
    """Replace all verdicts by what `change` makes of them, while no other process or thread edits them.

    When this returns, the verdicts are on the disk.

    Args:
        path: the file; made, if there is none.
        change: what it raises ends the edit, and leaves the file as it was.

    Raises:
        CorruptData: the file is not one of verdicts.
    """
    with files.locked_for_editing(path) as there:
        write_verdicts(there, change(read_verdicts(there) if there.exists() else []))
