"""Convert keys to relative paths, which are safe for any key and different for different keys."""

import hashlib
import re
from collections.abc import Container
from itertools import pairwise

from pipeline.readers import base

SUFFIXES = tuple(suffix.decode() for suffix in base.SUFFIXES + base.OPTIONAL_SUFFIXES)

_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029%\\\\]")
_LONGEST_PART, _LONGEST = 255, 1024
_FILES = (*SUFFIXES, ".json")
"""Suffixes of exported files; names of folders in an export must not end with one of them."""

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
    """The usual suffix for an encoded picture, chosen by its first bytes."""
    if data[4:8] == b"ftyp":
        return ".avif" if data[8:10] == b"av" else ".heic"
    # Of the supported formats, only the variants of PPM are left.
    return next((suffix for magic, suffix in _MAGIC if data.startswith(magic)), ".ppm")


def has_suffix(key: str) -> bool:
    """Whether a key ends with the suffix of a picture file."""
    return key.lower().endswith(SUFFIXES)


def path_of(key: str, suffix: str, taken: Container[str]) -> str:
    """The relative POSIX path of a picture: its key, with a suffix added if it has none.

    `urllib.parse.unquote` converts the path back to the key and the added suffix. The following are percent-encoded:
    `%`, `\\`, control characters, the parts `.` and `..`, and slashes at the start or end, after another slash, or
    after a part that ends with the suffix of a picture file. Therefore no path leaves its folder, and no folder has the
    name of a file. A path with a part longer than 255 bytes, or longer than 1,024 bytes in total, is replaced by `%~`
    and the SHA-256 of the key.

    Args:
        suffix: see `suffix_of`; added repeatedly until the result is not the key of another picture.
        taken: all exported keys that end with the suffix of a picture file.
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
