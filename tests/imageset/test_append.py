"""Appending to an image set keeps the existing bytes and counts every source."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.core import files
from pipeline.core.errors import BadParameters, CorruptData
from pipeline.imageset.append import append
from pipeline.imageset.format import image_set
from pipeline.imageset.format.image_set import ImageSet, Picture, Skipped
from tests.conftest import folder_bytes
from tests.imageset.test_image_set import described, pictures

Make = Callable[..., Path]


def write(folder: Path, images: np.ndarray, keys: list[str]) -> Path:
    folder.mkdir()
    listed = [described(image, key) for image, key in zip(images, keys, strict=True)]
    image_set.write_chunk(folder / "chunks", 0, images, listed, [], sources=len(images))
    image_set.join_chunks(folder / "chunks", 1, folder, side=images.shape[1], max_bad=0.0)
    return folder


@settings(max_examples=25, deadline=None)
@given(sizes=st.lists(st.integers(1, 9), min_size=2, max_size=4), shard=st.integers(1, 5))
def test_parts_of_any_size_read_as_one_set(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[int], shard: int
) -> None:
    """All rows are read correctly, whatever the lengths of the shards; existing shards keep their bytes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(image_set, "SHARD_PICTURES", shard)
        patch.setattr("pipeline.imageset.append.SHARD_PICTURES", shard)
        folder = tmp_path_factory.mktemp("parts")
        images, whole = pictures(sum(sizes)), folder / "0"
        keys = [f"{9 - n}/{row}" for n, size in enumerate(sizes) for row in range(size)]
        start = 0
        for number, size in enumerate(sizes):
            cut = slice(start, start + size)
            part = write(folder / (str(number) if not number else f"part-{number}"), images[cut], keys[cut])
            if number:
                before = {name: (whole / name).read_bytes() for name in ImageSet(whole).shards}
                assert append(whole, part, folder / str(number)) == size
                whole = folder / str(number)
                assert before == {name: (whole / name).read_bytes() for name in before}
            start += size
        read = ImageSet(whole)
        assert read.keys == keys and read.parts == sizes and read.counts["sources"] == len(images)
        np.testing.assert_array_equal(read.read(np.arange(len(images))[::-1]), images[::-1])
        np.testing.assert_array_equal(np.concatenate([block for _, block in read.blocks(3)]), images)
        for row, place in enumerate(read.index.select(["shard", "row"]).to_pylist()):
            stored = np.load(whole / f"images-{place['shard']:05d}.npy")
            np.testing.assert_array_equal(stored[place["row"]], images[row])


@pytest.mark.parametrize("old", [(), (0,), (1,), (0, 1)])
def test_appending_computes_the_digests_that_version_1_lacks(
    tmp_path: Path, as_version_1: Callable[[Path], None], old: tuple[int, ...]
) -> None:
    """The result has all digests, whatever the versions of the two sets, and the first set is unchanged."""
    images = pictures(7)
    parts = [write(tmp_path / "a", images[:4], list("abcd")), write(tmp_path / "b", images[4:], list("efg"))]
    for number in old:
        as_version_1(parts[number])
    before = folder_bytes(parts[0])
    assert append(*parts, tmp_path / "joined") == 3
    read = ImageSet(tmp_path / "joined")
    assert read.schema_version == 3 and read.index.column("stored_digest").null_count == 0
    assert (read.stored_digests() == image_set.pixel_digests(images)).all()
    assert folder_bytes(parts[0]) == before


def test_pictures_with_existing_keys_are_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Equal source bytes are left out silently, others with a warning; if nothing is new, the bytes are unchanged."""
    images = pictures(6)
    old = write(tmp_path / "old", images[:3], ["a", "b", "c"])
    new = write(tmp_path / "new", images[[1, 3, 4]], ["b", "c", "d"])
    assert append(old, new, tmp_path / "both") == 1
    both = ImageSet(tmp_path / "both")
    assert both.keys == ["a", "b", "c", "d"] and both.parts == [3, 1]
    np.testing.assert_array_equal(both.read(np.arange(4)), images[[0, 1, 2, 4]])
    assert both.counts == {"sources": 6, "pictures": 4, "bad": 0, "filtered": 2}
    listed = [(row["key"], row["kind"], row["reason"]) for row in both.skipped.to_pylist()]
    assert listed == [("b", "filtered", "already_there"), ("c", "filtered", "key_taken")]
    assert (
        "1 pictures are left out because the set has another picture with the same key: 'c'" in capsys.readouterr().err
    )
    assert append(tmp_path / "both", new, tmp_path / "again") == 0
    assert folder_bytes(tmp_path / "again") == folder_bytes(tmp_path / "both")


def test_faces_are_counted_by_their_photographs(tmp_path: Path) -> None:
    """A photograph with a new face counts as used; one without a new face counts as filtered."""
    images = pictures(4)

    def faces(name: str, rows: list[int], keys: list[str]) -> Path:
        (tmp_path / name).mkdir()
        listed = [Picture(key, 8, 8, 9, key[0] * 64, box=(0, 0, 4, 4)) for key in keys]
        skipped = [Skipped(f"x-{name}", "bad", "truncated", "")]
        image_set.write_chunk(tmp_path / f"{name}-c", 0, images[rows], listed, skipped, sources=3)
        image_set.join_chunks(tmp_path / f"{name}-c", 1, tmp_path / name, side=4, max_bad=0.5)
        return tmp_path / name

    old = faces("old", [0, 1], ["a#000", "b#000"])
    new = faces("new", [0, 1, 2], ["a#000", "b#000", "b#001"])
    assert append(old, new, tmp_path / "both") == 1
    assert ImageSet(tmp_path / "both").counts == {"sources": 6, "pictures": 3, "bad": 2, "filtered": 1}


def test_pictures_of_another_size_are_refused(make_imageset: Make, tmp_path: Path) -> None:
    """The error names both sizes and the option to use."""
    old, new = make_imageset(pictures(2, side=4), name="old"), make_imageset(pictures(2, side=8), name="new")
    with pytest.raises(BadParameters, match=r"8 pixels wide, but those of .* are 4; prepare .* again with --side 4"):
        append(old, new, tmp_path / "both")


@pytest.mark.parametrize("parts", [[], [3], [5, 0], [2, 2], "5", None, ["5"], [1, 4]])
def test_wrong_parts_are_refused(make_imageset: Make, tmp_path: Path, parts: object) -> None:
    """The parts must be a list whose sum is the number of pictures and which fits the shards."""
    append(make_imageset(pictures(3), name="old"), make_imageset(pictures(2), "new", ["x", "y"]), tmp_path / "both")
    path = tmp_path / "both" / "imageset.json"
    files.write_json(path, files.read_json(path) | {"parts": parts})
    with pytest.raises(CorruptData, match=r"shards are not valid|expected 1 pictures"):
        ImageSet(tmp_path / "both").read(np.arange(5))
