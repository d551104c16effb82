"""HEIC and AVIF are read where their decoders are installed, and listed with what to install where they are not."""

import io
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.imageset.format.image_set import ImageSet
from pipeline.prepare.decode import Decoded, decode
from pipeline.prepare.squares import SquaresConfig, make_squares
from tests.conftest import ROOT

SQUARES = SquaresConfig(side=32, resize="area", chunk_keys=10, max_bad=0.0, max_pixels=10**6, keep_damaged=False)


@pytest.fixture
def encode_heif(encode: Callable[..., bytes]) -> Callable[..., bytes]:
    """A function as `encode`, for HEIC; the tests that use it need the optional decoder."""
    pytest.importorskip("pillow_heif")
    return lambda number, **options: encode(number, file_format="HEIF", **options)


@pytest.mark.parametrize("name", ["IMG_1.HEIC", "IMG_1", "IMG_1.jpg", "IMG_1.hif", "IMG_1.dat"])
def test_a_heic_is_read_under_any_name(tmp_path: Path, encode_heif: Callable[..., bytes], name: str) -> None:
    """Phones and messengers name them as they like."""
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / name).write_bytes(encode_heif(1, quality=95))
    counts = make_squares("faces", SQUARES, source=tmp_path / "source", to=tmp_path / "set", workers=1)
    assert counts == {"sources": 1, "pictures": 1, "bad": 0, "filtered": 0}
    assert ImageSet(tmp_path / "set").index.column("source_width").to_pylist() == [60]


def test_a_heic_has_the_pixels_of_its_source(encode: Callable[..., bytes], encode_heif: Callable[..., bytes]) -> None:
    """Also with transparency, and turned by EXIF as phones turn them."""
    want = np.asarray(Image.open(io.BytesIO(encode(1, file_format="PNG"))), int)
    found = decode(encode_heif(1, quality=95), max_pixels=10**6)
    assert isinstance(found, Decoded) and np.abs(found.image - want).mean() < 4
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = decode(encode_heif(1, quality=95, exif=exif.tobytes()), max_pixels=10**6)
    assert isinstance(turned, Decoded) and (turned.width, turned.height) == (48, 60)
    assert np.abs(turned.image - np.rot90(want, -1)).mean() < 4


def test_a_damaged_heic_is_bad(encode_heif: Callable[..., bytes]) -> None:
    """It is one bad picture."""
    data = encode_heif(1)
    assert not isinstance(decode(data[: len(data) // 2], max_pixels=10**6), Decoded)


@pytest.mark.parametrize("name", ["IMG_1.HEIC", "IMG_1", "IMG_1.jpg", "sub/IMG_1.heif"])
def test_without_its_decoder_a_heic_is_listed(tmp_path: Path, encode: Callable[..., bytes], name: str) -> None:
    """It is left out, not bad, and what to install is said; then the work is done anew."""
    path = tmp_path / "source" / name
    path.parent.mkdir(parents=True)
    path.write_bytes(b"\0\0\0\x1cftypheic\0\0\0\0mif1heic" + bytes(200))
    (tmp_path / "source" / "other.jpg").write_bytes(encode(1))
    code = f"""
import sys
sys.modules["pillow_heif"] = None  # as if it were not installed
from pathlib import Path
from pipeline.prepare.squares import SquaresConfig, make_squares
section, folder = SquaresConfig.model_validate({SQUARES.model_dump()}), Path({str(tmp_path)!r})
print(make_squares("faces", section, source=folder / "source", to=folder / "set", workers=1))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=300, check=True
    )
    assert "'pictures': 1, 'bad': 0, 'filtered': 1" in done.stdout
    (row,) = ImageSet(tmp_path / "set").skipped.to_pylist()
    assert (row["key"], row["kind"], row["reason"]) == (name, "filtered", "unsupported_format")
    assert row["detail"] == "HEIC; to read it, pip install 'dcgan-pipeline[heif]'"
    assert f"such as {name} (HEIC; to read it, pip install" in done.stderr


def test_an_avif_is_read(encode: Callable[..., bytes]) -> None:
    """Pillow has a decoder of its own."""
    want = np.asarray(Image.open(io.BytesIO(encode(1, file_format="PNG"))), int)
    found = decode(encode(1, file_format="AVIF", quality=95), max_pixels=10**6)
    assert isinstance(found, Decoded) and np.abs(found.image - want).mean() < 6
