"""The cosine transform equals that of scipy, and the bands partition the frequencies."""

import numpy as np
import pytest
from scipy.fft import dctn

from pipeline.dedup.scoring import spectrum


@pytest.mark.parametrize("side", [32, 64, 128])
def test_frequencies_are_those_of_the_cosine_transform(side: int) -> None:
    """The coefficients equal those of scipy's orthonormal DCT; pixels outside are replaced by the mean."""
    plane = np.random.default_rng(side).uniform(0, 255, (side, side))
    inside = np.ones((side, side), bool)
    expected = dctn(plane - plane.mean(), norm="ortho")[:24, :24]
    assert np.abs(spectrum.dct_coefficients(plane, inside, spectrum.dct_rows(side, 24)) - expected).max() < 1e-8
    inside[: side // 3] = False
    centred = np.where(inside, plane - plane[inside].mean(), 0)
    found = spectrum.dct_coefficients(np.where(inside, plane, 0), inside, spectrum.dct_rows(side, 24))
    assert np.abs(found - dctn(centred, norm="ortho")[:24, :24]).max() < 1e-8


def test_each_frequency_is_in_at_most_one_band() -> None:
    """The length of the frequency vector decides the band; vectors outside all edges are in none."""
    bands, pairs = spectrum.frequency_bands((0.5, 2.5, 5.5), 8)
    length = np.hypot(*np.mgrid[0:8, 0:8])
    assert (bands[(length > 0.5) & (length <= 2.5)] == 0).all() and (bands[(length > 2.5) & (length <= 5.5)] == 1).all()
    assert bands[0, 0] == -1 and (bands[length > 5.5] == -1).all()
    assert pairs.tolist() == [(bands == 0).sum(), (bands == 1).sum()]
