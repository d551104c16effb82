"""Measure one picture: how fine its detail is, how colourful it is, how strongly it is compressed.

All measures are integers, so that equal pictures have equal measures and results do not depend on the last bits of
floating-point sums.
"""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from pipeline.dedup.originals.encoding import Encoding

Image = npt.NDArray[np.uint8]
Plane = npt.NDArray[np.float32]
Values = npt.NDArray[np.floating]

BANDS = 24
"""Number of bands of the spectrum, from frequency 0 to the Nyquist frequency."""

MANY_COLOURS = 4096
"""Colours are counted up to this number; a palette has at most 256."""
_FEW_PIXELS = 1 << 15
"""So few pixels are sorted faster than a table of all colours is made."""

_TILE = 128
_SMALLEST_TILE = 32
_MOST_TILES = 24
_LEAST_GRADIENT = 1.0
"""Levels per 8 pixels; tiles with less show compression, not the picture."""
_AXIS = 0.05
_LARGEST_PLANE = 4096
_LONGEST_PERIOD = 10
_PERIODOGRAM = 8192
_FAINTEST = 0.02
"""Least amplitude of a trace of enlargement; photographs have up to 0.01."""
_OF_BLOCKS, _MORE_THAN_BLOCKS = 0.5, 1.6
"""At the frequencies of JPEG blocks, the least amplitude of a trace; at a period of 2, relative to the other ones."""


@dataclass(frozen=True)
class Measures:
    """What is measured of one picture.

    Attributes:
        width, height: pixels, after EXIF orientation; for a face, of its box.
        frames: number of frames or pages.
        bits: bits of a sample.
        colours: number of different colours, at most `MANY_COLOURS`.
        equal_neighbours: pixels with the colour of the pixels to the right and below, in thousandths.
        chroma: see `measure_chroma`.
        resampling: the trace of an enlargement: frequency per pixel in ten-thousandths, amplitude in thousandths;
            zeros if there is none.
        spectrum: power of the detail in `BANDS` bands, in tenths of a decibel, times the squared frequency, so that
            natural pictures have about the same value in all bands; None if the picture is too small or flat.
        lossy: whether the encoding is lossy.
        density: bytes of the file per 1,000 pixels.
    """

    width: int
    height: int
    frames: int
    bits: int
    colours: int
    equal_neighbours: int
    chroma: int
    resampling: tuple[int, int]
    spectrum: tuple[int, ...] | None
    lossy: bool
    density: int


def measure(image: Image, encoding: Encoding, frames: int, encoded_bytes: int) -> Measures:
    """Measure a decoded picture.

    Args:
        image: uint8 (H, W, 3) RGB, the whole source.
        encoding: how the source is encoded.
        frames: number of frames or pages.
        encoded_bytes: length of the file.
    """
    height, width = image.shape[:2]
    middle = image[_middle(height), _middle(width)]
    luma = np.asarray(cv2.cvtColor(middle, cv2.COLOR_RGB2GRAY), np.uint8)
    return Measures(
        width,
        height,
        frames,
        encoding.bits,
        _count_colours(image),
        _equal_neighbours(middle),
        measure_chroma(image),
        _resampling(luma),
        _spectrum(luma.astype(np.float32)),
        encoding.lossy,
        round(1000 * encoded_bytes / (width * height)),
    )


def _middle(length: int) -> slice:
    """The middle of a very long side; measuring all of it would show the same."""
    start = max(0, (length - _LARGEST_PLANE) // 2)
    return slice(start, start + _LARGEST_PLANE)


def _count_colours(image: Image) -> int:
    """Number of different colours in up to a million pixels, at most `MANY_COLOURS`."""
    step = max(1, round((image.shape[0] * image.shape[1] / 1e6) ** 0.5))
    pixels = np.ascontiguousarray(image[::step, ::step]).reshape(-1, 3).astype(np.int32)
    colours = pixels[:, 0] << 16 | pixels[:, 1] << 8 | pixels[:, 2]
    if len(colours) < _FEW_PIXELS:
        return min(len(np.unique(colours)), MANY_COLOURS)
    seen = np.zeros(1 << 24, bool)
    seen[colours] = True
    return min(int(np.count_nonzero(seen)), MANY_COLOURS)


def _equal_neighbours(image: Image) -> int:
    pixel = image[:-1, :-1]
    equal = ((pixel == image[:-1, 1:]) & (pixel == image[1:, :-1])).all(axis=2)
    return round(1000 * float(equal.mean())) if equal.size else 0


def measure_chroma(image: Image) -> int:
    """Spread of the chroma at equal luma, in hundredths of a level: 0 for grey, little for a tone of a single colour.

    It is the mean deviation of Cb and Cr from their medians among pixels of about the same luma. The picture is reduced
    first, which averages the noise of compressed chroma.

    Args:
        image: uint8 (H, W, 3) RGB.
    """
    small = cv2.resize(image, (64, 64), interpolation=cv2.INTER_AREA)
    luma, *chroma = (np.asarray(plane, np.uint8) for plane in cv2.split(cv2.cvtColor(small, cv2.COLOR_RGB2YCrCb)))
    bins = luma.ravel() >> 3
    total = 0.0
    for plane in chroma:
        values = plane.ravel().astype(np.float64)
        total += float(np.abs(values - medians(values, bins, 32)[0][bins]).sum())
    return round(100 * total / len(bins))


def medians(values: Values, groups: npt.NDArray[np.integer], count: int) -> tuple[Values, npt.NDArray[np.int64]]:
    """Median and number of the values of each group; the median of an empty group has no meaning.

    Args:
        values: float (n,).
        groups: (n,), the group of each value, 0 to count - 1.
        count: number of groups.
    """
    order = np.lexsort((values, groups))
    edges = np.searchsorted(groups[order], np.arange(count + 1))
    lengths = np.diff(edges)
    last = len(values) - 1
    low, high = (np.minimum(edges[:-1] + half, last) for half in ((lengths - 1) // 2, lengths // 2))
    return (values[order[low]] + values[order[high]]) / 2, lengths


def _resampling(luma: Image) -> tuple[int, int]:
    """The trace of an enlargement by a factor s: a period of s pixels in the mean differences of neighbours.

    Interpolation makes differences small between the pixels of the source, and repeated pixels make most of them zero
    (Gallagher 2005, "Detection of linear and cubic interpolation in JPEG compressed images").

    Returns:
        Frequency per pixel in ten-thousandths and amplitude relative to the mean in thousandths, or zeros. A factor
        below 2 gives the frequency 1 - 1/s.
    """
    amplitudes = np.minimum(*(_periodogram(np.abs(np.diff(luma.astype(np.int16), axis=axis)), axis) for axis in (0, 1)))
    bins = np.arange(len(amplitudes)) * 8 / _PERIODOGRAM
    block = np.rint(bins)
    of_blocks = [float(amplitudes[_PERIODOGRAM * n // 8]) for n in (1, 2, 3)]  # blocks of 8 pixels have periods, too
    explained = np.where(block == 4, _MORE_THAN_BLOCKS * max(of_blocks), _OF_BLOCKS)
    amplitudes[(np.abs(bins - block) < 0.04) & (amplitudes < explained)] = 0
    amplitudes[: _PERIODOGRAM // _LONGEST_PERIOD] = 0
    strongest = float(amplitudes.max())
    if strongest < _FAINTEST:
        return 0, 0
    at = int(np.argmax(amplitudes > 0.6 * strongest))  # repeated pixels have harmonics
    at += int(np.argmax(amplitudes[at : at + _PERIODOGRAM // 200]))
    return round(10_000 * at / _PERIODOGRAM), round(1000 * strongest)


def _periodogram(differences: npt.NDArray[np.int16], axis: int) -> npt.NDArray[np.float64]:
    """Amplitudes of the mean differences by frequency, relative to their mean; frequencies 0 to 1/2 per pixel.

    Each value is the largest of its neighbourhood, because the factors of the two sides may differ by rounding.
    """
    means = differences.mean(axis=1 - axis)
    window = np.hanning(len(means) + 2)[1:-1]
    level = float((means * window).sum())
    if len(means) < 4 * _LONGEST_PERIOD or not level:
        return np.zeros(_PERIODOGRAM // 2 + 1)
    trend = np.convolve(np.pad(means, 8, mode="edge"), np.full(17, 1 / 17), "valid")
    amplitudes = np.abs(np.fft.rfft((means - trend) * window, _PERIODOGRAM)) / level
    largest = cv2.dilate(amplitudes, np.ones((2 * _PERIODOGRAM // 500 + 1, 1), np.uint8))
    return np.asarray(largest, np.float64).ravel()


def _spectrum(luma: Plane) -> tuple[int, ...] | None:
    """Mean logarithm of the power of textured tiles by band of frequency; see `Measures.spectrum`.

    Frequencies along an axis are left out, because block edges, frames and lines have their power there.
    """
    side = min(_TILE, *luma.shape)
    if side < _SMALLEST_TILE:
        return None
    tiles = _textured_tiles(luma, side)
    if not tiles:
        return None
    window = np.hanning(side + 2)[1:-1]
    window = np.outer(window, window)
    down, across = np.abs(np.fft.fftfreq(side))[:, None] * 2, np.fft.rfftfreq(side)[None] * 2
    frequency = np.hypot(down, across)
    inner = (down > _AXIS) & (across > _AXIS) & (frequency < 1)
    band = np.minimum((frequency * BANDS).astype(np.int64), BANDS - 1)[inner]
    count = np.maximum(np.bincount(band, minlength=BANDS), 1)
    decibels = np.zeros(BANDS)
    for tile in tiles:
        power = np.abs(np.fft.rfft2((tile - tile.mean()) * window)) ** 2 / (window**2).sum()
        mean = np.bincount(band, (power * frequency**2)[inner], BANDS) / count
        decibels += 10 * np.log10(mean + 1e-3)
    return tuple(round(10 * value / len(tiles)) for value in decibels)


def _textured_tiles(luma: Plane, side: int) -> list[Plane]:
    """The tiles with the strongest median gradient of means over 8×8 pixels.

    The median leaves out flat areas with a frame or an edge in them; the means leave out noise, dither and pixels.
    """
    height, width = luma.shape
    step = max(side // 2, round((height * width / 256) ** 0.5))
    corners = [(y, x) for y in range(0, height - side + 1, step) for x in range(0, width - side + 1, step)]
    tiles = [luma[y : y + side, x : x + side] for y, x in corners]
    coarse = [cv2.resize(tile, (side // 8, side // 8), interpolation=cv2.INTER_AREA) for tile in tiles]
    gradients = [
        float(np.median(np.abs(np.diff(tile, axis=0)))) + float(np.median(np.abs(np.diff(tile, axis=1))))
        for tile in coarse
    ]
    order = sorted(range(len(tiles)), key=lambda n: (-gradients[n], n))
    return [tiles[n] for n in order[: min(_MOST_TILES, (len(tiles) + 1) // 2)] if gradients[n] >= _LEAST_GRADIENT]
