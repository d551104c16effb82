"""Draw the empty room: floor, ceiling, and papered walls with pictures and doors."""

import numpy as np

from pipeline.miniature.palette import Palette, between, chance, hsv, pick
from pipeline.miniature.perspective import Colour, View, Wall, mix, shade

FRONT = -2.5
"""The end of floor and side walls, behind the viewer (z in metres)."""


_TRIANGLE = ((-1.0, -0.8), (1.0, -0.8), (0.1, 1.0))
_DISC = ((1.0, 0.0), (0.7, 0.7), (0.0, 1.0), (-0.7, 0.7), (-1.0, 0.0), (-0.7, -0.7), (0.0, -1.0), (0.7, -0.7))
_TALL = ((-0.4, -1.0), (0.4, -1.0), (0.5, 0.6), (0.0, 1.0), (-0.5, 0.6))


def draw_floor(view: View, rng: np.random.Generator, palette: Palette, width: float, depth: float) -> None:
    """Planks, tiles or carpet."""

    def tile(x0: float, z0: float, x1: float, z1: float, colour: Colour) -> None:
        view.face([(x0, 0, z0), (x1, 0, z0), (x1, 0, z1), (x0, 0, z1)], colour)

    tile(0, FRONT, width, depth, palette.floor)
    kind = rng.random()
    if kind < 0.4:  # planks, along or across
        along = chance(rng, 0.6)
        start, end = (0.0, width) if along else (0.0, depth)
        step = between(rng, 0.12, 0.24)
        shades = rng.integers(86, 112, size=int((end - start) / step) + 1).tolist()
        for place, level in enumerate(shades):
            near, far = start + place * step, min(end, start + (place + 1) * step - 0.012)
            if along:
                tile(near, FRONT, far, depth, shade(palette.floor, level))
            else:
                tile(0, near, width, far, shade(palette.floor, level))
    elif kind < 0.55:  # tiles
        step = between(rng, 0.3, 0.6)
        second = shade(palette.floor, pick(rng, (78, 90, 112)))
        for column in range(int(width / step) + 1):
            for row in range(int(depth / step) + 1):
                if (column + row) % 2:
                    x, z = column * step, row * step
                    tile(x, z, min(width, x + step), min(depth, z + step), second)


def draw_ceiling(
    view: View, rng: np.random.Generator, palette: Palette, width: float, height: float, depth: float
) -> None:
    """A plain ceiling, sometimes with beams."""
    view.face([(0, height, FRONT), (width, height, FRONT), (width, height, depth), (0, height, depth)], palette.ceiling)
    if chance(rng, 0.14):
        step = between(rng, 0.7, 1.1)
        for place in range(int(depth / step), 0, -1):
            z = place * step - 0.3
            view.box((0, height - 0.16, z), (width, height - 0.001, z + 0.16), shade(palette.wood, 90))


def paper_kind(rng: np.random.Generator) -> str:
    """A random kind of wallpaper; most are plain."""
    kinds = ("plain", "stripes", "wide stripes", "dots", "panels", "wainscot", "two tones", "planks", "bricks")
    return kinds[int(np.searchsorted((0.46, 0.54, 0.60, 0.66, 0.74, 0.84, 0.90, 0.95), rng.random()))]


def draw_wall(view: View, palette: Palette, wall: Wall, kind: str, height: float, level: float) -> None:
    """One wall with its paper, skirting and cornice; `level` is its brightness in percent."""
    back = wall.side == "back"
    base = shade(palette.feature_wall if back else palette.wall, level)
    # The wallpaper's pattern is only on the feature wall, unless all walls have the same colour.
    patterned = back or palette.wall == palette.feature_wall
    pattern, trim = shade(palette.wall_pattern, level), shade(palette.trim, level)
    start, end = (0.0, wall.room_width) if back else (FRONT, wall.room_depth)

    def patch(u0: float, y0: float, u1: float, y1: float, colour: Colour) -> None:
        view.face(wall.rectangle(u0, y0, min(end, u1), y1), colour)

    patch(start, 0, end, height, base)
    visible = start if back else 0.0
    if patterned and kind in ("stripes", "wide stripes"):
        step = 0.2 if kind == "stripes" else 0.56
        for place in range(int((end - visible) / step) + 1):
            patch(visible + place * step, 0, visible + (place + 0.5) * step, height, pattern)
    elif patterned and kind == "dots":
        for row in range(1, int(height / 0.3) + 1):
            for place in range(int((end - visible) / 0.3) + 1):
                u, y, r = visible + (place + 0.5 * (row % 2)) * 0.3, row * 0.3 - 0.1, 0.055
                view.face(
                    [wall.point(*at) for at in ((u - r, 0, y), (u, 0, y - r), (u + r, 0, y), (u, 0, y + r))], pattern
                )
    elif kind == "panels":
        for place in range(int((end - visible) / 0.9) + 1):
            u = visible + 0.1 + place * 0.9
            if u + 0.7 < end:
                patch(u, 0.25, u + 0.7, height - 0.2, shade(base, 88))
                patch(u + 0.03, 0.28, u + 0.67, height - 0.23, shade(base, 103))
    elif kind == "wainscot":
        patch(start, 0, end, 0.95, shade(trim, 97))
        patch(start, 0.92, end, 0.99, shade(trim, 85))
        for place in range(int((end - visible) / 0.22) + 1):
            patch(visible + place * 0.22, 0.1, visible + place * 0.22 + 0.015, 0.92, shade(trim, 82))
    elif kind == "two tones":
        patch(start, 0, end, height * 0.45, mix(base, shade(palette.accent, level), 0.55))
    elif patterned and kind == "planks":
        for row in range(int(height / 0.2) + 1):
            patch(start, row * 0.2, end, row * 0.2 + 0.02, shade(base, 78))
    elif patterned and kind == "bricks" and back:
        for row in range(int(height / 0.16) + 1):
            y = row * 0.16
            for place in range(int((end - visible) / 0.42) + 2):
                u = max(start, visible + (place - 0.5 * (row % 2)) * 0.42)
                tone = 84 + (row * 7 + place * 11) % 5 * 5
                patch(
                    u + 0.012,
                    y + 0.012,
                    visible + (place + 1 - 0.5 * (row % 2)) * 0.42,
                    min(height, y + 0.15),
                    shade(base, tone),
                )
    patch(start, 0, end, 0.1, trim)
    patch(start, height - 0.07, end, height, trim)


def draw_art(
    view: View, rng: np.random.Generator, palette: Palette, wall: Wall, u: float, y: float, w: float, h: float
) -> None:
    """A framed picture (or mirror) of w by h metres with its lower left corner at (u, y)."""
    frame = pick(rng, (palette.wood, palette.trim, hsv(0.1, 0.2, 0.14), hsv(0.12, 0.55, 0.7)))
    view.face(wall.rectangle(u, y, u + w, y + h), frame)
    edge = 0.035
    u, y, w, h = u + edge, y + edge, w - 2 * edge, h - 2 * edge
    kind = pick(rng, ("landscape", "stripes", "shapes", "mirror", "print"))
    ground = hsv(float(rng.random()), between(rng, 0.05, 0.5), between(rng, 0.5, 0.95))
    view.face(wall.rectangle(u, y, u + w, y + h), ground)
    if kind == "landscape":
        ridge = [wall.point(u + w * share, 0, y + h * between(rng, 0.3, 0.65)) for share in (0, 0.3, 0.55, 0.8, 1)]
        view.face([*ridge, wall.point(u + w, 0, y), wall.point(u, 0, y)], shade(ground, 55))
    elif kind == "stripes":
        for place in range(4):
            colour = mix(ground, palette.accent, place / 3)
            view.face(wall.rectangle(u + w * place / 4, y, u + w * (place + 1) / 4, y + h), colour)
    elif kind == "mirror":
        view.face(wall.rectangle(u, y, u + w, y + h), hsv(0.55, 0.08, 0.86))
        view.face(
            [wall.point(u, 0, y + h), wall.point(u + w * 0.6, 0, y + h), wall.point(u, 0, y + h * 0.3)],
            hsv(0.55, 0.03, 0.97),
        )
    else:
        view.face(wall.rectangle(u + w * 0.18, y + h * 0.18, u + w * 0.82, y + h * 0.82), hsv(0.1, 0.04, 0.95))
        colour = palette.accent if kind == "shapes" else shade(ground, 60)
        for _ in range(pick(rng, (1, 2, 3))):
            middle, half, level = between(rng, 0.36, 0.64), between(rng, 0.1, 0.18), between(rng, 0.36, 0.64)
            blob = pick(rng, (_TRIANGLE, _DISC, _TALL))
            outline = [wall.point(u + w * (middle + half * a), 0, y + h * (level + half * b)) for a, b in blob]
            view.face(outline, colour)
            colour = shade(colour, 74)


def draw_door(view: View, palette: Palette, wall: Wall, u: float) -> None:
    """A closed panelled door, 0.85 m wide."""
    view.face(wall.rectangle(u - 0.08, 0, u + 0.93, 2.13), palette.trim)
    view.face(wall.rectangle(u, 0, u + 0.85, 2.05), shade(palette.wood, 96))
    for low, high in ((0.2, 0.9), (1.05, 1.9)):
        view.face(wall.rectangle(u + 0.12, low, u + 0.73, high), shade(palette.wood, 82))
        view.face(wall.rectangle(u + 0.15, low + 0.03, u + 0.73, high), shade(palette.wood, 92))
    view.face(wall.rectangle(u + 0.76, 0.98, u + 0.82, 1.04), hsv(0.12, 0.5, 0.75))
