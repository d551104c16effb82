"""The raw folder of a set: what `source.json` says, and how its pictures are opened."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from pipeline.core import files
from pipeline.core.errors import CorruptData, MissingInput
from pipeline.datasets import imagenet, imagenet32, lsun, photos
from pipeline.datasets.imagenet32 import Imagenet32
from pipeline.readers.base import Source
from pipeline.readers.folder_reader import Folder
from pipeline.readers.lmdb_reader import Lmdb, find_lmdb
from pipeline.readers.parquet_reader import Parquet
from pipeline.readers.tar_reader import Tar
from pipeline.readers.zip_reader import Zip

DataSet = Literal["lsun", "imagenet", "faces"]
Kind = Literal["lmdb", "folder", "tar", "zip", "parquet", "pickles"]
Place = Literal["raw", "archives"]

PUBLISHED = lsun.ARCHIVES | imagenet.ARCHIVES | imagenet32.ARCHIVES | photos.ARCHIVES
"""What upstream says of each archive, by file name."""

Several = Folder | Parquet | Imagenet32
"""The sources that may be several files; `files()` says what the file system tells of them."""


@dataclass(frozen=True)
class Description:
    """What `source.json` says.

    Attributes:
        source, archive: as in `acquire.archives.Acquire`.
        bytes, sha256: of the archive's file; for an LMDB read in place, of its `data.mdb`; for a folder of pictures,
            their total length and the digest of the list of (key, length) in key order.
        count: entries found, broken and repeated ones included.
        upstream: whether the checksum is that of upstream's archive.
        place: where the pictures are read from.
        kind: how they are read.
        stand_in: in what the pictures differ from the data set that they stand in for; None where they are it.
    """

    source: str
    archive: str
    bytes: int
    sha256: str
    count: int
    upstream: bool
    place: Place
    kind: Kind
    stand_in: str | None = None

    def as_json(self) -> dict[str, Any]:
        """The content of `source.json`: all fields, but for `stand_in` where there is none."""
        return {name: value for name, value in asdict(self).items() if name != "stand_in" or value}


@dataclass(frozen=True)
class Readable:
    """How pictures are read from a path.

    Attributes:
        kind: `lmdb`, `folder` of pictures, `tar`, `zip`, `parquet` (a file or a folder of them) or `pickles` (of
            downsampled ImageNet: a zip or a folder of them).
        source: what reads them.
        file: the one file they are in; None for a folder of pictures, parquet files or pickles.
        stand_in: as in `Description`.
    """

    kind: Kind
    source: Source
    file: Path | None
    stand_in: str | None = None


def read_as(path: Path) -> Readable:
    """See what `path` is: a folder with an LMDB, parquet files, pickles or pictures; a zip, a parquet file or a tar.

    Raises:
        MissingInput: there is nothing.
        CorruptData: a folder holds several LMDBs, or what is called a zip is none.
    """
    if path.is_dir():
        if lmdb := find_lmdb(path):
            return Readable("lmdb", Lmdb(lmdb), lmdb / "data.mdb")
        if any(path.glob("*.parquet")) or any(path.glob("data/*.parquet")):
            return Readable("parquet", Parquet(path), None)
        if imagenet32.has_batches(path):
            return Readable("pickles", Imagenet32(path), None, imagenet32.STAND_IN)
        return Readable("folder", Folder(path), None)
    if not path.exists():
        raise MissingInput(f"{path}: no longer there; put it back, or run the download again")
    if path.suffix.lower() == ".zip":
        if imagenet32.has_batches(path):
            return Readable("pickles", Imagenet32(path), path, imagenet32.STAND_IN)
        return Readable("zip", Zip(path), path)
    if path.suffix.lower() == ".parquet":
        return Readable("parquet", Parquet(path), path)
    return Readable("tar", Tar(path), path)


def open_source(raw: Path, archives: Path) -> tuple[Source, Description]:
    """The pictures that a raw folder describes.

    Raises:
        MissingInput: the raw folder, or the archive it speaks of, is not there.
        CorruptData: `source.json` is of another version, or the archive has changed since.
    """
    try:
        described = Description(**files.read_json(raw / "source.json"))
    except TypeError:
        raise CorruptData(f"{raw}/source.json: not of this version; run the download again") from None
    if described.place == "raw":
        return read_as(raw if described.kind == "lmdb" else raw / described.archive).source, described
    found = read_as(archives / described.archive)
    length = found.file.stat().st_size if found.file else described.bytes
    if (found.kind, length) != (described.kind, described.bytes):
        raise CorruptData(
            f"{archives / described.archive}: a {found.kind} of {length:,} bytes, but {raw}/source.json speaks of a "
            f"{described.kind} of {described.bytes:,}; run the download again"
        )
    return found.source, described
