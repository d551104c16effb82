"""Icons and diagrams are copies only if they agree without an alignment; photographs are not affected."""

import io
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image, ImageDraw

from pipeline.dedup.scoring.graphics import differ_in_place, is_graphic
from pipeline.dedup.scoring.pair_scorer import score
from pipeline.imageset.format.image_set import Images


def rectangle(number: int) -> Image.Image:
    """A white rectangle on black, of another size and in another place for each number."""
    picture = Image.new("RGB", (256, 256))
    ImageDraw.Draw(picture).rectangle((10 + 9 * number, 30, 60 + 9 * number, 220 - 8 * number), fill="white")
    return picture


def ring(number: int) -> Image.Image:
    """A ring of another radius and in another place for each number."""
    picture = Image.new("RGB", (256, 256), "white")
    centre, radius = 80 + 8 * number, 70 - 4 * number
    box = (centre - radius, 128 - radius, centre + radius, 128 + radius)
    ImageDraw.Draw(picture).ellipse(box, outline="navy", width=12)
    return picture


def small(pictures: list[Image.Image]) -> Images:
    """Pictures at 32×32: uint8 (n, 32, 32, 3)."""
    return np.stack([np.asarray(one.resize((32, 32), Image.Resampling.BOX)) for one in pictures])


def as_jpeg(picture: Image.Image) -> Image.Image:
    """A picture after JPEG of quality 40."""
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=40)
    return Image.open(buffer)


@pytest.mark.parametrize("draw", [rectangle, ring])
def test_different_graphics_are_told_apart(draw: Callable[[int], Image.Image]) -> None:
    """Aligned, most neighbours agree completely; in place, none does."""
    pictures = small([draw(number) for number in range(9)])
    assert is_graphic(pictures).all()
    assert (score(pictures[:-1], pictures[1:]) > 3).any(), "the pictures no longer show what is tested"
    assert differ_in_place(pictures[:-1], pictures[1:]).all()


@pytest.mark.parametrize("draw", [rectangle, ring])
@pytest.mark.parametrize(
    "copy",
    [
        as_jpeg,
        lambda one: one.resize((90, 90)),
        lambda one: one.crop((3, 3, 253, 253)),
        lambda one: one.point(lambda v: v // 2),
    ],
)
def test_copies_of_graphics_agree_in_place(
    draw: Callable[[int], Image.Image], copy: Callable[..., Image.Image]
) -> None:
    """Saved again, scaled, slightly cropped, darkened."""
    pictures = [draw(number) for number in range(9)]
    assert not differ_in_place(small(pictures), small([copy(one) for one in pictures])).any()


def test_photographs_are_not_affected(scenes: Callable[[int, int], Images]) -> None:
    """Pictures with detail everywhere are no graphics, so that nothing is said of them."""
    pictures = np.ascontiguousarray(scenes(20, 1)[:, ::2, ::2])
    assert not is_graphic(pictures).any() and not differ_in_place(pictures, pictures[::-1]).any()
