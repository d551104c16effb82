"""A frozen draw of removed pairs for people to judge, in a CSV file that is kept in git.

    sha256_a,sha256_b,key_a,key_b,stratum,stratum_size,detector,seed

The lines stand in the order in which the pairs are shown. Which of two is the kept one cannot be told, and between them
stand controls: pairs that are surely different, to see how carefully a rater looks.
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
"""The stratum of a pair that is surely different."""

BANDS = (0, 4, 8, 12, 16, 128)
"""Upper ends of the bands of Hamming distance."""

LEAST = 8
"""Pairs that a band has in a draw, else it is joined with the next one of its reason: fewer tell nothing of it alone,
and until one of them is judged, all of its weight stands at the upper end of the estimate's interval."""

_TRIES = 100


@dataclass(frozen=True)
class Drawn:
    """A pair.

    Attributes:
        sha256_a, sha256_b: contents, 64 hex characters, in random order.
        key_a, key_b: names, as they stand in the index.
        stratum: reason and band of Hamming distance, `all` in a draw too small to be stratified, or `CONTROL`.
        stratum_size: how many removed pairs the stratum was drawn from; 0 for a control.
    """

    sha256_a: str
    sha256_b: str
    key_a: str
    key_b: str
    stratum: str
    stratum_size: int

    @property
    def contents(self) -> frozenset[str]:
        """The two contents, without order."""
        return frozenset((self.sha256_a, self.sha256_b))


@dataclass(frozen=True)
class Sample:
    """A draw.

    Attributes:
        name: letters, digits, `-` and `_`.
        detector: digest of how the pairs were found.
        seed: of the draw.
        pairs: in the order in which they are shown; each contents once.
    """

    name: str
    detector: str
    seed: int
    pairs: tuple[Drawn, ...]


HEADER = [*(field.name for field in fields(Drawn)), "detector", "seed"]


def draw(
    images: ImageSet, removals: pa.Table, detector: str, *, name: str, count: int, controls: float, seed: int
) -> Sample:
    """Draw removed pairs, stratified by reason and Hamming distance, and controls.

    Within a stratum each pair is as likely as the other. The strata get their shares in proportion to their sizes, but
    two pairs at least. A beginning of the order shown is spread over the strata in proportion as well, so that an
    estimate from it is nearly as sharp as one from a plain draw.

    Args:
        removals: a row for each picture that the detector alone removes, without verdicts: `row` and `keeper` (int64,
            rows of `images`), `reason` (string, one of `manifest.REASONS`), `hamming` (int16). Pairs of equal bytes are
            left out, and pairs of the same two contents are one.
        detector: digest.
        name: of the draw.
        count: how many removed pairs, at least 1; all, if there are fewer.
        controls: their number as a share of the pairs drawn, 0..1; if it is not 0, there is at least one, as far as
            there are pictures that stay and stand for others.
        seed: root seed; the same one gives the same draw.

    Raises:
        BadParameters: a name, count or share that is not allowed, or nothing to draw from.
    """
    check_name(name)
    if count < 1:
        raise BadParameters(f"--sample {count}: expected at least 1 pair")
    rng = numpy_rng(seed, "audit-sample", name)
    contents = np.asarray(images.index.column("sha256").combine_chunks().dictionary_encode().indices).astype(np.int64)
    population = _population(removals, contents)
    if not len(population):
        raise BadParameters("--sample: nothing was removed but for equal bytes, so there is nothing to judge")
    count = min(count, len(population))
    strata = _strata(population, count)
    rows, keepers = (population.column(name).to_numpy() for name in ("row", "keeper"))
    placed: list[tuple[float, int, int, str, int]] = []

    def place(pairs: Sequence[tuple[int, int]], stratum: str, size: int) -> None:
        """Spread pairs over the draw: one at random within each of equal parts."""
        places = (np.arange(len(pairs)) + rng.random(len(pairs))) / max(1, len(pairs))
        placed.extend((at, *pair, stratum, size) for at, pair in zip(places.tolist(), pairs, strict=True))

    shares = allocate([len(members) for members in strata.values()], count)
    for (stratum, members), share in zip(strata.items(), shares, strict=True):
        chosen = rng.permutation(members)[:share]
        place(list(zip(rows[chosen].tolist(), keepers[chosen].tolist(), strict=True)), stratum, len(members))
    wanted = control_count(controls, count)
    kept: Rows = np.setdiff1d(np.arange(len(contents)), removals.column("row").to_numpy())
    place(_controls(population, kept, contents, wanted, rng), CONTROL, 0)
    placed.sort()
    turned = [pair if rng.random() < 0.5 else pair[::-1] for _, *pair, _, _ in placed]
    shown = images.index.select(["sha256", "key"]).take(np.ravel(turned)).to_pylist()
    pairs = []
    for (*_, stratum, size), a, b in zip(placed, shown[::2], shown[1::2], strict=True):
        pairs.append(Drawn(a["sha256"], b["sha256"], a["key"], b["key"], stratum, size))
    return Sample(name, detector, seed, tuple(pairs))


def _population(removals: pa.Table, contents: Rows) -> pa.Table:
    """The removals of unlike contents, each pair of contents once, in row order."""
    found = removals.filter(pc.not_equal(removals.column("reason"), "same_bytes")).sort_by("row")
    row, keeper = (found.column(name).to_numpy() for name in ("row", "keeper"))
    unlike = np.flatnonzero(contents[row] != contents[keeper])
    codes = _codes(contents, row[unlike], keeper[unlike])
    return found.take(np.sort(unlike[np.unique(codes, return_index=True)[1]]))


def _codes(contents: Rows, a: Rows, b: Rows) -> Rows:
    """A number for each pair of contents, whatever the order of its sides."""
    sides = np.stack((contents[a], contents[b]))
    codes: Rows = sides.min(axis=0) * len(contents) + sides.max(axis=0)
    return codes


def _strata(population: pa.Table, count: int) -> dict[str, Rows]:
    """Numbers of the pairs of each stratum, by its name; a draw too small for two of each is not stratified."""
    reasons = population.column("reason").combine_chunks().dictionary_encode()
    bands = np.searchsorted(BANDS, population.column("hamming").to_numpy())
    joined: list[tuple[str, int, int, Rows]] = []  # reason, first band, last band, members
    for reason in sorted(reasons.dictionary.to_pylist()):
        of_reason = np.asarray(reasons.indices) == reasons.dictionary.index(reason).as_py()
        for band in np.unique(bands[of_reason]).tolist():
            members = np.flatnonzero(of_reason & (bands == band))
            before = joined[-1] if joined and joined[-1][0] == reason else None
            if before and min(len(before[3]), len(members)) * count < LEAST * len(population):
                joined[-1] = (reason, before[1], band, np.concatenate((before[3], members)))
            else:
                joined.append((reason, band, band, members))
    if count < 2 * len(joined):
        return {"all": np.arange(len(population))}
    return {_name(reason, first, last): members for reason, first, last, members in joined}


def _name(reason: str, first: int, last: int) -> str:
    low, high = BANDS[first - 1] + 1 if first else 0, BANDS[last]
    return f"{reason} {low}-{high}" if low < high else f"{reason} {low}"


def allocate(sizes: Sequence[int], count: int) -> list[int]:
    """How many of each stratum are drawn: two (or all) at least, and then in proportion.

    Each next one goes where one stands for most (Adams's method of apportionment). So the largest weight, which bounds
    how wide the estimate's interval is, is the smallest possible.

    Args:
        sizes: of the strata, at least 1 each.
        count: of all, at least twice the number of strata; or anything, of one stratum.
    """
    wanted = np.array(sizes)
    taken = np.minimum(wanted, min(2, count // len(sizes)))
    while taken.sum() < min(count, wanted.sum()):
        taken[np.argmax(np.where(taken < wanted, wanted / taken, 0))] += 1
    return [int(number) for number in taken]


def control_count(share: float, count: int) -> int:
    """How many controls there are for `count` pairs: their share (0..1, else `BadParameters`), but 1 if it is not 0."""
    if not 0 <= share <= 1:
        raise BadParameters(f"--controls {share}: expected a share from 0 to 1")
    return max(1, round(share * count)) if share else 0


def _controls(
    population: pa.Table, kept: Rows, contents: Rows, wanted: int, rng: np.random.Generator
) -> list[tuple[int, int]]:
    """Removed pictures, each with one that stays but does not stand for it; fewer, where hardly any such pair is."""
    rows, keepers = (population.column(name).to_numpy() for name in ("row", "keeper"))
    removed_for, taken = _codes(contents, rows, keepers), set()
    found: list[tuple[int, int]] = []
    for _ in range(_TRIES * wanted):
        number, other = int(rng.integers(len(population))), int(kept[rng.integers(len(kept))])
        row = int(rows[number])
        (code,) = _codes(contents, rows[[number]], np.array([other])).tolist()
        apart = other != keepers[number] and contents[row] != contents[other]
        if apart and code not in taken and not (removed_for == code).any():
            taken.add(code)
            found.append((row, other))
        if len(found) == wanted:
            break
    return found


def write(path: Path, sample: Sample) -> None:
    """Write a draw atomically to `NAME.csv`; writing the same one again changes nothing.

    Raises:
        BadParameters: another draw of that name is there, or the name is not allowed.
    """
    check_name(sample.name)
    if path.name != f"{sample.name}.csv":
        raise BadParameters(f"{path}: expected the draw's name, {sample.name}.csv")
    lines = [",".join(HEADER)]
    for pair in sample.pairs:
        values = (*astuple(pair), sample.detector, sample.seed)
        lines.append(",".join(encode_key(str(value)) for value in values))
    text = "\n".join(lines) + "\n"
    if path.exists() and path.read_bytes() != text.encode():
        raise BadParameters(f"{path}: a draw of this name is there, and a draw is frozen; choose another name")
    files.write_text(path, text)


def read(path: Path) -> Sample:
    """Read and check a draw.

    Raises:
        MissingInput: there is no such file.
        CorruptData: it is not a draw; the message gives the line.
    """
    drawn: dict[frozenset[str], Drawn] = {}
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
        pair = Drawn(row[0], row[1], decode_key(row[2]), decode_key(row[3]), row[4], int(row[5]))
        if len(pair.contents) == 1 or pair.contents in drawn:
            raise ValueError("a pair of equal contents, or one that stands on a line above, expected each pair once")
        if not re.fullmatch("[a-z_]+( [0-9]+(-[0-9]+)?)?", pair.stratum):
            raise ValueError(f"stratum {pair.stratum!r}, expected one such as 'near_code 5-8'")
        counts[pair.stratum] += 1
        size = sizes.setdefault(pair.stratum, pair.stratum_size)
        if pair.stratum_size != size or (size < counts[pair.stratum] if pair.stratum != CONTROL else size != 0):
            raise ValueError(
                f"stratum_size {pair.stratum_size} of {pair.stratum}, expected the same on each line, "
                f"as many as the lines at least, and 0 for {CONTROL}"
            )
        origins.add((row[6], row[7]))
        if len(origins) > 1:
            raise ValueError("another detector or seed than on the line above")
        drawn[pair.contents] = pair

    remedy = "a draw is frozen: take the file from git again, or delete it and draw again"
    try:
        read_rows(path, HEADER, parse, option="--samples", remedy=remedy)
    except FileNotFoundError:
        raise MissingInput(f"--samples {path}: no such file; draw with review-duplicates --sample") from None
    if not _NAME.fullmatch(path.stem) or not drawn:
        raise CorruptData(f"--samples {path}: no pair, or a name of other than letters, digits, - and _; {remedy}")
    ((detector, seed),) = origins
    return Sample(path.stem, detector, int(seed), tuple(drawn.values()))


_NAME = re.compile("[A-Za-z0-9_-]+")


def check_name(name: str) -> None:
    """Refuse a name that a draw cannot have.

    Raises:
        BadParameters: it has other characters than letters, digits, `-` and `_`.
    """
    if not _NAME.fullmatch(name):
        raise BadParameters(f"--name {name!r}: expected letters, digits, - and _ alone")
