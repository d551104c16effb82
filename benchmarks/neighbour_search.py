"""Find every pair of 128-bit codes within a radius: time and memory on several distributions, compared with faiss.

    python benchmarks/neighbour_search.py [--count 3033042] [--codes codes.npy] [--to benchmarks/neighbour_search.json]

Each search runs in its own process, which first compiles its functions. `peak` is the peak resident memory of that
process, including Python and the codes. The codes are:

- `even`: uniformly random, with 1,000 pairs made on purpose at each distance from 0 to 15, which must all be found;
- `mild` and `strong`: signs of 128 random projections of a Gaussian in 40 dimensions. The thresholds are 0 for `mild`;
  for `strong`, they vary as much as the projections, so that many bits are nearly always or nearly never set;
- `given`: the codes of `--codes`, increased to the count. Each new code is a random given code, in which each bit is
  replaced with some probability by the bit of another random given code; this keeps the share of set bits. The
  probability is chosen so that the share of pairs within distance 12 is that of the given codes.

`seconds` is wall-clock time; `seconds_processor` is CPU time of all threads, which is more reliable on a busy machine.
`halves` is `pairs_between` of the first and the second half at radius 12. `candidates` is the number of pairs of codes
that are compared, `lookups` the number of lookups in buckets. `ns each` is CPU time divided by the sum of sorted codes
(codes times bands), lookups, candidates and pairs.

If faiss is installed, `IndexBinaryMultiHash` (7 tables of 18 bits and one flip, exact up to radius 13) and
`IndexBinaryFlat` are timed on growing numbers of even codes until one takes longer than `--bound` seconds.
"""

import argparse
import importlib.util
import json
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from machine import describe

from pipeline.core import engine, files
from pipeline.core.jit import compiled
from pipeline.dedup.index import bands, hamming_index
from pipeline.dedup.index.hamming_index import distinct, pairs_between, pairs_within

RADII = (7, 12, 15)
PLANTED = 1000
COUNTS = (100_000, 1_000_000, 3_033_042, 10_000_000)
FAISS_COUNTS = (50_000, 100_000, 300_000, 1_000_000, 3_033_042)
DISTANCES = 16
MOST_PAIRS = 1 << 28
WORKERS = engine.default_workers()


def even(count: int, seed: int = 0) -> Any:
    """Generate uniform codes; the last 16,000 repeat the first 16,000 with 0, 1, …, 15, 0, 1, … bits flipped."""
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, 256, (count, 16), dtype=np.uint8)
    order = rng.random((DISTANCES * PLANTED, 128)).argsort(axis=1)
    flips = np.packbits(order < (np.arange(len(order)) % DISTANCES)[:, None], axis=1)
    codes[-len(flips) :] = codes[: len(flips)] ^ flips
    return codes


def uneven(count: int, scatter: float, dimensions: int = 40) -> Any:
    """Generate signs of projections of a Gaussian; thresholds vary `scatter` times as much as projections."""
    rng = np.random.default_rng(1)
    projections = rng.standard_normal((dimensions, 128), dtype=np.float32)
    thresholds = rng.standard_normal(128, dtype=np.float32) * np.float32(scatter * dimensions**0.5)
    blocks = [min(1 << 16, count - start) for start in range(0, count, 1 << 16)]
    points = (rng.standard_normal((block, dimensions), dtype=np.float32) for block in blocks)
    return np.concatenate([np.packbits(block @ projections > thresholds, axis=1) for block in points])


def density(codes: Any, radius: int) -> float:
    """Return the share of all pairs that are within the radius."""
    pairs = sum(map(len, pairs_within(codes, radius, max_pairs=MOST_PAIRS, workers=WORKERS)))
    return pairs / (len(codes) * (len(codes) - 1) / 2)


def enlarged(codes: Any, count: int) -> tuple[Any, dict[str, float]]:
    """Generate `count` codes with about the same share of pairs within distance 12, by bisecting the replaced share."""
    codes, _ = distinct(codes)

    def drawn(number: int, replaced: float) -> Any:
        rng = np.random.default_rng(2)
        made = np.empty((number, 16), np.uint8)
        for start in range(0, number, 1 << 16):
            size = min(1 << 16, number - start)
            mask = np.packbits(rng.random((size, 128), dtype=np.float32) < replaced, axis=1)
            one, other = (codes[rng.integers(0, len(codes), size)] for _ in range(2))
            made[start : start + size] = one & ~mask | other & mask
        return made

    goal, low, high = density(codes, 12), 0.0, 0.5
    for _ in range(12):
        middle = (low + high) / 2
        few = distinct(drawn(1 << 17, middle))[0]
        low, high = (middle, high) if density(few, 12) > goal else (low, middle)
    few = distinct(drawn(1 << 17, high))[0]
    figures = {"codes": len(codes), "density": goal, "density_enlarged": density(few, 12), "replaced": round(high, 4)}
    return drawn(count, high), figures


@compiled
def work(keys: Any, offsets: Any, patterns: Any) -> tuple[int, int]:
    """Count the lookups and the comparisons that `pairs_within` makes for codes with these sorted keys."""
    lookups, candidates = 0, 0
    x = 0
    while x < len(keys):
        key = keys[x]
        size = np.int64(offsets[key + np.uint32(1)] - offsets[key])
        for p in range(len(patterns)):
            other = key ^ patterns[p]
            if other >= key:
                lookups += size
                found = np.int64(offsets[other + np.uint32(1)] - offsets[other])
                candidates += size * found if other > key else size * (size - 1) // 2
        x += size
    return lookups, candidates


def peak_memory() -> int:
    """Return the peak resident memory in bytes; getrusage would return at least that of the parent process."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))


def search(path: Path, radius: int, planted: bool) -> dict[str, Any]:
    """Time `pairs_within` and count its work; check the planted pairs. Runs in its own process."""
    few = uneven(3000, 0.0)
    for small in (3, 12):
        sum(map(len, pairs_within(few, small, workers=WORKERS)))
    codes = np.load(path)
    start = time.perf_counter()
    unique, inverse = distinct(codes)
    middle, processor = time.perf_counter(), time.process_time()
    by_distance, kept = np.zeros(DISTANCES, np.int64), []
    for block in pairs_within(unique, radius, max_pairs=MOST_PAIRS, workers=WORKERS):
        by_distance += np.bincount(block.distance, minlength=DISTANCES)
        if planted:
            kept.append((block.left * len(codes) + block.right) * DISTANCES + block.distance)
    seconds, processor = time.perf_counter() - middle, time.process_time() - processor
    peak = peak_memory()
    figures: dict[str, Any] = {"codes": len(codes), "radius": radius, "peak": peak, "pairs": int(by_distance.sum())}
    figures |= {"seconds": round(seconds, 2), "seconds_processor": round(processor, 2)}
    figures |= {"seconds_distinct": round(middle - start, 2)}
    if planted:
        number = DISTANCES * PLANTED
        ends = np.sort([inverse[:number], inverse[-number:]], axis=0)
        names = (ends[0] * len(codes) + ends[1]) * DISTANCES + np.arange(number) % DISTANCES
        found = np.isin(names, np.concatenate([*kept, names[:0]])) | (ends[0] == ends[1])
        expected = np.arange(number) % DISTANCES <= radius
        assert (found == expected)[ends[0] != ends[1]].all() and (ends[0] == ends[1])[::DISTANCES].all()
        figures["planted_found"] = f"{int((found & expected).sum())} of {int(expected.sum())}"
    else:
        figures["pairs_by_distance"] = by_distance.tolist()
    words = unique.view(np.uint64)
    chosen = bands.choose(words, words, radius)
    counts = {"sorted": len(words) * len(chosen), "lookups": 0, "candidates": 0}
    for band in chosen:
        _, keys, _, offsets = hamming_index._sorted(words, band.bits)
        lookups, candidates = work(keys, offsets, bands.patterns(band))
        counts["lookups"] += lookups
        counts["candidates"] += candidates
    each = processor / (sum(counts.values()) + figures["pairs"]) * 1e9
    return figures | counts | {"ns_each": round(each, 2), "bands": [[len(b.bits), b.flips] for b in chosen]}


def between(path: Path, radius: int) -> dict[str, Any]:
    """Time `pairs_between` of the two halves of the codes. Runs in its own process."""
    few = uneven(3000, 0.0)
    sum(map(len, pairs_between(few[:1000], few[1000:], radius, workers=WORKERS)))
    codes = np.load(path)
    start = time.perf_counter()
    pairs = sum(map(len, pairs_between(codes[: len(codes) // 2], codes[len(codes) // 2 :], radius, workers=WORKERS)))
    seconds = round(time.perf_counter() - start, 2)
    peak = peak_memory()
    return {"codes": len(codes), "radius": radius, "pairs": pairs, "seconds": seconds, "peak": peak}


def with_faiss(path: Path, radius: int, kind: str) -> dict[str, Any]:
    """Time faiss, which searches each code among all; pairs with left < right are counted. Runs in its own process."""
    import faiss  # type: ignore[import-not-found, unused-ignore]

    codes = np.load(path)
    start = time.perf_counter()
    if kind == "multi-hash":
        index = faiss.IndexBinaryMultiHash(128, 7, 18)
        index.nflip = 1
    else:
        index = faiss.IndexBinaryFlat(128)
    index.add(codes)
    limits, _, labels = index.range_search(codes, radius + 1)  # faiss returns distances below the radius
    pairs = int((labels > np.repeat(np.arange(len(codes)), np.diff(limits).astype(np.int64))).sum())
    seconds = round(time.perf_counter() - start, 2)
    peak = peak_memory()
    return {"codes": len(codes), "radius": radius, "pairs": pairs, "seconds": seconds, "peak": peak}


def run_in_subprocess(bound: float | None, *arguments: object) -> dict[str, Any] | None:
    """Run this file with these arguments in a subprocess and parse its output; None after `bound` seconds."""
    command = [sys.executable, __file__, *map(str, arguments)]
    try:
        done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=bound)
    except subprocess.TimeoutExpired:
        return None
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def show(name: str, row: dict[str, Any]) -> None:
    more = ""
    if "candidates" in row:
        more = f"  {row['seconds_processor']:7.2f} s of processors  {row['candidates']:>14,} candidates"
        more += f"  {row['ns_each']:5.2f} ns each"
    print(
        f"{name:18} {row['codes']:>10,} codes  radius {row['radius']:2}  {row['seconds']:7.2f} s  "
        f"{row['peak'] / 1e6:5.0f} MB  {row['pairs']:>11,} pairs{more}",
        flush=True,
    )


def compare_faiss(folder: Path, bound: float) -> dict[str, Any]:
    """Time faiss on growing numbers of even codes until a search exceeds the bound."""
    if not importlib.util.find_spec("faiss"):
        print("faiss: not installed")
        return {"version": "not installed"}
    figures: dict[str, Any] = {"version": version("faiss-cpu"), "bound": bound}
    for kind in ("multi-hash", "flat"):
        for count in FAISS_COUNTS:
            np.save(folder / "codes.npy", even(count))
            row = run_in_subprocess(bound, "--search", folder / "codes.npy", "--radius", 12, "--how", kind)
            figures[f"{kind}, {count}"] = row or "over the bound"
            if not row:
                print(f"faiss, {kind}: {count:,} codes take more than {bound:g} s")
                break
            show(f"faiss, {kind}", row)
            ours = run_in_subprocess(None, "--search", folder / "codes.npy", "--radius", 12, "--how", "planted")
            assert ours and ours["pairs"] == row["pairs"] - PLANTED, "equal codes are one code in our search"
            figures[f"ours, {count}"] = ours
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=3_033_042, help="number of codes for the searches at three radii")
    parser.add_argument("--codes", type=Path, help="codes.npy with the given codes")
    parser.add_argument("--bound", type=float, default=120, help="seconds after which faiss is stopped")
    parser.add_argument("--to", type=Path, default=Path(__file__).with_suffix(".json"), help="JSON file to write")
    parser.add_argument("--search", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--radius", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--how", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.search:
        if options.how in ("multi-hash", "flat"):
            row = with_faiss(options.search, options.radius, options.how)
        elif options.how == "between":
            row = between(options.search, options.radius)
        else:
            row = search(options.search, options.radius, options.how == "planted")
        print(json.dumps(row))
        return
    figures: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "codes.npy"
        kinds = {"even": even, "mild": lambda count: uneven(count, 0.0), "strong": lambda count: uneven(count, 1.0)}
        if options.codes:
            given, figures["given"] = enlarged(np.load(options.codes), options.count)
            print("given:", figures["given"])
            kinds["given"] = lambda count: given
        for kind, make in kinds.items():
            np.save(path, make(options.count))
            for radius in RADII:
                how = "planted" if kind == "even" else "plain"
                row = figures[f"{kind}, radius {radius}"] = run_in_subprocess(
                    None, "--search", path, "--radius", radius, "--how", how
                )
                assert row
                show(kind, row)
            row = figures[f"{kind}, halves"] = run_in_subprocess(
                None, "--search", path, "--radius", 12, "--how", "between"
            )
            assert row
            show(f"{kind}, halves", row)
        for kind in ("even", "mild"):
            for count in COUNTS:
                np.save(path, kinds[kind](count))
                row = run_in_subprocess(None, "--search", path, "--radius", 12, "--how", "plain")
                assert row
                figures[f"{kind}, {count}"] = row
                show(kind, row)
        figures["faiss"] = compare_faiss(Path(name), options.bound)
    machine = {"threads": WORKERS, **describe("numba", "numpy")}
    files.write_json(options.to, {"figures": figures, "machine": machine})


if __name__ == "__main__":
    main()
