"""Compare upside-down decoys with mirrored matches that are false, as people judged them.

    PYTHONPATH=. python benchmarks/mirrored_decoys.py --cifar10 FOLDER|ZIP [--imagenet FOLDER|ZIP|PARQUET] \\
        [--to benchmarks/mirrored_decoys.json]

If mirrored copies are removed, false mirrored matches are false removals. Their number could be estimated from decoys
that are no mirrored copies: pairs in which one picture was turned upside down, or by 180 degrees. This benchmark tells
whether it can. It searches mirrored matches and both kinds of decoys at the threshold 0.

In CIFAR-10, people judged the mirrored matches (`cifar10_decoys.csv`: two row numbers and a label). Those labelled
`similar` or `different` are false; matches that are also accepted unchanged are left out, as in a removal. A factor is
chosen in one half of the pairs and applied to the other half. In ImageNet there are no labels, but mirrored copies are
rare. Below a score of 0, mirrored copies are rare in both sets, so all mirrored matches count as false there.

Also measured: what the share of false matches among the judged ones says about the others, if the matches with the
lowest scores are judged first, or matches at random.
"""

import argparse
import csv
import hashlib
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from machine import describe
from pictures import read_squares, train_set, write_set

from pipeline import seeding
from pipeline.core import files
from pipeline.core.params import default_profile, load_section
from pipeline.dedup.encoder.autoencoder import AutoencoderConfig
from pipeline.dedup.search.pair_search import PairSearch, PairSearchConfig
from pipeline.imageset.format.image_set import Images, ImageSet
from pipeline.intervals import binomial_interval
from pipeline.workflows.deduplicate import STEPS_OF_TRAINING

KINDS = ("unchanged", "mirrored", "upside_down", "turned_by_180")
THRESHOLDS = (-6, -5, -4, -3, -2, -1, 0, 1, 2, 3)
DEFAULT = 3.0
JUDGED = 20
"""Number of matches that are judged in the trial of estimates from judgements."""

DRAWS = 2000

Scores = dict[tuple[int, int], float]


def search(pictures: Images) -> dict[str, Scores]:
    """Return the scores of the candidate pairs of each kind: (smaller row, larger row) -> score.

    A search of a set against its pictures turned upside down finds upside-down pairs, and with mirrored left pictures
    pairs of which one was turned by 180 degrees.
    """
    section = load_section(default_profile(), "dedup.imagenet.pairs", PairSearchConfig)
    learn = load_section(default_profile(), "dedup.imagenet.autoencoder", AutoencoderConfig)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        images = write_set(pictures, folder / "set")
        train_set(images, learn, folder / "encoder", steps=STEPS_OF_TRAINING)
        turned = write_set(np.ascontiguousarray(pictures[:, ::-1]), folder / "turned", first=len(pictures))
        encoder = folder / "encoder" / "encoder.safetensors"
        found = [
            *PairSearch(ImageSet(images), None, encoder, section, 2).score().compared,
            *PairSearch(ImageSet(turned), ImageSet(images), encoder, section, 2).score().compared,
        ]
    kinds: dict[str, Scores] = {}
    for kind, one in zip(KINDS, found, strict=True):
        rows = zip(one.left.tolist(), one.right.tolist(), one.score.tolist(), strict=True)
        kinds[kind] = {(left, right): score for left, right, score in rows if left < right}
    return kinds


def ratio(false: int, decoys: int) -> dict[str, Any]:
    """Return the ratio of two Poisson counts, with its exact 95 % interval given their sum; None for no bound."""
    low, high = binomial_interval(false, false + decoys)
    bounds = [None if share == 1 else round(share / (1 - share), 2) for share in (low, high)]
    return {
        "false": false,
        "decoys": decoys,
        "ratio": round(false / decoys, 2) if decoys else None,
        "interval": bounds,
    }


def at_least(scores: Scores, least: float) -> int:
    """Return the number of pairs with at least this score."""
    return sum(score >= least for score in scores.values())


def without_pairs(kinds: dict[str, Scores], least: float) -> Scores:
    """Return the mirrored matches with at least this score that are not also accepted unchanged."""
    unchanged = kinds["unchanged"]
    return {
        pair: score
        for pair, score in kinds["mirrored"].items()
        if score >= least and unchanged.get(pair, -np.inf) < least
    }


def in_first_half(pair: tuple[int, int]) -> bool:
    """Return whether a pair is in the half in which the factor is chosen; a hash decides."""
    return hashlib.sha256(f"{pair[0]},{pair[1]}".encode()).digest()[0] < 128


def calibrate(kinds: dict[str, Scores], labels: dict[tuple[int, int], str]) -> dict[str, Any]:
    """Choose a factor in one half, and apply it to the other half."""
    by_threshold = {}
    for least in (0.0, 1.0, 2.0, DEFAULT):
        matches = without_pairs(kinds, least)
        missing = [pair for pair in matches if pair not in labels]
        false = [pair for pair in matches if labels.get(pair) in ("similar", "different")]
        decoys = [pair for pair, score in kinds["upside_down"].items() if score >= least]
        halves = [
            ratio(
                *(sum(in_first_half(pair) is first for pair in pairs) for pairs in (false, decoys)),
            )
            for first in (True, False)
        ]
        factor = halves[0]["ratio"]
        by_threshold[f"{least:g}"] = {
            "matches": len(matches),
            "without_label": len(missing),
            "chosen_in": halves[0],
            "reported_in": halves[1],
            "predicted": round(factor * halves[1]["decoys"], 1) if factor else None,
            "both": ratio(len(false), len(decoys)),
        }
    return by_threshold


def judge_some(kinds: dict[str, Scores], labels: dict[tuple[int, int], str]) -> dict[str, Any]:
    """Estimate the share of false matches among all from `JUDGED` judged ones, in two orders of judging."""
    matches = without_pairs(kinds, DEFAULT)
    in_order = sorted(matches, key=lambda pair: (matches[pair], pair))
    wrong = np.array([labels.get(pair) in ("similar", "different") for pair in in_order])
    rest = wrong[JUDGED:]
    found = int(wrong[:JUDGED].sum())
    rng = seeding.numpy_rng(1, "judged")
    covered = above = 0
    for _ in range(DRAWS):
        order = rng.permutation(len(wrong))
        low, high = binomial_interval(int(wrong[order[:JUDGED]].sum()), JUDGED)
        share = wrong[order[JUDGED:]].mean()
        covered += low <= share <= high
        above += share > high
    return {
        "matches": len(wrong),
        "false": int(wrong.sum()),
        "judged": JUDGED,
        "lowest_first": {
            "false": found,
            "expected_in_the_rest": round(found / JUDGED * len(rest), 1),
            "interval": [round(bound * len(rest), 1) for bound in binomial_interval(found, JUDGED)],
            "false_in_the_rest": int(rest.sum()),
        },
        "at_random": {
            "draws": DRAWS,
            "share_in_interval": round(covered / DRAWS, 4),
            "share_above_interval": round(above / DRAWS, 4),
        },
    }


def main() -> None:
    """Search, count, print and write the results."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--cifar10", type=Path, required=True)
    parser.add_argument("--imagenet", type=Path)
    parser.add_argument("--judged", type=Path, default=Path(__file__).with_name("cifar10_decoys.csv"))
    parser.add_argument("--to", type=Path, default=Path(__file__).with_suffix(".json"))
    options = parser.parse_args()
    with options.judged.open(newline="") as file:
        labels = {(int(row["left"]), int(row["right"])): row["label"] for row in csv.DictReader(file)}
    result: dict[str, Any] = {"machine": describe("numpy", "numba", "torch"), "sets": {}}
    for name in ("cifar10", "imagenet"):
        if path := getattr(options, name):
            pictures = read_squares(path, 32)
            kinds = search(pictures)
            counts = {kind: [at_least(scores, least) for least in THRESHOLDS] for kind, scores in kinds.items()}
            below = [
                sum(-6 <= score < 0 for score in kinds[kind].values())
                for kind in ("mirrored", "upside_down", "turned_by_180")
            ]
            result["sets"][name] = {
                "pictures": len(pictures),
                "thresholds": THRESHOLDS,
                "accepted": counts,
                "scores_from_-6_to_0": {
                    "upside_down": ratio(below[0], below[1]),
                    "turned_by_180": ratio(below[0], below[2]),
                },
            }
            if name == "cifar10":
                result["sets"][name] |= {"labels": calibrate(kinds, labels), "judging": judge_some(kinds, labels)}
            print(name, json.dumps(result["sets"][name], indent=1))
            files.write_text(options.to, json.dumps(result, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
