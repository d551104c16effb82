"""Of an original and what the web makes of it, the original is preferred, for the right reason and in both orders."""

import pytest
from PIL import Image, ImageDraw, ImageFont

from pipeline.dedup.originals.alignment import align
from pipeline.dedup.originals.comparison import REASONS, UNDECIDED, Preference, compare, damaged_loses
from pipeline.dedup.originals.differences import Differences, find_differences
from pipeline.dedup.originals.examination import Examined
from tests.dedup.originals.conftest import COPIES, Picture, encoded, examined


def differences(left: Examined, right: Examined) -> Differences | None:
    affine = align(left.reduced, right.reduced)
    sides = max(left.measures.width, left.measures.height), max(right.measures.width, right.measures.height)
    return None if affine is None else find_differences(left.reduced, right.reduced, affine, sides)


def outcome(left: bytes, right: bytes) -> Preference:
    a, b = examined(left), examined(right)
    return compare(a, b, differences(a, b))


@pytest.mark.parametrize("copy", COPIES)
def test_the_original_is_preferred(photographs: list[tuple[Picture, bytes]], copy: str) -> None:
    """The reason is the one that a person would give, and the order of the two pictures does not matter."""
    make, reason = COPIES[copy]
    assert reason in REASONS
    for picture, original in photographs:
        made = make(picture)
        assert outcome(original, made) == Preference(0, reason)
        assert outcome(made, original) == Preference(1, reason)


def test_equal_pixels_in_another_file_decide_nothing(photographs: list[tuple[Picture, bytes]]) -> None:
    """Two lossless files of the same pixels are equally good."""
    picture, _ = photographs[0]
    assert outcome(encoded(picture, "PNG"), encoded(picture, "BMP")) == UNDECIDED


def test_a_lossless_file_made_from_a_jpeg_is_not_its_source(photographs: list[tuple[Picture, bytes]]) -> None:
    """A PNG of a JPEG's pixels is a copy; a JPEG of a PNG's pixels is one, too."""
    picture, original = photographs[0]
    lossless = encoded(picture, "PNG")
    assert outcome(original, lossless) == Preference(0, "saved_again")
    assert outcome(encoded(picture, quality=60), lossless).winner == 1


@pytest.mark.parametrize("colours", [None, 16])
def test_a_drawing_is_preferred_to_its_jpeg(colours: int | None) -> None:
    """The many colours of the JPEG come from its compression; the few of the drawing are no palette of a photograph."""
    drawing = Image.new("RGB", (400, 300), "white")
    pen = ImageDraw.Draw(drawing)
    for n in range(8):
        box = (20 + 45 * n, 280 - 30 * n, 50 + 45 * n, 290)
        pen.rectangle(box, fill=(30 * n, 200 - 20 * n, 255 - 30 * n), outline="black")
        pen.text((20 + 45 * n, 20 + 8 * n), f"{n * 17} %", font=ImageFont.load_default(16), fill="black")
    made = encoded(drawing.quantize(colours) if colours else drawing, "PNG")
    for quality in (60, 90):
        assert outcome(encoded(drawing, quality=quality), made).winner == 1


def test_damage_comes_first() -> None:
    """A damaged picture is never preferred to a whole one; two damaged ones are compared otherwise."""
    assert damaged_loses(True, False) == Preference(1, "damaged")
    assert damaged_loses(False, True) == Preference(0, "damaged")
    assert damaged_loses(True, True) == damaged_loses(False, False) == UNDECIDED


def test_what_shows_much_more_is_preferred_to_a_finer_part(photographs: list[tuple[Picture, bytes]]) -> None:
    """A crop with more detail than the reduced whole is no substitute for what it lacks."""
    for picture, _ in photographs:
        width, height = picture.size
        part = encoded(picture.crop((width // 4, height // 4, width, height)))
        whole = encoded(picture.resize((width // 2, height // 2)))
        assert outcome(part, whole) == Preference(1, "cut_off")
        assert outcome(whole, part) == Preference(0, "cut_off")


def test_a_collage_is_preferred_to_one_of_its_pictures(photographs: list[tuple[Picture, bytes]]) -> None:
    """The other picture of a collage of two would be lost; it is no frame."""
    (first, original), (second, _) = photographs[:2]
    collage = Image.new("RGB", (2 * first.width, first.height))
    collage.paste(first)
    collage.paste(second.resize(first.size), (first.width, 0))
    assert outcome(original, encoded(collage)) == Preference(1, "cut_off")
