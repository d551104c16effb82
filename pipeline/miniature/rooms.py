"""Draw bedrooms: furnished rooms in perspective, lit for a time of day, with the boxes of their windows."""

import math

import numpy as np
import numpy.typing as npt

from pipeline.miniature import furniture, light, shell, windows
from pipeline.miniature.furnishing import Furnishing
from pipeline.miniature.palette import between, chance, draw_palette, pick
from pipeline.miniature.perspective import SUPERSAMPLING, Camera, Point, View, far_to_near
from pipeline.miniature.plan import Plan

SHORT_SIDE = 256
"""Short side of a picture in pixels, as in LSUN's archives."""

Box = windows.Box


def draw_room(rng: np.random.Generator) -> tuple[npt.NDArray[np.uint8], list[Box]]:
    """Draw one bedroom.

    Returns:
        The picture, uint8 (H, W, 3) RGB with a short side of 256 and a long side of at most 384; and the boxes
        (x0, y0, x1, y1; x1 and y1 exclusive) of its windows in pixels, possibly none.
    """
    long_side = int(rng.integers(SHORT_SIDE, 385)) if chance(rng, 0.8) else pick(rng, (256, 341, 384))
    size = (SHORT_SIDE, long_side) if chance(rng, 0.1) else (long_side, SHORT_SIDE)
    palette = draw_palette(rng)
    width, height, depth = between(rng, 2.7, 5.2), between(rng, 2.3, 3.0), between(rng, 3.3, 5.2)
    plan = Plan(width, depth)
    furnishing = Furnishing(rng, palette, plan, height)
    camera = _stand(rng, size, plan, furnishing.bed_middle)
    view = View(*size, camera)

    shell.draw_ceiling(view, rng, palette, width, height, depth)
    shell.draw_floor(view, rng, palette, width, depth)
    kind = shell.paper_kind(rng)
    for side, level in (("left", between(rng, 80, 92)), ("right", between(rng, 86, 100)), ("back", 100)):
        shell.draw_wall(view, palette, plan.walls[side], kind, height, level)
    glows, daylight = furnishing.glows, palette.mood.daylight * 0.4
    for window in furnishing.windows:
        windows.draw_window(view, rng, palette, window)
        middle = window.wall.point((window.u0 + window.u1) / 2, 0, (window.y0 + window.y1) / 2)
        glows.append((middle, 0.34, (daylight, daylight, daylight * 0.96)))
    for side, u, y, wide, tall in furnishing.art:
        shell.draw_art(view, rng, palette, plan.walls[side], u, y, wide, tall)
    if furnishing.door is not None:
        shell.draw_door(view, palette, plan.walls[furnishing.door[0]], furnishing.door[1])
    if furnishing.rug is not None:
        furniture.draw_rug(view, rng, palette, furnishing.rug)
    light.draw_shadows(view, plan, height)
    light.draw_sunlight(view, rng, palette, furnishing.windows, width, depth)
    boxes = [box for box in (windows.window_box(view, window) for window in furnishing.windows) if box is not None]
    empty = [windows.cut(view, box) for box in boxes]
    for thing in far_to_near(furnishing.things, camera):
        thing.draw(view)
    in_sight = [box for box, before in zip(boxes, empty, strict=True) if windows.is_in_sight(view, box, before)]
    return light.light_up(view, rng, palette, glows), in_sight


def _stand(rng: np.random.Generator, size: tuple[int, int], plan: Plan, target: Point) -> Camera:
    """A camera at the front of the room, directed at the bed."""
    back = plan.walls["back"]
    width, depth = back.room_width, back.room_depth
    x, y, z = width * between(rng, 0.15, 0.85), between(rng, 0.95, 1.75), between(rng, -0.7, 0.8)
    nearest = min(b for _, b, _, _ in plan.footprints[:1])
    z = min(z, nearest - 0.8)
    share = between(rng, 0.5, 1.0)
    aim = (width / 2 + (target[0] - width / 2) * share, depth + (target[2] - depth) * share)
    yaw = math.atan2(aim[0] - x, aim[1] - z) + between(rng, -0.12, 0.12)
    yaw = round(max(-0.75, min(0.75, yaw * pick(rng, (0.0, 0.6, 1.0, 1.0)))), 6)
    across, down = (side * SUPERSAMPLING for side in size)
    focal = SHORT_SIDE * SUPERSAMPLING * between(rng, 0.74, 1.2)
    # If the camera does not turn, the lens is shifted, which keeps the back wall parallel to the picture.
    shift = 0.0 if yaw else max(-0.3, min(0.3, (x - aim[0]) / (aim[1] - z) * focal / across))
    return Camera((x, y, z), yaw, focal, (across * (0.5 + shift), down * between(rng, 0.36, 0.52)))
