"""Measure how many pictures per second `hash-images` encodes from an image set of 32×32, on all CPU cores.

    PYTHONPATH=. python benchmarks/hashing_speed.py [--count 1000000] [--to benchmarks/hashing_speed.json]

The pictures are gradients with noise and the weights are random; the content does not affect the speed. Each kind of
input is hashed three times; the time includes writing the codes but not the start of the process, and the best and the
worst rate are reported. For comparison, the same run times a float32 matrix product of the same shape (`numpy`, all
threads), whose inputs are already floats, so that only arithmetic is measured.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from machine import describe
from pictures import write_set

from pipeline.core import engine, files
from pipeline.dedup.encoder import codes
from pipeline.dedup.encoder.codes import Kind
from pipeline.dedup.encoder.encoder_input import INPUTS

TIMES = 3


def pictures(count: int) -> np.ndarray:
    """Make gradients with noise, uint8 (count, 32, 32, 3); 4,096 different pictures are repeated."""
    rng = np.random.default_rng(1)
    slopes = np.linspace(0, 1, 32)[:, None, None] * rng.uniform(0, 200, (4096, 1, 1, 3))
    few = (slopes + rng.uniform(0, 55, (4096, 32, 32, 3))).astype(np.uint8)
    return few[np.arange(count) % len(few)]


def hashing(images: Path, kind: Kind, folder: Path) -> list[float]:
    """Hash an image set `TIMES` times and return the seconds of each run."""
    rng = np.random.default_rng(2)
    weight = rng.integers(-127, 128, (codes.BITS, INPUTS)).astype(np.int8)
    threshold = (weight.sum(axis=1, dtype=np.int64) * 128).astype(np.int32)
    (folder / kind).mkdir()
    codes.save_encoder(folder / kind / "encoder.safetensors", codes.Encoder(weight, threshold, kind))
    seconds = []
    for number in range(TIMES):
        started = time.perf_counter()
        codes.hash_images(images, folder / kind, folder / f"{kind}-{number}", workers=engine.default_workers())
        seconds.append(time.perf_counter() - started)
    return seconds


def main() -> None:
    """Measure, print and write the results."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--to", type=Path, default=Path(__file__).with_suffix(".json"))
    options = parser.parse_args()
    result: dict[str, Any] = {
        "pictures": options.count,
        "machine": describe("numpy", "numba"),
    }
    with tempfile.TemporaryDirectory() as name:
        images = write_set(pictures(options.count), Path(name) / "set")
        for kind in ("pixels", "normalised"):
            seconds = hashing(images, kind, Path(name))
            result[kind] = {
                "pictures_a_second": round(options.count / min(seconds)),
                "worst": round(options.count / max(seconds)),
            }
    values, weight = np.ones((4096, INPUTS), np.float32), np.ones((INPUTS, codes.BITS), np.float32)
    started = time.perf_counter()
    for _ in range(8):
        values @ weight
    result["float32_product_alone"] = {"pictures_a_second": round(8 * 4096 / (time.perf_counter() - started))}
    print(json.dumps(result, indent=1))
    files.write_text(options.to, json.dumps(result, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
