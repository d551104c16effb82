"""Draw a head with its neck: the face with ears, hair of several cuts, and glasses."""

import math

import numpy as np
import numpy.typing as npt
from PIL import Image

from pipeline.miniature.faces import Face, Traits
from pipeline.miniature.palette import between, chance, pick
from pipeline.miniature.relief import Field, Lamp, Tint, blend, bump, darker, edge, noise, of, ramp, rows, times

_TINTS: dict[str, tuple[Tint, ...]] = {
    "dark": ((0.10, 0.08, 0.07), (0.14, 0.10, 0.08), (0.09, 0.08, 0.10)),
    "brown": ((0.34, 0.20, 0.11), (0.40, 0.25, 0.14), (0.28, 0.17, 0.11)),
    "blond": ((0.78, 0.62, 0.36), (0.70, 0.54, 0.31), (0.82, 0.70, 0.47)),
    "red": ((0.62, 0.25, 0.10), (0.70, 0.32, 0.13), (0.52, 0.19, 0.09)),
    "grey": ((0.54, 0.54, 0.54), (0.64, 0.63, 0.61), (0.44, 0.44, 0.46)),
    "none": ((0.22, 0.16, 0.12), (0.45, 0.42, 0.40)),  # colour of the brows
}
_CUTS = ("short", "parted", "swept", "curly", "bob", "long", "long")
_FRAMES: tuple[Tint, ...] = (
    (0.06, 0.06, 0.07),
    (0.06, 0.06, 0.07),
    (0.22, 0.11, 0.06),
    (0.45, 0.08, 0.10),
    (0.12, 0.16, 0.34),
)


class Head:
    """A head while it is drawn: colours, float32 (3, H, W) around 0..1, and the coverage of each pixel, (H, W)."""

    def __init__(self, rng: np.random.Generator, traits: Traits, skin: Tint, lamp: Lamp) -> None:
        self.rng, self.traits, self.skin, self.lamp = rng, traits, skin, lamp
        tint = pick(rng, _TINTS[traits.hair])
        # Pale hair over dark skin would mislead a detector.
        self.hair: Tint = darker((tint[0], tint[1], tint[2]), min(1.0, 0.45 + 0.6 * skin[0]))
        self.face = Face(rng, traits, skin, self.hair)
        self.colours: Field = np.zeros((3, *self.face.x.shape), np.float32)
        self.cover: Field = np.zeros(self.face.x.shape, np.float32)

    def lay(self, share: Field, colours: Field, at: slice = slice(None)) -> None:
        """Paint over the rows `at`."""
        bare = self.cover[at] == 0.0
        # Soft outer edges keep the colour; otherwise the black of the empty patch would show.
        blend(self.colours[:, at], np.where(bare & (share > 0.0), np.float32(1.0), share), colours)
        np.maximum(self.cover[at], share, out=self.cover[at])

    def picture(self) -> Image.Image:
        """The finished head, RGBA."""
        solid = np.concatenate([self.colours, self.cover[None]])
        pixels: npt.NDArray[np.uint8] = np.clip(solid * 255 + 0.5, 0, 255).astype(np.uint8)
        return Image.merge("RGBA", [Image.fromarray(channel) for channel in pixels])


def draw_head(rng: np.random.Generator, traits: Traits, skin: Tint, lamp: Lamp) -> tuple[Image.Image, float, float]:
    """Draw a head with its neck on the patch of `relief`.

    Returns:
        The patch, RGBA, transparent outside of the head; and the sines of the head's turn to the right and of its tilt.
    """
    head = Head(rng, traits, skin, lamp)
    cut = pick(rng, _CUTS) if traits.hair != "none" else "none"
    colours = head.face.paint(lamp, beard=cut in _CUTS[:4] and chance(rng, 0.15))
    back, front, strands = _hair(head, cut)
    head.lay(back, strands * 0.75)
    _neck(head)
    for side in (-1, 1):
        _ear(head, side)
    head.lay(head.face.mask, colours)
    if abs(head.face.turn) > 0.15:
        _ear(head, -1 if head.face.turn > 0 else 1)
    head.lay(front, strands)
    if traits.glasses:
        _glasses(head)
    return head.picture(), head.face.turn, head.face.roll


def _neck(head: Head) -> None:
    face = head.face
    at = rows(0.6, 2.1)
    x, y = face.x[at], face.y[at]
    half = between(head.rng, 0.46, 0.58)
    flare = np.maximum(y - 1.35, 0.0)
    wide = half + flare * flare * 0.6
    height = np.sqrt(np.maximum(wide * wide - x * x, 0.0))
    depth, slope = pick(head.rng, ((1.72, 0.3), (1.85, 0.4), (2.05, 1.1)))
    inside = np.minimum(wide - np.abs(x), depth - slope * np.abs(x) - y)
    light = head.lamp.on(height * 0.7) * (0.6 + 0.4 * ramp((y - 1.2 - 0.25 * x * head.lamp.way[0]) * 2.2))
    head.lay(edge(inside) * edge(y - 0.7), light * of(times(head.skin, head.lamp.tint)), at)


def _ear(head: Head, side: int) -> None:
    face = head.face
    at = rows(-0.4, 0.7)
    away = math.sqrt(1 - face.turn * face.turn)
    across, down = (face.x[at] - side * (away + 0.02)) / 0.15, (face.y[at] - 0.14) / 0.27
    far = np.sqrt(across * across + down * down)
    light = 0.80 + 0.3 * side * head.lamp.way[0] - 0.22 * bump(across + 0.25 * side, down * 1.1)
    tint = times(times(head.skin, head.lamp.tint), (1.0, 0.92, 0.9))
    head.lay(edge(1.0 - far, 0.12), light * of(tint), at)


def _hair(head: Head, cut: str) -> tuple[Field, Field, Field]:
    """Coverage by hair behind and in front of the head, each float32 (H, W), and the colours of the hair, (3, H, W)."""
    rng, face = head.rng, head.face
    x, y = face.x + 0.12 * face.turn, face.y
    if cut == "none":
        return np.zeros_like(x), np.zeros_like(x), head.colours
    streaks = noise(rng, 70, 5)
    if cut == "curly":
        streaks = noise(rng, 34, 34)
    low = {"short": 0.10, "parted": 0.12, "swept": 0.16, "curly": 0.2, "bob": 0.16, "long": 0.14}[cut]
    full = low + between(rng, -0.04, 0.08)
    side_full = 0.04 + full * (0.9 if cut in ("curly", "bob", "long") else 0.35)
    end = {
        "short": 0.05,
        "parted": 0.1,
        "swept": 0.15,
        "curly": between(rng, 0.3, 1.0),
        "bob": between(rng, 0.85, 1.25),
    }.get(cut, between(rng, 1.6, 2.3))
    ruffled = streaks * (0.09 if cut == "curly" else 0.025)
    up = np.maximum(-(y + 0.05) / (1.28 + full), 0.0)
    below = np.maximum(y, 0.0)
    wide = 1.0 + side_full
    # Long hair falls outwards a little, then in again.
    spread = wide + (0.16 * below * (1.3 - below * 0.6) if end > 0.5 else -0.05 * below)
    outline = np.minimum(spread - np.abs(x), (1.0 - np.sqrt((x / wide) ** 2 + up * up)) * 1.2)
    inside = np.where(
        y < 0.0, (1.0 - np.sqrt((x / wide) ** 2 + up * up)) * 1.2, np.minimum(outline, spread - np.abs(x))
    )
    inside = np.minimum(inside, end - y - 0.3 * x * x) + ruffled
    # Below the chin, hair hangs behind the shoulders, not in front of them.
    back = edge(inside, 0.05) * (1.0 - edge(y - 1.45, 0.1) * edge(0.62 - np.abs(x), 0.1))
    # The hairline, and where hair hangs down at the sides.
    u = face.u
    base = -between(rng, 0.78, 0.92)
    part = between(rng, -0.5, 0.5)
    if cut in ("parted", "bob", "long"):
        away = u - part
        line = base - 0.06 + 0.42 * away * away + 0.10 * np.abs(away)
    elif cut == "swept":
        line = base + 0.10 + 0.22 * u * (1 if part > 0 else -1) + 0.28 * u * u
    else:
        line = base + 0.38 * u * u * u * u + 0.1 * bump(u / 0.3)
    line += 0.6 * streaks * 0.07
    over = line - y
    hang = np.abs(u) - (0.86 if end > 0.5 else 0.93) + 0.05 * streaks
    if end > 0.5:
        hang = hang - 0.12 * ramp((0.2 - np.abs(y - 0.35)) * 2.0)
    sides = np.minimum(hang, (end if end > 0.5 else 0.12) - y)
    front = back * np.maximum(edge(over, 0.13), edge(np.minimum(sides, y + 0.9), 0.06))
    front *= 1.0 - edge(y - 1.0, 0.3) * (face.rho < 1.0)
    # Light on hair: as on a ball, with streaks and a band of sheen.
    ball = np.sqrt(np.maximum(1.0 - (x / (wide + 0.05)) ** 2 - (np.minimum(y, 0.0) / (1.36 + full)) ** 2, 0.0))
    light = head.lamp.on(ball * 0.8) * (0.9 + 0.25 * streaks)
    light *= 1.0 - 0.45 * ramp((y + 0.4) * 0.8)
    sheen = bump((y + 1.02 - 0.25 * x * x) / 0.3) * np.maximum(streaks + 0.5, 0.0) * between(rng, 0.04, 0.16)
    return back, front, light * of(times(head.hair, head.lamp.tint)) + sheen


def _glasses(head: Head) -> None:
    face = head.face
    at = rows(-0.5, 0.65)
    y = face.y[at] - 0.03
    # Glasses are in front of the eyes, so they move further when the head turns.
    u = face.u[at] - 0.10 * face.turn
    round_ = chance(head.rng, 0.45)
    thick = between(head.rng, 0.014, 0.028)
    frame = of(times(pick(head.rng, _FRAMES), head.lamp.tint))
    half = between(head.rng, 0.28, 0.32), between(head.rng, 0.19, 0.24)
    colours = head.colours[:, at]
    rim = np.zeros_like(y)
    for side in (-1, 1):
        across, down = (u * side - 0.42) / half[0], y / half[1]
        square = across * across, down * down
        far = np.sqrt(square[0] + square[1]) if round_ else np.sqrt(np.sqrt(square[0] ** 2 + square[1] ** 2))
        inside = (1.0 - far) * 0.27
        glare = ramp((0.25 - np.abs(across * 0.8 + down + 0.45)) * 5.0)
        blend(colours, edge(inside) * (0.38 - 0.2 * glare), (0.16, 0.15, 0.18))
        rim = np.maximum(rim, edge(thick - np.abs(inside), 0.02))
    bridge = np.minimum(0.13 - np.abs(u), thick - np.abs(y + 0.07 + 0.8 * u * u))
    temple = np.minimum(np.abs(u) - 0.70, thick - np.abs(y + 0.08)) - 2.0 * np.maximum(face.rho[at] - 1.02, 0.0)
    rim = np.maximum(rim, np.maximum(0.6 * edge(bridge), 0.6 * edge(temple)))
    blend(colours, rim, frame * (0.8 + 0.4 * np.maximum(-y, 0.0)))
