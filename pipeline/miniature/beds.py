"""Beds: headboard, base, mattress, blanket, pillows, sometimes a canopy."""

import math

import numpy as np

from pipeline.miniature.furniture import block
from pipeline.miniature.palette import Palette, between, chance, pick
from pipeline.miniature.perspective import Colour, Point, Thing, View, Wall, mix, shade
from pipeline.miniature.plan import Range

# The outline of a cushion in a unit square: a superellipse of order 4, rounded because libraries differ in last bits.
_CUSHION = tuple(
    (
        round(0.5 + 0.5 * math.copysign(math.sqrt(abs(math.cos(turn))), math.cos(turn)), 4),
        round(0.5 + 0.5 * math.copysign(math.sqrt(abs(math.sin(turn))), math.sin(turn)), 4),
    )
    for turn in (math.tau * step / 24 for step in range(24))
)


def bed(rng: np.random.Generator, palette: Palette, wall: Wall, u: Range, length: float, height: float) -> list[Thing]:
    """A made bed with its head at a wall: headboard, base, mattress, blanket, pillows, sometimes a throw."""
    u0, u1 = u
    wide = u1 - u0
    fabric = chance(rng, 0.4)
    wood = mix(palette.accent, palette.wood, 0.3) if fabric else palette.wood
    head_top = height + between(rng, 0.35, 0.9)
    base_top = height * between(rng, 0.4, 0.6)
    fold = between(rng, 0.55, 0.85)
    things = []
    if chance(rng, 0.88):
        low, high = wall.extent((u0 - 0.05, u1 + 0.05), (0.01, 0.1), (0, head_top))

        def draw_head(view: View) -> None:
            view.box(low, high, wood)
            if fabric:  # upholstery in squares
                for column in range(1, 6):
                    at = u0 + wide * column / 6
                    view.face(wall.rectangle(at - 0.01, height, at + 0.01, head_top - 0.05, out=0.1), shade(wood, 66))
            else:
                view.face(wall.rectangle(u0 + 0.06, height, u1 - 0.06, head_top - 0.12, out=0.1), shade(wood, 70))

        things.append(Thing(low, high, draw_head))
    if chance(rng, 0.25):  # legs, and air under the base
        leg = (length - 0.1, length - 0.02)
        things += [block(wall, (at, at + 0.08), leg, (0, base_top - 0.12), wood) for at in (u0 + 0.02, u1 - 0.1)]
        things.append(block(wall, (u0, u1), (0.1, length), (base_top - 0.12, base_top), wood))
    else:
        things.append(block(wall, (u0, u1), (0.1, length), (0, base_top), wood))
    things.append(block(wall, (u0 + 0.02, u1 - 0.02), (0.1, fold), (base_top, height), palette.linen))
    things += _blanket(rng, palette, wall, (u0, u1), (fold, length + 0.03), (base_top * between(rng, 0.3, 1), height))
    if chance(rng, 0.3):
        post = palette.wood
        things.append(block(wall, (u0 - 0.05, u1 + 0.05), (length + 0.05, length + 0.12), (0, height + 0.12), post))
    things += _pillows(rng, palette, wall, (u0, u1), height)
    if chance(rng, 0.1):
        things += _canopy(rng, palette, wall, (u0 - 0.06, u1 + 0.06), length + 0.12)
    return things


def _canopy(rng: np.random.Generator, palette: Palette, wall: Wall, u: Range, length: float) -> list[Thing]:
    """Four posts and a frame above the bed, with a strip of cloth around it."""
    top, thick = between(rng, 1.9, 2.15), 0.07
    drop = pick(rng, (0.08, 0.25))
    colour = palette.curtain if drop > 0.1 else palette.wood
    sides = [(at, at + thick) for at in (u[0], u[1] - thick)]
    ends = [(out, out + thick) for out in (0.11, length - thick)]
    posts = [block(wall, side, end, (0, top), palette.wood) for side in sides for end in ends]
    along = [block(wall, side, (0.11, length), (top, top + drop), colour) for side in sides]
    across = [block(wall, (u[0] + thick, u[1] - thick), end, (top, top + drop), colour) for end in ends]
    return posts + along + across


def _blanket(rng: np.random.Generator, palette: Palette, wall: Wall, u: Range, out: Range, y: Range) -> list[Thing]:
    """A blanket hanging over the sides, cut into slices of pattern, with the sheet folded back over its head end."""
    base, second = palette.blanket, palette.blanket_pattern
    start, end = out
    top = y[1] + 0.05
    kind = pick(rng, ("plain", "plain", "throw", "throw", "stripes", "quilt", "bands"))
    slices: list[tuple[float, Colour]] = [(start + 0.22, palette.linen)]
    if kind == "throw":
        edge = between(rng, 0.5, 0.7)
        slices += [(start + (end - start) * edge, base), (start + (end - start) * (edge + 0.28), second), (end, base)]
    elif kind in ("stripes", "bands"):
        count = 9 if kind == "stripes" else 4
        slices += [
            (start + 0.22 + (end - start - 0.22) * (place + 1) / count, second if place % 2 else base)
            for place in range(count)
        ]
    else:
        slices += [(end, base)]
    things = []
    u0, u1 = u[0] - 0.04, u[1] + 0.04
    for (stop, colour), begin in zip(slices, [start, *(stop for stop, _ in slices)], strict=False):
        things.append(block(wall, (u0, u1), (begin, stop), (y[0], top), colour))
    things += _hanging_folds(rng, base if kind != "stripes" else second, wall, (u0, u1), end, y[0], top)
    if kind in ("quilt", "plain"):
        lines = 5 if kind == "quilt" else 2
        folds = [between(rng, -0.1, 0.1) for _ in range(lines)]

        def draw_seams(view: View) -> None:
            for place, slant in enumerate(folds, start=1):
                at = u0 + (u1 - u0) * place / (lines + 1)
                seam = [(at, start + 0.24), (at + 0.03, start + 0.24), (at + 0.03 + slant, end), (at + slant, end)]
                if kind == "quilt":
                    seam = [(at, start + 0.24), (at + 0.02, start + 0.24), (at + 0.02, end), (at, end)]
                view.face([wall.point(a, b, top) for a, b in seam], shade(base, 86))
                if kind == "quilt":
                    row = start + 0.24 + (end - start - 0.24) * place / (lines + 1)
                    view.face(wall.flat(u0, row, u1, row + 0.02, top), shade(base, 86))

        low, high = wall.extent((u0, u1), (start, end), (top, top + 0.01))
        things.append(Thing(low, high, draw_seams))
    return things


def _hanging_folds(
    rng: np.random.Generator, colour: Colour, wall: Wall, u: Range, end: float, bottom: float, top: float
) -> list[Thing]:
    """The folds of the cloth that hangs down at the foot end."""
    places = [(between(rng, u[0], u[1] - 0.1), between(rng, 0.02, 0.07)) for _ in range(6)]

    def draw(view: View) -> None:
        for place, wide in places:
            fold = [(place, top - 0.06), (place + wide * 0.3, top - 0.06), (place + wide, bottom), (place, bottom)]
            view.face([wall.point(a, end, b) for a, b in fold], shade(colour, 70))

    low, high = wall.extent(u, (end, end + 0.01), (bottom, top))
    eye = {"back": 2, "left": 0, "right": 0}[wall.side]
    inner = low[eye] if wall.side == "left" else high[eye]

    def draw_when_seen(view: View) -> None:
        position = view.camera.position[eye]
        if position > inner if wall.side == "left" else position < inner:
            draw(view)

    return [Thing(low, high, draw_when_seen)]


def _pillows(rng: np.random.Generator, palette: Palette, wall: Wall, u: Range, height: float) -> list[Thing]:
    """One or two rows of pillows leaning on the head end."""
    u0, u1 = u
    count = 1 if u1 - u0 < 1.15 else 2
    things = []
    rows = [(palette.linen, 0.12, 0.42, count)]
    if chance(rng, 0.55):
        rows.append((palette.accent, 0.36, 0.32, pick(rng, (1, count))))
    if chance(rng, 0.3):
        rows.insert(0, (palette.blanket, 0.1, 0.52, count))
        rows[1] = (rows[1][0], 0.24, *rows[1][2:])
    for colour, out, tall, number in rows:
        wide = (u1 - u0) * 0.94 / count * (0.9 if number == count else 0.7)
        for place in range(number):
            middle = u0 + (u1 - u0) * (place + 0.5) / number
            left, right = middle - wide / 2, middle + wide / 2
            things.append(cushion(wall, (left, right), (out, out + 0.22), (height + 0.03, height + tall), colour))
    return things


def cushion(wall: Wall, u: Range, out: Range, y: Range, colour: Colour) -> Thing:
    """A soft cushion leaning towards the wall, from (out[1], y[0]) below to (out[0], y[1]) above."""

    def outline(inset: float, lift: float) -> list[Point]:
        points = []
        for a, b in _CUSHION:
            across, up = inset + a * (1 - 2 * inset), min(1.0, inset + b * (1 - 2 * inset) + lift)
            points.append(
                wall.point(u[0] + (u[1] - u[0]) * across, out[1] + (out[0] - out[1]) * up, y[0] + (y[1] - y[0]) * up)
            )
        return points

    def draw(view: View) -> None:
        for inset, lift, level in ((0.0, 0.0, 76), (0.03, 0.03, 90), (0.1, 0.06, 99), (0.2, 0.12, 106)):
            view.face(outline(inset, lift), shade(colour, level))

    return Thing(*wall.extent(u, out, y), draw)
