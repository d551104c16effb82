"""Measure how many faces `crop-faces` detects correctly and falsely in photographs with known face boxes.

    python benchmarks/face_detection.py --photos photos.zip --boxes boxes.csv
        [--centerface centerface.onnx] [--without FOLDER] [--to benchmarks/face_detection.json]

`boxes.csv` has a row (`file,x0,y0,x1,y1`) for each true face. Detected and true boxes are matched one to one; a match
needs an intersection over union of 0.4, because Haar boxes are looser than hand-drawn ones. Every setting of a detector
is run on every photograph. The setting with the fewest errors (missed and false faces) is then

- for photographs with one face, chosen on one half and reported on the other half; photographs of the same person,
  whose names are equal up to the last `_NN`, stay in the same half;
- for photographs with several faces, chosen for each photograph on all others of them and on the first half, and
  reported on that photograph.

FOLDER has pictures without a face. Intervals are 95 % Clopper-Pearson intervals.
"""

import argparse
import csv
import hashlib
import itertools
import re
import statistics
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from machine import describe
from scipy.optimize import linear_sum_assignment

from pipeline.core import files
from pipeline.datasets.pictures.raw_folder import open_archive
from pipeline.imageset.format.image_set import Images
from pipeline.intervals import binomial_interval
from pipeline.prepare.decode import Decoded, decode
from pipeline.prepare.faces.detectors import Detection, detector
from pipeline.readers.base import only_pictures

LEAST_OVERLAP = 0.4
COMMON: dict[str, Any] = {
    **{"side": 128, "chunk_keys": 1, "max_bad": 0.0, "max_pixels": 10**8, "keep_damaged": False, "model_sha256": ""},
    **{"scale": 1.1, "neighbours": 5, "score": 0.5, "network_side": 512},
}
Boxes = Sequence[tuple[float, ...]]


@dataclass(frozen=True)
class Seen:
    """Result of one setting on one photograph: overlaps of the matches, number of detected and of true faces."""

    overlaps: tuple[float, ...]
    found: int
    true: int

    @property
    def errors(self) -> int:
        return self.found + self.true - 2 * len(self.overlaps)


def settings(network: Path | None, smallest: int) -> Iterator[tuple[str, Detection]]:
    """Yield the settings of the detectors by name."""
    for cascade, scale, neighbours in itertools.product(("default", "alt", "alt2"), (1.1, 1.05), (3, 5, 8)):
        yield (
            f"haar {cascade}, scale {scale}, neighbours {neighbours}",
            Detection(
                **COMMON
                | {"detector": "haar", "model": f"frontalface_{cascade}", "scale": scale, "neighbours": neighbours},
                smallest=smallest,
            ),
        )
    for score in (0.4, 0.5, 0.6, 0.7) if network else ():
        changes = {"detector": "centerface", "model": network.name, "score": score} if network else {}
        yield f"centerface, score {score}", Detection(**COMMON | changes, smallest=smallest)


def pictures(path: Path) -> Iterator[tuple[str, Images]]:
    """Yield the key and the pixels of each picture of a zip, tar, LMDB or folder."""
    source = open_archive(path).source
    entries = list(only_pictures(source.entries()))
    with source.open() as read:
        for entry in entries:
            decoded = decode(read(entry.place), max_pixels=10**8)
            if isinstance(decoded, Decoded):
                yield entry.key, decoded.image


def overlap(a: tuple[float, ...], b: tuple[float, ...]) -> float:
    """Return the intersection over union of two boxes (x0, y0, x1, y1)."""
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    both = max(width, 0) * max(height, 0)
    return both / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both)


def compare(found: Boxes, true: Boxes) -> Seen:
    """Match detected with true boxes so that the number of matches is as large as possible."""
    table = np.array([[overlap(f, t) for t in true] for f in found]).reshape(len(found), len(true))
    # Maximise the number of matches first, then the overlap.
    pairs = zip(*linear_sum_assignment((table >= LEAST_OVERLAP) + table / 1e3, maximize=True), strict=True)
    overlaps = [float(table[pair]) for pair in pairs]
    return Seen(tuple(value for value in overlaps if value >= LEAST_OVERLAP), len(found), len(true))


def share(hits: int, of: int) -> dict[str, Any]:
    """Return a proportion with its interval."""
    low, high = binomial_interval(hits, of)
    return {"hits": hits, "of": of, "share": round(hits / of, 4) if of else None, "low": low, "high": high}


def judge(photos: Iterable[Seen]) -> dict[str, Any]:
    """Compute recall, precision and overlap over photographs."""
    photos = list(photos)
    right = sum(len(seen.overlaps) for seen in photos)
    return {
        "photos": len(photos),
        "recall": share(right, sum(seen.true for seen in photos)),
        "precision": share(right, sum(seen.found for seen in photos)),
        "without_an_error": share(sum(not seen.errors for seen in photos), len(photos)),
        "missed": sum(seen.true for seen in photos) - right,
        "made_up": sum(seen.found for seen in photos) - right,
        "median_overlap": round(statistics.median(value for seen in photos for value in seen.overlaps), 3),
    }


def half_of(key: str) -> int:
    """Return 0 or 1, the same for all photographs of one person."""
    person = re.sub(r"_\d+$", "", Path(key).stem)
    return hashlib.sha256(person.encode()).digest()[0] % 2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, required=True, help="zip, tar or folder of photographs")
    parser.add_argument("--boxes", type=Path, required=True, help="CSV file of the true boxes")
    parser.add_argument("--centerface", type=Path, help="ONNX file of CenterFace, to include that detector")
    parser.add_argument("--without", type=Path, help="zip, tar, LMDB or folder of pictures without a face")
    parser.add_argument("--smallest", type=int, default=24, help="side of the smallest face that is counted, in pixels")
    parser.add_argument("--to", type=Path, default=Path(__file__).with_suffix(".json"), help="JSON file to write")
    options = parser.parse_args()
    true: dict[str, list[tuple[float, ...]]] = {}
    with options.boxes.open(newline="") as file:
        for row in csv.DictReader(file):
            true.setdefault(row["file"], []).append(tuple(float(row[name]) for name in ("x0", "y0", "x1", "y1")))
    photos = {key: image for key, image in pictures(options.photos) if key in true}
    folder = options.centerface.parent if options.centerface else Path()
    chosen_from = dict(settings(options.centerface, options.smallest))

    def find(name: str, image: Images) -> Boxes:
        return [box for box in detector(chosen_from[name], folder)(image) if box.side >= options.smallest]

    seen = {name: {key: compare(find(name, image), true[key]) for key, image in photos.items()} for name in chosen_from}
    first = [key for key in photos if len(true[key]) == 1 and half_of(key) == 0]
    second = [key for key in photos if len(true[key]) == 1 and half_of(key) == 1]
    several = [key for key in photos if len(true[key]) > 1]
    figures: dict[str, Any] = {}
    for family in ("haar", "centerface"):
        names = [name for name in chosen_from if name.startswith(family)]
        if not names:
            continue

        def best(keys: list[str], names: list[str] = names) -> str:
            return min(names, key=lambda setting: sum(seen[setting][key].errors for key in keys))

        choice = best(first)
        left_out = {key: best([*first, *(other for other in several if other != key)]) for key in several}
        figures[family] = {
            "chosen": choice,
            "one face, first half": judge(seen[choice][key] for key in first),
            "one face, second half": judge(seen[choice][key] for key in second),
            "several faces, each left out": judge(seen[left_out[key]][key] for key in several),
        }
        if options.without:
            counts = [len(find(choice, image)) for _, image in pictures(options.without)]
            figures[family]["pictures without a face"] = share(sum(map(bool, counts)), len(counts))
    for family, rows in figures.items():
        print(f"{family}: {rows['chosen']}")
        for name, row in rows.items():
            if name == "pictures without a face":
                print(f"  {name:30} {row['hits']} of {row['of']} with a false face, at most {row['high']:.2%}")
            elif name != "chosen":
                recall, precision, whole = row["recall"], row["precision"], row["without_an_error"]
                print(
                    f"  {name:30} recall {recall['hits']}/{recall['of']} ({recall['low']:.3f} to {recall['high']:.3f})"
                    f"  precision {precision['hits']}/{precision['of']} ({precision['low']:.3f} to "
                    f"{precision['high']:.3f})  photographs without an error {whole['hits']}/{whole['of']} "
                    f"({whole['low']:.3f} to {whole['high']:.3f})  overlap {row['median_overlap']:.2f}"
                )
    machine = describe("opencv-python-headless", "numpy")
    every = {name: judge(rows.values()) for name, rows in seen.items()}
    files.write_json(options.to, {"figures": figures, "every_setting": every, "machine": machine})


if __name__ == "__main__":
    main()
