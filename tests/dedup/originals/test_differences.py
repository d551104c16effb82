"""Frames, bars, marks and cut sides are found where they are, and nowhere else."""

import numpy as np
import pytest
from PIL import Image, ImageEnhance

from pipeline.dedup.originals.alignment import Reduced, align, reduce
from pipeline.dedup.originals.differences import Differences, find_differences
from tests.dedup.originals.conftest import Picture, cropped, draw_photograph, on_canvas, resized, written


def reduced(picture: Picture) -> Reduced:
    return reduce(np.asarray(picture.convert("RGB")))


def differences(left: Picture, right: Picture) -> Differences:
    a, b = reduced(left), reduced(right)
    affine = align(a, b)
    assert affine is not None
    found = find_differences(a, b, affine, (max(left.size), max(right.size)))
    assert found is not None
    return found


def test_a_frame_is_measured_on_all_sides(photographs: list[tuple[Picture, bytes]]) -> None:
    """The area of the frame is given as a share of what both show; nothing counts as cut off."""
    picture, _ = photographs[0]
    framed = on_canvas(picture, "white", 24, 24, 24, 24)
    found = differences(picture, framed)
    share = 1000 * (framed.width * framed.height / (picture.width * picture.height) - 1)
    assert found.added == (0, pytest.approx(share, rel=0.05))
    assert found.cut_off == (0, 0) and found.scale == pytest.approx(1000, rel=0.01)


def test_cut_sides_are_no_frame(photographs: list[tuple[Picture, bytes]]) -> None:
    """What a crop lacks is a natural part of the other picture."""
    for picture, _ in photographs:
        found = differences(cropped(picture), picture)
        share = 1000 * (1 / (0.9 * 7 / 8) - 1)
        assert found.cut_off == (pytest.approx(share, rel=0.06), 0)
        assert found.added[1] < 20


def test_a_white_margin_that_continues_counts_for_neither() -> None:
    """A thing on white, with more white around it in one picture, is neither framed nor cut."""
    thing = Image.new("RGB", (400, 400), "white")
    thing.paste(draw_photograph(4).resize((200, 200)), (100, 100))
    found = differences(thing, on_canvas(thing, "white", 40, 40, 40, 40))
    assert found.added == found.cut_off == (0, 0)


def test_other_tones_are_no_mark(photographs: list[tuple[Picture, bytes]]) -> None:
    """Brightness, contrast, grey and reduction change the whole picture, not a region of it."""
    for picture, _ in photographs:
        for changed in (
            ImageEnhance.Brightness(picture).enhance(1.2),
            ImageEnhance.Contrast(picture).enhance(0.7),
            picture.convert("L"),
            resized(picture, 0.6),
        ):
            found = differences(picture, changed)
            assert found.added[0] <= 2 and found.added[1] <= 6


def test_a_mark_is_found_at_another_size(photographs: list[tuple[Picture, bytes]]) -> None:
    """The mark belongs to the picture that has it, also if this is the smaller one."""
    for picture, _ in photographs:
        marked = written(resized(picture, 0.7), "STOCK PHOTO", 0.1)
        found = differences(marked, picture)
        assert found.added[0] > 10 and found.added[1] <= 2
        assert found.scale == pytest.approx(700, rel=0.01)


def test_different_pictures_are_not_aligned() -> None:
    """Two rooms have no map between them."""
    assert align(reduced(draw_photograph(5)), reduced(draw_photograph(6))) is None


@pytest.mark.parametrize("size", [(1, 1), (3, 400), (400, 2)])
def test_odd_sizes_are_reduced_and_aligned(size: tuple[int, int]) -> None:
    """A picture of any size can be compared; without contrast there is no map."""
    flat = reduced(Image.new("RGB", size, "grey"))
    assert align(flat, flat) is None
