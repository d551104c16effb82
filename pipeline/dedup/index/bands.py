"""Choose the bands of a multi-index search: the bits by which 128-bit codes are looked up, and the allowed flips.

The bands are disjoint sets of bits, and band i has an allowance fi of differing bits. If the sum of all fi + 1 is the
radius + 1, any two codes within the radius differ in at most fi bits of at least one band i. Otherwise, they would
differ in at least fi + 1 bits of every band, which is more than the radius in total (pigeonhole principle). Norouzi,
Punjani and Fleet (2012) split evenly: for m bands and radius = m · f + a, the first a + 1 bands have the allowance f,
and the others f - 1 (bands with the allowance -1 are not searched). The bands need not cover all bits, nor have equal
widths.

The bits of real codes carry different amounts of information and depend on each other. A band needs bits that carry
much information and are nearly independent. A bit that is set with probability p is equal in two codes with probability
p² + (1 - p)². Two bits with correlation ρ are both equal about 1 + ρ² times as often as independent bits. The bits are
assigned one by one: the band with the most expected candidates gets the bit that adds the most information to it. This
is done for several numbers of bands, and the plan with the lowest cost on a sample is chosen. Every plan finds the same
pairs.
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
"""Maximum number of bits in a band: its table of buckets then has 4 · 2**24 bytes."""

_MOST_FLIPS = 4
_SAMPLE = 512
_PER_CODE, _PER_BUCKET, _PER_LOOKUP, _PER_CANDIDATE = 40.0, 3.0, 7.0, 0.9
"""Measured times in nanoseconds: to sort a code into a band, to create a bucket, to look up a code in a bucket, and to
compare two codes."""

Words = npt.NDArray[np.uint64]


@dataclass(frozen=True)
class Band:
    """A set of bits, and the number of them in which two codes may differ.

    Attributes:
        bits: int64 (width,), numbers of bits, 0..127. Number i is bit i % 64 of word i // 64 of a code.
        flips: 0 or more.
    """

    bits: npt.NDArray[np.int64]
    flips: int


def choose(a: Words, b: Words, radius: int) -> list[Band]:
    """Choose the bands that compare the codes a with the codes b at the lowest cost; each uint64 (n, 2), n > 0."""
    sample_a, sample_b = _sample(a, 0), _sample(b, 1)
    plans = splits(np.concatenate([sample_a, sample_b]), max(len(a), len(b)), radius)
    return min(plans, key=lambda plan: _nanoseconds(plan, a, b, sample_a, sample_b))


def splits(sample: Words, count: int, radius: int) -> list[list[Band]]:
    """All plans that `choose` compares, for `count` codes; the sample, uint64 (n, 2), gives bit statistics."""
    bits = sample[:, :, None] >> np.arange(64, dtype=np.uint64) & np.uint64(1)
    information, overlap = _bit_information(bits.reshape(-1, BITS).astype(np.float64))
    plans = [[Band(np.empty(0, np.int64), radius)]]  # a band without bits has one bucket: every pair is compared
    for number in range(1, radius + 2):
        flips, more = divmod(radius, number)
        if flips <= _MOST_FLIPS:
            allowances = [flips] * (more + 1) + [flips - 1] * (number - more - 1 if flips else 0)
            plans.append(_assign_bits(information, overlap, allowances, math.log2(count) + 1))
    return plans


def word_masks(bands: Sequence[Band]) -> Words:
    """The bits of each band as a mask of two words, uint64 (bands, 2)."""
    masks = np.zeros((len(bands), 2), np.uint64)
    for mask, band in zip(masks, bands, strict=True):
        for bit in band.bits.tolist():
            mask[bit >> 6] |= np.uint64(1 << (bit & 63))
    return masks


@functools.lru_cache(64)
def _patterns(width: int, flips: int) -> npt.NDArray[np.uint32]:
    subsets = (itertools.combinations(range(width), number) for number in range(min(flips, width) + 1))
    return np.array([sum(1 << bit for bit in bits) for bits in itertools.chain(*subsets)], np.uint32)


def patterns(band: Band) -> npt.NDArray[np.uint32]:
    """Every set of at most `flips` bits of the band, as a number whose bit i is the i-th bit of the band; read-only."""
    return _patterns(len(band.bits), band.flips)


def _sample(words: Words, offset: int) -> Words:
    """At most `_SAMPLE` evenly spaced codes; another offset selects other codes if there are enough."""
    step = -(-len(words) // _SAMPLE)
    return np.ascontiguousarray(words[min(offset, step - 1) :: step])


def _bit_information(bits: npt.NDArray[np.float64]) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Information of each bit, float64 (128,), and information that two bits share, float64 (128, 128), in bits."""
    centred = bits - bits.mean(axis=0)
    variance = (centred**2).mean(axis=0)
    scale = np.sqrt(np.where(variance > 0, variance, 1))
    correlation = centred.T @ centred / len(bits) / np.outer(scale, scale)
    return -np.log2(1 - 2 * variance), np.log2(1 + correlation**2)


def _assign_bits(
    information: npt.NDArray[np.float64], overlap: npt.NDArray[np.float64], allowances: list[int], enough: float
) -> list[Band]:
    """Assign bits to bands with these allowances. A band is full when it has `enough` bits of information."""
    assigned: list[list[int]] = [[] for _ in allowances]
    band_information = [0.0] * len(allowances)
    gains = [information.copy() for _ in allowances]  # information that each bit would add to the band
    open_bands = set(range(len(allowances)))
    while open_bands:
        band = max(
            open_bands, key=lambda k: (_log2_pattern_count(len(assigned[k]), allowances[k]) - band_information[k], -k)
        )
        bit = int(gains[band].argmax())
        if gains[band][bit] < 0.01 or band_information[band] >= enough or len(assigned[band]) == WIDEST:
            open_bands.remove(band)
            continue
        band_information[band] += float(gains[band][bit])
        assigned[band].append(bit)
        gains[band] -= overlap[bit]
        for other in gains:
            other[bit] = -np.inf
    return [Band(np.array(bits, np.int64), flips) for bits, flips in zip(assigned, allowances, strict=True)]


def _nanoseconds(plan: Sequence[Band], a: Words, b: Words, sample_a: Words, sample_b: Words) -> float:
    """Estimate the time of a search from the share of candidates among the pairs of the samples."""
    flips = np.array([band.flips for band in plan], np.int64)
    shares = _count_candidates(sample_a, sample_b, word_masks(plan), flips) / (len(sample_a) * len(sample_b))
    total = 0.0
    for band, share in zip(plan, shares.tolist(), strict=True):
        width = len(band.bits)
        candidates = max(share, _pattern_count(width, band.flips) / 2**width) * len(a) * len(b)
        total += _PER_CODE * (len(a) + len(b)) + _PER_BUCKET * 2**width
        total += _PER_LOOKUP * _pattern_count(width, band.flips) * len(a) + _PER_CANDIDATE * candidates
    return total


@functools.cache
def _pattern_count(width: int, flips: int) -> int:
    """Number of patterns that `patterns` returns for a band."""
    return sum(math.comb(width, number) for number in range(min(flips, width) + 1))


@functools.cache
def _log2_pattern_count(width: int, flips: int) -> float:
    return math.log2(_pattern_count(width, flips))


@compiled
def ones(word: np.uint64) -> np.uint64:
    """Number of set bits. LLVM compiles this pattern to one instruction if the CPU has it."""
    word = word - ((word >> np.uint64(1)) & np.uint64(0x5555555555555555))
    word = (word & np.uint64(0x3333333333333333)) + ((word >> np.uint64(2)) & np.uint64(0x3333333333333333))
    word = (word + (word >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return (word * np.uint64(0x0101010101010101)) >> np.uint64(56)


@entry_point("(uint64[:,::1], uint64[:,::1], uint64[:,::1], int64[::1])")
def _count_candidates(a: Words, b: Words, masks: Words, flips: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Count, for each band, the pairs of a and b that differ in at most its allowance of bits."""
    counts = np.zeros(len(masks), np.int64)
    for k in range(len(masks)):
        high, low, most, count = masks[k, 0], masks[k, 1], np.uint64(flips[k]), np.int64(0)
        for x in range(len(a)):
            for y in range(len(b)):
                count += np.int64(ones((a[x, 0] ^ b[y, 0]) & high) + ones((a[x, 1] ^ b[y, 1]) & low) <= most)
        counts[k] = count
    return counts
