"""Every kind of picture that data sets hold, against Pillow; and everything that is none."""

import io
import os
import struct
import warnings
import zlib
from collections.abc import Callable

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from pipeline.prepare.decode import Decoded, Problem, decode, source_digest
from pipeline.readers.base import SUFFIXES

MOST = 1_000_000


def pixels(data: bytes) -> np.ndarray:
    """What Pillow gives, converted to RGB."""
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


def png16(values: np.ndarray) -> bytes:
    """A 16-bit RGB PNG, which Pillow cannot write."""

    def part(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    height, width, _ = values.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    head = struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + part(b"IHDR", head) + part(b"IDAT", zlib.compress(rows)) + part(b"IEND", b"")


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "PPM", "TIFF"])
def test_formats_are_told_by_content(encode, file_format):
    """No name is asked for: a PNG called .JPEG is a PNG."""
    data = encode(1, file_format=file_format)
    found = decode(data, max_pixels=MOST)
    assert (found.width, found.height) == (60, 48)
    assert (found.image == pixels(data)).all() and found.image.dtype == np.uint8


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_what_counts_as_a_picture_can_be_read(encode: Callable[..., bytes], suffix: bytes) -> None:
    """No suffix is listed as a picture's that would only end up among the bad ones."""
    data = encode(1, file_format=Image.registered_extensions()[suffix.decode()])
    assert isinstance(decode(data, max_pixels=MOST), Decoded)


def test_every_usual_suffix_counts_as_a_picture() -> None:
    """Of the formats that are read, no file is passed over for its name; PFM holds floats, which are no colours."""
    read = {"JPEG", "PNG", "WEBP", "GIF", "BMP", "PPM", "TIFF"}
    usual = {suffix for suffix, form in Image.registered_extensions().items() if form in read}
    assert {suffix.decode() for suffix in SUFFIXES} == usual - {".pfm"}


@pytest.mark.parametrize("mode", ["L", "CMYK", "YCbCr", "1", "P"])
def test_colour_models(encode, mode):
    """Grey, inks, luminance and palettes come out as the colours Pillow sees, near the original's."""
    file_format = {"1": "PNG", "P": "PNG"}.get(mode, "JPEG")
    data = encode(2, file_format=file_format, mode=mode)
    found = decode(data, max_pixels=MOST)
    assert (found.image == pixels(data)).all()
    original = pixels(encode(2, file_format="PNG", mode="L" if mode in "L1" else "RGB")).astype(int)
    assert np.abs(found.image - original).mean() < (130 if mode == "1" else 25)


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"subsampling": 0}, {"quality": 30}, {"mode": "L"}])
@pytest.mark.parametrize("least", [None, 64])
def test_the_quick_way_gives_pillows_pixels(encode, options, least):
    """At full size and at the scales that both have: whichever decodes a JPEG, the picture is the same."""
    data = encode(2, shape=(500, 333), **options)
    found = decode(data, max_pixels=MOST, short_side=least)
    with Image.open(io.BytesIO(data)) as picture:
        if least:
            assert picture.draft(None, (least, least)), "a quarter"
        expected = np.asarray(picture.convert("RGB"))
    assert (found.image == expected).all()


@pytest.mark.parametrize(
    ("metadata", "asked"),
    [
        *(({}, False), ({"comment": b"Exif-free"}, False), ({"dpi": (72, 72)}, False)),
        ({"exif": b"Exif\0\0MM\0*\0\0\0\x08\0\0\0\0\0\0"}, True),
        ({"xmp": b"<x:xmpmeta xmlns:tiff='t'><a tiff:Orientation='1'/></x:xmpmeta>"}, True),
        ({"comment": b"MPF\0"}, True),
    ],
)
def test_pillow_is_asked_only_of_jpegs_that_metadata_may_turn(encode, monkeypatch, metadata, asked):
    """Else the header is read by libjpeg: the same pixels and size. In doubt, a mark in the header, Pillow decides."""
    opened = []
    data = encode(2, shape=(500, 333), **metadata)
    expected, really = pixels(data), Image.open
    monkeypatch.setattr(Image, "open", lambda *args, **options: opened.append(1) or really(*args, **options))
    found = decode(data, max_pixels=MOST)
    assert bool(opened) == asked
    assert (found.image == expected).all() and (found.width, found.height) == (500, 333)
    assert decode(data, max_pixels=500 * 333 - 1).reason == "too_many_pixels"


@pytest.mark.parametrize("before", [b"", b"\xff", b"\xff\xff", b"\xff\xee\0\4\xff\xda", b"\xff\xee\0\0", b"\xff\x01"])
def test_a_header_is_read_as_pillow_reads_it(encode, before):
    """Whatever stands before EXIF, fill bytes or what looks like a scan, a JPEG is turned as Pillow turns it."""
    exif = Image.Exif()
    exif[0x0112] = 6
    data = encode(2, shape=(40, 24), exif=exif)
    at = data.index(b"\xff\xe1")
    data = data[:at] + before + data[at:]
    found = decode(data, max_pixels=MOST)
    try:
        with Image.open(io.BytesIO(data)) as picture:
            expected = np.asarray(ImageOps.exif_transpose(picture).convert("RGB"))
    except OSError:
        assert found.reason in ("damaged", "not_an_image", "truncated")
    else:
        assert (found.image == expected).all()


def test_marks_among_pixels_are_no_metadata(encode, monkeypatch):
    """Behind the first scan Pillow looks for none, so nobody does: searching all of a picture costs a tenth more."""
    data = encode(2) + b"Exif\0\0 MPF\0"
    expected = pixels(data)
    monkeypatch.setattr(Image, "open", None)
    assert (decode(data, max_pixels=MOST).image == expected).all()


def test_inks_by_way_of_luminance(encode):
    """YCCK, which Adobe's own programs write, says so in its Adobe segment."""
    data = encode(2, mode="CMYK")
    at = data.index(b"Adobe") + 11
    assert data[at] == 0
    data = data[:at] + b"\2" + data[at + 1 :]
    assert (decode(data, max_pixels=MOST).image == pixels(data)).all()


def test_two_pictures_in_one_file(encode):
    """Of a stereo camera's MPO, a JPEG with another behind it, the first one counts."""
    buffer = io.BytesIO()
    frames = [Image.new("RGB", (16, 16), colour) for colour in ("white", "black")]
    frames[0].save(buffer, "MPO", save_all=True, append_images=frames[1:])
    assert (decode(buffer.getvalue(), max_pixels=MOST).image == 255).all()


def test_adobes_cmyk_is_not_a_negative():
    """White paper stays white; inverted inks are how JPEGs hold CMYK."""
    buffer = io.BytesIO()
    Image.new("CMYK", (16, 16), (0, 0, 0, 0)).save(buffer, "JPEG")
    assert b"Adobe" in buffer.getvalue()
    assert (decode(buffer.getvalue(), max_pixels=MOST).image == 255).all()


def test_sixteen_bits_keep_their_upper_half():
    """Grey and colour alike; Pillow's own conversion of 16-bit grey would clip to white."""
    values = np.linspace(0, 65535, 48).astype(np.uint16).reshape(6, 8)
    buffer = io.BytesIO()
    Image.fromarray(values).save(buffer, "PNG")
    grey = decode(buffer.getvalue(), max_pixels=MOST).image
    assert (grey == (values >> 8)[..., None]).all()
    colour = decode(png16(np.stack([values] * 3, axis=2)), max_pixels=MOST).image
    assert (colour == grey).all()


@pytest.mark.parametrize("mode", ["RGBA", "LA", "PA", "RGB"])
def test_transparent_parts_lie_on_white(mode):
    """Alpha in a channel, in a palette or as one transparent colour."""
    buffer = io.BytesIO()
    if mode == "RGB":
        Image.new("RGB", (8, 8), (9, 9, 9)).save(buffer, "PNG", transparency=(9, 9, 9))
    elif mode == "PA":
        picture = Image.new("P", (8, 8), 0)
        picture.putpalette([9, 9, 9])
        picture.save(buffer, "PNG", transparency=0)
    else:
        Image.new(mode, (8, 8), (9, 0) if mode == "LA" else (9, 9, 9, 0)).save(buffer, "PNG")
    assert (decode(buffer.getvalue(), max_pixels=MOST).image == 255).all()
    half = io.BytesIO()
    Image.new("RGBA", (1, 1), (0, 0, 0, 128)).save(half, "PNG")
    assert (decode(half.getvalue(), max_pixels=MOST).image == 127).all()


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", [0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
def test_exif_orientation(encode, file_format, orientation):
    """All eight turns as Pillow makes them, with the size as shown; what is no orientation turns nothing."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"lossless": True} if file_format == "WEBP" else {}
    data = encode(3, file_format=file_format, exif=exif, **options)
    upright = pixels(encode(3, file_format=file_format, **options))
    turned = {
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.transpose(1, 0, 2),
        6: upright[::-1].transpose(1, 0, 2),
        7: upright[::-1, ::-1].transpose(1, 0, 2),
        8: upright.transpose(1, 0, 2)[::-1],
    }.get(orientation, upright)
    found = decode(data, max_pixels=MOST)
    assert (found.image == turned).all()
    assert (found.height, found.width) == turned.shape[:2]


@pytest.mark.parametrize("mode", ["RGB", "L", "1", "P", "PA", "RGBA", "LA", "CMYK", "I;16", "TIFF"])
@pytest.mark.parametrize("strip", [1, 60, 130, 10_000])
def test_a_large_picture_is_converted_in_strips(mode, strip, monkeypatch):
    """In strips or whole, of every colour model, turned or not: the same pixels."""
    noise = np.random.default_rng(1).integers(0, 256, (70, 60, 4), dtype=np.uint8)
    picture = Image.fromarray(noise)
    options = {}
    if mode == "I;16":
        picture = Image.fromarray(noise.view(np.uint16)[..., 0].copy())
    elif mode == "PA":
        picture, options = picture.convert("P"), {"transparency": 7}
    elif mode != "RGBA":
        picture = picture.convert("RGB").convert("RGB" if mode == "TIFF" else mode)
    if mode == "TIFF":
        options["exif"] = Image.Exif()
        options["exif"][0x0112] = 6
    buffer = io.BytesIO()
    picture.save(buffer, "TIFF" if mode in ("CMYK", "TIFF") else "PNG", **options)
    whole = decode(buffer.getvalue(), max_pixels=MOST)
    monkeypatch.setattr("pipeline.prepare.decode._STRIP", strip)
    found = decode(buffer.getvalue(), max_pixels=MOST)
    assert (found.width, found.height) == (whole.width, whole.height)
    assert (found.image == whole.image).all()


def test_a_broken_exif_block_does_not_cost_the_picture(encode):
    """The pixels are fine."""
    data = encode(4, exif=b"Exif\0\0MM\0*\xff\xff\xff\xff")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = pixels(data)
    assert (decode(data, max_pixels=MOST).image == expected).all()


def test_the_first_frame_counts():
    """Of an animation, in GIF and WebP."""
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "lime")]
    for file_format, options in (("GIF", {}), ("WEBP", {"lossless": True})):
        buffer = io.BytesIO()
        frames[0].save(buffer, file_format, save_all=True, append_images=frames[1:], **options)
        assert (decode(buffer.getvalue(), max_pixels=MOST).image == (255, 0, 0)).all()


@pytest.mark.parametrize(
    ("shape", "scaled"),
    [((500, 375), (125, 94)), ((127, 500), (64, 250)), ((1000, 300), (250, 75)), ((64, 64), (64, 64))],
)
def test_jpegs_are_decoded_no_larger_than_needed(encode, shape, scaled):
    """The short side stays at or above what is asked; the size of the source is reported all the same."""
    data = encode(5, shape=shape)
    found = decode(data, max_pixels=MOST, short_side=64)
    assert found.image.shape == (scaled[1], scaled[0], 3)
    assert (found.width, found.height) == shape
    whole = Image.fromarray(decode(data, max_pixels=MOST).image).resize(scaled, Image.Resampling.BOX)
    assert np.abs(found.image.astype(int) - np.asarray(whole)).mean() < 2


def test_refused_before_decoding(encode):
    """The header is enough; a gigapixel claim costs nothing."""
    assert decode(encode(6), max_pixels=60 * 48 - 1).reason == "too_many_pixels"
    assert isinstance(decode(encode(6), max_pixels=60 * 48), Decoded)
    data = bytearray(encode(6, file_format="PNG"))
    data[16:24] = struct.pack(">II", 60_000, 60_000)
    data[29:33] = struct.pack(">I", zlib.crc32(bytes(data[12:29])))
    assert decode(bytes(data), max_pixels=MOST).reason == "too_many_pixels"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (b"<html>not found</html>", "not_an_image"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not_an_image"),
        (os.urandom(500), "not_an_image"),
    ],
)
def test_what_is_no_picture(data, reason):
    """PostScript among it: Pillow would start an interpreter."""
    assert decode(data, max_pixels=MOST).reason == reason


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "PPM", "TIFF"])
@pytest.mark.parametrize("share", [0.3, 0.7, 0.97])
def test_cut_off_pictures(encode, file_format, share):
    """Half a picture is not taken for a picture with a grey half."""
    data = encode(7, shape=(300, 200), file_format=file_format)
    found = decode(data[: int(len(data) * share)], max_pixels=MOST)
    assert found.reason == "truncated", found


def test_unknown_colours(encode):
    """Floating-point pixels have no known range."""
    assert decode(encode(8, file_format="TIFF", mode="F"), max_pixels=MOST) == Problem("unsupported_colours", "mode F")


@settings(deadline=None, max_examples=150)
@given(data=st.data())
def test_no_bytes_make_it_fail(data):
    """Any damage ends in a picture or a reason, without a warning, the same both times, and with no address in it."""
    file_format = data.draw(st.sampled_from(["JPEG", "PNG", "WEBP", "GIF", "BMP", "PPM", "TIFF"]))
    buffer = io.BytesIO()
    noise = np.random.default_rng(1).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    Image.fromarray(noise).save(buffer, file_format)
    broken = bytearray(buffer.getvalue())
    for _ in range(data.draw(st.integers(1, 6))):
        broken[data.draw(st.integers(0, min(len(broken) - 1, 400)))] = data.draw(st.integers(0, 255))
    found, again = (decode(bytes(broken), max_pixels=MOST, short_side=16) for _ in range(2))
    if isinstance(found, Problem):
        assert found == again and " at 0x" not in found.detail and "\n" not in found.detail
    else:
        assert found.image.dtype == np.uint8 and found.image.ndim == 3 and found.image.shape[2] == 3


def png(picture: Image.Image, **options: object) -> bytes:
    """A picture as PNG."""
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", **options)
    return buffer.getvalue()


def saved(picture: Image.Image, file_format: str, **options: object) -> bytes:
    """A picture in any format."""
    buffer = io.BytesIO()
    picture.save(buffer, file_format, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("shade", [255, 240, 215])
@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_bright_drawings_on_transparency_lie_on_black(shade: int, mode: str) -> None:
    """White line art would be invisible on white."""
    picture = Image.new("RGBA", (40, 30), (255, 255, 255, 0))
    picture.paste((shade, shade, shade, 255), (10, 5, 14, 25))
    image = decode(png(picture.convert(mode)), max_pixels=MOST).image
    assert image[15, 12].tolist() == [shade] * 3 and image[0, 0].tolist() == [0, 0, 0]


@pytest.mark.parametrize("bits", [4, 8, 10, 12, 15, 16])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_16_bit_values_are_scaled_by_the_bits_in_use(bits: int, channels: int) -> None:
    """Label maps, 12-bit scans and dark frames in 16-bit files keep their contrast, in grey and in colour."""
    values = np.linspace(0, 2**bits - 1, 64).round().astype(np.uint16).reshape(8, 8)
    expected = (values.astype(int) * 2**8 // 2**bits).astype(np.uint8)
    if channels == 1:
        data = png(Image.fromarray(values))
    else:
        colours = np.stack([values] * 3, axis=2)
        alpha = np.full((8, 8, channels - 3), 65535, np.uint16)
        data = bytes(cv2.imencode(".png", np.dstack([colours, alpha]))[1])
    assert (decode(data, max_pixels=MOST).image == expected[:, :, None]).all()


@pytest.mark.parametrize("kind", ["zeros", "cut", "bytes before the end", "restart marker"])
@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
def test_a_corrupt_jpeg_is_damaged_though_it_can_be_decoded(encode: Callable[..., bytes], kind: str, mode: str) -> None:
    """Pillow decodes these without a word; libjpeg warns."""
    data = encode(3, (200, 160), mode=mode)
    place = len(data) * 3 // 5
    broken = {
        "zeros": data[:place] + bytes(len(data) - 2 - place) + data[-2:],
        "cut": data[:place] + data[-2:],
        "bytes before the end": data[:-2] + bytes(60) + data[-2:],
        "restart marker": data[:place] + b"\xff\xd3" + data[place:],
    }[kind]
    found = decode(broken, max_pixels=MOST)
    assert isinstance(found, Problem) and found.reason == "damaged", found
    accepted = decode(broken, max_pixels=MOST, accept_damage=True)
    assert isinstance(accepted, Decoded) and accepted.damage == found.detail and accepted.image.shape == (160, 200, 3)
    assert source_digest(broken, max_pixels=MOST) is None


def test_frames_and_pages_are_counted() -> None:
    """Animations and files of several pages; a still picture has one frame."""
    first, *others = (Image.new("RGB", (20, 20), (n, 90, 20 * n)) for n in range(4))
    for file_format in ("GIF", "TIFF", "WEBP", "PNG"):
        data = saved(first, file_format, save_all=True, append_images=others)
        assert decode(data, max_pixels=MOST).frames == 4, file_format
        assert decode(saved(first, file_format), max_pixels=MOST).frames == 1


def test_the_digest_of_a_source_depends_on_what_is_seen(encode: Callable[..., bytes]) -> None:
    """Other formats, compressions, depths and hidden colours of the same pixels are equal."""
    picture = Image.open(io.BytesIO(encode(5, file_format="PNG")))
    deep = np.asarray(picture).astype(np.uint16) * 257
    clear = Image.new("RGBA", picture.size, (1, 2, 3, 0))
    turned = picture.transpose(Image.Transpose.ROTATE_90)
    exif = Image.Exif()
    exif[0x0112] = 6
    same = [
        png(picture, compress_level=1),
        png(picture, pnginfo=None, optimize=True),
        saved(picture, "WEBP", lossless=True),
        saved(picture, "BMP"),
        saved(picture, "TIFF"),
        png(picture.convert("RGBA")),
        png16(deep),
        png(turned, exif=exif),
    ]
    assert {source_digest(data, max_pixels=MOST) for data in same} == {source_digest(same[0], max_pixels=MOST)}
    assert source_digest(png(clear), max_pixels=MOST) == source_digest(
        png(Image.new("RGBA", picture.size, (200, 2, 9, 0))), max_pixels=MOST
    )
    grey = picture.convert("L")
    assert source_digest(png(grey), max_pixels=MOST) == source_digest(png(grey.convert("RGB")), max_pixels=MOST)


def test_sources_that_differ_anywhere_have_different_digests(encode: Callable[..., bytes]) -> None:
    """One value of one channel, alpha, one low bit of 16, size, turn, any frame, the number of frames."""
    picture = Image.open(io.BytesIO(encode(5, file_format="PNG")))
    values = np.asarray(picture)
    changed = values.copy()
    changed[7, 9, 2] ^= 1
    deep = values.astype(np.uint16) * 257
    low = deep.copy()
    low[7, 9, 2] ^= 1
    veiled = picture.convert("RGBA")
    veiled.putpixel((3, 3), (*veiled.getpixel((3, 3))[:3], 254))
    frames = [Image.new("RGB", picture.size, colour) for colour in ("red", "blue", "green")]
    animations = [
        saved(picture, "WEBP", lossless=True, save_all=True, append_images=rest)
        for rest in (frames, frames[::-1], frames[:2])
    ]
    different = [
        png(picture),
        png(Image.fromarray(changed)),
        png16(low),
        png(veiled),
        png(picture.crop((0, 0, 60, 47))),
        png(picture.transpose(Image.Transpose.ROTATE_180)),
        png(Image.fromarray(values[:, :, 0])),
        png(Image.fromarray(low[:, :, 2])),
        png(Image.fromarray(deep[:, :, 2] // 2)),
        *animations,
        saved(picture, "TIFF", save_all=True, append_images=frames),
        saved(picture, "TIFF", save_all=True, append_images=frames[:1]),
    ]
    digests = [source_digest(data, max_pixels=MOST) for data in different]
    assert None not in digests
    # An animation and a file of pages with the same frames are equal.
    assert len(set(digests)) == len(digests) - 1
    assert digests.index(digests[-2]) == different.index(animations[0])


@pytest.mark.parametrize("data", [b"", b"text", b"\xff\xd8\xff", b"GIF89a"])
def test_what_cannot_be_decoded_has_no_digest(data: bytes) -> None:
    """Nothing unreadable is ever equal to anything."""
    assert source_digest(data, max_pixels=MOST) is None
