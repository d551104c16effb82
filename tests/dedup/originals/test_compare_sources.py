"""From a folder of originals and copies to the pictures that stay."""

import hashlib
import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from pipeline.core.errors import CorruptData, MissingInput
from pipeline.core.workspace import MARK
from pipeline.dedup.decision import removal
from pipeline.dedup.decision.verdicts import write_verdicts
from pipeline.dedup.originals.compare_sources import compare_sources
from pipeline.dedup.originals.examination import examine
from pipeline.dedup.search.external_pairs import ExternalPairs, load_external_pairs
from pipeline.imageset.append import append
from pipeline.prepare.squares import SquaresConfig, make_squares
from tests.conftest import folder_bytes
from tests.dedup.originals.conftest import COPIES, Picture, cropped, encoded, resized, written

SQUARES = SquaresConfig(side=32, resize="area", chunk_keys=8, max_bad=0.5, max_pixels=10_000_000, keep_damaged=True)


@pytest.fixture
def prepared(tmp_path: Path) -> Callable[..., tuple[Path, Path, Path]]:
    """A function that writes pictures to a folder and makes the set and the pairs of it: source, set and pairs."""

    def make(groups: list[Mapping[str, bytes]], name: str = "photos") -> tuple[Path, Path, Path]:
        source = tmp_path / name
        source.mkdir()
        for group in groups:
            for key, data in group.items():
                (source / key).write_bytes(data)
        images = tmp_path / f"{name}-set"
        make_squares("imagenet", SQUARES, source=source, archives=tmp_path, to=images, workers=1)
        lines = [f"{a},{b}" for group in groups for a in group for b in group if a < b]
        (tmp_path / f"{name}.csv").write_text("\n".join(["key_a,key_b", *lines]) + "\n")
        pairs = tmp_path / f"{name}-pairs"
        load_external_pairs(images, ExternalPairs(tmp_path / f"{name}.csv", None, 0.9), to=pairs)
        return source, images, pairs

    return make


@pytest.fixture
def kept(tmp_path: Path, hashed: Callable[[Path], Path]) -> Callable[..., list[str]]:
    """A function that removes duplicates by the rule `original` and returns the kept keys."""

    def remove(images: Path, pairs: Path, originals: Path | None, **options: Any) -> list[str]:
        write_verdicts(tmp_path / "verdicts.csv", [])
        to = tmp_path / f"{images.name}-dedup"
        parameters = removal.RemovalConfig(keep=["original"])
        folders = (images, hashed(images), pairs, tmp_path / "verdicts.csv")
        removal.remove_duplicates(*folders, parameters, to, originals=originals, **options)
        return (to / "kept.txt").read_text().split()

    return remove


def a_family(picture: Picture, original: bytes) -> dict[str, bytes]:
    """An original with six copies, by name."""
    names = ("quality 95", "grey", "twice the size with a mark", "half the size", "white frame", "cropped")
    return {"original": original} | {name: COPIES[name][0](picture) for name in names}


def renamed(family: Mapping[str, bytes], prefix: str, first: int) -> dict[str, bytes]:
    """The pictures of a family under names that begin at the picture with the given number, 0 for the original."""
    count = len(family)
    return {f"{prefix}{(n - first) % count}.img.png": data for n, data in enumerate(family.values())}


def test_the_original_stays_whatever_the_names(
    tmp_path: Path,
    photographs: list[tuple[Picture, bytes]],
    prepared: Callable[..., tuple[Path, Path, Path]],
    kept: Callable[..., list[str]],
) -> None:
    """Of each of two families one picture stays, its original, even if its name is the last or one in the middle."""
    families = [a_family(*photograph) for photograph in photographs[:2]]
    for first in (1, 4):
        groups = [renamed(family, prefix, first) for family, prefix in zip(families, "ab", strict=True)]
        source, images, pairs = prepared(groups, f"photos-{first}")
        to = tmp_path / f"originals-{first}"
        summary = compare_sources(images, pairs, [(source, None)], workers=1, to=to)
        assert summary["groups"] == 2 and summary["pictures"] == 14 and summary["unreadable"] == 0
        assert summary["compared"] == 2 * 7 * 6 // 2
        contents = [(source / key).read_bytes() for key in kept(images, pairs, to)]
        assert contents == [family["original"] for family in families]


def test_the_tables_say_what_was_measured(
    tmp_path: Path, photographs: list[tuple[Picture, bytes]], prepared: Callable[..., tuple[Path, Path, Path]]
) -> None:
    """One row for each picture, one for each pair; the bytes do not depend on the number of workers."""
    picture, original = photographs[0]
    group = {"a.jpg": encoded(picture.convert("L"), quality=95), "b.jpg": original, "c.png": encoded(picture, "PNG")}
    source, images, pairs = prepared([group])
    for workers in (1, 2):
        to = tmp_path / f"with-{workers}"
        compare_sources(images, pairs, [(source, None)], workers=workers, to=to)
    assert folder_bytes(tmp_path / "with-1") == folder_bytes(tmp_path / "with-2")
    assert {path.name for path in to.iterdir()} == {"originals.parquet", "preferences.parquet", "originals.json", MARK}
    rows = pq.read_table(to / "originals.parquet").to_pylist()
    assert [row["net_wins"] for row in rows] == [-2, 2, 0]
    assert {row["width"] for row in rows} == {picture.width} and rows[0]["chroma"] == 0 < rows[1]["chroma"]
    preferences = pq.read_table(to / "preferences.parquet").to_pylist()
    assert [(row["left"], row["right"], row["preferred"], row["reason"]) for row in preferences] == [
        (0, 1, 1, "colour"),
        (0, 2, 2, "colour"),
        (1, 2, 1, "saved_again"),
    ]
    assert json.loads((to / "originals.json").read_text())["reasons"] == {"colour": 2, "saved_again": 1}


def test_sides_of_a_pair_keep_their_measures(
    tmp_path: Path, photographs: list[tuple[Picture, bytes]], prepared: Callable[..., tuple[Path, Path, Path]]
) -> None:
    """The columns of left and right and the scale belong to the rows, in either order of names."""
    picture, original = photographs[0]
    small = encoded(resized(cropped(picture), 0.5), quality=95)
    for name, group in (("one", {"a.jpg": original, "b.jpg": small}), ("two", {"a.jpg": small, "b.jpg": original})):
        source, images, pairs = prepared([group], name)
        compare_sources(images, pairs, [(source, None)], workers=1, to=tmp_path / f"{name}-originals")
        (row,) = pq.read_table(tmp_path / f"{name}-originals" / "preferences.parquet").to_pylist()
        left_is_original = name == "one"
        assert row["preferred"] == int(not left_is_original)
        assert row["scale"] == pytest.approx(2000 if left_is_original else 500, rel=0.02)
        assert (row["left_cut_off"], row["right_cut_off"])[left_is_original] > 200
        assert (row["left_cut_off"], row["right_cut_off"])[not left_is_original] == 0


def test_a_mirrored_copy_is_compared_as_well(
    tmp_path: Path, photographs: list[tuple[Picture, bytes]], prepared: Callable[..., tuple[Path, Path, Path]]
) -> None:
    """The mark on a mirrored copy is found as on any other copy."""
    picture, original = photographs[1]
    marked = written(picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT), "STOCK PHOTO", 0.1)
    source, images, pairs = prepared([{"a.jpg": encoded(marked, quality=95), "b.jpg": original}])
    compare_sources(images, pairs, [(source, None)], workers=1, to=tmp_path / "originals")
    (row,) = pq.read_table(tmp_path / "originals" / "preferences.parquet").to_pylist()
    assert (row["preferred"], row["reason"]) == (1, "added")
    assert row["left_added"] > 10 > row["right_added"]


def test_a_mirrored_pair_is_compared_with_the_other_picture_mirrored(
    tmp_path: Path, photographs: list[tuple[Picture, bytes]], prepared: Callable[..., tuple[Path, Path, Path]]
) -> None:
    """The mark on a mirrored copy is found; if the pair says mirrored, the unchanged pictures are not compared."""
    picture, original = photographs[1]
    marked = written(picture, "STOCK PHOTO", 0.1)
    for name, copy in (("mirrored", marked.transpose(Image.Transpose.FLIP_LEFT_RIGHT)), ("unchanged", marked)):
        group = {"a.jpg": encoded(copy, quality=95), "b.jpg": original}
        source, images, pairs = prepared([group], name)
        table = pq.read_table(pairs / "pairs.parquet")
        flags = pa.array([True] * len(table))
        pq.write_table(
            table.set_column(table.column_names.index("mirrored"), "mirrored", flags), pairs / "pairs.parquet"
        )
        compare_sources(images, pairs, [(source, None)], workers=1, to=tmp_path / f"{name}-originals")
        (row,) = pq.read_table(tmp_path / f"{name}-originals" / "preferences.parquet").to_pylist()
        if name == "mirrored":
            assert (row["preferred"], row["reason"]) == (1, "added") and row["left_added"] > 10 > row["right_added"]
        else:
            assert row["left_added"] is None, "it was not compared with the unchanged picture"


def test_sources_that_are_gone_are_said(
    tmp_path: Path,
    photographs: list[tuple[Picture, bytes]],
    prepared: Callable[..., tuple[Path, Path, Path]],
    kept: Callable[..., list[str]],
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A changed or missing source is not compared; then the largest picture stays, and a warning says so."""
    picture, original = photographs[0]
    group = {"a.jpg": original, "b.jpg": COPIES["twice the size"][0](picture)}
    source, images, pairs = prepared([group])
    (source / "a.jpg").write_bytes(original + b"changed")
    summary = compare_sources(images, pairs, [(source, None)], workers=1, to=tmp_path / "changed")
    assert summary["unreadable"] == 1 and "1 of 2 sources of duplicates cannot be read" in capsys.readouterr().err
    shutil.rmtree(source)
    summary = compare_sources(images, pairs, [(source, None)], workers=1, to=tmp_path / "gone")
    assert summary["unreadable"] == 2 and str(source) in capsys.readouterr().err
    assert kept(images, pairs, tmp_path / "gone") == ["b.jpg"]
    summary = compare_sources(images, pairs, [], workers=1, to=tmp_path / "nowhere")
    assert summary["pictures"] == 0 and "not at hand" in capsys.readouterr().err


def test_a_result_belongs_to_its_pairs(
    tmp_path: Path,
    photographs: list[tuple[Picture, bytes]],
    prepared: Callable[..., tuple[Path, Path, Path]],
    kept: Callable[..., list[str]],
) -> None:
    """The rule `original` needs the comparison, and the one of these pairs."""
    picture, original = photographs[0]
    group = {"a.jpg": original, "b.jpg": encoded(picture.convert("L"))}
    source, images, pairs = prepared([group])
    with pytest.raises(MissingInput, match="compare-sources"):
        kept(images, pairs, None)
    with pytest.raises(MissingInput, match="run compare-sources first"):
        kept(images, pairs, tmp_path / "nothing")
    compare_sources(images, pairs, [(source, None)], workers=1, to=tmp_path / "originals")
    _, others, other_pairs = prepared([{"c.jpg": original, "d.jpg": encoded(picture, quality=30)}], "others")
    with pytest.raises(CorruptData, match="run compare-sources again"):
        kept(others, other_pairs, tmp_path / "originals")


def test_a_better_copy_that_comes_later_is_listed(
    tmp_path: Path,
    photographs: list[tuple[Picture, bytes]],
    prepared: Callable[..., tuple[Path, Path, Path]],
    kept: Callable[..., list[str]],
) -> None:
    """The earlier picture stays; the better copy and why it is better are in better_copies.csv; others are not."""
    (first, original), (second, other) = photographs[:2]
    early, images, pairs = prepared([{"a.jpg": encoded(first, quality=30)}, {"b.jpg": other}], "early")
    compare_sources(images, pairs, [(early, None)], workers=1, to=tmp_path / "early-originals")
    assert kept(images, pairs, tmp_path / "early-originals") == ["a.jpg", "b.jpg"]
    late, added, _ = prepared([{"c.jpg": original}, {"d.jpg": encoded(second.convert("L"))}], "late")
    both = tmp_path / "both"
    append(images, added, both)
    (tmp_path / "both.csv").write_text("key_a,key_b\na.jpg,c.jpg\nb.jpg,d.jpg\n")
    load_external_pairs(both, ExternalPairs(tmp_path / "both.csv", None, 0.9), to=tmp_path / "both-pairs")
    locations = [(early, None), (late, None)]
    compare_sources(both, tmp_path / "both-pairs", locations, workers=1, to=tmp_path / "both-originals")
    prior = {"prior_result": tmp_path / "early-set-dedup"}
    assert kept(both, tmp_path / "both-pairs", tmp_path / "both-originals", **prior) == ["a.jpg", "b.jpg"]
    lines = (tmp_path / "both-dedup" / "better_copies.csv").read_text().splitlines()
    assert [line.rsplit(",", 2)[0] for line in lines] == ["key,kept_key,reason", "c.jpg,a.jpg,saved_again"]
    assert kept(both, tmp_path / "both-pairs", tmp_path / "both-originals") == ["b.jpg", "c.jpg"]


def test_of_a_face_its_box_is_examined(photographs: list[tuple[Picture, bytes]]) -> None:
    """A box may lie partly outside; without pixels, or with other bytes than before, nothing is examined."""
    picture, original = photographs[0]
    sha256 = hashlib.sha256(original).hexdigest()
    found = examine(original, sha256, (-5, 10, 95, 130))
    assert found and (found.measures.width, found.measures.height) == (95, 120)
    assert examine(original, sha256, (picture.width + 1, 0, picture.width + 50, 40)) is None
    assert examine(original, "0" * 64, None) is None
