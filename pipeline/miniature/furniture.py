"""Draw furniture. Each function returns the parts of one piece, to be painted from far to near."""

import math
from collections.abc import Sequence

import numpy as np

from pipeline.miniature.palette import Palette, between, chance, hsv, pick
from pipeline.miniature.perspective import Colour, Point, Thing, View, Wall, mix, shade
from pipeline.miniature.plan import Range


def block(wall: Wall, u: Range, out: Range, y: Range, colour: Colour) -> Thing:
    """A plain box before a wall."""
    low, high = wall.extent(u, out, y)
    return Thing(low, high, lambda view: view.box(low, high, colour))


def cupboard(
    rng: np.random.Generator, palette: Palette, wall: Wall, u: Range, deep: float, tall: float, doors: tuple[int, int]
) -> list[Thing]:
    """A wardrobe, chest or desk-high cabinet: a box whose front has columns by rows of doors with knobs."""
    colour = palette.wood
    low, high = wall.extent(u, (0.01, deep), (0, tall))
    columns, rows = doors
    knob = pick(rng, (hsv(0.12, 0.5, 0.85), hsv(0.1, 0.1, 0.25)))
    wide, each = (u[1] - u[0]) / columns, (tall - 0.14) / rows

    def draw(view: View) -> None:
        view.box(low, high, colour)
        front = shade(colour, 92)
        for column in range(columns):
            for row in range(rows):
                a, b = u[0] + wide * column, 0.1 + each * row
                view.face(wall.rectangle(a + 0.025, b + 0.02, a + wide - 0.025, b + each - 0.02, out=deep), front)
                at = a + wide * (0.5 if rows > 1 else 0.85 if column % 2 == 0 else 0.15)
                middle = b + each * 0.5
                view.face(wall.rectangle(at - 0.025, middle - 0.03, at + 0.025, middle + 0.03, out=deep), knob)

    return [Thing(low, high, draw)]


def table_lamp(rng: np.random.Generator, palette: Palette, foot: Point, lit: bool, tall: float = 0.5) -> list[Thing]:
    """A lamp with a shade, standing at `foot`."""
    x, y, z = foot
    half = 0.13 if tall < 1 else 0.2
    colour = hsv(0.12, 0.25, 1.0) if lit else mix(palette.accent, (236, 228, 210), pick(rng, (0.2, 0.7, 1.0)))
    stem = pick(rng, (palette.accent, hsv(0.1, 0.3, 0.2), hsv(0.12, 0.5, 0.75)))

    def draw(view: View) -> None:
        view.box((x - 0.06, y, z - 0.06), (x + 0.06, y + 0.03, z + 0.06), stem)
        view.box((x - 0.02, y, z - 0.02), (x + 0.02, y + tall * 0.6, z + 0.02), stem)
        for share, level in ((1.0, 92), (0.6, 103)):
            wide, narrow = half * share, half * 0.62 * share
            corners = ((-wide, 0.5), (wide, 0.5), (narrow, 1.0), (-narrow, 1.0))
            view.face([(x + a, y + tall * b, z) for a, b in corners], shade(colour, level))

    return [Thing((x - half, y, z - half), (x + half, y + tall, z + half), draw)]


def pendant(palette: Palette, hook: Point, drop: float, lit: bool) -> list[Thing]:
    """A lamp hanging `drop` metres below a hook in the ceiling."""
    x, y, z = hook
    colour = hsv(0.12, 0.2, 1.0) if lit else palette.accent

    def draw(view: View) -> None:
        view.box((x - 0.008, y - drop, z - 0.008), (x + 0.008, y, z + 0.008), (40, 36, 36))
        outline = [(-0.24, 0.0), (0.24, 0.0), (0.16, 0.14), (0.05, 0.24), (-0.05, 0.24), (-0.16, 0.14)]
        view.face([(x + a, y - drop + b, z) for a, b in outline], shade(colour, 96))
        view.face([(x + a * 0.5 - 0.03, y - drop + b, z) for a, b in outline], shade(colour, 106))

    return [Thing((x - 0.24, y - drop, z - 0.24), (x + 0.24, y, z + 0.24), draw)]


def armchair(palette: Palette, wall: Wall, u: float, out: float) -> list[Thing]:
    """An upholstered chair with its back to the wall."""
    colour = palette.accent
    return [
        block(wall, (u, u + 0.7), (out, out + 0.14), (0.1, 0.85), colour),
        block(wall, (u + 0.12, u + 0.58), (out + 0.14, out + 0.65), (0.1, 0.42), shade(colour, 106)),
        block(wall, (u, u + 0.12), (out + 0.14, out + 0.65), (0.1, 0.58), colour),
        block(wall, (u + 0.58, u + 0.7), (out + 0.14, out + 0.65), (0.1, 0.58), colour),
    ]


def plant(rng: np.random.Generator, foot: Point, tall: float) -> list[Thing]:
    """A pot with a bush of long leaves."""
    x, y, z = foot
    pot = hsv(between(rng, 0.0, 0.12), between(rng, 0.05, 0.6), between(rng, 0.5, 0.95))
    green = hsv(between(rng, 0.24, 0.38), between(rng, 0.45, 0.75), between(rng, 0.3, 0.6))
    tips = [(between(rng, -0.4, 0.4), between(rng, 0.6, 1.0), between(rng, 75, 130)) for _ in range(11)]

    def draw(view: View) -> None:
        view.box((x - 0.14, y, z - 0.14), (x + 0.14, y + tall * 0.28, z + 0.14), pot)
        bottom = y + tall * 0.28
        for lean, reach, level in tips:
            tip, middle = x + lean * tall * 0.8, x + lean * tall * 0.3
            high = bottom + tall * 0.72 * reach
            bend = bottom + (high - bottom) * 0.6
            leaf = [(x, bottom, z), (middle - 0.07, bend, z), (tip, high, z), (middle + 0.07, bend, z)]
            view.face(leaf, shade(green, level))

    return [Thing((x - 0.2, y, z - 0.2), (x + 0.2, y + tall, z + 0.2), draw)]


def draw_rug(view: View, rng: np.random.Generator, palette: Palette, corners: Sequence[float]) -> None:
    """A rectangular or round rug with rings of colour, lying on the floor between x0, z0, x1, z1."""
    x0, z0, x1, z1 = corners
    is_round = chance(rng, 0.3)
    colours = (palette.blanket_pattern, palette.linen, palette.accent, palette.blanket)
    for ring, colour in enumerate(colours[: pick(rng, (1, 2, 3, 4))]):
        inset = 0.12 * ring
        points = _ROUND if is_round else ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0))
        shrunk = [(inset + a * (1 - 2 * inset), inset + b * (1 - 2 * inset)) for a, b in points]
        view.face([(x0 + (x1 - x0) * a, 0.01, z0 + (z1 - z0) * b) for a, b in shrunk], colour)


_ROUND = tuple(
    (round(0.5 + 0.5 * math.cos(math.tau * step / 28), 4), round(0.5 + 0.5 * math.sin(math.tau * step / 28), 4))
    for step in range(28)
)
