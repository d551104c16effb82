"""Add shadows, sunlight and lamplight to the flat colours of a room."""

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFilter

from pipeline.miniature.palette import Palette, between
from pipeline.miniature.perspective import SUPERSAMPLING, Colour, Point, View
from pipeline.miniature.plan import Plan
from pipeline.miniature.shell import FRONT
from pipeline.miniature.windows import Window

Glow = tuple[Point, float, tuple[float, float, float]]
"""A light: its position, its reach (in widths of the picture), and its strength per channel."""


def _mask(view: View) -> tuple[Image.Image, ImageDraw.ImageDraw, int]:
    """An empty grey picture at a quarter of the canvas's size, what draws on it, and the scale factor."""
    mask = Image.new("L", (view.canvas.width // 4, view.canvas.height // 4))
    return mask, ImageDraw.Draw(mask), 4


def _lay_on(view: View, mask: Image.Image, colour: Colour, blur: float, scale: int) -> None:
    """Blend a colour over the canvas, weighted by a small mask."""
    soft = mask.filter(ImageFilter.BoxBlur(blur))
    part = soft.getbbox()
    if part is not None:
        wide, tall = (part[2] - part[0]) * scale, (part[3] - part[1]) * scale
        soft = soft.crop(part).resize((wide, tall), Image.Resampling.BILINEAR)
        left, top = part[0] * scale, part[1] * scale
        view.canvas.paste(colour, (left, top, left + wide, top + tall), soft)


def draw_shadows(view: View, plan: Plan, height: float) -> None:
    """Darken corners between walls and the floor beneath furniture."""
    mask, pen, scale = _mask(view)
    width, depth = plan.walls["back"].room_width, plan.walls["back"].room_depth
    corners = [(x, y, depth) for x, y in ((0.0, 0.0), (width, 0.0), (width, height), (0.0, height))]
    edges = list(zip(corners, [*corners[1:], corners[0]], strict=True))
    edges += [((x, y, FRONT), (x, y, depth)) for x, y, _ in corners]
    for edge in edges:
        line = [(x // scale, y // scale) for x, y in view.camera.project(edge)]
        if len(line) > 1:
            pen.line(line[:2], fill=70, width=5)
    for x0, z0, x1, z1 in plan.footprints:
        spread = 0.08
        around = [(x0 - spread, z0 - spread), (x1 + spread, z0 - spread), (x1 + spread, z1), (x0 - spread, z1)]
        outline = [(x // scale, y // scale) for x, y in view.camera.project([(x, 0.0, z) for x, z in around])]
        if len(outline) > 2:
            pen.polygon(outline, fill=130)
    _lay_on(view, mask, (14, 10, 16), 4, scale)


def draw_sunlight(
    view: View, rng: np.random.Generator, palette: Palette, openings: list[Window], width: float, depth: float
) -> None:
    """Draw the patches of sunlight from windows on the floor."""
    if palette.mood.daylight < 0.45 or not openings:
        return
    mask, pen, scale = _mask(view)
    reach, slant = between(rng, 0.5, 1.1), between(rng, -0.6, 0.6)
    for window in openings:
        wide = window.u1 - window.u0
        for a, b in ((0.06, 0.48), (0.52, 0.94)):
            corners: list[Point] = []
            for share, y in ((a, window.y0), (b, window.y0), (b, window.y1), (a, window.y1)):
                x, _, z = window.wall.point(window.u0 + wide * share + y * slant, 0.1 + y * reach, 0)
                corners.append((max(0.0, min(width, x)), 0.0, max(-1.0, min(depth, z))))
            outline = [(x // scale, y // scale) for x, y in view.camera.project(corners)]
            if len(outline) > 2:
                pen.polygon(outline, fill=round(150 * palette.mood.daylight))
    _lay_on(view, mask, (255, 246, 222), 1, scale)


def light_up(view: View, rng: np.random.Generator, palette: Palette, glows: list[Glow]) -> npt.NDArray[np.uint8]:
    """Average the canvas down to the picture's size; apply light, vignette and grain."""
    image = view.canvas.reduce(SUPERSAMPLING)
    columns, rows = image.width // 8, image.height // 8
    x = (np.arange(columns) + 0.5)[None, :] / columns
    y = (np.arange(rows) + 0.5)[:, None] / rows
    vignette = 1.0 - between(rng, 0.1, 0.45) * ((x - 0.5) ** 2 + (y - 0.5) ** 2)
    slope = 1.0 + between(rng, -0.2, 0.2) * (x - 0.5) + between(rng, -0.1, 0.1) * (y - 0.5)
    exposure = between(rng, 0.88, 1.06)
    light = np.multiply.outer(vignette * slope * exposure, palette.mood.ambient)
    for where, radius, strength in glows:
        seen = view.camera.project([where, where, where])
        if not seen:
            continue
        across, down = seen[0][0] / view.canvas.width, seen[0][1] / view.canvas.height
        far = (x - across) ** 2 + ((y - down) * image.height / image.width) ** 2
        light += np.multiply.outer(1.0 / (1.0 + far / radius**2) ** 2, strength)
    # Bright light is compressed, so that the surroundings of lamps and windows keep their detail.
    light = np.where(light > 1.0, 1.0 + (light - 1.0) / (1.0 + 0.9 * (light - 1.0)), light)
    levels = Image.fromarray(np.clip(np.rint(light * 128), 0, 255).astype(np.uint8))
    factor = np.asarray(levels.resize(image.size, Image.Resampling.BICUBIC), dtype=np.uint16)
    grain = rng.integers(-5, 6, size=(image.height, image.width, 1), dtype=np.int16)
    lit = (np.asarray(image, dtype=np.uint16) * factor >> 7).astype(np.int16) + grain
    pixels: npt.NDArray[np.uint8] = np.clip(lit, 0, 255).astype(np.uint8)
    return pixels
