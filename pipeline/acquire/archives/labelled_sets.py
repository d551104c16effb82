"""Make the folder of a labelled benchmark: an image set for each split, and `source.json`, which describes the source.

The pictures of these sets are published as pixels, small and square: nothing is decoded or resized. The key of a
picture is its split and its position in the published order; its label is its class. There is no fallback: a missing
archive is an error.
"""

import hashlib
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.acquire.archives.acquire import check_drawn
from pipeline.acquire.archives.find_archive import missing, warn_of_link
from pipeline.acquire.config import BenchmarkConfig
from pipeline.acquire.download.checksums import Checksums, checksums
from pipeline.acquire.download.download import download
from pipeline.core import files, progress
from pipeline.core.code_dependencies import code_digest
from pipeline.core.disk import require_free_space
from pipeline.core.errors import ChecksumMismatch, MissingInput
from pipeline.core.workspace import workspace
from pipeline.datasets.labelled import cifar10, mnist, svhn
from pipeline.datasets.labelled.splits import LabelledSplit
from pipeline.imageset.format import image_set
from pipeline.imageset.format.image_set import Picture

PUBLISHED = cifar10.ARCHIVES | cifar10.MEMBERS | svhn.ARCHIVES | mnist.ARCHIVES
"""What is published about each file, by file name."""

_LOCATE: dict[str, Callable[[Path], list[Path]]] = {
    "cifar10": cifar10.locate,
    "svhn": svhn.locate,
    "mnist": mnist.locate,
}
_READ: dict[str, Callable[[Path], dict[str, LabelledSplit]]] = {
    "cifar10": cifar10.read,
    "svhn": svhn.read,
    "mnist": mnist.read,
}
_CHUNK = 8192  # pictures written at a time: 25 MB


def acquire_benchmark(
    section: BenchmarkConfig, *, archives: Path, to: Path, drawn: Path | None = None
) -> dict[str, Any]:
    """Make the folder `to` of a benchmark; see the module docstring.

    Args:
        archives: folder of the set's archives; downloads are kept there.
        drawn: output folder of draw-benchmarks; needed only for the source `miniature`.

    Returns:
        The content of `source.json`: `source`; `data_set`; `archives` (name, bytes and sha256 of each file); `count`
        (pictures of each split); `classes` (names in the order of the class numbers); `upstream` (whether every file
        has the published checksum); for synthetic pictures also `stand_in` (what they show).

    Raises:
        MissingInput: a file does not exist. CorruptData: a file is damaged, or holds something else. ChecksumMismatch:
            a file is not the published one, and `checksum` demands that.
        BadParameters: `drawn` is missing.
        DownloadFailed: a published file could not be downloaded.
        PipelineError: the disk has too little free space.
    """
    stand_in: dict[str, str] = {}
    if section.source == "miniature":
        archives, drawn_as = check_drawn(drawn, "draw-benchmarks")
        stand_in = {"stand_in": drawn_as}
    sums = find_files(section, archives)
    identity = {"set": section.data_set, "source": section.source, "files": {n: asdict(s) for n, s in sums.items()}}
    with workspace(to, files.digest({"code": code_digest(__name__), **identity, **stand_in})) as work:
        if work is None:
            return dict(files.read_json(to / "source.json"))
        splits = _READ[section.data_set](archives)
        # The chunks and the shards made from them are both on the disk until the result is published.
        require_free_space(to.parent, 2 * sum(split.images.size for split in splits.values()), f"the set {to.name}")
        for name, split in splits.items():
            _write(name, split, work.scratch / name, work.result / name)
        described = {
            "source": section.source,
            "data_set": section.data_set,
            "archives": [{"name": name, "bytes": s.bytes, "sha256": s.sha256} for name, s in sums.items()],
            "count": {name: len(split.labels) for name, split in splits.items()},
            "classes": list(splits["train"].classes),
            "upstream": all(_is_upstream(name, found) for name, found in sums.items()),
            **stand_in,
        }
        files.write_json(work.result / "source.json", described)
        work.publish()
    return described


def find_files(section: BenchmarkConfig, archives: Path) -> dict[str, Checksums]:
    """Verify the set's files and return their checksums by name; download missing files first if `source` allows that.

    Raises:
        MissingInput, ChecksumMismatch, DownloadFailed: see `acquire_benchmark`.
    """
    paths = require_files(section, archives)
    for folder in {path.parent for path in paths} - {archives}:
        warn_of_link(folder)
    found: dict[str, Checksums] = {}
    demanded = section.checksum == "upstream"
    for path in paths:
        if not path.is_file():
            known = PUBLISHED[path.name]
            assert known.url is not None
            found[path.name] = download(
                known.url,
                path,
                length=known.bytes,
                sha256=known.sha256 if demanded else None,
                md5=known.md5 if demanded else None,
            )
        else:
            found[path.name] = checksums(path)
        if section.checksum == "upstream" and not _is_upstream(path.name, found[path.name]):
            raise ChecksumMismatch(_not_upstream(path, found[path.name]))
    return found


def require_files(section: BenchmarkConfig, archives: Path) -> list[Path]:
    """Paths of the set's files, without reading them; files that can be downloaded may be missing.

    Raises:
        MissingInput: a file does not exist and will not be downloaded.
    """
    paths = _LOCATE[section.data_set](archives)
    refused = [path for path in paths if not path.is_file() and (section.source != "upstream" or not _known_url(path))]
    if refused:
        others = ", ".join(path.name for path in refused[1:])
        raise MissingInput(
            f"{missing(refused[0], PUBLISHED.get(refused[0].name))}{f'; so is {others}' if others else ''}"
        )
    return paths


def _known_url(path: Path) -> str | None:
    known = PUBLISHED.get(path.name)
    return known.url if known else None


def _is_upstream(name: str, found: Checksums) -> bool:
    return name in PUBLISHED and found.match(PUBLISHED[name])


def _not_upstream(path: Path, found: Checksums) -> str:
    known = PUBLISHED.get(path.name)
    if known is None:
        return (
            f"{path}: no checksum of the unpacked file is published; put the packed one there, or write checksum: any"
        )
    return (
        f"{path}: {found.bytes:,} bytes, md5 {found.md5}; the published archive has "
        f"{known.length}, {known.checksum}; download it again, or write checksum: any to accept this one"
    )


def _write(name: str, split: LabelledSplit, chunks: Path, to: Path) -> None:
    """Write a split as an image set, by way of chunks; chunks that an interrupted run has left are overwritten."""
    count, side = len(split.labels), split.images.shape[1]
    digits = max(6 if name == "extra" else 5, len(str(count - 1)))  # so that key order is the published order
    starts = range(0, count, _CHUNK)
    with progress.bar(f"writing {name}", count) as advance:
        for number, start in enumerate(starts):
            if not image_set.chunk_done(chunks, number):
                images = np.ascontiguousarray(split.images[start : start + _CHUNK])
                pictures = [
                    Picture(
                        f"{name}/{row:0{digits}d}",
                        side,
                        side,
                        image.nbytes,
                        hashlib.sha256(image).hexdigest(),
                        None,
                        text,
                    )
                    for row, (image, text) in enumerate(zip(images, split.labels[start:], strict=False), start)
                ]
                image_set.write_chunk(chunks, number, images, pictures, [], sources=len(pictures))
            advance(min(_CHUNK, count - start))
    to.mkdir()
    image_set.join_chunks(chunks, len(starts), to, side=side, max_bad=0.0)
