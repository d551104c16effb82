"""A pair sample: a fixed random sample of removed pairs that people judge, in a CSV file that is versioned in git.

    sha256_a,sha256_b,key_a,key_b,stratum,stratum_size,detector,seed

The pairs are shown in the order of the lines. A line does not tell which picture of the pair was kept. The sample also
contains controls: pairs known to be different, which show how carefully a rater looks.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.core import files
from pipeline.core.errors import BadParameters, CorruptData, MissingInput
from pipeline.csv_text import decode_key, encode_key, read_rows
from pipeline.imageset.format.image_set import ImageSet, Rows
from pipeline.seeding import numpy_rng

CONTROL = "control"
"""Stratum of the controls: pairs known to be different."""

BANDS = (0, 4, 8, 12, 16, 128)
"""Largest Hamming distance in each band."""

MIN_STRATUM_PAIRS = 8
"""Minimum number of sampled pairs per band. A band with fewer is merged with the next band of the same reason.

With fewer pairs, the rate of a band cannot be estimated. Also, while no pair of a stratum is judged, the upper end of
the interval counts the whole stratum as wrong."""

_TRIES = 100


@dataclass(frozen=True)
class SampledPair:
    """A pair of the sample.

    Attributes:
        sha256_a, sha256_b: SHA-256 of the two sources, 64 hex characters each, in random order.
        key_a, key_b: keys of the two pictures in the index.
        stratum: reason and band of Hamming distance, `all` if the sample is too small for strata, or `CONTROL`.
        stratum_size: number of removed pairs in the stratum; 0 for a control.
    """

    sha256_a: str
    sha256_b: str
    key_a: str
    key_b: str
    stratum: str
    stratum_size: int

    @property
    def contents(self) -> frozenset[str]:
        """SHA-256 of the two sources, as a set."""
        return frozenset((self.sha256_a, self.sha256_b))


@dataclass(frozen=True)
class PairSample:
    """A fixed random sample of removed pairs.

    Attributes:
        name: letters, digits, `-` and `_`.
        detector: digest of the detector that found the pairs.
        seed: seed of the sample.
        pairs: the pairs in the order in which they are shown; no two have the same contents.
    """

    name: str
    detector: str
    seed: int
    pairs: tuple[SampledPair, ...]


HEADER = [*(field.name for field in fields(SampledPair)), "detector", "seed"]


def sample_pairs(
    images: ImageSet, removals: pa.Table, detector: str, *, name: str, count: int, controls: float, seed: int
) -> PairSample:
    """Sample removed pairs, stratified by reason and Hamming distance, and add controls.

    All pairs of a stratum have the same probability. The number of pairs from a stratum is proportional to its size,
    but at least two.

    The first n pairs in the order shown are also spread over the strata in proportion, so an estimate from them is
    nearly as precise as one from a simple random sample.

    Args:
        removals: one row for each picture that the detector removes before verdicts apply: `row` and
            `representative` (int64, rows of `images`: the removed picture and its representative), `reason` (string,
            one of `manifest.REASONS`), `hamming` (int16). Pairs with equal bytes are left out; pairs with the same two
            contents count once.
        detector: digest of the detector.
        name: name of the sample.
        count: number of removed pairs, at least 1; if there are fewer, all of them are in the sample.
        controls: number of controls as a share of the sampled pairs, 0..1. If it is not 0, there is at least one
            control, unless there are no two pictures for it (see `_controls`).
        seed: root seed; the same seed gives the same sample.

    Raises:
        BadParameters: a name, count or share is not allowed, or there is no pair to sample.
    """
    check_name(name)
    if count < 1:
        raise BadParameters(f"--sample {count}: expected at least 1 pair")
    rng = numpy_rng(seed, "audit-sample", name)
    contents = np.asarray(images.index.column("sha256").combine_chunks().dictionary_encode().indices).astype(np.int64)
    population = _population(removals, contents)
    if not len(population):
        raise BadParameters("--sample: only pictures of equal bytes were removed, so there is nothing to judge")
    count = min(count, len(population))
    strata = _strata(population, count)
    rows, representatives = (population.column(column).to_numpy() for column in ("row", "representative"))
    placed: list[tuple[float, int, int, str, int]] = []

    def place(pairs: Sequence[tuple[int, int]], stratum: str, size: int) -> None:
        """Spread pairs over the sample: divide it into equal parts and put one pair at a random position of each."""
        places = (np.arange(len(pairs)) + rng.random(len(pairs))) / max(1, len(pairs))
        placed.extend((at, *pair, stratum, size) for at, pair in zip(places.tolist(), pairs, strict=True))

    shares = allocate([len(members) for members in strata.values()], count)
    for (stratum, members), share in zip(strata.items(), shares, strict=True):
        chosen = rng.permutation(members)[:share]
        place(list(zip(rows[chosen].tolist(), representatives[chosen].tolist(), strict=True)), stratum, len(members))
    wanted = control_count(controls, count)
    kept: Rows = np.setdiff1d(np.arange(len(contents)), removals.column("row").to_numpy())
    place(_controls(population, kept, contents, wanted, rng), CONTROL, 0)
    placed.sort()
    turned = [pair if rng.random() < 0.5 else pair[::-1] for _, *pair, _, _ in placed]
    shown = images.index.select(["sha256", "key"]).take(np.ravel(turned)).to_pylist()
    pairs = []
    for (*_, stratum, size), a, b in zip(placed, shown[::2], shown[1::2], strict=True):
        pairs.append(SampledPair(a["sha256"], b["sha256"], a["key"], b["key"], stratum, size))
    return PairSample(name, detector, seed, tuple(pairs))


def _population(removals: pa.Table, contents: Rows) -> pa.Table:
    """The removals of pairs with different contents, each pair of contents once, in row order."""
    found = removals.filter(pc.not_equal(removals.column("reason"), "same_bytes")).sort_by("row")
    row, representative = (found.column(name).to_numpy() for name in ("row", "representative"))
    different = np.flatnonzero(contents[row] != contents[representative])
    ids = _pair_ids(contents, row[different], representative[different])
    return found.take(np.sort(different[np.unique(ids, return_index=True)[1]]))


def _pair_ids(contents: Rows, a: Rows, b: Rows) -> Rows:
    """A number for each pair of contents, which does not depend on the order in the pair: int64 (n,)."""
    sides = np.stack((contents[a], contents[b]))
    ids: Rows = sides.min(axis=0) * len(contents) + sides.max(axis=0)
    return ids


def _strata(population: pa.Table, count: int) -> dict[str, Rows]:
    """Row numbers of `population` by name of the stratum; one stratum `all` if the sample cannot have two of each."""
    reasons = population.column("reason").combine_chunks().dictionary_encode()
    bands = np.searchsorted(BANDS, population.column("hamming").to_numpy())
    merged: list[tuple[str, int, int, Rows]] = []  # reason, first band, last band, members
    for reason in sorted(reasons.dictionary.to_pylist()):
        of_reason = np.asarray(reasons.indices) == reasons.dictionary.index(reason).as_py()
        for band in np.unique(bands[of_reason]).tolist():
            members = np.flatnonzero(of_reason & (bands == band))
            before = merged[-1] if merged and merged[-1][0] == reason else None
            if before and min(len(before[3]), len(members)) * count < MIN_STRATUM_PAIRS * len(population):
                merged[-1] = (reason, before[1], band, np.concatenate((before[3], members)))
            else:
                merged.append((reason, band, band, members))
    if count < 2 * len(merged):
        return {"all": np.arange(len(population))}
    return {_name(reason, first, last): members for reason, first, last, members in merged}


def _name(reason: str, first: int, last: int) -> str:
    low, high = BANDS[first - 1] + 1 if first else 0, BANDS[last]
    return f"{reason} {low}-{high}" if low < high else f"{reason} {low}"


def allocate(sizes: Sequence[int], count: int) -> list[int]:
    """Number of pairs to sample from each stratum: at least two (or all), the rest in proportion to its size.

    Each further pair goes to the stratum in which a sampled pair has the largest weight (Adams's method of
    apportionment). This makes the largest weight, which bounds the width of the interval, as small as possible.

    Args:
        sizes: pairs in each stratum, at least 1.
        count: number of pairs in total, at least twice the number of strata; any number if there is one stratum.
    """
    wanted = np.array(sizes)
    taken = np.minimum(wanted, min(2, count // len(sizes)))
    while taken.sum() < min(count, wanted.sum()):
        taken[np.argmax(np.where(taken < wanted, wanted / taken, 0))] += 1
    return [int(number) for number in taken]


def control_count(share: float, count: int) -> int:
    """Number of controls for `count` pairs; at least 1 if the share is not 0. BadParameters if it is not in 0..1."""
    if not 0 <= share <= 1:
        raise BadParameters(f"--controls {share}: expected a share from 0 to 1")
    return max(1, round(share * count)) if share else 0


def _controls(
    population: pa.Table, kept: Rows, contents: Rows, wanted: int, rng: np.random.Generator
) -> list[tuple[int, int]]:
    """Rows of removed pictures, each with a kept picture that is not its representative.

    There may be fewer than `wanted`, because the number of random trials is limited.
    """
    rows, representatives = (population.column(name).to_numpy() for name in ("row", "representative"))
    removed_pairs, taken = _pair_ids(contents, rows, representatives), set()
    found: list[tuple[int, int]] = []
    for _ in range(_TRIES * wanted):
        number, other = int(rng.integers(len(population))), int(kept[rng.integers(len(kept))])
        row = int(rows[number])
        (pair_id,) = _pair_ids(contents, rows[[number]], np.array([other])).tolist()
        different = other != representatives[number] and contents[row] != contents[other]
        if different and pair_id not in taken and not (removed_pairs == pair_id).any():
            taken.add(pair_id)
            found.append((row, other))
        if len(found) == wanted:
            break
    return found


def write_pair_sample(path: Path, sample: PairSample) -> None:
    """Write a sample atomically to `NAME.csv`; writing the same sample again changes nothing.

    Raises:
        BadParameters: the file exists with another sample, or the name is not allowed.
    """
    check_name(sample.name)
    if path.name != f"{sample.name}.csv":
        raise BadParameters(f"{path}: expected the name of the sample, {sample.name}.csv")
    lines = [",".join(HEADER)]
    for pair in sample.pairs:
        values = (*astuple(pair), sample.detector, sample.seed)
        lines.append(",".join(encode_key(str(value)) for value in values))
    text = "\n".join(lines) + "\n"
    if path.exists() and path.read_bytes() != text.encode():
        raise BadParameters(f"{path}: exists with another sample, and a sample is never changed; choose another name")
    files.write_text(path, text)


def read_pair_sample(path: Path) -> PairSample:
    """Read and check a sample.

    Raises:
        MissingInput: there is no such file.
        CorruptData: the file is not a pair sample; the message contains the line number.
    """
    pairs: dict[frozenset[str], SampledPair] = {}
    sizes: dict[str, int] = {}
    counts: Counter[str] = Counter()
    origins: set[tuple[str, str]] = set()

    def parse(row: list[str]) -> None:
        for sha256 in (row[0], row[1], row[6]):
            if not re.fullmatch("[0-9a-f]{64}", sha256):
                raise ValueError(f"{sha256!r}, expected a SHA-256 of 64 lower-case hex characters")
        for number in (row[5], row[7]):
            if not re.fullmatch("0|[1-9][0-9]{0,18}", number):
                raise ValueError(f"{number!r}, expected a whole number")
        pair = SampledPair(row[0], row[1], decode_key(row[2]), decode_key(row[3]), row[4], int(row[5]))
        if len(pair.contents) == 1 or pair.contents in pairs:
            raise ValueError("a pair of equal contents, or of an earlier line; expected different contents, once each")
        if not re.fullmatch("[a-z_]+( [0-9]+(-[0-9]+)?)?", pair.stratum):
            raise ValueError(f"stratum {pair.stratum!r}, expected one such as 'near_code 5-8'")
        counts[pair.stratum] += 1
        size = sizes.setdefault(pair.stratum, pair.stratum_size)
        if pair.stratum_size != size or (size < counts[pair.stratum] if pair.stratum != CONTROL else size != 0):
            raise ValueError(
                f"stratum_size {pair.stratum_size} of {pair.stratum}, expected the same number on each line of the "
                f"stratum, not below the number of its lines, and 0 for {CONTROL}"
            )
        origins.add((row[6], row[7]))
        if len(origins) > 1:
            raise ValueError("detector or seed differs from the line above, expected the same on all lines")
        pairs[pair.contents] = pair

    remedy = "samples are never edited: check the file out of git again, or delete it and sample anew"
    try:
        read_rows(path, HEADER, parse, option="--samples", remedy=remedy)
    except FileNotFoundError:
        raise MissingInput(f"--samples {path}: no such file; make it with review-duplicates --sample") from None
    if not _NAME.fullmatch(path.stem) or not pairs:
        raise CorruptData(
            f"--samples {path}: no pairs in it, or a name with other characters than letters, digits, - and _; {remedy}"
        )
    ((detector, seed),) = origins
    return PairSample(path.stem, detector, int(seed), tuple(pairs.values()))


_NAME = re.compile("[A-Za-z0-9_-]+")


def check_name(name: str) -> None:
    """Check the name of a sample.

    Raises:
        BadParameters: it is empty or has other characters than letters, digits, `-` and `_`.
    """
    if not _NAME.fullmatch(name):
        raise BadParameters(f"--name {name!r}: expected only letters, digits, - and _")
