"""Decide which of two pictures is more likely the source of the other one, and why.

The criteria of `REASONS` are applied in order, and the first one that tells the two apart decides. What a copy cannot
have gained comes before what may have changed in both directions: a picture in grey, with a mark or without its sides
is never the source of the other one, but a copy may well be saved with less compression than its source.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pipeline.dedup.originals.blocks import earlier_of
from pipeline.dedup.originals.differences import Differences
from pipeline.dedup.originals.examination import Examined
from pipeline.dedup.originals.measures import BANDS, Measures

REASONS = {
    "damaged": "the other one is damaged",
    "detail": "shows finer detail, or as fine detail with fewer pixels because the other one was enlarged",
    "colour": "has colours that the other one lacks",
    "depth": "has more bits, more colours or more frames",
    "added": "has no frame, bar or mark that the other one has",
    "cut_off": "shows sides that the other one lacks",
    "saved_again": "the other one was saved from it",
    "compression": "is less compressed",
}
"""Reasons to prefer a picture to another one, with their meanings, from first to last."""

_RATIO = 1.25
"""Least ratio of the resolutions of two pictures, along a side, that counts."""
_LOST = 8.0
"""A picture lacks the detail of a band if its power is this many decibels below that of the other one."""
_END = 10.0
"""Detail ends where the power falls by this many decibels."""
_NOISE = 8.0
"""Power in decibels that noise and compression may have at high frequencies."""
_ENLARGED = 1.15
_REPEATED = 200
"""Least amplitude of the trace, in thousandths, of pixels that were repeated."""
_TRACE, _SAME_FREQUENCY = 40, 0.006
"""Least amplitude of the trace of an interpolation, and how closely its frequency meets the scale of two pictures."""
_LOW_BANDS = 3
_FIRST_BAND = 2
"""The bands below are empty, because frequencies near the axes are left out."""
_SAME_ASPECT = 0.03
_SOME_CHROMA, _MORE_CHROMA = 100, 2.5
_PALETTE, _MORE_COLOURS = 256, 4
_GREY, _GREY_PALETTE = 60, 64
"""Chroma below which a picture is grey; it has at most 256 colours, so only fewer are a palette."""
_DRAWN = 850
"""With a larger share of equal neighbours, in thousandths, a picture of few colours is a drawing, and a file of it with
more colours has them from its compression. Photographs with a palette of 32 colours have up to 800."""
_ADDED, _MORE_ADDED = 3, 2
_CUT_OFF, _MUCH_CUT_OFF = 25, 250
"""Difference of what two pictures lack, in thousandths of what both show, that counts; and that comes before all else:
a part of a picture, however detailed, is no substitute for the rest."""
_DENSER = 1.3


class Preference(NamedTuple):
    """The outcome of a comparison.

    Attributes:
        winner: 0 for the left picture, 1 for the right one, None if nothing tells them apart.
        reason: one of `REASONS`; empty without a winner.
    """

    winner: int | None
    reason: str


UNDECIDED = Preference(None, "")


def damaged_loses(left: bool, right: bool) -> Preference:
    """The whole one of two pictures, if exactly one is damaged."""
    return UNDECIDED if left == right else Preference(int(left), "damaged")


def compare(left: Examined, right: Examined, differences: Differences | None) -> Preference:
    """Compare two whole pictures; exchanging them exchanges the outcome.

    Args:
        left, right: what is known of each.
        differences: what tells them apart; None if they could not be aligned.
    """
    a, b = left.measures, right.measures
    scale = _scale(a, b, differences)
    chroma = differences.chroma if differences else (a.chroma, b.chroma)
    ways: dict[str, Callable[[], int | None]] = {
        "detail": lambda: _detail(a, b, scale),
        "colour": lambda: _more(*chroma, _MORE_CHROMA, _SOME_CHROMA),
        "depth": lambda: _depth(a, b),
        "added": lambda: _fewer(differences.added) if differences else None,
        "cut_off": lambda: _whole(differences.cut_off) if differences else None,
        "saved_again": lambda: _saved_again(left, right),
        "compression": lambda: _compression(a, b, scale),
    }
    if differences and abs(differences.cut_off[0] - differences.cut_off[1]) >= _MUCH_CUT_OFF:
        return Preference(_whole(differences.cut_off), "cut_off")
    order = list(ways)
    if scale and max(scale, 1 / scale) < _RATIO:  # among as many pixels, dither and noise of tones look like detail
        order[:3] = ["colour", "depth", "detail"]
    for reason in order:
        winner = ways[reason]()
        if winner is not None:
            return Preference(winner, reason)
    return UNDECIDED


def _more(left: float, right: float, ratio: float, least: float = 0) -> int | None:
    """The side with the larger value, if it is at least `least` and larger by a ratio."""
    if max(left, right) < max(least, ratio * min(left, right)) or left == right:
        return None
    return int(right > left)


def _scale(left: Measures, right: Measures, differences: Differences | None) -> float | None:
    """Pixels of the left picture per pixel of the right one along a side; None if not known."""
    if differences:
        return max(differences.scale, 1) / 1000
    across, down = left.width / right.width, left.height / right.height
    return float((across * down) ** 0.5) if abs(across - down) <= _SAME_ASPECT * max(across, down) else None


def _detail(left: Measures, right: Measures, scale: float | None) -> int | None:
    """The side with the finer detail, or the one that the other was enlarged from."""
    if scale is None:
        return None
    if scale < 1:
        other = _detail(right, left, 1 / scale)
        return None if other is None else 1 - other
    # Frequencies are shares of the right picture's Nyquist frequency. Detail of the left one may reach to `scale`.
    finest = [scale / _repeats(left), 1 / _repeats(right)]
    if scale >= _ENLARGED and _enlarged_by(left, scale):
        return 1
    if left.spectrum and right.spectrum:
        spectra = [_Spectrum(left.spectrum, scale), _Spectrum(right.spectrum, 1.0)]
        common = min(1.0, *finest)
        finest = [
            min(finest[side], _end_of_detail(spectra[side], spectra[1 - side], common, finest[side])) for side in (0, 1)
        ]
        if finest[0] > 1.1:
            beyond = spectra[0].between(1.2, min(1.9, finest[0]))
            falls = beyond < spectra[0].between(0.5, 0.9) - _END
            if falls or beyond < _NOISE:
                finest[0] = 1.0
            ends = spectra[1].between(0.6, 0.95) < spectra[1].between(0.1, 0.35) - _END
            if falls and not ends and scale >= _ENLARGED and finest[1] >= 1 / _RATIO:
                return 1
    return _more(finest[0], finest[1], _RATIO)


def _repeats(picture: Measures) -> float:
    """The factor by which pixels were repeated along both sides, or 1."""
    frequency, amplitude = picture.resampling
    return 10_000 / frequency if amplitude >= _REPEATED else 1.0


def _enlarged_by(picture: Measures, scale: float) -> bool:
    """Whether a picture has the trace of an enlargement by this factor."""
    frequency, amplitude = picture.resampling
    expected = min(1 / scale, 1 - 1 / scale)
    return amplitude >= _TRACE and abs(frequency / 10_000 - expected) < _SAME_FREQUENCY


class _Spectrum:
    """Power of a picture by frequency.

    Args:
        tenths: as in `Measures.spectrum`.
        nyquist: frequency at which the spectrum ends.
    """

    def __init__(self, tenths: tuple[int, ...], nyquist: float) -> None:
        bands = np.arange(_FIRST_BAND, BANDS)
        self.frequencies = (bands + 0.5) / BANDS * nyquist
        self.decibels = np.array(tenths)[bands] / 10

    def at(self, frequencies: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Decibels at some frequencies; outside the spectrum, those at its end."""
        return np.interp(frequencies, self.frequencies, self.decibels)

    def between(self, low: float, high: float) -> float:
        """Median of the decibels between two frequencies, up to the end of the spectrum."""
        end = self.frequencies[-1]
        return float(np.median(self.at(np.linspace(min(low, end), min(high, end), 9))))


def _end_of_detail(spectrum: _Spectrum, other: _Spectrum, common: float, otherwise: float) -> float:
    """The frequency above which a picture lacks the detail of the other one, up to the frequency `common`.

    The mean difference at low frequencies does not count: it comes from contrast.
    """
    frequencies = np.arange(_FIRST_BAND + 0.5, common * BANDS) / BANDS
    if len(frequencies) < 2 * _LOW_BANDS:
        return otherwise
    lost = other.at(frequencies) - spectrum.at(frequencies)
    lost -= np.median(lost[:_LOW_BANDS])
    beyond = np.cumsum(lost[::-1])[::-1] / np.arange(len(lost), 0, -1)  # mean from each frequency on
    ends = np.flatnonzero((lost >= _LOST) & (beyond >= _LOST))
    return float(frequencies[ends[0]]) if len(ends) else otherwise


def _depth(left: Measures, right: Measures) -> int | None:
    for name in ("frames", "bits"):
        values = getattr(left, name), getattr(right, name)
        if values[0] != values[1]:
            return int(values[1] > values[0])
    fewer = min((left, right), key=lambda one: one.colours)
    palette = _PALETTE if fewer.chroma >= _GREY else _GREY_PALETTE
    if fewer.colours > palette or fewer.equal_neighbours > _DRAWN:
        return None
    return _more(left.colours, right.colours, _MORE_COLOURS)


def _fewer(added: tuple[int, int]) -> int | None:
    more = _more(*added, _MORE_ADDED, _ADDED)
    return None if more is None else 1 - more


def _whole(cut_off: tuple[int, int]) -> int | None:
    """The side that lacks less, if the difference is clear."""
    return None if abs(cut_off[0] - cut_off[1]) < _CUT_OFF else int(cut_off[0] > cut_off[1])


def _saved_again(left: Examined, right: Examined) -> int | None:
    """The side that the other one was saved from, if the blocks of a JPEG show it."""
    if (left.measures.width, left.measures.height) != (right.measures.width, right.measures.height):
        return None
    return earlier_of(
        (left.coefficients, left.encoding.steps),
        (right.coefficients, right.encoding.steps),
    )


def _compression(left: Measures, right: Measures, scale: float | None) -> int | None:
    if left.lossy != right.lossy:
        return int(left.lossy)
    if not left.lossy or scale is None or max(scale, 1 / scale) > _RATIO:
        return None
    return _more(left.density, right.density, _DENSER)
