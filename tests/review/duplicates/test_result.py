"""What the app shows is what the manifest says, in the order and the part that was asked for."""

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
from pipeline.imageset.format.image_set import ImageSet
from pipeline.review.duplicates.app import Review
from pipeline.review.duplicates.listing import PAGE_PAIRS, SORTS, Listing, Query
from pipeline.review.duplicates.locate import locate
from pipeline.review.duplicates.result import Result
from pipeline.review.duplicates.source_pictures import Sources
from pipeline.review.duplicates.verdict_store import Judgement, Side, VerdictStore
from tests.review.duplicates.results import HOSTILE, again, make_result

GROUPS, COPIES = 40, 3


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_result(tmp_path_factory.mktemp("review") / "found", GROUPS, COPIES, hostile=HOSTILE)


@pytest.fixture
def listing(found: Path, tmp_path: Path) -> Listing:
    folders = locate(found, verdicts=tmp_path / "verdicts.csv")
    return Listing(Result(folders), VerdictStore(folders.verdicts, "me"))


def everything(listing: Listing, query: Query) -> list[dict[str, object]]:
    """All pairs of a list, page by page."""
    name = listing.make(query)
    pages = [listing.page(name, 0)]
    while len(pages) * PAGE_PAIRS < pages[0]["total"]:
        pages.append(listing.page(name, len(pages) * PAGE_PAIRS))
    return [pair for page in pages for pair in page["pairs"]]


def test_every_removal_is_there_with_its_keeper(found: Path, listing: Listing) -> None:
    """Key for key as in the manifest, and the rows are those of the image set."""
    rows = pq.read_table(found / "steps/dedup/manifest.parquet").to_pylist()
    wanted = {row["key"]: row for row in rows if row["status"] == "removed"}
    assert set(HOSTILE) & {*wanted, *(row["kept_key"] for row in wanted.values())}
    pairs = everything(listing, Query(sort="key", falling=False))
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


@pytest.mark.parametrize("falling", [True, False])
@pytest.mark.parametrize("sort", SORTS)
def test_sorted(listing: Listing, sort: str, falling: bool) -> None:
    """By any of the numbers, both ways; nothing is lost."""
    pairs = everything(listing, Query(sort=sort, falling=falling))
    assert len({pair["id"] for pair in pairs}) == GROUPS * COPIES
    name = {"distance": "hamming", "group": "group_size"}.get(sort, sort)
    if name in pairs[0]:
        values = [pair[name] for pair in pairs]
        assert values == sorted(values, reverse=falling)


def test_filtered(listing: Listing) -> None:
    """By reason, ranges and text, each alone and together."""
    assert {pair["reason"] for pair in everything(listing, Query(reason="same_bytes"))} == {"same_bytes"}
    assert len(everything(listing, Query(reason="same_bytes"))) == GROUPS // 10
    assert {pair["hamming"] for pair in everything(listing, Query(distance=(3, 5)))} == {4}
    assert everything(listing, Query(group_size=(COPIES + 2, None))) == []
    close = everything(listing, Query(similarity=(0.999, None)))
    assert 0 < len(close) < GROUPS * COPIES and all(pair["similarity"] >= 0.999 for pair in close)
    shown = everything(listing, Query(text="ROOM/000005"))
    assert shown and all("room/000005" in pair["removed"]["key"] + pair["kept"]["key"] for pair in shown)
    assert len(everything(listing, Query(text="<script>"))) in (1, COPIES)
    assert everything(listing, Query(text=".*")) == []


def test_near_misses_and_decoys(listing: Listing) -> None:
    """They are lists of their own, without groups."""
    misses = everything(listing, Query(kind="misses", sort="score"))
    assert len(misses) == GROUPS - 1 and {pair["score"] for pair in misses} == {-8.5}
    decoys = everything(listing, Query(kind="decoys", sort="similarity"))
    assert len(decoys) == 2 and decoys[0]["group"] is None and decoys[0]["reason"] == ""


def judge(listing: Listing, pair: dict[str, dict[str, str]], label: str, always: bool = False) -> None:
    removed, kept = (Side(pair[name]["sha256"], pair[name]["key"]) for name in ("removed", "kept"))
    listing.store.judge([Judgement(removed, kept, label, always=always)])


def test_verdicts_are_seen_filtered_and_sorted_by(listing: Listing) -> None:
    """One's own; and a list that is being paged through does not shift under its reader."""
    query = Query(verdict="unjudged", sort="key", falling=False)
    name = listing.make(query)
    first = listing.page(name, 0)["pairs"]
    for pair, label in zip(first, ("near", "different", ""), strict=False):
        judge(listing, pair, label, always=not label)
    assert [pair["id"] for pair in listing.page(name, 0)["pairs"]] == [pair["id"] for pair in first]
    labels = [pair["verdict"]["label"] for pair in listing.page(name, 0)["pairs"][:3]]
    assert labels == ["near", "different", ""]
    assert listing.page(name, 0)["pairs"][2]["verdict"]["always"]
    left = {pair["id"] for pair in everything(listing, query)}
    assert left == set(range(GROUPS * COPIES)) - {pair["id"] for pair in first[:3]}
    for verdict, number in (("near", 0), ("different", 1), ("always", 2)):
        assert [p["id"] for p in everything(listing, Query(verdict=verdict))] == [first[number]["id"]]
    assert len(everything(listing, Query(verdict="judged"))) == 3
    assert [p["verdict"]["label"] for p in everything(listing, Query(sort="label"))[:3]] == ["", "different", "near"]
    assert listing.seek(name, "unjudged", "", 0) == 3


def test_one_verdict_speaks_for_all_pairs_of_the_same_contents(listing: Listing) -> None:
    """Contents are judged, not rows: whatever digest they have, one that ends in a null byte too."""
    labels = listing.labels("removed")
    assert not labels.any()
    for number in range(0, GROUPS * COPIES, 7):
        pair = listing.describe("removed", [number])[0]
        judge(listing, pair, "similar")
    wanted = np.zeros(GROUPS * COPIES, np.int8)
    wanted[::7] = 5
    assert listing.labels("removed").tolist() == wanted.tolist()


def test_others_are_told_and_do_not_count_as_ones_own(listing: Listing) -> None:
    """What another rater, `dcgan restore` or a draw says is no verdict of this rater's browsing."""
    pair = listing.describe("removed", [5])[0]
    sides = (pair["kept"]["sha256"], pair["removed"]["sha256"])
    said = [
        Verdict(*sides, "a", "b", "similar", "", "ann", ""),
        Verdict(sides[1], "", "b", "", "", "", "", ""),
        Verdict(*sides, "a", "b", "different", "", "me", "draw"),
    ]
    edit_verdicts(listing.store.path, lambda before: [*before, *said])
    pair = listing.describe("removed", [5])[0]
    assert pair["others"] == ["ann: similar", "restore: always keep"] and pair["verdict"]["label"] == ""
    assert not listing.labels("removed").any()


def test_jumps(listing: Listing) -> None:
    """To a whole key, a beginning, a part; again to the next; and round the end."""
    name = listing.make(Query(sort="key", falling=False))
    keys = [pair["removed"]["key"] for pair in everything(listing, Query(sort="key", falling=False))]
    for key in keys[::11]:
        at = listing.seek(name, "key", key, 0)
        pair = listing.page(name, at)["pairs"][at % PAGE_PAIRS]
        assert key in (pair["removed"]["key"], pair["kept"]["key"])
    first = listing.seek(name, "key", "room/", 0)
    assert listing.seek(name, "key", "room/", first + 1) == first + 1
    assert listing.seek(name, "key", "<script>", len(keys) - 1) is not None
    assert listing.seek(name, "key", "no such key", 0) is None
    at = listing.seek(name, "pair", "17", 0)
    assert listing.page(name, at)["pairs"][at % PAGE_PAIRS]["id"] == 17
    assert listing.seek(name, "pair", "x", 0) is None


def test_what_does_not_exist_is_refused(listing: Listing) -> None:
    """By name."""
    for wrong in (Query(kind="kept"), Query(sort="size"), Query(verdict="nice")):
        with pytest.raises(BadParameters, match="expected one of"):
            listing.make(wrong)


def test_lists_are_forgotten(listing: Listing) -> None:
    """A page left open for long asks for a list anew."""
    name = listing.make(Query())
    assert listing.known(name)
    for _ in range(8):
        listing.make(Query())
    assert not listing.known(name)


def test_a_list_in_use_is_not_forgotten(listing: Listing) -> None:
    """However many others are made in another tab."""
    first = listing.make(Query())
    for _ in range(20):
        assert listing.known(first)
        listing.make(Query())


def test_keepers_of_another_set(tmp_path: Path) -> None:
    """A picture that stands in another set is shown alone, under the other's key, and can be kept but not compared."""
    found = make_result(tmp_path / "found", 5, 2)
    steps = found / "steps"
    entry = {"left": 3, "right": 0, "hamming": 4, "score": 1.0, "reason": "near_code"}
    entry |= {"other_key": "test/<b>.jpg", "other_sha256": "e" * 64}
    (steps / "matches").mkdir()
    pq.write_table(pa.Table.from_pylist([entry], MATCHES), steps / "matches" / "matches.parquet")
    files.write_json(steps / "matches" / "matches.json", {"images": ImageSet(steps / "images").digest})
    again(found, matches=steps / "matches")
    folders = locate(found)
    listing = Listing(Result(folders), VerdictStore(folders.verdicts, "me"))
    alone = everything(listing, Query(reason="in_other_set"))
    assert [pair["removed"]["row"] for pair in alone] == [3]
    assert alone[0]["kept"] == {"row": None, "key": "test/<b>.jpg", "sha256": ""}
    assert alone[0]["group"] is None and alone[0]["hamming"] == 4
    number = alone[0]["id"]
    review = Review(listing, Sources(listing.result.pictures, (), None), "found")
    said = {"kind": "removed", "id": number, "keep": False, "group": False}
    with pytest.raises(BadParameters, match="not in this set"):
        review.judge({**said, "label": "near", "always": False})
    assert review.judge({**said, "label": "", "always": True})["pair"]["verdict"]["always"]
    assert np.flatnonzero(listing.labels("removed")).tolist() == [number]
    assert listing.seek(listing.make(Query()), "key", "room/", 0) is not None
    other = Listing(listing.result, VerdictStore(folders.verdicts, "you"))
    assert other.describe("removed", [number])[0]["others"] == ["me: always keep"]
    again(found, matches=steps / "matches")
    assert everything(Listing(Result(folders), listing.store), Query(reason="in_other_set")) == []


def test_nothing_was_removed(tmp_path: Path) -> None:
    """An empty list is a list."""
    found = make_result(tmp_path / "found", 3, 0)
    folders = locate(found)
    listing = Listing(Result(folders), VerdictStore(folders.verdicts, "me"))
    name = listing.make(Query(text="x", verdict="unjudged"))
    assert listing.page(name, 7) == {"list": name, "kind": "removed", "total": 0, "first": 0, "at": 0, "pairs": []}
    assert listing.seek(name, "unjudged", "", 0) is None and listing.seek(name, "key", "room", 0) is None


def test_found_where_the_pipeline_lays_it(found: Path, tmp_path: Path) -> None:
    """data/PROFILE/dedup/SET has its parts beside it, and steps/dedup those of its run."""
    assert locate(found / "steps" / "dedup") == locate(found)
    parts = {"dedup": "dedup/lsun", "images": "sets/lsun", "pairs": "pairs/lsun"}
    for step, place in parts.items():
        (tmp_path / "data/tiny" / place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "data/tiny" / place).symlink_to(found / "steps" / step)
    with pytest.raises(MissingInput, match=r"--verdicts .*audit/lsun/verdicts.csv"):
        locate(tmp_path / "data/tiny/dedup/lsun")
    (tmp_path / "audit/lsun").mkdir(parents=True)
    folders = locate(tmp_path / "data/tiny/dedup/lsun")
    assert folders.images == tmp_path / "data/tiny/sets/lsun" and folders.raw == ()
    assert folders.verdicts == tmp_path / "audit/lsun/verdicts.csv"
    assert len(Result(folders).lists) == 3


def test_what_is_missing_is_named(found: Path, tmp_path: Path) -> None:
    """With the option that mends it."""
    alone = tmp_path / "alone"
    alone.mkdir()
    with pytest.raises(MissingInput, match=r"--dedup .*no manifest.parquet"):
        locate(alone)
    (alone / "manifest.parquet").symlink_to(found / "steps/dedup/manifest.parquet")
    with pytest.raises(MissingInput, match="--images: not given"):
        locate(alone)
    with pytest.raises(MissingInput, match="--verdicts"):
        locate(alone, images=found / "steps/images")
    folders = locate(alone, images=found / "steps/images", verdicts=tmp_path / "v.csv")
    assert folders.pairs is None
    result = Result(folders)
    assert set(result.lists) == {"removed"} and np.isnan(result.lists["removed"].score).all()


def test_a_result_of_other_pictures(found: Path, tmp_path: Path, make_imageset: Callable[..., Path]) -> None:
    """Never shown beside pictures it does not speak of."""
    other = make_imageset(np.zeros((3, 32, 32, 3), np.uint8))
    folders = locate(found, images=other)
    with pytest.raises(CorruptData, match="another image set"):
        Result(folders)
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "manifest.parquet").write_bytes(b"PAR1")
    with pytest.raises(CorruptData, match=r"--dedup .*not readable"):
        Result(replace(locate(found), dedup=broken))


def test_pairs_of_other_pictures(tmp_path: Path) -> None:
    """Rows of another set are not shown as near misses of this one."""
    found = make_result(tmp_path / "found", 3, 1)
    about = files.read_json(found / "steps/pairs/pairs.json")
    files.write_json(found / "steps/pairs/pairs.json", {**about, "images": "0" * 64})
    with pytest.raises(CorruptData, match="--pairs"):
        Result(locate(found))


def test_a_later_run_changes_no_picture(tmp_path: Path) -> None:
    """What is judged is what was there when the result was opened, whatever is put in its place before a first look."""
    found = make_result(tmp_path / "found", 3, 1)
    result = Result(locate(found))
    row = int(result.pictures.rows[0])
    shard = result.images.folder / "images-00000.npy"
    before = np.load(shard)
    files.write_array(shard, 255 - before)
    assert (result.images.read(np.array([row]))[0] == before[row]).all()
