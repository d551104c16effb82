"""Photographs with faces: CelebA's archives, and any other folder, zip or tar.

The paper's own faces (3 million pictures of 10,000 people, found by name on the web) were never published; CelebA is
the usual substitute. Its aligned pictures have 178×218 pixels, its original ones any size; the face detector works on
both.
"""

from pathlib import Path, PurePosixPath

import pyarrow as pa

from pipeline.core.errors import CorruptData
from pipeline.datasets.published import Published
from pipeline.readers.base import Entry, Source

_WHERE = "https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html (Google Drive, folder Img; for research, by agreement)"

ARCHIVES = {
    "img_align_celeba.zip": Published(None, _WHERE, md5="00d2c5bc6d35e252742224ab0c1e8fcb", entries=202_599),
}
"""What is published about each archive, by file name; CelebA's authors publish no lengths."""

IDENTITIES, ATTRIBUTES, PARTITION = "identity_CelebA.txt", "list_attr_celeba.txt", "list_eval_partition.txt"
LISTS = (IDENTITIES, ATTRIBUTES, PARTITION)
"""CelebA's lists, which are used if they are in the same folder as its pictures."""

_PARTS = {"0": "train", "1": "val", "2": "test"}


def entries(source: Source, beside: Path) -> list[Entry]:
    """The photographs of a source, in key order.

    If CelebA's list of identities is in the folder `beside`, the label of a picture is the number of the person.

    Raises:
        CorruptData: the list is not CelebA's.
    """
    people = _read_list(beside / IDENTITIES)
    found = source.entries()
    if not people:
        return found
    return [entry._replace(label=people.get(PurePosixPath(entry.key).name, [None])[0]) for entry in found]


def celeba_table(beside: Path) -> pa.Table | None:
    """Read CelebA's lists of attributes, identities and partitions from a folder as one table; None without any list.

    Columns: `file`, then `identity`, `partition` (train, val or test) and the 40 attributes (true or false). The
        columns of a missing list are left out.

    Raises:
        CorruptData: a list is not CelebA's.
    """
    people, parts, attributes = (_read_list(beside / name) for name in LISTS[::2] + LISTS[1:2])
    names = sorted({*people, *parts, *attributes} - {""})
    if not names:
        return None
    columns: dict[str, list[str | bool | None]] = {"file": list(names)}
    if people:
        columns["identity"] = [people.get(name, [None])[0] for name in names]
    if parts:
        columns["partition"] = [_PARTS.get(parts.get(name, [""])[0]) for name in names]
    for number, attribute in enumerate(attributes.get("", [])):
        columns[attribute] = [attributes[name][number] == "1" if name in attributes else None for name in names]
    return pa.table(columns)


def _read_list(path: Path) -> dict[str, list[str]]:
    """Map file names to the words of their lines, and "" to the names of the attributes; empty if there is no file."""
    if not path.exists():
        return {}
    try:
        lines = [line.split() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except UnicodeDecodeError as error:
        raise CorruptData(f"{path}: not text ({error}); put CelebA's own list there, or remove it") from None
    found: dict[str, list[str]] = {}
    if path.name == ATTRIBUTES and len(lines) > 1:  # a line with the count, then one with the names
        found[""] = lines[1]
        lines = lines[2:]
    width = len(found.get("", [""]))
    values = {"1", "-1"} if path.name == ATTRIBUTES else set(_PARTS) if path.name == PARTITION else None
    for number, words in enumerate(lines, 1):
        named = words[0].lower().endswith(".jpg")
        if not named or len(words) != width + 1 or (values and not set(words[1:]) <= values):
            raise CorruptData(
                f"{path}: entry {number} is {' '.join(words)[:60]!r}, expected a file name and {width} values; "
                "put CelebA's own list there, or remove it"
            )
        found[words[0]] = words[1:]
    return found
