"""Draw the face itself: a lit relief of sockets, nose, cheeks and chin, with eyes, brows and mouth on it."""

import math
from typing import NamedTuple

import numpy as np

from pipeline.miniature.palette import between, pick
from pipeline.miniature.relief import Field, Lamp, Tint, blend, bump, darker, edge, grid, noise, of, ramp, rows, times

SKINS: tuple[Tint, ...] = (
    (0.92, 0.76, 0.68),
    (0.90, 0.72, 0.60),
    (0.87, 0.68, 0.54),
    (0.82, 0.61, 0.45),
    (0.74, 0.53, 0.38),
    (0.60, 0.41, 0.29),
    (0.48, 0.32, 0.23),
)
"""Skin in full light, RGB 0..1, from pale to dark."""

_IRISES: tuple[Tint, ...] = ((0.20, 0.12, 0.07), (0.30, 0.19, 0.10), (0.24, 0.36, 0.46), (0.26, 0.36, 0.24))
_CROWN, _CHIN = 1.30, 1.27  # height of the head above and below the eyes
_EYE, _NOSE, _MOUTH = 0.41, 0.50, 0.80  # distances: eye from middle; nose tip and mouth from eyes


class Traits(NamedTuple):
    """The visible traits of a person in a photograph.

    Attributes:
        glasses: whether the person wears glasses.
        smile: whether the person smiles and shows teeth.
        pose: `left`, `front` or `right`, as seen in the picture.
        hair: `dark`, `brown`, `blond`, `red`, `grey` or `none`.
    """

    glasses: bool
    smile: bool
    pose: str
    hair: str


class Face:
    """A face as fields over the patch.

    Args:
        rng: random-number generator. traits: visible traits. skin: colour of the skin in full light. hair: colour of
            the brows.

    Attributes:
        x, y: coordinates in the head's own upright axes, float32 (H, W).
        u: the same as x, but 0 on the line through nose and chin, however the head is turned.
        rho: 0 in the middle of the head's outline, 1 on it.
        turn: sine of the head's turn to the right of the picture.
        roll: sine of its tilt.
    """

    def __init__(self, rng: np.random.Generator, traits: Traits, skin: Tint, hair: Tint) -> None:
        self.rng, self.traits, self.skin, self.hair = rng, traits, skin, hair
        self.turn = {"left": -1, "front": 0, "right": 1}[traits.pose] * between(rng, 0.23, 0.33)
        self.turn += between(rng, -0.05, 0.05)
        self.roll = between(rng, -0.07, 0.07)
        wide, tall = between(rng, 0.92, 1.06), between(rng, 0.96, 1.04)
        across, down = grid()
        self.x = (across + (down - 0.5) * self.roll) / wide
        self.y = (down - across * self.roll) / tall
        square = between(rng, 0.1, 0.9)
        up, below = np.maximum(-self.y / _CROWN, 0.0), np.maximum(self.y / _CHIN, 0.0)
        fall = up * up * (0.65 + 0.35 * up) + below * below * (1.0 - square + square * below)
        square_x = self.x * self.x
        self.rho: Field = np.sqrt(square_x + fall)
        deep = np.sqrt(np.maximum(1.0 - square_x - 0.35 * fall, 0.02))
        self.u: Field = self.x * math.sqrt(1 - self.turn * self.turn) - deep * self.turn
        self.height: Field = np.sqrt(np.maximum(1.0 - self.rho * self.rho, 0.0)) * 0.8
        self.mask = edge(1.0 - self.rho)
        self._nose_wide = between(rng, 0.9, 1.25)
        self._lids = between(rng, 0.075, 0.105) * (0.82 if traits.smile else 1.0)
        self._brow = between(rng, -0.27, -0.22)
        self._full = between(rng, 0.8, 1.25)
        self._thick = between(rng, 0.75, 1.35)
        self._gaze = between(rng, -0.025, 0.025) + 0.12 * self.turn
        self._mood = between(rng, -0.03, 0.012)
        self._iris = pick(rng, _IRISES if skin[0] > 0.8 else _IRISES[:2])
        # Brows are never lighter than the skin around them.
        red, green, blue = (min(h * 0.75, s * 0.6) for h, s in zip(hair, skin, strict=True))
        self._brows = (red, green, blue)
        self._lips = (between(rng, 0.80, 0.95), between(rng, 0.50, 0.68), between(rng, 0.50, 0.66))

    def paint(self, lamp: Lamp, beard: bool) -> Field:
        """The face's colours in the light, float32 (3, H, W) around 0..1; they are valid only within `mask`."""
        colours = np.empty((3, *self.x.shape), np.float32)
        colours[:] = of(self.skin)
        self._raise_features()
        self._blush(colours)
        if beard:
            self._beard(colours)
        self._mouth(colours)
        for side in (-1, 1):
            self._eye(colours, side)
            self._eyebrow(colours, side)
        # Hair and the curvature of the head make the forehead a little darker than the cheeks.
        light = lamp.on(self.height) * (1.0 - 0.13 * ramp((-0.3 - self.y) * 1.8))
        # Shadows on skin are redder than the skin in the light.
        for channel, depth in enumerate((0.86, 1.04, 1.1)):
            colours[channel] *= (1.0 - depth + depth * light) * lamp.tint[channel]
        shine = np.maximum(light - 0.93, 0.0) * between(self.rng, 0.2, 0.9)
        colours += shine
        self._glint(colours, lamp)
        return colours

    def _raise_features(self) -> None:
        u, y, height = self.u, self.y, self.height
        for side in (-1, 1):
            at = rows(-0.75, 1.2)
            v, own = y[at], u[at] * side
            cheek = 0.15 if self.traits.smile else 0.10
            height[at] += 0.08 * bump((own - 0.36) / 0.5, (v + 0.27) / 0.17)
            height[at] -= 0.15 * bump((own - _EYE) / 0.36, (v - 0.0) / 0.25)
            height[at] += cheek * bump((own - 0.52) / 0.42, (v - 0.40) / 0.36)
            height[at] += 0.05 * bump((own - _EYE) / 0.22, v / 0.15)
        at = rows(-0.4, 0.95)
        v = y[at]
        # The nose protrudes: when the head turns, its tip moves further than the rest of the face.
        rise = ramp((v + 0.30) * 1.25) * ramp((0.62 - v) * 7.0)
        middle = u[at] - rise * (0.34 * self.turn)
        breadth = (0.13 + 0.15 * ramp((v - 0.05) * 2.2)) * self._nose_wide
        height[at] += rise * 0.20 * bump(middle / breadth)
        height[at] += 0.06 * bump(middle / (0.27 * self._nose_wide), (v - _NOSE - 0.02) / 0.12)
        at = rows(0.55, 1.45)
        v = y[at]
        height[at] += 0.10 * bump(u[at] / 0.5, (v - _MOUTH) / 0.26)
        height[at] -= 0.05 * bump(u[at] / 0.35, (v - 0.97) / 0.09)
        height[at] += 0.14 * bump(u[at] / 0.42, (v - 1.12) / 0.24)

    def _blush(self, colours: Field) -> None:
        u, y = self.u, self.y
        red = (self.skin[0] * 0.97, self.skin[1] * 0.72, self.skin[2] * 0.70)
        strength = between(self.rng, 0.15, 0.5)
        at = rows(-0.5, 1.05)
        for side in (-1, 1):
            blend(colours[:, at], strength * bump((u[at] * side - 0.55) / 0.42, (y[at] - 0.42) / 0.36), red)
            light = (min(1.0, self.skin[0] * 1.15), min(1.0, self.skin[1] * 1.15), min(1.0, self.skin[2] * 1.15))
            blend(colours[:, at], 0.7 * bump((u[at] * side - 0.44) / 0.34, (y[at] - 0.36) / 0.22), light)
            # Hollows get less ambient light.
            deep = bump((u[at] * side - _EYE + 0.02) / 0.42, (y[at] + 0.03) / 0.24)
            blend(colours[:, at], (0.75 if self.traits.glasses else 0.65) * deep, darker(self.skin, 0.46))
            nostril = bump(
                (u[at] * side - 0.10 * self._nose_wide - 0.3 * self.turn * side) / 0.075, (y[at] - 0.6) / 0.05
            )
            blend(colours[:, at], 0.8 * nostril, darker(self.skin, 0.3))
            fold = u[at] * side - 0.24 - 0.5 * (y[at] - 0.52) - 0.25 * (y[at] - 0.52) * (y[at] - 0.52)
            along = bump((y[at] - 0.72) / 0.27)
            depth = 0.4 if self.traits.smile else 0.14
            blend(colours[:, at], depth * along * bump(fold / 0.06), darker(self.skin, 0.55))
        blend(colours[:, at], 0.35 * bump(u[at] / 0.3, (y[at] - 0.62) / 0.1), darker(self.skin, 0.55))

    def _beard(self, colours: Field) -> None:
        u, y = self.u, self.y
        at = rows(0.45, 1.45)
        v, side = y[at], np.abs(u[at])
        whiskers = ramp((v - 0.62 + 0.35 * np.maximum(side - 0.35, 0.0) - 0.3 * ramp((side - 0.7) * 4)) * 7.0)
        tint = darker(self.hair, 0.8)
        blend(colours[:, at], whiskers * between(self.rng, 0.2, 0.5) * (0.9 + 0.1 * noise(self.rng, 90, 90)[at]), tint)

    def _eye(self, colours: Field, side: int) -> None:
        at = rows(-0.28, 0.24)
        colours = colours[:, at]
        along = (self.u[at] * side - _EYE) / 0.2
        v = self.y[at] + 0.03 * along
        bow = 1.0 - along * along
        over = v + self._lids * bow
        under = self._lids * 0.72 * bow - v
        near = ramp((1.25 - np.abs(along)) * 5.0)
        crease = bump((over + 0.075) / 0.04) * near
        blend(colours, 0.45 * crease, darker(self.skin, 0.45))
        opened = edge(np.minimum(over, under), 0.02)
        white = self.skin[0] * 0.3 + 0.54
        blend(colours, opened, (white, white * 0.98, white * 0.96))
        gaze = self._gaze
        iris = np.sqrt((self.u[at] - side * _EYE - gaze) ** 2 + v * v)
        blend(colours, opened * edge(0.094 - iris), self._iris)
        blend(colours, opened * edge(0.042 - iris), (0.03, 0.02, 0.02))
        # The upper lid's lashes and its shadow.
        blend(colours, 0.5 * opened * ramp((0.07 - over) / 0.07), (0.15, 0.1, 0.08))
        lash = edge(0.018 - np.abs(over + 0.008), 0.03) * near
        blend(colours, 0.9 * lash, (0.10, 0.06, 0.05))
        blend(colours, 0.45 * edge(0.01 - np.abs(under), 0.03) * near, darker(self.skin, 0.4))

    def _eyebrow(self, colours: Field, side: int) -> None:
        at = rows(-0.55, 0.0)
        along = (self.u[at] * side - _EYE - 0.01) / 0.27
        v = self.y[at] - self._brow + 0.07 * (1.0 - along * along) - 0.025 * along
        thick = 0.042 * self._thick * (1.0 - 0.35 * along)
        hairs = edge(thick - np.abs(v), 0.05) * ramp((1.0 - np.abs(along)) * 5.0)
        blend(colours[:, at], 0.85 * hairs, self._brows)

    def _mouth(self, colours: Field) -> None:
        at = rows(0.55, 1.15)
        colours, u = colours[:, at], self.u[at]
        smile = self.traits.smile
        along = u / (0.40 if smile else 0.30)
        bow = 1.0 - along * along
        line = self.y[at] - _MOUTH - (0.085 * bow - 0.055 if smile else self._mood * along * along)
        lips = times(self.skin, self._lips)
        ridge = 1.0 - 0.45 * bump(u / 0.09)
        upper, lower = 0.075 * self._full, 0.095 * self._full
        opened = 0.105 * bow if smile else 0.0 * bow
        near = ramp((1.06 - np.abs(along)) * 6.0)
        blend(colours, near * edge(np.minimum(line + upper * bow * ridge, 0.03 - line)), darker(lips, 0.82))
        blend(colours, near * edge(np.minimum(line + 0.01, opened + lower * bow - line)), lips)
        sheen = bump(u / 0.2, (line - opened - lower * 0.45) / 0.04)
        blend(colours, 0.22 * sheen, (1.0, 0.9, 0.88))
        blend(colours, 0.35 * bump(u / 0.28, (line - opened - lower - 0.05) / 0.05), darker(self.skin, 0.6))
        dark = (0.22, 0.07, 0.07)
        if smile:
            inside = near * edge(np.minimum(line + 0.005, opened - line))
            blend(colours, inside, dark)
            teeth = inside * edge(np.minimum(line, opened * 0.86 - line)) * ramp((0.86 - np.abs(along)) * 6.0)
            blend(colours, teeth, (0.97, 0.95, 0.92))
        blend(colours, 0.8 * near * edge(0.012 - np.abs(line), 0.03), dark)
        for side in (-1, 1):
            corner = bump((along * side - 1.0) / 0.16, line / 0.06)
            blend(colours, 0.6 * corner, darker(self.skin, 0.4))

    def _glint(self, colours: Field, lamp: Lamp) -> None:
        at = rows(-0.15, 0.15)
        shift = 0.035 if lamp.way[0] > 0 else -0.035
        for side in (-1, 1):
            spot = bump((self.u[at] - side * _EYE - self._gaze - shift) / 0.03, (self.y[at] + 0.03) / 0.03)
            blend(colours[:, at], spot, (1.0, 1.0, 1.0))
