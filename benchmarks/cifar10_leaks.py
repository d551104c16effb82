"""Find test pictures of CIFAR-10 that are in its training set, and evaluate human judgements of the pairs.

    PYTHONPATH=. python benchmarks/cifar10_leaks.py --cifar10 FOLDER|ZIP [--to benchmarks/cifar10_leaks.json]

FOLDER has `test/` and `train/`. Near mode searches pairs between the two, as `dcgan dedup TEST --against TRAIN` does.
It is compared with pHash at a distance of at most 14 of 64 bits and a correlation of at least 0.85.

`cifar10_leaks.csv` has the judged pairs, by row numbers in key order. They were shown at three times their size and
without distances. First, in random order, 368 accepted pairs, 60 pairs whose score was at most 3 below the threshold,
and 50 random pairs of pictures that occur in accepted pairs (some of these are frames of one film, and so copies);
then, separately, 80 pairs that only pHash accepted. The labels are those of verdicts.
"""

import argparse
import csv
import hashlib
import json
import math
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from dedup_baselines import phash, standardised
from machine import describe
from pictures import read_squares, train_set, write_set

from pipeline.core import files
from pipeline.core.params import default_profile, load_section
from pipeline.dedup.encoder.autoencoder import AutoencoderConfig
from pipeline.dedup.search import cross_set_matches, pair_search
from pipeline.imageset.format.image_set import Images
from pipeline.intervals import binomial_interval
from pipeline.workflows.deduplicate import STEPS_OF_TRAINING

Found = set[tuple[int, int]]
THRESHOLDS = (3.0, 2.75, 2.4, 2.0, 1.5, 1.0, 0.0)
RIGHT = ("same_bytes", "same_pixels", "near")


def near_mode(test: Images, train: Images) -> tuple[dict[tuple[int, int], float], dict[str, Any]]:
    """Return the pairs of rows that near mode accepts or nearly accepts, with their scores, and its counts."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sets = write_set(test, folder / "test"), write_set(train, folder / "train", first=len(test))
        learn = load_section(default_profile(), "dedup.imagenet.autoencoder", AutoencoderConfig)
        train_set(sets[1], learn, folder / "encoder", steps=STEPS_OF_TRAINING)
        section = load_section(default_profile(), "dedup.imagenet.pairs", pair_search.PairSearchConfig)
        about = cross_set_matches.find_matches(*sets, folder / "encoder", section, workers=2, to=folder / "matches")
        scores = {}
        for name in ("misses", "matches"):
            rows = pq.read_table(folder / "matches" / f"{name}.parquet").to_pydict()
            scores |= dict(zip(zip(rows["left"], rows["right"], strict=True), rows["score"], strict=True))
    return scores, {"score": section.score} | {name: about[name] for name in ("decoys", "near_misses")}


def by_threshold(judged: list[dict[str, str]], scores: dict[tuple[int, int], float], counts: dict[str, int]) -> Any:
    """Precision and recall of the judged pairs at several thresholds, in each half of them.

    One half, chosen by a hash of the pair, is for choosing a threshold and the other one for reporting. A judged pair
    stands for as many pairs as its kind has for each one that was drawn.

    Args:
        judged: the labels.
        scores: by pair; pairs that are missing were no candidates, or scored low.
        counts: number of pairs of each kind that the judged ones were drawn from.
    """
    drawn = Counter(row["shown_as"] for row in judged)
    table: dict[str, Any] = {}
    for half in ("choosing", "reporting"):
        rows = [row for row in judged if row["shown_as"] in counts and half_of(row) == half]
        weights = [counts[row["shown_as"]] / drawn[row["shown_as"]] for row in rows]
        right = [row["label"] in RIGHT for row in rows]
        values = [scores.get((int(row["test"]), int(row["train"])), -math.inf) for row in rows]
        table[half] = {}
        for least in THRESHOLDS:
            accepted = sum(weight for weight, value in zip(weights, values, strict=True) if value >= least)
            hits = sum(
                w for w, value, is_right in zip(weights, values, right, strict=True) if value >= least and is_right
            )
            found = sum(value >= least and is_right for value, is_right in zip(values, right, strict=True))
            table[half][f"{least:g}"] = {
                "precision": round(hits / accepted, 4),
                "recall_of_judged": round(found / sum(right), 4),
                "right_pairs": sum(right),
            }
    return table


def half_of(row: dict[str, str]) -> str:
    """The half that a judged pair belongs to."""
    return ("choosing", "reporting")[hashlib.sha256(f"{row['test']},{row['train']}".encode()).digest()[-1] % 2]


def with_phash(test: Images, train: Images) -> Found:
    """Return the pairs of rows that pHash and the correlation accept."""
    hashes, pixels = [phash(one)[:, 0] for one in (test, train)], [standardised(one) for one in (test, train)]
    found: Found = set()
    for row, value in enumerate(hashes[0]):
        near = np.flatnonzero(np.bitwise_count(hashes[1] ^ value) <= 14)
        alike = near[pixels[1][near] @ pixels[0][row] >= 0.85]
        found |= {(row, other) for other in alike.tolist()}
    return found


def main() -> None:
    """Search, count, print and write the results."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--cifar10", type=Path, required=True)
    parser.add_argument("--judged", type=Path, default=Path(__file__).with_suffix(".csv"))
    parser.add_argument("--to", type=Path, default=Path(__file__).with_suffix(".json"))
    options = parser.parse_args()
    test, train = (read_squares(options.cifar10, 32, f"{part}/") for part in ("test", "train"))
    scores, figures = near_mode(test, train)
    near = {pair for pair, score in scores.items() if score is None or score >= figures["score"]}
    plain = with_phash(test, train)
    with options.judged.open(newline="") as file:
        judged = list(csv.DictReader(file))
    # Only the random sample of accepted pairs estimates the precision.
    drawn = [row for row in judged if row["shown_as"] == "accepted"]
    accepted = [row["label"] for row in drawn if (int(row["test"]), int(row["train"])) in near]
    right = sum(label in RIGHT for label in accepted)
    result: dict[str, Any] = {
        "near": {"pairs": len(near), "test_pictures": len({row for row, _ in near}), **figures},
        "pHash, 14 of 64 bits, correlation 0.85": {
            "pairs": len(plain),
            "test_pictures": len({row for row, _ in plain}),
            "in_near_too": len(plain & near),
        },
        "labels": {
            kind: dict(sorted(Counter(row["label"] for row in judged if row["shown_as"] == kind).items()))
            for kind in ("accepted", "missed", "control", "phash_only")
        },
        "by_threshold": by_threshold(
            judged,
            {pair: math.inf if score is None else score for pair, score in scores.items()},
            {"accepted": len(near), "missed": figures["near_misses"], "phash_only": len(plain - near)},
        ),
        "drawn_and_accepted_now": len(accepted),
        "right": right,
        "precision": round(right / len(accepted), 4),
        "interval": [round(bound, 4) for bound in binomial_interval(right, len(accepted))],
        "machine": describe("numpy", "numba", "torch", "imagehash"),
    }
    print(json.dumps(result, indent=1))
    files.write_text(options.to, json.dumps(result, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
