"""Tell the format of a file from its first bytes: pictures, archives, and what a web server sends instead of them."""

import re
import tarfile

from pipeline.readers.base import ARCHIVE, NOT_A_PICTURE, OPTIONAL_SUFFIXES, UNSUPPORTED_FORMAT, LeftOut

LENGTH = 512
"""Number of bytes that `archive_format` looks at: the first block of a tar. `picture_format` looks at the first 32."""

OPTIONAL = ("HEIC", "AVIF")
"""Formats of pictures that are decoded only if a decoder is installed."""

_DECODED = ("JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF", "PPM", *OPTIONAL)

_JPEG_XL = b"\xff\x0a"
_PICTURES = {
    b"\xff\xd8\xff": "JPEG",
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"GIF8": "GIF",
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
    b"II+\0": "TIFF",
    b"MM\0+": "TIFF",
    _JPEG_XL: "JPEG XL",
    b"\0\0\0\x0cJXL \r\n": "JPEG XL",
    b"\0\0\0\x0cjP  \r\n": "JPEG 2000",
    b"\xff\x4f\xff\x51": "JPEG 2000",
    b"8BPS": "Photoshop",
    b"v/1\x01": "OpenEXR",
    b"DDS ": "DirectDraw surface",
    b"gimp xcf": "GIMP",
    b"SIMPLE  =": "FITS",
    b"IIRO": "camera raw (ORF)",
    b"IIRS": "camera raw (ORF)",
    b"IIU\0": "camera raw (RW2)",
    b"FUJIFILMCCD-RAW": "camera raw (RAF)",
    b"FOVb": "camera raw (X3F)",
    b"\0MRM": "camera raw (MRW)",
}
"""First bytes of a picture, and its format."""

_BRANDS = dict.fromkeys((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"), "HEIC")
_BRANDS |= {b"avif": "AVIF", b"avis": "AVIF", b"crx ": "camera raw (CR3)"}
"""Major brand of an ISO media file (ISO/IEC 14496-12, box `ftyp`) that holds a picture, and its format."""

_RAW_SUFFIXES = tuple(b".arw .cr2 .dng .nef .nrw .pef .sr2 .srf .srw".split())
"""Suffixes of cameras' raw files that begin like a TIFF, and would be decoded as their small preview."""

_ARCHIVES = {
    b"PK\x03\x04": "zip",
    b"PK\x05\x06": "zip",  # without members
    b"\x1f\x8b": "gzip",
    b"BZh": "bzip2",
    b"\xfd7zXZ\0": "xz",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"7z\xbc\xaf\x27\x1c": "7z",
    b"Rar!\x1a\x07": "rar",
    b"PAR1": "parquet",
}
"""First bytes of an archive or a compressed file, and its format."""

_PICTURE_START, _ARCHIVE_START = (re.compile(b"|".join(map(re.escape, known))) for known in (_PICTURES, _ARCHIVES))
_NETPBM = re.compile(rb"P[1-6]\s+[\d#]")

_NO_PICTURE = LeftOut(NOT_A_PICTURE, "no format of pictures by its name or first bytes")


def picture_format(start: bytes) -> str | None:
    """The format of a picture, by its first 32 bytes; None for anything else."""
    if start[4:8] == b"ftyp":
        kind = _BRANDS.get(start[8:12])
        return "AVIF" if kind == "HEIC" and b"avif" in start[16:32] else kind  # `mif1` is the brand of both
    if magic := _PICTURE_START.match(start):
        kind = _PICTURES[magic[0]]
        return "camera raw (CR2)" if kind == "TIFF" and start[8:10] == b"CR" else kind
    if start.startswith(b"RIFF") and start[8:12] == b"WEBP":
        return "WEBP"
    if start.startswith(b"BM") and start[6:10] == bytes(4):  # the reserved bytes; two letters alone may begin a text
        return "BMP"
    return "PPM" if _NETPBM.match(start) else None


def archive_format(start: bytes) -> str | None:
    """The format of an archive or a compressed file, by its first `LENGTH` bytes; None for anything else."""
    if magic := _ARCHIVE_START.match(start):
        return _ARCHIVES[magic[0]]
    if start[16:20] in (b"\xde\xc0\xef\xbe", b"\xbe\xef\xc0\xde"):
        return "lmdb"
    return "tar" if _is_tar(start) else None


def describe(start: bytes) -> str:
    """What a file is that was expected to be an archive of another format, by its first `LENGTH` bytes."""
    if not start:
        return "an empty file"
    if kind := archive_format(start):
        return f"a file in the format {kind}"
    if kind := picture_format(start):
        return f"a picture ({kind})"
    if start.lstrip()[:1] == b"<":
        return "a web page, which a server sends if the address is wrong"
    return f"a file that begins with {start[:8]!r}"


def left_out(name: bytes, start: bytes) -> LeftOut | None:
    """Whether a file is read as a picture although its name has no suffix of one.

    Args:
        name: the file's name.
        start: its first `LENGTH` bytes.

    Returns:
        None if the content is a picture, or the suffix is that of HEIC or AVIF; else why it is not read.
    """
    kind = picture_format(start)
    if kind and (kind not in _DECODED or name.lower().endswith(_RAW_SUFFIXES)):
        return unsupported("camera raw" if kind in _DECODED else kind)
    if kind or name.lower().endswith(OPTIONAL_SUFFIXES):  # a picture, perhaps a damaged one
        return None
    if archive := archive_format(start):
        return LeftOut(ARCHIVE, f"{archive}; give it as a source of its own")
    return _NO_PICTURE


def unsupported(kind: str) -> LeftOut:
    """The reason why a picture in the format `kind` is not read, with the next step."""
    if kind in OPTIONAL:
        return LeftOut(UNSUPPORTED_FORMAT, f"{kind}; to read it, pip install 'dcgan-pipeline[heif]'")
    return LeftOut(UNSUPPORTED_FORMAT, f"{kind}; convert it to PNG or TIFF to have it read")


def unsupported_format(start: bytes) -> str | None:
    """The format of a picture that this project cannot always decode, by its first 32 bytes; None for other content.

    The two bytes of JPEG XL do not suffice here: a file with the suffix of another format is rather a damaged one.
    """
    kind = None if start.startswith(_JPEG_XL) else picture_format(start)
    return kind if kind not in _DECODED or kind in OPTIONAL else None


def _is_tar(start: bytes) -> bool:
    """Whether a block is the header of a tar member, or the end mark of an empty tar."""
    if len(start) < LENGTH or not any(start):
        return len(start) >= LENGTH
    if not start[148:156].strip(b" \0").isdigit():  # the checksum; quicker than an exception
        return False
    try:
        tarfile.TarInfo.frombuf(start[:LENGTH], "utf-8", "surrogateescape")
    except (tarfile.HeaderError, ValueError):
        return False
    return True
