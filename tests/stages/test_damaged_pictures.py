"""Thousands of damaged pictures through a whole stage: no crash, no hang, and each of them counted once."""

import io
import json
import random
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from pipeline.core import files
from pipeline.imageset.format.image_set import ImageSet

ROOT = Path(__file__).parents[2]
COUNT = 20_000
FORMATS: list[tuple[str, str, dict[str, Any]]] = [
    ("JPEG", "RGB", {}),
    ("JPEG", "RGB", {"progressive": True, "subsampling": 0}),
    ("JPEG", "RGB", {"subsampling": 2, "restart_marker_blocks": 1}),
    ("JPEG", "L", {}),
    ("JPEG", "CMYK", {}),
    ("MPO", "RGB", {}),
    ("PNG", "RGB", {}),
    ("PNG", "RGBA", {}),
    ("PNG", "P", {}),
    ("PNG", "I;16", {}),
    ("WEBP", "RGB", {}),
    ("WEBP", "RGBA", {}),
    ("WEBP", "RGB", {"lossless": True}),
    ("GIF", "P", {}),
    ("BMP", "RGB", {}),
    ("PPM", "RGB", {}),
    ("TIFF", "RGB", {"compression": "tiff_lzw"}),
    ("TIFF", "L", {}),
]


def whole_pictures() -> list[bytes]:
    """A small picture in every format and colour model."""
    made = []
    for number, (file_format, mode, options) in enumerate(FORMATS):
        noise = np.random.default_rng(number).integers(0, 256, (5, 6, 3), dtype=np.uint8)
        picture = Image.fromarray(noise).resize((90, 70), Image.Resampling.BICUBIC)
        if mode == "I;16":
            picture = Image.fromarray(np.asarray(picture.convert("L"), np.uint16) * 257)
        else:
            picture = picture.convert(mode)
        buffer = io.BytesIO()
        picture.save(buffer, file_format, **options)
        made.append(buffer.getvalue())
    return made


def damaged(data: bytes, others: list[bytes], chance: random.Random) -> bytes:
    """One to four wounds: bits, bytes, lengths in the header, a cut, a hole, a piece twice, a piece of another file."""
    broken = bytearray(data)
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(max(1, min(len(broken), 64 if chance.random() < 0.4 else len(broken))))
        length = chance.randint(1, 40)
        match chance.randrange(7):
            case 0:
                broken[at : at + 1] = bytes([broken[at] ^ 1 << chance.randrange(8)]) if broken else b""
            case 1:
                broken[at : at + length] = chance.randbytes(length)
            case 2:
                broken[at : at + 2] = chance.choice([b"\0\0", b"\xff\xff", b"\x7f\xff", b"\xff\xd8", b"\xff\xd9"])
            case 3:
                del broken[at:]
            case 4:
                del broken[at : at + length]
            case 5:
                broken[at:at] = broken[at : at + length]
            case 6:
                other = chance.choice(others)
                broken[at : at + length] = other[at : at + length]
    return bytes(broken)


@pytest.mark.long
def test_no_damage_ends_the_work(tmp_path: Path, run_stage: Callable[..., Any]) -> None:
    """Every key is a picture of the set or in the list of skipped ones; what is in the list has a reason; two runs
    give the same bytes."""
    archives, raw, whole = tmp_path / "archives", tmp_path / "raw", whole_pictures()
    archives.mkdir(), raw.mkdir()
    chance = random.Random(4)
    with zipfile.ZipFile(archives / "pictures.zip", "w") as archive:
        for number in range(COUNT):
            data = damaged(chance.choice(whole), whole, chance)
            archive.writestr(zipfile.ZipInfo(f"{number:05}.jpg"), data)
    length = (archives / "pictures.zip").stat().st_size
    files.write_json(
        raw / "source.json",
        {"source": "archive", "archive": "pictures.zip", "bytes": length, "sha256": "0" * 64, "count": COUNT}
        | {"upstream": False, "place": "archives", "kind": "zip"},
    )
    profile = (ROOT / "profiles" / "workstation.yaml").read_text().replace("max_bad: 0.01", "max_bad: 1.0")
    (tmp_path / "profile.yaml").write_text(profile)
    options = ["--set", "lsun", "--source", raw, "--archives", archives, "--params", tmp_path / "profile.yaml"]
    counts = []
    for workers in (1, 2):
        done = run_stage("crop_scenes", *options, "--to", tmp_path / f"set-{workers}", "-j", workers, "--json")
        assert done.returncode == 0 and "Traceback" not in done.stderr, done.stderr[-2000:]
        counts.append(json.loads(done.stdout))
    assert counts[0] == counts[1] and counts[0]["sources"] == COUNT == counts[0]["pictures"] + counts[0]["bad"]
    assert counts[0]["pictures"] > COUNT / 20 and counts[0]["bad"] > COUNT / 20, "the damage is neither none nor total"
    images = [ImageSet(tmp_path / f"set-{workers}") for workers in (1, 2)]
    assert images[0].digest == images[1].digest
    skipped = pq.read_table(tmp_path / "set-1" / "skipped.parquet")
    keys = images[0].index.column("key").to_pylist() + skipped.column("key").to_pylist()
    assert sorted(keys) == [f"{number:05}.jpg" for number in range(COUNT)]
    known = {"empty", "not_an_image", "too_many_pixels", "truncated", "damaged", "unsupported_colours"}
    assert set(skipped.column("reason").to_pylist()) <= known
    assert all(skipped.column("detail").to_pylist())
