"""Sources whose stored squares are equal are decoded whole and compared; no other source is decoded twice."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.imageset.format.image_set import ImageSet
from pipeline.prepare.conversion import sets
from pipeline.prepare.squares import SquaresConfig, make_squares

SECTION = SquaresConfig(side=16, resize="area", chunk_keys=2, max_bad=0.5, max_pixels=10**6, keep_damaged=False)


def checkerboard(phase: int) -> Image.Image:
    """Fine detail that an average over 4×4 pixels does not show, on the same coarse picture for each phase."""
    coarse = np.random.default_rng(1).integers(40, 200, (16, 16, 3)).repeat(4, axis=0).repeat(4, axis=1)
    y, x = np.mgrid[0:64, 0:64]
    return Image.fromarray((coarse + 20 * ((x + y + phase) % 2)[..., None]).astype(np.uint8))


def save(picture: Image.Image, path: Path, **options: object) -> None:
    """Save in the format that the name's suffix says."""
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.save(path, **options)


@pytest.mark.parametrize("workers", [1, 2])
def test_equal_squares_are_told_apart_by_their_sources(tmp_path: Path, workers: int) -> None:
    """Same pixels in another file, other detail, a copy of the bytes, and a picture of its own."""
    source = tmp_path / "source"
    save(checkerboard(0), source / "a.png")
    save(checkerboard(0), source / "b.webp", lossless=True)
    save(checkerboard(1), source / "c.png")
    (source / "d.png").write_bytes((source / "c.png").read_bytes())
    save(Image.effect_mandelbrot((64, 64), (-2, -1, 1, 1), 50), source / "e.png")
    (source / "f.png").write_bytes((source / "e.png").read_bytes())
    make_squares("imagenet", SECTION, source=source, to=tmp_path / "set", workers=workers)
    index = ImageSet(tmp_path / "set").index.to_pydict()
    assert index["key"] == ["a.png", "b.webp", "c.png", "d.png", "e.png", "f.png"]
    assert len(set(index["stored_digest"][:4])) == 1, "the pictures no longer show what is tested"
    a, b, c, d, *others = index["source_digest"]
    assert a == b != c == d and None not in (a, c)
    assert others == [None, None], "files of the same bytes need not be decoded again"


def test_only_sources_with_equal_squares_are_decoded_again(
    tmp_path: Path, encode: Callable[..., bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twenty different pictures and two equal ones: two are decoded whole."""
    for number in range(20):
        (tmp_path / "source").mkdir(exist_ok=True)
        (tmp_path / "source" / f"{number:02d}.jpg").write_bytes(encode(number))
    save(checkerboard(0), tmp_path / "source" / "x.png")
    save(checkerboard(1), tmp_path / "source" / "y.png")
    decoded: list[int] = []
    real = sets.source_digest
    monkeypatch.setattr(
        sets, "source_digest", lambda data, **options: decoded.append(len(data)) or real(data, **options)
    )
    make_squares("imagenet", SECTION, source=tmp_path / "source", to=tmp_path / "set", workers=1)
    assert sorted(decoded) == sorted((tmp_path / "source" / f"{name}.png").stat().st_size for name in "xy")


def test_long_pictures_have_an_overview(tmp_path: Path) -> None:
    """The stored square of a picture twice as wide as high shows half of it; its overview shows all of it."""
    wide = np.zeros((32, 64, 3), np.uint8)
    wide[:, :16], wide[:, 48:] = (200, 0, 0), (0, 0, 200)
    save(Image.fromarray(wide), tmp_path / "source" / "wide.png")
    save(Image.fromarray(wide[:, :62]), tmp_path / "source" / "less.png")
    save(Image.fromarray(np.rot90(wide)), tmp_path / "source" / "high.png")
    make_squares("imagenet", SECTION, source=tmp_path / "source", to=tmp_path / "set", workers=1)
    read = ImageSet(tmp_path / "set")
    positions, overviews = read.overviews(np.arange(3))
    assert [read.keys[position] for position in positions] == ["high.png", "wide.png"]
    assert overviews[1, 16, [0, 7, 16, 24, 31]].tolist() == [[200, 0, 0]] * 2 + [[0, 0, 0]] + [[0, 0, 200]] * 2
    assert (overviews[0] == np.rot90(overviews[1])).all()
    assert read.overviews(np.array([1]))[0].tolist() == []
