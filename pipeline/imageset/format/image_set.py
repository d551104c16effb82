"""The image set: the on-disk format for pictures.

    images-00000.npy …   uint8 (n, H, W, 3) RGB, at most 65,536 pictures each
    index.parquet        one row per picture, in key order (byte order of UTF-8) within each part; see `append`
    skipped.parquet      one row for each source that gave no picture, with the reason
    imageset.json        schema version, counts, shape, SHA-256 of each shard, pictures per part if there are several

Sets of earlier schema versions can be read too: their index lacks columns at the end, which are then null.

The shards are `.npy` files, because they can be mapped into memory. A 64×64 picture in LMDB takes a third more space
and needs locks.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.core import files, progress
from pipeline.core.errors import CorruptData, MissingInput, PipelineError
from pipeline.imageset.format.grey import grey

SCHEMA_VERSION = 3
DIGEST_BYTES = 16
SHARD_PICTURES = 65_536
OVERVIEW_SIDE = 32

Images = npt.NDArray[np.uint8]
Rows = npt.NDArray[np.int64]

INDEX_SCHEMA = pa.schema(
    [
        ("key", pa.string()),
        *((name, pa.int32()) for name in ("shard", "row", "source_width", "source_height")),
        ("source_bytes", pa.int64()),
        ("sha256", pa.string()),
        ("box", pa.list_(pa.int32(), 4)),
        ("label", pa.string()),
        ("stored_digest", pa.binary(DIGEST_BYTES)),  # of the stored square; see `pixel_digests`
        ("source_digest", pa.binary(DIGEST_BYTES)),  # of the whole decoded source; null if it was not needed
        ("frames", pa.int32()),
        ("damaged", pa.bool_()),
        ("overview", pa.binary(OVERVIEW_SIDE * OVERVIEW_SIDE * 3)),  # see `Picture`
    ]
)
"""Columns of `index.parquet`."""

_INDEX_SCHEMAS = {
    version: pa.schema(list(INDEX_SCHEMA)[:columns]) for version, columns in {1: 9, 2: 11, SCHEMA_VERSION: 14}.items()
}
"""Each version added columns at the end."""

DAMAGED = "damaged"
"""Reason in `skipped.parquet` of a source that is damaged."""

_BLOCK = 4096

SKIPPED_SCHEMA = pa.schema([(name, pa.string()) for name in ("key", "kind", "reason", "detail")])


@dataclass(frozen=True)
class Picture:
    """The entry of a picture in the index, except its position.

    Attributes:
        key: UTF-8 text, unique in the set.
        source_width, source_height: size of the source in pixels, after EXIF orientation.
        source_bytes: length of the encoded source file.
        sha256: of the encoded source file, 64 hex characters.
        box: x0, y0, x1, y1 in source pixels; for faces only.
        label: class name, if the data set has classes.
        frames: number of frames of an animation, or of pages of a file; 1 for other pictures.
        damaged: whether the source is damaged and was decoded as far as possible.
        overview: the whole source, squeezed to RGB pixels of `OVERVIEW_SIDE` × `OVERVIEW_SIDE` × 3 bytes, if the stored
            square shows at most half of it; None otherwise.
    """

    key: str
    source_width: int
    source_height: int
    source_bytes: int
    sha256: str
    box: tuple[int, int, int, int] | None = None
    label: str | None = None
    frames: int = 1
    damaged: bool = False
    overview: bytes | None = None


@dataclass(frozen=True)
class Skipped:
    """A source that gave no picture.

    Attributes:
        key: the key that the picture would have in the index; faces that are left out have keys like other faces.
        kind: `bad` (not readable) or `filtered` (left out on purpose); only `bad` sources count for `max_bad`.
        reason: a fixed word, such as `not_an_image`.
        detail: a description of what was found.
    """

    key: str
    kind: Literal["bad", "filtered"]
    reason: str
    detail: str


def pixel_digests(images: Images) -> npt.NDArray[np.uint8]:
    """Compute digests of pictures: the first 16 bytes of the SHA-256 of the pixels.

    Args:
        images: uint8 (n, H, W, 3).

    Returns:
        uint8 (n, 16).
    """
    joined = b"".join(hashlib.sha256(image).digest()[:DIGEST_BYTES] for image in np.ascontiguousarray(images))
    return np.frombuffer(joined, np.uint8).reshape(-1, DIGEST_BYTES)


def digest_array(digests: npt.NDArray[np.uint8]) -> pa.FixedSizeBinaryArray:
    """Convert digests, uint8 (n, 16), to a column of the index."""
    buffers = [None, pa.py_buffer(digests.tobytes())]
    return pa.FixedSizeBinaryArray.from_buffers(pa.binary(DIGEST_BYTES), len(digests), buffers)


def chunk_done(folder: Path, number: int) -> bool:
    """Whether `write_chunk` has finished this chunk."""
    return (folder / f"{number:06d}.json").exists()


def write_chunk(
    folder: Path,
    number: int,
    images: Images,
    pictures: Sequence[Picture],
    skipped: Sequence[Skipped],
    *,
    sources: int,
    left_out: int = 0,
) -> None:
    """Write one finished chunk to a scratch folder.

    Args:
        images: uint8 (n, H, W, 3), row-aligned with `pictures`.
        sources: number of sources of the chunk; a photo can give several pictures, one for each face.
        left_out: number of these sources that are no pictures, so that the share of bad pictures does not count them.
    """
    files.write_array(folder / f"{number:06d}.npy", images)
    # The list is written last: its presence marks a complete chunk.
    digests = pixel_digests(images).tobytes().hex()
    record = {
        "sources": sources,
        "left_out": left_out,
        "pictures": [vars(picture) for picture in pictures],
        "skipped": [vars(source) for source in skipped],
        "stored_digests": digests,
    }
    files.write_bytes(folder / f"{number:06d}.json", json.dumps(record, default=bytes.hex).encode())


def source_key(picture: Mapping[str, Any]) -> str:
    """The key of the source of a picture, given its attributes: for a face with the key `photo#003`, `photo`."""
    key: str = picture["key"]
    return key if picture["box"] is None else key.rpartition("#")[0]


def pictures_of(chunks_folder: Path, chunk_count: int) -> Iterator[tuple[list[dict[str, Any]], npt.NDArray[np.uint8]]]:
    """Iterate over the pictures of finished chunks, in order.

    Yields:
        The attributes of each `Picture` of a chunk, and their stored digests, uint8 (n, 16).
    """
    for number in range(chunk_count):
        record = json.loads((chunks_folder / f"{number:06d}.json").read_bytes())
        digests = np.frombuffer(bytes.fromhex(record["stored_digests"]), np.uint8)
        yield record["pictures"], digests.reshape(-1, DIGEST_BYTES)


def join_chunks(
    chunks_folder: Path,
    chunk_count: int,
    to: Path,
    *,
    side: int,
    max_bad: float,
    source_digests: Mapping[int, bytes] | None = None,
    damaged: Mapping[int, str] | None = None,
    keep_damaged: bool = False,
) -> dict[str, int]:
    """Join finished chunks, in order, into an image set in the folder `to`.

    Args:
        chunks_folder: folder of the chunks 0..chunk_count-1 that `write_chunk` wrote.
        side: height and width of the pictures.
        max_bad: maximum share of bad sources, 0..1; sources that are no pictures are not counted.
        source_digests: row -> digest of the whole decoded source (16 bytes), where it is known.
        damaged: row -> what was found, for pictures whose damage was noticed after their chunk was written.
        keep_damaged: whether these pictures are marked as damaged; otherwise they are left out as bad sources.

    Rows are counted over the pictures of all chunks, before damaged ones are left out.

    Returns:
        Counts: `sources`, `pictures`, `bad`, `filtered`.

    Raises:
        PipelineError: the share of bad sources exceeds `max_bad`, or no picture was made.
    """
    # A dictionary takes several times the memory of a table row, so only one chunk has dictionaries at a time.
    index_parts: list[pa.Table] = []
    skipped_parts, kept = [SKIPPED_SCHEMA.empty_table()], list[list[int]]()
    sources = left_out = used = total = start = 0
    source_digests, damaged = source_digests or {}, damaged or {}
    with pq.ParquetWriter(to / "index.parquet", INDEX_SCHEMA, compression="zstd") as index:
        for number in range(chunk_count):
            record = json.loads((chunks_folder / f"{number:06d}.json").read_bytes())
            pictures, skipped_sources = record["pictures"], record["skipped"]
            digests = bytes.fromhex(record["stored_digests"])
            found = {n: damaged[start + n] for n in range(len(pictures)) if start + n in damaged}
            kept.append([n for n in range(len(pictures)) if keep_damaged or n not in found])
            rows = [
                {
                    **pictures[n],
                    "shard": place // SHARD_PICTURES,
                    "row": place % SHARD_PICTURES,
                    "stored_digest": digests[n * DIGEST_BYTES : (n + 1) * DIGEST_BYTES],
                    "source_digest": source_digests.get(start + n),
                    "damaged": pictures[n]["damaged"] or n in found,
                    "overview": bytes.fromhex(pictures[n]["overview"]) if pictures[n]["overview"] else None,
                }
                for place, n in enumerate(kept[-1], total)
            ]
            if not keep_damaged:  # once for all faces of a photo
                bad_keys = {source_key(pictures[n]): detail for n, detail in found.items()}
                skipped_sources += [vars(Skipped(key, "bad", DAMAGED, detail)) for key, detail in bad_keys.items()]
            index_parts.append(pa.Table.from_pylist(rows, INDEX_SCHEMA))
            skipped_parts.append(pa.Table.from_pylist(skipped_sources, SKIPPED_SCHEMA))
            start += len(pictures)
            total += len(rows)
            # Faces have the keys photo#000, photo#001, …, and all faces of a photo are in one chunk. Count photos.
            used += len({source_key(pictures[n]) for n in kept[-1]})
            sources += record["sources"]
            left_out += record["left_out"]
            index_parts = _write_index(index, index_parts, last=number == chunk_count - 1)
    skipped = pa.concat_tables(skipped_parts).combine_chunks().sort_by([("key", "ascending"), ("reason", "ascending")])
    bad = skipped.filter(pc.equal(skipped.column("kind"), "bad"))
    if sources == 0:
        raise PipelineError("no source pictures were found; check the folder or archive that was given")
    tried = sources - left_out
    if not total or len(bad) / tried > max_bad:
        shown = bad if len(bad) else skipped
        first = "; ".join(f"{s['key']}: {s['reason']} ({s['detail']})" for s in shown.slice(0, 3).to_pylist())
        raise PipelineError(
            f"{len(bad)} of {tried} sources could not be read and {total} pictures were made; at most "
            f"{max_bad:.2%} may be bad (max_bad). First ones: {first}"
        )
    blocks = (np.load(chunks_folder / f"{n:06d}.npy", mmap_mode="r")[rows] for n, rows in enumerate(kept) if rows)
    shards = write_shards(blocks, total, to, side=side)
    pq.write_table(skipped.combine_chunks(), to / "skipped.parquet", compression="zstd")
    counts = {"sources": sources, "pictures": total, "bad": len(bad), "filtered": sources - used - len(bad)}
    write_description(to, counts, shards, side)
    return counts


def write_description(to: Path, counts: dict[str, int], shards: dict[str, str], side: int, **parts: list[int]) -> None:
    """Write `imageset.json`, the last file of a set. `parts` gives the pictures per part, if there are several."""
    index = files.sha256_file(to / "index.parquet")
    description = {"counts": counts, "shape": [side, side, 3], "shards": shards, "index_sha256": index, **parts}
    files.write_json(to / "imageset.json", {"schema_version": SCHEMA_VERSION, **description})


def _write_index(index: pq.ParquetWriter, parts: list[pa.Table], *, last: bool) -> list[pa.Table]:
    """Write the rows of complete shards (if `last`, all rows), one row group each, and return the remaining rows.

    So the bytes of the file do not depend on the chunks.
    """
    count = sum(map(len, parts))
    count -= 0 if last else count % SHARD_PICTURES
    if not count:
        return parts
    rows = pa.concat_tables(parts)
    index.write_table(rows.slice(0, count).combine_chunks(), row_group_size=SHARD_PICTURES)
    return [rows.slice(count)]


def write_shards(blocks: Iterator[Images], total: int, to: Path, *, side: int, first: int = 0) -> dict[str, str]:
    """Write blocks with `total` pictures to shards numbered from `first`; return the SHA-256 of each file name."""
    shards: dict[str, str] = {}
    rest = np.empty((0, side, side, 3), np.uint8)
    for start in range(0, total, SHARD_PICTURES):
        path = to / f"images-{first + start // SHARD_PICTURES:05d}.npy"
        count = min(SHARD_PICTURES, total - start)
        # Not memory-mapped: on a full disk, a write raises an error, but a mapped page kills the process (SIGBUS).
        with path.open("wb") as file:
            header = {"descr": "|u1", "fortran_order": False, "shape": (count, side, side, 3)}
            np.lib.format.write_array_header_1_0(file, header)
            while count:
                if not len(rest):
                    rest = next(blocks)
                taken, rest = rest[:count], rest[count:]
                file.write(taken.tobytes())
                count -= len(taken)
        shards[path.name] = files.sha256_file(path)
    return shards


def _shard_lengths(path: Path, description: Any) -> list[int]:
    """Number of pictures in each shard. Raises CorruptData for a description that is not valid."""
    version = description.get("schema_version") if isinstance(description, dict) else None
    if version not in _INDEX_SCHEMAS:
        known = " or ".join(map(str, _INDEX_SCHEMAS))
        raise CorruptData(
            f"{path}: schema version {version}, expected {known}; make the set again, or read it with the version of "
            "dcgan-pipeline that made it"
        )
    match description:
        case {
            "counts": {"sources": int(), "pictures": int(pictures), "bad": int(), "filtered": int()},
            "shape": [int(height), int(width), 3],
            "shards": dict(shards),
        } if pictures > 0 and height == width > 0:
            parts = description.get("parts", [pictures])
            if isinstance(parts, list) and all(isinstance(n, int) and n > 0 for n in parts) and sum(parts) == pictures:
                lengths = [min(SHARD_PICTURES, n - start) for n in parts for start in range(0, n, SHARD_PICTURES)]
                if len(shards) == len(lengths):
                    return lengths
    raise CorruptData(f"{path}: counts, shape or shards are not valid; make the set again")


class ImageSet:
    """An image set folder as a read-only sequence of pictures.

    `images[7]` is one picture, uint8 (side, side, 3) RGB. `images[:100]`, `images[[3, 1]]` and `images[mask]` are
    copies of several pictures, uint8 (n, side, side, 3). Files are read on access.

    Args:
        folder: the image set.
        side: pictures are centre-cropped to this side when read; None for the stored side.
        colours: 3 for RGB; 1 for grey pictures, which have one channel instead of three (see `grey`).

    Raises:
        MissingInput: `folder` contains no image set.
        CorruptData: the files do not belong together, or have another version.
    """

    def __init__(self, folder: str | Path, side: int | None = None, colours: Literal[1, 3] = 3) -> None:
        folder = Path(folder)
        self.folder = folder
        self.colours = colours
        if not (folder / "imageset.json").exists():
            raise MissingInput(f"{folder}: no image set here (imageset.json is missing); run the crop command first")
        description = files.read_json(folder / "imageset.json")
        self._lengths = _shard_lengths(folder / "imageset.json", description)
        self.schema_version: int = description["schema_version"]
        self.counts: dict[str, int] = description["counts"]
        self.stored_side: int = description["shape"][0]
        self.side = side or self.stored_side
        self.parts: list[int] = description.get("parts") or [self.counts["pictures"]]
        self.shards: dict[str, str] = dict(sorted(description["shards"].items()))
        self.digest = files.digest(description)
        if self.side > self.stored_side:
            raise CorruptData(
                f"{folder}: pictures have {self.stored_side} pixels per side, expected at least {self.side}"
            )

    def __len__(self) -> int:
        return self.counts["pictures"]

    def __repr__(self) -> str:
        return f"ImageSet({str(self.folder)!r}: {len(self):,} pictures of {self.side}×{self.side})"

    def __getitem__(self, rows: int | slice | Sequence[int] | npt.NDArray[np.integer | np.bool_]) -> Images:
        if isinstance(rows, int | np.integer):
            if not -len(self) <= rows < len(self):
                raise IndexError(f"row {rows} of {len(self)} pictures")
            picture: Images = self.read(np.array([rows % len(self)]))[0]
            return picture
        return self.read(np.arange(len(self))[rows if isinstance(rows, slice) else np.asarray(rows)])

    @cached_property
    def index(self) -> pa.Table:
        """The index, in row order; see `INDEX_SCHEMA`. Columns that an earlier schema version lacks are null."""
        table = self._table("index.parquet", _INDEX_SCHEMAS[self.schema_version])
        for field in list(INDEX_SCHEMA)[len(table.column_names) :]:
            table = table.append_column(field, pa.nulls(len(table), field.type))
        if len(table) != len(self):
            raise CorruptData(f"{self.folder}/index.parquet: {len(table)} rows for {len(self)} pictures; make it again")
        return table

    @cached_property
    def keys(self) -> list[str]:
        """Keys in row order."""
        return [str(key) for key in self.index.column("key").to_pylist()]

    def stored_digests(self, rows: Rows | None = None) -> npt.NDArray[np.uint8]:
        """Digests of stored pictures (see `pixel_digests`), from the index, or computed if the index has none.

        They do not depend on the `side` that is read.

        Args:
            rows: int64 (n,); None for all pictures.

        Returns:
            uint8 (n, 16), in the order of the rows.
        """
        column = self.index.column("stored_digest")
        column = column if rows is None else column.take(pa.array(rows))
        if not column.null_count:
            array = column.combine_chunks()
            joined = np.frombuffer(array.buffers()[1], np.uint8).reshape(-1, DIGEST_BYTES)
            return joined[array.offset : array.offset + len(array)]
        rows = np.arange(len(self)) if rows is None else rows
        stored = ImageSet(self.folder)
        digests = np.empty((len(rows), DIGEST_BYTES), np.uint8)
        with progress.bar("digest pictures", len(rows)) as advance:
            for start in range(0, len(rows), _BLOCK):
                part = rows[start : start + _BLOCK]
                digests[start : start + _BLOCK] = pixel_digests(stored.read(part))
                advance(len(part))
        return digests

    def overviews(self, rows: Rows) -> tuple[Rows, Images]:
        """The overviews (see `Picture`) of those rows that have one.

        Args:
            rows: int64 (n,).

        Returns:
            The positions in `rows`, int64 (k,), and the overviews, uint8 (k, 32, 32, 3).
        """
        column = self.index.column("overview").take(pa.array(rows))
        positions = np.flatnonzero(np.asarray(column.is_valid()))
        joined = b"".join(column.take(pa.array(positions)).to_pylist())
        return positions, np.frombuffer(joined, np.uint8).reshape(-1, OVERVIEW_SIDE, OVERVIEW_SIDE, 3)

    @cached_property
    def skipped(self) -> pa.Table:
        """The sources that gave no picture; see `SKIPPED_SCHEMA`."""
        return self._table("skipped.parquet", SKIPPED_SCHEMA)

    def _table(self, name: str, schema: pa.Schema) -> pa.Table:
        table = files.read_table(self.folder / name, f"{self.folder / name}", "make the set again")
        if not table.schema.equals(schema):
            raise CorruptData(f"{self.folder / name}: other columns than expected; make the set again")
        return table

    @cached_property
    def _maps(self) -> list[Images]:
        maps: list[Images] = []
        for name, expected in zip(self.shards, self._lengths, strict=True):
            try:
                shard = np.load(self.folder / name, mmap_mode="r")
            except (OSError, ValueError) as error:
                raise CorruptData(f"{self.folder / name}: not readable ({error}); make the set again") from None
            if shard.shape != (expected, self.stored_side, self.stored_side, 3):
                raise CorruptData(f"{self.folder / name}: shape {shard.shape}, expected {expected} pictures")
            maps.append(shard)
        return maps

    def read(self, rows: Rows) -> Images:
        """Read pictures by row number, in the given order: uint8 (n, side, side, colours), a copy."""
        out = np.empty((len(rows), self.side, self.side, 3), np.uint8)
        cut = (self.stored_side - self.side) // 2
        inner = slice(cut, cut + self.side)
        shard_of = np.searchsorted(starts := np.cumsum([0, *self._lengths]), rows, side="right") - 1
        for shard in np.unique(shard_of):
            chosen = np.flatnonzero(shard_of == shard)
            out[chosen] = self._maps[shard][rows[chosen] - starts[shard], inner, inner]
        return grey(out) if self.colours == 1 else out

    def blocks(self, pictures: int = _BLOCK) -> Iterator[tuple[int, Images]]:
        """Iterate over all pictures in row order: (first row, block of at most `pictures` pictures)."""
        for start in range(0, len(self), pictures):
            yield start, self.read(np.arange(start, min(start + pictures, len(self))))
