"""Compare the L2-SVM of `evaluate-features` with scikit-learn's LinearSVC: objective, predictions, time, memory.

    python benchmarks/linear_svm.py [--rounds 3] [--to benchmarks/linear_svm.json]

Both minimise the same objective on the same features in turn, A B A B …: LinearSVC with a tolerance of 1e-6, ours with
1e-4. `gap` is the relative difference of our objective from that of LinearSVC, `agree` the share of new rows that both
assign to the same class, and `ratio` the seconds of LinearSVC divided by ours, as a median over rounds. Last, the peak
memory of three iterations over 50,000 × 14,336 features in a memory-mapped file of 2.9 GB is measured.
"""

import argparse
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from machine import describe
from sklearn.datasets import make_classification
from sklearn.svm import LinearSVC

from pipeline.core import files
from pipeline.evaluate.linear_probe import l2_svm

CLASSES, NEW, THREADS, TOLERANCE = 10, 4000, 2, 1e-4
PROBLEMS = {
    "many rows": (8000, 500, 0.0),
    "unlike scales": (4000, 500, 1.0),
    "more features than rows": (1000, 4000, 0.0),
}
MAPPED = (50_000, 14_336)


def compare(rows: int, features: int, scale: float, c: float, rounds: int) -> dict[str, float]:
    """Solve one problem with both; the scales of its positive features span a factor of 10^(2 · scale)."""
    x, y = make_classification(rows + NEW, features, n_informative=40, n_classes=CLASSES, class_sep=0.8, random_state=1)
    x = (np.abs(x) * np.logspace(-scale, scale, features)).astype(np.float32)
    signs = np.where(y[:rows, None] == np.arange(CLASSES), 1, -1).astype(np.float32)
    costs = torch.full(signs.shape, c)
    ratios = []
    for _ in range(rounds):
        start = time.perf_counter()
        found = l2_svm.solve(
            l2_svm.FeatureRows(x[:rows]), torch.from_numpy(signs), costs, tolerance=TOLERANCE, iterations=5000
        )
        middle = time.perf_counter()
        reference = LinearSVC(C=c, tol=1e-6, max_iter=100_000, dual=rows < features).fit(x[:rows], y[:rows])
        ratios.append((time.perf_counter() - middle) / (middle - start))
    weights = np.vstack([reference.coef_.T, reference.intercept_])
    slack = np.maximum(0, 1 - signs * (x[:rows] @ weights[:-1] + weights[-1]))
    theirs = 0.5 * (weights**2).sum() + c * (slack**2).sum()
    guessed = l2_svm.FeatureRows(x[rows:]).times(found.weights).argmax(dim=1).numpy()
    return {
        "gap": float(found.objective.sum()) / float(theirs) - 1,
        "agree": float((guessed == reference.predict(x[rows:])).mean()),
        "ratio": round(statistics.median(ratios), 1),
        "iterations": found.iterations,
    }


def peak_memory() -> dict[str, float]:
    """Return the size of the features and the peak resident memory of a process that solves them, in bytes."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "features.npy"
        block = np.random.default_rng(0).random((1000, MAPPED[1]), dtype=np.float32)
        with path.open("wb") as file:
            np.lib.format.write_array_header_1_0(file, {"descr": "<f4", "fortran_order": False, "shape": MAPPED})
            for _ in range(0, MAPPED[0], len(block)):
                file.write(block.tobytes())
        peak = int(subprocess.check_output([sys.executable, __file__, "--solve", str(path)], text=True))
    size = MAPPED[0] * MAPPED[1] * 4
    return {"features": size, "peak": peak, "beside_the_features": peak - size}


def solve_mapped(path: Path) -> None:
    """Run three iterations on a memory-mapped file and print the peak resident memory in bytes."""
    features = np.load(path, mmap_mode="c")
    labels = np.arange(len(features)) % CLASSES
    signs = torch.from_numpy(np.where(labels[:, None] == np.arange(CLASSES), 1, -1).astype(np.float32))
    l2_svm.solve(l2_svm.FeatureRows(features), signs, torch.full_like(signs, 0.01), tolerance=1e-9, iterations=3)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, help="number of times each problem is solved")
    parser.add_argument("--to", type=Path, default=Path(__file__).with_suffix(".json"), help="JSON file to write")
    parser.add_argument("--solve", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(THREADS)
    if options.solve:
        solve_mapped(options.solve)
        return
    warnings.simplefilter("ignore")  # LinearSVC warns if it has not converged
    figures: dict[str, Any] = {}
    for name, (rows, features, scale) in PROBLEMS.items():
        for c in (1e-3, 1e-2):
            row = figures[f"{name}, C {c:g}"] = compare(rows, features, scale, c, options.rounds)
            print(
                f"{name:26} C {c:<6g} gap {row['gap']:9.1e}  agree {row['agree']:.4f}  ratio {row['ratio']:6.1f}  "
                f"{row['iterations']:4} iterations",
                flush=True,
            )
    memory = peak_memory()
    print(f"memory: {memory['beside_the_features'] / 1e9:.2f} GB beside features of {memory['features'] / 1e9:.2f} GB")
    machine = {"threads": THREADS, **describe("torch", "scikit-learn")}
    files.write_json(options.to, {"figures": figures, "memory": memory, "machine": machine})


if __name__ == "__main__":
    main()
