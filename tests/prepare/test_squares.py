"""From encoded pictures to squares: what the index says, and that the profile decides the pixels."""

import hashlib
import os
import shutil
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest

from pipeline.acquire.archives.acquire import acquire
from pipeline.acquire.config import AcquireConfig
from pipeline.core.errors import PipelineError
from pipeline.imageset.format.image_set import ImageSet
from pipeline.prepare.conversion import sets
from pipeline.prepare.decode import decode
from pipeline.prepare.resize import resize
from pipeline.prepare.squares import SquaresConfig, make_squares

SECTION = {"side": 32, "resize": "area", "chunk_keys": 3, "max_bad": 0.5, "max_pixels": 100_000, "keep_damaged": False}


@pytest.fixture
def raw(tmp_path):
    """A function that makes the raw folder of the archive `name` in `tmp_path/archives`."""

    def raw(name):
        section = AcquireConfig(
            source="archive", archive=name, checksum="any", keep_archive=True, count=1, planted_share=0.0
        )
        acquire(section, archives=tmp_path / "archives", to=tmp_path / "raw")
        return {"source": tmp_path / "raw", "archives": tmp_path / "archives", "to": tmp_path / "set"}

    return raw


def test_lsun_from_zip_to_set(raw, tmp_path, write_lsun_zip, encode):
    """WebP under hexadecimal keys; no labels; digests and sizes are the encoded sources'."""
    records = {b"%040x" % n: encode(n, (80, 64), file_format="WEBP") for n in range(10)}
    write_lsun_zip(tmp_path / "archives" / "bedroom_train_lmdb.zip", records)
    counts = make_squares("lsun", SquaresConfig(**SECTION), **raw("bedroom_train_lmdb.zip"), workers=1)
    assert counts == {"sources": 10, "pictures": 10, "bad": 0, "filtered": 0}
    made = ImageSet(tmp_path / "set")
    for row, (key, data) in zip(made.index.to_pylist(), sorted(records.items()), strict=True):
        assert row["key"].encode() == key and row["label"] is None
        assert (row["source_width"], row["source_height"], row["source_bytes"]) == (80, 64, len(data))
        assert row["sha256"] == hashlib.sha256(data).hexdigest()
    whole = decode(records[b"%040x" % 0], max_pixels=10**6).image
    assert (made.read(np.array([0]))[0] == resize(whole, side=32, method="area")).all()


def test_imagenet_with_its_oddities(raw, tmp_path, write_imagenet_tar, encode):
    """Grey, CMYK and a PNG named JPEG become pictures, what is broken is listed; labels are synsets."""
    odd = {
        "1.JPEG": encode(1),
        "2.JPEG": encode(2, mode="L"),
        "3.JPEG": encode(3, mode="CMYK"),
        "4.JPEG": encode(4, file_format="PNG"),
        "5.JPEG": b"not a picture",
        "6.JPEG": encode(6)[:400],
        "7.JPEG": encode(7, shape=(400, 400)),
    }
    write_imagenet_tar(tmp_path / "archives" / "train.tar", {"n00000002": odd, "n00000001": {"8.JPEG": encode(8)}})
    counts = make_squares("imagenet", SquaresConfig(**SECTION), **raw("train.tar"), workers=1)
    assert counts == {"sources": 8, "pictures": 5, "bad": 3, "filtered": 0}
    made = ImageSet(tmp_path / "set")
    assert made.keys == ["n00000001/8.JPEG", *(f"n00000002/{number}.JPEG" for number in range(1, 5))]
    assert made.index.column("label").to_pylist() == ["n00000001"] + ["n00000002"] * 4
    reasons = {row["key"][-6:]: row["reason"] for row in made.skipped.to_pylist()}
    assert reasons == {"5.JPEG": "not_an_image", "6.JPEG": "truncated", "7.JPEG": "too_many_pixels"}


def test_folder_and_tar_give_the_same_set(raw, tmp_path, write_imagenet_tar, encode):
    """How the pictures are stored leaves no trace."""
    pictures = {f"n0000000{s}": {f"n0000000{s}_{n}.JPEG": encode(n + 5 * s) for n in range(4)} for s in (1, 2)}
    write_imagenet_tar(tmp_path / "archives" / "train.tar", pictures)
    for synset, members in pictures.items():
        (tmp_path / "archives" / "train" / synset).mkdir(parents=True)
        for name, data in members.items():
            (tmp_path / "archives" / "train" / synset / name).write_bytes(data)
    made = []
    for name in ("train.tar", "train"):
        make_squares("imagenet", SquaresConfig(**SECTION), **raw(name), workers=1)
        made.append({path.name: path.read_bytes() for path in (tmp_path / "set").iterdir()})
    assert made[0] == made[1]


def test_a_replaced_picture_of_equal_length_is_seen(
    raw: Callable[..., dict[str, Path]],
    tmp_path: Path,
    encode: Callable[..., bytes],
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Chunks that an interrupted run finished are taken over, but not when a file of the folder has changed since."""
    folder = tmp_path / "archives" / "sample"
    folder.mkdir(parents=True)
    for name, number in (("1.bmp", 1), ("2.bmp", 2)):
        (folder / name).write_bytes(encode(number, file_format="BMP"))
    (folder / "3.bmp").write_bytes(b"not a picture")
    places = raw("sample")
    with pytest.raises(PipelineError, match="may be bad"):
        make_squares("lsun", SquaresConfig(**{**SECTION, "max_bad": 0.0, "chunk_keys": 1}), **places, workers=1)
    shutil.copytree(tmp_path / ".set.partial", tmp_path / ".other.partial")
    make_squares("lsun", SquaresConfig(**{**SECTION, "chunk_keys": 1}), **places, workers=1)
    assert "3 of 3 chunks were done before" in capsys.readouterr().err

    before = (folder / "1.bmp").stat()
    (folder / "1.bmp").write_bytes(encode(9, file_format="BMP"))
    os.utime(folder / "1.bmp", ns=(before.st_atime_ns, before.st_mtime_ns + 1))
    assert (folder / "1.bmp").stat().st_size == before.st_size
    other = {**places, "to": tmp_path / "other"}
    make_squares("lsun", SquaresConfig(**{**SECTION, "chunk_keys": 1}), **other, workers=1)
    assert "done before" not in capsys.readouterr().err
    sha256 = hashlib.sha256(encode(9, file_format="BMP")).hexdigest()
    assert ImageSet(tmp_path / "other").index.column("sha256")[0].as_py() == sha256


@pytest.mark.parametrize("library", ["pillow", "simplejpeg", "opencv-python-headless", "numpy", "numba"])
def test_another_library_starts_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, library: str) -> None:
    """Chunks of two versions of a decoder are never joined to one set."""
    (tmp_path / "x.tar").write_bytes(b"")
    arguments = ("lsun", SquaresConfig(**SECTION), tmp_path / "x.tar", None, "code")
    found = [sets._work_digest(*arguments) for _ in range(2)]
    monkeypatch.setattr(sets, "version", lambda name: "0" if name == library else version(name))
    found.append(sets._work_digest(*arguments))
    assert found[0] == found[1] != found[2]
