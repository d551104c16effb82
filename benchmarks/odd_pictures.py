"""Compare decoded colours with Pillow for unusual files: grey, CMYK, 16 bits, palette, alpha, rotated, animated.

    PYTHONPATH=. python benchmarks/odd_pictures.py --pictures FOLDER|ZIP [--to benchmarks/odd_pictures.json]

With Pillow, each file is read completely, its colour profile is ignored, its EXIF orientation is applied, transparent
parts are composited on white, the upper 8 of 16 bits are kept, and an animation is reduced to its first frame. The
difference is the mean absolute difference over pixels and channels, in levels (0..255). A picture that one of the two
decoders rejects is listed with the reasons.
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
from pipeline.readers.base import only_pictures

_MOST_PIXELS = 10**8


def with_pillow(data: bytes) -> npt.NDArray[np.uint8]:
    """Decode a picture with Pillow: uint8 (H, W, 3).

    Raises:
        OSError: Pillow cannot read the complete picture.
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
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--pictures", type=Path, required=True)
    parser.add_argument("--to", type=Path, default=Path(__file__).with_suffix(".json"))
    options = parser.parse_args()
    differences: dict[str, float] = {}
    refused: dict[str, dict[str, str]] = {}
    source = open_archive(options.pictures).source
    with source.open() as read:
        for entry in only_pictures(source.entries()):
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
