"""Removal keeps its guarantees for any pictures, pairs and verdicts."""

import dataclasses
import hashlib
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.dedup.decision.removal import RemovalConfig, remove_duplicates
from pipeline.dedup.decision.restore import restore
from pipeline.dedup.decision.verdicts import LABELS, NOT_DUPLICATES, Verdict, write_verdicts
from pipeline.dedup.encoder.codes import BITS, Encoder, hash_images, save_encoder
from pipeline.dedup.encoder.encoder_input import INPUTS
from pipeline.dedup.search import external_pairs as given_pairs
from pipeline.imageset.append import append
from pipeline.imageset.format import image_set

SIDE = 32
RULES = st.sampled_from([["first"], ["largest"], ["sharpest"], ["largest", "sharpest"]])


def content(number: int) -> str:
    return hashlib.sha256(b"%d" % number).hexdigest()


@dataclass(frozen=True)
class Case:
    """Pictures as numbers of contents and pixels, pairs of rows, verdicts on contents, and keep rules."""

    contents: list[int]
    pixels: list[int]
    pairs: list[tuple[int, int]]
    verdicts: list[Verdict]
    keep: list[Any]

    def are_duplicates(self, a: int, b: int) -> bool:
        """Whether two rows may be removed for each other: they are equal, or pictures with their pixels are a pair."""
        same = self.contents[a] == self.contents[b] or self.pixels[a] == self.pixels[b]
        pixel_pairs = {frozenset((self.pixels[x], self.pixels[y])) for x, y in self.pairs}
        return same or frozenset((self.pixels[a], self.pixels[b])) in pixel_pairs


@st.composite
def cases(draw: st.DrawFn) -> Case:
    count = draw(st.integers(2, 10))
    row = st.integers(0, count - 1)
    contents = [draw(st.integers(0, n)) for n in range(count)]
    pixels = [contents[n] if contents.index(contents[n]) < n else draw(st.integers(0, n)) for n in range(count)]
    pixels = [pixels[contents.index(c)] for c in contents]  # equal files have equal pixels
    some = st.tuples(row, row).filter(lambda pair: pair[0] != pair[1])
    verdicts = []
    for a, b in draw(st.lists(some, max_size=6)):
        if contents[a] == contents[b]:
            continue
        x, y = content(contents[a]), content(contents[b])
        keep = draw(st.sampled_from(["", "", x, y]))
        verdicts.append(Verdict(x, y, "", "", draw(st.sampled_from(sorted(LABELS))), keep, "", ""))
    kept = draw(st.lists(row, max_size=2))
    verdicts += [Verdict(content(contents[a]), "", "", "", "", "", "", "") for a in kept]
    return Case(contents, pixels, draw(st.lists(some, max_size=8)), verdicts, draw(RULES))


class RealSteps:
    """A folder in which cases run through the real steps."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "encoder").mkdir()
        weight = np.random.default_rng(5).integers(-127, 128, (BITS, INPUTS)).astype(np.int8)
        encoder = Encoder(weight, (weight.sum(axis=1, dtype=np.int64) * 128).astype(np.int32))
        save_encoder(folder / "encoder" / "encoder.safetensors", encoder)
        self.runs = 0

    def remove(
        self, case: Case, rows: list[int] | None = None, verdicts: Path | None = None, earlier: Path | None = None
    ) -> Path:
        """Make the set of some rows (None: all rows), hash it, load the pairs and remove duplicates; return the folder.

        Args:
            earlier: result of an earlier call for other rows, to which the set is added.
        """
        rows = list(range(len(case.contents))) if rows is None else rows
        self.runs += 1
        here = self.folder / f"run-{self.runs}"
        here.mkdir()
        colours = np.random.default_rng(1).integers(0, 256, (16, 4, 4, 3), dtype=np.uint8)
        images = np.stack([colours[case.pixels[row]].repeat(8, axis=0).repeat(8, axis=1) for row in rows])
        listed = [
            image_set.Picture(f"k{row:03d}", 64 + case.contents[row] % 3, 64, 99, content(case.contents[row]))
            for row in rows
        ]
        image_set.write_chunk(here / "chunks", 0, images, listed, [], sources=len(rows))
        part = here / ("part" if earlier else "set")
        part.mkdir()
        whole = {row: bytes(digest) for row, digest in enumerate(image_set.pixel_digests(images))}
        image_set.join_chunks(here / "chunks", 1, part, side=SIDE, max_bad=0.0, source_digests=whole)
        if earlier:
            append(earlier / "set", part, here / "set")
            rows = [int(key[1:]) for key in image_set.ImageSet(here / "set").keys]
        hash_images(here / "set", self.folder / "encoder", here / "codes")
        first = {case.pixels[row]: row for row in reversed(rows)}  # a pair is valid for all rows with the same pixels
        pairs = [[first.get(case.pixels[row]) for row in pair] for pair in case.pairs]
        lines = [f"k{a:03d},k{b:03d}" for a, b in pairs if a is not None and b is not None]
        (here / "pairs.csv").write_text("\n".join(["key_a,key_b", *lines]) + "\n")
        given_pairs.load_external_pairs(
            here / "set", given_pairs.ExternalPairs(here / "pairs.csv", None, 0.9), to=here / "pairs"
        )
        if verdicts is None:
            verdicts = here / "verdicts.csv"
            write_verdicts(verdicts, case.verdicts)
        folders = (here / "set", here / "codes", here / "pairs", verdicts)
        prior_result = earlier / "dedup" if earlier else None
        remove_duplicates(*folders, RemovalConfig(keep=case.keep), here / "dedup", prior_result=prior_result)
        return here


@pytest.fixture(scope="module")
def steps() -> Iterator[RealSteps]:
    # In memory if possible: each case writes a hundred small files with fsync.
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else None) as folder:
        yield RealSteps(Path(folder))


def rows_of(here: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = pq.read_table(here / "dedup" / "manifest.parquet").to_pylist()
    return rows


@settings(max_examples=50, deadline=None)
@given(case=cases())
def test_removed_pictures_have_a_valid_representative(steps: RealSteps, case: Case) -> None:
    """A representative is kept and a duplicate, and no picture is removed against a verdict."""
    check_representatives(case, rows_of(steps.remove(case)))


def check_representatives(case: Case, rows: list[dict[str, Any]]) -> None:
    by_key = {row["key"]: n for n, row in enumerate(rows)}
    number = [int(row["key"][1:]) for row in rows]
    not_duplicates = {frozenset((v.sha256_a, v.sha256_b)) for v in case.verdicts if v.label in NOT_DUPLICATES}
    always = {v.sha256_a for v in case.verdicts if v.always_keep}
    for n, row in enumerate(rows):
        if row["status"] == "removed":
            representative = by_key[row["kept_key"]]
            assert rows[representative]["status"] != "removed" and case.are_duplicates(
                number[n], number[representative]
            )
            assert rows[representative]["group"] == row["group"] is not None
            assert frozenset((row["sha256"], rows[representative]["sha256"])) not in not_duplicates
            assert row["sha256"] not in always


@settings(max_examples=50, deadline=None)
@given(case=cases())
def test_removing_twice_changes_nothing(steps: RealSteps, case: Case) -> None:
    """The kept pictures, as a set with the same verdicts, have no duplicates."""
    rows = rows_of(steps.remove(case))
    kept = [n for n, row in enumerate(rows) if row["status"] != "removed"]
    assert all(row["status"] != "removed" for row in rows_of(steps.remove(case, kept)))


@settings(max_examples=50, deadline=None)
@given(case=cases())
def test_restoring_everything_gives_the_original_set(steps: RealSteps, case: Case) -> None:
    """After `restore --all`, every row is kept, and rows that the detector would remove are marked as restored."""
    here = steps.remove(case)
    restore(here / "dedup", here / "verdicts.csv", everything=True)
    again = steps.remove(case, verdicts=here / "verdicts.csv")
    assert np.load(again / "dedup" / "kept.npy").tolist() == list(range(len(case.contents)))
    found = set(pq.read_table(again / "dedup" / "detected.parquet").column("row").to_pylist())
    assert [row["status"] for row in rows_of(again)] == [
        "restored" if n in found else "kept" for n in range(len(case.contents))
    ]


@settings(max_examples=50, deadline=None)
@given(case=cases())
def test_what_the_detector_found_does_not_depend_on_verdicts(steps: RealSteps, case: Case) -> None:
    """`detected.parquet` does not depend on verdicts; a restored row names its representative without them."""
    here = steps.remove(case)
    (steps.folder / "none.csv").unlink(missing_ok=True)
    write_verdicts(steps.folder / "none.csv", [])
    without_verdicts = steps.remove(case, verdicts=steps.folder / "none.csv")
    detected = [folder / "dedup" / "detected.parquet" for folder in (here, without_verdicts)]
    assert detected[0].read_bytes() == detected[1].read_bytes()
    found = pq.read_table(detected[0]).to_pylist()
    removed = [row["key"] for row in rows_of(without_verdicts) if row["status"] == "removed"]
    assert [f"k{row['row']:03d}" for row in found] == removed
    by_row = {row["row"]: row for row in found}
    for n, row in enumerate(rows_of(here)):
        if row["status"] == "restored":
            assert row["kept_key"] == f"k{by_row[n]['representative']:03d}" and row["reason"] == by_row[n]["reason"]
        elif row["status"] == "kept":
            assert row["kept_key"] is None and n not in by_row


@settings(max_examples=40, deadline=None)  # each of up to six removals; other examples in every run
@given(case=cases(), data=st.data())
def test_adding_pictures_keeps_prior_decisions(steps: RealSteps, case: Case, data: st.DataObject) -> None:
    """After pictures are added twice, kept pictures are kept, and removed pictures have the same representative.

    Verdicts can still restore a removed picture: by always keeping it, or by separating it from its representative.
    """
    order = data.draw(st.permutations(range(len(case.contents))))
    cuts = sorted(data.draw(st.tuples(*[st.integers(1, len(order))] * 2)))
    verdict_counts = sorted(data.draw(st.tuples(*[st.integers(0, len(case.verdicts))] * 2)))
    here: Path | None = None
    before: list[dict[str, Any]] = []
    for start, end, verdict_count in zip(
        [0, *cuts], [*cuts, len(order)], [*verdict_counts, len(case.verdicts)], strict=True
    ):
        if start == end:
            continue
        now = dataclasses.replace(case, verdicts=case.verdicts[:verdict_count])
        folder = steps.remove(now, sorted(order[start:end]), earlier=here)
        rows = rows_of(folder)
        check_representatives(now, rows)
        assert [row["key"] for row in rows] == [row["key"] for row in before] + [
            f"k{n:03d}" for n in sorted(order[start:end])
        ]
        not_duplicates = {frozenset((v.sha256_a, v.sha256_b)) for v in now.verdicts if v.label in NOT_DUPLICATES}
        always = {v.sha256_a for v in now.verdicts if v.always_keep}
        content_of = {row["key"]: row["sha256"] for row in rows}
        for old, row in zip(before, rows, strict=False):
            assert old["code"] == row["code"]
            if old["status"] != "removed":
                assert row["status"] != "removed"
            elif (
                row["sha256"] not in always
                and frozenset((row["sha256"], content_of[old["kept_key"]])) not in not_duplicates
            ):
                same = ("status", "kept_key", "reason", "hamming", "similarity")
                assert [row[name] for name in same] == [old[name] for name in same]
        again = steps.remove(now, sorted(order[start:end]), earlier=folder)
        for name in ("manifest.parquet", "detected.parquet", "summary.json", "removed.csv"):
            assert (again / "dedup" / name).read_bytes() == (folder / "dedup" / name).read_bytes()
        here, before = folder, rows
