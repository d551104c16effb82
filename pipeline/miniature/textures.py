"""Draw pictures of twenty classes of textures and shapes, as substitutes for ImageNet's photographs."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from PIL import Image

from pipeline.miniature import fields, shapes
from pipeline.miniature.brush import Brush
from pipeline.miniature.palette import between, pick

CLASSES: dict[str, Callable[[Brush], None]] = {
    "stripes": fields.stripes,
    "checks": shapes.checks,
    "dots": shapes.dots,
    "bricks": shapes.bricks,
    "waves": fields.waves,
    "stars": shapes.stars,
    "rings": fields.rings,
    "leaves": shapes.leaves,
    "ball": shapes.ball,
    "blocks": shapes.blocks,
    "marbles": shapes.marbles,
    "hexagons": shapes.hexagons,
    "zigzag": shapes.zigzag,
    "flowers": shapes.flowers,
    "clouds": fields.clouds,
    "rays": shapes.rays,
    "mountains": shapes.mountains,
    "tartan": fields.tartan,
    "scales": shapes.scales,
    "city": shapes.city,
}
"""The function that draws each class, by class name; the number of a class is its position here."""


def draw_texture(rng: np.random.Generator, label: int) -> npt.NDArray[np.uint8]:
    """Draw one picture of a class.

    Args:
        rng: random-number generator for the shape of the picture, colours, scale, angle, light and grain.
        label: number of the class, 0..19.

    Returns:
        uint8 (H, W, 3) RGB with a short side of 96 to 200 pixels and a long side of at most 1.6 times that.
    """
    short = int(rng.integers(96, 201))
    long = round(short * pick(rng, (1.0, 1.25, 1.334, 1.5, between(rng, 1.0, 1.6))))
    size = (short, long) if rng.random() < 0.35 else (long, short)
    brush = Brush(rng, size)
    list(CLASSES.values())[label](brush)
    return _light(rng, brush.finished())


def _light(rng: np.random.Generator, image: Image.Image) -> npt.NDArray[np.uint8]:
    """Light from one side, a vignette and grain."""
    x, y = np.arange(12)[None, :] - 5.5, np.arange(12)[:, None] - 5.5
    level = between(rng, 0.8, 1.08) * 128
    slope_x, slope_y, dark = between(rng, -4.5, 4.5), between(rng, -4.5, 4.5), between(rng, 0.0, 0.7)
    light = np.clip(np.rint(level + slope_x * x + slope_y * y - dark * (x * x + y * y)), 0, 255).astype(np.uint8)
    factor = np.asarray(Image.fromarray(light).resize(image.size, Image.Resampling.BICUBIC), dtype=np.uint16)
    spread = int(rng.integers(2, 9))
    grain = rng.integers(-spread, spread + 1, size=(image.height, image.width, 1), dtype=np.int16)
    lit = (np.asarray(image, dtype=np.uint16) * factor[:, :, None] >> 7).astype(np.int16) + grain
    pixels: npt.NDArray[np.uint8] = np.clip(lit, 0, 255).astype(np.uint8)
    return pixels
