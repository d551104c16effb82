"""Common near-duplicate detectors on 32×32 pictures: perceptual hashes with a maximum distance.

    from dedup_baselines import detectors
    for detector in detectors():
        detector.found(originals, copies)      # which pairs (originals[i], copies[i]) it finds
        detector.false_pairs(unrelated)        # how many pairs of unrelated pictures it reports

Each hash equals that of the package named in its docstring bit for bit, but is computed for whole batches. Hashes are
uint64 (N, words). Two pictures are a pair if their hashes differ in at most `most` bits and, if `least` is given, the
normalised cross-correlation of their grey values is at least `least`.
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
    import pdqhash  # optional: only a source distribution exists, which needs a C++ compiler
except ImportError:
    pdqhash = None

Hashes = npt.NDArray[np.uint64]
Flags = npt.NDArray[np.bool_]
_BLOCK = 4096


@dataclass(frozen=True)
class Detector:
    """A hash and the rule by which two pictures count as copies.

    Attributes:
        name: name in tables.
        hashes: function from uint8 (N, 32, 32, 3) to uint64 (N, words).
        most: maximum number of bits in which the hashes of a pair differ.
        least: minimum correlation of a pair, -1..1; None if the hashes alone decide.
    """

    name: str
    hashes: Callable[[Images], Hashes]
    most: int
    least: float | None = None

    def found(self, originals: Images, copies: Images) -> Flags:
        """Tell for each i whether `originals[i]` and `copies[i]`, uint8 (N, 32, 32, 3), are a pair: bool (N,)."""
        distance = np.bitwise_count(self.hashes(originals) ^ self.hashes(copies)).sum(axis=1, dtype=np.int64)
        near: Flags = distance <= self.most
        if self.least is not None:
            near &= (standardised(originals) * standardised(copies)).sum(axis=1) >= self.least
        return near

    def pairs(self, images: Images) -> Iterator[Rows]:
        """Yield all pairs among uint8 (N, 32, 32, 3) in blocks of int64 (n, 2), the lower row of a pair first."""
        hashes = self.hashes(images)
        pixels = None if self.least is None else standardised(images)
        for start in range(0, len(hashes), _BLOCK):
            pairs = pairs_from(hashes, start, min(start + _BLOCK, len(hashes)), self.most)
            if pixels is not None:
                pairs = pairs[_products(pixels, pairs) >= self.least]
            yield pairs

    def false_pairs(self, images: Images) -> int:
        """Count the pairs among uint8 (N, 32, 32, 3); if no two pictures are copies, all of them are false."""
        return sum(len(pairs) for pairs in self.pairs(images))


def detectors() -> list[Detector]:
    """Return the detectors to compare with, at the default of their package or at a commonly recommended setting."""
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
    """Apply a row-wise function to blocks of pictures, which limits memory; there must be at least one picture."""

    @functools.wraps(function)
    def of_all(images: Images) -> npt.NDArray[Any]:
        return np.concatenate([function(images[at : at + _BLOCK]) for at in range(0, len(images), _BLOCK)])

    return of_all


def grey(images: Images) -> npt.NDArray[np.uint8]:
    """Convert uint8 (N, H, W, 3) to uint8 (N, H, W) as Pillow's mode L does."""
    weights = np.array([19595, 38470, 7471], np.uint32)
    luma: npt.NDArray[np.uint8] = ((images @ weights + 0x8000) >> 16).astype(np.uint8)
    return luma


@blocked
def phash(images: Images) -> Hashes:
    """`imagehash.phash`, 64 bits; CleanVision calls pictures with equal hashes of this size near duplicates."""
    low = _low_frequencies(grey(images), 8)
    return _packed(low > np.median(low, axis=1, keepdims=True))


@blocked
def phash16(images: Images) -> Hashes:
    """`imagehash.phash(hash_size=16)`, 256 bits, computed on the picture enlarged to 64×64."""
    low = _low_frequencies(_resized(grey(images), 64, 64), 16)
    return _packed(low > np.median(low, axis=1, keepdims=True))


@blocked
def phash_imagededup(images: Images) -> Hashes:
    """imagededup's `PHash`, 64 bits; its default maximum distance is 10.

    Unlike `imagehash.phash`, the median excludes the mean level, and a coefficient equal to the median sets its bit.
    """
    low = _low_frequencies(grey(images), 8)
    return _packed(low >= np.median(low[:, 1:], axis=1, keepdims=True))


@blocked
def dhash(images: Images) -> Hashes:
    """`imagehash.dhash`, 64 bits: a bit is set if a pixel of the 9×8 thumbnail is lighter than its left neighbour."""
    small = _resized(grey(images), 9, 8)
    return _packed((small[:, :, 1:] > small[:, :, :-1]).reshape(len(images), -1))


@blocked
def pdq(images: Images) -> Hashes:
    """PDQ by `pdqhash`, 256 bits; ThreatExchange counts a distance of at most 31 as a match.

    PDQ is made for large pictures. It also returns a quality, which is ignored here.
    """
    bits = np.empty((len(images), 256), np.bool_)
    for row, image in enumerate(images):
        bits[row], _ = pdqhash.compute(np.ascontiguousarray(image))
    return _packed(bits)


def _low_frequencies(grey: npt.NDArray[np.uint8], size: int) -> npt.NDArray[np.float64]:
    """Return the cosine coefficients of the `size` lowest frequencies per direction: float64 (N, size²)."""
    transformed = dct(dct(grey.astype(np.float64), axis=1)[:, :size], axis=2)[:, :, :size]
    return transformed.reshape(len(grey), size * size)


def _resized(grey: npt.NDArray[np.uint8], width: int, height: int) -> npt.NDArray[np.uint8]:
    """Resize uint8 (N, H, W) by Pillow's Lanczos filter in two calls: all lines of all pictures, then all columns."""
    for extent in (width, height):
        count, lines, length = grey.shape
        stacked = Image.fromarray(np.ascontiguousarray(grey).reshape(count * lines, length))
        made = np.asarray(stacked.resize((extent, count * lines), Image.Resampling.LANCZOS))
        grey = made.reshape(count, lines, extent).swapaxes(1, 2)
    return grey


def _packed(bits: Flags) -> Hashes:
    """Pack bool (N, 64·words) into uint64 (N, words)."""
    return np.packbits(bits, axis=1).view(np.uint64)


# Pairs.


@blocked
def standardised(images: Images) -> npt.NDArray[np.float32]:
    """Return grey values with mean 0 and length 1, float32 (N, H·W); zeros for a picture without contrast."""
    values = (images.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32)).reshape(len(images), -1)
    values -= values.mean(axis=1, keepdims=True)
    length = np.linalg.norm(values, axis=1, keepdims=True)
    return np.divide(values, length, out=np.zeros_like(values), where=length > 1e-2)


def _products(pixels: npt.NDArray[np.float32], pairs: Rows) -> npt.NDArray[np.float32]:
    """Return the scalar product of each pair of rows, computed in blocks."""
    blocks = [pairs[start : start + 8192] for start in range(0, len(pairs), 8192)]
    return np.concatenate(
        [np.zeros(0, np.float32), *(np.einsum("ij,ij->i", pixels[b[:, 0]], pixels[b[:, 1]]) for b in blocks)]
    )


@compiled
def _distances(row: Hashes, others: Hashes) -> npt.NDArray[np.int64]:
    """Count the bits in which uint64 (words,) differs from each of uint64 (n, words): int64 (n,)."""
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
    """Count the pairs of uint64 (N, words) at each Hamming distance: int64 (64·words + 1,)."""
    counts = np.zeros(64 * hashes.shape[1] + 1, np.int64)
    for i in range(len(hashes)):
        for distance in _distances(hashes[i], hashes[i + 1 :]):
            counts[distance] += 1
    return counts


def most_within(counts: npt.NDArray[np.int64], share: float) -> int:
    """Return the largest distance within which at most `share` of all pairs lie, from `distance_counts`; -1 if none."""
    return int(np.searchsorted(np.cumsum(counts), share * counts.sum(), side="right")) - 1


@compiled
def pairs_from(hashes: Hashes, start: int, stop: int, most: int) -> Rows:
    """Return the pairs at most `most` bits apart with the first row in start..stop - 1: int64 (n, 2), sorted."""
    pairs = np.empty((64, 2), np.int64)
    count = 0
    for i in range(start, stop):
        for j in np.flatnonzero(_distances(hashes[i], hashes[i + 1 :]) <= most):
            if count == len(pairs):
                pairs = np.concatenate((pairs, np.empty_like(pairs)))
            pairs[count] = i, i + 1 + j
            count += 1
    return pairs[:count]
