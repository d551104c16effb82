"""The transforms keep their promises on size, determinism and strength."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from pipeline.dedup.recall.transforms import HELD_OUT, KNOWN, apply, draw_chain

EVERY = KNOWN + HELD_OUT
RESIZING = {"half", "quarter", "border", "caption", "chain"}


def photo(seed: int, height: int = 96, width: int = 80) -> np.ndarray:
    """A smooth picture with large and small features, like a photograph."""
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
    """The centre of the grey thumbnail, without any frame, normalised to mean 0 and length 1."""
    thumbnail = Image.fromarray(image).convert("L").resize((12, 12), Image.Resampling.BOX)
    grey = np.asarray(thumbnail, np.float64)[2:10, 2:10]
    return (grey - grey.mean()) / np.linalg.norm(grey - grey.mean())


@settings(deadline=None)  # the first picture of a format loads Pillow's plugin
@given(st.sampled_from(EVERY), st.integers(8, 70), st.integers(8, 70), st.integers(0, 2**32))
def test_any_size_gives_a_picture(name: str, height: int, width: int, seed: int) -> None:
    """Every transform takes all sizes from 8×8, keeps its input, and returns uint8 RGB of the documented size."""
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
    """The generator is the only randomness: two in the same state give the same copy and end in the same state."""
    first, second = (np.random.default_rng(11) for _ in range(2))
    for _ in range(3):
        assert np.array_equal(apply(name, photo(1), first), apply(name, photo(1), second))
    assert first.random() == second.random()


@pytest.mark.parametrize("name", EVERY)
def test_a_copy_differs_but_stays_near(name: str) -> None:
    """Each copy differs from its original and is more similar to it than to another picture."""
    for seed in range(20):
        original, other = photo(seed), photo(seed + 100)
        copy = apply(name, original, np.random.default_rng(seed))
        assert copy.shape != original.shape or (copy != original).any()
        likeness, chance = (float((coarse(copy) * coarse(image)).sum()) for image in (original, other))
        assert likeness > 0.5 and likeness > chance, (seed, likeness, chance)


def test_known_and_held_out_are_disjoint() -> None:
    """No transform is used both to fit a detector and to test it."""
    assert len(set(EVERY)) == len(EVERY)


def test_a_chain_applies_three_known_transforms() -> None:
    """A chain draws three different known transforms and applies them in the drawn order."""
    drawn = {draw_chain(np.random.default_rng(seed)) for seed in range(200)}
    assert len(drawn) > 150
    assert all(len(set(names)) == 3 and set(names) <= set(KNOWN) for names in drawn)
    rng, expected = np.random.default_rng(5), photo(2)
    for name in draw_chain(rng):
        expected = apply(name, expected, rng)
    assert np.array_equal(apply("chain", photo(2), np.random.default_rng(5)), expected)


@pytest.mark.parametrize("name", ["half", "quarter", "crop1", "crop2", "crop5", "shift", "blur", "rotate2"])
def test_geometric_transforms_leave_no_empty_areas(name: str) -> None:
    """A constant picture stays constant under geometric transforms: no empty corners and no dark edges."""
    for seed in range(8):
        copy = apply(name, np.full((40, 33, 3), 200, np.uint8), np.random.default_rng(seed))
        assert (copy == 200).all()


def test_levels_change_by_the_share_in_the_name() -> None:
    """Brighter and darker add or subtract 5 or 15 % of the range, clipped to 0..255."""
    image = np.array([[[0, 100, 250]]], np.uint8)
    moved = {name: apply(name, image, np.random.default_rng(0)).ravel().tolist() for name in KNOWN if "er" in name}
    assert moved["brighter5"] == [13, 113, 255] and moved["darker5"] == [0, 87, 237]
    assert moved["brighter15"] == [38, 138, 255] and moved["darker15"] == [0, 62, 212]


def test_a_shift_is_two_pixels_of_32() -> None:
    """The picture moves by a sixteenth in one of eight directions; edge pixels fill the rest."""
    image = photo(3, 32, 32)
    seen = set()
    for seed in range(60):
        copy = apply("shift", image, np.random.default_rng(seed))
        padded = np.pad(image, ((2, 2), (2, 2), (0, 0)), mode="edge")
        fits = [(y, x) for y in (0, 2, 4) for x in (0, 2, 4) if (padded[y : y + 32, x : x + 32] == copy).all()]
        assert len(fits) == 1
        seen.update(fits)
    assert len(seen) == 8 and (2, 2) not in seen


def test_a_crop_of_a_third_of_a_pixel_changes_the_scale() -> None:
    """At 32 pixels, 1 % is a third of a pixel: the slope of a ramp falls by 1 %, though no whole column is cut off."""
    ramp = np.broadcast_to(np.linspace(0, 248, 32).round().astype(np.uint8)[None, :, None], (32, 32, 3)).copy()
    for name, share in (("crop1", 0.01), ("crop5", 0.05)):
        slopes = [
            np.polyfit(np.arange(4, 28), apply(name, ramp, np.random.default_rng(seed))[16, 4:28, 0], 1)[0]
            for seed in range(20)
        ]
        assert np.mean(slopes) / 8 == pytest.approx(1 - share, abs=0.003)


def test_a_rotation_is_by_two_degrees() -> None:
    """A horizontal edge is tilted by 2° in either direction."""
    image = np.full((400, 300, 3), 255, np.uint8)
    image[:200] = 0
    angles = set()
    for seed in range(10):
        copy = apply("rotate2", image, np.random.default_rng(seed))
        heights = (copy[:, :, 0] < 128).sum(axis=0)
        angles.add(round(float(np.degrees(np.arctan(np.polyfit(np.arange(300), heights, 1)[0])))))
    assert angles == {-2, 2}


def test_a_mark_is_small() -> None:
    """Words or a logo change at most 6 % of the picture, and are visible on any background."""
    for background in (0, 128, 255):
        for side in (32, 100):
            for seed in range(40):
                image = np.full((side, side, 3), background, np.uint8)
                changed = (apply("mark", image, np.random.default_rng(seed)) != image).any(axis=2)
                assert 0 < changed.mean() <= 0.06, (background, side, seed)


def test_an_unknown_name_is_refused() -> None:
    """A misspelt name raises KeyError with the name."""
    with pytest.raises(KeyError, match="jpeg81"):
        apply("jpeg81", photo(0), np.random.default_rng(0))
