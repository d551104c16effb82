"""A damaged JPEG that its decoder accepts is found beside a whole copy; no other picture is called damaged."""

import io
import itertools
import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from pipeline.imageset.format.image_set import ImageSet
from pipeline.prepare.conversion import damaged_copies
from pipeline.prepare.decode.jpeg import damaged_of, decode_jpeg
from pipeline.prepare.squares import SquaresConfig, make_squares

SECTION = SquaresConfig(side=16, resize="area", chunk_keys=2, max_bad=0.5, max_pixels=10**6, keep_damaged=False)

Photograph = Callable[..., bytes]


@pytest.fixture(scope="module")
def photograph(scenes: Callable[[int, int], np.ndarray]) -> Photograph:
    """A function that encodes a picture with smooth areas, edges and noise, another one for each number."""

    def photograph(number: int = 0, file_format: str = "JPEG", **options: object) -> bytes:
        large = Image.fromarray(scenes(1, number)[0]).resize((320, 240), Image.Resampling.BICUBIC)
        buffer = io.BytesIO()
        large.save(buffer, file_format, **{"quality": 85, **options})
        return buffer.getvalue()

    return photograph


def one_byte(data: bytearray, at: int) -> None:
    data[at] ^= 0x5A


def zeros(data: bytearray, at: int) -> None:
    data[at : at + 64] = bytes(64)


def swapped_parts(data: bytearray, at: int) -> None:
    data[at : at + 256], data[at + 256 : at + 512] = data[at + 256 : at + 512], data[at : at + 256]


def cut_and_padded(data: bytearray, at: int) -> None:
    """The end is lost. It is padded with zero bits, which are codes too, and the end marker."""
    data[at:] = bytes(len(data) - at - 2) + b"\xff\xd9"


DAMAGE = [one_byte, zeros, swapped_parts, cut_and_padded]


def damage_that_shows(whole: bytes, change: Callable[[bytearray, int], None], tries: int = 400) -> list[bytes]:
    """Copies with a change at several places, those that libjpeg decodes without a word to another picture."""
    chance = random.Random(7)
    reference, _ = decode_jpeg(whole)
    found = []
    for _ in range(tries):
        copy = bytearray(whole)
        change(copy, chance.randrange(len(whole) // 4, len(whole) * 9 // 10))
        decoded, _ = decode_jpeg(bytes(copy))
        if decoded is not None and decoded.shape == reference.shape and (decoded != reference).any(2).mean() > 0.1:
            found.append(bytes(copy))
    return found[:20]


@pytest.mark.parametrize("change", DAMAGE)
@pytest.mark.parametrize("progressive", [False, True])
def test_the_whole_one_is_never_called_damaged(
    photograph: Photograph, change: Callable[[bytearray, int], None], progressive: bool
) -> None:
    """Most damaged baseline JPEGs are found, unless libjpeg reports them. The order of the two has no influence."""
    outcomes: list[int | None] = []
    for number in range(3):
        whole = photograph(number, progressive=progressive)
        assert damaged_of(whole, whole) is None
        for copy in damage_that_shows(whole, change, tries=60):
            outcomes.append(damaged_of(whole, copy))
            assert {0: 1, 1: 0, None: None}[outcomes[-1]] == damaged_of(copy, whole)
    assert 0 not in outcomes
    if change is cut_and_padded:
        assert not outcomes, "libjpeg reports data that end early"
    elif not progressive:
        assert outcomes.count(1) >= 0.8 * len(outcomes) > 20, outcomes


def make(source: Path, to: Path, *, keep_damaged: bool = False) -> ImageSet:
    section = SECTION.model_copy(update={"keep_damaged": keep_damaged})
    make_squares("imagenet", section, source=source, to=to, workers=1)
    return ImageSet(to)


@pytest.fixture
def source(tmp_path: Path, photograph: Photograph) -> Path:
    """Two whole pictures, a damaged copy of one of them, twice, and other pictures."""
    folder = tmp_path / "source"
    folder.mkdir()
    for number in range(6):
        (folder / f"{number}.jpg").write_bytes(photograph(number))
    copy = next(c for c in damage_that_shows(photograph(3), zeros) if damaged_of(photograph(3), c) == 1)
    for name in ("0-copy", "x"):
        (folder / f"{name}.jpg").write_bytes(copy)
    return folder


def test_it_is_listed_as_damaged(source: Path, tmp_path: Path) -> None:
    """Like a picture that libjpeg calls corrupt; rows, squares and counts are those of a set without it."""
    made = make(source, tmp_path / "set")
    rows = [(row["key"], row["kind"], row["reason"]) for row in made.skipped.to_pylist()]
    assert rows == [("0-copy.jpg", "bad", "damaged"), ("x.jpg", "bad", "damaged")]
    assert "3.jpg" in made.skipped["detail"][0].as_py()
    assert made.counts == {"sources": 8, "pictures": 6, "bad": 2, "filtered": 0}
    for name in ("0-copy", "x"):
        (source / f"{name}.jpg").unlink()
    without = make(source, tmp_path / "without")
    assert without.index.equals(made.index) and without.shards == made.shards
    assert not len(without.skipped)


def test_it_is_kept_by_option_and_marked(source: Path, tmp_path: Path) -> None:
    """`keep_damaged`: all pictures are in the set."""
    made = make(source, tmp_path / "set", keep_damaged=True)
    marks = dict(zip(made.keys, made.index["damaged"].to_pylist(), strict=True))
    assert [key for key, damaged in marks.items() if damaged] == ["0-copy.jpg", "x.jpg"] and len(marks) == 8
    assert not len(made.skipped)


def test_a_damaged_png_has_wrong_checksums(tmp_path: Path, photograph: Photograph) -> None:
    """It needs no whole copy to be found."""
    (tmp_path / "source").mkdir()
    whole = photograph(0, "PNG")
    for number, change in enumerate(DAMAGE):
        copy = bytearray(whole)
        change(copy, len(whole) * 4 // 5)
        (tmp_path / "source" / f"{number}.png").write_bytes(copy)
    for name in ("whole", "again", "third", "fourth"):
        (tmp_path / "source" / f"{name}.png").write_bytes(whole)
    made = make(tmp_path / "source", tmp_path / "set")
    assert len(made) == 4 and {row["key"] for row in made.skipped.to_pylist()} == {f"{n}.png" for n in range(4)}
    assert set(made.skipped["kind"].to_pylist()) == {"bad"}


def padded(data: bytes, length: int) -> bytes:
    """A JPEG with a comment that makes it this long."""
    more = length - len(data) - 4
    return data[:2] + b"\xff\xfe" + (more + 2).to_bytes(2, "big") + b"c" * more + data[2:]


def clock(base: bytes, text: str, size: int) -> bytes:
    picture = Image.open(io.BytesIO(base))
    ImageDraw.Draw(picture).text((150, 150), text, font=ImageFont.load_default(size), fill="yellow")
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=85)
    return buffer.getvalue()


def test_no_other_pictures_are_called_damaged(tmp_path: Path, photograph: Photograph) -> None:
    """Different photographs and edits of equal length, other metadata, other pixels of BMP and PPM: all stay."""
    source = tmp_path / "source"
    source.mkdir()
    for number in range(4):  # different photographs, equal length
        (source / f"photo{number}.jpg").write_bytes(padded(photograph(number), 60_000))
    for n, mark in enumerate((b"one", b"two")):  # metadata only
        whole = photograph(9)
        (source / f"metadata{n}.jpg").write_bytes(whole[:2] + b"\xff\xfe\x00\x05" + mark + whole[2:])
    for suffix in ("bmp", "ppm"):
        for n in range(3):
            picture = Image.open(io.BytesIO(photograph(5)))
            picture.putpixel((100, 150 + n), (255, 0, n))
            picture.save(source / f"pixels{n}.{suffix}")
    for level in range(20):  # of equal length, with the same bytes except for a few
        Image.new("RGB", (320, 240), (100 + level, 90, 80)).save(source / f"blank{level}.jpg")
    lengths: dict[int, list[bytes]] = {}
    for minute, size in itertools.product(range(60), (14, 30)):  # frames with a clock
        frame = clock(photograph(7), f"12:{minute:02d}", size)
        lengths.setdefault(len(frame), []).append(frame)
    frames = [frame for alike in lengths.values() if len(set(alike)) > 1 for frame in alike]
    assert len(frames) > 20
    for n, frame in enumerate(frames):
        (source / f"frame{n}.jpg").write_bytes(frame)
    made = make(source, tmp_path / "set")
    assert not len(made.skipped) and len(made) == len(list(source.iterdir()))


def test_files_of_equal_length_are_not_read_again(
    tmp_path: Path, photograph: Photograph, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only if they also share most of their bytes."""
    source = tmp_path / "source"
    source.mkdir()
    for number in range(6):
        (source / f"{number}.jpg").write_bytes(padded(photograph(number), 60_000))

    def refuse(*_: object) -> None:
        raise AssertionError("read again")

    monkeypatch.setattr(damaged_copies, "_compare", refuse)
    assert len(make(source, tmp_path / "set")) == 6
