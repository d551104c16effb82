"""Texture classes computed pixel by pixel, one function per class: waves of brightness between colours.

All values are integers, with sines from a table, because vector sines of different CPUs may differ in the last bits.
"""

import math

import numpy as np
import numpy.typing as npt
from PIL import Image

from pipeline.miniature.brush import Brush
from pipeline.miniature.palette import between, chance, hsv, pick
from pipeline.miniature.perspective import Colour

Grid = npt.NDArray[np.int32]

ONE = 4096
"""Number of integer steps in a full turn, in a short side and in the sine's amplitude."""

_SINES: Grid = np.array([round(ONE * math.sin(math.tau * step / ONE)) for step in range(ONE)], dtype=np.int32)


def _plane(brush: Brush) -> tuple[Grid, Grid]:
    """Coordinates of each pixel on the brush's rotated plane, int32 (H, W), in 1/4096 of the short side."""
    width, height = brush.size
    unit = min(width, height)
    x = (np.arange(width, dtype=np.int32)[None, :] * 2 + 1 - width) * (ONE // 2) // unit
    y = (np.arange(height, dtype=np.int32)[:, None] * 2 + 1 - height) * (ONE // 2) // unit
    cosine, sine = round(brush.cosine * 1024), round(brush.sine * 1024)
    return (x * cosine + y * sine) >> 10, (y * cosine - x * sine) >> 10


def _sine(length: Grid, period: float) -> Grid:
    """A sine wave of `period` short sides along `length`, int32 in -4096..4096."""
    taken: Grid = _SINES[(length * round(ONE / period) >> 12) & (ONE - 1)]
    return taken


def _level(wave: Grid, gain: float) -> Grid:
    """A wave scaled to 0..256; a larger gain makes the transitions steeper."""
    level: Grid = np.clip((wave * round(gain * 16) >> 9) + 128, 0, 256)
    return level


def _blend(level: Grid, low: Colour, high: Colour) -> npt.NDArray[np.uint8]:
    """Blend two colours by a level of 0..256: uint8 (H, W, 3)."""
    first, second = np.array(low, dtype=np.int32), np.array(high, dtype=np.int32)
    return ((first * 256 + (second - first) * level[:, :, None]) >> 8).astype(np.uint8)


def stripes(brush: Brush) -> None:
    brush.turn_anyhow()
    u, _ = _plane(brush)
    wave = _sine(u, between(brush.rng, 0.14, 0.4))
    brush.paint(_blend(_level(wave, pick(brush.rng, (1.0, 8.0, 8.0))), brush.colours[0], brush.colours[1]))


def waves(brush: Brush) -> None:
    brush.turn(between(brush.rng, -0.6, 0.6) + (math.pi / 2 if chance(brush.rng, 0.25) else 0.0))
    u, v = _plane(brush)
    bend = _sine(u, between(brush.rng, 0.35, 0.9)) * round(between(brush.rng, 0.05, 0.13) * 256) >> 8
    wave = _sine(v + bend, between(brush.rng, 0.17, 0.36))
    brush.paint(_blend(_level(wave, pick(brush.rng, (1.0, 2.0, 6.0))), brush.colours[0], brush.colours[1]))


def rings(brush: Brush) -> None:
    u, v = _plane(brush)
    u += round(between(brush.rng, -0.35, 0.35) * ONE)
    v += round(between(brush.rng, -0.35, 0.35) * ONE)
    squeeze = round(between(brush.rng, 0.75, 1.35) * 16)
    far = np.sqrt((u.astype(np.int64) ** 2 + (v.astype(np.int64) * squeeze // 16) ** 2).astype(np.float64)).astype(
        np.int32
    )
    wave = _sine(far, between(brush.rng, 0.15, 0.36))
    brush.paint(_blend(_level(wave, pick(brush.rng, (1.0, 8.0))), brush.colours[0], brush.colours[1]))


def tartan(brush: Brush) -> None:
    brush.turn(pick(brush.rng, (0.0, math.pi / 4, between(brush.rng, 0.0, math.tau))))
    period = between(brush.rng, 0.3, 0.6)
    bands = [brush.colours[place] for place in (0, 1, 0, 2, 3, 2)]
    widths = brush.rng.integers(1, 6, size=len(bands)).tolist()
    sett = np.array([band for band, wide in zip(bands, widths, strict=True) for _ in range(wide)], dtype=np.int32)
    step = round(period * ONE / len(sett)) or 1
    u, v = _plane(brush)
    warp, weft = sett[u // step % len(sett)], sett[v // step % len(sett)]
    brush.paint(((warp + weft) >> 1).astype(np.uint8))


def clouds(brush: Brush) -> None:
    width, height = brush.size
    coarse = pick(brush.rng, (3, 4, 6))
    total = np.zeros((height, width), dtype=np.int32)
    for octave, weight in ((1, 9), (2, 5), (4, 2), (8, 1)):
        cells = brush.rng.integers(0, 256, size=(coarse * octave, coarse * octave + octave), dtype=np.uint8)
        smooth = Image.fromarray(cells).resize((width, height), Image.Resampling.BICUBIC)
        total += np.asarray(smooth, dtype=np.int32) * weight
    cover = int(brush.rng.integers(-60, 60))
    level = np.clip(((total // 17 - 128) * pick(brush.rng, (3, 4, 6))) + 128 + cover, 0, 256)
    hue = between(brush.rng, 0.53, 0.64) if chance(brush.rng, 0.7) else between(brush.rng, 0.9, 1.08)
    sky = hsv(hue, between(brush.rng, 0.35, 0.75), between(brush.rng, 0.45, 0.95))
    brush.paint(_blend(level, sky, hsv(hue, 0.04, between(brush.rng, 0.85, 1.0))))
