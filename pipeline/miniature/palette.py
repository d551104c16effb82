"""Random colour schemes for walls, floor, wood, linen and light of a room."""

import colorsys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from pipeline.miniature.perspective import Colour, shade

Choice = TypeVar("Choice")


def pick(rng: np.random.Generator, choices: Sequence[Choice]) -> Choice:
    """A random element of `choices`, each equally likely."""
    return choices[int(rng.integers(len(choices)))]


def chance(rng: np.random.Generator, share: float) -> bool:
    """True with probability `share` (0..1)."""
    return bool(rng.random() < share)


def between(rng: np.random.Generator, low: float, high: float) -> float:
    """A random number in [low, high), uniform."""
    return float(rng.uniform(low, high))


def hsv(hue: float, saturation: float, value: float) -> Colour:
    """An RGB colour (0..255) from hue (in turns, any number), saturation and value (0..1)."""
    red, green, blue = colorsys.hsv_to_rgb(hue % 1.0, saturation, value)
    return round(red * 255), round(green * 255), round(blue * 255)


@dataclass(frozen=True)
class Mood:
    """The light at a time of day.

    Attributes:
        ambient: brightness of the room per channel; 1 leaves colours unchanged.
        sky: colours of the sky from the horizon up to the zenith.
        land: colour of things in front of the sky.
        daylight: strength of the light through windows (0..1).
        lamp: strength of the lamps (0..1).
        lit_panes: whether houses outside have lights on.
    """

    ambient: tuple[float, float, float]
    sky: tuple[Colour, Colour]
    land: Colour
    daylight: float
    lamp: float
    lit_panes: bool = False


MOODS = (
    Mood((1.0, 1.0, 1.0), ((214, 232, 246), (112, 170, 230)), (92, 138, 74), 0.5, 0.0),
    Mood((1.04, 1.02, 0.98), ((250, 250, 248), (196, 222, 246)), (136, 168, 110), 0.8, 0.1),
    Mood((0.88, 0.91, 0.95), ((226, 229, 232), (186, 194, 204)), (104, 122, 104), 0.35, 0.25),
    Mood((1.0, 0.88, 0.72), ((255, 214, 140), (240, 150, 110)), (112, 88, 62), 0.65, 0.3),
    Mood((0.74, 0.68, 0.72), ((232, 138, 120), (74, 74, 134)), (44, 44, 66), 0.15, 0.8, lit_panes=True),
    Mood((0.6, 0.57, 0.64), ((40, 48, 92), (12, 16, 40)), (18, 20, 32), 0.05, 1.0, lit_panes=True),
)
_MOOD_SHARES = (0.31, 0.22, 0.16, 0.14, 0.1, 0.07)


@dataclass(frozen=True)
class Palette:
    """The colours of one room, all RGB 0..255, and its light."""

    wall: Colour
    wall_pattern: Colour
    feature_wall: Colour
    ceiling: Colour
    trim: Colour
    floor: Colour
    wood: Colour
    linen: Colour
    blanket: Colour
    blanket_pattern: Colour
    accent: Colour
    curtain: Colour
    mood: Mood


def _wall(rng: np.random.Generator, hue: float) -> Colour:
    """A random wall colour: mostly light tints, sometimes saturated or dark."""
    saturation, value = pick(
        rng,
        (
            (between(rng, 0.02, 0.10), between(rng, 0.84, 0.96)),
            (between(rng, 0.12, 0.26), between(rng, 0.80, 0.95)),
            (between(rng, 0.22, 0.42), between(rng, 0.62, 0.86)),
            (between(rng, 0.40, 0.62), between(rng, 0.55, 0.85)),
            (between(rng, 0.30, 0.60), between(rng, 0.26, 0.48)),
            (between(rng, 0.00, 0.06), between(rng, 0.42, 0.72)),
        ),
    )
    return hsv(hue, saturation, value)


def _wood(rng: np.random.Generator) -> Colour:
    """A random colour of wood: from birch to ebony, or painted white."""
    if chance(rng, 0.2):
        return hsv(0.1, 0.04, between(rng, 0.85, 0.95))
    return hsv(between(rng, 0.045, 0.105), between(rng, 0.35, 0.65), between(rng, 0.25, 0.78))


def _fabric(rng: np.random.Generator, hue: float) -> Colour:
    """A random colour of cloth in a hue: pale as often as strong, sometimes nearly white or nearly black."""
    kind = rng.random()
    if kind < 0.25:
        return hsv(hue, between(rng, 0.0, 0.06), between(rng, 0.9, 0.98))
    if kind < 0.35:
        return hsv(hue, between(rng, 0.1, 0.4), between(rng, 0.14, 0.3))
    return hsv(hue, between(rng, 0.2, 0.75), between(rng, 0.4, 0.95))


def draw_palette(rng: np.random.Generator) -> Palette:
    """The colours of one room."""
    # Most bedrooms are painted in warm hues; all others share the remaining probability.
    hue = between(rng, 0.02, 0.17) if chance(rng, 0.45) else float(rng.random())
    other = hue + pick(rng, (0.0, 0.08, 0.33, 0.42, 0.5, 0.58, 0.67))
    wall = _wall(rng, hue)
    feature_wall = _wall(rng, pick(rng, (hue, other))) if chance(rng, 0.4) else wall
    pattern = pick(rng, (80, 88, 110, 120))
    if chance(rng, 0.65):
        floor = hsv(between(rng, 0.05, 0.1), between(rng, 0.3, 0.62), between(rng, 0.28, 0.82))
    else:
        floor = hsv(pick(rng, (hue, other, 0.1)), between(rng, 0.02, 0.3), between(rng, 0.35, 0.88))
    blanket = _fabric(rng, other)
    return Palette(
        wall=wall,
        wall_pattern=shade(feature_wall, pattern),
        feature_wall=feature_wall,
        ceiling=hsv(hue, between(rng, 0.0, 0.06), between(rng, 0.88, 0.98)),
        trim=hsv(hue, 0.03, between(rng, 0.86, 0.97)) if chance(rng, 0.7) else _wood(rng),
        floor=floor,
        wood=_wood(rng),
        linen=hsv(other, between(rng, 0.0, 0.14), between(rng, 0.86, 0.98)),
        blanket=blanket,
        blanket_pattern=_fabric(rng, pick(rng, (hue, other, other + 0.5))),
        accent=hsv(pick(rng, (other, other + 0.5, hue + 0.5)), between(rng, 0.4, 0.8), between(rng, 0.45, 0.95)),
        curtain=_fabric(rng, pick(rng, (hue, other))),
        mood=MOODS[int(np.searchsorted(np.cumsum(_MOOD_SHARES), rng.random() * 0.999999))],
    )
