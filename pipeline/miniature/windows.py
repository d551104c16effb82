"""Draw windows (frame, panes, view, blinds and curtains), and compute their boxes in the picture."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.miniature.palette import Mood, Palette, between, chance, hsv, pick
from pipeline.miniature.perspective import SUPERSAMPLING, Colour, View, Wall, mix, shade

Box = tuple[int, int, int, int]
"""x0, y0, x1, y1 in pixels; x1 and y1 are one past the last pixel."""


@dataclass(frozen=True)
class Window:
    """An opening in a wall, in metres along (u) and up (y) the wall, frame included."""

    wall: Wall
    u0: float
    y0: float
    u1: float
    y1: float


def window_box(view: View, window: Window) -> Box | None:
    """The window's bounding box in the finished picture, or None if hardly any of it is visible."""
    outline = view.camera.project(window.wall.rectangle(window.u0, window.y0, window.u1, window.y1))
    if not outline:
        return None
    width, height = view.canvas.width // SUPERSAMPLING, view.canvas.height // SUPERSAMPLING
    across, down = [x for x, _ in outline], [y for _, y in outline]
    x0, x1 = max(0, min(across) // SUPERSAMPLING), min(width, max(across) // SUPERSAMPLING + 1)
    y0, y1 = max(0, min(down) // SUPERSAMPLING), min(height, max(down) // SUPERSAMPLING + 1)
    return (x0, y0, x1, y1) if x1 - x0 >= 6 and y1 - y0 >= 6 else None


def cut(view: View, box: Box) -> npt.NDArray[np.uint8]:
    """The current content of a box of the picture, in grey: uint8 (h, w)."""
    x0, y0, x1, y1 = (side * SUPERSAMPLING for side in box)
    return np.asarray(view.canvas.crop((x0, y0, x1, y1)).reduce(SUPERSAMPLING).convert("L"))


def is_in_sight(view: View, box: Box, before: npt.NDArray[np.uint8]) -> bool:
    """Whether at least half of a box is unchanged since `before`, its content before the furniture was drawn."""
    return bool(np.mean(cut(view, box) == before) >= 0.5)


def draw_window(view: View, rng: np.random.Generator, palette: Palette, window: Window) -> None:
    """A window with its view, mullions, sill and sometimes blinds or curtains."""
    wall, u0, y0, u1, y1 = window.wall, window.u0, window.y0, window.u1, window.y1
    frame = palette.trim
    view.face(wall.rectangle(u0, y0, u1, y1), frame)
    edge = 0.07
    glass = Window(wall, u0 + edge, y0 + edge, u1 - edge, y1 - edge)
    _draw_outside(view, rng, palette.mood, glass)
    wide, tall = glass.u1 - glass.u0, glass.y1 - glass.y0
    columns = pick(rng, (1, 2, 2, 3)) if wide > 0.9 else pick(rng, (1, 2))
    rows = pick(rng, (1, 1, 2, 3))
    for place in range(1, columns):
        u = glass.u0 + wide * place / columns
        view.face(wall.rectangle(u - 0.025, glass.y0, u + 0.025, glass.y1), shade(frame, 94))
    for place in range(1, rows):
        y = glass.y0 + tall * place / rows
        view.face(wall.rectangle(glass.u0, y - 0.02, glass.u1, y + 0.02), shade(frame, 94))
    if y0 > 0.3:
        view.box(*wall.extent((u0 - 0.05, u1 + 0.05), (0, 0.12), (y0 - 0.05, y0)), frame)
    kind = rng.random()
    if kind < 0.13:
        _draw_blinds(view, rng, palette, glass)
    elif kind < 0.75:
        _draw_curtains(view, rng, palette, window)


def _draw_outside(view: View, rng: np.random.Generator, mood: Mood, glass: Window) -> None:
    """Sky from horizon to zenith, then hills, trees, houses or the sea."""
    wall, u0, y0, wide, tall = glass.wall, glass.u0, glass.y0, glass.u1 - glass.u0, glass.y1 - glass.y0

    def patch(a0: float, b0: float, a1: float, b1: float, colour: Colour) -> None:
        view.face(wall.rectangle(u0 + wide * a0, y0 + tall * b0, u0 + wide * a1, y0 + tall * b1), colour)

    bands = 7
    for place in range(bands):
        patch(0, place / bands, 1, 1, mix(*mood.sky, place / (bands - 1)))
    kind = pick(rng, ("hills", "trees", "city", "sea", "sky"))
    if kind == "hills":
        for level, colour in ((0.5, mix(mood.land, mood.sky[0], 0.5)), (0.3, mood.land)):
            ridge = [(share / 6, level + between(rng, -0.1, 0.1)) for share in range(7)]
            outline = [(a, b) for a, b in [*ridge, (1.0, 0.0), (0.0, 0.0)]]
            view.face([wall.point(u0 + wide * a, 0, y0 + tall * b) for a, b in outline], colour)
    elif kind == "trees":
        patch(0, 0, 1, between(rng, 0.1, 0.2), shade(mood.land, 110))
        for _ in range(int(rng.integers(3, 7))):
            middle, top, half = between(rng, 0.08, 0.92), between(rng, 0.35, 0.9), between(rng, 0.08, 0.2)
            crown = [(-1, 0.5), (-0.8, 0.2), (0, 0.08), (0.8, 0.2), (1, 0.5), (0.7, 0.85), (0, 1), (-0.7, 0.85)]
            outline = [(min(1.0, max(0.0, middle + half * a)), top * b) for a, b in crown]
            colour = shade(mood.land, between(rng, 70, 120))
            view.face([wall.point(u0 + wide * a, 0, y0 + tall * b) for a, b in outline], colour)
    elif kind == "city":
        left = 0.0
        while left < 1:
            right, top = min(1.0, left + between(rng, 0.12, 0.3)), between(rng, 0.25, 0.75)
            colour = mix(mix(mood.land, (128, 124, 122), 0.6), mood.sky[0], between(rng, 0, 0.4))
            patch(left, 0, right, top, shade(colour, 70) if mood.lit_panes else colour)
            pane = (255, 214, 120) if mood.lit_panes else shade(colour, 72)
            for row in range(1, int(top * 10)):
                for column in range(3):
                    if chance(rng, 0.55):
                        a, b = left + (right - left) * (column + 0.25) / 3, row / 10
                        patch(a, b, a + (right - left) / 6, b + 0.05, pane)
            left = right
    elif kind == "sea":
        patch(0, 0, 1, 0.4, mix((58, 120, 160), mood.land, 0.5) if not mood.lit_panes else shade(mood.sky[1], 70))
        patch(0, 0, 1, 0.1, mix(mood.sky[0], (222, 200, 150), 0.5))


def _draw_blinds(view: View, rng: np.random.Generator, palette: Palette, glass: Window) -> None:
    """Slats over the upper part, or all, of the glass."""
    bottom = glass.y0 + (glass.y1 - glass.y0) * pick(rng, (0.0, 0.3, 0.5))
    slat = hsv(0.1, between(rng, 0.02, 0.3), between(rng, 0.75, 0.95))
    step = 0.09
    for place in range(int((glass.y1 - bottom) / step)):
        y = glass.y1 - place * step
        view.face(glass.wall.rectangle(glass.u0, y - 0.06, glass.u1, y), slat)
        view.face(glass.wall.rectangle(glass.u0, y - 0.06, glass.u1, y - 0.045), shade(slat, 78))


def _draw_curtains(view: View, rng: np.random.Generator, palette: Palette, window: Window) -> None:
    """A rod and two folded curtains at the sides of the window."""
    wall = window.wall
    wide = window.u1 - window.u0
    top, bottom = window.y1 + 0.12, pick(rng, (0.03, 0.03, window.y0 - 0.15))
    bottom = max(0.03, bottom)
    covered, outside = wide * between(rng, 0.04, 0.24), between(rng, 0.14, 0.34)
    folds = 7
    for start, end in ((window.u0 - outside, window.u0 + covered), (window.u1 - covered, window.u1 + outside)):
        for place in range(folds):
            u, step = start + (end - start) * place / folds, (end - start) / folds
            colour = shade(palette.curtain, (108, 92, 78, 96)[place % 4])
            lower = bottom + 0.03 * (place % 2)
            view.face(wall.rectangle(u, lower, u + step, top, out=0.08), colour)
    view.face(
        wall.rectangle(window.u0 - outside - 0.06, top - 0.02, window.u1 + outside + 0.06, top + 0.03, out=0.09),
        palette.wood,
    )
