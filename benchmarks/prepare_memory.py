"""Measure the memory of `download-imagenet` and `downsample-imagenet` for growing numbers of pictures.

    python benchmarks/prepare_memory.py [--workers 2] [--to benchmarks/prepare_memory.json]

The archive is a tar of tars like ImageNet's, with up to 1,000 synsets of 1,000 pictures each and names as long as the
original ones. The pictures are 400 different JPEGs of 40×40 pixels, repeated, so that a large archive is quick to write
and the memory that depends on the number of pictures, not on their size, is measured. Parameters are those of the
workstation profile.

The commands run one after the other with all their workers; memory is sampled ten times a second:

- `pss`: maximum of all processes together, in MB; memory that several processes share (libraries, mapped files) counts
  once;
- `rss`: the same, with shared memory counted in each process;
- `largest`: peak resident memory of the largest process, as the kernel reports it.

Mapped files count as long as the kernel keeps them in memory, although it could reclaim that memory.
"""

import argparse
import io
import json
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from machine import describe
from PIL import Image
from resource_usage import run_and_measure

from pipeline.core import files
from pipeline.core.params import default_profile

ROOT = Path(__file__).parent.parent
COUNTS = (10_000, 100_000, 1_000_000)
DIFFERENT = 400
SYNSETS, PICTURES_EACH = 1000, 1000
ARCHIVE = "ILSVRC2012_img_train.tar"


def write_archive(path: Path, count: int) -> None:
    """Write a tar of tars with `count` pictures; only one inner tar is in memory at a time."""
    rng = np.random.default_rng(1)
    pictures = []
    for _ in range(DIFFERENT):
        buffer = io.BytesIO()
        coarse = Image.fromarray(rng.integers(0, 256, (5, 5, 3), dtype=np.uint8))
        coarse.resize((40, 40), Image.Resampling.BICUBIC).save(buffer, "JPEG")
        pictures.append(buffer.getvalue())
    each = min(count, PICTURES_EACH)
    with tarfile.open(path, "w") as outer:
        for synset in range(count // each):
            buffer = io.BytesIO()
            with tarfile.open(fileobj=buffer, mode="w") as inner:
                for number in range(each):
                    data = pictures[(synset * each + number) % DIFFERENT]
                    add(inner, f"n{synset:08}_{number}.JPEG", data)
            add(outer, f"n{synset:08}.tar", buffer.getvalue())


def add(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    """Add a file to a tar."""
    info = tarfile.TarInfo(name)
    info.size = len(data)
    archive.addfile(info, io.BytesIO(data))


def measure(module: str, *options: object) -> dict[str, float]:
    """Run one command and measure its time and memory."""
    return run_and_measure([sys.executable, "-m", f"stages.{module}", *map(str, options), "-q"], ROOT)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--counts", type=int, nargs="+", default=COUNTS, help="numbers of pictures, one archive each")
    parser.add_argument("--workers", "-j", type=int, default=2, help="worker processes")
    parser.add_argument("--folder", type=Path, help="folder for the archives (default: the system's temporary folder)")
    parser.add_argument("--to", type=Path, default=Path(__file__).with_suffix(".json"), help="JSON file to write")
    options = parser.parse_args()
    figures: dict[str, Any] = {}
    print(f"{'pictures':>10} {'command':<20} {'seconds':>8} {'pss':>7} {'rss':>7} {'largest':>8}   (MB)")
    for count in options.counts:
        with tempfile.TemporaryDirectory(dir=options.folder) as name:
            folder = Path(name)
            (folder / "archives").mkdir()
            write_archive(folder / "archives" / ARCHIVE, count)
            common = ["--set", "imagenet", "--params", default_profile(), "--archives", folder / "archives"]
            rows = {
                "download-imagenet": measure("download_imagenet", *common, "--to", folder / "raw"),
                "downsample-imagenet": measure(
                    "downsample_imagenet",
                    *common,
                    "--source",
                    folder / "raw",
                    "--to",
                    folder / "set",
                    "-j",
                    options.workers,
                ),
            }
            counts = json.loads((folder / "set" / "imageset.json").read_text())["counts"]
            assert counts["pictures"] == count, counts
        figures[f"{count}"] = rows
        for command, row in rows.items():
            numbers = f"{row['seconds']:8.1f} {row['pss']:7} {row['rss']:7} {row['largest']:8}"
            print(f"{count:10,} {command:<20} {numbers}", flush=True)
    machine = describe("numpy", "pillow", "pyarrow", "simplejpeg")
    files.write_json(options.to, {"figures": figures, "workers": options.workers, "machine": machine})


if __name__ == "__main__":
    main()
