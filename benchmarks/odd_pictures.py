"""Colours of odd pictures beside Pillow's: grey, CMYK, 16 bits, palettes, alpha, turned, animated, in several parts.

    PYTHONPATH=. python benchmarks/odd_pictures.py --pictures FOLDER|ZIP [--to benchmarks/odd_pictures.json]

Pillow reads each file whole, ignores its colour profile, turns it by its EXIF orientation, lays transparent parts on
white and keeps the upper 8 of 16 bits; of an animation it shows the first frame. The difference is the mean over pixels
and channels, in levels of 0 to 255. A picture that one of the two refuses is named with the reason of each.
"""

import argparse
import io
from pathlib import Path

import numpy as np
import numpy.typing as npt
from machine import describe
from PIL import Image, ImageOps

from pipeline.core import files
from pipeline.datasets.pictures.raw_folder import open_archive
from pipeline.prepare.decode import Problem, decode

_MOST_PIXELS = 10**8


def with_pillow(data: bytes) -> npt.NDArray[np.uint8]:
    """A picture as Pillow sees it: uint8 (H, W, 3).

    Raises:
        OSError: Pillow cannot read it whole.
    """
    with Image.open(io.BytesIO(data)) as opened:
        picture = ImageOps.exif_transpose(opened)
        if picture.mode.startswith("I"):
            grey = (np.asarray(picture).astype(np.int64) >> 8).astype(np.uint8)
            return np.repeat(grey[..., None], 3, axis=2)
        if picture.has_transparency_data:
            white = Image.new("RGBA", picture.size, "white")
            return np.asarray(Image.alpha_composite(white, picture.convert("RGBA")).convert("RGB"))
        return np.asarray(picture.convert("RGB"))


def main() -> None:
    parser = argparse.ArgumentParser(description="Colours of odd pictures beside Pillow's.")
    parser.add_argument("--pictures", type=Path, required=True)
    parser.add_argument("--to", type=Path, default=Path(__file__).with_suffix(".json"))
    options = parser.parse_args()
    differences: dict[str, float] = {}
    refused: dict[str, dict[str, str]] = {}
    source = open_archive(options.pictures).source
    with source.open() as read:
        for entry in source.entries():
            data = read(entry.place)
            ours = decode(data, max_pixels=_MOST_PIXELS)
            reasons = {"ours": ours.reason} if isinstance(ours, Problem) else {}
            try:
                theirs = with_pillow(data)
            except OSError as error:
                reasons["Pillow"] = type(error).__name__
            if reasons or isinstance(ours, Problem):
                refused[entry.key] = reasons
                continue
            if ours.image.shape != theirs.shape:
                raise SystemExit(f"{entry.key}: {ours.image.shape}, Pillow has {theirs.shape}")
            differences[entry.key] = round(float(np.abs(ours.image.astype(int) - theirs).mean()), 3)
    report = {
        "pictures": len(differences),
        "largest mean difference": max(differences.values()),
        "differences": differences,
        "refused": refused,
        "machine": describe("pillow", "opencv-python-headless", "simplejpeg"),
    }
    files.write_json(options.to, report)
    print(f"{len(differences)} pictures, largest mean difference {max(differences.values()):.3f}; refused: {refused}")


if __name__ == "__main__":
    main()
