"""Verdicts of people on pairs of pictures, in a CSV file that is versioned in git.

    sha256_a,sha256_b,key_a,key_b,label,keep,rater,sample

A verdict refers to contents (SHA-256 of the source bytes), not to keys; the keys are for readers. The order of the two
pictures has no meaning. A row without `sha256_b` means that the picture is always kept.
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
"""Labels of a verdict with their meanings, from most to least similar."""

NOT_DUPLICATES = frozenset({"mirrored", "similar", "different"})
"""Labels that forbid removing one picture of the pair for the other; see `not_duplicates`."""


def not_duplicates(*, removes_mirrored: bool) -> frozenset[str]:
    """The labels that forbid a removal; `mirrored` confirms it if mirrored copies are removed."""
    return NOT_DUPLICATES - {"mirrored"} if removes_mirrored else NOT_DUPLICATES


@dataclass(frozen=True)
class Verdict:
    """One row of the file.

    Attributes:
        sha256_a, sha256_b: 64 hex characters; `sha256_b` and `label` are empty if picture a is always kept.
        key_a, key_b: keys, as in the index of the image set.
        label: one of `LABELS`.
        keep: empty, or the SHA-256 of the picture that ranks first in its group.
        rater: name of the person.
        sample: the sample to which the pair belongs, or empty.
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
        """Whether the row says that picture a is always kept."""
        return not self.sha256_b


HEADER = [field.name for field in fields(Verdict)]


def read_verdicts(path: Path) -> list[Verdict]:
    """Read and check verdicts.

    Raises:
        MissingInput: the file does not exist. (A file without verdicts has the header.)
        CorruptData: a row is not a verdict; the message contains the line number.
    """
    try:
        return read_rows(path, HEADER, _parse, option="--verdicts", remedy="correct or delete the line")
    except FileNotFoundError:
        raise MissingInput(
            f"--verdicts {path}: no such file; create it with this line only: {','.join(HEADER)}"
        ) from None


def _parse(row: list[str]) -> Verdict:
    """Convert a row to a verdict. Raises ValueError if it is not valid."""
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
    """Write verdicts atomically, sorted and without repetitions, so that their order does not affect the file."""
    lines = {
        ",".join(encode_key(value) for value in astuple(verdict)) for verdict in verdicts
    }  # the encoding changes only keys and names
    files.write_text(path, "\n".join([",".join(HEADER), *sorted(lines)]) + "\n")


def edit_verdicts(path: Path, change: Callable[[list[Verdict]], Iterable[Verdict]]) -> None:
    """Replace all verdicts by the result of `change`, under a lock against other processes and threads.

    When this returns, the verdicts are on the disk.

    Args:
        path: the file; it is created if it does not exist.
        change: gets the existing verdicts and returns the new ones. If it raises, the file does not change.

    Raises:
        CorruptData: the file is not a file of verdicts.
    """
    with files.locked_for_editing(path) as there:
        write_verdicts(there, change(read_verdicts(there) if there.exists() else []))
