"""Photographs that these tests draw, and what the web makes of them."""

import functools
import hashlib
import io
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter, ImageFont, ImageOps

from pipeline.dedup.originals.examination import Examined, examine
from pipeline.miniature.rooms import draw_room

Picture = Image.Image


def encoded(picture: Picture, file_format: str = "JPEG", **options: object) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, file_format, **options)
    return buffer.getvalue()


def resized(picture: Picture, factor: float, how: Image.Resampling = Image.Resampling.BICUBIC) -> Picture:
    return picture.resize((round(picture.width * factor), round(picture.height * factor)), how)


def written(picture: Picture, text: str, share: float, fill: object = "white") -> Picture:
    """Text over the picture; its height is a share of the picture's."""
    layer = Image.new("RGBA", picture.size)
    font = ImageFont.load_default(round(share * picture.height))
    ImageDraw.Draw(layer).text((picture.width // 10, picture.height // 2), text, font=font, fill=fill)
    return Image.alpha_composite(picture.convert("RGBA"), layer).convert("RGB")


def on_canvas(picture: Picture, colour: object, left: int, top: int, right: int, bottom: int) -> Picture:
    canvas = Image.new("RGB", (picture.width + left + right, picture.height + top + bottom), colour)
    canvas.paste(picture, (left, top))
    return canvas


def with_rounded_corners(picture: Picture) -> Picture:
    mask = Image.new("L", picture.size)
    box = (0, 0, picture.width - 1, picture.height - 1)
    ImageDraw.Draw(mask).rounded_rectangle(box, picture.height // 8, fill=255)
    rounded = Image.new("RGB", picture.size, "white")
    rounded.paste(picture, mask=mask)
    return rounded


def as_screenshot(picture: Picture) -> Picture:
    shown = on_canvas(resized(picture, 0.9), (236, 236, 240), 40, 60, 40, 30)
    drawing = ImageDraw.Draw(shown)
    drawing.rectangle((0, 0, shown.width, 30), fill=(60, 64, 72))
    drawing.text((10, 6), "Pictures - viewer", font=ImageFont.load_default(16), fill="white")
    return shown


def with_caption(picture: Picture) -> Picture:
    bar = picture.height // 7
    captioned = on_canvas(picture, "black", 0, 0, 0, bar)
    font = ImageFont.load_default(bar // 2)
    ImageDraw.Draw(captioned).text((20, picture.height + bar // 4), "A room of my own", font=font, fill="white")
    return captioned


def cropped(picture: Picture) -> Picture:
    return picture.crop((picture.width // 10, 0, picture.width, picture.height * 7 // 8))


def thumbnail_enlarged(picture: Picture) -> Picture:
    return resized(resized(picture, 0.25), 6, Image.Resampling.NEAREST)


COPIES: dict[str, tuple[Callable[[Picture], bytes], str]] = {
    "quality 25": (lambda p: encoded(p, quality=25), "saved_again"),
    "quality 95": (lambda p: encoded(p, quality=95), "saved_again"),
    "webp": (lambda p: encoded(p, "WEBP", quality=35), "compression"),
    "palette": (lambda p: encoded(p.quantize(32), "GIF"), "depth"),
    "grey": (lambda p: encoded(p.convert("L"), quality=95), "colour"),
    "sepia": (
        lambda p: encoded(ImageOps.colorize(p.convert("L"), (30, 15, 0), (255, 240, 200)), quality=90),
        "colour",
    ),
    "half the size": (lambda p: encoded(resized(p, 0.5), quality=95), "detail"),
    "twice the size": (lambda p: encoded(resized(p, 2), quality=90), "detail"),
    "twice the size with a mark": (
        lambda p: encoded(written(resized(p, 2), "example.org", 0.05), quality=92),
        "detail",
    ),
    "enlarged thumbnail": (lambda p: encoded(thumbnail_enlarged(p), quality=60), "detail"),
    "blurred": (lambda p: encoded(p.filter(ImageFilter.GaussianBlur(1.5)), quality=95), "detail"),
    "white frame": (lambda p: encoded(on_canvas(p, "white", 25, 25, 25, 25), quality=92), "added"),
    "caption": (lambda p: encoded(with_caption(p), quality=92), "added"),
    "rounded corners": (lambda p: encoded(with_rounded_corners(p), quality=92), "added"),
    "mark": (lambda p: encoded(written(p, "STOCK PHOTO", 0.1), quality=92), "added"),
    "translucent mark": (lambda p: encoded(written(p, "© example", 0.1, (255, 255, 255, 120)), quality=92), "added"),
    "cropped": (lambda p: encoded(cropped(p), quality=95), "cut_off"),
    "screenshot": (lambda p: encoded(as_screenshot(p), "PNG"), "added"),
}
"""Names of copies, each with the function that makes it and the reason for which the original is preferred."""


def draw_photograph(number: int) -> Picture:
    """A room with the texture and the noise of a photograph, about 480 pixels wide."""
    rng = np.random.default_rng(number)
    room = Image.fromarray(draw_room(rng)[0])
    room = room.resize((480, 480 * room.height // room.width), Image.Resampling.LANCZOS)
    grain = np.zeros((room.height, room.width))
    for side in (3, 6, 12, 25, 50, 100, 200, 400):  # about the spectrum of natural pictures
        coarse = rng.normal(0, 6, (side, side)).astype(np.float32)
        grain += np.asarray(Image.fromarray(coarse).resize(room.size, Image.Resampling.BICUBIC))
    pixels = np.asarray(room) + grain[..., None] + rng.normal(0, 2, (room.height, room.width, 3))
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


@pytest.fixture(scope="session")
def photographs() -> list[tuple[Picture, bytes]]:
    """Three photographs: their pixels as decoded, and their files."""
    files = [encoded(draw_photograph(number), quality=88) for number in range(3)]
    return [(Image.open(io.BytesIO(data)).convert("RGB"), data) for data in files]


@functools.lru_cache(maxsize=8)
def examined(data: bytes) -> Examined:
    """What is known of a picture; that of the last few is remembered, since each is compared in both orders."""
    found = examine(data, hashlib.sha256(data).hexdigest(), None)
    assert found is not None
    return found
