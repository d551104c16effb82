"""Bars are found, also after recompression, and seldom where there are none."""

import hashlib
import io
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

from pipeline.dedup.encoder.encoder_input import cut
from pipeline.dedup.encoder.letterbox import content_boxes, strip_bars, strip_frame

Change = Callable[[np.ndarray], np.ndarray]


@pytest.fixture
def pictures() -> np.ndarray:
    """Pictures of random squares without bars, uint8 (20, 32, 32, 3)."""
    coarse = np.random.default_rng(0).integers(0, 256, (20, 8, 8, 3)).astype(np.uint8)
    return coarse.repeat(4, axis=1).repeat(4, axis=2)


@pytest.mark.parametrize("colour", [(0, 0, 0), (255, 255, 255), (20, 90, 200)])
@pytest.mark.parametrize("sides", [(3, 3, 3, 3), (5, 5, 0, 0), (0, 0, 4, 4), (0, 2, 0, 0)])
def test_bars_are_cut_off(pictures: np.ndarray, colour: tuple[int, int, int], sides: tuple[int, ...]) -> None:
    """Frames, letterboxes and single bars are cut off together with the adjacent line."""
    top, bottom, left, right = sides
    framed = pictures.copy()
    rows, columns = slice(top, 32 - bottom), slice(left, 32 - right)
    framed[:] = np.array(colour, np.uint8)
    framed[:, rows, columns] = pictures[:, rows, columns]
    more = [bar + 1 if bar else 0 for bar in sides]
    box = (more[0], more[2], 32 - more[0] - more[1], 32 - more[2] - more[3])
    assert np.array_equal(strip_bars(framed), cut(pictures, box))


def test_the_content_box_is_returned(pictures: np.ndarray) -> None:
    """The box is top, left, height and width, without the mixed line; it is the whole picture if there are no bars."""
    framed = pictures[:2].copy()
    framed[1, :4] = framed[1, :, 29:] = 0
    assert content_boxes(framed).tolist() == [[0, 0, 32, 32], [5, 0, 27, 28]]


def test_pictures_without_bars_are_unchanged(pictures: np.ndarray) -> None:
    """Nothing is cut off pictures without bars, constant pictures, and pictures that would keep too few lines."""
    assert np.array_equal(strip_bars(pictures), pictures)
    even = np.full((1, 32, 32, 3), 200, np.uint8)
    assert np.array_equal(strip_bars(even), even)
    spot = even.copy()
    spot[0, 15:17, 15:17] = 0
    assert np.array_equal(strip_bars(spot), spot)


def test_the_result_is_the_same_on_every_processor(pictures: np.ndarray) -> None:
    """The output equals stored bytes; a change requires fitting the weights of the pair scorer again."""
    made = pictures.copy()
    made[:15, :4] = made[:15, 28:] = (240, 250, 245)
    made[5:10, :, :5] = made[5:10, :, 27:] = (240, 250, 245)
    made[10:15, 28:] = made[15:, :, :3] = 7
    made[::2, 0, 0] = 120
    parts = [strip_bars(made), strip_frame(made), content_boxes(made)]
    assert (
        hashlib.sha256(b"".join(part.tobytes() for part in parts)).hexdigest()
        == "f03e6b58f0fd908eb87fba59f35baf5c5414264a9a4be60884f8186fddf48b20"
    )


def framed(pictures: np.ndarray, bars: tuple[int, int], colour: int) -> np.ndarray:
    """Add bars of given heights and widths; the pictures are scaled to the rest of 32×32."""
    (tall, wide), made = bars, np.full((len(pictures), 32, 32, 3), colour, np.uint8)
    for picture, out in zip(pictures, made, strict=True):
        small = Image.fromarray(picture).resize((32 - 2 * wide, 32 - 2 * tall), Image.Resampling.BOX)
        out[tall : 32 - tall, wide : 32 - wide] = np.array(small)
    return made


def changed_corners(image: np.ndarray) -> np.ndarray:
    """Change the four corner pixels, like rounded corners or a shadow."""
    image[[0, 0, 31, 31], [0, 31, 0, 31]] = image[0, 5] // 2 + 60
    return image


def noisy(image: np.ndarray) -> np.ndarray:
    """Add noise with a standard deviation of three levels."""
    noise = np.random.default_rng(int(image.sum())).normal(0, 3, image.shape)
    return (image + noise).round().clip(0, 255).astype(np.uint8)


def saved(image: np.ndarray) -> np.ndarray:
    """Save as JPEG of quality 85 at 32×32, where compression changes bars most."""
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=85)
    return np.array(Image.open(file))


@pytest.mark.parametrize("change", [changed_corners, noisy, saved])
@pytest.mark.parametrize("bars", [(4, 4), (6, 6), (2, 2), (5, 0), (0, 4)])
@pytest.mark.parametrize("colour", [250, 5, 128])
def test_frames_and_letterboxes_are_found_in_spite_of_noise(
    scenes: Callable[[int, int], np.ndarray], bars: tuple[int, int], colour: int, change: Change
) -> None:
    """At least 85 % of 60 scenes lose their bars and little else, by `strip_bars` and by `strip_frame`."""
    made = np.stack([change(image) for image in framed(scenes(60, 11), bars, colour)])
    found = content_boxes(made)
    least = np.array([bar + 1 if bar else 0 for bar in (bars[0], bars[1])])
    sizes = 32 - 2 * least
    exact = (np.abs(found[:, :2] - least) <= 1).all(axis=1) & (np.abs(found[:, 2:] - sizes) <= 2).all(axis=1)
    assert exact.mean() >= 0.85
    assert (strip_frame(made) != made).any(axis=(1, 2, 3)).mean() >= 0.85


def test_an_object_on_a_plain_background_has_no_frame() -> None:
    """`strip_frame` leaves the picture unchanged, because the object has no straight edge."""
    y, x = np.mgrid[0:32, 0:32]
    inside = (np.abs(y - 15.5) + np.abs(x - 15.5) < 12)[..., None]
    kite = np.where(inside, (40, 90, 160), (245, 245, 240)).astype(np.uint8)[None]
    assert np.array_equal(strip_frame(kite), kite)
    assert content_boxes(kite)[0].tolist() != [0, 0, 32, 32]


def test_single_bars_are_not_a_frame(pictures: np.ndarray) -> None:
    """A plain sky, or two opposite bars of different colours, are cut off by `strip_bars` alone."""
    sky, unlike = pictures.copy(), pictures.copy()
    sky[:, :5] = 230
    unlike[:, :5], unlike[:, 27:] = 230, 20
    for made in (sky, unlike):
        assert np.array_equal(strip_frame(made), made)
        assert not np.array_equal(strip_bars(made), made)
