"""What others find near-duplicates with, on pictures of 32×32: hashes of a picture and a largest distance between them.

    from dedup_baselines import detectors
    for detector in detectors():
        detector.found(originals, copies)      # which of aligned pairs it finds
        detector.false_pairs(unrelated)        # how many pairs of unrelated pictures it takes for copies

Each hash is bit for bit that of the package named at it; here whole batches are hashed at once. A hash of many pictures
is uint64 (N, words); two pictures make a pair when their hashes differ in at most `most` bits and, where `least` is
given, the normalised cross-correlation of their grey values is at least that.
"""

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy.fft import dct

from pipeline.core.jit import compiled
from pipeline.imageset.format.image_set import Images, Rows

try:
    import pdqhash  # comes as source and needs a C++ compiler
except ImportError:
    pdqhash = None

Hashes = npt.NDArray[np.uint64]
Flags = npt.NDArray[np.bool_]
_BLOCK = 4096


@dataclass(frozen=True)
class Detector:
    """A hash, and when two pictures count as copies.

    Attributes:
        name: for tables.
        hashes: from uint8 (N, 32, 32, 3) to uint64 (N, words).
        most: bits in which the hashes of a pair may differ.
        least: correlation that a pair has at least, -1..1; None when the hashes alone decide.
    """

    name: str
    hashes: Callable[[Images], Hashes]
    most: int
    least: float | None = None

    def found(self, originals: Images, copies: Images) -> Flags:
        """Which copies it finds, given aligned originals and copies, both uint8 (N, 32, 32, 3): bool (N,)."""
        distance = np.bitwise_count(self.hashes(originals) ^ self.hashes(copies)).sum(axis=1, dtype=np.int64)
        near: Flags = distance <= self.most
        if self.least is not None:
            near &= (standardised(originals) * standardised(copies)).sum(axis=1) >= self.least
        return near

    def pairs(self, images: Images) -> Iterator[Rows]:
        """All pairs among uint8 (N, 32, 32, 3): blocks of int64 (n, 2), the first of a pair before the second."""
        hashes = self.hashes(images)
        pixels = None if self.least is None else standardised(images)
        for start in range(0, len(hashes), _BLOCK):
            pairs = pairs_from(hashes, start, min(start + _BLOCK, len(hashes)), self.most)
            if pixels is not None:
                pairs = pairs[_products(pixels, pairs) >= self.least]
            yield pairs

    def false_pairs(self, images: Images) -> int:
        """Pairs among all of uint8 (N, 32, 32, 3), each of which is false when no two pictures are copies."""
        return sum(len(pairs) for pairs in self.pairs(images))


def detectors() -> list[Detector]:
    """The detectors to compare with, each at the setting that its package or common advice gives."""
    found = [
        Detector("pHash, equal (CleanVision)", phash, 0),
        Detector("pHash, 10 of 64 bits (imagededup)", phash_imagededup, 10),
        Detector("pHash, 14 of 64 bits, correlation 0.85", phash, 14, 0.85),
        Detector("dHash, 2 of 64 bits", dhash, 2),
        Detector("pHash, 40 of 256 bits", phash16, 40),
    ]
    if pdqhash is not None:
        found.append(Detector("PDQ, 31 of 256 bits", pdq, 31))
    return found


# Hashes.


def blocked(function: Callable[[Images], npt.NDArray[Any]]) -> Callable[[Images], npt.NDArray[Any]]:
    """Apply a function of pictures, row by row independent, to at least one picture in blocks that memory holds."""

    @functools.wraps(function)
    def of_all(images: Images) -> npt.NDArray[Any]:
        return np.concatenate([function(images[at : at + _BLOCK]) for at in range(0, len(images), _BLOCK)])

    return of_all


def grey(images: Images) -> npt.NDArray[np.uint8]:
    """Pillow's mode L: uint8 (N, H, W, 3) to uint8 (N, H, W)."""
    weights = np.array([19595, 38470, 7471], np.uint32)
    luma: npt.NDArray[np.uint8] = ((images @ weights + 0x8000) >> 16).astype(np.uint8)
    return luma


@blocked
def phash(images: Images) -> Hashes:
    """`imagehash.phash`, 64 bits; equal hashes of this size are what CleanVision calls near duplicates."""
    low = _low_frequencies(grey(images), 8)
    return _packed(low > np.median(low, axis=1, keepdims=True))


@blocked
def phash16(images: Images) -> Hashes:
    """`imagehash.phash(hash_size=16)`, 256 bits; it enlarges to 64×64 first."""
    low = _low_frequencies(_resized(grey(images), 64, 64), 16)
    return _packed(low > np.median(low, axis=1, keepdims=True))


@blocked
def phash_imagededup(images: Images) -> Hashes:
    """imagededup's `PHash`, 64 bits: the median leaves out the mean level, and is itself a set bit.

    Its default is a distance of at most 10.
    """
    low = _low_frequencies(grey(images), 8)
    return _packed(low >= np.median(low[:, 1:], axis=1, keepdims=True))


@blocked
def dhash(images: Images) -> Hashes:
    """`imagehash.dhash`, 64 bits: whether a pixel of the 9×8 thumbnail is lighter than the one to its left."""
    small = _resized(grey(images), 9, 8)
    return _packed((small[:, :, 1:] > small[:, :, :-1]).reshape(len(images), -1))


@blocked
def pdq(images: Images) -> Hashes:
    """PDQ by `pdqhash`, 256 bits; ThreatExchange counts a distance of at most 31 as a match.

    It is made for large pictures, and leaves to its users what to do with those that it gives a low quality.
    """
    bits = np.empty((len(images), 256), np.bool_)
    for row, image in enumerate(images):
        bits[row], _ = pdqhash.compute(np.ascontiguousarray(image))
    return _packed(bits)


def _low_frequencies(grey: npt.NDArray[np.uint8], size: int) -> npt.NDArray[np.float64]:
    """Coefficients of the `size` lowest frequencies each way of the cosine transform: float64 (N, size²)."""
    transformed = dct(dct(grey.astype(np.float64), axis=1)[:, :size], axis=2)[:, :, :size]
    return transformed.reshape(len(grey), size * size)


def _resized(grey: npt.NDArray[np.uint8], width: int, height: int) -> npt.NDArray[np.uint8]:
    """Pillow's Lanczos of each of uint8 (N, H, W), all in two calls: it resizes lines, then columns, with no link."""
    for extent in (width, height):
        count, lines, length = grey.shape
        stacked = Image.fromarray(np.ascontiguousarray(grey).reshape(count * lines, length))
        made = np.asarray(stacked.resize((extent, count * lines), Image.Resampling.LANCZOS))
        grey = made.reshape(count, lines, extent).swapaxes(1, 2)
    return grey


def _packed(bits: Flags) -> Hashes:
    """bool (N, 64·words) as uint64 (N, words)."""
    return np.packbits(bits, axis=1).view(np.uint64)


# Pairs.


@blocked
def standardised(images: Images) -> npt.NDArray[np.float32]:
    """Grey values without their mean and at length 1, float32 (N, H·W); an even picture is all zeros."""
    values = (images.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32)).reshape(len(images), -1)
    values -= values.mean(axis=1, keepdims=True)
    length = np.linalg.norm(values, axis=1, keepdims=True)
    return np.divide(values, length, out=np.zeros_like(values), where=length > 1e-2)


def _products(pixels: npt.NDArray[np.float32], pairs: Rows) -> npt.NDArray[np.float32]:
    """Scalar products of pairs of rows, in blocks."""
    blocks = [pairs[start : start + 8192] for start in range(0, len(pairs), 8192)]
    return np.concatenate(
        [np.zeros(0, np.float32), *(np.einsum("ij,ij->i", pixels[b[:, 0]], pixels[b[:, 1]]) for b in blocks)]
    )


@compiled
def _distances(row: Hashes, others: Hashes) -> npt.NDArray[np.int64]:
    """Bits in which uint64 (words,) differs from each of uint64 (n, words): int64 (n,)."""
    distances = np.zeros(len(others), np.int64)
    for word in range(len(row)):
        for j in range(len(others)):
            x = row[word] ^ others[j, word]
            x -= (x >> np.uint64(1)) & np.uint64(0x5555555555555555)
            x = (x & np.uint64(0x3333333333333333)) + ((x >> np.uint64(2)) & np.uint64(0x3333333333333333))
            x = (x + (x >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
            distances[j] += np.int64((x * np.uint64(0x0101010101010101)) >> np.uint64(56))
    return distances


@compiled
def distance_counts(hashes: Hashes) -> npt.NDArray[np.int64]:
    """How many of all pairs of uint64 (N, words) lie at each distance: int64 (64·words + 1,)."""
    counts = np.zeros(64 * hashes.shape[1] + 1, np.int64)
    for i in range(len(hashes)):
        for distance in _distances(hashes[i], hashes[i + 1 :]):
            counts[distance] += 1
    return counts


def most_within(counts: npt.NDArray[np.int64], share: float) -> int:
    """The largest distance that at most this share of all pairs keeps within, by `distance_counts`; -1 for none."""
    return int(np.searchsorted(np.cumsum(counts), share * counts.sum(), side="right")) - 1


@compiled
def pairs_from(hashes: Hashes, start: int, stop: int, most: int) -> Rows:
    """Pairs at most `most` bits apart whose first row is in start..stop: int64 (n, 2), in order."""
    pairs = np.empty((64, 2), np.int64)
    count = 0
    for i in range(start, stop):
        for j in np.flatnonzero(_distances(hashes[i], hashes[i + 1 :]) <= most):
            if count == len(pairs):
                pairs = np.concatenate((pairs, np.empty_like(pairs)))
            pairs[count] = i, i + 1 + j
            count += 1
    return pairs[:count]
