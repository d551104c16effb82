"""Copies of pictures as people and programs make them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from pipeline.dedup.recall.transforms import HELD_OUT, KNOWN, apply, draw_chain

EVERY = KNOWN + HELD_OUT
RESIZING = {"half", "quarter", "border", "caption", "chain"}


def photo(seed: int, height: int = 96, width: int = 80) -> np.ndarray:
    """A smooth picture with large and small features, as photographs have them."""
    rng = np.random.default_rng(seed)
    layers = [
        np.asarray(
            Image.fromarray(rng.integers(0, 256, (cells, cells, 3), dtype=np.uint8)).resize(
                (width, height), Image.Resampling.BICUBIC
            ),
            np.float64,
        )
        for cells in (4, 16)
    ]
    return np.average(layers, axis=0, weights=(0.8, 0.2)).astype(np.uint8)


def coarse(image: np.ndarray) -> np.ndarray:
    """The middle of its grey thumbnail, inside any frame, without its mean and at length 1."""
    thumbnail = Image.fromarray(image).convert("L").resize((12, 12), Image.Resampling.BOX)
    grey = np.asarray(thumbnail, np.float64)[2:10, 2:10]
    return (grey - grey.mean()) / np.linalg.norm(grey - grey.mean())


@settings(deadline=None)  # the first picture of a format loads Pillow's plugin
@given(st.sampled_from(EVERY), st.integers(8, 70), st.integers(8, 70), st.integers(0, 2**32))
def test_any_size_gives_a_picture(name: str, height: int, width: int, seed: int) -> None:
    """Every transform takes every size from 8×8, leaves its input alone and gives uint8 RGB of the promised size."""
    image = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    before = image.copy()
    copy = apply(name, image, np.random.default_rng(seed))
    assert copy.dtype == np.uint8 and copy.ndim == 3 and copy.shape[2] == 3
    assert copy.flags.writeable and not np.shares_memory(copy, image)
    assert np.array_equal(image, before)
    if name not in RESIZING:
        assert copy.shape == image.shape
    if name in ("half", "quarter"):
        share = 2 if name == "half" else 4
        assert copy.shape[:2] == (round(height / share), round(width / share))
    if name == "border":
        assert copy.shape[0] - height == copy.shape[1] - width >= 2
    if name == "caption":
        assert copy.shape[1] == width and copy.shape[0] == height + max(1, round(height * 0.12))
        assert np.array_equal(copy[:height], image)


@pytest.mark.parametrize("name", EVERY)
def test_same_state_gives_the_same_bytes(name: str) -> None:
    """All chance comes from the generator: two in the same state give the same copy and end in the same state."""
    first, second = (np.random.default_rng(11) for _ in range(2))
    for _ in range(3):
        assert np.array_equal(apply(name, photo(1), first), apply(name, photo(1), second))
    assert first.random() == second.random()


@pytest.mark.parametrize("name", EVERY)
def test_a_copy_differs_but_stays_near(name: str) -> None:
    """Each copy has other pixels than its original, and looks like it, not like another picture."""
    for seed in range(20):
        original, other = photo(seed), photo(seed + 100)
        copy = apply(name, original, np.random.default_rng(seed))
        assert copy.shape != original.shape or (copy != original).any()
        likeness, chance = (float((coarse(copy) * coarse(image)).sum()) for image in (original, other))
        assert likeness > 0.5 and likeness > chance, (seed, likeness, chance)


def test_what_judges_is_never_trained_on() -> None:
    """No name is both known and held out."""
    assert len(set(EVERY)) == len(EVERY)


def test_a_chain_is_three_known_ones_in_a_row() -> None:
    """A chain draws three different known transforms, and does just these."""
    drawn = {draw_chain(np.random.default_rng(seed)) for seed in range(200)}
    assert len(drawn) > 150
    assert all(len(set(names)) == 3 and set(names) <= set(KNOWN) for names in drawn)
    rng, expected = np.random.default_rng(5), photo(2)
    for name in draw_chain(rng):
        expected = apply(name, expected, rng)
    assert np.array_equal(apply("chain", photo(2), np.random.default_rng(5)), expected)


@pytest.mark.parametrize("name", ["half", "quarter", "crop1", "crop2", "crop5", "shift", "blur", "rotate2"])
def test_geometry_brings_in_nothing_new(name: str) -> None:
    """Where only the geometry changes, an even picture stays even: no empty corners, no dark edges."""
    for seed in range(8):
        copy = apply(name, np.full((40, 33, 3), 200, np.uint8), np.random.default_rng(seed))
        assert (copy == 200).all()


def test_levels_move_by_the_share_they_are_named_for() -> None:
    """Brighter and darker add 5 or 15 % of the range, cut off at its ends."""
    image = np.array([[[0, 100, 250]]], np.uint8)
    moved = {name: apply(name, image, np.random.default_rng(0)).ravel().tolist() for name in KNOWN if "er" in name}
    assert moved["brighter5"] == [13, 113, 255] and moved["darker5"] == [0, 87, 237]
    assert moved["brighter15"] == [38, 138, 255] and moved["darker15"] == [0, 62, 212]


def test_a_shift_is_two_pixels_of_32() -> None:
    """The content moves by a sixteenth in one of eight directions; the rest repeats the edge."""
    image = photo(3, 32, 32)
    seen = set()
    for seed in range(60):
        copy = apply("shift", image, np.random.default_rng(seed))
        padded = np.pad(image, ((2, 2), (2, 2), (0, 0)), mode="edge")
        fits = [(y, x) for y in (0, 2, 4) for x in (0, 2, 4) if (padded[y : y + 32, x : x + 32] == copy).all()]
        assert len(fits) == 1
        seen.update(fits)
    assert len(seen) == 8 and (2, 2) not in seen


def test_a_crop_of_a_third_of_a_pixel_is_seen() -> None:
    """At 32 pixels 1 % is a third of a pixel: a ramp loses that share of its span, though no whole column goes."""
    ramp = np.broadcast_to(np.linspace(0, 248, 32).round().astype(np.uint8)[None, :, None], (32, 32, 3)).copy()
    for name, share in (("crop1", 0.01), ("crop5", 0.05)):
        slopes = [
            np.polyfit(np.arange(4, 28), apply(name, ramp, np.random.default_rng(seed))[16, 4:28, 0], 1)[0]
            for seed in range(20)
        ]
        assert np.mean(slopes) / 8 == pytest.approx(1 - share, abs=0.003)


def test_a_turn_is_of_two_degrees() -> None:
    """A straight line comes out 2° aslant, either way, and about as long as before."""
    image = np.full((400, 300, 3), 255, np.uint8)
    image[:200] = 0
    angles = set()
    for seed in range(10):
        copy = apply("rotate2", image, np.random.default_rng(seed))
        heights = (copy[:, :, 0] < 128).sum(axis=0)
        angles.add(round(float(np.degrees(np.arctan(np.polyfit(np.arange(300), heights, 1)[0])))))
    assert angles == {-2, 2}


def test_a_mark_is_small() -> None:
    """Words or a sign change at most 6 % of the picture, and at least something on any ground."""
    for ground in (0, 128, 255):
        for side in (32, 100):
            for seed in range(40):
                image = np.full((side, side, 3), ground, np.uint8)
                changed = (apply("mark", image, np.random.default_rng(seed)) != image).any(axis=2)
                assert 0 < changed.mean() <= 0.06, (ground, side, seed)


def test_an_unknown_name_is_refused() -> None:
    """A misspelt transform is no transform."""
    with pytest.raises(KeyError, match="jpeg81"):
        apply("jpeg81", photo(0), np.random.default_rng(0))
