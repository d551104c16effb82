"""The rounding of JPEG's coefficients tells which file was saved from the other one."""

import io

import numpy as np
import pytest
from PIL import Image

from pipeline.dedup.originals.blocks import coefficients, distance, earlier_of
from pipeline.dedup.originals.encoding import read_encoding
from tests.dedup.originals.conftest import Picture, encoded


def pixels(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


@pytest.mark.parametrize("quality", [30, 60, 75])
def test_a_jpeg_is_saved_from_the_finer_picture(photographs: list[tuple[Picture, bytes]], quality: int) -> None:
    """The source's coefficients are a quarter of a step away from those of the JPEG, whatever the step."""
    for picture, _ in photographs:
        data = encoded(picture, quality=quality)
        steps = read_encoding(data).steps
        assert steps
        source, jpeg = coefficients(np.asarray(picture)), coefficients(pixels(data))
        assert distance(jpeg, steps, source) == pytest.approx(0.25, abs=0.05)
        assert earlier_of((jpeg, steps), (source, None)) == 1


@pytest.mark.parametrize("quality", [96, 100])
def test_a_finer_file_is_saved_from_the_jpeg(photographs: list[tuple[Picture, bytes]], quality: int) -> None:
    """Saving a JPEG again with less compression gains nothing: its coefficients hardly move."""
    for picture, original in photographs:
        again = coefficients(pixels(encoded(picture, quality=quality)))
        steps = read_encoding(original).steps
        assert steps
        assert earlier_of((coefficients(np.asarray(picture)), steps), (again, None)) == 0


def test_another_picture_is_neither(photographs: list[tuple[Picture, bytes]]) -> None:
    """Unrelated coefficients are far away, and a picture smaller than a block has none."""
    picture, original = photographs[0]
    steps = read_encoding(original).steps
    assert steps
    flipped = coefficients(np.asarray(picture)[:, ::-1])
    assert earlier_of((coefficients(np.asarray(picture)), steps), (flipped, None)) is None
    tiny = coefficients(np.zeros((7, 90, 3), np.uint8))
    assert tiny.shape == (0, 64) and earlier_of((tiny, steps), (tiny, steps)) is None
