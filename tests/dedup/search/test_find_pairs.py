"""Copies are found, unrelated pictures are not, decoys are counted, and the number of workers changes nothing."""

import io
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from pipeline.core.errors import BadParameters, CorruptData, MissingInput
from pipeline.core.workspace import resumable_steps
from pipeline.dedup.decision import removal
from pipeline.dedup.decision.verdicts import Verdict, write_verdicts
from pipeline.dedup.encoder.autoencoder import quantise
from pipeline.dedup.encoder.codes import BITS, hash_images, save_encoder
from pipeline.dedup.encoder.encoder_input import INPUTS
from pipeline.dedup.pairs import pairs_table
from pipeline.dedup.pairs.classes_table import load_classes
from pipeline.dedup.recall import recall_eval
from pipeline.dedup.scoring import pair_scorer_highres
from pipeline.dedup.search import find_pairs, pair_search
from pipeline.imageset.format.image_set import Images, ImageSet, Rows
from pipeline.prepare.resize import resize
from tests.conftest import folder_bytes
from tests.dedup.detectors import NEAR

REMOVE = NEAR.model_copy(update={"mirrored": "remove"})

Scenes = Callable[[int, int], Images]


@pytest.fixture
def copies(scenes: Scenes) -> Images:
    """Twenty scenes, then a changed copy of each of the first five, then two pictures of a single colour."""
    images = scenes(20, 1)
    ways = ("jpeg50", "crop2", "shift", "border", "brighter15")
    made = [recall_eval.planted_copies(images[n : n + 1], name, 1) for n, name in enumerate(ways)]
    return np.concatenate([images, *made, np.full((2, 64, 64, 3), 99, np.uint8)])


def test_copies_are_found_and_nothing_else(find: Callable[..., Any], copies: Images) -> None:
    """Each copy is paired with its original; pictures of a single colour are no candidates; there are no decoys."""
    summary, found = find(copies)
    assert found == [(n, 20 + n) for n in range(5)]
    assert (summary["pairs"], summary["decoys"], summary["expected_false"]) == (5, 0, 0)
    assert summary["searched"] == 25 and summary["expected_false_high"] == pytest.approx(3.6889, abs=1e-3)


def test_the_same_bytes_for_any_number_of_workers(find: Callable[..., Any], copies: Images, tmp_path: Path) -> None:
    """The number of processes changes no byte."""
    find(copies)
    find(copies, workers=2, to="again")
    for name in ("pairs.parquet", "misses.parquet", "mirrored.parquet", "classes.parquet", "pairs.json"):
        assert (tmp_path / "pairs" / name).read_bytes() == (tmp_path / "again" / name).read_bytes(), name


def test_another_threshold_needs_no_new_search(
    find: Callable[..., Any], copies: Images, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the scores kept, any threshold gives the bytes of a search with it; one below the kept scores searches."""
    folders = (tmp_path / "set", tmp_path / "codes", tmp_path / "encoder")
    find(copies)
    between = float(np.median(pq.read_table(tmp_path / "pairs" / "pairs.parquet")["score"]))
    thresholds = [NEAR.model_copy(update={"score": score}) for score in (3.0, 0.0, between)]
    for number, parameters in enumerate(thresholds):
        find(copies, parameters, to=f"direct-{number}")
    calls = list[int]()
    search = pair_search.PairSearch.score

    def score(self: pair_search.PairSearch) -> Any:
        calls.append(1)
        return search(self)

    monkeypatch.setattr(pair_search.PairSearch, "score", score)
    with resumable_steps(tmp_path / "steps"):
        for number, parameters in enumerate(thresholds):
            to, scored = tmp_path / "steps" / f"kept-{number}", tmp_path / "steps" / "scored"
            find_pairs.find_pairs(*folders, parameters, workers=1, to=to, scored=scored)
            assert folder_bytes(to) == folder_bytes(tmp_path / f"direct-{number}")
        assert len(calls) == 1
        lower = NEAR.model_copy(update={"score": -4.0})
        find_pairs.find_pairs(*folders, lower, workers=1, to=tmp_path / "steps" / "lower", scored=scored)
        assert len(calls) == 2
    counts = [pairs_table.read_description(tmp_path / f"direct-{n}", ImageSet(folders[0]))["pairs"] for n in range(3)]
    assert counts[2] < counts[0] <= counts[1]


def test_comparing_at_64_gives_the_same_for_any_number_of_workers(
    find: Callable[..., Any], copies: Images, tmp_path: Path
) -> None:
    """At 64 pixels, exactly the copies are found, with other scores and another detector; workers change no byte."""
    closely = NEAR.model_copy(update={"compare_side": 64})
    plain, _ = find(copies)
    summary, found = find(copies, closely, to="closely")
    assert found == [(n, 20 + n) for n in range(5)] and summary["decoys"] == 0
    assert summary["detector"] != plain["detector"] and summary["parameters"]["compare_side"] == 64
    scores = [pq.read_table(tmp_path / name / "pairs.parquet")["score"] for name in ("pairs", "closely")]
    assert scores[0] != scores[1]
    find(copies, closely, workers=2, to="again")
    for name in ("pairs.parquet", "misses.parquet", "mirrored.parquet", "classes.parquet", "pairs.json"):
        assert (tmp_path / "closely" / name).read_bytes() == (tmp_path / "again" / name).read_bytes(), name


def test_pictures_smaller_than_compare_side_are_refused(find: Callable[..., Any], copies: Images) -> None:
    """Too small pictures are refused before the search; the message says what to do."""
    largest = NEAR.model_copy(update={"compare_side": 128})
    with pytest.raises(
        BadParameters,
        match=r"compare_side 128: the pictures of .* are stored at 64×64, expected at least 128×128; "
        "make the set with a larger side, or set compare_side to 32",
    ):
        find(copies, largest)


def test_recall_is_measured_by_the_same_comparison(
    find: Callable[..., Any], copies: Images, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Recall uses the stored side and `compare_side` of the search; pairs of another `compare_side` are refused."""
    closely = NEAR.model_copy(update={"compare_side": 64})
    find(copies, closely, to="closely")
    folders = (tmp_path / "set", tmp_path / "encoder", tmp_path / "closely")
    section = recall_eval.RecallConfig(sample=6, seed=1)
    with pytest.raises(CorruptData, match="found by another detector"):
        recall_eval.measure_recall(*folders, NEAR, section, tmp_path / "recall")
    sides, seen = [], pair_scorer_highres.score

    def score(left: Images, right: Images, compared_at: Rows, least: float) -> Any:
        sides.append((left.shape[1], int(compared_at.max())))
        return seen(left, right, compared_at, least)

    monkeypatch.setattr(pair_scorer_highres, "score", score)
    summary = recall_eval.measure_recall(*folders, closely, section, tmp_path / "recall")
    assert summary["recall"]["jpeg80"]["found"] == summary["recall"]["brighter5"]["found"] == 6
    # Halves and quarters of 64 pixels have no more detail than 32×32.
    assert (64, 64) in sides and sides.count((64, 32)) == 2


def test_mirrored_copies_are_pairs_only_if_they_are_removed(
    find: Callable[..., Any], copies: Images, tmp_path: Path
) -> None:
    """Mirrored copies are in a table of their own; with `remove` they are pairs as well. Scores are searched once."""
    mirrored = np.concatenate([copies[:21], copies[[3]][:, :, ::-1]])
    summary, found = find(mirrored)
    assert found == [(0, 20)]
    counts = {"pairs": 1, "mirrored_pairs": 0, "decoys": 1}
    assert {name: summary[name] for name in counts} == counts
    removing, found = find(mirrored, REMOVE, to="asked")
    assert found == [(0, 20), (3, 21)] and removing["mirrored_pairs"] == 1
    assert removing["detector"] != summary["detector"] and removing["expected_false"] == summary["expected_false"]
    tables = [pq.read_table(tmp_path / name / "mirrored.parquet") for name in ("pairs", "asked")]
    assert tables[0] == tables[1] and tables[0].select(["left", "right", "mirrored"]).to_pylist() == [
        {"left": 3, "right": 21, "mirrored": True}
    ]
    assert pq.read_table(tmp_path / "asked" / "pairs.parquet").column("mirrored").to_pylist() == [False, True]
    folders = (tmp_path / "set", tmp_path / "codes", tmp_path / "encoder")
    with resumable_steps(tmp_path / "steps"):
        for name, parameters in (("pairs", NEAR), ("asked", REMOVE)):
            to, scored = tmp_path / "steps" / name, tmp_path / "steps" / "scored"
            find_pairs.find_pairs(*folders, parameters, workers=1, to=to, scored=scored)
            if name == "pairs":
                written = (scored / "scored.json").stat().st_ino
            assert folder_bytes(to) == folder_bytes(tmp_path / name)
        assert (scored / "scored.json").stat().st_ino == written


def test_a_symmetric_picture_is_no_mirrored_copy_of_itself_or_its_copy(
    find: Callable[..., Any], copies: Images, tmp_path: Path
) -> None:
    """It matches its own mirror image, but is no pair with itself; two copies of it are an unchanged pair."""
    symmetric = copies[:20].copy()
    symmetric[:, :, 32:] = symmetric[:, :, 31::-1]
    images = np.concatenate([symmetric, recall_eval.planted_copies(symmetric[:1], "jpeg50", 1)])
    _, found = find(images, REMOVE)
    assert found == [(0, 20)]
    assert pq.read_table(tmp_path / "pairs" / "pairs.parquet").column("mirrored").to_pylist() == [False]
    summary, rows, listed = decide(tmp_path)
    assert summary["mirrored"] == summary["by_reason"]["mirrored"] == 0 and listed == []
    assert rows[20]["reason"] == "near_code"


def decide(folder: Path, verdicts: Sequence[Verdict] = ()) -> tuple[dict[str, Any], list[dict[str, Any]], list[str]]:
    """The summary, the rows of the manifest and the lines of mirrored.csv after removal from `pairs`."""
    write_verdicts(folder / "verdicts.csv", verdicts)
    folders = (folder / "set", folder / "codes", folder / "pairs", folder / "verdicts.csv")
    summary = removal.remove_duplicates(*folders, removal.RemovalConfig(keep=["first"]), folder / "dedup")
    rows = pq.read_table(folder / "dedup" / "manifest.parquet").to_pylist()
    return summary, rows, (folder / "dedup" / "mirrored.csv").read_text().splitlines()[1:]


def judged(folder: Path, label: str, *pairs: tuple[int, int]) -> list[Verdict]:
    sha256s = ImageSet(folder / "set").index.column("sha256").to_pylist()
    return [Verdict(sha256s[a], sha256s[b], "", "", label, "", "tester", "") for a, b in pairs]


def test_kept_mirrored_copies_are_listed(find: Callable[..., Any], copies: Images, tmp_path: Path) -> None:
    """Each once, beside the picture that is kept for the copies that it matches; not if it was judged different."""
    find(np.concatenate([copies, copies[[3]][:, :, ::-1]]))
    summary, rows, listed = decide(tmp_path)
    assert summary["mirrored"] == 1 and summary["decoys"] == 2 and summary["by_reason"]["mirrored"] == 0
    assert [line.rsplit(",", 1)[0] for line in listed] == ["k027,k003"] and rows[27]["status"] == "kept"
    assert "expected_false_mirrored_removals" not in summary
    summary, _, listed = decide(tmp_path, judged(tmp_path, "mirrored", (3, 27), (23, 27)))
    assert summary["mirrored"] == len(listed) == 1 and summary["decoys_judged_mirrored"] == 2
    summary, _, listed = decide(tmp_path, judged(tmp_path, "different", (3, 27)))
    assert summary["mirrored"] == len(listed) == 0


def test_mirrored_copies_are_removed_for_a_reason_of_their_own(
    find: Callable[..., Any], copies: Images, tmp_path: Path
) -> None:
    """The label `mirrored` confirms the removal; other labels restore the picture; only verdicts give an estimate."""
    find(np.concatenate([copies, copies[[3]][:, :, ::-1]]), REMOVE)
    summary, rows, listed = decide(tmp_path)
    assert (rows[27]["status"], rows[27]["kept_key"], rows[27]["reason"]) == ("removed", "k003", "mirrored")
    assert rows[27]["similarity"] == 1 and listed == [] and summary["mirrored"] == 0
    assert (summary["by_reason"]["mirrored"], summary["by_reason"]["near_code"], summary["pairs"]) == (1, 5, 5)
    assert summary["expected_false_removals"] == 2 and summary["mirrored_judged"] == 0
    ends = [f"expected_false_mirrored_removals{end}" for end in ("", "_low", "_high")]
    assert [summary[name] for name in ends] == [None] * 3
    summary, rows, _ = decide(tmp_path, judged(tmp_path, "mirrored", (3, 27), (23, 27)))
    assert rows[27]["status"] == "removed" and [summary[name] for name in ends] == [0, 0, 0]
    assert (summary["mirrored_judged"], summary["mirrored_judged_false"]) == (2, 0)
    assert summary["decoys_judged_mirrored"] == 2 and summary["expected_false_removals"] == 0
    summary, rows, listed = decide(tmp_path, judged(tmp_path, "different", (3, 27), (23, 27)))
    assert rows[27]["status"] == "restored" and listed == [] and summary["mirrored_judged_false"] == 2


def test_an_unchanged_copy_comes_before_a_mirrored_one(
    find: Callable[..., Any], copies: Images, tmp_path: Path
) -> None:
    """A picture with both kinds of pairs is removed for the unchanged one, if that is kept."""
    images = np.concatenate([copies[[3]][:, :, ::-1], copies[:20], copies[23:24]])  # rows 4 and 21 are copies
    find(images, REMOVE)
    _, rows, _ = decide(tmp_path)
    assert [(rows[row]["kept_key"], rows[row]["reason"]) for row in (4, 21)] == [("k000", "mirrored")] * 2
    _, rows, listed = decide(tmp_path, judged(tmp_path, "different", (0, 4)))
    assert rows[4]["status"] == "restored"
    assert (rows[21]["kept_key"], rows[21]["reason"]) == ("k004", "near_code")
    assert listed == []


def test_decoys_judged_mirrored_do_not_count(find: Callable[..., Any], copies: Images, tmp_path: Path) -> None:
    """Decoys that a verdict labels as mirrored are not counted as false pairs."""
    find(np.concatenate([copies, copies[[3]][:, :, ::-1]]))
    sha256s = ImageSet(tmp_path / "set").index.column("sha256").to_pylist()
    keep = removal.RemovalConfig(keep=["first"])
    folders = (tmp_path / "set", tmp_path / "codes", tmp_path / "pairs", tmp_path / "verdicts.csv")
    write_verdicts(tmp_path / "verdicts.csv", [])
    before = removal.remove_duplicates(*folders, keep, tmp_path / "before")
    assert (before["decoys"], before["decoys_judged_mirrored"], before["expected_false_removals"]) == (2, 0, 2)
    verdicts = [Verdict(sha256s[a], sha256s[27], "", "", "mirrored", "", "tester", "") for a in (3, 23)]
    write_verdicts(tmp_path / "verdicts.csv", verdicts)
    after = removal.remove_duplicates(*folders, keep, tmp_path / "after")
    assert (after["decoys"], after["decoys_judged_mirrored"], after["expected_false_removals"]) == (2, 2, 0)
    assert after["by_reason"]["near_code"] == after["removed"] - 1 == 5


def test_one_picture_of_each_pixel_class_is_searched(find: Callable[..., Any], copies: Images, tmp_path: Path) -> None:
    """A thousand files with equal pixels are searched once, and a copy of one is grouped with all."""
    images = np.concatenate([copies[:5], copies[[0, 0]], copies[20:21]])
    summary, found = find(images)
    assert summary["searched"] == 6 and found == [(0, 7)]
    write_verdicts(tmp_path / "verdicts.csv", [])
    folders = (tmp_path / "set", tmp_path / "codes", tmp_path / "pairs", tmp_path / "verdicts.csv")
    removal.remove_duplicates(*folders, removal.RemovalConfig(keep=["first"]), tmp_path / "dedup")
    rows = pq.read_table(tmp_path / "dedup" / "manifest.parquet").to_pylist()
    assert [row["group"] for row in rows] == [0, None, None, None, None, 0, 0, 0]
    assert [row["reason"] for row in rows][5:] == ["same_pixels", "same_pixels", "near_code"]


@pytest.mark.parametrize("mode", ["near", "exact"])
def test_many_equal_pictures_are_one_class_and_no_pair(
    make_set: Callable[..., Path], scenes: Scenes, tmp_path: Path, mode: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thousand equal pictures are one class and no pairs; only one is read, and verdicts need no new search."""
    pictures = scenes(4, 1)[[0, 1, 2, 3, *[1] * 996]]
    kind = "normalised" if mode == "near" else "pixels"
    weight = np.random.default_rng(5).normal(size=(BITS, INPUTS)).astype(np.float32)
    (tmp_path / "encoder").mkdir()
    save_encoder(tmp_path / "encoder" / "encoder.safetensors", quantise(weight, np.zeros(BITS, np.float32), kind))
    folders = (make_set(pictures), tmp_path / "codes", tmp_path / "encoder")
    hash_images(folders[0], folders[2], folders[1])
    rows, real = list[int](), ImageSet.read

    def read(self: ImageSet, wanted: Rows) -> Images:
        rows.extend(wanted.tolist())
        return real(self, wanted)

    monkeypatch.setattr(ImageSet, "read", read)
    summary = find_pairs.find_pairs(*folders, NEAR.model_copy(update={"mode": mode}), workers=1, to=tmp_path / "pairs")
    assert summary["pairs"] == 0 and set(rows) == {0, 1, 2, 3}
    classes = load_classes(tmp_path / "pairs", ImageSet(folders[0]))
    assert classes.codes is not None
    for ids in (classes.pixels, classes.codes):
        assert ids.tolist() == [0, 1, 2, 3, *[1] * 996]
    rows.clear()
    write_verdicts(tmp_path / "verdicts.csv", [])
    inputs = (*folders[:2], tmp_path / "pairs", tmp_path / "verdicts.csv")
    removed = removal.remove_duplicates(*inputs, removal.RemovalConfig(keep=["first"]), tmp_path / "dedup")
    assert removed["by_reason"]["same_pixels"] == removed["removed"] == 996
    assert sorted(rows) == sorted([1] * 996 + list(range(4, 1000))), (
        "only removed pictures and their representatives are read, for similarity"
    )


def test_a_set_of_version_1_gives_the_same(
    find: Callable[..., Any], copies: Images, tmp_path: Path, as_version_1: Callable[[Path], None]
) -> None:
    """A set of schema version 1 gives the same pairs, from digests of its squares; no source pixels are known."""
    find(copies)
    shutil.rmtree(tmp_path / "codes")
    as_version_1(tmp_path / "set")
    hash_images(tmp_path / "set", tmp_path / "encoder", tmp_path / "codes")
    find(copies, to="again")
    for name in ("pairs.parquet", "misses.parquet", "mirrored.parquet"):
        assert (tmp_path / "pairs" / name).read_bytes() == (tmp_path / "again" / name).read_bytes(), name
    of_images = ImageSet(tmp_path / "set")
    classes = load_classes(tmp_path / "again", of_images)
    assert classes.pixels.tolist() == list(range(len(of_images)))
    before = pq.read_table(tmp_path / "pairs" / "classes.parquet").column("squares").to_numpy()
    assert before[classes.searched].tolist() == classes.squares[classes.searched].tolist()


def test_pictures_without_detail_make_no_pair(find: Callable[..., Any], scenes: Scenes) -> None:
    """Frames, flat pictures, gradients and screens with text lines give no pairs."""
    rng = np.random.default_rng(2)
    y, x = np.mgrid[0:64, 0:64] / 63
    made = []
    for n in range(40):
        slope = rng.normal(size=2)
        gradient = np.clip(128 + 100 * (slope[0] * (x - 0.5) + slope[1] * (y - 0.5)), 0, 255)
        made.append(np.repeat(gradient[..., None], 3, 2))
        framed = scenes(1, 100 + n)[0].astype(float)
        framed[:6] = framed[-6:] = framed[:, :6] = framed[:, -6:] = (0, 255)[n % 2]
        made.append(framed)
        flat = np.full((64, 64, 3), rng.uniform(0, 255)) + rng.normal(0, 2, (64, 64, 3))
        made.append(flat)
        screen = np.full((64, 64, 3), 250.0)
        screen[:5] = (60, 90, 160)
        for line in range(9, 62, 4):
            screen[line : line + 2, 4 : 4 + int(rng.integers(8, 56))] = 40
        made.append(screen)
    _, found = find(np.clip(made, 0, 255).astype(np.uint8))
    assert found == []


def saved_again(image: np.ndarray) -> Image.Image:
    """The picture after saving as JPEG of quality 85 at the same size."""
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=85)
    return Image.open(file)


def test_unrelated_pictures_with_equal_frames_make_no_pair(find: Callable[..., Any], scenes: Scenes) -> None:
    """400 unrelated pictures with equal frames of several kinds give no pairs and few candidates."""
    made = np.full((400, 64, 64, 3), 250, np.uint8)
    for n, scene in enumerate(scenes(400, 7)):
        wide = (4, 8, 12)[n % 3]
        small = Image.fromarray(scene).resize((64 - 2 * wide,) * 2, Image.Resampling.BOX)
        made[n, wide:-wide, wide:-wide] = np.array(small)
        if n % 2:
            for corner in ((slice(2), slice(2)), (slice(2), slice(-2, None)), (slice(-2, None), slice(2))):
                made[n][corner] = 120
        if n % 5 == 0:
            made[n] = np.array(saved_again(made[n]))
    summary, found = find(made)
    assert (found, summary["decoys"]) == ([], 0)
    assert summary["candidates"] + summary["decoy_candidates"] < 400


def test_wrong_inputs_are_refused(find: Callable[..., Any], copies: Images, tmp_path: Path) -> None:
    """Too many candidates, encoders of another kind or another digest, a missing folder and another set are refused."""
    find(copies)
    with pytest.raises(BadParameters, match=r"more than 1 pairs to compare at radius 15; choose a smaller radius"):
        find(copies, NEAR.model_copy(update={"max_candidates": 1}), to="few")
    with pytest.raises(MissingInput, match="run find-pairs first"):
        pairs_table.load_pairs(tmp_path / "nowhere", ImageSet(tmp_path / "set"))
    (tmp_path / "pairs" / "pairs.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(CorruptData, match=r"pairs.parquet: not readable .*; run find-pairs again"):
        pairs_table.load_pairs(tmp_path / "pairs", ImageSet(tmp_path / "set"))
    plain = quantise(np.ones((BITS, INPUTS), np.float32), np.zeros(BITS, np.float32))
    save_encoder(tmp_path / "encoder" / "encoder.safetensors", plain)
    with pytest.raises(BadParameters, match="its input is pixels, but mode near needs normalised input"):
        pair_search.PairSearch(ImageSet(tmp_path / "set"), None, tmp_path / "encoder" / "encoder.safetensors", NEAR, 1)
    with pytest.raises(CorruptData, match="not the one that --codes were made with; run hash-images again"):
        find(copies, NEAR.model_copy(update={"mode": "exact"}), to="other")


def test_deep_crops_are_found_by_local_features(find: Callable[..., Any], scenes: Scenes, tmp_path: Path) -> None:
    """Windows of 60 % of the sides are found, with any number of workers; without local features they are not."""
    pictures = scenes(20, 1).repeat(2, axis=1).repeat(2, axis=2)
    windows = np.stack([resize(picture[6:83, 25:102], side=128, method="area") for picture in pictures[:5]])
    images = np.concatenate([pictures, windows])
    _, found = find(images)
    assert found == []
    deeply = NEAR.model_copy(update={"local_features": True, "compare_side": "auto"})
    summary, found = find(images, deeply, to="deeply")
    assert {(n, 20 + n) for n in range(5)}.issuperset(found) and len(found) >= 4 and summary["decoys"] == 0
    find(images, deeply, workers=2, to="again")
    assert folder_bytes(tmp_path / "deeply") == folder_bytes(tmp_path / "again")


def test_mirrored_deep_crops_are_decoys(find: Callable[..., Any], scenes: Scenes) -> None:
    """The decoys of a search with local features have local features too."""
    pictures = scenes(20, 1).repeat(2, axis=1).repeat(2, axis=2)
    windows = np.stack([resize(picture[6:83, 25:102], side=128, method="area") for picture in pictures[:2]])
    deeply = NEAR.model_copy(update={"local_features": True, "compare_side": "auto"})
    summary, found = find(np.concatenate([pictures, windows[:, :, ::-1]]), deeply)
    assert found == [] and summary["decoys"] == 2
