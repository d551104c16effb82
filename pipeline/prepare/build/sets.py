"""What all prepare stages share: a raw folder to an image set, given how one picture is converted."""

from importlib.metadata import version
from pathlib import Path

from pydantic import Field

from pipeline.core import files, params, progress
from pipeline.datasets import imagenet, lsun, photos
from pipeline.datasets.raw_folder import PUBLISHED, DataSet, Description, Several, open_source
from pipeline.prepare.build.chunks import Convert, make_image_set
from pipeline.prepare.decode import MOST_PIXELS
from pipeline.readers.base import Source

_LIBRARIES = ("pillow", "simplejpeg", "opencv-python-headless", "numpy", "numba")
_ENTRIES = {"lsun": lsun.entries, "imagenet": imagenet.entries, "faces": photos.entries}


class PrepareConfig(params.Section):
    """What the sections `prepare.SET` have in common.

    Attributes:
        side: height and width of the set's pictures.
        chunk_keys: source keys in a chunk, the unit of work and of resume.
        max_bad: largest share of sources that may be unreadable.
        max_pixels: sources with more are refused before they are decoded.
    """

    side: int = Field(gt=0, le=1024)
    chunk_keys: int = Field(gt=0)
    max_bad: float = Field(ge=0, le=1)
    max_pixels: int = Field(gt=0, le=MOST_PIXELS)


def make_set(
    data_set: DataSet,
    section: PrepareConfig,
    convert: Convert,
    *,
    code: str,
    raw: Path,
    archives: Path,
    to: Path,
    workers: int,
) -> dict[str, int]:
    """Make the image set `to` of a raw folder; see `chunks.make_image_set` for results and errors.

    Args:
        section: all that decides what `convert` gives, and how the work is cut.
        convert: picklable; see `chunks.Convert`.
        code: digest of the code that decides what `convert` gives.
        raw: the raw folder that the download made.
        archives: the set's folder of archives, for pictures that are read in place.
    """
    source, described = open_source(raw, archives)
    entries = _ENTRIES[data_set](source, archives)
    _compare_count(described, len(entries))
    if described.stand_in:
        progress.warn(f"{described.archive}: a stand-in: {described.stand_in}")
    return make_image_set(
        source,
        entries,
        convert,
        side=section.side,
        chunk_keys=section.chunk_keys,
        max_bad=section.max_bad,
        work_digest=_work_digest(data_set, section, source, described, code),
        to=to,
        workers=workers,
    )


def _work_digest(data_set: DataSet, section: PrepareConfig, source: Source, described: Description, code: str) -> str:
    """Digest of all that decides a chunk's bytes: sources, parameters, code, and the libraries that decode and scale.

    `described` knows the files of a folder by their lengths alone, so the times of their last changes count as well.
    """
    return files.digest(
        {
            "code": code,
            "libraries": [version(name) for name in _LIBRARIES],
            "set": data_set,
            "sha256": described.sha256,
            "changed": [file.changed for file in source.files()] if isinstance(source, Several) else [],
            **section.model_dump(exclude={"max_bad"}),  # a higher limit must not cost the finished chunks
        }
    )


def _compare_count(described: Description, found: int) -> None:
    """Warn when upstream's own archive, known by its checksum, does not give the number of pictures it is known for."""
    known = PUBLISHED.get(described.archive)
    if described.upstream and known and known.entries and known.entries != found:
        progress.warn(f"{described.archive}: {found:,} pictures, but upstream's archive is known for {known.entries:,}")
