"""Planted copies: near-duplicates made on purpose, by transforms that also cause near-duplicates in real data sets.

An archive with planted copies and a list of them has a known share of duplicates, so that recall can be measured.
"""

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from pipeline.core.errors import BadParameters
from pipeline.seeding import numpy_rng

Pixels = npt.NDArray[np.uint8]
Box = tuple[int, int, int, int]


@dataclass(frozen=True)
class Copy:
    """A planted copy of a picture, and how to store it.

    Attributes:
        image: uint8 (H, W, 3) RGB.
        quality: encoder quality (0..100), or None for the archive's usual one.
        untouched: whether the encoded bytes of the original are stored unchanged.
        left, top: pixels of the original that are cropped at these sides.
        scale: width and height of one pixel of the original, in pixels of the copy.
    """

    image: Pixels
    quality: int | None = None
    untouched: bool = False
    left: int = 0
    top: int = 0
    scale: tuple[float, float] = (1.0, 1.0)

    def moved(self, box: Box) -> Box | None:
        """Map a box (x0, y0, x1, y1; x1 and y1 exclusive) of the original to the copy; None if it is cropped away."""
        height, width = self.image.shape[:2]
        x0, x1 = (min(width, max(0, round((x - self.left) * self.scale[0]))) for x in (box[0], box[2]))
        y0, y1 = (min(height, max(0, round((y - self.top) * self.scale[1]))) for y in (box[1], box[3]))
        return (x0, y0, x1, y1) if x1 > x0 and y1 > y0 else None


def copied(image: Pixels, rng: np.random.Generator) -> Copy:
    """The same file under another name."""
    return Copy(image, untouched=True)


def reencoded(image: Pixels, rng: np.random.Generator) -> Copy:
    """Saved again with a lower quality."""
    return Copy(image, quality=int(rng.integers(35, 61)))


def resized(image: Pixels, rng: np.random.Generator) -> Copy:
    """Half or three quarters of the size."""
    height, width = image.shape[:2]
    share = (0.5, 0.75)[int(rng.integers(2))]
    size = (round(width * share), round(height * share))
    smaller = np.asarray(Image.fromarray(image).resize(size, Image.Resampling.LANCZOS))
    return Copy(smaller, scale=(size[0] / width, size[1] / height))


def cropped(image: Pixels, rng: np.random.Generator) -> Copy:
    """One to two per cent cut off at each side."""
    height, width = image.shape[:2]
    left, right = (max(1, round(width * float(rng.uniform(0.01, 0.02)))) for _ in range(2))
    top, bottom = (max(1, round(height * float(rng.uniform(0.01, 0.02)))) for _ in range(2))
    return Copy(np.ascontiguousarray(image[top : height - bottom, left : width - right]), left=left, top=top)


def brightened(image: Pixels, rng: np.random.Generator) -> Copy:
    """Four to six per cent lighter or darker."""
    percent = 100 + int(rng.integers(4, 7)) * (1 if rng.integers(2) else -1)
    return Copy(np.minimum(image.astype(np.uint16) * percent // 100, 255).astype(np.uint8))


def marked(image: Pixels, rng: np.random.Generator) -> Copy:
    """Watermarked: a small half-transparent line of text in one corner."""
    words = ("PREVIEW", "example.org", "2012-07-14", "(c) nobody")[int(rng.integers(4))]
    # A bitmap font, because versions of the library for outline fonts render different pixels.
    font = ImageFont.load_default_imagefont()
    left, top, right, bottom = (round(edge) for edge in font.getbbox(words))
    text = Image.new("L", (right - left + 2, bottom - top))
    ImageDraw.Draw(text).text((1, 0), words, fill=200, font=font)
    height, width = image.shape[:2]
    tall = max(6, min(height, width) * 7 // 100)
    text = text.resize((tall * text.width // text.height, tall), Image.Resampling.BILINEAR)
    margin = tall // 2
    x = (margin, max(0, width - text.width - margin))[int(rng.integers(2))]
    y = (margin, height - tall - margin)[int(rng.integers(2))]
    picture = Image.fromarray(image)
    picture.paste((20, 20, 20), (x + 1, y + 1), text)
    picture.paste((255, 255, 255), (x, y), text)
    return Copy(np.array(picture))


TRANSFORMS: dict[str, Callable[[Pixels, np.random.Generator], Copy]] = {
    "copied": copied,
    "reencoded": reencoded,
    "resized": resized,
    "cropped": cropped,
    "brightened": brightened,
    "marked": marked,
}
"""The transforms, by their names in `planted.csv`."""


@dataclass(frozen=True)
class Planted:
    """A planned copy: its number, the number of its original, and the transform."""

    index: int
    original: int
    transform: str


def plan_copies(seed: int, name: str, count: int, planted_share: float, regular: Sequence[int]) -> list[Planted]:
    """Choose the planted copies of a data set.

    Args:
        seed: root seed.
        name: name of the data set.
        count: total number of pictures; the copies have the last numbers.
        planted_share: share of planted copies.
        regular: numbers of the pictures that may be copied, each at most once.

    Returns:
        One entry per copy, in the order of their numbers; all transforms occur equally often.

    Raises:
        BadParameters: there are fewer originals than requested copies.
    """
    number = round(count * planted_share)
    if number > len(regular):
        raise BadParameters(
            f"miniature.{name}: {number} planted copies of {len(regular)} pictures, expected at most one of each; "
            "raise count or lower planted_share"
        )
    chosen = numpy_rng(seed, "miniature", name, "originals").permutation(len(regular))[:number]
    transforms = list(TRANSFORMS)
    return [
        Planted(count - number + place, regular[int(at)], transforms[place % len(transforms)])
        for place, at in enumerate(chosen)
    ]


def copy_of(data: bytes, transform: str, rng: np.random.Generator) -> Copy:
    """Make a copy of a stored original from its encoded bytes."""
    with Image.open(io.BytesIO(data)) as stored:
        return TRANSFORMS[transform](np.array(stored.convert("RGB")), rng)
