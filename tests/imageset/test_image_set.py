"""An image set is read back as written, and damaged sets are refused."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.core import files
from pipeline.core.errors import CorruptData, MissingInput, PipelineError
from pipeline.imageset.format import image_set
from pipeline.imageset.format.image_set import ImageSet, Picture, Skipped


def pictures(count: int, side: int = 4) -> np.ndarray:
    return np.random.default_rng(count).integers(0, 256, (count, side, side, 3), np.uint8)


def described(image: np.ndarray, key: str) -> Picture:
    return Picture(key, 8, 8, 99, hashlib.sha256(image).hexdigest())


@settings(max_examples=25, deadline=None)
@given(sizes=st.lists(st.integers(0, 5), min_size=1, max_size=6).filter(any), shard=st.integers(1, 7))
def test_chunks_and_shards_of_any_size_give_the_same_pictures(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[int], shard: int
) -> None:
    """The sizes of chunks and shards do not change the pictures, and the sizes of chunks change no byte."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(image_set, "SHARD_PICTURES", shard)
        folder = tmp_path_factory.mktemp("set")
        images = pictures(sum(sizes))
        start = 0
        for number, size in enumerate(sizes):
            part = images[start : start + size]
            listed = [described(image, f"{start + i:04d}") for i, image in enumerate(part)]
            image_set.write_chunk(folder / "chunks", number, part, listed, [], sources=size)
            start += size
        listed = [described(image, f"{i:04d}") for i, image in enumerate(images)]
        image_set.write_chunk(folder / "whole", 0, images, listed, [], sources=len(images))
        (folder / "joined").mkdir()
        image_set.join_chunks(folder / "whole", 1, folder / "joined", side=4, max_bad=0.0)
        counts = image_set.join_chunks(folder / "chunks", len(sizes), folder, side=4, max_bad=0.0)
        read = ImageSet(folder)
        assert files.read_json(folder / "imageset.json") == files.read_json(folder / "joined" / "imageset.json")
        assert counts == {"sources": len(images), "pictures": len(images), "bad": 0, "filtered": 0}
        np.testing.assert_array_equal(read.read(np.arange(len(images))), images)
        np.testing.assert_array_equal(np.concatenate([block for _, block in read.blocks(3)]), images)
        backwards = np.arange(len(images))[::-1]
        np.testing.assert_array_equal(read.read(backwards), images[backwards])
        assert read.keys == [f"{i:04d}" for i in range(len(images))]


def test_sources_add_up(tmp_path: Path) -> None:
    """sources = used + bad + filtered; two faces of one photo are one used source, a face that is left out is none."""
    images = pictures(3)
    listed = [
        Picture("a.jpg#000", 8, 8, 9, "0" * 64, box=(0, 0, 4, 4)),
        Picture("a.jpg#001", 8, 8, 9, "0" * 64, box=(4, 4, 8, 8)),
        Picture("b.jpg#000", 8, 8, 9, "1" * 64, box=(0, 0, 4, 4)),
    ]
    skipped = [
        Skipped("b.jpg#001", "filtered", "too_small", "40 pixels"),
        Skipped("c.jpg", "filtered", "no_face", ""),
        Skipped("d.jpg", "bad", "truncated", "at 9"),
    ]
    image_set.write_chunk(tmp_path / "chunks", 0, images, listed, skipped, sources=4)
    counts = image_set.join_chunks(tmp_path / "chunks", 1, tmp_path, side=4, max_bad=0.3)
    assert counts == {"sources": 4, "pictures": 3, "bad": 1, "filtered": 1}
    assert ImageSet(tmp_path).skipped.column("reason").to_pylist() == ["too_small", "no_face", "truncated"]
    assert ImageSet(tmp_path).index.column("box").to_pylist()[1] == [4, 4, 8, 8]


def test_too_many_bad_pictures_stop_and_are_named(tmp_path: Path) -> None:
    """Too many bad pictures are an error that names the first ones."""
    images = pictures(2)
    listed = [described(image, str(i)) for i, image in enumerate(images)]
    skipped = [Skipped("x.jpg", "bad", "truncated", "at 9")]
    image_set.write_chunk(tmp_path / "chunks", 0, images, listed, skipped, sources=3)
    with pytest.raises(PipelineError, match=r"1 of 3 .* at most 1\.00%.*x\.jpg: truncated \(at 9\)"):
        image_set.join_chunks(tmp_path / "chunks", 1, tmp_path, side=4, max_bad=0.01)


def test_no_sources_are_an_error(tmp_path: Path) -> None:
    """An empty folder is an error."""
    image_set.write_chunk(tmp_path / "chunks", 0, pictures(0), [], [], sources=0)
    with pytest.raises(PipelineError, match="no source pictures"):
        image_set.join_chunks(tmp_path / "chunks", 1, tmp_path, side=4, max_bad=1.0)


def test_a_smaller_side_is_the_centre(make_imageset: Callable[..., Path]) -> None:
    """A smaller side gives the centre, for example 64 of faces stored at 128."""
    images = pictures(2, side=8)
    folder = make_imageset(images)
    np.testing.assert_array_equal(ImageSet(folder, side=4).read(np.array([1])), images[1:, 2:6, 2:6])
    with pytest.raises(CorruptData, match="8 pixels per side, expected at least 16"):
        ImageSet(folder, side=16)


def test_broken_sets_are_refused(make_imageset: Callable[..., Path], tmp_path: Path) -> None:
    """Missing, truncated or exchanged files and other versions each raise one clear error."""
    with pytest.raises(MissingInput, match="no image set"):
        ImageSet(tmp_path / "nothing")
    folder = make_imageset(pictures(5))
    shard = folder / "images-00000.npy"
    shard.write_bytes(shard.read_bytes()[:-10])
    with pytest.raises(CorruptData, match="images-00000"):
        ImageSet(folder).read(np.array([0]))
    other = make_imageset(pictures(4), name="other")
    shard.write_bytes((other / "images-00000.npy").read_bytes())
    with pytest.raises(CorruptData, match="expected 5"):
        ImageSet(folder).read(np.array([0]))
    description = (folder / "imageset.json").read_text()
    (folder / "imageset.json").write_text(description.replace('"schema_version": 3', '"schema_version": 4'))
    with pytest.raises(CorruptData, match="schema version 4, expected 1 or 2 or 3; make the set again"):
        ImageSet(folder)


@pytest.mark.parametrize("value", [[], "text", {}, {"schema_version": 3}])
def test_other_json_is_refused(make_imageset: Callable[..., Path], value: Any) -> None:
    """JSON that does not describe an image set is refused without a traceback."""
    folder = make_imageset(pictures(2))
    (folder / "imageset.json").write_text(json.dumps(value))
    with pytest.raises(CorruptData, match=r"imageset\.json: .*make the set again"):
        ImageSet(folder)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("counts", None),
        ("counts", [2]),
        ("counts", {"pictures": "2"}),
        ("shape", 4),
        ("shape", []),
        ("shape", ["4", 4, 3]),
        ("shards", None),
        ("shards", {}),
    ],
)
def test_wrong_values_in_the_description_are_refused(make_imageset: Callable[..., Path], name: str, value: Any) -> None:
    """A missing value or one of a wrong type is an error of the file, not a traceback."""
    folder = make_imageset(pictures(2))
    description = json.loads((folder / "imageset.json").read_text())
    (folder / "imageset.json").write_text(json.dumps(description | {name: value}))
    with pytest.raises(CorruptData, match=r"counts, shape or shards are not valid"):
        ImageSet(folder)


def expected_digests(images: np.ndarray) -> list[bytes]:
    return [hashlib.sha256(image.tobytes()).digest()[:16] for image in images]


def test_the_index_contains_digests_of_stored_pictures(make_imageset: Callable[..., Path]) -> None:
    """The digests of stored pictures are computed when they are written; the digest of the source is null."""
    images = pictures(5)
    images[3] = images[1]
    read = ImageSet(make_imageset(images))
    assert read.schema_version == 3
    assert read.index.column("stored_digest").to_pylist() == expected_digests(images)
    assert read.index.column("source_digest").null_count == 5
    assert [bytes(digest) for digest in read.stored_digests()] == expected_digests(images)
    assert [bytes(digest) for digest in read.stored_digests(np.array([4, 1]))] == expected_digests(images[[4, 1]])


def test_a_set_of_version_1_is_read_and_its_digests_are_computed(
    make_imageset: Callable[..., Path], as_version_1: Callable[[Path], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A set of version 0.1 is readable; its digests are those of the stored pictures, for any `side`."""
    monkeypatch.setattr(image_set, "_BLOCK", 2)
    images = pictures(5, side=8)
    folder = make_imageset(images)
    as_version_1(folder)
    read = ImageSet(folder, side=4)
    assert read.schema_version == 1 and len(pq.read_schema(folder / "index.parquet")) == 9
    assert read.index.schema.equals(image_set.INDEX_SCHEMA)
    assert read.index.column("stored_digest").null_count == read.index.column("source_digest").null_count == 5
    assert [bytes(digest) for digest in read.stored_digests()] == expected_digests(images)
    assert [bytes(digest) for digest in read.stored_digests(np.array([4, 1, 2]))] == expected_digests(images[[4, 1, 2]])
    np.testing.assert_array_equal(read.read(np.arange(5)), images[:, 2:6, 2:6])


@pytest.mark.parametrize("name", ["index", "skipped"])
def test_broken_tables_are_refused(make_imageset: Callable[..., Path], name: str) -> None:
    """A truncated, empty or missing table, or one with other columns, raises an error that names the file."""
    folder = make_imageset(pictures(2))
    path = folder / f"{name}.parquet"
    whole = path.read_bytes()
    for broken in (whole[:-10], whole[: len(whole) // 2], b""):
        path.write_bytes(broken)
        with pytest.raises(CorruptData, match=rf"^[^\n]*{name}\.parquet: not readable[^\n]*$"):
            getattr(ImageSet(folder), name)
    pq.write_table(pa.table({"other": [1, 2]}), path)
    with pytest.raises(CorruptData, match=rf"{name}\.parquet: other columns"):
        getattr(ImageSet(folder), name)
    path.unlink()
    with pytest.raises(CorruptData, match=rf"{name}\.parquet: not readable"):
        getattr(ImageSet(folder), name)


def test_chunks_of_any_size_give_the_same_bytes(tmp_path: Path) -> None:
    """The number of keys per chunk changes no byte of any file."""
    images = pictures(3000, side=1)
    boxes = [None if number % 3 else (number, 0, number + 4, 4) for number in range(len(images))]
    listed = [
        Picture(f"{number:05d}#000", 8, 8, number, hashlib.sha256(image).hexdigest(), box, box and "bed")
        for number, (image, box) in enumerate(zip(images, boxes, strict=True))
    ]
    trees = []
    for size in (7, 1000, 5000):
        folder = tmp_path / str(size)
        folder.mkdir()
        starts = range(0, len(images), size)
        for number, start in enumerate(starts):
            cut = slice(start, start + size)
            skipped = [Skipped(f"{n:05d}", "filtered", "small", "") for n in range(start, start + size) if n % 5 == 0]
            skipped = [s for s in skipped if int(s.key) < len(images)]
            sources = len(images[cut]) + len(skipped)
            image_set.write_chunk(folder / "chunks", number, images[cut], listed[cut], skipped, sources=sources)
        counts = image_set.join_chunks(folder / "chunks", len(starts), folder, side=1, max_bad=0.0)
        assert counts == {"sources": 3600, "pictures": 3000, "bad": 0, "filtered": 600}
        trees.append({path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()})
    assert trees[0] == trees[1] == trees[2] and len(trees[0]) == 4


def test_it_is_a_sequence_of_pictures(make_imageset: Callable[..., Path]) -> None:
    """Rows, slices, lists and masks select pictures as in an array; the path may be text; `repr` describes the set."""
    pictures = np.random.default_rng(5).integers(0, 256, (7, 8, 8, 3), dtype=np.uint8)
    images = image_set.ImageSet(str(make_imageset(pictures)))
    assert (images[2] == pictures[2]).all() and (images[-1] == pictures[-1]).all() and images[2].shape == (8, 8, 3)
    mask = np.arange(7) % 2 == 0
    for rows in (slice(1, 5), slice(None, None, -2), [5, 0, -1], np.array([3, 3]), mask):
        assert (images[rows] == pictures[rows]).all()
    assert len(list(images)) == len(images) == 7
    for row in (7, -8):
        with pytest.raises(IndexError, match="of 7 pictures"):
            images[row]
    with pytest.raises(IndexError):
        images[[7]]
    assert repr(images) == f"ImageSet({str(images.folder)!r}: 7 pictures of 8×8)"
