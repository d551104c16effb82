"""Draw sets of different pictures that share a layout: forms, templates, things on white, and one anatomy.

Each function draws n pictures of one of four variants, uint8 (n, 64, 64, 3).
"""

import random
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from pipeline.imageset.format.image_set import Images
from pipeline.prepare.resize import resize

_LETTERS = "ABCDEFGHIKLMNOPRSTUV0123456789"


def _squares(pictures: list[Image.Image]) -> Images:
    return np.stack([resize(np.array(picture.convert("RGB")), side=64, method="area") for picture in pictures])


def _text(draw: ImageDraw.ImageDraw, at: tuple[int, int], words: str, size: int, fill: object = "black") -> None:
    draw.text(at, words, font=ImageFont.load_default(size), fill=fill)


def _pale(scene: Images) -> Image.Image:
    """A scene at a third of its contrast, so that it is less conspicuous than the layout."""
    return Image.fromarray(np.uint8(85) + scene // 3)


def forms(count: int, variant: int, scenes: Images) -> Images:
    """Invoices, membership cards, tables and letters, each filled in differently."""
    rng = random.Random(variant)

    def words(letters: int) -> str:
        return "".join(rng.choice(_LETTERS) for _ in range(letters))

    pictures = []
    for _ in range(count):
        picture = Image.new("RGB", (450, 450), ("white", "#cdddf0", "white", "#faf8f0")[variant])
        draw = ImageDraw.Draw(picture)
        if variant == 0:
            _text(draw, (30, 10), "INVOICE", 36)
            draw.line((30, 60, 420, 60), fill="black", width=3)
            for row in range(10):
                draw.rectangle((30, 80 + row * 34, 420, 114 + row * 34), outline="black")
                _text(draw, (40, 84 + row * 34), f"Item {rng.randint(100, 999)}", 18)
                _text(draw, (320, 84 + row * 34), f"{rng.random() * 900:.2f}", 18)
        elif variant == 1:
            draw.rectangle((0, 0, 450, 70), fill="#143c8c")
            _text(draw, (30, 15), "MEMBER CARD", 38, "white")
            draw.rectangle((20, 100, 180, 400), fill="#96a0aa")
            for row in range(4):
                _text(draw, (200, 110 + row * 75), ("Name", "Born", "Number", "Valid")[row], 16, "#3c3c50")
                _text(draw, (200, 130 + row * 75), words(rng.randint(7, 11)), 30)
        elif variant == 2:
            draw.rectangle((0, 0, 450, 40), fill="#217346")
            _text(draw, (12, 6), "Report", 24, "white")
            for row in range(16):
                if row % 2:
                    draw.rectangle((0, 44 + row * 25, 450, 69 + row * 25), fill="#ebf3ee")
                for column in range(5):
                    _text(draw, (8 + column * 90, 46 + row * 25), str(rng.randint(0, 99999)), 18)
        else:
            draw.ellipse((20, 15, 80, 75), fill="#b41e1e")
            _text(draw, (110, 22), "Acme and Sons", 34, "#3c1414")
            draw.line((20, 90, 430, 90), fill="#b41e1e", width=4)
            for row in range(17):
                _text(draw, (20, 105 + row * 20), " ".join(words(rng.randint(2, 9)) for _ in range(7)), 13)
        pictures.append(picture)
    return _squares(pictures)


def templates(count: int, variant: int, scenes: Images) -> Images:
    """Different scenes in a news page, an advertisement, a poster and a screenshot."""
    pictures = []
    for number in range(count):
        picture = Image.new("RGB", (300, 300), ("#19191e", "#122040", "#f5f3ee", "white")[variant])
        draw = ImageDraw.Draw(picture)
        scene = _pale(scenes[number])
        if variant == 0:
            draw.rectangle((0, 0, 300, 30), fill="#e6be28")
            draw.rectangle((0, 250, 300, 300), fill="#c81e28")
            _text(draw, (15, 255), "DAILY NEWS", 34, "white")
            picture.paste(scene.resize((170, 150)), (65, 65))
        elif variant == 1:
            _text(draw, (10, 5), "BIG SALE", 64, "#ffdc00")
            draw.ellipse((190, 190, 295, 295), fill="#e6143c")
            _text(draw, (205, 225), "-50%", 34, "white")
            for row in range(4):
                draw.rectangle((15, 195 + row * 25, 150, 210 + row * 25), fill="#5a6e96")
            picture.paste(scene.resize((150, 100)), (75, 85))
        elif variant == 2:
            draw.rectangle((0, 0, 299, 299), outline="#5a3c1e", width=24)
            _text(draw, (40, 225), "Summer Camp", 34, "#1e3ca0")
            _text(draw, (40, 30), "JULY 2019", 44, "#c81e28")
            picture.paste(scene.resize((140, 120)), (80, 95))
        else:
            draw.rectangle((0, 0, 300, 40), fill="#3b5998")
            _text(draw, (12, 6), "SocialBook", 26, "white")
            draw.ellipse((12, 50, 62, 100), fill="#1e1e28")
            draw.rectangle((80, 60, 230, 75), fill="#3c3c3c")
            for row in range(5):
                draw.rectangle((20, 225 + row * 15, 280 - 40 * (row % 3), 233 + row * 15), fill="#505050")
            picture.paste(scene.resize((150, 100)), (75, 112))
        pictures.append(picture)
    return _squares(pictures)


def things(count: int, variant: int, scenes: Images) -> Images:
    """Products, round photographs, line icons and letters on white."""
    rng = random.Random(variant)
    pictures = []
    for number in range(count):
        picture = Image.new("RGB", (256, 256), "white")
        draw = ImageDraw.Draw(picture)
        if variant == 0:
            draw.rectangle((68, 48, 188, 208), fill="#303038")
            draw.rectangle((84, 64, 172, 160), fill="#e0e0d0")
            draw.ellipse((112, 170, 144, 202), fill="#c8c8c8")
            for _ in range(4):
                x, y, r = rng.randint(94, 162), rng.randint(74, 150), rng.randint(5, 9)
                draw.ellipse((x - r, y - r, x + r, y + r), fill=tuple(rng.randint(100, 255) for _ in range(3)))
        elif variant == 1:
            mask = Image.new("L", (120, 120))
            ImageDraw.Draw(mask).ellipse((0, 0, 119, 119), fill=255)
            draw.ellipse((53, 53, 203, 203), fill="black")
            picture.paste(_pale(scenes[number]).resize((120, 120)), (68, 68), mask)
        elif variant == 2:
            draw.ellipse((30, 30, 226, 226), outline="black", width=14)
            for _ in range(3):
                draw.line([rng.randint(75, 181) for _ in range(4)], fill="black", width=14)
        else:
            draw.rounded_rectangle((40, 40, 216, 216), 30, fill="#285ac8")
            _text(draw, (60, 75), _LETTERS[number % 24] + _LETTERS[(number * 7 + 5) % 24], 92, "white")
        pictures.append(picture)
    return _squares(pictures)


def anatomies(count: int, variant: int, scenes: Images) -> Images:
    """Schematic scans of chests, brains, knees and retinas, each with its own proportions and texture."""
    rng = np.random.default_rng(variant)
    y, x = np.mgrid[0:128, 0:128] / 127 - 0.5
    waves = np.hypot(np.fft.fftfreq(128)[:, None] * 128, np.fft.rfftfreq(128)[None] * 128)
    # Centre x and y, radius x and y, level and softness of ellipses.
    ellipses = (
        [(0, 0.05, 0.42, 0.48, 150, 0.1), (-0.19, 0, 0.13, 0.28, -95, 0.1), (0.19, 0, 0.13, 0.28, -95, 0.1)],
        [(0, 0, 0.36, 0.44, 200, 0.05), (0, 0, 0.32, 0.4, -110, 0.05), (-0.05, 0, 0.035, 0.11, -60, 0.1)],
        [(0, -0.28, 0.16, 0.26, 170, 0.1), (0, 0.28, 0.15, 0.26, 165, 0.1), (0, 0, 0.3, 0.6, 60, 0.2)],
        [(0, 0, 0.44, 0.44, 150, 0.03), (0.18, 0, 0.06, 0.06, 90, 0.1), (-0.1, 0, 0.1, 0.1, -40, 0.2)],
    )[variant]
    made = np.zeros((count, 128, 128))
    for picture in made:
        for cx, cy, rx, ry, level, softness in ellipses:
            across = (x - cx - rng.normal(0, 0.008)) / (rx * (1 + rng.normal(0, 0.03)))
            down = (y - cy - rng.normal(0, 0.008)) / (ry * (1 + rng.normal(0, 0.03)))
            picture += level / (1 + np.exp((np.hypot(across, down) - 1) / softness * 2))
        texture = np.fft.irfft2(np.fft.rfft2(rng.normal(size=(128, 128))) / (1 + (waves / 6) ** 1.6))
        picture *= 1 + 0.1 * texture / texture.std()
    pictures = [Image.fromarray(picture.clip(0, 255).astype(np.uint8)) for picture in made]
    return _squares(pictures)


KINDS: dict[str, Callable[[int, int, Images], Images]] = {
    "forms": forms,
    "templates": templates,
    "things": things,
    "anatomies": anatomies,
}
