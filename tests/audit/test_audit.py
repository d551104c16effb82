"""The gallery shows what the manifest says, stays small, and trusts no key."""

import html
import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from pipeline.audit import gallery
from pipeline.audit.audit import Audit, audit_duplicates
from pipeline.dedup import pairs, removal, search
from pipeline.dedup.codes import BITS, Encoder, hash_images, save_encoder
from pipeline.dedup.inputs import INPUTS
from pipeline.dedup.verdicts import read_verdicts, write_verdicts
from pipeline.errors import CorruptData
from pipeline.imageset import Images

SOURCE = {"source": "archive"}
EVIL = "<script>alert(1)</script>\"'&\u202egpj"

EXACT = search.Pairs(mode="exact", radius=0, score=0.0, nearly=0.0, mirrored=False, max_candidates=1)


class Tags(HTMLParser):
    """Tags and their attributes, as a browser would see them."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.found if name == tag]


@pytest.fixture
def audit(tmp_path: Path, make_imageset: Callable[..., Path]) -> Callable[..., tuple[str, dict[str, Any]]]:
    """A function that takes pictures through hashing and removal to the audit, and gives page and metrics."""

    def run(
        images: Images, keys: list[str] | None = None, planted: str | None = None, **parameters: int
    ) -> tuple[str, dict[str, Any]]:
        folder = make_imageset(images, keys=keys)
        weight = np.random.default_rng(5).integers(-127, 128, (BITS, INPUTS)).astype(np.int8)
        (tmp_path / "encoder").mkdir()
        threshold = (weight.sum(axis=1, dtype=np.int64) * 128).astype(np.int32)
        save_encoder(tmp_path / "encoder" / "encoder.safetensors", Encoder(weight, threshold))
        hash_images(folder, tmp_path / "encoder", tmp_path / "codes")
        write_verdicts(tmp_path / "verdicts.csv", [])
        pairs.find_pairs(folder, tmp_path / "codes", tmp_path / "encoder", EXACT, workers=1, to=tmp_path / "pairs")
        folders = (folder, tmp_path / "codes", tmp_path / "pairs", tmp_path / "verdicts.csv")
        removal.remove_duplicates(*folders, removal.Remove(keep=["first"]), tmp_path / "dedup")
        (tmp_path / "raw").mkdir()
        (tmp_path / "raw" / "source.json").write_text(json.dumps(SOURCE))
        if planted is not None:
            (tmp_path / "raw" / "planted.csv").write_text(planted)
        section = Audit(**{"largest": 3, "random": 4, "random_seed": 1, **parameters})
        inputs = (folder, tmp_path / "codes", tmp_path / "dedup", tmp_path / "raw", section)
        metrics = audit_duplicates(*inputs, name="tests", to=tmp_path / "audit")
        again = audit_duplicates(*inputs, name="tests", to=tmp_path / "again")
        page = (tmp_path / "audit" / "gallery.html").read_text()
        assert again == metrics == json.loads((tmp_path / "audit" / "metrics.json").read_text())
        assert (tmp_path / "again" / "gallery.html").read_text() == page
        return page, metrics

    return run


def copies(groups: int, each: int, side: int = 64) -> Images:
    """Noise, the hardest to compress: `each` pictures of each of `groups`, which differ in one pixel."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (groups, side, side, 3)).astype(np.uint8).repeat(each, axis=0)
    for number, image in enumerate(images):
        image[number % each // side, number % each % side, 0] ^= number % each > 0
    return images


def test_the_page_shows_what_was_removed(audit: Callable[..., Any]) -> None:
    """Kept beside removed, with difference, distance, similarity, reason, keys and source sizes."""
    page, metrics = audit(copies(2, 2), ["one", "two", "three", "four"])
    assert metrics["source"] == SOURCE
    assert metrics["removed"] == metrics["groups"] == 2 and metrics["by_reason"]["same_code"] == 2
    pictures = Tags(page).named("img")
    assert len(pictures) == 6
    assert all((picture["src"] or "").startswith("data:image/png;base64,") and picture["alt"] for picture in pictures)
    for text in ("one", "four", "same code; 0 of 128 bits differ; similarity", "source 128×128, 999 bytes"):
        assert text in page


def test_a_removed_picture_is_brought_back_by_its_line(audit: Callable[..., Any], tmp_path: Path) -> None:
    """The line on the page, put into verdicts.csv as it stands, restores the picture, whatever its key is."""
    key = '=evil,"%\u202e\n<b>'
    page, _ = audit(copies(1, 2), ["a", key])
    assert "Add this line to <code>audit/tests/verdicts.csv</code>" in page
    (line,) = (html.unescape(found) for found in re.findall(r'<code class="line">(.*?)</code>', page))
    assert line.isprintable()
    with (tmp_path / "verdicts.csv").open("a") as file:
        file.write(line + "\n")
    (verdict,) = read_verdicts(tmp_path / "verdicts.csv")
    assert (verdict.key_a, verdict.key_b, verdict.label) == (key, "a", "different")
    folders = (tmp_path / "set", tmp_path / "codes", tmp_path / "pairs", tmp_path / "verdicts.csv")
    again = removal.remove_duplicates(*folders, removal.Remove(keep=["first"]), tmp_path / "again-dedup")
    assert again["restored"] == 1


def test_keys_are_text(audit: Callable[..., Any]) -> None:
    """A key with markup, quotes and a character that turns the line around is shown, not obeyed."""
    page, _ = audit(copies(1, 2), [EVIL, "z" * 5000])
    tags = Tags(page)
    assert not tags.named("script") and "alert(1)" in page and "<script" not in page
    assert "\u202e" not in page and "\\u202e" in page
    assert "z" * gallery.TEXT_SHOWN in page and "z" * (gallery.TEXT_SHOWN + 1) not in page


def test_the_page_needs_nothing_else(audit: Callable[..., Any]) -> None:
    """No script, no stylesheet, font or picture from elsewhere: it opens from a disk, and from any year."""
    page, _ = audit(copies(1, 2))
    tags = Tags(page)
    assert not [tag for tag, _ in tags.found if tag in ("script", "link", "iframe", "object", "form")]
    assert not re.search(r"(?:src|href)=\"(?!data:|#)|url\(|@import|https?:", page)
    assert "prefers-color-scheme: dark" in page and "@media print" in page
    assert tags.named("html") == [{"lang": "en"}] and tags.named("title")
    assert all("scope" in attributes for attributes in tags.named("th"))
    ids = [attributes["id"] for _, attributes in tags.found if "id" in attributes]
    assert len(ids) == len(set(ids))


def test_the_page_is_bounded(audit: Callable[..., Any]) -> None:
    """Many groups, one of them very large: what is not shown is counted."""
    images = np.concatenate([copies(1, 300), copies(41, 2)[2:]])
    page, metrics = audit(images, largest=2, random=3)
    assert metrics["largest_group"] == 300 and metrics["groups"] == 41
    assert len(Tags(page).named("article")) == 5
    assert "295 more in <code>removed.csv</code>" in page
    assert len(page) < 500_000


def test_nothing_removed_is_a_page_too(audit: Callable[..., Any]) -> None:
    """An empty result is said in words."""
    page, metrics = audit(copies(3, 1))
    assert metrics["removed"] == 0 and "planted" not in metrics
    assert "None was removed." in page and "Against planted copies" not in page


def test_planted_truth_is_measured(audit: Callable[..., Any]) -> None:
    """The metrics and the page have it where a truth is there."""
    page, metrics = audit(copies(2, 2), list("abcd"), "key,original,transform\nb,a,marked\nd,a,cropped\n")
    assert metrics["planted"]["recall"]["marked"]["share"] == 1
    assert metrics["planted"]["recall"]["cropped"]["share"] == 0
    assert metrics["planted"]["precision"]["share"] == 0.5
    assert "Against planted copies" in page and "of those cropped" in page


def test_the_draw_is_seeded_and_leaves_out_the_largest() -> None:
    """The same seed shows the same groups, in order, and none twice."""
    group = [*np.repeat(np.arange(50), 2).tolist(), 7, 7]
    table = pa.table({"status": ["kept", "removed"] * 50 + ["removed"] * 2, "group": group})
    largest, drawn = gallery.choose_groups(table, 2, 10, 1)
    assert largest == [7, 0]
    assert len(set(drawn)) == 10 and drawn == sorted(drawn) and not {0, 7} & set(drawn)
    assert gallery.choose_groups(table, 2, 10, 1)[1] == drawn != gallery.choose_groups(table, 2, 10, 2)[1]
    assert len(gallery.choose_groups(table, 0, 99, 1)[1]) == 50


def test_a_manifest_of_other_pictures_is_refused(
    audit: Callable[..., Any], make_imageset: Callable[..., Path], tmp_path: Path
) -> None:
    """Codes and manifest have to be of the image set that is shown."""
    audit(copies(2, 2))
    other = make_imageset(copies(2, 2)[:3], "other")
    with pytest.raises(CorruptData, match="4 codes for 3 pictures"):
        audit_duplicates(
            other,
            tmp_path / "codes",
            tmp_path / "dedup",
            tmp_path / "raw",
            Audit(largest=1, random=1, random_seed=1),
            name="tests",
            to=tmp_path / "no",
        )
    assert not (tmp_path / "no").exists()
