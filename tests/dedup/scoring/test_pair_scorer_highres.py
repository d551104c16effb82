"""The high-resolution score separates pictures by detail, accepts copies without detail, and is reproducible."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import pytest
from scipy.fft import dctn, idctn

from pipeline.dedup.encoder.encoder_input import to_32
from pipeline.dedup.recall import transforms
from pipeline.dedup.scoring import pair_scorer, pair_scorer_highres
from pipeline.dedup.search import find_pairs
from pipeline.imageset.format.image_set import Images, ImageSet
from pipeline.prepare.resize import resize
from tests.dedup.detectors import NEAR

LEAST = 3.0
LargeSide = Literal[64, 128]
LARGE: tuple[LargeSide, ...] = (64, 128)


@pytest.fixture(scope="module")
def photographs() -> Images:
    """Thirty synthetic scenes with detail at every scale, with a spectrum like photographs: uint8 (30, 256, 256, 3)."""
    rng = np.random.default_rng(11)
    y, x = np.mgrid[0:256, 0:256] / 255
    length = np.hypot(np.fft.fftfreq(256)[:, None], np.fft.fftfreq(256)[None])
    length[0, 0] = np.inf
    made = np.zeros((30, 256, 256, 3))
    for picture in made:
        picture[:] = rng.uniform(0, 255, 3)
        for _ in range(14):
            cy, cx, ry, rx = rng.uniform(0, 1, 2).tolist() + rng.uniform(0.06, 0.3, 2).tolist()
            picture[((y - cy) / ry) ** 2 + ((x - cx) / rx) ** 2 < 1] = rng.uniform(0, 255, 3)
        clouds = np.fft.ifft2(np.fft.fft2(rng.normal(size=(256, 256))) / length**1.2).real
        picture += (30 * clouds / clouds.std())[..., None]
    return made.clip(0, 255).astype(np.uint8)


def prepared(pictures: list[Images] | Images, side: int = 128) -> Images:
    """Resize and crop pictures as the prepare stages do."""
    return np.stack([resize(picture, side=side, method="area") for picture in pictures])


def at(side: int, pictures: Images) -> npt.NDArray[np.int64]:
    """Compare every pair at this side: int64 (n,)."""
    return np.full(len(pictures), side, np.int64)


def copies(photographs: Images, name: str) -> Images:
    """Copy photographs by a transform at their full size, and prepare the copies."""
    rng = np.random.default_rng(1)
    return prepared([transforms.apply(name, picture, rng) for picture in photographs])


def with_other_texture(pictures: Images) -> Images:
    """Keep frequencies below 24 half periods per side; take the others, which 32×32 lacks, from another picture."""
    waves = dctn(pictures.astype(np.float64), axes=(1, 2), norm="ortho")
    coarse = np.hypot(*np.mgrid[0 : pictures.shape[1], 0 : pictures.shape[1]]) < 24
    mixed = np.where(coarse[..., None], waves, np.roll(waves, 1, axis=0))
    return idctn(mixed, axes=(1, 2), norm="ortho").round().clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize("name", ["jpeg80", "jpeg20", "half", "quarter", "crop2", "shift", "blur", "border", "noise"])
@pytest.mark.parametrize("side", LARGE)
def test_copies_pass(photographs: Images, side: LargeSide, name: str) -> None:
    """At the profile's threshold, 90 % of the copies pass, also of those that lost their detail."""
    found = pair_scorer_highres.score(prepared(photographs), copies(photographs, name), at(side, photographs), LEAST)
    assert (found >= LEAST).mean() >= 0.9


@pytest.mark.parametrize("side", LARGE)
def test_different_detail_does_not_pass(photographs: Images, side: LargeSide) -> None:
    """Pictures with equal coarse structure and different detail pass at 32×32 and fail at the larger side."""
    images = prepared(photographs)
    mixed = with_other_texture(images)
    assert (pair_scorer_highres.score(images, mixed, at(32, images), LEAST) >= LEAST).mean() >= 0.9
    assert (pair_scorer_highres.score(images, mixed, at(side, images), LEAST) >= LEAST).mean() <= 0.1


@pytest.mark.parametrize("side", LARGE)
def test_unrelated_pictures_do_not_pass(photographs: Images, side: LargeSide) -> None:
    """No pair of different scenes scores above 0 when all pairs are compared at the larger side."""
    images = prepared(photographs)
    left, right = np.triu_indices(len(images), 1)
    left, right = left[::6], right[::6]
    assert pair_scorer_highres.score(images[left], images[right], at(side, left), -1000.0).max() < 0


def test_low_scores_and_enlarged_pictures_keep_their_score(photographs: Images) -> None:
    """Pairs far below the threshold, or with a picture enlarged from less than 48 pixels, keep the score at 32×32."""
    images = prepared(photographs)
    others = np.concatenate([np.roll(images, 1, axis=0)[:15], with_other_texture(images)[15:]])
    at_32 = pair_scorer.score(to_32(images), to_32(others))
    sides = pair_scorer_highres.sides_with_detail(np.array([47, 48] * 15), 64)
    assert sides.tolist() == [32, 64] * 15
    found = pair_scorer_highres.score(images, others, sides, LEAST)
    same = (at_32 < LEAST - pair_scorer_highres.HIGHRES_MARGIN) | (sides == 32)
    assert (found == at_32)[same].all() and (found != at_32)[~same].all() and (~same).sum() >= 7
    assert pair_scorer_highres.score(images, others, at(32, images), LEAST).tolist() == at_32.tolist()


def test_auto_compares_at_the_largest_side_with_detail() -> None:
    """The highest band ends at three quarters of the side, so that many source pixels are needed."""
    pixels = np.array([32, 47, 48, 95, 96, 500])
    assert pair_scorer_highres.sides_with_detail(pixels, "auto").tolist() == [32, 32, 64, 64, 128, 128]
    assert pair_scorer_highres.sides_with_detail(pixels, 128).tolist() == [32, 32, 32, 32, 128, 128]
    assert pair_scorer_highres.sides_with_detail(pixels, 32).tolist() == [32] * 6


def test_source_sides_are_those_of_the_source_or_of_its_box(
    make_set: Callable[..., Path], blobs: Callable[[int], Images]
) -> None:
    """A face has only the pixels of its box, however large the photograph is."""
    assert pair_scorer_highres.source_sides(ImageSet(make_set(blobs(2), "set"))).tolist() == [480, 480]
    faces = ImageSet(make_set(blobs(2), "faces", boxes=[(10, 20, 80, 90), (0, 0, 50, 51)]))
    assert pair_scorer_highres.source_sides(faces).tolist() == [70, 50]


@pytest.mark.parametrize("side", LARGE)
def test_a_score_does_not_depend_on_its_batch(photographs: Images, side: LargeSide) -> None:
    """Scoring pairs one by one or together gives the same scores."""
    left, right = prepared(photographs)[:6], copies(photographs, "crop5")[:6]
    alone = [
        pair_scorer_highres.score(left[n : n + 1], right[n : n + 1], at(side, left[:1]), LEAST)[0] for n in range(6)
    ]
    assert pair_scorer_highres.score(left, right, at(side, left), LEAST).tolist() == alone


def test_scores_are_the_same_on_every_processor() -> None:
    """Scores of pictures from integer arithmetic equal stored values, which change only with the weights."""
    y, x = np.mgrid[0:128, 0:128]
    made = [
        (x * x * a + y * y * b + x * y * c) % 8192 // 32 for a, b, c in ((1, 1, 0), (2, 1, 3), (0, 1, 1), (3, 2, 1))
    ]
    left = np.stack(made).astype(np.uint8)[..., None].repeat(3, axis=3)
    right = np.roll(left, (2, 3), axis=(1, 2)) // 2 + 40
    right[3] = np.roll(left[3], 64, axis=0)
    found = {side: pair_scorer_highres.score(left, right, at(side, left), -1000.0).tolist() for side in (32, 64, 128)}
    assert found == GOLDEN


GOLDEN = {32: [16.24, 7.7, 15.19, -3.21], 64: [15.61, 14.61, 15.02, -12.94], 128: [43.81, 31.1, 33.62, -12.49]}


def test_every_measurement_has_a_weight() -> None:
    """For both sides, the file of weights has exactly the named measurements."""
    table = json.loads(Path(pair_scorer_highres.__file__).with_suffix(".json").read_text())
    assert sorted(table) == ["128", "64"] and len(pair_scorer_highres.FEATURES) == 17
    assert all(sorted(one["weights"]) == sorted(pair_scorer_highres.FEATURES) for one in table.values())


def test_the_weights_are_part_of_the_detector_if_they_are_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """The digest of a detector depends on the weights at 64 and 128 pixels, and not at 32; it depends on the side."""
    large = NEAR.model_copy(update={"compare_side": 64})
    before = [find_pairs.detector_digest(one, "encoder") for one in (NEAR, large)]
    monkeypatch.setattr(pair_scorer_highres, "digest", lambda: "others")
    assert [
        find_pairs.detector_digest(one, "encoder") == old for one, old in zip((NEAR, large), before, strict=True)
    ] == [
        True,
        False,
    ]
    largest = large.model_copy(update={"compare_side": 128})
    assert len({find_pairs.detector_digest(one, "encoder") for one in (NEAR, large, largest)}) == 3
