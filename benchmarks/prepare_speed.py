"""Time decoding and resizing, compared with Pillow, torchvision and decoders alone, on the same files in one run.

    python benchmarks/prepare_speed.py --jpegs FOLDER|ZIP|TAR --lsun LMDB
        [--rounds 5] [--copies 200] [--to benchmarks/prepare_speed.json]

One process with one thread processes all files in several rounds. For each file, all methods run in random order, so
that slow phases of the machine and cold caches affect all of them alike. The result of a method is its CPU time in its
best round. A ratio compares the best rounds of two methods; its minimum and maximum over the rounds follow.
`torchvision, its readers` decodes with Pillow and transforms Pillow pictures, as `torchvision.datasets` does.
`torchvision, tensors` decodes with `torchvision.io.decode_jpeg` and transforms uint8 tensors. Methods named `bare`
decode without resizing. OpenCV and libvips can reduce by 2, 4 and 8 only; they use the largest factor that leaves 64
pixels.

Decoding only the rows and columns that the crop keeps is not included. libjpeg-turbo can do it (`jpeg_crop_scanline`,
`jpeg_skip_scanlines`), but no maintained Python package offers it. In C it saved 5 % on these pictures, because all
entropy-coded data must be read anyway.

Last, `downsample-imagenet` is timed as a whole, with one and with two workers, on `--copies` copies of the JPEGs.
"""

import argparse
import contextlib
import functools
import io
import itertools
import random
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import simplejpeg
import torch
import torchvision
import torchvision.transforms.v2.functional as tensors
from machine import describe
from PIL import Image
from torchvision.io import ImageReadMode, decode_jpeg
from torchvision.transforms import CenterCrop, Compose, Resize

from pipeline.core import files
from pipeline.datasets.pictures.raw_folder import open_archive
from pipeline.imageset.format.image_set import Images, ImageSet
from pipeline.prepare.decode import Decoded, decode
from pipeline.prepare.resize import resize
from pipeline.readers.base import only_pictures
from pipeline.readers.lmdb_reader import Lmdb, find_lmdb

try:
    import pyvips
except ImportError:
    pyvips = None

MOST = 10**8
Method = Callable[[bytes], Any]


def ours(side: int, scaled: bool, method: str, data: bytes) -> Images:
    """Decode and resize as the prepare stages do."""
    decoded = decode(data, max_pixels=MOST, short_side=2 * side if scaled else None)
    assert isinstance(decoded, Decoded)
    return resize(decoded.image, side=side, method=method)  # type: ignore[arg-type]


def with_pillow(side: int, data: bytes) -> Any:
    """Decode, resize with antialiasing and crop with Pillow."""
    picture = Image.open(io.BytesIO(data)).convert("RGB")
    short = min(picture.size)
    width, height = (round(extent * side / short) for extent in picture.size)
    left, top = (width - side) // 2, (height - side) // 2
    resized = picture.resize((width, height), Image.Resampling.BILINEAR)
    return np.asarray(resized.crop((left, top, left + side, top + side)))


def with_torchvision(side: int, data: bytes) -> Any:
    """Decode and transform as a `torchvision.datasets` class with its usual transforms does."""
    return np.asarray(Compose([Resize(side), CenterCrop(side)])(Image.open(io.BytesIO(data)).convert("RGB")))


def with_tensors(side: int, data: bytes) -> Any:
    """Decode and transform uint8 tensors with torchvision."""
    picture = decode_jpeg(torch.frombuffer(bytearray(data), dtype=torch.uint8), mode=ImageReadMode.RGB)
    return tensors.center_crop(tensors.resize(picture, [side], antialias=True), [side])


def bare_pillow(least: int, data: bytes) -> Any:
    """Decode with Pillow at reduced size."""
    picture = Image.open(io.BytesIO(data))
    picture.draft(None, (least, least))
    picture.load()
    return picture


def bare_turbo(least: int, data: bytes) -> Any:
    """Decode with libjpeg-turbo at reduced size."""
    return simplejpeg.decode_jpeg(data, "RGB", min_height=least, min_width=least, min_factor=1)


def reduced(least: int, data: bytes) -> int:
    """Return the largest factor of 8, 4, 2 and 1 that leaves a short side of at least `least` pixels."""
    short = min(Image.open(io.BytesIO(data)).size)
    return next(factor for factor in (8, 4, 2, 1) if short // factor >= least or factor == 1)


def bare_opencv(flags: Mapping[bytes, int], data: bytes) -> Any:
    """Decode with OpenCV at reduced size; `flags` has the flag for each picture."""
    return cv2.imdecode(np.frombuffer(data, np.uint8), flags[data])


def bare_vips(factors: Mapping[bytes, int], data: bytes) -> Any:
    """Decode with libvips at reduced size; `factors` has the factor for each picture."""
    if data[:4] == b"RIFF":
        return pyvips.Image.webpload_buffer(data, scale=1 / factors[data]).numpy()
    return pyvips.Image.jpegload_buffer(data, shrink=factors[data]).numpy()


def compare(methods: Mapping[str, Method], pictures: Sequence[bytes], rounds: int) -> dict[str, list[float]]:
    """Return the seconds of CPU time of each method in each round."""
    seconds: dict[str, list[float]] = {name: [] for name in methods}
    for method in methods.values():  # compile and load first
        method(pictures[0])
    order, chance = list(methods), random.Random(1)
    for _ in range(rounds):
        taken = dict.fromkeys(methods, 0.0)
        for data in pictures:
            chance.shuffle(order)
            for name in order:
                start = time.process_time()
                methods[name](data)
                taken[name] += time.process_time() - start
        for name, times in seconds.items():
            times.append(taken[name])
    return seconds


def table(title: str, seconds: Mapping[str, list[float]], count: int, against: Sequence[str]) -> dict[str, Any]:
    """Print and return pictures per second, and how many times as fast each method is as those in `against`."""
    print(f"{title}, {count} pictures{'':10}" + "".join(f"{name:>28}" for name in ("pictures/s", *against)))
    rows: dict[str, Any] = {}
    for name, times in seconds.items():
        row: dict[str, Any] = {"pictures_per_second": round(count / min(times))}
        for other in against:
            each = [b / a for a, b in zip(times, seconds[other], strict=True)]
            ratio = min(seconds[other]) / min(times)
            row[f"times {other}"] = {"ratio": round(ratio, 3), "low": round(min(each), 3), "high": round(max(each), 3)}
        rows[name] = row
        ratios = [row[f"times {other}"] for other in against]
        shown = [f"{ratio['ratio']:.2f} ({ratio['low']:.2f}-{ratio['high']:.2f})" for ratio in ratios]
        print(f"  {name:34}" + "".join(f"{text:>28}" for text in (row["pictures_per_second"], *shown)))
    return rows


def torchvisions_lsun(folder: Path, side: int) -> Callable[[int], Any]:
    """Open an LMDB, whatever its name, as `torchvision.datasets.LSUN` with the usual transforms."""
    with tempfile.TemporaryDirectory() as root:
        (Path(root) / "bedroom_train_lmdb").symlink_to(folder.absolute())
        with contextlib.chdir(root):  # LSUN writes a cache of keys into the working folder
            transform = Compose([Resize(side), CenterCrop(side)])
            data_set = torchvision.datasets.LSUN(root, classes=["bedroom_train"], transform=transform)
            data_set[0]
    return lambda index: np.asarray(data_set[index][0])


def workers(pictures: Sequence[bytes], copies: int, rounds: int) -> dict[str, Any]:
    """Time `downsample-imagenet` with one and with two workers, in wall-clock seconds including start and exit."""
    seconds: dict[int, list[float]] = {1: [], 2: []}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        archives, raw = folder / "archives", folder / "raw"
        archives.mkdir(), raw.mkdir()
        with tarfile.open(archives / "pictures.tar", "w") as tar:
            for copy in range(copies):
                for number, data in enumerate(pictures):
                    member = tarfile.TarInfo(f"{copy:04}/{number:05}.jpg")
                    member.size = len(data)
                    tar.addfile(member, io.BytesIO(data))
        count = copies * len(pictures)
        files.write_json(
            raw / "source.json",
            {"source": "archive", "archive": "pictures.tar", "bytes": (archives / "pictures.tar").stat().st_size}
            | {"sha256": "0" * 64, "count": count, "upstream": False, "place": "archives", "kind": "tar"},
        )
        command = [sys.executable, "-m", "stages.downsample_imagenet", "--set", "imagenet", "--quiet"]
        command += ["--source", str(raw), "--archives", str(archives), "--params", "profiles/workstation.yaml"]
        for number in range(rounds):
            for many in (1, 2):
                start = time.perf_counter()
                to = folder / f"set-{number}-{many}"
                subprocess.run([*command, "--to", str(to), "-j", str(many)], check=True)
                seconds[many].append(time.perf_counter() - start)
                assert len(ImageSet(to)) == count
    each = [one / two for one, two in zip(seconds[1], seconds[2], strict=True)]
    rates = {str(many): round(count / min(times)) for many, times in seconds.items()}
    ratio = round(min(seconds[1]) / min(seconds[2]), 3)
    print(f"the stage, {count:,} pictures: one worker {rates['1']}/s, two {rates['2']}/s, {ratio} times as fast")
    low, high = round(min(each), 3), round(max(each), 3)
    return {"pictures": count, "pictures_per_second": rates, "ratio": ratio, "low": low, "high": high}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jpegs", type=Path, required=True, help="folder, zip or tar of full-size JPEGs")
    parser.add_argument("--lsun", type=Path, required=True, help="LMDB of WebP pictures")
    parser.add_argument("--pictures", type=int, default=500, help="maximum number of pictures of each kind")
    parser.add_argument("--rounds", type=int, default=5, help="rounds over all files")
    parser.add_argument("--copies", type=int, default=200, help="copies of the JPEGs, for the timing of whole runs")
    parser.add_argument("--to", type=Path, default=Path(__file__).with_suffix(".json"), help="JSON file to write")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    if pyvips:
        pyvips.cache_set_max(0)
    source = open_archive(options.jpegs).source
    with source.open() as read:
        data = [read(entry.place) for entry in itertools.islice(only_pictures(source.entries()), options.pictures)]
    jpegs = [picture for picture in data if picture[:2] == b"\xff\xd8"]
    factors = {picture: reduced(64, picture) for picture in jpegs}
    colours = {8: cv2.IMREAD_REDUCED_COLOR_8, 4: cv2.IMREAD_REDUCED_COLOR_4, 2: cv2.IMREAD_REDUCED_COLOR_2, 1: 1}
    methods: dict[str, Method] = {
        "ours, area (the default)": functools.partial(ours, 32, True, "area"),
        "ours, exact": functools.partial(ours, 32, False, "area"),
        "ours, cv2-bilinear": functools.partial(ours, 32, False, "cv2-bilinear"),
        "Pillow": functools.partial(with_pillow, 32),
        "torchvision, its readers": functools.partial(with_torchvision, 32),
        "torchvision, tensors": functools.partial(with_tensors, 32),
        "bare, libjpeg-turbo scaled": functools.partial(bare_turbo, 64),
        "bare, libjpeg-turbo at 1/8": functools.partial(bare_turbo, 1),
        "bare, OpenCV reduced": functools.partial(bare_opencv, {p: colours[f] for p, f in factors.items()}),
        "bare, Pillow draft": functools.partial(bare_pillow, 64),
    }
    if pyvips:
        methods["bare, libvips shrink"] = functools.partial(bare_vips, factors)
    figures: dict[str, Any] = {}
    against = ["Pillow", "torchvision, tensors", "bare, libjpeg-turbo scaled"]
    figures["JPEG to 32"] = table("JPEG to 32×32", compare(methods, jpegs, options.rounds), len(jpegs), against)
    exact = [ours(32, False, "area", picture).astype(int) for picture in jpegs]
    away = [np.abs(methods["ours, area (the default)"](p) - e).mean() for p, e in zip(jpegs, exact, strict=True)]
    figures["difference to exact"] = {"mean": round(statistics.mean(away), 3), "largest": round(max(away), 3)}
    print(f"mean absolute difference of area to exact: {statistics.mean(away):.2f} levels, at most {max(away):.2f}")

    folder = find_lmdb(options.lsun)
    assert folder, f"--lsun {options.lsun}: no data.mdb in it"
    lmdb = Lmdb(folder)
    entries = lmdb.entries()[: options.pictures]
    with lmdb.open() as read:
        webps = [read(entry.place) for entry in entries]
    get = torchvisions_lsun(folder, 64)
    numbers = {picture: index for index, picture in enumerate(webps)}
    halves = dict.fromkeys(webps, cv2.IMREAD_COLOR_RGB)
    methods = {
        "ours, area (the default)": functools.partial(ours, 64, True, "area"),
        "ours, cv2-bilinear": functools.partial(ours, 64, False, "cv2-bilinear"),
        "torchvision.datasets.LSUN": lambda picture: get(numbers[picture]),
        "bare, OpenCV": functools.partial(bare_opencv, halves),
        "bare, Pillow": functools.partial(bare_pillow, 128),
    }
    if pyvips:
        methods["bare, libvips at 1/2"] = functools.partial(bare_vips, dict.fromkeys(webps, 2))
        methods["bare, libvips whole"] = functools.partial(bare_vips, dict.fromkeys(webps, 1))
    against = ["torchvision.datasets.LSUN", "bare, OpenCV"]
    figures["WebP to 64"] = table("WebP to 64×64", compare(methods, webps, options.rounds), len(webps), against)
    figures["two workers"] = workers(jpegs, options.copies, max(2, options.rounds // 2))
    machine = describe("pillow", "opencv-python-headless", "simplejpeg", "torchvision", "numba", "pyvips-binary")
    files.write_json(options.to, {"figures": figures, "rounds": options.rounds, "machine": machine})


if __name__ == "__main__":
    main()
