"""Find the source of a set's pictures: an archive, a folder of pictures, or a raw folder that describes one of them.

A download command makes a raw folder. It holds `source.json`, and the pictures unless they are read from the archive.
`dcgan dedup` adds `place.json`, the absolute path of the source, so that its pictures are found again. No other file
holds that path, because outputs must not depend on where the source is.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

from pipeline.core import files
from pipeline.core.errors import BadParameters, CorruptData, MissingInput, PipelineError
from pipeline.datasets.pictures import imagenet, imagenet32, lsun, photos
from pipeline.datasets.pictures.imagenet32 import Imagenet32
from pipeline.readers.base import Entry, File, Source
from pipeline.readers.compressed_tar import UNPACKED
from pipeline.readers.container import Container, open_container

DataSet = Literal["lsun", "imagenet", "faces"]
Place = Literal["raw", "archives"]

PUBLISHED = lsun.ARCHIVES | imagenet.ARCHIVES | imagenet32.ARCHIVES | photos.ARCHIVES
"""What the publisher of each data set states about its archives, by file name."""


@dataclass(frozen=True)
class Description:
    """The content of `source.json`.

    Attributes:
        source, archive: as in `acquire.config.AcquireConfig`.
        bytes, sha256: length and digest of the archive's file, or of `data.mdb` for an LMDB that is read in place; for
            a folder of pictures, their total length and the digest of the list of (key, length) in key order, where
            files that are not read as pictures have length 0.
        count: number of pictures, broken and repeated ones included.
        upstream: whether the checksum is that of the original publisher's archive.
        place: `raw` if the pictures are in the raw folder, `archives` if they are read from the archive.
        kind: as in `readers.container.Container`, or `pickles` for downsampled ImageNet.
        stand_in: what substitutes the pictures of the data set, such as `drawn rooms`; None for its own pictures.
    """

    source: str
    archive: str
    bytes: int
    sha256: str
    count: int
    upstream: bool
    place: Place
    kind: str
    stand_in: str | None = None

    def as_json(self) -> dict[str, Any]:
        """All fields; `stand_in` is left out if it is None."""
        return {name: value for name, value in asdict(self).items() if name != "stand_in" or value}


PLACE = "place.json"
"""Name of the file with the path of the source, in the raw folders of `dcgan dedup`."""

IMAGE_SET = "imageset"
"""`source` in `source.json` if `dcgan dedup` was given an image set: there are no source pictures to read."""


def remember_place(raw: Path, source: Path) -> None:
    """Write the absolute path of the source to the raw folder; see `remembered_place`."""
    files.write_json(raw / PLACE, str(source.resolve()))


def remembered_place(raw: Path) -> Path | None:
    """The path of the source, an archive, a folder or an image set, that a raw folder remembers; None if it does not.

    The source may have been moved since.
    """
    return Path(files.read_json(raw / PLACE)) if (raw / PLACE).is_file() else None


def of_image_set(raw: Path) -> bool:
    """Whether a raw folder is that of an image set."""
    return bool(files.read_json(raw / "source.json").get("source") == IMAGE_SET)


class Located(NamedTuple):
    """A source of pictures, found by `locate`.

    Attributes:
        path: archive or folder that the pictures are read from; see `open_archive`.
        beside: folder for the files that accompany an archive: labels, lists, a network's file.
        description: content of `source.json`; None without a raw folder.
    """

    path: Path
    beside: Path
    description: Description | None


def open_archive(path: Path, *, unpack_to: Path | None = None) -> Container:
    """Open an archive or a folder: downsampled ImageNet's pickles, or what `readers.container.open_container` opens.

    Raises:
        MissingInput, CorruptData, BadParameters: see `open_container`.
    """
    if imagenet32.has_batches(path):
        return Container("pickles", Imagenet32(path), None if path.is_dir() else path)
    return open_container(path, unpack_to=unpack_to)


def count_pictures(path: Path, entries: Sequence[Entry]) -> int:
    """The number of entries of the source `path` that are read as pictures.

    Raises:
        CorruptData: there are none; the message says what else there is.
    """
    others = [(entry.key, entry.left_out) for entry in entries if entry.left_out]
    if count := len(entries) - len(others):
        return count
    found = ""
    if others:
        counts = Counter(left_out.reason for _, left_out in others)
        (key, first), *_ = sorted(others, key=lambda other: (-counts[other[1].reason], other[0]))
        found = f", but {', '.join(f'{reason} {count:,}' for reason, count in counts.most_common())}: "
        found += f"{key} ({first.detail})"
    elif path.is_dir():
        found = " (results of dcgan inside a folder are not read)"
    raise CorruptData(f"{path}: holds no pictures{found}; look into it, or name another source")


def files_of(path: Path) -> list[File]:
    """List the files that hold the pictures of an archive or a folder; nothing is unpacked, and no picture is read."""
    return [File.of(path)] if path.is_file() else open_archive(path).source.files()


def locate(source: Path, archives: Path | None = None) -> Located:
    """Find the pictures of a source.

    Args:
        source: an archive, a folder of pictures, or a raw folder.
        archives: folder that holds the archive named in a raw folder, and the files that accompany it; None for the
            folder that holds `source`, or for the place that a raw folder remembers.

    Raises:
        MissingInput: the archive that a raw folder names does not exist.
        CorruptData: `source.json` has another version, or the archive has changed since `source.json` was written.
        BadParameters: a raw folder names an archive, `archives` is None and the raw folder remembers no place; or the
            raw folder is that of an image set.
    """
    if not (source / "source.json").is_file():
        return Located(source, archives or source.absolute().parent, None)
    if of_image_set(source):
        raise BadParameters(
            f"{source}: the pictures came from an image set, which does not hold their source files; give --raw and "
            "--archives of that set"
        )
    try:
        described = Description(**files.read_json(source / "source.json"))
    except TypeError:
        raise CorruptData(f"{source}/source.json: not of this version; run the download again") from None
    if described.place == "raw":
        path = source if described.kind == "lmdb" else source / described.archive
        if (source / UNPACKED).is_file():
            path = source / UNPACKED
        return Located(path, archives or source.absolute().parent, described)
    place = remembered_place(source) if archives is None else archives / described.archive
    if place is None:
        raise BadParameters(
            f"--archives: missing; {source}/source.json names the archive {described.archive}: give the folder that "
            "holds it, or name the archive itself as the source"
        )
    if archives is None and not place.exists():
        raise MissingInput(f"{place}: the source is no longer there; give --archives, the folder that now holds it")
    found = open_archive(place)
    length = found.file.stat().st_size if found.file else described.bytes
    if (found.kind, length) != (described.kind, described.bytes):
        raise CorruptData(
            f"{place}: a {found.kind} of {length:,} bytes, but {source}/source.json describes a {described.kind} of "
            f"{described.bytes:,}; run the download again"
        )
    return Located(place, archives or place.parent, described)


def open_source(raw: Path, archives: Path | None) -> Source:
    """Open the pictures that a raw folder describes, or those of an archive or folder; see `locate` for errors."""
    return open_archive(locate(raw, archives).path).source


def can_open(raw: Path, archives: Path | None) -> bool:
    """Whether `open_source` finds the source."""
    try:
        locate(raw, archives)
    except PipelineError:
        return False
    return True
