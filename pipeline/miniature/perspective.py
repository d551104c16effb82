"""A pinhole camera and a canvas: quads and boxes given in metres become filled polygons.

World axes: x to the right, y up, z away from the viewer. A room spans x in [0, width], y in [0, height] and z up to
its depth. Verticals stay vertical in the picture (the camera turns, but never tilts).
"""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

from PIL import Image, ImageDraw

Colour = tuple[int, int, int]
Point = tuple[float, float, float]
Pixel = tuple[int, int]

SUPERSAMPLING = 2
"""Canvas pixels per picture pixel and side; averaging them smooths edges."""

_NEAR = 0.08  # metres; anything nearer to the camera's plane is cut off
_TOUCHING = 0.02  # metres by which neighbouring objects may overlap and still count as separate


def shade(colour: Colour, percent: float) -> Colour:
    """`colour` at `percent` of its brightness, each channel cut to 0..255."""
    red, green, blue = (max(0, min(255, round(channel * percent / 100))) for channel in colour)
    return red, green, blue


def mix(first: Colour, second: Colour, share: float) -> Colour:
    """The colour at `share` (0..1) of the way from `first` to `second`."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(first, second, strict=True))
    return red, green, blue


class Camera:
    """Position and direction of the camera, and the crop of the picture.

    Args:
        position: position of the camera in metres.
        yaw: turn to the right in radians.
        focal: focal length in canvas pixels.
        centre: canvas pixel of the horizon straight ahead.
    """

    def __init__(self, position: Point, yaw: float, focal: float, centre: tuple[float, float]) -> None:
        self.position = position
        self.focal = focal
        self.centre = centre
        # Rounded, since the last bits of sine and cosine differ between C libraries.
        self._sine, self._cosine = round(math.sin(yaw), 6), round(math.cos(yaw), 6)

    def turned(self, point: Point) -> Point:
        """`point` in the camera's own axes: right, up, away."""
        x, y, z = point[0] - self.position[0], point[1] - self.position[1], point[2] - self.position[2]
        return x * self._cosine - z * self._sine, y, x * self._sine + z * self._cosine

    def project(self, points: Sequence[Point]) -> list[Pixel]:
        """Project a flat polygon to the canvas, cut at the near plane; empty if all of it is behind the camera."""
        seen = [self.turned(point) for point in points]
        kept: list[Point] = []
        for before, now in zip([seen[-1], *seen[:-1]], seen, strict=True):
            if (before[2] > _NEAR) != (now[2] > _NEAR):
                share = (_NEAR - before[2]) / (now[2] - before[2])
                kept.append((before[0] + (now[0] - before[0]) * share, before[1] + (now[1] - before[1]) * share, _NEAR))
            if now[2] > _NEAR:
                kept.append(now)
        across, down = self.centre
        return [(round(across + self.focal * x / z), round(down - self.focal * y / z)) for x, y, z in kept]


class View:
    """A picture while it is drawn: a supersampled RGB canvas seen through a camera."""

    def __init__(self, width: int, height: int, camera: Camera) -> None:
        self.canvas = Image.new("RGB", (width * SUPERSAMPLING, height * SUPERSAMPLING))
        self.camera = camera
        self._pen = ImageDraw.Draw(self.canvas)

    def face(self, points: Sequence[Point], colour: Colour) -> None:
        """Fill the flat polygon through `points`."""
        outline = self.camera.project(points)
        if len(outline) > 2:
            self._pen.polygon(outline, fill=colour)

    def box(self, low: Point, high: Point, colour: Colour) -> None:
        """Draw the sides of an upright box that the camera can see, each lit by its direction."""
        (x0, y0, z0), (x1, y1, z1) = low, high
        x, y, z = self.camera.position
        if x < x0 or x > x1:
            side = x0 if x < x0 else x1
            level = 72 if x < x0 else 88
            self.face([(side, y0, z0), (side, y0, z1), (side, y1, z1), (side, y1, z0)], shade(colour, level))
        if z < z0:
            self.face([(x0, y0, z0), (x1, y0, z0), (x1, y1, z0), (x0, y1, z0)], shade(colour, 80))
        if y > y1:
            self.face([(x0, y1, z0), (x1, y1, z0), (x1, y1, z1), (x0, y1, z1)], shade(colour, 106))
        elif y < y0:
            self.face([(x0, y0, z0), (x1, y0, z0), (x1, y0, z1), (x0, y0, z1)], shade(colour, 55))


class Wall(NamedTuple):
    """A wall and the space in front of it. Axes in metres: u along the wall, out from the wall into the room, y up.

    `side` is back, left or right; u runs rightwards along the back wall and away from the viewer along the others.
    """

    side: str
    room_width: float
    room_depth: float

    def point(self, u: float, out: float, y: float) -> Point:
        """World coordinates of a point given along the wall."""
        if self.side == "back":
            return u, y, self.room_depth - out
        return (out if self.side == "left" else self.room_width - out), y, u

    def rectangle(self, u0: float, y0: float, u1: float, y1: float, out: float = 0.0) -> list[Point]:
        """Corners of an upright rectangle parallel to the wall."""
        return [self.point(u, out, y) for u, y in ((u0, y0), (u1, y0), (u1, y1), (u0, y1))]

    def flat(self, u0: float, out0: float, u1: float, out1: float, y: float) -> list[Point]:
        """Corners of a level rectangle at height y."""
        return [self.point(u, out, y) for u, out in ((u0, out0), (u1, out0), (u1, out1), (u0, out1))]

    def extent(self, u: tuple[float, float], out: tuple[float, float], y: tuple[float, float]) -> tuple[Point, Point]:
        """Lowest and highest corner of the box spanned by three ranges."""
        first, second = self.point(u[0], out[0], y[0]), self.point(u[1], out[1], y[1])
        (x0, x1), (y0, y1), (z0, z1) = (sorted(pair) for pair in zip(first, second, strict=True))
        return (x0, y0, z0), (x1, y1, z1)


class Thing(NamedTuple):
    """An object in the room: its bounding box and how to draw it."""

    low: Point
    high: Point
    draw: Callable[[View], None]


def far_to_near(things: Sequence[Thing], camera: Camera) -> list[Thing]:
    """Sort `things` so that each may be painted over those before it."""

    def may_hide(front: Thing, rear: Thing) -> bool:
        return not any(
            (front.low[axis] >= rear.high[axis] - _TOUCHING and camera.position[axis] <= front.low[axis] + _TOUCHING)
            or (
                front.high[axis] <= rear.low[axis] + _TOUCHING and camera.position[axis] >= front.high[axis] - _TOUCHING
            )
            for axis in range(3)
        )

    def distance(thing: Thing) -> float:
        return sum(((a + b) / 2 - eye) ** 2 for a, b, eye in zip(thing.low, thing.high, camera.position, strict=True))

    waiting = sorted(things, key=distance, reverse=True)
    ordered: list[Thing] = []
    while waiting:
        free = (
            place
            for place, thing in enumerate(waiting)
            if not any(may_hide(thing, other) and not may_hide(other, thing) for other in waiting if other is not thing)
        )
        ordered.append(waiting.pop(next(free, 0)))
    return ordered
