"""Write synthetic photographs of people as a zip, with a table of their faces."""

import io
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from pipeline.core.errors import BadParameters
from pipeline.miniature.perspective import SUPERSAMPLING
from pipeline.miniature.picture_archives import add_to_zip, each, write_table
from pipeline.miniature.planting import copy_of, plan_copies
from pipeline.miniature.portraits import Drawn, draw_distant, draw_group, draw_portrait, draw_view
from pipeline.seeding import numpy_rng

_QUALITY = 88
_ORIENTATION = 0x0112
_TURNS = {3: Image.Transpose.ROTATE_180, 6: Image.Transpose.ROTATE_90, 8: Image.Transpose.ROTATE_270}
"""The transposition of the stored picture, by the EXIF orientation that undoes it."""


def _close_up(rng: np.random.Generator) -> tuple[Image.Image, list[Drawn]]:
    # At half the size, its face is still large enough to be kept.
    return draw_portrait(rng, 144, 158)


_DRAW: dict[str, Callable[[np.random.Generator], tuple[Image.Image, list[Drawn]]]] = {
    "group": draw_group,
    "small": draw_distant,
    "empty": draw_view,
    "close": _close_up,
}


@dataclass(frozen=True)
class Photo:
    """One file of the zip: what to draw, how to store it, and its number."""

    seed: int
    index: int
    source: int
    kind: str
    transform: str

    @property
    def name(self) -> str:
        return f"photos/{self.index:06d}.jpg"


def face_key(index: int, number: int = 0) -> str:
    """The key of a face in a photo; faces are numbered from left to right."""
    return f"photos/{index:06d}.jpg#{number:03d}"


def _jpeg(picture: Image.Image, quality: int = _QUALITY, orientation: int = 0) -> bytes:
    exif = Image.Exif()
    exif[_ORIENTATION] = orientation
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=quality, **({"exif": exif} if orientation else {}))
    return buffer.getvalue()


def _cut_out(picture: Image.Image) -> bytes:
    """Encode a picture as a PNG with transparent corners."""
    size = (picture.width * SUPERSAMPLING, picture.height * SUPERSAMPLING)
    margin = size[0] // 12
    mask = Image.new("L", size)
    ImageDraw.Draw(mask).ellipse((-margin, -margin, size[0] + margin, size[1] + margin), fill=255)
    cut = picture.copy()
    cut.putalpha(mask.reduce(SUPERSAMPLING))
    buffer = io.BytesIO()
    cut.save(buffer, "PNG")
    return buffer.getvalue()


def draw_photo(photo: Photo) -> tuple[bytes, list[Drawn]]:
    """The bytes of one file, and its faces in upright coordinates."""
    rng = numpy_rng(photo.seed, "miniature", "faces", photo.source)
    picture, faces = _DRAW.get(photo.kind, draw_portrait)(rng)
    match photo.kind:
        case "broken":
            return _jpeg(picture)[:200], []  # ends before the first line of pixels
        case "png":
            return _cut_out(picture), faces
        case "turned":
            orientation = list(_TURNS)[int(rng.integers(len(_TURNS)))]
            return _jpeg(picture.transpose(_TURNS[orientation]), orientation=orientation), faces
    data = _jpeg(picture)
    if not photo.transform:
        return data, faces
    copy = copy_of(data, photo.transform, numpy_rng(photo.seed, "miniature", "faces", "planted", photo.index))
    moved = [(copy.moved(face.box), face.traits) for face in faces]
    faces = [Drawn(box, traits) for box, traits in moved if box is not None]
    return data if copy.untouched else _jpeg(Image.fromarray(copy.image), copy.quality or _QUALITY), faces


def list_photos(seed: int, count: int, planted_share: float) -> list[Photo]:
    """List the files of the zip in order; the planted copies come last.

    Raises:
        BadParameters: `count` is too small for the unusual files, or leaves fewer originals than copies.
    """
    originals = count - round(count * planted_share)
    odd = ["broken", "png", "png"] + ["turned"] * max(2, originals // 40)
    odd += ["small"] * max(1, originals // 60) + ["empty"] * max(1, originals // 80)
    odd += ["group"] * round(originals * 0.15)
    if originals < len(odd):
        raise BadParameters(f"miniature.faces.count: {count}, expected at least {len(odd)} besides planted copies")
    shuffled = numpy_rng(seed, "miniature", "faces", "odd").permutation(originals).tolist()
    kinds = dict(zip(shuffled, odd, strict=False))
    regular = [index for index in range(originals) if index not in kinds]
    planted = plan_copies(seed, "faces", count, planted_share, regular)
    kinds |= {copy.original: "close" for copy in planted if copy.transform == "resized"}
    photos = [Photo(seed, index, index, kinds.get(index, "plain"), "") for index in range(originals)]
    return photos + [
        Photo(seed, copy.index, copy.original, kinds.get(copy.original, "plain"), copy.transform) for copy in planted
    ]


def draw_faces(to: Path, *, count: int, planted_share: float, seed: int, workers: int) -> None:
    """Write `photos.zip`, `planted.csv` and `faces.csv`.

    Most photographs show one person, about one in seven two or three. A few show a person too far away, or nobody. A
    few are stored rotated, with an EXIF orientation. Two are PNGs with transparency that are named as JPEGs, and one is
    cut off after 200 bytes. Faces have keys like `photos/000123.jpg#000`, numbered from left to right.

    `planted.csv` has a row (`key,original,transform`) for each planted copy; only photographs with one face are copied.
    `faces.csv` has a row (`key,x0,y0,x1,y1,glasses,smile,pose,hair`) for each visible face. The box is about that of
    OpenCV's frontal cascade, in pixels of the upright picture, x1 and y1 exclusive. `glasses` and `smile` are 0 or 1;
    `pose` is `left`, `front` or `right`, as seen in the picture; `hair` is a colour or `none`.

    Args:
        to: an existing folder.
        count: total number of files, including planted copies and unusual files.
        planted_share: share of planted copies (0..0.5); their originals are readable, ordinary and not copies.
        seed: root seed.
        workers: number of processes; it does not affect the result.

    Raises:
        BadParameters: `count` is too small for the unusual files, or leaves fewer originals than copies.
    """
    photos = list_photos(seed, count, planted_share)
    truth: list[tuple[str | int, ...]] = []
    with zipfile.ZipFile(to / "photos.zip", "w") as archive:
        for photo, (data, faces) in zip(photos, each(draw_photo, photos, workers), strict=True):
            add_to_zip(archive, photo.name, io.BytesIO(data), len(data))
            truth += [
                (face_key(photo.index, number), *box, int(traits.glasses), int(traits.smile), traits.pose, traits.hair)
                for number, (box, traits) in enumerate(faces)
            ]
    copies = [(face_key(photo.index), face_key(photo.source), photo.transform) for photo in photos if photo.transform]
    write_table(to / "planted.csv", ("key", "original", "transform"), copies)
    write_table(to / "faces.csv", ("key", "x0", "y0", "x1", "y1", "glasses", "smile", "pose", "hair"), truth)
