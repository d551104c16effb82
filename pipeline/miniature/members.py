"""The files of the synthetic ImageNet archive and their contents, including unusual and broken ones."""

import io
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from pipeline.core.errors import BadParameters
from pipeline.miniature.planting import copy_of, plan_copies
from pipeline.miniature.textures import CLASSES, draw_texture
from pipeline.seeding import numpy_rng

SYNSETS = tuple(f"n{90_000_000 + 471_307 * (label + 1)}" for label in range(len(CLASSES)))
"""The invented synset of each class, in the order of the classes."""

_QUALITY = 85
_GONE = b"The picture you are looking for is no longer here.\n"


def encoded(image: Image.Image, kind: str, **options: int) -> bytes:
    """The bytes of a file of the given kind."""
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


@dataclass(frozen=True)
class Member:
    """One file of the ImageNet archive: what to draw, how to store it, and its name inside its synset."""

    seed: int
    index: int
    source: int
    label: int
    kind: str
    transform: str
    name: str

    @property
    def key(self) -> str:
        return f"{SYNSETS[self.label]}/{self.name}"


def _jpeg(image: Image.Image, quality: int) -> bytes:
    return encoded(image, "JPEG", quality=quality)


def _cmyk(image: npt.NDArray[np.uint8]) -> Image.Image:
    """Convert to CMYK, with half of the common grey as black. Pillow stores inverted values, as Adobe does."""
    inks = 255 - image.astype(np.int32)
    black = inks.min(axis=2, keepdims=True) // 2
    coloured = (inks - black) * 255 // (255 - black)
    plates = np.concatenate([coloured, black], axis=2).astype(np.uint8)
    return Image.frombytes("CMYK", (image.shape[1], image.shape[0]), plates.tobytes())


def draw_member(member: Member) -> bytes:
    """The bytes of one member."""
    image = draw_texture(numpy_rng(member.seed, "miniature", "imagenet", member.source), member.label)
    picture = Image.fromarray(image)
    match member.kind:
        case "grey":
            return _jpeg(picture.convert("L"), _QUALITY)
        case "cmyk":
            return _jpeg(_cmyk(image), _QUALITY)
        case "png":
            return encoded(picture, "PNG")
        case "broken":
            return _jpeg(picture, _QUALITY)[:200]  # ends before the first line of pixels
        case "text":
            return _GONE
    data = _jpeg(picture, _QUALITY)
    if not member.transform:
        return data
    rng = numpy_rng(member.seed, "miniature", "imagenet", "planted", member.index)
    copy = copy_of(data, member.transform, rng)
    return data if copy.untouched else _jpeg(Image.fromarray(copy.image), copy.quality or _QUALITY)


def list_members(seed: int, count: int, planted_share: float) -> tuple[list[list[Member]], list[tuple[str, str, str]]]:
    """List the members of each synset in the order of the archive, and the rows of `planted.csv`."""
    originals = count - round(count * planted_share)
    # The real archive has such files too; about one picture in eighty is grey here.
    odd = ["cmyk", "cmyk", "png", "broken", "text"] + ["grey"] * max(2, originals // 80)
    if originals < len(odd):
        raise BadParameters(f"miniature.imagenet.count: {count}, expected at least {len(odd)} besides planted copies")
    shuffled = numpy_rng(seed, "miniature", "imagenet", "odd").permutation(originals).tolist()
    kinds = dict(zip(shuffled, odd, strict=False))
    regular = [index for index in range(originals) if index not in kinds]
    planted = plan_copies(seed, "imagenet", count, planted_share, regular)
    wanted = [(index, index, kinds.get(index, "plain"), "") for index in range(originals)]
    wanted += [(copy.index, copy.original, "plain", copy.transform) for copy in planted]
    synsets: list[list[Member]] = []
    keys: dict[int, str] = {}
    for label, synset in enumerate(SYNSETS):
        own = [entry for entry in wanted if entry[1] % len(SYNSETS) == label]
        rng = numpy_rng(seed, "miniature", "imagenet", synset)
        numbers = rng.choice(max(30_000, 2 * len(own)), size=len(own), replace=False)
        # The numbers are random, so that the members are not in the order of their keys.
        members = [
            Member(seed, index, source, label, kind, transform, f"{synset}_{number}.JPEG")
            for (index, source, kind, transform), number in zip(own, numbers, strict=True)
        ]
        keys |= {member.index: member.key for member in members}
        synsets.append([members[int(place)] for place in rng.permutation(len(members))])
    return synsets, [(keys[copy.index], keys[copy.original], copy.transform) for copy in planted]
