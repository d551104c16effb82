"""The lists of pairs agree with the manifest and with the requested filter and order."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.core import files
from pipeline.core.errors import BadParameters, CorruptData, MissingInput
from pipeline.dedup.decision.verdicts import Verdict, edit_verdicts
from pipeline.dedup.pairs.matches_table import MATCHES
from pipeline.dedup.results.result_folders import find_folders
from pipeline.imageset.format.image_set import ImageSet
from pipeline.review.duplicates.app import Review
from pipeline.review.duplicates.dedup_result import DedupResult
from pipeline.review.duplicates.pair_lists import PAGE_PAIRS, SORTS, PairLists, Query
from pipeline.review.duplicates.source_pictures import SourcePictures
from pipeline.review.duplicates.verdict_store import Judgement, Side, VerdictStore
from tests.review.duplicates.results import HOSTILE, make_result, remove_again

GROUPS, COPIES = 40, 3


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_result(tmp_path_factory.mktemp("review") / "found", GROUPS, COPIES, hostile=HOSTILE)


@pytest.fixture
def lists(found: Path, tmp_path: Path) -> PairLists:
    folders = find_folders(found, verdicts=tmp_path / "verdicts.csv")
    return PairLists(DedupResult(folders), VerdictStore(folders.verdicts, "me"))


def all_pairs(lists: PairLists, query: Query) -> list[dict[str, object]]:
    """All pairs of a list, page by page."""
    name = lists.create(query)
    pages = [lists.page(name, 0)]
    while len(pages) * PAGE_PAIRS < pages[0]["total"]:
        pages.append(lists.page(name, len(pages) * PAGE_PAIRS))
    return [pair for page in pages for pair in page["pairs"]]


def test_all_removals_are_listed_with_their_representatives(found: Path, lists: PairLists) -> None:
    """Keys and figures equal the manifest, and rows are those of the image set."""
    rows = pq.read_table(found / "steps/dedup/manifest.parquet").to_pylist()
    wanted = {row["key"]: row for row in rows if row["status"] == "removed"}
    assert set(HOSTILE) & {*wanted, *(row["kept_key"] for row in wanted.values())}
    pairs = all_pairs(lists, Query(sort="key", descending=False))
    assert [pair["removed"]["key"] for pair in pairs] == list(wanted)
    for pair in pairs:
        row = wanted[pair["removed"]["key"]]
        kept = rows[pair["kept"]["row"]]
        assert rows[pair["removed"]["row"]] == row and kept["key"] == pair["kept"]["key"] == row["kept_key"]
        assert (pair["removed"]["sha256"], pair["kept"]["sha256"]) == (row["sha256"], kept["sha256"])
        assert [pair[name] for name in ("reason", "hamming", "group")] == [
            row[name] for name in ("reason", "hamming", "group")
        ]
        assert pair["similarity"] == pytest.approx(row["similarity"], abs=1e-4)
        assert pair["group_size"] == COPIES + 1
        assert pair["score"] == -(pair["removed"]["row"] % (COPIES + 1))
        assert pair["removed"]["width"] == 640 + pair["removed"]["row"] % 7
        assert pair["verdict"] == {"label": "", "keep": False, "always": False} and pair["others"] == []


@pytest.mark.parametrize("descending", [True, False])
@pytest.mark.parametrize("sort", SORTS)
def test_sorted(lists: PairLists, sort: str, descending: bool) -> None:
    """Any sort key, both directions; all pairs are listed."""
    pairs = all_pairs(lists, Query(sort=sort, descending=descending))
    assert len({pair["id"] for pair in pairs}) == GROUPS * COPIES
    name = {"distance": "hamming", "group": "group_size"}.get(sort, sort)
    if name in pairs[0]:
        values = [pair[name] for pair in pairs]
        assert values == sorted(values, reverse=descending)


def test_filtered(lists: PairLists) -> None:
    """Filters by reason, ranges and text."""
    assert {pair["reason"] for pair in all_pairs(lists, Query(reason="same_bytes"))} == {"same_bytes"}
    assert len(all_pairs(lists, Query(reason="same_bytes"))) == GROUPS // 10
    assert {pair["hamming"] for pair in all_pairs(lists, Query(distance=(3, 5)))} == {4}
    assert all_pairs(lists, Query(group_size=(COPIES + 2, None))) == []
    close = all_pairs(lists, Query(similarity=(0.999, None)))
    assert 0 < len(close) < GROUPS * COPIES and all(pair["similarity"] >= 0.999 for pair in close)
    shown = all_pairs(lists, Query(text="ROOM/000005"))
    assert shown and all("room/000005" in pair["removed"]["key"] + pair["kept"]["key"] for pair in shown)
    assert len(all_pairs(lists, Query(text="<script>"))) in (1, COPIES)
    assert all_pairs(lists, Query(text=".*")) == []


def test_near_misses_and_mirrored_matches(lists: PairLists) -> None:
    """Misses and mirrored matches are separate lists, and their pairs have no groups."""
    misses = all_pairs(lists, Query(kind="misses", sort="score"))
    assert len(misses) == GROUPS - 1 and {pair["score"] for pair in misses} == {-8.5}
    mirrored = all_pairs(lists, Query(kind="mirrored", sort="similarity"))
    assert len(mirrored) == 2 and mirrored[0]["group"] is None and mirrored[0]["reason"] == ""


def judge(lists: PairLists, pair: dict[str, dict[str, str]], label: str, always: bool = False) -> None:
    removed, kept = (Side(pair[name]["sha256"], pair[name]["key"]) for name in ("removed", "kept"))
    lists.store.judge([Judgement(removed, kept, label, always=always)])


def test_lists_by_verdict(lists: PairLists) -> None:
    """Lists can be filtered and sorted by own verdicts; an existing list does not change while it is paged through."""
    query = Query(verdict="unjudged", sort="key", descending=False)
    name = lists.create(query)
    first = lists.page(name, 0)["pairs"]
    for pair, label in zip(first, ("near", "different", ""), strict=False):
        judge(lists, pair, label, always=not label)
    assert [pair["id"] for pair in lists.page(name, 0)["pairs"]] == [pair["id"] for pair in first]
    labels = [pair["verdict"]["label"] for pair in lists.page(name, 0)["pairs"][:3]]
    assert labels == ["near", "different", ""]
    assert lists.page(name, 0)["pairs"][2]["verdict"]["always"]
    left = {pair["id"] for pair in all_pairs(lists, query)}
    assert left == set(range(GROUPS * COPIES)) - {pair["id"] for pair in first[:3]}
    for verdict, number in (("near", 0), ("different", 1), ("always", 2)):
        assert [p["id"] for p in all_pairs(lists, Query(verdict=verdict))] == [first[number]["id"]]
    assert len(all_pairs(lists, Query(verdict="judged"))) == 3
    assert [p["verdict"]["label"] for p in all_pairs(lists, Query(sort="label", descending=True))[:3]] == [
        *("", "different", "near")
    ]
    assert lists.seek(name, "unjudged", "", 0) == 3


def test_a_verdict_holds_for_all_pairs_of_the_same_contents(lists: PairLists) -> None:
    """Verdicts refer to contents, not rows; also for digests that end in a null byte."""
    labels = lists.labels("removed")
    assert not labels.any()
    for number in range(0, GROUPS * COPIES, 7):
        pair = lists.describe("removed", [number])[0]
        judge(lists, pair, "similar")
    wanted = np.zeros(GROUPS * COPIES, np.int8)
    wanted[::7] = 5
    assert lists.labels("removed").tolist() == wanted.tolist()


def test_verdicts_of_others_are_shown_and_do_not_count(lists: PairLists) -> None:
    """Verdicts of another rater, of `dcgan restore` or on a sample are not this rater's browsing verdicts."""
    pair = lists.describe("removed", [5])[0]
    sides = (pair["kept"]["sha256"], pair["removed"]["sha256"])
    verdicts = [
        Verdict(*sides, "a", "b", "similar", "", "ann", ""),
        Verdict(sides[1], "", "b", "", "", "", "", ""),
        Verdict(*sides, "a", "b", "different", "", "me", "sample"),
    ]
    edit_verdicts(lists.store.path, lambda before: [*before, *verdicts])
    pair = lists.describe("removed", [5])[0]
    assert pair["others"] == ["ann: similar", "restore: always keep"] and pair["verdict"]["label"] == ""
    assert not lists.labels("removed").any()


def test_jumps(lists: PairLists) -> None:
    """Jumps find a whole key, the start or a part of a key; repeated, the next match, also past the end."""
    name = lists.create(Query(sort="key", descending=False))
    keys = [pair["removed"]["key"] for pair in all_pairs(lists, Query(sort="key", descending=False))]
    for key in keys[::11]:
        at = lists.seek(name, "key", key, 0)
        pair = lists.page(name, at)["pairs"][at % PAGE_PAIRS]
        assert key in (pair["removed"]["key"], pair["kept"]["key"])
    first = lists.seek(name, "key", "room/", 0)
    assert lists.seek(name, "key", "room/", first + 1) == first + 1
    assert lists.seek(name, "key", "<script>", len(keys) - 1) is not None
    assert lists.seek(name, "key", "no such key", 0) is None
    at = lists.seek(name, "pair", "17", 0)
    assert lists.page(name, at)["pairs"][at % PAGE_PAIRS]["id"] == 17
    assert lists.seek(name, "pair", "x", 0) is None


def test_unknown_query_values_are_refused(lists: PairLists) -> None:
    """The message lists the allowed values."""
    for wrong in (Query(kind="kept"), Query(sort="size"), Query(verdict="nice")):
        with pytest.raises(BadParameters, match="expected one of"):
            lists.create(wrong)


def test_old_lists_are_deleted(lists: PairLists) -> None:
    """Only the last eight lists are kept in memory."""
    name = lists.create(Query())
    assert lists.exists(name)
    for _ in range(8):
        lists.create(Query())
    assert not lists.exists(name)


def test_a_list_in_use_is_not_deleted(lists: PairLists) -> None:
    """A list that is used survives any number of new lists."""
    first = lists.create(Query())
    for _ in range(20):
        assert lists.exists(first)
        lists.create(Query())


def test_representatives_in_another_set(tmp_path: Path) -> None:
    """A picture removed for one in another set is shown alone with the other key; it can be kept, but not compared."""
    found = make_result(tmp_path / "found", 5, 2)
    steps = found / "steps"
    entry = {"left": 3, "right": 0, "hamming": 4, "score": 1.0, "reason": "near_code"}
    entry |= {"other_key": "test/<b>.jpg", "other_sha256": "e" * 64}
    (steps / "matches").mkdir()
    pq.write_table(pa.Table.from_pylist([entry], MATCHES), steps / "matches" / "matches.parquet")
    files.write_json(steps / "matches" / "matches.json", {"images": ImageSet(steps / "images").digest})
    remove_again(found, matches=steps / "matches")
    folders = find_folders(found)
    lists = PairLists(DedupResult(folders), VerdictStore(folders.verdicts, "me"))
    alone = all_pairs(lists, Query(reason="in_other_set"))
    assert [pair["removed"]["row"] for pair in alone] == [3]
    assert alone[0]["kept"] == {"row": None, "key": "test/<b>.jpg", "sha256": ""}
    assert alone[0]["group"] is None and alone[0]["hamming"] == 4
    number = alone[0]["id"]
    review = Review(lists, SourcePictures(lists.result.pictures, (), None), "found")
    body = {"kind": "removed", "id": number, "keep": False, "group": False}
    with pytest.raises(BadParameters, match="not in this set"):
        review.judge({**body, "label": "near", "always": False})
    assert review.judge({**body, "label": "", "always": True})["pair"]["verdict"]["always"]
    assert np.flatnonzero(lists.labels("removed")).tolist() == [number]
    assert lists.seek(lists.create(Query()), "key", "room/", 0) is not None
    other = PairLists(lists.result, VerdictStore(folders.verdicts, "you"))
    assert other.describe("removed", [number])[0]["others"] == ["me: always keep"]
    remove_again(found, matches=steps / "matches")
    assert all_pairs(PairLists(DedupResult(folders), lists.store), Query(reason="in_other_set")) == []


def test_nothing_was_removed(tmp_path: Path) -> None:
    """A result without removals has an empty list."""
    found = make_result(tmp_path / "found", 3, 0)
    folders = find_folders(found)
    lists = PairLists(DedupResult(folders), VerdictStore(folders.verdicts, "me"))
    name = lists.create(Query(text="x", verdict="unjudged"))
    assert lists.page(name, 7) == {
        "list": name,
        "kind": "removed",
        **dict.fromkeys(("total", "judged", "first", "position"), 0),
        "pairs": [],
    }
    assert lists.seek(name, "unjudged", "", 0) is None and lists.seek(name, "key", "room", 0) is None


def test_folders_of_the_pipeline_and_of_dedup_are_found(found: Path, tmp_path: Path) -> None:
    """The other folders are found from data/PROFILE/dedup/SET, and from steps/dedup of `dcgan dedup`."""
    assert find_folders(found / "steps" / "dedup") == find_folders(found)
    parts = {"dedup": "dedup/lsun", "images": "sets/lsun", "pairs": "pairs/lsun"}
    for step, place in parts.items():
        (tmp_path / "data/tiny" / place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "data/tiny" / place).symlink_to(found / "steps" / step)
    with pytest.raises(MissingInput, match=r"--verdicts .*audit/lsun/verdicts.csv"):
        find_folders(tmp_path / "data/tiny/dedup/lsun")
    (tmp_path / "audit/lsun").mkdir(parents=True)
    folders = find_folders(tmp_path / "data/tiny/dedup/lsun")
    assert folders.images == tmp_path / "data/tiny/sets/lsun" and folders.raw == ()
    assert folders.verdicts == tmp_path / "audit/lsun/verdicts.csv"
    assert len(DedupResult(folders).lists) == 3


def test_missing_parts_are_named(found: Path, tmp_path: Path) -> None:
    """The message names the option to give."""
    alone = tmp_path / "alone"
    alone.mkdir()
    with pytest.raises(MissingInput, match=r"--dedup .*no manifest.parquet"):
        find_folders(alone)
    (alone / "manifest.parquet").symlink_to(found / "steps/dedup/manifest.parquet")
    with pytest.raises(MissingInput, match="--images: not given"):
        find_folders(alone)
    with pytest.raises(MissingInput, match="--verdicts"):
        find_folders(alone, images=found / "steps/images")
    folders = find_folders(alone, images=found / "steps/images", verdicts=tmp_path / "v.csv")
    assert folders.pairs is None
    result = DedupResult(folders)
    assert set(result.lists) == {"removed"} and np.isnan(result.lists["removed"].score).all()


def test_a_result_of_another_image_set_is_refused(
    found: Path, tmp_path: Path, make_imageset: Callable[..., Path]
) -> None:
    """A result is never shown with pictures of another set."""
    other = make_imageset(np.zeros((3, 32, 32, 3), np.uint8))
    folders = find_folders(found, images=other)
    with pytest.raises(CorruptData, match="another image set"):
        DedupResult(folders)
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "manifest.parquet").write_bytes(b"PAR1")
    with pytest.raises(CorruptData, match=r"--dedup .*not readable"):
        DedupResult(replace(find_folders(found), dedup=broken))


def test_pairs_of_another_image_set_are_refused(tmp_path: Path) -> None:
    """Rows of another set must not be shown as near misses of this one."""
    found = make_result(tmp_path / "found", 3, 1)
    about = files.read_json(found / "steps/pairs/pairs.json")
    files.write_json(found / "steps/pairs/pairs.json", {**about, "images": "0" * 64})
    with pytest.raises(CorruptData, match="--pairs"):
        DedupResult(find_folders(found))


def test_a_later_run_changes_no_shown_picture(tmp_path: Path) -> None:
    """The app shows the pictures of the opened result, even if a later run replaces the files."""
    found = make_result(tmp_path / "found", 3, 1)
    result = DedupResult(find_folders(found))
    row = int(result.pictures.rows[0])
    shard = result.images.folder / "images-00000.npy"
    before = np.load(shard)
    files.write_array(shard, 255 - before)
    assert (result.images.read(np.array([row]))[0] == before[row]).all()
