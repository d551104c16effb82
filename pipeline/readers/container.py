"""Open any container of pictures; its format is detected from its content."""

from dataclasses import dataclass
from pathlib import Path

from pipeline.core.errors import BadParameters, MissingInput
from pipeline.readers.base import Source
from pipeline.readers.folder_reader import Folder
from pipeline.readers.lmdb_reader import Lmdb, find_lmdb
from pipeline.readers.parquet_reader import Parquet
from pipeline.readers.tar_reader import Tar
from pipeline.readers.zip_reader import Zip
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
    """Open a folder with an LMDB, parquet files or pictures; or a zip, a parquet file or a tar.

    Args:
        path: the folder or file.
        unpack_to: folder for the `data.mdb` of a zip that holds an LMDB; made if needed. An LMDB that an earlier call
            unpacked there is used again.

    Raises:
        MissingInput: `path` does not exist.
        CorruptData: a folder or a zip holds several LMDBs, or a file named `.zip` is not a zip.
        BadParameters: a zip holds an LMDB, and `unpack_to` is None.
    """
    if path.is_dir():
        if lmdb := find_lmdb(path):
            return Container("lmdb", Lmdb(lmdb), lmdb / "data.mdb")
        if any(path.glob("*.parquet")) or any(path.glob("data/*.parquet")):
            return Container("parquet", Parquet(path), None)
        return Container("folder", Folder(path), None)
    if not path.exists():
        raise MissingInput(f"{path}: no such file or folder; correct the path, or put the archive back")
    if path.suffix.lower() == ".parquet":
        return Container("parquet", Parquet(path), path)
    if not unpacked_bytes(path):
        return Container("zip", Zip(path), path) if path.suffix.lower() == ".zip" else Container("tar", Tar(path), path)
    if unpack_to is None:
        raise BadParameters(f"{path}: a zip that holds an LMDB; unpack it, and name the folder that holds data.mdb")
    unpack_to.mkdir(parents=True, exist_ok=True)
    if not (unpack_to / "data.mdb").exists():
        unpack_lmdb(path, unpack_to)
    return Container("lmdb", Lmdb(unpack_to), unpack_to / "data.mdb")
