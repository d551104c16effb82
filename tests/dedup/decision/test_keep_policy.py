"""The rank order by each rule, and by several rules."""

import hashlib
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from pipeline.core.errors import MissingInput
from pipeline.dedup.decision.keep_policy import PREFERRED, WHOLE, KeepRule, better_by, rank, sharpness
from pipeline.dedup.pairs.originals_table import PREFERENCES, Originals
from pipeline.imageset.format import image_set
from pipeline.imageset.format.image_set import ImageSet


@pytest.fixture
def images(tmp_path: Path) -> ImageSet:
    """Four pictures: small with detail, large and smooth, large with detail, small with detail."""
    rough = np.random.default_rng(0).integers(0, 256, (32, 32, 3)).astype(np.uint8)
    smooth = np.full((32, 32, 3), 90, np.uint8)
    sizes = ((40, 30), (400, 300), (300, 400), (40, 30))
    listed = [
        image_set.Picture(f"k{n}", *size, 9, hashlib.sha256(b"%d" % n).hexdigest()) for n, size in enumerate(sizes)
    ]
    pictures = np.stack([rough, smooth, rough, rough])
    image_set.write_chunk(tmp_path / "chunks", 0, pictures, listed, [], sources=4)
    (tmp_path / "set").mkdir()
    image_set.join_chunks(tmp_path / "chunks", 1, tmp_path / "set", side=32, max_bad=0.0)
    return ImageSet(tmp_path / "set")


@pytest.mark.parametrize(
    ("keep", "order"),
    [
        (["first"], [0, 1, 2, 3]),
        (["largest"], [1, 2, 0, 3]),
        (["sharpest"], [0, 2, 3, 1]),
        (["largest", "sharpest"], [2, 1, 0, 3]),
        (["sharpest", "largest"], [2, 0, 3, 1]),
    ],
)
def test_ties_go_to_the_next_rule_and_then_to_the_key(images: ImageSet, keep: list[KeepRule], order: list[int]) -> None:
    """Each rule decides the ties of the rules before it."""
    assert np.argsort(rank(images, keep)).tolist() == order


@pytest.fixture
def originals() -> Originals:
    """The first picture wins against the second one by its detail, and the fourth against the first by its colour."""
    lists = [[0, 0], [1, 3], [0, 3], ["detail", "colour"], *([[None, None]] * (len(PREFERENCES) - 4))]
    columns = [pa.array(values, field.type) for values, field in zip(lists, PREFERENCES, strict=True)]
    return Originals(np.array([0, -1, 0, 1]), pa.Table.from_arrays(columns, schema=PREFERENCES), "")


def test_the_original_is_ranked_by_its_wins(images: ImageSet, originals: Originals) -> None:
    """Wins decide first, then the pixels of the source: the third picture is larger than the first."""
    assert np.argsort(rank(images, ["original"], originals)).tolist() == [3, 2, 0, 1]
    with pytest.raises(MissingInput, match="compare-sources"):
        rank(images, ["original"])


def test_preferred_keys_come_first(images: ImageSet, originals: Originals) -> None:
    """A picture whose whole key matches any pattern ranks before the others; among them, the rules decide."""
    assert np.argsort(rank(images, ["largest"], prefer=["k[03]", "x*"])).tolist() == [0, 3, 1, 2]
    assert np.argsort(rank(images, ["original"], originals, prefer=["?1"])).tolist() == [1, 3, 2, 0]
    assert np.argsort(rank(images, ["first"], prefer=["k"])).tolist() == [0, 1, 2, 3]


def test_why_a_picture_ranks_before_another_one(images: ImageSet, originals: Originals) -> None:
    """The reason is the pattern, the rule, or for an original what tells it from the other one."""
    rows, others = np.array([3, 0, 2, 1]), np.array([0, 1, 0, 0])
    assert better_by(images, ["original"], originals, [], rows, others) == ["colour", "detail", "largest", None]
    assert better_by(images, ["first"], None, ["k3"], rows, others) == [PREFERRED, "first", None, None]


def test_sharpness_is_the_energy_of_the_laplacian() -> None:
    """A ramp has no energy; a point of one level has the energy of the stencil, for any side."""
    ramp = np.broadcast_to(np.arange(32, dtype=np.uint8)[None, :, None, None] * 4, (1, 32, 32, 3))
    point = np.zeros((1, 64, 64, 3), np.uint8)
    point[0, 32:34, 32:34] = 1
    assert sharpness(ramp).tolist() == [0]
    assert sharpness(point).tolist() == [(16 + 4) * 1000**2]


def test_a_damaged_copy_is_never_preferred(tmp_path: Path) -> None:
    """A whole copy ranks first under every rule, even a smaller and later one; patterns of keys still decide."""
    listed = [
        image_set.Picture(f"k{n}", size, size, 9, f"{n:064x}", damaged=n == 0) for n, size in enumerate((400, 40))
    ]
    pictures = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3)).astype(np.uint8)
    image_set.write_chunk(tmp_path / "chunks", 0, pictures, listed, [], sources=2)
    (tmp_path / "set").mkdir()
    image_set.join_chunks(tmp_path / "chunks", 1, tmp_path / "set", side=32, max_bad=0.0)
    damaged = ImageSet(tmp_path / "set")
    rules: list[KeepRule] = ["first", "largest", "sharpest"]
    for rule in rules:
        assert rank(damaged, [rule]).tolist() == [1, 0]
        assert better_by(damaged, [rule], None, [], np.array([1]), np.array([0])) == [WHOLE]
    assert rank(damaged, ["largest"], prefer=["k0"]).tolist() == [0, 1]
