"""Open any container of pictures; its format is detected from its content."""

from dataclasses import dataclass
from pathlib import Path

from pipeline.core.errors import BadParameters, CorruptData, MissingInput
from pipeline.readers import first_bytes
from pipeline.readers.base import Source, only_pictures
from pipeline.readers.compressed_tar import UNPACKED, compression, unpack_tar
from pipeline.readers.folder_reader import Folder
from pipeline.readers.lmdb_reader import Lmdb, find_lmdb
from pipeline.readers.parquet_reader import Parquet
from pipeline.readers.tar_reader import Tar
from pipeline.readers.zip_reader import Zip, is_zip
from pipeline.readers.zipped_lmdb import unpack_lmdb, unpacked_bytes


@dataclass(frozen=True)
class Container:
    """An opened path.

    Attributes:
        kind: `lmdb`, `folder` (of picture files), `tar`, `zip` or `parquet` (a file or a folder of them). Packages that
            import this one add kinds of their own.
        source: reads the pictures.
        file: the file that holds all pictures; None if there are several.
    """

    kind: str
    source: Source
    file: Path | None


def open_container(path: Path, *, unpack_to: Path | None = None) -> Container:
    """Open a folder with an LMDB, parquet files or pictures; or a zip, a tar, a compressed tar or a parquet file.

    The format of a file is told by its content, whatever its name.

    Args:
        path: the folder or file.
        unpack_to: folder for what must be unpacked before it is read: the `data.mdb` of a zip that holds an LMDB, or
            the tar of a compressed tar. The folder is made if needed. What an earlier call unpacked there is used
            again.

    Raises:
        MissingInput: `path` does not exist.
        CorruptData: the file is no archive that can be read, or it is damaged; or a folder or a zip holds several
            LMDBs.
        BadParameters: the archive must be unpacked, and `unpack_to` is None.
    """
    if path.is_dir():
        if lmdb := find_lmdb(path):
            return Container("lmdb", Lmdb(lmdb), lmdb / "data.mdb")
        if any(path.glob("*.parquet")) or any(path.glob("data/*.parquet")):
            # Many programs write a table beside their pictures; only then are the pictures those of the folder.
            tables = Parquet(path)
            if tables.holds_pictures() or not any(only_pictures(Folder(path).entries())):
                return Container("parquet", tables, None)
        return Container("folder", Folder(path), None)
    if not path.exists():
        raise MissingInput(f"{path}: no such file or folder; correct the path, or put the archive back")
    if is_zip(path):
        if not unpacked_bytes(path):
            return Container("zip", Zip(path), path)
        lmdb = _unpacked(path, "a zip that holds an LMDB", unpack_to) / "data.mdb"
        if not lmdb.exists():
            unpack_lmdb(path, lmdb.parent)
        return Container("lmdb", Lmdb(lmdb.parent), lmdb)
    if kind := compression(path):
        tar = _unpacked(path, f"a tar compressed with {kind}", unpack_to) / UNPACKED
        if not tar.exists():
            unpack_tar(path, tar.parent)
        return Container("tar", Tar(tar), tar)
    return _open_file(path)


def _open_file(path: Path) -> Container:
    """Open a tar or a parquet file, or say what the file is instead."""
    with path.open("rb") as file:
        start = file.read(first_bytes.LENGTH)
    kind = first_bytes.archive_format(start)
    if kind == "tar":
        return Container("tar", Tar(path), path)
    if kind == "parquet":
        return Container("parquet", Parquet(path), path)
    if not start:
        raise CorruptData(f"{path}: empty; download or copy it again")
    if kind == "lmdb":
        raise CorruptData(f"{path}: the file of an LMDB; name the folder that holds it as data.mdb")
    if kind:
        raise CorruptData(f"{path}: in the format {kind}, which is not read; unpack it, and name the folder")
    what = first_bytes.describe(start)
    raise CorruptData(f"{path}: {what}, expected an archive; name a folder, zip, tar, parquet file or LMDB")


def _unpacked(archive: Path, what: str, unpack_to: Path | None) -> Path:
    """The folder `unpack_to`, which exists afterwards."""
    if unpack_to is None:
        raise BadParameters(f"{archive}: {what}; unpack it, and name the result")
    unpack_to.mkdir(parents=True, exist_ok=True)
    return unpack_to
