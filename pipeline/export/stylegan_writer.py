"""Export the square pictures of an image set as a zip of PNGs, as `dataset_tool.py` of NVlabs/stylegan3 does."""

import io
import json
import zipfile
from pathlib import Path
from typing import Any

from PIL import Image

from pipeline.core import progress
from pipeline.imageset.format.image_set import ImageSet, Rows

_BLOCK = 256


def write_stylegan(images: ImageSet, kept: Rows, folder: Path) -> dict[str, int]:
    """Write `dataset.zip`, uncompressed and without times: `00000/img00000000.png` and so on, and `dataset.json`.

    The pictures are those that training reads: cropped and scaled to the stored side. `dataset.json` has `labels`, a
    list of [path, number of the class]; it is null unless every picture has a label. Classes are numbered in the order
    of their names.

    Args:
        kept: int64 (n,), rows of the image set.

    Returns:
        `bytes` of the PNGs, `classes`.
    """
    labels = images.index.column("label").take(kept).to_pylist()
    classes = {name: number for number, name in enumerate(sorted(set(labels)))} if all(labels) else {}
    entries: list[list[Any]] = []
    length = 0
    path = folder / "dataset.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive, progress.bar("export", len(kept)) as advance:
        for start in range(0, len(kept), _BLOCK):
            block = images.read(kept[start : start + _BLOCK])
            for number, picture in enumerate(block, start):
                name = f"{number // 1000:05d}/img{number:08d}.png"
                buffer = io.BytesIO()
                Image.fromarray(picture).save(buffer, "png", compress_level=0, optimize=False)  # fast to decode
                archive.writestr(_member(name), buffer.getvalue())
                length += buffer.tell()
                entries.append([name, classes.get(labels[number])])
            advance(len(block))
        archive.writestr(_member("dataset.json"), json.dumps({"labels": entries if classes else None}))
    return {"bytes": length, "classes": len(classes)}


def _member(name: str) -> zipfile.ZipInfo:
    member = zipfile.ZipInfo(name)  # the default time is 1980, the earliest in a zip
    member.create_system, member.external_attr = (
        3,
        0o100644 << 16,
    )  # fixed, so that the bytes do not depend on the system
    return member
