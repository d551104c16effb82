"""The rotated and scaled plane on which textures are drawn, with four colours."""

import math
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from pipeline.miniature.palette import between, chance, hsv, pick
from pipeline.miniature.perspective import SUPERSAMPLING, Colour, mix, shade

Spot = tuple[float, float]


class Brush:
    """A rotated, scaled plane to draw on: lengths in short sides of the picture, origin in its middle, y downwards.

    Attributes:
        rng: random-number generator.
        size: width and height of the picture in pixels.
        half: half the picture's width and half its height, in short sides.
        colours: four clearly different colours, RGB 0..255; the first is that of the ground.
        reach: distance of the picture's corners from the origin.
    """

    def __init__(self, rng: np.random.Generator, size: tuple[int, int]) -> None:
        self.rng = rng
        self.size = size
        self._unit = min(size) * SUPERSAMPLING
        self.canvas = Image.new("RGB", (size[0] * SUPERSAMPLING, size[1] * SUPERSAMPLING))
        self._pen = ImageDraw.Draw(self.canvas)
        self.half = (self.canvas.width / self._unit / 2, self.canvas.height / self._unit / 2)
        self.reach = math.sqrt(self.half[0] ** 2 + self.half[1] ** 2)
        self.colours = _four_colours(rng)
        self._painting: Image.Image | None = None
        self.turn(0.0)

    def turn(self, angle: float) -> None:
        """Rotate everything that is drawn from now on (radians)."""
        self.sine, self.cosine = round(math.sin(angle), 6), round(math.cos(angle), 6)

    def turn_anyhow(self) -> None:
        """Rotate by a random angle."""
        self.turn(between(self.rng, 0.0, math.tau))

    def _pixel(self, spot: Spot) -> tuple[int, int]:
        x = (spot[0] * self.cosine - spot[1] * self.sine + self.half[0]) * self._unit
        y = (spot[0] * self.sine + spot[1] * self.cosine + self.half[1]) * self._unit
        return round(x), round(y)

    def ground(self, colour: Colour | None = None) -> None:
        """Fill everything."""
        self._pen.rectangle((0, 0, self.canvas.width, self.canvas.height), fill=colour or self.colours[0])

    def shape(self, outline: Sequence[Spot], colour: Colour) -> None:
        """Fill a polygon."""
        self._pen.polygon([self._pixel(spot) for spot in outline], fill=colour)

    def disc(self, middle: Spot, radius: float, colour: Colour) -> None:
        """Fill a circle."""
        (x, y), r = self._pixel(middle), round(radius * self._unit)
        self._pen.ellipse((x - r, y - r, x + r, y + r), fill=colour)

    def sphere(self, middle: Spot, radius: float, colour: Colour) -> None:
        """A shaded ball lit from the upper left."""
        steps = 14
        for step in range(steps):
            share = step / (steps - 1)
            at = (middle[0] - radius * 0.32 * share, middle[1] - radius * 0.36 * share)
            self.disc(
                at, radius * (1 - 0.88 * share), mix(shade(colour, 42), mix(colour, (255, 255, 255), 0.65), share)
            )

    def cells(self, wide: float, tall: float) -> Iterator[tuple[int, int, float, float]]:
        """Column, row, x and y of the cells of a grid over the whole picture, at any rotation."""
        columns, rows = int(self.reach / wide) + 2, int(self.reach / tall) + 2
        for row in range(-rows, rows + 1):
            for column in range(-columns, columns + 1):
                yield column, row, column * wide, row * tall

    def scattered(self, count: int) -> list[Spot]:
        """Random points within the picture or slightly outside it."""
        x, y = self.half
        return [(between(self.rng, -x, x) * 1.05, between(self.rng, -y, y) * 1.05) for _ in range(count)]

    def paint(self, pixels: npt.NDArray[np.uint8]) -> None:
        """Replace the whole picture by `pixels`, uint8 (H, W, 3), at the final size."""
        self._painting = Image.fromarray(pixels)

    def finished(self) -> Image.Image:
        """The picture set by `paint`, or else the drawing, averaged down to the final size."""
        return self._painting or self.canvas.reduce(SUPERSAMPLING)


def _four_colours(rng: np.random.Generator) -> tuple[Colour, Colour, Colour, Colour]:
    hue = float(rng.random())
    step = pick(rng, (0.08, 0.33, 0.45, 0.5, 0.62))
    dark, light = between(rng, 0.15, 0.5), between(rng, 0.75, 1.0)
    values = (dark, light) if chance(rng, 0.5) else (light, dark)
    first = hsv(hue, between(rng, 0.1, 0.8), values[0])
    second = hsv(hue + step, between(rng, 0.1, 0.9), values[1])
    third = hsv(hue + step * 2, between(rng, 0.3, 0.9), between(rng, 0.4, 0.95))
    return first, second, third, hsv(hue + 0.5, between(rng, 0.0, 0.9), between(rng, 0.3, 1.0))


def ring_of(count: int, radii: Sequence[float], middle: Spot = (0.0, 0.0), start: float = 0.0) -> list[Spot]:
    """`count` points around `middle`; their radii cycle through `radii`."""
    spots = []
    for place in range(count):
        angle, radius = start + math.tau * place / count, radii[place % len(radii)]
        x, y = round(math.cos(angle), 6), round(math.sin(angle), 6)
        spots.append((middle[0] + radius * x, middle[1] + radius * y))
    return spots
