"""Keys as relative paths: safe whatever the key is, and never two keys to one path."""

import hashlib
import re
from collections.abc import Container
from itertools import pairwise

from pipeline.readers import base

SUFFIXES = tuple(suffix.decode() for suffix in base.SUFFIXES)

_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029%\\\\]")
_LONGEST_PART, _LONGEST = 255, 1024
_FILES = (*SUFFIXES, ".json")
"""How the files of an export end, and so how no folder of it may."""

_MAGIC = (
    (b"\xff\xd8\xff", ".jpg"),
    (b"\x89PNG", ".png"),
    (b"RIFF", ".webp"),
    (b"GIF8", ".gif"),
    (b"BM", ".bmp"),
    (b"II", ".tif"),
    (b"MM", ".tif"),
    (b"P1", ".pbm"),
    (b"P2", ".pgm"),
    (b"P4", ".pbm"),
    (b"P5", ".pgm"),
)


def suffix_of(data: bytes) -> str:
    """The usual suffix of an encoded picture's format, by its first bytes."""
    # Whatever else an image set was made of is a kind of PPM.
    return next((suffix for magic, suffix in _MAGIC if data.startswith(magic)), ".ppm")


def has_suffix(key: str) -> bool:
    """Whether a key ends like a picture file."""
    return key.lower().endswith(SUFFIXES)


def path_of(key: str, suffix: str, taken: Container[str]) -> str:
    """The relative POSIX path of a picture: mostly its key, with a suffix where it has none.

    `urllib.parse.unquote` gives the key back, and its added suffix. Percent-encoded are: `%`, `\\`, control characters,
    a part `.` or `..`, and any slash at an end, after another, or after what ends like a file. So a path stays below
    its folder, and no folder's name is a file's. A part above 255 bytes, or a path above 1,024, becomes `%~` and the
    SHA-256 of the key.

    Args:
        suffix: as `suffix_of` gives it; added until the result is no other picture's key.
        taken: all keys of the export that end like a picture file.
    """
    added = "" if has_suffix(key) else suffix
    while added and key + added in taken:
        added += suffix
    parts = [_encode_part(part) for part in key.split("/")]
    path = parts[0]
    for before, part in pairwise(parts):
        is_folder = before and part and not before.lower().endswith(_FILES)
        path += ("/" if is_folder else "%2F") + part
    path += added
    longest = max(len(part.encode()) for part in path.split("/"))
    if longest > _LONGEST_PART or len(path.encode()) > _LONGEST:
        ending = next(ending for ending in SUFFIXES if path.lower().endswith(ending))
        return f"%~{hashlib.sha256((key + added).encode()).hexdigest()}{ending}"
    return path


def _encode_part(part: str) -> str:
    if part in (".", ".."):
        return "%2E" + part[1:]
    return _UNSAFE.sub(lambda found: "".join(f"%{byte:02X}" for byte in found[0].encode()), part)
