"""Draw the backgrounds of portraits: out of focus, and without anything that a detector could detect as a face."""

from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw

from pipeline.miniature.palette import between, chance, hsv, pick
from pipeline.miniature.perspective import Colour, mix, shade

Size = tuple[int, int]

_COARSE = 2
"""Pixels of the picture per drawn pixel and side."""


def _gradient(size: Size, upper: Colour, lower: Colour) -> Image.Image:
    """A gradient from one colour at the top to another at the bottom."""
    column = np.linspace(0.0, 1.0, 16)[:, None, None]
    colours = np.array(upper) * (1 - column) + np.array(lower) * column
    return Image.fromarray(np.rint(colours).astype(np.uint8)).resize(size, Image.Resampling.BICUBIC)


def _mottled(rng: np.random.Generator, size: Size, colour: Colour, cells: int, spread: int) -> Image.Image:
    """A colour in uneven light, with about `cells` patches per side."""
    shape = (max(2, cells * size[1] // size[0]), cells, 1)
    offsets = rng.integers(-spread, spread + 1, shape) + rng.integers(-spread // 4, spread // 4 + 1, (*shape[:2], 3))
    coarse = np.clip(np.array(colour) + offsets, 0, 255).astype(np.uint8)
    return Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC)


def studio(rng: np.random.Generator, size: Size) -> Image.Image:
    """A lit cloth: brighter in the middle."""
    colour = hsv(float(rng.random()), between(rng, 0.0, 0.55), between(rng, 0.2, 0.9))
    far = ((np.arange(12)[:, None] - between(rng, 3, 7)) ** 2 + (np.arange(12)[None, :] - between(rng, 3, 8)) ** 2) / 60
    level = np.clip(between(rng, 1.0, 1.25) - between(rng, 0.1, 0.55) * far, 0.1, 2.0)[:, :, None]
    lit = np.clip(np.array(colour) * level + rng.integers(-6, 7, (12, 12, 1)), 0, 255)
    return Image.fromarray(np.rint(lit).astype(np.uint8)).resize(size, Image.Resampling.BICUBIC)


def wall(rng: np.random.Generator, size: Size) -> Image.Image:
    """A plain wall, often with the edge of a door, a picture or a rail."""
    colour = hsv(float(rng.random()), between(rng, 0.02, 0.4), between(rng, 0.5, 0.95))
    picture = _mottled(rng, size, colour, 5, 14)
    pen = ImageDraw.Draw(picture)
    other = shade(colour, pick(rng, (45, 60, 75, 118)))
    if chance(rng, 0.6):
        edge = round(size[0] * between(rng, 0.04, 0.25))
        pen.rectangle((0, 0, edge, size[1]) if chance(rng, 0.5) else (size[0] - edge, 0, *size), fill=other)
    if chance(rng, 0.4):
        rail = round(size[1] * between(rng, 0.55, 0.8))
        pen.rectangle((0, rail, size[0], size[1]), fill=mix(other, colour, 0.4))
    return picture


def lights(rng: np.random.Generator, size: Size) -> Image.Image:
    """Lights in the evening, as pale discs."""
    hue = float(rng.random())
    dark = hsv(hue, between(rng, 0.2, 0.7), between(rng, 0.08, 0.3))
    picture = _gradient(size, dark, shade(dark, pick(rng, (60, 150))))
    pen = ImageDraw.Draw(picture, "RGBA")
    for _ in range(int(rng.integers(8, 22))):
        x, y, r = between(rng, 0, size[0]), between(rng, 0, size[1]), size[0] * between(rng, 0.02, 0.07)
        glow = hsv(hue + pick(rng, (0.0, 0.07, 0.5)), between(rng, 0.1, 0.7), between(rng, 0.6, 1.0))
        pen.ellipse((round(x - r), round(y - r), round(x + r), round(y + r)), fill=(*glow, int(rng.integers(35, 105))))
    return picture


def leaves(rng: np.random.Generator, size: Size) -> Image.Image:
    """A garden or a wood in the distance, with light between leaves."""
    hue, level = between(rng, 0.14, 0.38), between(rng, 0.3, 0.62)
    colour = hsv(hue, between(rng, 0.3, 0.65), level)
    picture = _gradient(size, shade(colour, pick(rng, (70, 100, 125))), shade(colour, pick(rng, (60, 80, 100))))
    pen = ImageDraw.Draw(picture, "RGBA")
    for _ in range(int(rng.integers(40, 90))):
        x, y, r = between(rng, 0, size[0]), between(rng, 0, size[1]), size[0] * between(rng, 0.015, 0.07)
        leaf = hsv(hue + between(rng, -0.06, 0.06), between(rng, 0.2, 0.6), level * between(rng, 0.75, 1.35))
        pen.ellipse((round(x - r), round(y - r), round(x + r), round(y + r)), fill=(*leaf, int(rng.integers(40, 125))))
    return picture


def outdoors(rng: np.random.Generator, size: Size) -> Image.Image:
    """Sky, hills and a field or the sea."""
    hue = between(rng, 0.53, 0.62)
    zenith, haze = hsv(hue, between(rng, 0.3, 0.65), between(rng, 0.65, 0.95)), hsv(hue, 0.1, between(rng, 0.85, 0.98))
    if chance(rng, 0.2):  # evening
        zenith, haze = hsv(0.64, 0.4, 0.5), hsv(between(rng, 0.03, 0.1), 0.5, 0.95)
    picture = _gradient(size, zenith, haze)
    pen = ImageDraw.Draw(picture)
    width, height = size
    ground = hsv(between(rng, 0.1, 0.35), between(rng, 0.2, 0.5), between(rng, 0.35, 0.75))
    if chance(rng, 0.25):
        ground = hsv(hue, between(rng, 0.35, 0.6), between(rng, 0.4, 0.65))
    horizon = height * between(rng, 0.4, 0.75)
    for level in (0.55, 0.25):
        steps = 7
        crest = [(width * step / (steps - 1), horizon - height * between(rng, 0.0, 0.16)) for step in range(steps)]
        pen.polygon([(0.0, float(height)), *crest, (float(width), float(height))], fill=mix(ground, haze, level))
    pen.rectangle((0, round(horizon), width, height), fill=ground)
    return picture


def shelves(rng: np.random.Generator, size: Size) -> Image.Image:
    """Books on shelves."""
    wood = hsv(between(rng, 0.05, 0.1), between(rng, 0.3, 0.6), between(rng, 0.2, 0.6))
    picture = Image.new("RGB", size, shade(wood, 45))
    pen = ImageDraw.Draw(picture)
    width, height = size
    tall = max(8, round(height * between(rng, 0.2, 0.3)))
    hue = float(rng.random())
    for floor in range(int(rng.integers(0, tall)), height + tall, tall):
        at = -int(rng.integers(0, 6))
        while at < width:
            thick = max(2, round(width * between(rng, 0.025, 0.06)))
            top = floor - round(tall * between(rng, 0.55, 0.88))
            spine = hsv(hue + between(rng, -0.2, 0.2), between(rng, 0.1, 0.6), between(rng, 0.25, 0.75))
            pen.rectangle((at, top, at + thick - 1, floor), fill=spine)
            at += thick + (3 if chance(rng, 0.08) else 0)
        pen.rectangle((0, floor, width, floor + max(1, tall // 9)), fill=wood)
    return picture


KINDS: tuple[Callable[[np.random.Generator, Size], Image.Image], ...] = (
    *(studio, studio, wall, wall, lights, leaves, leaves, outdoors, outdoors, shelves),
)
"""Kinds of background, the common ones more than once."""


def draw_backdrop(
    rng: np.random.Generator, size: Size, kinds: tuple[Callable[[np.random.Generator, Size], Image.Image], ...] = KINDS
) -> Image.Image:
    """Draw one of `kinds` in RGB; `size` is width and height in pixels."""
    coarse = (max(8, size[0] // _COARSE), max(8, size[1] // _COARSE))
    sharp = pick(rng, kinds)(rng, coarse)
    # Reducing and enlarging the picture puts it out of focus.
    return sharp.reduce(pick(rng, (3, 4, 5))).resize(size, Image.Resampling.BICUBIC)
