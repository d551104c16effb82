"""Draw photographs of people: their number, positions, clothes and backgrounds."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image

from pipeline.miniature.backdrops import draw_backdrop, leaves, outdoors
from pipeline.miniature.clothes import draw_clothes
from pipeline.miniature.faces import SKINS, Traits
from pipeline.miniature.heads import draw_head
from pipeline.miniature.palette import between, chance, pick
from pipeline.miniature.planting import Box
from pipeline.miniature.relief import MIDDLE, TALL, UNIT, WIDE, Lamp, Tint, draw_lamp
from pipeline.miniature.rooms import draw_room

_POSES = ("left", "left", "left", "front", "front", "front", "front", "right", "right", "right")
_HAIRS = ("dark",) * 5 + ("brown",) * 5 + ("blond",) * 4 + ("red",) * 2 + ("grey",) * 2 + ("none",) * 2

# The box that OpenCV's frontal cascade gives for these faces, in half head widths: its side, the distance of its middle
# below the eyes, and the shift of its middle in the direction in which the face looks.
_SIDE, _BELOW, _AHEAD = 2.3, 0.19, 0.8


class Drawn(NamedTuple):
    """A face in a photograph: its box in pixels (x1 and y1 exclusive), and its traits."""

    box: Box
    traits: Traits


def draw_traits(rng: np.random.Generator) -> Traits:
    """Random traits of a person."""
    return Traits(chance(rng, 0.3), chance(rng, 0.5), pick(rng, _POSES), pick(rng, _HAIRS))


def _skin(rng: np.random.Generator, hair: str) -> Tint:
    level = between(rng, 0.95, 1.03)
    red, green, blue = pick(rng, SKINS[:3] if hair in ("blond", "red") else SKINS)
    return red * level, green * level, blue * level


def draw_person(
    picture: Image.Image,
    rng: np.random.Generator,
    traits: Traits,
    lamp: Lamp,
    eyes: tuple[float, float],
    side: float,
    skin: Tint | None = None,
) -> Drawn:
    """Draw one person into a picture.

    Args:
        picture: RGB; modified in place.
        rng: random-number generator for everything that `traits` does not determine.
        traits: traits of the person.
        lamp: the light.
        eyes: position between the eyes, in pixels.
        side: side of the face's box in pixels.
        skin: colour of the skin in full light, RGB 0..1; None for a random colour that suits the hair.
    """
    unit = side / _SIDE
    draw_clothes(picture, rng, lamp, eyes, unit)
    patch, turn, roll = draw_head(rng, traits, skin or _skin(rng, traits.hair), lamp)
    scale = unit / UNIT
    size = round(WIDE * scale), round(TALL * scale)
    patch = patch.resize(size, Image.Resampling.HAMMING)
    left, top = round(eyes[0] - MIDDLE[0] * scale), round(eyes[1] - MIDDLE[1] * scale)
    picture.paste(patch, (left, top), patch)
    x = eyes[0] + unit * (_AHEAD * turn - _BELOW * roll)
    y = eyes[1] + unit * _BELOW
    x0, y0 = round(x - side / 2), round(y - side / 2)
    return Drawn((x0, y0, x0 + round(side), y0 + round(side)), traits)


def develop(rng: np.random.Generator, picture: Image.Image) -> Image.Image:
    """Add the effects of a camera: darker corners, exposure and grain."""
    x, y = np.arange(12)[None, :] - 5.5, np.arange(12)[:, None] - 5.5
    level = between(rng, 118, 134) - between(rng, 0.0, 0.6) * (x * x + y * y)
    light = np.clip(np.rint(level), 0, 255).astype(np.uint8)
    factor = np.asarray(Image.fromarray(light).resize(picture.size, Image.Resampling.BICUBIC), dtype=np.uint16)
    spread = int(rng.integers(1, 7))
    grain = rng.integers(-spread, spread + 1, size=(picture.height, picture.width, 1), dtype=np.int8)
    lit = (np.asarray(picture, dtype=np.uint16) * factor[:, :, None] >> 7).astype(np.int16) + grain
    pixels: npt.NDArray[np.uint8] = np.clip(lit, 0, 255).astype(np.uint8)
    return Image.fromarray(pixels)


def draw_portrait(rng: np.random.Generator, low: float = 80, high: float = 140) -> tuple[Image.Image, list[Drawn]]:
    """Draw one person with a face `low` to `high` pixels wide; return the picture, RGB, and a list of the face."""
    width = int(rng.integers(300, 341))
    size = (width, round(width * pick(rng, (1.0, 1.15, 1.2, 1.25))))
    side = between(rng, low, high)
    eyes = (size[0] * between(rng, 0.42, 0.58), max(0.92 * side, size[1] * between(rng, 0.3, 0.42)))
    picture = draw_backdrop(rng, size)
    drawn = draw_person(picture, rng, draw_traits(rng), draw_lamp(rng), eyes, side)
    return develop(rng, picture), [drawn]


def draw_group(rng: np.random.Generator) -> tuple[Image.Image, list[Drawn]]:
    """Draw two or three people side by side; return the picture, RGB, and their faces from left to right."""
    number = 2 if chance(rng, 0.7) else 3
    size = (int(rng.integers(340, 381)), int(rng.integers(240, 291)))
    picture, lamp = draw_backdrop(rng, size), draw_lamp(rng)
    common = between(rng, 78, 108) if number == 2 else between(rng, 76, 84)
    places = []
    for place in range(number):
        side = common * between(rng, 0.94, 1.06)
        x = size[0] * (place + between(rng, 0.44, 0.56)) / number
        places.append((side, x, max(0.95 * side, size[1] * between(rng, 0.34, 0.44))))
    # Nearer people are larger, and are drawn over the others.
    drawn = [draw_person(picture, rng, draw_traits(rng), lamp, (x, y), side) for side, x, y in sorted(places)]
    return develop(rng, picture), sorted(drawn)


def draw_distant(rng: np.random.Generator) -> tuple[Image.Image, list[Drawn]]:
    """Draw a person too far away to be kept, in a landscape; return the picture, RGB, and a list of the face."""
    size = (int(rng.integers(300, 341)), int(rng.integers(230, 281)))
    picture = draw_backdrop(rng, size, (outdoors,))
    eyes = (size[0] * between(rng, 0.3, 0.7), size[1] * between(rng, 0.3, 0.45))
    drawn = draw_person(picture, rng, draw_traits(rng), draw_lamp(rng), eyes, between(rng, 41, 47))
    return develop(rng, picture), [drawn]


def draw_view(rng: np.random.Generator) -> tuple[Image.Image, list[Drawn]]:
    """Draw a landscape, leaves or a room without people; return the picture, RGB, and an empty list."""
    size = (int(rng.integers(300, 341)), int(rng.integers(230, 281)))
    if chance(rng, 0.4):
        room = Image.fromarray(draw_room(rng)[0])
        room.thumbnail((340, 340), Image.Resampling.LANCZOS)
        return room, []
    return develop(rng, draw_backdrop(rng, size, (outdoors, outdoors, leaves))), []
