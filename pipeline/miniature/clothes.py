"""Draw shoulders in a shirt, a pullover, a blouse or a jacket."""

import numpy as np
from PIL import Image, ImageChops, ImageDraw

from pipeline.miniature.palette import between, chance, hsv, pick
from pipeline.miniature.perspective import SUPERSAMPLING, Colour, mix, shade
from pipeline.miniature.relief import Lamp

Spot = tuple[float, float]

_TOP = 1.25
"""Top of the clothes, in half head widths below the eyes."""

_SHOULDER: tuple[Spot, ...] = (
    *((0.0, 1.38), (0.42, 1.40), (0.62, 1.58), (0.95, 1.76), (1.35, 1.90), (1.68, 2.06)),
    *((1.90, 2.34), (2.02, 2.80), (2.10, 3.60), (2.16, 12.0)),
)
"""The right half of the outline from the neck down."""


class _Pen:
    """Draws on a supersampled canvas that begins at `_TOP`, in units of half head widths, mirrored on request."""

    def __init__(self, size: tuple[int, int], middle: float, top: float, unit: float, wide: float) -> None:
        self.canvas = Image.new("RGB", size)
        self._pen = ImageDraw.Draw(self.canvas)
        self._middle, self._top, self._unit, self._wide = middle, top, unit, wide

    def _pixel(self, spot: Spot) -> tuple[int, int]:
        x, y = self._middle + spot[0] * self._wide * self._unit, (spot[1] - _TOP) * self._unit - self._top
        return round(x * SUPERSAMPLING), round(y * SUPERSAMPLING)

    def outline(self) -> Image.Image:
        """The mask of all that was drawn, mode "L"."""
        mask = Image.new("L", self.canvas.size)
        whole = [*_SHOULDER, *((-x, y) for x, y in reversed(_SHOULDER))]
        ImageDraw.Draw(mask).polygon([self._pixel(spot) for spot in whole], fill=255)
        return mask

    def shape(self, spots: list[Spot], colour: Colour, *, both: bool = False) -> None:
        """Fill a polygon, and its mirror image where `both`."""
        self._pen.polygon([self._pixel(spot) for spot in spots], fill=colour)
        if both:
            self._pen.polygon([self._pixel((-x, y)) for x, y in spots], fill=colour)


def _pullover(rng: np.random.Generator, pen: _Pen, colour: Colour) -> None:
    other = pick(rng, (shade(colour, 60), mix(colour, (255, 255, 255), 0.7), hsv(float(rng.random()), 0.5, 0.6)))
    if chance(rng, 0.4):
        step = between(rng, 0.16, 0.4)
        for band in range(40):
            y = 1.3 + step * band
            pen.shape(
                [(-3, y), (0, y + 0.12), (3, y), (3, y + step / 2), (0, y + step / 2 + 0.12), (-3, y + step / 2)], other
            )
    pen.shape([(-0.66, 1.3), (-0.6, 1.66), (0, 2.0), (0.6, 1.66), (0.66, 1.3)], mix(colour, (255, 255, 255), 0.08))


def _shirt(rng: np.random.Generator, pen: _Pen, colour: Colour) -> None:
    pen.shape([(-0.05, 1.7), (0.07, 1.7), (0.07, 12), (-0.05, 12)], shade(colour, 88))
    for button in range(12):
        y = 2.3 + 0.5 * button
        pen.shape([(-0.02, y), (0.04, y), (0.04, y + 0.06), (-0.02, y + 0.06)], shade(colour, 72))
    pen.shape([(0.40, 1.3), (0.74, 1.5), (0.62, 2.12), (0.06, 2.02)], shade(colour, 90), both=True)
    pen.shape([(0.42, 1.3), (0.70, 1.48), (0.57, 2.04), (0.10, 1.98)], mix(colour, (255, 255, 255), 0.14), both=True)


def _jacket(rng: np.random.Generator, pen: _Pen, colour: Colour) -> None:
    colour = shade(colour, 55)
    pen.shape([(-3, 1.2), (3, 1.2), (3, 12), (-3, 12)], colour)
    linen = pick(rng, ((244, 244, 240), (206, 220, 240), (238, 222, 214), (60, 62, 70)))
    pen.shape([(-0.68, 1.3), (0.68, 1.3), (0.06, 3.7), (-0.06, 3.7)], linen)
    tie = hsv(float(rng.random()), between(rng, 0.4, 0.9), between(rng, 0.25, 0.7))
    pen.shape([(-0.13, 1.78), (0.13, 1.78), (0.1, 2.06), (0.17, 3.3), (0.0, 3.7), (-0.17, 3.3), (-0.1, 2.06)], tie)
    pen.shape([(0.42, 1.3), (0.66, 1.46), (0.5, 2.1), (0.08, 1.86)], shade(linen, 90), both=True)
    pen.shape(
        [(0.60, 1.3), (0.86, 1.62), (1.06, 2.3), (0.82, 2.44), (0.98, 2.6), (0.06, 3.9)], shade(colour, 75), both=True
    )
    pen.shape(
        [(0.62, 1.36), (0.82, 1.64), (1.0, 2.28), (0.76, 2.42), (0.90, 2.58), (0.1, 3.8)], shade(colour, 128), both=True
    )


def draw_clothes(picture: Image.Image, rng: np.random.Generator, lamp: Lamp, middle: Spot, unit: float) -> None:
    """Draw shoulders into a picture.

    Args:
        picture: RGB; modified in place.
        rng: random-number generator.
        lamp: the light.
        middle: position between the eyes, in pixels.
        unit: half the width of the head, in pixels.
    """
    top = round(middle[1] + _TOP * unit)
    width, height = picture.width, picture.height - top
    if height < 2:
        return
    size = (width * SUPERSAMPLING, height * SUPERSAMPLING)
    pen = _Pen(size, middle[0], top - middle[1] - _TOP * unit, unit, between(rng, 1.02, 1.25))
    colour = pick(
        rng,
        (
            hsv(float(rng.random()), between(rng, 0.25, 0.8), between(rng, 0.3, 0.85)),
            hsv(float(rng.random()), between(rng, 0.0, 0.2), between(rng, 0.75, 0.97)),
            hsv(float(rng.random()), between(rng, 0.0, 0.5), between(rng, 0.12, 0.35)),
        ),
    )
    pen.shape([(-9, 0), (9, 0), (9, 12), (-9, 12)], colour)
    pick(rng, (_pullover, _pullover, _shirt, _jacket))(rng, pen, colour)
    pen.shape([(1.52, 2.75), (1.60, 3.4), (1.60, 12), (1.55, 12), (1.56, 3.5)], shade(colour, 55), both=True)
    clothes = pen.canvas.reduce(SUPERSAMPLING)
    mask = pen.outline().reduce(SUPERSAMPLING)
    # Rounded shoulders, lit from the lamp's side, with a few folds.
    across = (np.linspace(0, width, 12)[None, :] - middle[0]) / (2.2 * unit)
    level = 200 + 70 * lamp.way[0] * across - 45 * across * across + rng.integers(-9, 10, (5, 12))
    tint = np.array(lamp.tint) / max(lamp.tint)
    light = np.clip(level[:, :, None] * tint, 0, 255).astype(np.uint8)
    lit = ImageChops.multiply(clothes, Image.fromarray(light).resize(clothes.size, Image.Resampling.BICUBIC))
    picture.paste(lit, (0, top), mask)
