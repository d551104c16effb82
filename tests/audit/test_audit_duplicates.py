"""The gallery agrees with the manifest, has a bounded size, and escapes all keys."""

import base64
import hashlib
import html
import io
import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from pipeline.audit import gallery, pair_sample
from pipeline.audit.audit_duplicates import AuditConfig, audit_duplicates
from pipeline.core.errors import CorruptData
from pipeline.dedup.decision import removal
from pipeline.dedup.decision.detector_removals import read_detector_removals
from pipeline.dedup.decision.verdicts import Verdict, read_verdicts, write_verdicts
from pipeline.imageset.format.image_set import Images, ImageSet

SOURCE = {"source": "archive"}
EVIL = "<script>alert(1)</script>\"'&\u202egpj"


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


def copies(groups: int, each: int, side: int = 64) -> Images:
    """Groups of `each` pictures of noise (the hardest to compress) that differ in one pixel."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (groups, side, side, 3)).astype(np.uint8).repeat(each, axis=0)
    for number, image in enumerate(images):
        image[number % each // side, number % each % side, 0] ^= number % each > 0
    return images


def test_the_page_shows_what_was_removed(audit: Callable[..., Any]) -> None:
    """Kept beside removed, with distance, similarity, reason, keys and source sizes."""
    page, metrics = audit(copies(2, 2), ["one", "two", "three", "four"])
    assert metrics["source"] == SOURCE
    assert metrics["removed"] == metrics["groups"] == 2 and metrics["by_reason"]["same_code"] == 2
    pictures = Tags(page).named("img")
    assert len(pictures) == 4
    assert all((picture["src"] or "").startswith("data:image/jpeg;base64,") and picture["alt"] for picture in pictures)
    for text in ("one", "four", "same code", "0 of 128 bits differ; similarity", "source 128×128, 999 bytes"):
        assert text in page


def test_the_line_on_the_page_restores_the_picture(audit: Callable[..., Any], tmp_path: Path) -> None:
    """The line of a removed picture, copied into verdicts.csv, restores it, with any characters in its key."""
    key = '=evil,"%\u202e\n<b>'
    page, _ = audit(copies(1, 2), ["a", key])
    assert f"dcgan restore --dedup {tmp_path}/dedup --verdicts {tmp_path}/verdicts.csv" in page
    (line,) = (html.unescape(found) for found in re.findall(r'<code class="line">(.*?)</code>', page))
    assert line.isprintable()
    with (tmp_path / "verdicts.csv").open("a") as file:
        file.write(line + "\n")
    (verdict,) = read_verdicts(tmp_path / "verdicts.csv")
    assert (verdict.key_a, verdict.key_b, verdict.label) == (key, "a", "different")
    folders = (tmp_path / "set", tmp_path / "codes", tmp_path / "pairs", tmp_path / "verdicts.csv")
    again = removal.remove_duplicates(*folders, removal.RemovalConfig(keep=["first"]), tmp_path / "again-dedup")
    assert again["restored"] == 1


def test_mirrored_copies_have_a_section(audit: Callable[..., Any], tmp_path: Path) -> None:
    """Kept pictures side by side, with a line for verdicts.csv, and how many there are."""
    pictures = np.concatenate([copies(1, 2), copies(1, 1)[:, :, ::-1]])
    page, _ = audit(pictures, ["one", "two", EVIL], mirrored=[(EVIL, "one", 5.5)])
    (section,) = re.findall(r'<section id="mirrored".*?</section>', page, re.DOTALL)
    assert "1 pair of kept pictures" in section and "score 5.50" in section and "mirrored.csv" in section
    assert len(Tags(section).named("img")) == 2 and "<script" not in section
    (line,) = (html.unescape(found) for found in re.findall(r'<code class="line">(.*?)</code>', section))
    with (tmp_path / "verdicts.csv").open("a") as file:
        file.write(line + "\n")
    (verdict,) = read_verdicts(tmp_path / "verdicts.csv")
    assert (verdict.key_a, verdict.key_b, verdict.label) == (EVIL, "one", "mirrored")


def test_only_some_mirrored_copies_are_shown(audit: Callable[..., Any]) -> None:
    """Nothing was removed; the page has a limited number of mirrored copies, those with the lowest scores."""
    count = gallery.MAX_MIRRORED + 5
    pictures = np.random.default_rng(0).integers(0, 256, (2 * count, 8, 8, 3)).astype(np.uint8)
    keys = [f"{n:03d}" for n in range(2 * count)]
    listed = [(keys[n], keys[count + n], 3 + n / 8) for n in range(count)]
    page, metrics = audit(pictures, keys, mirrored=listed)
    assert metrics["removed"] == 0 and f"{count} pairs of kept pictures" in page
    assert f"The {gallery.MAX_MIRRORED} with the lowest scores are shown" in page
    assert page.count("<article") == gallery.MAX_MIRRORED and keys[-1] not in re.findall(r"<code>(\d+)</code>", page)


def test_keys_are_text(audit: Callable[..., Any]) -> None:
    """Keys with markup, quotes and characters that change the text direction are escaped."""
    page, _ = audit(copies(1, 2), [EVIL, "z" * 5000])
    tags = Tags(page)
    assert len(tags.named("script")) == page.count("<script") == 1 and "alert(1)" in page
    assert "\u202e" not in page and "\\u202e" in page
    shown = re.findall("<code>(z+…?)</code>", page)
    assert shown == ["z" * gallery.MAX_TEXT + "…"]


def test_the_page_is_self_contained(audit: Callable[..., Any]) -> None:
    """No script, stylesheet, font or picture from another file; only the script of the page may run."""
    page, _ = audit(copies(1, 2))
    tags = Tags(page)
    assert not [tag for tag, _ in tags.found if tag in ("link", "iframe", "object")]
    (script,) = re.findall(r'<script type="module">(.*?)</script>', page, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    (policy,) = (meta["content"] or "" for meta in tags.named("meta") if "http-equiv" in meta)
    assert (
        f"default-src 'none'; img-src data: file: 'self'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"
        in policy
    )
    assert not re.search(r"(?:src|href)=\"(?!data:|#)|url\(|@import|https?:", page)
    assert "prefers-color-scheme: dark" in page and "@media print" in page
    assert tags.named("html") == [{"lang": "en"}] and tags.named("title")
    assert all("scope" in attributes for attributes in tags.named("th"))
    ids = [attributes["id"] for _, attributes in tags.found if "id" in attributes]
    assert len(ids) == len(set(ids))


@pytest.mark.long
def test_the_page_is_bounded(audit: Callable[..., Any]) -> None:
    """A group of 10,000, keys of 4 KB and noise: the page stays below 3 MB and says what it does not show."""
    images = np.concatenate([copies(1, 1).repeat(10_000, axis=0), copies(41, 2)[2:]])
    images[:10_000, 0, 0, 0] = np.arange(10_000) % 256
    keys = [f"{number:05d}{'k' * 4091}" for number in range(len(images))]
    page, metrics = audit(images, keys, largest=12, random=36, uncertain=12)
    assert metrics["largest_group"] == 10_000 and metrics["groups"] == 41
    shown = len(Tags(page).named("article"))
    assert gallery.MAX_REMOVED + 40 <= shown <= gallery.MAX_REMOVED + 40 + 12
    assert f"{shown} of 10,039 removed pictures: the least certain ones" in page and "8,193 to 16,384" in page
    assert "left out to keep this page small" not in page
    assert len(page) < 3_000_000


def test_the_pictures_have_a_bounded_size(audit: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """As many pairs as fit are shown, and the page says how many are left out."""
    monkeypatch.setattr(gallery, "MAX_CHARACTERS", 200_000)
    page, _ = audit(copies(30, 2), largest=10, random=10, uncertain=10)
    shown = len(Tags(page).named("article"))
    assert 4 <= shown < 20 and len(page) < 300_000
    (left_out,) = re.findall(r"(\d+) more are left out to keep this page small", page)
    assert 20 <= shown + int(left_out) <= 30


def test_large_pictures_are_made_small(audit: Callable[..., Any]) -> None:
    """Large pictures are averaged down, which bounds the size of the page."""
    page, _ = audit(copies(1, 2, side=256))
    first, *_ = (picture["src"] or "" for picture in Tags(page).named("img"))
    made = Image.open(io.BytesIO(base64.b64decode(first.partition(",")[2])))
    assert made.size == (gallery.MAX_SIDE, gallery.MAX_SIDE)


def test_a_page_without_removed_pictures(audit: Callable[..., Any]) -> None:
    """The page says that nothing was removed."""
    page, metrics = audit(copies(3, 1))
    assert metrics["removed"] == 0 and "planted" not in metrics
    assert "Nothing was removed." in page and "Planted copies" not in page


def test_planted_copies_are_measured(audit: Callable[..., Any]) -> None:
    """Metrics and page have precision and recall if the raw folder has planted.csv."""
    page, metrics = audit(copies(2, 2), list("abcd"), "key,original,transform\nb,a,marked\nd,a,cropped\n")
    assert metrics["planted"]["recall"]["marked"]["share"] == 1
    assert metrics["planted"]["recall"]["cropped"]["share"] == 0
    assert metrics["planted"]["precision"]["share"] == 0.5
    assert "Planted copies" in page and "found, cropped" in page


def test_random_groups_are_seeded_and_exclude_the_largest() -> None:
    """The same seed shows the same groups, in order, and none twice."""
    group = [*np.repeat(np.arange(50), 2).tolist(), 7, 7]
    table = pa.table({"status": ["kept", "removed"] * 50 + ["removed"] * 2, "group": group})
    largest, chosen = gallery.choose_groups(table, 2, 10, 1)
    assert largest == [7, 0]
    assert len(set(chosen)) == 10 and chosen == sorted(chosen) and not {0, 7} & set(chosen)
    assert gallery.choose_groups(table, 2, 10, 1)[1] == chosen != gallery.choose_groups(table, 2, 10, 2)[1]
    assert len(gallery.choose_groups(table, 0, 99, 1)[1]) == 50


def test_a_manifest_of_other_pictures_is_refused(
    audit: Callable[..., Any], make_imageset: Callable[..., Path], tmp_path: Path
) -> None:
    """Codes and manifest must belong to the image set."""
    audit(copies(2, 2))
    other = make_imageset(copies(2, 2)[:3], "other")
    with pytest.raises(CorruptData, match="4 codes for 3 pictures"):
        audit_duplicates(
            other,
            tmp_path / "codes",
            tmp_path / "dedup",
            tmp_path / "raw",
            AuditConfig(largest=1, random=1, uncertain=1, random_seed=1),
            name="tests",
            to=tmp_path / "no",
        )
    assert not (tmp_path / "no").exists()


def test_estimates_of_pair_samples_are_in_the_metrics(audit: Callable[..., Any], tmp_path: Path) -> None:
    """One estimate for each sample; applied verdicts do not change it; a sample of another detector is stale."""
    _, metrics = audit(copies(30, 2))
    assert metrics["sampled"] == {}
    images = ImageSet(tmp_path / "set")
    removed = read_detector_removals(tmp_path / "dedup", images)
    for name, detector in (("one", metrics["detector"]), ("old", "e" * 64)):
        sample = pair_sample.sample_pairs(images, removed, detector, name=name, count=12, controls=0.25, seed=1)
        pair_sample.write_pair_sample(tmp_path / "samples" / f"{name}.csv", sample)
    pairs = pair_sample.read_pair_sample(tmp_path / "samples" / "one.csv").pairs
    labels = ["different" if pair.stratum == pair_sample.CONTROL else "near" for pair in pairs]
    labels[next(number for number, pair in enumerate(pairs) if pair.stratum != pair_sample.CONTROL)] = "different"
    people = [
        Verdict(pair.sha256_a, pair.sha256_b, pair.key_a, pair.key_b, label, "", "me", "one")
        for pair, label in zip(pairs, labels, strict=True)
    ]
    write_verdicts(tmp_path / "verdicts.csv", people)
    inputs = (tmp_path / "set", tmp_path / "codes", tmp_path / "dedup", tmp_path / "raw")
    section = AuditConfig(largest=3, random=4, random_seed=1, uncertain=2)
    judgements = {"verdicts": tmp_path / "verdicts.csv", "samples": tmp_path / "samples"}
    judged = audit_duplicates(*inputs, section, name="tests", to=tmp_path / "judged", **judgements)
    assert json.loads((tmp_path / "judged" / "metrics.json").read_text()) == judged
    one, old = judged["sampled"]["one"], judged["sampled"]["old"]
    assert (one["judged"], one["wrong"], one["precision"], one["stale"]) == (12, 1, round(11 / 12, 6), False)
    assert one["controls"] == {"of": 3, "judged": 3, "missed": 0}
    assert (old["judged"], old["stale"]) == (0, True)
    folders = (tmp_path / "set", tmp_path / "codes", tmp_path / "pairs", tmp_path / "verdicts.csv")
    acted = removal.remove_duplicates(*folders, removal.RemovalConfig(keep=["first"]), tmp_path / "dedup")
    assert acted["restored"] == 1
    after = audit_duplicates(*inputs, section, name="tests", to=tmp_path / "after", **judgements)
    assert after["removed"] == judged["removed"] - 1 and after["sampled"] == judged["sampled"]


def test_a_damaged_sample_is_refused(audit: Callable[..., Any], tmp_path: Path) -> None:
    """A sample file that was edited gives an error with file and line, and no estimate."""
    audit(copies(2, 2))
    (tmp_path / "samples").mkdir()
    (tmp_path / "samples" / "one.csv").write_text("key\n")
    inputs = (tmp_path / "set", tmp_path / "codes", tmp_path / "dedup", tmp_path / "raw")
    section = AuditConfig(largest=1, random=1, random_seed=1, uncertain=1)
    with pytest.raises(CorruptData, match=r"one\.csv, line 1: header"):
        audit_duplicates(*inputs, section, name="tests", to=tmp_path / "no", samples=tmp_path / "samples")


def test_drawn_sets_are_called_what_they_are(audit: Callable[..., Any], tmp_path: Path) -> None:
    """A set that the miniature drew has a title that says so, in the metrics and on the page; its name is unchanged."""
    _, metrics = audit(copies(1, 2))
    assert metrics["title"] == "tests"
    inputs = (tmp_path / "set", tmp_path / "codes", tmp_path / "dedup", tmp_path / "raw")
    section = AuditConfig(largest=1, random=1, random_seed=1, uncertain=1)
    for name, title in (("lsun", "drawn rooms"), ("other", "drawn textures")):
        (tmp_path / "raw" / "source.json").write_text(json.dumps({"source": "miniature", "stand_in": title}))
        metrics = audit_duplicates(*inputs, section, name=name, to=tmp_path / name)
        assert metrics["title"] == title
        page = (tmp_path / name / "gallery.html").read_text()
        assert f"<h1>Duplicates removed from {title} (<code>{name}</code>)</h1>" in page
