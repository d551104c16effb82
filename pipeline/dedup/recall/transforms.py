"""Transforms that occur in copies of pictures: compression, scaling, cropping, colours, frames, labels, rotation.

Each is a pure function of a picture of any size and a random generator. The `KNOWN` transforms may train and calibrate
a detector. The `HELD_OUT` transforms may only test it, so that their recall estimates that on unforeseen changes. The
`PARTS` only test it too: their copies show a part of the original, or the original as a part of a larger picture, and
are found by local features.
"""

import io
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFilter, ImageFont, features

Pixels = npt.NDArray[np.uint8]
Transform = Callable[[Pixels, np.random.Generator], Pixels]

_WORDS = ("PREVIEW", "example.org", "2012-07-14", "(c) nobody", "HELLO", "photo 0417")
_BLACK, _GREY, _WHITE = 0, 128, 255


def apply(name: str, image: Pixels, rng: np.random.Generator) -> Pixels:
    """Make a changed copy of a picture.

    Args:
        name: one of `KNOWN`, `HELD_OUT` or `PARTS`.
        image: uint8 (H, W, 3) RGB, of any size; not modified.
        rng: the only source of randomness; the same state gives the same bytes.

    Returns:
        uint8 (H', W', 3), a new array. Height and width are those of the picture, except for `half` and `quarter`
        (halved, quartered), `border` (4 to 8 % of the short side added on every side), `caption` (12 % higher),
        `chain` and `PARTS`.

    Raises:
        KeyError: no transform has this name.
    """
    return _TRANSFORMS[name](image, rng)


def draw_chain(rng: np.random.Generator) -> tuple[str, ...]:
    """Choose three different names of `KNOWN` at random, in random order."""
    return tuple(KNOWN[place] for place in rng.permutation(len(KNOWN))[:3])


def _chain(image: Pixels, rng: np.random.Generator) -> Pixels:
    for name in draw_chain(rng):
        image = apply(name, image, rng)
    return image


# Recompression.


def _saved(file_format: str, **options: Any) -> Transform:
    """Return the transform that encodes in a file format and decodes again."""

    def save(image: Pixels, rng: np.random.Generator) -> Pixels:
        buffer = io.BytesIO()
        Image.fromarray(image).save(buffer, file_format, **options)
        with Image.open(buffer) as stored:
            return np.array(stored.convert("RGB"))

    return save


# Geometry.


def _resampled(image: Pixels, width: int, height: int, box: tuple[float, float, float, float] | None = None) -> Pixels:
    """Resize a box of a picture (left, top, right, bottom in pixels; None for the whole) with antialiasing."""
    size = (max(1, width), max(1, height))
    return np.array(Image.fromarray(image).resize(size, Image.Resampling.LANCZOS, box))


def _scaled(share: float) -> Transform:
    def scale(image: Pixels, rng: np.random.Generator) -> Pixels:
        height, width = image.shape[:2]
        return _resampled(image, round(width * share), round(height * share))

    return scale


def _cropped(share: float) -> Transform:
    """Cut off a share of the width and of the height, split at random between opposite sides, and scale back up.

    The cut may lie between pixels.
    """

    def crop(image: Pixels, rng: np.random.Generator) -> Pixels:
        height, width = image.shape[:2]
        left, top = width * share * rng.random(), height * share * rng.random()
        return _resampled(image, width, height, (left, top, left + width * (1 - share), top + height * (1 - share)))

    return crop


def _cut(share: float) -> Transform:
    """Cut off a share of the height or of the width at one of the four sides, without scaling."""

    def cut(image: Pixels, rng: np.random.Generator) -> Pixels:
        turns = int(rng.integers(4))
        turned = np.rot90(image, turns)
        return np.ascontiguousarray(np.rot90(turned[min(round(len(turned) * share), len(turned) - 1) :], -turns))

    return cut


def _window(share: float) -> Transform:
    """Cut off a share of the height and of the width, at random places, without scaling."""

    def cut(image: Pixels, rng: np.random.Generator) -> Pixels:
        height, width = (max(1, round(side * (1 - share))) for side in image.shape[:2])
        top = int(rng.integers(image.shape[0] - height + 1))
        left = int(rng.integers(image.shape[1] - width + 1))
        return image[top : top + height, left : left + width].copy()

    return cut


def _shot_of_a_screen(image: Pixels, rng: np.random.Generator) -> Pixels:
    """Paste the picture into a plain page that is 1.2 to 1.6 times as high and as wide, below a dark bar."""
    height, width = image.shape[:2]
    tall, wide = (max(side + 2, round(side * float(rng.uniform(1.2, 1.6)))) for side in (height, width))
    page = np.full((tall, wide, 3), (_WHITE, 240, 30)[int(rng.integers(3))], np.uint8)
    page[: max(1, tall // 20)] = (60, 60, 70)
    top, left = int(rng.integers(tall - height + 1)), int(rng.integers(wide - width + 1))
    page[top : top + height, left : left + width] = image
    return page


def _shifted(image: Pixels, rng: np.random.Generator) -> Pixels:
    """Shift by a sixteenth of the width or height or both, in one of eight directions; repeat the edge pixels."""
    down, right = [(y, x) for y in (-1, 0, 1) for x in (-1, 0, 1) if y or x][int(rng.integers(8))]
    height, width = image.shape[:2]
    rows = np.arange(height) - down * max(1, round(height / 16))
    columns = np.arange(width) - right * max(1, round(width / 16))
    moved: Pixels = image[rows.clip(0, height - 1)[:, None], columns.clip(0, width - 1)]
    return moved


def _rotated(image: Pixels, rng: np.random.Generator) -> Pixels:
    """Rotate by 2° in either direction and enlarge until no corner is empty; resample once."""
    height, width = image.shape[:2]
    angle = math.radians((-2, 2)[int(rng.integers(2))])
    # The largest upright rectangle of the same shape that fits into the rotated picture.
    share = 1 / (math.cos(angle) + max(width / height, height / width) * math.sin(abs(angle)))
    along, across = share * math.cos(angle), share * math.sin(angle)
    x, y = width / 2, height / 2
    affine = (along, -across, x - along * x + across * y, across, along, y - across * x - along * y)
    method, quality = Image.Transform.AFFINE, Image.Resampling.BICUBIC
    return np.array(Image.fromarray(image).transform((width, height), method, affine, quality))


def _letterboxed(image: Pixels, rng: np.random.Generator) -> Pixels:
    """Add bars of 6 to 14 % on two opposite sides and squeeze the picture between them; the size stays the same."""
    if rng.integers(2):
        return _letterboxed_rows(image.swapaxes(0, 1), rng).swapaxes(0, 1).copy()
    return _letterboxed_rows(image, rng)


def _letterboxed_rows(image: Pixels, rng: np.random.Generator) -> Pixels:
    height, width = image.shape[:2]
    bar = min((height - 1) // 2, max(1, round(height * float(rng.uniform(0.06, 0.14)))))
    made = np.full_like(image, (_BLACK, _WHITE)[int(rng.integers(2))], order="C")
    made[bar : height - bar] = _resampled(image, width, height - 2 * bar)
    return made


# Levels.


def _levels(image: Pixels, curve: npt.NDArray[np.floating[Any]]) -> Pixels:
    """Replace each level by its value on a curve, float (256,), rounded and clipped to 0..255."""
    table: Pixels = curve.round().clip(0, 255).astype(np.uint8)
    return table[image]


def _brightened(share: float) -> Transform:
    """Add a share of the range 0..255 to every level."""
    return lambda image, rng: _levels(image, np.arange(256) + 255 * share)


def _contrasted(image: Pixels, rng: np.random.Generator) -> Pixels:
    """Lower or raise the contrast about the mean level by 20 %."""
    mean = image.mean()
    return _levels(image, mean + (0.8, 1.2)[int(rng.integers(2))] * (np.arange(256) - mean))


def _gamma(image: Pixels, rng: np.random.Generator) -> Pixels:
    return _levels(image, 255 * (np.arange(256) / 255) ** (0.75, 1.33)[int(rng.integers(2))])


def _greyed(image: Pixels, rng: np.random.Generator) -> Pixels:
    return np.array(Image.fromarray(image).convert("L").convert("RGB"))


def _blurred(image: Pixels, rng: np.random.Generator) -> Pixels:
    return np.array(Image.fromarray(image).filter(ImageFilter.GaussianBlur(min(image.shape[:2]) / 32)))


def _noisy(image: Pixels, rng: np.random.Generator) -> Pixels:
    noisy: Pixels = (image + rng.normal(0, 6, image.shape)).round().clip(0, 255).astype(np.uint8)
    return noisy


# Additions.


def _bordered(image: Pixels, rng: np.random.Generator) -> Pixels:
    """Add a white, black or grey frame."""
    wide = max(1, round(min(image.shape[:2]) * float(rng.uniform(0.04, 0.08))))
    colour = (_WHITE, _BLACK, _GREY)[int(rng.integers(3))]
    return np.pad(image, ((wide, wide), (wide, wide), (0, 0)), constant_values=colour)


def _captioned(image: Pixels, rng: np.random.Generator) -> Pixels:
    """Add a bar with words below the picture."""
    height, width = image.shape[:2]
    paper, ink = ((_WHITE, _BLACK), (_BLACK, _WHITE))[int(rng.integers(2))]
    bar = Image.new("RGB", (width, max(1, round(height * 0.12))), (paper,) * 3)
    words = _words(rng)
    tall = max(1, round(bar.height * 0.8))
    words = words.resize((min(width, max(1, tall * words.width // words.height)), tall), Image.Resampling.BOX)
    bar.paste((ink,) * 3, ((width - words.width) // 2, (bar.height - tall) // 2), words)
    return np.concatenate([image, np.array(bar)])


def _marked(image: Pixels, rng: np.random.Generator) -> Pixels:
    """Paste words or a round logo near a corner, on at most 6 % of the area, opaque or half transparent."""
    sign = _label(rng) if rng.integers(2) else _emblem(rng)
    if rng.integers(2):
        sign.putalpha(sign.getchannel("A").point([level // 2 for level in range(256)]))
    height, width = image.shape[:2]
    # The mark covers 3 to 6 % of the area, or less where that would exceed two thirds of the width.
    area, shape = height * width * float(rng.uniform(0.03, 0.06)), sign.width / sign.height
    wide = max(1, int(min(math.sqrt(area * shape), width * 2 / 3)))
    tall = max(1, int(wide / shape))
    sign = sign.resize((wide, tall), Image.Resampling.BOX)
    margin = round(min(height, width) * 0.03)
    x = (margin, max(0, width - wide - margin))[int(rng.integers(2))]
    y = (margin, max(0, height - tall - margin))[int(rng.integers(2))]
    picture = Image.fromarray(image)
    picture.paste(sign, (x, y), sign)
    return np.array(picture)


def _words(rng: np.random.Generator) -> Image.Image:
    """Render random words as a mask (mode L) with a margin of two pixels."""
    words = _WORDS[int(rng.integers(len(_WORDS)))]
    # A bitmap font, because the results of renderers of outline fonts change between versions.
    font = ImageFont.load_default_imagefont()
    left, top, right, bottom = (round(edge) for edge in font.getbbox(words))
    mask = Image.new("L", (right - left + 4, bottom - top + 4))
    ImageDraw.Draw(mask).text((2, 2), words, fill=255, font=font)
    return mask


def _label(rng: np.random.Generator) -> Image.Image:
    """Render white words with a dark shadow (RGBA), legible on any background."""
    words = _words(rng)
    label = Image.new("RGBA", words.size)
    label.paste((20, 20, 20, 255), (1, 1), words.crop((0, 0, words.width - 1, words.height - 1)))
    label.paste((255, 255, 255, 255), (0, 0), words)
    return label


def _emblem(rng: np.random.Generator) -> Image.Image:
    """Render a logo: a coloured disc with a white ring (RGBA, 64×64)."""
    red, green, blue = (int(level) for level in rng.integers(0, 256, 3))
    emblem = Image.new("RGBA", (64, 64))
    draw = ImageDraw.Draw(emblem)
    draw.ellipse((0, 0, 63, 63), fill=(red, green, blue, 255))
    draw.ellipse((12, 12, 51, 51), outline=(255, 255, 255, 255), width=8)
    return emblem


_KNOWN: dict[str, Transform] = {
    "jpeg80": _saved("JPEG", quality=80),
    "jpeg50": _saved("JPEG", quality=50),
    "jpeg20": _saved("JPEG", quality=20),
    "half": _scaled(1 / 2),
    "quarter": _scaled(1 / 4),
    "crop1": _cropped(0.01),
    "crop2": _cropped(0.02),
    "crop5": _cropped(0.05),
    "shift": _shifted,
    "brighter5": _brightened(0.05),
    "darker5": _brightened(-0.05),
    "brighter15": _brightened(0.15),
    "darker15": _brightened(-0.15),
    "contrast": _contrasted,
    "blur": _blurred,
    "noise": _noisy,
    "mark": _marked,
    "border": _bordered,
    "grey": _greyed,
}
# Without AVIF support in Pillow, another codec is used; the name of the transform always tells which.
_ANOTHER_CODEC: dict[str, Transform] = (
    {"avif": _saved("AVIF", quality=40, max_threads=1)}
    if features.check("avif")
    else {"jpeg2000": _saved("JPEG2000", quality_mode="rates", quality_layers=[30])}
)
_HELD_OUT: dict[str, Transform] = {
    "webp40": _saved("WEBP", quality=40),
    **_ANOTHER_CODEC,
    "gamma": _gamma,
    "letterbox": _letterboxed,
    "caption": _captioned,
    "rotate2": _rotated,
    "chain": _chain,
}
_PARTS: dict[str, Transform] = {
    **{f"cut{percent}": _cut(percent / 100) for percent in (15, 30, 45)},
    **{f"window{percent}": _window(percent / 100) for percent in (15, 30, 45)},
    "screenshot": _shot_of_a_screen,
}
_TRANSFORMS = _KNOWN | _HELD_OUT | _PARTS

KNOWN: tuple[str, ...] = tuple(_KNOWN)
"""Names of the transforms that training and calibration may use."""

HELD_OUT: tuple[str, ...] = tuple(_HELD_OUT)
"""Names of the transforms that are never used for training or calibration."""

PARTS: tuple[str, ...] = tuple(_PARTS)
"""Names of the transforms whose copies show a part of the original, or have it as a part. They are never used for
training or calibration."""
