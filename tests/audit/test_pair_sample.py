"""A pair sample is a fair random sample of removed pairs, never changes, and hides from the rater how it was made."""

import hashlib
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.audit.pair_sample import (
    CONTROL,
    HEADER,
    MIN_STRATUM_PAIRS,
    PairSample,
    SampledPair,
    allocate,
    read_pair_sample,
    sample_pairs,
    write_pair_sample,
)
from pipeline.core.errors import BadParameters, CorruptData, MissingInput
from pipeline.imageset.format.image_set import ImageSet

DETECTOR = "d" * 64
SHA = [hashlib.sha256(bytes([number])).hexdigest() for number in range(9)]


def index(contents: list[str], keys: list[str] | None = None) -> Any:
    """The part of an image set that sampling reads: keys and contents."""
    keys = keys or [f"picture-{row:05d}" for row in range(len(contents))]
    return SimpleNamespace(index=pa.table({"sha256": contents, "key": keys}), keys=keys)


def removed(rows: list[tuple[int, int, str, int]]) -> pa.Table:
    columns = zip(*rows, strict=True) if rows else ([], [], [], [])
    names = {"row": pa.int64(), "representative": pa.int64(), "reason": pa.string(), "hamming": pa.int16()}
    return pa.table({name: pa.array(list(c), kind) for (name, kind), c in zip(names.items(), columns, strict=True)})


@st.composite
def removals(drawing: Any) -> tuple[Any, pa.Table]:
    """Groups of pictures: some pairs have the same contents, the others any reason and distance."""
    count = drawing(st.integers(4, 60))
    contents = [hashlib.sha256(bytes([drawing(st.integers(0, 40))])).hexdigest() for _ in range(count)]
    leaders = drawing(st.integers(1, count - 1))
    rows = []
    for row in range(leaders, count):
        keeper = drawing(st.integers(0, leaders - 1))
        reason, hamming = drawing(
            st.sampled_from([("same_pixels", 0), ("same_code", 0), *(("near_code", bits) for bits in (1, 4, 5, 9, 40))])
        )
        rows.append((row, keeper, "same_bytes" if contents[row] == contents[keeper] else reason, hamming))
    return index(contents), removed(rows)


@settings(deadline=None)
@given(removals(), st.integers(1, 70), st.sampled_from([0, 0.1, 1.0]), st.integers(0, 99))
def test_a_sample_holds_removed_pairs(made: tuple[Any, pa.Table], count: int, controls: float, seed: int) -> None:
    """Each pair once, none of equal bytes, stratum sizes add up, two of each stratum, controls were never removed."""
    images, table = made
    contents = images.index.column("sha256").to_pylist()
    pairs = {frozenset((contents[row["row"]], contents[row["representative"]])) for row in table.to_pylist()}
    pairs = {pair for pair in pairs if len(pair) == 2}
    options = {"name": "one", "count": count, "controls": controls, "seed": seed}
    if not pairs:
        with pytest.raises(BadParameters, match="nothing to judge"):
            sample_pairs(images, table, DETECTOR, **options)
        return
    sample = sample_pairs(images, table, DETECTOR, **options)
    assert sample_pairs(images, table.take(list(range(len(table)))[::-1]), DETECTOR, **options) == sample
    chosen = [pair for pair in sample.pairs if pair.stratum != CONTROL]
    known = [pair for pair in sample.pairs if pair.stratum == CONTROL]
    assert len({pair.contents for pair in sample.pairs}) == len(sample.pairs)
    assert len(chosen) == min(count, len(pairs)) and {pair.contents for pair in chosen} <= pairs
    sizes = {pair.stratum: pair.stratum_size for pair in chosen}
    assert sum(sizes.values()) == len(pairs)
    sampled = Counter(pair.stratum for pair in chosen)
    assert all(min(2, size) <= sampled[stratum] <= size for stratum, size in sizes.items()) or set(sizes) == {"all"}
    assert len(known) <= (max(1, round(controls * len(chosen))) if controls else 0)
    assert all(pair.contents not in pairs and pair.stratum_size == 0 for pair in known)
    assert all(contents[images.keys.index(pair.key_a)] == pair.sha256_a for pair in sample.pairs)


def many(count: int = 4000) -> tuple[Any, pa.Table]:
    """As many kept as removed pictures; a tenth of the removed ones at each even distance from 0 to 18."""
    contents = [hashlib.sha256(str(row).encode()).hexdigest() for row in range(2 * count)]
    rows = [(count + n, n, "near_code" if n % 10 else "same_code", n % 10 * 2) for n in range(count)]
    return index(contents), removed(rows)


def test_strata_are_reasons_and_bands_in_proportion() -> None:
    """Strata and controls have their shares, in the whole sample and in its first pairs."""
    sample = sample_pairs(*many(), DETECTOR, name="one", count=400, controls=0.1, seed=1)
    sizes = {pair.stratum: pair.stratum_size for pair in sample.pairs}
    assert sizes.pop(CONTROL) == 0
    bands = {"near_code 1-4": 800, "near_code 5-8": 800, "near_code 9-12": 800, "near_code 13-16": 800}
    assert sizes == {"same_code 0": 400, **bands, "near_code 17-128": 400}
    for length in (440, 220, 110, 44):
        counts = Counter(pair.stratum for pair in sample.pairs[:length])
        for stratum, size in [*sizes.items(), (CONTROL, 400)]:
            assert abs(counts[stratum] - size * length / 4400) < 5


def test_small_bands_are_merged_within_their_reason() -> None:
    """A band that would get few pairs is merged with the next one; different reasons are never merged."""
    images, table = many(100)
    sample = sample_pairs(images, table, DETECTOR, name="one", count=50, controls=0, seed=1)
    counts = Counter(pair.stratum for pair in sample.pairs)
    assert set(counts) == {"same_code 0", "near_code 1-4", "near_code 5-8", "near_code 9-12", "near_code 13-128"}
    assert min(count for stratum, count in counts.items() if stratum != "same_code 0") >= MIN_STRATUM_PAIRS
    for few in (1, 3):
        sample = sample_pairs(images, table, DETECTOR, name="one", count=few, controls=0, seed=1)
        assert [(pair.stratum, pair.stratum_size) for pair in sample.pairs] == [("all", 100)] * few


@given(
    st.lists(st.integers(1, 5000), min_size=1, max_size=8).flatmap(
        lambda sizes: st.tuples(st.just(sizes), st.integers(2 * len(sizes), 600))
    )
)
def test_the_largest_weight_is_the_smallest_possible(made: tuple[list[int], int]) -> None:
    """The whole count is allocated, and moving one pair to another stratum would not reduce the largest weight."""
    sizes, count = made
    taken = allocate(sizes, count)
    assert sum(taken) == min(count, sum(sizes))
    weights = [size / share for size, share in zip(sizes, taken, strict=True)]
    heaviest = max(weights)
    for size, share in zip(sizes, taken, strict=True):
        assert min(2, size) <= share <= size
        assert share <= 2 or size / (share - 1) >= heaviest


def test_pairs_of_a_stratum_are_equally_likely_and_sides_are_random() -> None:
    """Over many seeds: each pair is sampled about as often, the kept picture on either side, controls at any place."""
    images, table = many(40)
    counts: Counter[str] = Counter()
    first, places = 0, []
    for seed in range(400):
        sample = sample_pairs(images, table, DETECTOR, name="one", count=20, controls=0.05, seed=seed)
        for pair in sample.pairs:
            if pair.stratum != CONTROL:
                counts[max(pair.key_a, pair.key_b)] += 1
                first += pair.key_a < pair.key_b
        places += [number for number, pair in enumerate(sample.pairs) if pair.stratum == CONTROL]
    assert len(counts) == 40 and min(counts.values()) > 140 and max(counts.values()) < 260
    assert 0.47 < first / 8000 < 0.53
    assert set(places) == set(range(21))


def test_another_seed_or_name_gives_another_sample() -> None:
    """A second sample with the default seed must not repeat the first one."""
    images, table = many(100)
    one = sample_pairs(images, table, DETECTOR, name="one", count=20, controls=0, seed=1)
    assert sample_pairs(images, table, DETECTOR, name="one", count=20, controls=0, seed=2).pairs != one.pairs
    assert sample_pairs(images, table, DETECTOR, name="two", count=20, controls=0, seed=1).pairs != one.pairs


def test_a_sample_of_an_image_set_on_disk(make_imageset: Callable[..., Path], tmp_path: Path) -> None:
    """Keys and contents are those of the index, with any characters, and each pair is one line of the file."""
    keys = ["<script>alert(1)</script>", 'a\nb\r,"%', "=1+1", "\u202egpj", "z" * 4096, "ü"]
    pictures = np.random.default_rng(0).integers(0, 256, (6, 32, 32, 3)).astype(np.uint8)
    images = ImageSet(make_imageset(pictures, keys=sorted(keys)))
    table = removed([(1, 0, "same_code", 0), (2, 0, "near_code", 3), (4, 3, "near_code", 9)])
    sample = sample_pairs(images, table, DETECTOR, name="one", count=9, controls=0.5, seed=3)
    write_pair_sample(tmp_path / "samples" / "one.csv", sample)
    assert read_pair_sample(tmp_path / "samples" / "one.csv") == sample
    assert len((tmp_path / "samples" / "one.csv").read_text().splitlines()) == 1 + len(sample.pairs) == 6
    assert {key for pair in sample.pairs for key in (pair.key_a, pair.key_b)} <= set(keys)


@pytest.mark.parametrize("name", ["", "a b", "../a", "ä", "a.b", "a\n"])
def test_names_have_plain_characters_only(name: str, tmp_path: Path) -> None:
    """A name becomes a file name and a field of verdicts."""
    with pytest.raises(BadParameters, match="letters, digits, - and _"):
        sample_pairs(*many(10), DETECTOR, name=name, count=2, controls=0, seed=1)
    with pytest.raises(BadParameters, match="letters, digits, - and _"):
        write_pair_sample(tmp_path / f"{name[:1]}.csv", PairSample(name, DETECTOR, 1, ()))


def test_counts_and_shares_are_checked() -> None:
    """Wrong values are refused with a message that names the option."""
    with pytest.raises(BadParameters, match="--sample 0"):
        sample_pairs(*many(10), DETECTOR, name="one", count=0, controls=0, seed=1)
    with pytest.raises(BadParameters, match=r"--controls 1\.5"):
        sample_pairs(*many(10), DETECTOR, name="one", count=2, controls=1.5, seed=1)


PAIRS = (
    SampledPair(SHA[0], SHA[1], "a", "b", "near_code 5-8", 2),
    SampledPair(SHA[2], SHA[3], "c", "d", "same_pixels 0", 1),
    SampledPair(SHA[4], SHA[5], "e", "f", CONTROL, 0),
)


@settings(max_examples=50, deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"])), st.integers(0, 2**62))
def test_any_key_survives(key: str, seed: int) -> None:
    """Reading gives the sample back, and writing it again gives the same bytes."""
    sample = PairSample("one", DETECTOR, seed, (replace(PAIRS[0], key_a=key), *PAIRS[1:]))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "one.csv")
        write_pair_sample(path, sample)
        before = path.read_bytes()
        assert read_pair_sample(path) == sample
        write_pair_sample(path, read_pair_sample(path))
        assert path.read_bytes() == before


def test_a_sample_is_never_overwritten(tmp_path: Path) -> None:
    """Verdicts refer to the name of the sample, so no other sample may take that name."""
    write_pair_sample(tmp_path / "one.csv", PairSample("one", DETECTOR, 1, PAIRS))
    with pytest.raises(BadParameters, match="never changed; choose another name"):
        write_pair_sample(tmp_path / "one.csv", PairSample("one", DETECTOR, 2, PAIRS))
    assert read_pair_sample(tmp_path / "one.csv").seed == 1
    with pytest.raises(BadParameters, match="expected the name of the sample, one"):
        write_pair_sample(tmp_path / "two.csv", PairSample("one", DETECTOR, 1, PAIRS))


@pytest.mark.parametrize(
    ("number", "old", "new", "message"),
    [
        (0, "stratum,", "strata,", "header"),
        (1, SHA[0], SHA[0][1:], "expected a SHA-256"),
        (1, DETECTOR, "unknown", "expected a SHA-256"),
        (1, SHA[0], SHA[1], "equal contents"),
        (1, "5-8", "5 to 8", "stratum 'near_code 5 to 8'"),
        (1, ",2,", ",two,", "'two', expected a whole number"),
        (2, f"{SHA[2]},{SHA[3]}", f"{SHA[1]},{SHA[0]}", "of an earlier line"),
        (2, "same_pixels 0,1", "near_code 5-8,1", "stratum_size 1 of near_code 5-8"),
        (2, "same_pixels 0,1", "same_pixels 0,0", "stratum_size 0 of same_pixels 0"),
        (2, ",1\n", ",5\n", "detector or seed differs"),
        (2, DETECTOR, "e" * 64, "detector or seed differs"),
        (3, "control,0", "control,3", "stratum_size 3 of control"),
        (3, ",1\n", "\n", "7 fields, expected 8"),
    ],
)
def test_a_wrong_line_is_named(tmp_path: Path, number: int, old: str, new: str, message: str) -> None:
    """A file that was edited wrongly is refused, and the message names the line."""
    path = tmp_path / "one.csv"
    write_pair_sample(path, PairSample("one", DETECTOR, 1, PAIRS))
    lines = path.read_text().splitlines(keepends=True)
    assert old in lines[number]
    lines[number] = lines[number].replace(old, new)
    path.write_text("".join(lines))
    with pytest.raises(CorruptData, match=f"line {number + 1}: .*{message}.*; samples are never edited"):
        read_pair_sample(path)


def test_missing_empty_and_misnamed_files_are_refused(tmp_path: Path) -> None:
    """The error says which of the three it is."""
    with pytest.raises(MissingInput, match="no such file"):
        read_pair_sample(tmp_path / "one.csv")
    (tmp_path / "one.csv").write_text(",".join(HEADER) + "\n")
    with pytest.raises(CorruptData, match="no pairs in it"):
        read_pair_sample(tmp_path / "one.csv")
    write_pair_sample(tmp_path / "two.csv", PairSample("two", DETECTOR, 1, PAIRS))
    (tmp_path / "two.csv").rename(tmp_path / "a b.csv")
    with pytest.raises(CorruptData, match="a name with other characters"):
        read_pair_sample(tmp_path / "a b.csv")
