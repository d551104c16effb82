"""Make the three sets of pictures, with planted copies, on which `benchmarks/compared.py` compares tools.

The files of a set are in random order, so that no tool profits from it. The truth is known by construction: a planted
copy was made from one picture of the set by a change of a known kind; all other pictures of `strangers` are different
pictures. Among the photographs and the small pictures there may be copies that were there before; nobody judged them.
"""

import functools
import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from pipeline import seeding
from pipeline.datasets.pictures.raw_folder import open_archive
from pipeline.dedup.recall import transforms
from pipeline.prepare.decode import Decoded, decode
from pipeline.readers.base import only_pictures

Pixels = npt.NDArray[np.uint8]
Change = Callable[[Pixels, np.random.Generator], Pixels]
Encode = Callable[[Pixels], bytes]

SEED = 1
BEDROOMS, SMALL, PER_LAYOUT = 300, 10_000, 50
PER_KIND = {"photographs": 12, "small pictures": 30, "strangers": 10}
"""Number of planted copies of each kind."""
_MOST_PIXELS = 10**8


@dataclass(frozen=True)
class File:
    """A file of a set.

    Attributes:
        data: content of the file.
        suffix: suffix of its name, such as `.jpg`.
        picture: number of the picture that it shows; a planted copy has the number of its original.
        kind: kind of change of a planted copy; None for an original.
    """

    data: bytes
    suffix: str
    picture: int
    kind: str | None = None


@dataclass(frozen=True)
class Truth:
    """What is known about a set by construction.

    Attributes:
        picture: number of the picture that a file shows, by file name; two versions of one picture share it.
        copies: kind of change of each planted copy, by file name.
    """

    picture: dict[str, int]
    copies: dict[str, str]

    def original(self, copy: str) -> str:
        """The name of the file from which a planted copy was made."""
        return self._originals[self.picture[copy]]

    @functools.cached_property
    def _originals(self) -> dict[int, str]:
        return {number: name for name, number in self.picture.items() if name not in self.copies}


def jpeg(pixels: Pixels, quality: int = 90) -> bytes:
    """Encode uint8 (H, W, 3) as JPEG."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def png(pixels: Pixels) -> bytes:
    """Encode uint8 (H, W, 3) as PNG."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


# Kinds of copies: a change of the pixels, and how the result is saved.


def same(image: Pixels, rng: np.random.Generator) -> Pixels:
    """The picture itself."""
    return image


def known(name: str) -> Change:
    """The transform of this name in `transforms`."""
    return lambda image, rng: transforms.apply(name, image, rng)


def cut(share: float) -> Change:
    """Cut off a share of the height or width from one side, drawn at random."""

    def crop(image: Pixels, rng: np.random.Generator) -> Pixels:
        turns = int(rng.integers(4))
        turned = np.rot90(image, turns)
        return np.rot90(turned[round(len(turned) * share) :], -turns).copy()

    return crop


def screenshot(image: Pixels, rng: np.random.Generator) -> Pixels:
    """Show the picture in a window: a title bar of 6 % with three buttons, and a grey border of 4 %."""
    height, width = image.shape[:2]
    edge, bar = max(2, round(min(height, width) * 0.04)), max(6, round(height * 0.06))
    window = Image.new("RGB", (width + 2 * edge, height + 2 * edge + bar), (214, 216, 220))
    draw = ImageDraw.Draw(window)
    draw.rectangle((0, 0, window.width, bar), fill=(52, 56, 64))
    for place, colour in enumerate(((237, 106, 94), (245, 191, 79), (98, 197, 84))):
        left, top, size = bar * (0.3 + 0.7 * place), bar * 0.3, bar * 0.4
        draw.ellipse((left, top, left + size, top + size), fill=colour)
    window.paste(Image.fromarray(image), (edge, bar + edge))
    return np.array(window)


def mirrored(image: Pixels, rng: np.random.Generator) -> Pixels:
    """Exchange left and right."""
    return image[:, ::-1].copy()


_SAVED_AGAIN: dict[str, tuple[Change, Encode]] = {"saved again, JPEG 50": (same, lambda image: jpeg(image, 50))}
_HALVED: dict[str, tuple[Change, Encode]] = {"half the size": (known("half"), jpeg)}
KINDS: dict[str, dict[str, tuple[Change, Encode]]] = {
    "photographs": {
        **_SAVED_AGAIN,
        **_HALVED,
        "15 % cut off one side": (cut(0.15), jpeg),
        "30 % cut off one side": (cut(0.30), jpeg),
        "45 % cut off one side": (cut(0.45), jpeg),
        "caption bar": (known("caption"), jpeg),
        "screenshot with border": (screenshot, png),
        "mark": (known("mark"), jpeg),
        "grey": (known("grey"), jpeg),
        "mirrored": (mirrored, jpeg),
    },
    "small pictures": {
        **_SAVED_AGAIN,
        **_HALVED,
        "5 % cropped, scaled back": (known("crop5"), jpeg),
        "shifted by a sixteenth": (known("shift"), jpeg),
        "15 % brighter": (known("brighter15"), jpeg),
        "contrast": (known("contrast"), jpeg),
        "border": (known("border"), jpeg),
        "mark": (known("mark"), jpeg),
        "grey": (known("grey"), jpeg),
        "mirrored": (mirrored, jpeg),
    },
    "strangers": {**_SAVED_AGAIN, **_HALVED},
}
"""The kinds of planted copies of each set."""


# The sets.


def make(name: str, imagenet: Path, bedrooms: Path, cifar10: Path, folder: Path) -> Truth:
    """Make a set.

    Args:
        name: one of `KINDS`. `photographs`: all of `imagenet` and 300 of `bedrooms`. `small pictures`: 10,000 of
            `cifar10`. `strangers`: 50 drawn pictures in each of four layouts, one of which shows photographs of
            `imagenet`.
        imagenet, bedrooms, cifar10: sources of pictures in any form that `dcgan dedup` reads.
        folder: new folder for the files.

    Returns:
        The truth about the files.
    """
    if name == "photographs":
        originals = [*read(imagenet, None), *read(bedrooms, BEDROOMS)]
    elif name == "small pictures":
        originals = read(cifar10, SMALL)
    else:
        originals = draw(imagenet)
    return write([*number(originals), *plant(name, originals)], folder, name)


def read(source: Path, count: int | None) -> list[tuple[bytes, str]]:
    """The bytes and the suffix of pictures that can be decoded, in key order; of more than `count`, a random sample."""
    opened = open_archive(source).source
    entries = list(only_pictures(opened.entries()))
    if count is not None:
        drawn = seeding.numpy_rng(SEED, "compared", source.name).permutation(len(entries))[:count]
        entries = [entries[place] for place in sorted(drawn)]
    with opened.open() as content:
        found = [(content(entry.place), Path(entry.key).suffix.lower()) for entry in entries]
    return [one for one in found if isinstance(decode(one[0], max_pixels=_MOST_PIXELS), Decoded)]


def number(originals: list[tuple[bytes, str]]) -> list[File]:
    """The originals as files of the set."""
    return [File(data, suffix, place) for place, (data, suffix) in enumerate(originals)]


def plant(name: str, originals: list[tuple[bytes, str]]) -> list[File]:
    """Make the planted copies of a set, at the size of their originals, at most one of each original."""
    copies = []
    order = iter(seeding.numpy_rng(SEED, "compared", name, "originals").permutation(len(originals)))
    for kind, (change, encode) in KINDS[name].items():
        for turn in range(PER_KIND[name]):
            place = int(next(order))
            decoded = decode(originals[place][0], max_pixels=_MOST_PIXELS)
            assert isinstance(decoded, Decoded)
            made = change(decoded.image, seeding.numpy_rng(SEED, "compared", name, kind, turn))
            copies.append(File(encode(made), ".png" if encode is png else ".jpg", place, kind))
    return copies


def write(content: list[File], folder: Path, name: str) -> Truth:
    """Write files in random order and number them in this order; some tools keep the first file that is listed."""
    folder.mkdir(parents=True)
    truth = Truth({}, {})
    order = seeding.numpy_rng(SEED, "compared", name, "names").permutation(len(content))
    for position, place in enumerate(order):
        file = content[place]
        title = f"{position:05d}{file.suffix}"
        (folder / title).write_bytes(file.data)
        truth.picture[title] = file.picture
        if file.kind:
            truth.copies[title] = file.kind
    return truth


# Pictures that share a layout and are no copies of each other.


def draw(imagenet: Path) -> list[tuple[bytes, str]]:
    """Draw 50 different pictures in each layout of `LAYOUTS`."""
    photographs = read(imagenet, PER_LAYOUT)
    made: list[tuple[bytes, str]] = []
    for name, layout in LAYOUTS.items():
        for turn in range(PER_LAYOUT):
            picture = layout(seeding.numpy_rng(SEED, "compared", name, turn), photographs[turn % len(photographs)][0])
            pixels = np.array(picture)
            made.append((jpeg(pixels), ".jpg") if layout is template else (png(pixels), ".png"))
    return made


def form(rng: np.random.Generator, photograph: bytes) -> Image.Image:
    """Draw an invoice, 620×840: the same form with another number, other names and other sums."""
    page = Image.new("RGB", (620, 840), "white")
    pen, font = ImageDraw.Draw(page), ImageFont.load_default(20)
    pen.text((40, 30), "INVOICE", font=ImageFont.load_default(44), fill="black")
    pen.line((40, 96, 580, 96), fill="black", width=3)
    pen.text((40, 116), f"No. {rng.integers(10_000, 99_999)}", font=font, fill="black")
    pen.text((40, 150), " ".join(_word(rng) for _ in range(2)).title(), font=font, fill="black")
    for row in range(12):
        top = 220 + row * 46
        pen.rectangle((40, top, 580, top + 46), outline="black")
        pen.text((54, top + 10), " ".join(_word(rng) for _ in range(2)), font=font, fill="black")
        pen.text((460, top + 10), f"{rng.uniform(1, 900):.2f}", font=font, fill="black")
    return page


def template(rng: np.random.Generator, photograph: bytes) -> Image.Image:
    """Lay a photograph, which differs from picture to picture, into a news template, 600×600."""
    page = Image.new("RGB", (600, 600), (25, 25, 30))
    pen = ImageDraw.Draw(page)
    pen.rectangle((0, 0, 600, 40), fill=(230, 190, 40))
    pen.rectangle((0, 540, 600, 600), fill=(200, 30, 40))
    pen.text((20, 547), "DAILY NEWS", font=ImageFont.load_default(40), fill="white")
    pen.text((330, 557), _word(rng), font=ImageFont.load_default(26), fill="white")
    decoded = decode(photograph, max_pixels=_MOST_PIXELS)
    assert isinstance(decoded, Decoded)
    page.paste(Image.fromarray(decoded.image).resize((450, 405)), (75, 90))
    return page


def icon(rng: np.random.Generator, photograph: bytes) -> Image.Image:
    """Draw a line icon on white, 256×256: three to five shapes, drawn at random, in a ring that all icons share."""
    page = Image.new("RGB", (256, 256), "white")
    pen = ImageDraw.Draw(page)
    pen.ellipse((12, 12, 244, 244), outline="black", width=8)
    for _ in range(int(rng.integers(3, 6))):
        left, top = (int(place) for place in rng.integers(60, 130, 2))
        right, bottom = left + int(rng.integers(25, 70)), top + int(rng.integers(25, 70))
        shape = (pen.rectangle, pen.ellipse, pen.line)[int(rng.integers(3))]
        shape((left, top, right, bottom), width=7, **({"fill": "black"} if shape == pen.line else {"outline": "black"}))
    return page


def thing(rng: np.random.Generator, photograph: bytes) -> Image.Image:
    """Draw a small thing in one frame on white, 400×400: the frame is shared, form and colours of the thing are not."""
    page = Image.new("RGB", (400, 400), "white")
    pen = ImageDraw.Draw(page)
    pen.rectangle((14, 14, 385, 385), outline=(120, 120, 120), width=6)
    corners = [(200 + float(x), 200 + float(y)) for x, y in rng.uniform(-70, 70, (int(rng.integers(3, 7)), 2))]
    pen.polygon(corners, fill=tuple(int(level) for level in rng.integers(20, 220, 3)))
    left, top = (int(place) for place in rng.integers(150, 220, 2))
    size = int(rng.integers(15, 45))
    pen.ellipse((left, top, left + size, top + size), fill=tuple(int(level) for level in rng.integers(20, 220, 3)))
    return page


LAYOUTS = {"forms": form, "templates": template, "icons": icon, "things in a frame": thing}
"""The layouts of `strangers`; the pictures of a layout have consecutive numbers."""


def _word(rng: np.random.Generator) -> str:
    """A random word of two to four syllables."""
    syllables = [f"{'bdfglmnprst'[int(rng.integers(11))]}{'aeiou'[int(rng.integers(5))]}" for _ in range(4)]
    return "".join(syllables[: int(rng.integers(2, 5))])
