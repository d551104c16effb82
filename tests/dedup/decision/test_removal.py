"""Removed pictures, their representatives and reasons; verdicts have priority."""

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.core.errors import CorruptData, MissingInput
from pipeline.core.workspace import MARK
from pipeline.dedup.decision import manifest, removal
from pipeline.dedup.decision.verdicts import Verdict, write_verdicts
from pipeline.dedup.encoder.encoder_input import to_32
from pipeline.imageset.format.image_set import Images, ImageSet

PARAMETERS = removal.RemovalConfig(keep=["first"])


def content(source: str) -> str:
    return hashlib.sha256(source.encode()).hexdigest()


def judged(a: str, b: str, label: str, keep: str = "") -> Verdict:
    return Verdict(content(a), content(b), "", "", label, content(keep) if keep else "", "tester", "")


def always(source: str) -> Verdict:
    return Verdict(content(source), "", "", "", "", "", "tester", "")


@pytest.fixture
def remove(
    tmp_path: Path, make_set: Callable[..., Path], hashed: Callable[[Path], Path], paired: Callable[..., Path]
) -> Callable[..., Any]:
    """A function that makes a set, hashes it and removes duplicates; returns manifest rows by key, and the summary."""

    def run(
        images: Images,
        sources: Sequence[str] | None = None,
        boxes: Sequence[tuple[int, int, int, int] | None] | None = None,
        verdicts: Sequence[Verdict] = (),
    ) -> tuple[dict[str, dict[str, Any]], dict[str, Any]]:
        images_folder = make_set(images, sources=sources, boxes=boxes)
        write_verdicts(tmp_path / "verdicts.csv", verdicts)
        to = tmp_path / "dedup"
        folders = (images_folder, hashed(images_folder), paired(images_folder))
        summary = removal.remove_duplicates(*folders, tmp_path / "verdicts.csv", PARAMETERS, to)
        return {row["key"]: row for row in pq.read_table(to / "manifest.parquet").to_pylist()}, summary

    return run


def statuses(rows: dict[str, dict[str, Any]]) -> list[str]:
    return [row["status"] for row in rows.values()]


@pytest.fixture
def trio(blobs: Callable[[int], Images]) -> Images:
    """Three pictures that differ in one pixel and have equal codes, and an unrelated fourth."""
    images = np.concatenate([blobs(1).repeat(3, axis=0), blobs(1, 9)])
    images[1, 0, 0, 0] ^= 1
    images[2, 1, 1, 1] ^= 1
    return images


def test_the_strongest_reason_is_given(remove: Callable[..., Any], trio: Images) -> None:
    """Equal bytes come before equal pixels, and these before equal codes, each relative to the representative."""
    images = np.concatenate([trio[:1], trio[:3], trio[3:]])
    rows, summary = remove(images, ["s", "s", "t", "u", "v"])
    assert [row["reason"] for row in rows.values()] == [None, "same_bytes", "same_code", "same_code", None]
    assert summary["by_reason"] == dict.fromkeys(manifest.REASONS, 0) | {"same_bytes": 1, "same_code": 2}
    assert [row["kept_key"] for row in rows.values()] == [None, "k000", "k000", "k000", None]
    assert [row["hamming"] for row in rows.values()] == [None, 0, 0, 0, None]
    assert rows["k001"]["similarity"] == 1 and 0.999 < rows["k003"]["similarity"] <= 1
    assert [row["group"] for row in rows.values()] == [0, 0, 0, 0, None]


def test_equal_pixels_of_other_bytes(remove: Callable[..., Any], trio: Images) -> None:
    """The same picture in two encodings is removed with the reason same_pixels."""
    rows, _ = remove(trio[[0, 0, 3]])
    assert [row["reason"] for row in rows.values()] == [None, "same_pixels", None]


def test_two_faces_of_one_photo_are_not_the_same(remove: Callable[..., Any], blobs: Callable[[int], Images]) -> None:
    """Faces with equal source bytes but different boxes are not duplicates."""
    boxes = [(0, 0, 9, 9), (9, 0, 18, 9), (0, 0, 9, 9)]
    rows, _ = remove(blobs(2)[[0, 1, 0]], ["photo", "photo", "photo"], boxes)
    assert statuses(rows) == ["kept", "kept", "removed"]


def test_flat_pictures_are_compared_by_pixels_only(
    remove: Callable[..., Any], capsys: pytest.CaptureFixture[str]
) -> None:
    """Pictures of a single colour have equal codes but are not duplicates; they are counted, with a warning."""
    images = np.zeros((6, 32, 32, 3), np.uint8) + np.array([0, 1, 2, 200, 201, 200], np.uint8)[:, None, None, None]
    rows, summary = remove(images)
    assert len({row["code"] for row in rows.values()}) < 5, "the pictures no longer show what is tested"
    assert statuses(rows) == ["kept"] * 5 + ["removed"]
    assert rows["k005"]["reason"] == "same_pixels" and rows["k005"]["similarity"] is None
    assert summary["flat_pictures"] == 6
    assert "6 of 6 pictures have a single colour" in capsys.readouterr().err


def test_codes_without_a_set_bit_are_not_compared(
    remove: Callable[..., Any],
    encoder: Any,
    blobs: Callable[[int], Images],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Codes without a set bit do not make pictures duplicates."""
    encoder.threshold[:] = np.iinfo(np.int32).max
    rows, summary = remove(blobs(4))
    assert statuses(rows) == ["kept"] * 4 and summary["zero_codes"] == 4
    assert "4 of 4 pictures have a code without any bit set" in capsys.readouterr().err


@pytest.mark.parametrize("label", ["different", "similar", "mirrored"])
def test_a_pair_judged_different_is_kept(remove: Callable[..., Any], trio: Images, label: str) -> None:
    """A verdict "different" restores the picture; the third one is still removed."""
    rows, summary = remove(trio, ["a", "b", "c", "d"], verdicts=[judged("b", "a", label)])
    assert statuses(rows) == ["kept", "restored", "removed", "kept"]
    assert (summary["restored"], summary["verdicts_used"], summary["verdicts_ignored"]) == (1, 1, 0)


@pytest.mark.parametrize("label", ["same_bytes", "same_pixels", "near"])
def test_a_pair_judged_the_same_stays_removed(remove: Callable[..., Any], trio: Images, label: str) -> None:
    """A verdict that agrees changes nothing."""
    rows, _ = remove(trio, ["a", "b", "c", "d"], verdicts=[judged("a", "b", label)])
    assert statuses(rows) == ["kept", "removed", "removed", "kept"]


def test_verdicts_choose_the_representative(remove: Callable[..., Any], trio: Images) -> None:
    """The preferred picture is the representative of its whole group."""
    rows, _ = remove(trio, ["a", "b", "c", "d"], verdicts=[judged("a", "b", "near", keep="b")])
    assert statuses(rows) == ["removed", "restored", "removed", "kept"]
    assert rows["k000"]["kept_key"] == rows["k002"]["kept_key"] == "k001"


def test_a_picture_can_always_be_kept(remove: Callable[..., Any], trio: Images) -> None:
    """A verdict without a second picture restores all pictures with this content, and changes no other picture."""
    images = trio[[0, 1, 1, 2, 3]]
    rows, summary = remove(images, ["a", "b", "b", "c", "d"], verdicts=[always("b")])
    assert statuses(rows) == ["kept", "restored", "restored", "removed", "kept"]
    assert rows["k003"]["kept_key"] == "k000" and summary["restored"] == 2


def test_verdicts_on_absent_pictures_are_counted(remove: Callable[..., Any], trio: Images) -> None:
    """Verdicts on pictures that are not in the set are counted as ignored."""
    verdicts = [judged("a", "elsewhere", "different"), always("nowhere"), judged("x", "y", "near", keep="x")]
    rows, summary = remove(trio, ["a", "b", "c", "d"], verdicts=verdicts)
    assert statuses(rows) == ["kept", "removed", "removed", "kept"]
    assert (summary["verdicts_used"], summary["verdicts_ignored"]) == (0, 3)


def test_the_files_agree(remove: Callable[..., Any], trio: Images, tmp_path: Path) -> None:
    """kept.npy, the files for people and the manifest agree, and the manifest contains its parameters."""
    _, summary = remove(trio, verdicts=[])
    folder = tmp_path / "dedup"
    kept = np.load(folder / "kept.npy")
    assert kept.dtype == np.int64 and kept.tolist() == [0, 3]
    assert (folder / "kept.txt").read_text() == "k000\nk003\n"
    lines = (folder / "removed.csv").read_text().splitlines()
    assert lines[0] == "key,kept_key,sha256,kept_sha256,reason,hamming,similarity,label,kept_label"
    kept_sha256, *removed_sha256s = (hashlib.sha256(f"source {n}".encode()).hexdigest() for n in range(3))
    assert [line.rsplit(",", 3)[0] for line in lines[1:]] == [
        f"k00{n},k000,{sha256},{kept_sha256},same_code,0" for n, sha256 in enumerate(removed_sha256s, 1)
    ]
    metadata = pq.read_schema(folder / "manifest.parquet").metadata
    assert {"schema_version", "parameters", "detector", "mode", "images"} == set(json.loads(metadata[b"dedup"]))
    assert summary["pictures"] == summary["kept"] + summary["removed"] == 4
    assert (summary["groups"], summary["largest_group"], summary["share_removed"]) == (1, 3, 0.5)


def test_a_second_run_gives_the_same_bytes(
    make_set: Callable[..., Path],
    hashed: Callable[[Path], Path],
    paired: Callable[..., Path],
    trio: Images,
    tmp_path: Path,
) -> None:
    """All files are equal after another run in another folder: no clock, no dictionary order, no path."""
    images = make_set(trio)
    folders = (images, hashed(images), paired(images))
    write_verdicts(tmp_path / "verdicts.csv", [])
    made = []
    for name in ("one", "two"):
        removal.remove_duplicates(*folders, tmp_path / "verdicts.csv", PARAMETERS, tmp_path / name)
        made.append({path.name: path.read_bytes() for path in (tmp_path / name).iterdir()})
    assert made[0] == made[1] and MARK in made[0] and len(made[0]) == 10


def test_codes_of_another_set_are_refused(
    make_set: Callable[..., Path],
    hashed: Callable[[Path], Path],
    paired: Callable[..., Path],
    trio: Images,
    tmp_path: Path,
) -> None:
    """Codes of another set are refused, and nothing is written."""
    images = make_set(trio)
    codes, pairs = hashed(images), paired(images)
    write_verdicts(tmp_path / "verdicts.csv", [])
    other = make_set(trio[:3], "other")
    with pytest.raises(CorruptData, match="4 codes for 3 pictures; run hash-images again"):
        removal.remove_duplicates(other, codes, pairs, tmp_path / "verdicts.csv", PARAMETERS, tmp_path / "to")
    with pytest.raises(CorruptData, match=r"pairs of another image set than .*; run find-pairs again"):
        removal.remove_duplicates(other, hashed(other), pairs, tmp_path / "verdicts.csv", PARAMETERS, tmp_path / "to")
    assert not (tmp_path / "to").exists()


def test_similarity_is_the_correlation_of_grey(make_set: Callable[..., Path], blobs: Callable[[int], Images]) -> None:
    """The similarity equals numpy's correlation; a negative gives -1, and a picture without contrast gives NaN."""
    images = np.concatenate([blobs(3), 255 - blobs(1), np.full((1, 64, 64, 3), 7, np.uint8)])
    found = removal.similarity(
        ImageSet(make_set(images)), np.array([0, 1, 0, 0, 2]), np.array([1, 2, 0, 3, 4]), np.zeros(5, bool)
    )
    grey = to_32(images).reshape(5, -1, 3) @ np.array([0.299, 0.587, 0.114])
    expected = [np.corrcoef(grey[0], grey[1])[0, 1], np.corrcoef(grey[1], grey[2])[0, 1], 1.0, -1.0]
    assert np.allclose(found[:4], expected, atol=6e-5) and np.isnan(found[4])


def test_a_manifest_of_other_pictures_is_refused(
    remove: Callable[..., Any], make_set: Callable[..., Path], trio: Images, tmp_path: Path
) -> None:
    """A manifest of other pictures, a truncated one and one of another version are refused."""
    remove(trio)
    other = ImageSet(make_set(255 - trio, "other"))
    with pytest.raises(CorruptData, match="another image set"):
        manifest.read(tmp_path / "dedup", other)
    with pytest.raises(MissingInput, match="remove-duplicates first"):
        manifest.read(tmp_path / "nowhere", other)
    path = tmp_path / "dedup" / "manifest.parquet"
    pq.write_table(pa.table({"key": ["a"]}), path)
    with pytest.raises(CorruptData, match="not readable"):
        manifest.read(path.parent, other)
    path.write_bytes(b"PAR1")
    with pytest.raises(CorruptData, match="not readable"):
        manifest.read(path.parent, other)
