"""What is measured of one picture."""

import io

import numpy as np
import pytest
from PIL import Image, ImageFilter

from pipeline.dedup.originals.encoding import UNKNOWN, read_encoding
from pipeline.dedup.originals.measures import BANDS, Measures, measure
from tests.dedup.originals.conftest import COPIES, Picture, encoded, resized


def measured(picture: Picture) -> Measures:
    return measure(np.asarray(picture.convert("RGB")), UNKNOWN, 1, 1000)


@pytest.mark.parametrize("factor", [2, 3, 5, 1.5])
def test_an_enlargement_leaves_its_period(photographs: list[tuple[Picture, bytes]], factor: float) -> None:
    """Interpolation by s has a period of s pixels, so a frequency of 1/s, or of 1 - 1/s below 2."""
    frequency, amplitude = measured(resized(photographs[0][0], factor)).resampling
    assert frequency == pytest.approx(1e4 * min(1 / factor, 1 - 1 / factor), abs=40) and amplitude > 30


def test_repeated_pixels_have_a_strong_period(photographs: list[tuple[Picture, bytes]]) -> None:
    """Pixels that were repeated six times are found after the picture was saved at quality 60."""
    enlarged = Image.open(io.BytesIO(COPIES["enlarged thumbnail"][0](photographs[0][0])))
    frequency, amplitude = measured(enlarged).resampling
    assert frequency == pytest.approx(1e4 / 6, abs=40) and amplitude > 250


@pytest.mark.parametrize("quality", [25, 60, 95])
def test_blocks_of_a_jpeg_are_no_enlargement(photographs: list[tuple[Picture, bytes]], quality: int) -> None:
    """The blocks of 8 pixels have periods, too, which do not count."""
    for picture, _ in photographs:
        saved = Image.open(io.BytesIO(encoded(picture, quality=quality)))
        assert measured(saved).resampling[1] < 60


def test_blurring_lowers_the_high_bands_only(photographs: list[tuple[Picture, bytes]]) -> None:
    """The spectrum has 24 bands; blurring leaves the low ones and takes over 15 dB from the high ones."""
    picture, _ = photographs[0]
    sharp, blurred = measured(picture).spectrum, measured(picture.filter(ImageFilter.GaussianBlur(1.5))).spectrum
    assert sharp and blurred and len(sharp) == len(blurred) == BANDS
    assert abs(sharp[2] - blurred[2]) < 40
    assert sharp[16] - blurred[16] > 150


def test_chroma_tells_colour_from_one_tone(photographs: list[tuple[Picture, bytes]]) -> None:
    """Grey pictures have none; a tone of one colour has little; photographs have several levels."""
    picture, _ = photographs[0]
    grey = np.asarray(picture.convert("L"))
    toned = np.stack([grey, (grey * 0.85).astype(np.uint8), (grey * 0.6).astype(np.uint8)], axis=2)
    assert measured(picture.convert("L")).chroma == 0
    assert measured(Image.fromarray(toned)).chroma < 60
    assert measured(picture).chroma > 200


def test_a_tiny_picture_is_measured(photographs: list[tuple[Picture, bytes]]) -> None:
    """A picture too small for a spectrum has none."""
    tiny = measured(photographs[0][0].resize((20, 9)))
    assert tiny.spectrum is None and tiny.resampling == (0, 0) and (tiny.width, tiny.height) == (20, 9)


def test_the_header_says_how_a_picture_is_encoded(photographs: list[tuple[Picture, bytes]]) -> None:
    """Bits, quantisation steps and loss come from the header; a file that is no picture gives the defaults."""
    picture, original = photographs[0]
    jpeg, coarse = read_encoding(original), read_encoding(encoded(picture, quality=25))
    assert jpeg.lossy and jpeg.steps and coarse.steps and len(jpeg.steps) == 64 and jpeg.steps[5] < coarse.steps[5]
    assert read_encoding(encoded(picture, "WEBP", quality=50)).lossy
    assert not read_encoding(encoded(picture, "WEBP", lossless=True)).lossy
    assert not read_encoding(encoded(picture, "PNG")).lossy
    assert read_encoding(encoded(Image.fromarray(np.zeros((9, 9), np.uint16)), "PNG")).bits == 16
    assert read_encoding(b"nothing") == UNKNOWN
