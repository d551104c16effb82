"""Exact multi-index Hamming search: find every pair of 128-bit codes within a distance, each once, in order.

The search processes one band at a time (see `bands.py`). It sorts the codes by the bits of the band, so that the codes
of a bucket are adjacent. For each pattern of flipped bits, it compares the buckets v and v ^ pattern, for increasing v,
so that memory is read sequentially. A pair is reported by the first band that finds it. Whether an earlier band finds a
pair can be computed from its two codes, so pairs need not be remembered for this. A bucket with many codes costs time
but no memory. Memory is needed for the codes, a sorted copy, a table of buckets, and the pairs, 8 bytes each, which are
sorted at the end. The result is byte-identical for any number of threads and any choice of bands.
"""

import functools
import threading
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.core import engine
from pipeline.core.errors import BadParameters
from pipeline.core.jit import entry_point
from pipeline.dedup.encoder.codes import Codes
from pipeline.dedup.index.bands import BITS, Words, choose, ones, patterns, word_masks
from pipeline.imageset.format.image_set import Rows

LARGEST_RADIUS = 15
MOST_CODES = 1 << 30
MOST_PAIRS = 1 << 26
"""Default maximum number of pairs; they need half a gigabyte."""

_TASK = 1 << 14  # codes per task: they fit into the second-level cache
_BUFFER = 1 << 16  # pairs in the buffer of a task
_TILE = 1 << 10  # codes that stay in the first-level cache while a bucket is compared with them


@dataclass(frozen=True)
class CodePairs:
    """Pairs of codes, ordered by left, then right.

    Attributes:
        left, right: int64 (n,), numbers of the codes.
        distance: uint8 (n,), Hamming distance, 0..15.
    """

    left: Rows
    right: Rows
    distance: npt.NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.left)


def distinct(codes: Codes) -> tuple[Codes, Rows]:
    """Return the different codes, and for each code its number among them; like `numpy.unique` with inverse.

    Args:
        codes: uint8 (n, 16).

    Returns:
        uint8 (m, 16), in byte order, and int64 (n,), indices into it.

    Raises:
        BadParameters: the codes have another dtype or shape.
    """
    words = _as_words("codes", codes).byteswap() if np.little_endian else _as_words("codes", codes)
    order = np.lexsort((words[:, 1], words[:, 0]))
    words = words[order]
    new = np.ones(len(codes), bool)
    new[1:] = (words[1:] != words[:-1]).any(axis=1)
    inverse = np.empty(len(codes), np.int64)
    inverse[order] = np.cumsum(new) - 1
    return codes[order[new]], inverse


def pairs_within(
    unique: Codes, radius: int, *, block_pairs: int = 1 << 20, max_pairs: int = MOST_PAIRS, workers: int = 1
) -> Iterator[CodePairs]:
    """Find every pair of codes within a distance, with left < right.

    Args:
        unique: uint8 (n, 16). Equal codes are pairs too, so n equal codes give n (n - 1) / 2 pairs: see `distinct`.
        radius: maximum distance, 0..15.
        block_pairs: maximum number of pairs in a block.
        max_pairs: maximum number of pairs; the search needs up to 8 bytes of memory per pair.
        workers: threads.

    Returns:
        Nonempty blocks, ordered by left, then right; all blocks except the last have `block_pairs` pairs.

    Raises:
        BadParameters: an argument is out of range. The iterator raises it before the first block if there are more
            pairs than `max_pairs`.
    """
    words = _as_words("unique", unique)
    return _search(words, words, True, *_check_limits(radius, block_pairs, max_pairs), workers)


def pairs_between(
    a: Codes, b: Codes, radius: int, *, block_pairs: int = 1 << 20, max_pairs: int = MOST_PAIRS, workers: int = 1
) -> Iterator[CodePairs]:
    """Find every pair of a code of a (left) and a code of b (right) within a distance.

    Memory is proportional to the number of codes. A very long `a` can be processed in parts, but then b is sorted again
    for each part.

    Args:
        a, b: uint8 (n, 16) and uint8 (m, 16), in any order, with or without repetitions.
        radius, block_pairs, max_pairs, workers: as in `pairs_within`; a pair of equal codes has distance 0.

    Returns and raises the same as `pairs_within`.
    """
    return _search(_as_words("a", a), _as_words("b", b), False, *_check_limits(radius, block_pairs, max_pairs), workers)


def _as_words(name: str, codes: Codes) -> Words:
    if codes.dtype != np.uint8 or codes.ndim != 2 or codes.shape[1] != BITS // 8 or len(codes) > MOST_CODES:
        found = f"{codes.dtype} {codes.shape}"
        raise BadParameters(
            f"{name}: {found}, expected uint8 (at most {MOST_CODES:,}, {BITS // 8}), as load_codes gives"
        )
    return np.require(codes, requirements=["C", "A"]).view(np.uint64)


def _check_limits(radius: int, block_pairs: int, max_pairs: int) -> tuple[int, int, int]:
    if not 0 <= radius <= LARGEST_RADIUS:
        raise BadParameters(
            f"radius: {radius}, expected 0 to {LARGEST_RADIUS}; at larger distances codes say little about copies"
        )
    if block_pairs < 1 or max_pairs < 0:
        raise BadParameters(f"block_pairs {block_pairs}, max_pairs {max_pairs}: expected at least 1 and 0")
    return radius, block_pairs, max_pairs


def _search(
    a: Words, b: Words, within: bool, radius: int, block_pairs: int, max_pairs: int, workers: int
) -> Iterator[CodePairs]:
    if not len(a) or not len(b):
        return
    found = np.empty(max_pairs, np.uint64)  # only the written part takes memory
    count = _collect(a, b, within, radius, found, workers)
    found = found[:count]
    found.sort()
    for start in range(0, count, block_pairs):
        block = found[start : start + block_pairs]
        left, right = (block >> np.uint64(34)), (block >> np.uint64(4)) & np.uint64(MOST_CODES - 1)
        yield CodePairs(left.astype(np.int64), right.astype(np.int64), (block & np.uint64(15)).astype(np.uint8))


def _collect(a: Words, b: Words, within: bool, radius: int, found: Words, workers: int) -> int:
    """Write every pair into `found`, in any order, and return the number of pairs."""
    bands = choose(a, b, radius)
    masks, flips = word_masks(bands), np.array([band.flips for band in bands], np.int64)
    count, lock = 0, threading.Lock()

    def compare(number: int, lefts: Sorted, rights: Sorted, start: int) -> None:
        nonlocal count
        stop = min(start + _TASK, len(a))
        band = (patterns(bands[number]), masks[: number + 1], flips, radius)
        buffer = np.empty(_BUFFER, np.uint64)
        new = _compare(lefts, rights, start, stop, within, *band, buffer, len(found))
        with lock:
            at, count = count, count + new
        if count > len(found):
            raise BadParameters(
                f"radius {radius}: at least {count:,} pairs of codes are that close, expected at most "
                f"{len(found):,} (max_pairs); choose a smaller radius, or allow more pairs (8 bytes of memory each)"
            )
        if new <= len(buffer):
            found[at : at + new] = buffer[:new]
        else:
            _compare(lefts, rights, start, stop, within, *band, found[at : at + new], new)

    for number, band in enumerate(bands):
        sort_codes = functools.partial(_sorted, bits=band.bits)
        ordered = list(engine.map_threads(sort_codes, [a] if within else [a, b], workers=workers))
        compare_part = functools.partial(compare, number, ordered[0], ordered[-1])
        for _ in engine.map_threads(compare_part, range(0, len(a), _TASK), workers=workers):
            pass
    return count


Sorted = tuple[Words, npt.NDArray[np.uint32], npt.NDArray[np.int32], npt.NDArray[np.int32]]
"""Codes, their keys and their numbers, all in the order of the keys; and the offset at which each bucket begins."""


@entry_point("(uint64[:,::1], int64[::1])")
def _sorted(words: Words, bits: Rows) -> Sorted:
    count = len(words)
    keys = np.empty(count, np.uint32)
    offsets = np.zeros((1 << len(bits)) + 1, np.int32)
    for n in range(count):
        key = np.uint64(0)
        for place in range(len(bits)):
            word = words[n, bits[place] >> 6] >> np.uint64(bits[place] & 63)
            key |= (word & np.uint64(1)) << np.uint64(place)
        keys[n] = key
        offsets[key + np.uint64(1)] += 1
    for bucket in range(1, len(offsets)):
        offsets[bucket] += offsets[bucket - 1]
    in_order, keys_in_order = np.empty((count, 2), np.uint64), np.empty(count, np.uint32)
    rows = np.empty(count, np.int32)
    for n in range(count):  # offsets[key] moves from the start of its bucket to its end
        at = offsets[keys[n]]
        offsets[keys[n]] += 1
        in_order[at, 0], in_order[at, 1], keys_in_order[at], rows[at] = words[n, 0], words[n, 1], keys[n], n
    for bucket in range(len(offsets) - 1, 0, -1):
        offsets[bucket] = offsets[bucket - 1]
    offsets[0] = 0
    return in_order, keys_in_order, rows, offsets


@entry_point(
    "({0}, {0}, int64, int64, boolean, uint32[::1], uint64[:,::1], int64[::1], int64, uint64[::1], int64)".format(
        "Tuple((uint64[:,::1], uint32[::1], int32[::1], int32[::1]))"
    )
)
def _compare(
    lefts: Sorted,
    rights: Sorted,
    start: int,
    stop: int,
    within: bool,
    flipped: npt.NDArray[np.uint32],
    masks: Words,
    flips: Rows,
    radius: int,
    out: Words,
    most: int,
) -> int:
    """Compare the left codes from start to stop with all right codes whose keys differ by one of the patterns.

    The last mask belongs to the current band, the others to earlier bands. Pairs are written while there is space in
    `out`. All pairs are counted, until there are more than `most`.
    """
    a, keys, rows_a, _ = lefts
    b, _, rows_b, offsets = rights
    count = 0
    for p in range(len(flipped)):
        x = start
        while x < stop:
            key = keys[x]
            end = x + 1
            while end < stop and keys[end] == key:
                end += 1
            other = key ^ flipped[p]
            if within and other < key:
                x = end
                continue
            first, last = offsets[other], offsets[other + np.uint32(1)]
            for tile in range(first, last, _TILE):
                for n in range(x, end):
                    high, low = a[n, 0], a[n, 1]
                    begin = max(tile, n + 1) if within and other == key else tile
                    for m in range(begin, min(tile + _TILE, last)):
                        distance = ones(high ^ b[m, 0]) + ones(low ^ b[m, 1])
                        if distance > np.uint64(radius):
                            continue
                        earlier = False
                        for k in range(len(masks) - 1):
                            here = ones((high ^ b[m, 0]) & masks[k, 0]) + ones((low ^ b[m, 1]) & masks[k, 1])
                            earlier |= np.int64(here) <= flips[k]
                        if earlier:
                            continue
                        if count < len(out):
                            left, right = rows_a[n], rows_b[m]
                            if within and left > right:
                                left, right = right, left
                            out[count] = np.uint64(left) << np.uint64(34) | np.uint64(right) << np.uint64(4) | distance
                        count += 1
                        if count > most:
                            return count
            x = end
    return count
