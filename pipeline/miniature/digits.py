"""Draw digits: house numbers as substitutes for SVHN's photographs, slanted white strokes for MNIST's digits."""

import functools

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from pipeline.miniature.palette import between, chance, hsv, pick
from pipeline.miniature.perspective import mix, shade

_FINE = 4
"""Drawn pixels per pixel of the picture and side."""

_GLYPH = 96
"""Height of the font in drawn pixels, before digits are distorted."""

Corners = tuple[float, float, float, float, float, float, float, float]


@functools.lru_cache(maxsize=256)
def _glyph(digit: int, stroke: int) -> Image.Image:
    """A digit in white on black, cropped to its outline; a stroke around it makes it bolder."""
    font = ImageFont.load_default(_GLYPH)
    canvas = Image.new("L", (2 * _GLYPH, 2 * _GLYPH))
    pen = ImageDraw.Draw(canvas)
    pen.text((_GLYPH // 2, _GLYPH // 2), str(digit), fill=255, font=font, stroke_width=stroke)
    return canvas.crop(canvas.getbbox())


def _bent(rng: np.random.Generator, digit: int, stroke: int, jitter: float) -> Image.Image:
    """A digit whose corners are moved by at most `jitter` of its size, which rotates, slants and squeezes it."""
    glyph = _glyph(digit, stroke)
    wide, tall = glyph.size
    room = round(max(wide, tall) * jitter) + 2
    padded = Image.new("L", (wide + 2 * room, tall + 2 * room))
    padded.paste(glyph, (room, room))
    x0, y0, x1, y1 = 0, 0, padded.width, padded.height
    corners = [(x0, y0), (x0, y1), (x1, y1), (x1, y0)]
    moved = [(x + between(rng, -1, 1) * room, y + between(rng, -1, 1) * room) for x, y in corners]
    flat = tuple(round(length, 2) for corner in moved for length in corner)
    return padded.transform(padded.size, Image.Transform.QUAD, flat, Image.Resampling.BILINEAR)


def draw_house_number(rng: np.random.Generator, digit: int) -> npt.NDArray[np.uint8]:
    """Draw a digit on a wall, often with parts of neighbouring digits, as in SVHN's crops.

    Returns:
        uint8 (32, 32, 3) RGB.
    """
    side = 32 * _FINE
    hue = float(rng.random())
    low = hsv(hue, between(rng, 0.0, 0.7), between(rng, 0.1, 0.55))
    high = hsv(hue + pick(rng, (0.0, 0.1, 0.4, 0.5)), between(rng, 0.0, 0.6), between(rng, 0.6, 1.0))
    wall, paint = (low, high) if chance(rng, 0.55) else (high, low)
    paint = mix(wall, paint, between(rng, 0.65, 1.0))  # weathered
    picture = _wall(rng, wall, side)
    tall = side * between(rng, 0.55, 0.92)
    stroke = int(rng.integers(0, 7))
    place, below = side / 2 + between(rng, -0.1, 0.1) * side, side / 2 + between(rng, -0.08, 0.08) * side
    step = tall * between(rng, 0.55, 0.72)
    lean = between(rng, -0.12, 0.12)
    figures = [(digit, 0)]
    figures += [(int(rng.integers(10)), way) for way in (-1, 1) if chance(rng, 0.45)]
    shadow = chance(rng, 0.4)
    for figure, way in reversed(figures):
        mask = _bent(rng, figure, stroke, 0.14)
        height = round(tall)
        mask = mask.resize((max(1, round(mask.width * height / mask.height)), height), Image.Resampling.BILINEAR)
        left, top = round(place + way * step - mask.width / 2), round(below + way * step * lean - height / 2)
        if shadow:
            picture.paste(shade(wall, 50), (left + 5, top + 5), mask)
        picture.paste(paint, (left, top), mask)
    small = np.asarray(picture.reduce(_FINE), np.int16)
    if chance(rng, 0.4):  # out of focus, or enlarged from fewer pixels
        fewer = int(rng.integers(12, 25))
        blurred = Image.fromarray(small.astype(np.uint8)).resize((fewer, fewer), Image.Resampling.BOX)
        small = np.asarray(blurred.resize((32, 32), Image.Resampling.BICUBIC), np.int16)
    spread = int(rng.integers(1, 9))
    grain = rng.integers(-spread, spread + 1, size=(32, 32, 3), dtype=np.int16)
    noisy: npt.NDArray[np.uint8] = np.clip(small + grain, 0, 255).astype(np.uint8)
    return noisy


def _wall(rng: np.random.Generator, colour: tuple[int, int, int], side: int) -> Image.Image:
    """A wall in uneven light: a few coarse patches, smoothed."""
    patches = rng.integers(-28, 29, size=(4, 4, 1), dtype=np.int16) + rng.integers(-6, 7, (4, 4, 3), dtype=np.int16)
    coarse = np.clip(np.array(colour, np.int16) + patches, 0, 255).astype(np.uint8)
    picture = Image.fromarray(coarse).resize((side, side), Image.Resampling.BICUBIC)
    if chance(rng, 0.25):  # the edge of a plate or a door
        pen = ImageDraw.Draw(picture)
        edge = round(side * between(rng, 0.02, 0.14))
        other = shade(colour, pick(rng, (55, 75, 130)))
        box = pick(
            rng, ((0, 0, side, edge), (0, side - edge, side, side), (0, 0, edge, side), (side - edge, 0, side, side))
        )
        pen.rectangle(box, fill=other)
    return picture


def draw_stroke_digit(rng: np.random.Generator, digit: int) -> npt.NDArray[np.uint8]:
    """Draw a slanted digit in white on black, in a field of 20×20 pixels around its centre of mass, as MNIST does.

    Returns:
        uint8 (28, 28).
    """
    mask = _bent(rng, digit, int(rng.integers(0, 8)), 0.2)
    slant = between(rng, -0.35, 0.5)
    room = round(mask.height * 0.5)
    wide = Image.new("L", (mask.width + 2 * room, mask.height))
    wide.paste(mask, (room, 0))
    lean = (1.0, round(slant, 4), round(-slant * mask.height / 2, 2), 0.0, 1.0, 0.0)
    wide = wide.transform(wide.size, Image.Transform.AFFINE, lean, Image.Resampling.BILINEAR)
    cut = wide.crop(wide.getbbox())
    scale = 20 * _FINE / max(cut.size)
    cut = cut.resize((max(1, round(cut.width * scale)), max(1, round(cut.height * scale))), Image.Resampling.BILINEAR)
    weights = np.asarray(cut, np.int64)
    across, down = (np.arange(length) for length in reversed(weights.shape))
    total = int(weights.sum())
    left = 14 * _FINE - int((weights.sum(axis=0) * across).sum()) // total
    top = 14 * _FINE - int((weights.sum(axis=1) * down).sum()) // total
    picture = Image.new("L", (28 * _FINE, 28 * _FINE))
    picture.paste(cut, (left, top))
    return np.asarray(picture.reduce(_FINE))
