"""Which bits of 128-bit codes a multi-index search looks codes up by, and with how many flips.

Give bands of bits that do not overlap the allowances f1, f2, …: if the sum of (f + 1) is the radius + 1, any two codes
within the radius differ in at most f bits of at least one band; else they would differ in f + 1 bits of each, which is
more than the radius. Norouzi, Punjani and Fleet (2012) split evenly: of m bands, with radius = m · f + a, the first
a + 1 have the allowance f and the others f - 1 (with -1, they are not looked at). The pigeonhole asks neither that
bands cover all bits nor that they are equally wide.

Bits of real codes are unequal and depend on each other, and the bits of a band should not. They are dealt one by one to
the band with the most candidates, the bit that tells it most: a bit that is set with share p agrees in two codes with
probability p² + (1 - p)², and with correlation ρ to another bit the two agree about 1 + ρ² times as often as they would
independently. Of the splits so made, the cheapest by the candidates that a sample has. Any choice finds the same pairs.
"""

import functools
import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.core.jit import compiled, entry_point

BITS = 128
WIDEST = 24
"""Bits of a band: its table of buckets has 4 · 2**24 bytes."""

_MOST_FLIPS = 4
_SAMPLE = 512
_PER_CODE, _PER_BUCKET, _PER_LOOKUP, _PER_CANDIDATE = 40.0, 3.0, 7.0, 0.9
"""Nanoseconds, measured: to sort a code into a band, for a bucket to exist, for a code to be looked up in a bucket, for
two codes to be compared."""

Words = npt.NDArray[np.uint64]


@dataclass(frozen=True)
class Band:
    """Some bits, and in how many of them two codes may differ.

    Attributes:
        bits: int64 (width,), numbers in 0..127 of bits of a code as two words: bit number % 64 of word number // 64.
        flips: 0 or more.
    """

    bits: npt.NDArray[np.int64]
    flips: int


def choose(a: Words, b: Words, radius: int) -> list[Band]:
    """Bands that are quick for comparing the codes a with the codes b, both uint64 (n, 2) with n > 0."""
    some_a, some_b = _sample(a, 0), _sample(b, 1)
    plans = splits(np.concatenate([some_a, some_b]), max(len(a), len(b)), radius)
    return min(plans, key=lambda plan: _nanoseconds(plan, a, b, some_a, some_b))


def splits(sample: Words, count: int, radius: int) -> list[list[Band]]:
    """What there is to choose from for so many codes; bits are dealt by the sample, uint64 (n, 2)."""
    bits = sample[:, :, None] >> np.arange(64, dtype=np.uint64) & np.uint64(1)
    told, overlap = _told(bits.reshape(-1, BITS).astype(np.float64))
    plans = [[Band(np.empty(0, np.int64), radius)]]  # no bit, one bucket: every pair is compared
    for number in range(1, radius + 2):
        flips, more = divmod(radius, number)
        if flips <= _MOST_FLIPS:
            allowances = [flips] * (more + 1) + [flips - 1] * (number - more - 1 if flips else 0)
            plans.append(_deal(told, overlap, allowances, math.log2(count) + 1))
    return plans


def word_masks(bands: Sequence[Band]) -> Words:
    """The bits of each band as two words, uint64 (bands, 2)."""
    masks = np.zeros((len(bands), 2), np.uint64)
    for mask, band in zip(masks, bands, strict=True):
        for bit in band.bits.tolist():
            mask[bit >> 6] |= np.uint64(1 << (bit & 63))
    return masks


@functools.lru_cache(64)
def _patterns(width: int, flips: int) -> npt.NDArray[np.uint32]:
    chosen = (itertools.combinations(range(width), number) for number in range(min(flips, width) + 1))
    return np.array([sum(1 << bit for bit in bits) for bits in itertools.chain(*chosen)], np.uint32)


def patterns(band: Band) -> npt.NDArray[np.uint32]:
    """Every choice of at most `flips` of the band's bits, as a number whose bit i is the band's i-th; read only."""
    return _patterns(len(band.bits), band.flips)


def _sample(words: Words, offset: int) -> Words:
    """At most so many codes, evenly spaced, and others for another offset if there are others."""
    step = -(-len(words) // _SAMPLE)
    return np.ascontiguousarray(words[min(offset, step - 1) :: step])


def _told(bits: npt.NDArray[np.float64]) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """What each bit tells, in bits, float64 (128,), and what two bits tell alike, float64 (128, 128)."""
    centred = bits - bits.mean(axis=0)
    variance = (centred**2).mean(axis=0)
    scale = np.sqrt(np.where(variance > 0, variance, 1))
    correlation = centred.T @ centred / len(bits) / np.outer(scale, scale)
    return -np.log2(1 - 2 * variance), np.log2(1 + correlation**2)


def _deal(
    told: npt.NDArray[np.float64], overlap: npt.NDArray[np.float64], allowances: list[int], enough: float
) -> list[Band]:
    """Deal the bits to bands with these allowances; a band has enough when it tells so many bits."""
    dealt: list[list[int]] = [[] for _ in allowances]
    tells = [0.0] * len(allowances)
    left = [told.copy() for _ in allowances]  # what each bit would tell the band
    hungry = set(range(len(allowances)))
    while hungry:
        band = max(hungry, key=lambda k: (_ways_in_bits(len(dealt[k]), allowances[k]) - tells[k], -k))
        bit = int(left[band].argmax())
        if left[band][bit] < 0.01 or tells[band] >= enough or len(dealt[band]) == WIDEST:
            hungry.remove(band)
            continue
        tells[band] += float(left[band][bit])
        dealt[band].append(bit)
        left[band] -= overlap[bit]
        for other in left:
            other[bit] = -np.inf
    return [Band(np.array(bits, np.int64), flips) for bits, flips in zip(dealt, allowances, strict=True)]


def _nanoseconds(plan: Sequence[Band], a: Words, b: Words, some_a: Words, some_b: Words) -> float:
    """About how long a search takes, by the share of the sample's pairs that are candidates."""
    flips = np.array([band.flips for band in plan], np.int64)
    shares = _close(some_a, some_b, word_masks(plan), flips) / (len(some_a) * len(some_b))
    total = 0.0
    for band, share in zip(plan, shares.tolist(), strict=True):
        width = len(band.bits)
        candidates = max(share, _ways(width, band.flips) / 2**width) * len(a) * len(b)
        total += _PER_CODE * (len(a) + len(b)) + _PER_BUCKET * 2**width
        total += _PER_LOOKUP * _ways(width, band.flips) * len(a) + _PER_CANDIDATE * candidates
    return total


@functools.cache
def _ways(width: int, flips: int) -> int:
    """How many patterns there are."""
    return sum(math.comb(width, number) for number in range(min(flips, width) + 1))


@functools.cache
def _ways_in_bits(width: int, flips: int) -> float:
    return math.log2(_ways(width, flips))


@compiled
def ones(word: np.uint64) -> np.uint64:
    """How many bits are set: LLVM knows this pattern, and makes it one instruction where the processor has it."""
    word = word - ((word >> np.uint64(1)) & np.uint64(0x5555555555555555))
    word = (word & np.uint64(0x3333333333333333)) + ((word >> np.uint64(2)) & np.uint64(0x3333333333333333))
    word = (word + (word >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return (word * np.uint64(0x0101010101010101)) >> np.uint64(56)


@entry_point("(uint64[:,::1], uint64[:,::1], uint64[:,::1], int64[::1])")
def _close(a: Words, b: Words, masks: Words, flips: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """How many pairs of a and b are within each band's allowance."""
    counts = np.zeros(len(masks), np.int64)
    for k in range(len(masks)):
        high, low, most, count = masks[k, 0], masks[k, 1], np.uint64(flips[k]), np.int64(0)
        for x in range(len(a)):
            for y in range(len(b)):
                count += np.int64(ones((a[x, 0] ^ b[y, 0]) & high) + ones((a[x, 1] ^ b[y, 1]) & low) <= most)
        counts[k] = count
    return counts
