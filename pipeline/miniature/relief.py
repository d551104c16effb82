"""Smooth fields over the patch in which a head is drawn: coordinates, edges, bumps, noise, light.

Only sums, products, quotients and square roots of floats are used, because their results are equal on every CPU; those
of exponentials and sines of arrays are not.
"""

import math
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image

from pipeline.miniature.palette import between

Field = npt.NDArray[np.floating[Any]]
Tint = tuple[float, float, float]

UNIT = 64
"""Half the width of a head in pixels of the patch; it is the unit of all lengths here."""

WIDE, TALL = 256, 256
"""Size of the patch in pixels."""

MIDDLE = (128, 118)
"""The origin: the pixel of the patch between the eyes. x is to the right, y downwards."""


def grid() -> tuple[Field, Field]:
    """x of each column, float32 (1, W), and y of each row, float32 (H, 1), of the patch."""
    x = (np.arange(WIDE, dtype=np.float32) + 0.5 - MIDDLE[0]) / UNIT
    y = (np.arange(TALL, dtype=np.float32) + 0.5 - MIDDLE[1]) / UNIT
    return x[None, :], y[:, None]


def rows(low: float, high: float) -> slice:
    """The rows of the patch between two heights."""
    first, last = (round(y * UNIT) + MIDDLE[1] for y in (low, high))
    return slice(max(0, first), min(TALL, last))


def ramp(level: Field) -> Field:
    """0 below 0, 1 above 1, smooth between."""
    cut = np.clip(level, 0.0, 1.0)
    smooth: Field = cut * cut * (3.0 - 2.0 * cut)
    return smooth


def edge(inside: Field, width: float = 0.025) -> Field:
    """Coverage of pixels near an edge: 0 outside, 1 inside, with a smooth transition of the given `width`."""
    return ramp(inside * (1.0 / width) + 0.5)


def bump(a: Field, b: Field | float = 0.0) -> Field:
    """1 in the middle, falling to 0 at distance 1."""
    left = np.maximum(1.0 - a * a - b * b, 0.0)
    round_: Field = left * left
    return round_


def noise(rng: np.random.Generator, columns: int, lines: int, size: tuple[int, int] = (WIDE, TALL)) -> Field:
    """Smooth noise in -1..1, float32 (height, width), interpolated between random values."""
    cells = Image.fromarray(rng.integers(0, 256, size=(lines, columns), dtype=np.uint8))
    smooth: Field = np.asarray(cells.resize(size, Image.Resampling.BICUBIC), dtype=np.float32) * (2 / 255) - 1
    return smooth


def of(tint: Tint) -> Field:
    """A colour as float32 (3, 1, 1), to be combined with fields of colours, (3, H, W)."""
    return np.array(tint, dtype=np.float32)[:, None, None]


def blend(colours: Field, share: Field, tint: Tint | Field) -> None:
    """Blend `tint` into colours, float32 (3, H, W), in place, by a share, (H, W) in 0..1."""
    colours += ((of(tint) if isinstance(tint, tuple) else tint) - colours) * share


def darker(tint: Tint, level: float) -> Tint:
    """A colour at a level (0..1) of its brightness."""
    return tint[0] * level, tint[1] * level, tint[2] * level


def times(first: Tint, second: Tint) -> Tint:
    """The product of two colours, channel by channel."""
    return first[0] * second[0], first[1] * second[1], first[2] * second[2]


class Lamp(NamedTuple):
    """The light on a scene.

    Attributes:
        way: unit vector towards the light; y downwards, z towards the viewer.
        ambient: share of ambient light (0..1).
        tint: colour of the light, around 1.
    """

    way: tuple[float, float, float]
    ambient: float
    tint: Tint

    def on(self, height: Field) -> Field:
        """Brightness of a relief, float32 (H, W), about 1 where it faces the light; heights are in half head widths."""
        across, down = np.empty_like(height), np.empty_like(height)
        half = UNIT / 2
        across[:, 1:-1] = (height[:, 2:] - height[:, :-2]) * half
        down[1:-1] = (height[2:] - height[:-2]) * half
        across[:, [0, -1]], down[[0, -1]] = 0.0, 0.0
        x, y, z = self.way
        lit = (z - across * x - down * y) / np.sqrt(across * across + down * down + 1.0)
        bright: Field = self.ambient + (1.0 - self.ambient) * np.maximum(lit, 0.0)
        return bright


def draw_lamp(rng: np.random.Generator) -> Lamp:
    """A random light from above and one side, warm or cool."""
    x, y, z = between(rng, -0.6, 0.6), between(rng, -0.8, -0.35), 1.0
    length = math.sqrt(x * x + y * y + z * z)
    warmth = between(rng, -0.05, 0.06)
    level = between(rng, 0.96, 1.06)
    tint = (level * (1 + warmth), level, level * (1 - 1.4 * warmth))
    return Lamp((x / length, y / length, z / length), between(rng, 0.36, 0.58), tint)
