"""Memory that `downsample-imagenet`, and `download-imagenet` before it, take as pictures grow in number.

    python benchmarks/prepare_memory.py [--workers 2] [--to benchmarks/prepare_memory.json]

The archive is a tar of tars as ImageNet's: 1,000 synsets, or fewer of 1,000 pictures each, with names as long as
upstream's. The pictures are 40×40 JPEGs, 400 different ones over and over: a large archive is written quickly, and what
is measured is what a picture costs however small it is. Numbers are those of the workstation profile.

Each command runs by itself with all its workers, and is looked at ten times a second:

- `pss`: most that all its processes took at one time, in MB; what several share (libraries, mapped files) counts once;
- `rss`: the same, shared memory counting for each process;
- `largest`: largest resident set of any one of them ever, as the kernel kept it.

Mapped files count while the kernel keeps them in memory, although it could take that memory back.
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
from watching import watch

from pipeline.core import files
from pipeline.core.params import default_profile

ROOT = Path(__file__).parent.parent
COUNTS = (10_000, 100_000, 1_000_000)
DIFFERENT = 400
SYNSETS, PICTURES_EACH = 1000, 1000
ARCHIVE = "ILSVRC2012_img_train.tar"


def write_archive(path: Path, count: int) -> None:
    """A tar of tars with so many pictures, one inner tar in memory at a time."""
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
    """One member."""
    info = tarfile.TarInfo(name)
    info.size = len(data)
    archive.addfile(info, io.BytesIO(data))


def measure(module: str, *options: object) -> dict[str, float]:
    """Run one command and look at it until it ends."""
    return watch([sys.executable, "-m", f"stages.{module}", *map(str, options), "-q"], ROOT)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--counts", type=int, nargs="+", default=COUNTS, help="pictures of each archive")
    parser.add_argument("--workers", "-j", type=int, default=2, help="worker processes")
    parser.add_argument("--folder", type=Path, help="where the archives are written (default: the system's for such)")
    parser.add_argument("--to", type=Path, default=Path(__file__).with_suffix(".json"), help="where the figures go")
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
