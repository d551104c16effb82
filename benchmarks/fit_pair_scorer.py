"""Fit `pipeline/dedup/scoring/pair_scorer.json` to planted copies, made by the known transforms, and to decoys.

    PYTHONPATH=. python benchmarks/fit_pair_scorer.py --pictures tiny-imagenet-64px.zip

The pictures (a folder, zip or tar of at least 64×64, on which no figure is reported) are taken whole and in quarters,
so that there are five times as many. Decoys are candidates of the very search that deduplication makes, of which one
picture is mirrored; those of one source are left out, and so are pictures without detail, as in the search. Mirrored
copies among them are taken for strangers; there are few. The result is written only with --write; else it is compared
with what is there.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pictures import read_squares, train_encoder
from sklearn.linear_model import LogisticRegression

from pipeline.dedup.encoder.codes import Codes, Encoder
from pipeline.dedup.encoder.encoder_input import to_32
from pipeline.dedup.index.candidate_pairs import find_candidates
from pipeline.dedup.index.views import encode_views
from pipeline.dedup.recall import transforms
from pipeline.dedup.recall.recall_eval import planted_copies
from pipeline.dedup.scoring import pair_scorer
from pipeline.imageset.format.image_set import Images

PLANTED = 1400
RADIUS = 15
HARD = {"jpeg20": 4.0, "quarter": 4.0, "mark": 4.0}
"""Transforms that count several times, for they leave least to know a picture by."""


def whole_and_quarters(images: Images) -> tuple[Images, np.ndarray]:
    """uint8 (n, 64, 64, 3) as uint8 (5n, 32, 32, 3), and which picture each is of."""
    parts = [images[:, y : y + 32, x : x + 32] for y in (0, 32) for x in (0, 32)]
    return np.concatenate([to_32(images), *parts]), np.tile(np.arange(len(images)), 5)


def encode(pictures: Images, encoder: Encoder) -> Codes:
    """Codes of all views, in blocks."""
    return np.concatenate(
        [encode_views(pictures[s : s + 4096], encoder) for s in range(0, len(pictures), 4096)], axis=1
    )


def decoy_pairs(pictures: Images, sources: np.ndarray, encoder: Encoder) -> tuple[np.ndarray, np.ndarray]:
    """Which pictures of other sources the search lets meet, the left one mirrored: rows, int64 (n,) each."""
    mirrored = np.ascontiguousarray(pictures[:, :, ::-1])
    left, right = find_candidates(
        encode(mirrored, encoder),
        encode(pictures, encoder),
        RADIUS,
        within=True,
        most=10_000_000,
        title="find decoys",
    )
    enough = pair_scorer.detail(pictures) >= pair_scorer.MIN_DETAIL
    other = (sources[left] != sources[right]) & enough[left] & enough[right]
    return left[other], right[other]


def regression(
    strangers: np.ndarray, copies: np.ndarray, counts: np.ndarray, names: Sequence[str]
) -> tuple[dict[str, Any], list[float]]:
    """The weights that tell copies from strangers, as the tables hold them, and the ten highest scores of strangers.

    Args:
        strangers, copies: measurements, float64 (n, features) each.
        counts: how much each counts, strangers first.
        names: of the features.
    """
    values = np.concatenate([strangers, copies])
    truth = np.arange(len(values)) >= len(strangers)
    mean, scale = values.mean(axis=0), values.std(axis=0)
    model = LogisticRegression(max_iter=10_000, tol=1e-8).fit((values - mean) / scale, truth, sample_weight=counts)
    weights = model.coef_[0] / scale
    intercept = float(model.intercept_[0] - weights @ mean)
    table = {
        "weights": {name: round(float(weight), 6) for name, weight in zip(names, weights, strict=True)},
        "intercept": round(intercept, 6),
    }
    return table, [round(float(score), 2) for score in np.sort(strangers @ weights + intercept)[::-1][:10]]


def compare(table: dict[str, Any], there: dict[str, Any], file: Path) -> None:
    """Print what was fitted, and how far it is from the table that is there."""
    furthest = max(abs(table["weights"][name] - there["weights"][name]) for name in there["weights"])
    print(
        json.dumps(table["fitted_to"], indent=1),
        f"largest difference of a weight to {file.name}: {furthest:.6f}",
        sep="\n",
    )


def fit(pictures: Images, sources: np.ndarray, seed: int) -> dict[str, Any]:
    """The table of weights, and what they were fitted to."""
    encoder = train_encoder(pictures)
    left, right = decoy_pairs(pictures, sources, encoder)
    strangers = pair_scorer.measure(pictures[left][:, :, ::-1], pictures[right])
    with_detail = np.flatnonzero(pair_scorer.detail(pictures) >= pair_scorer.MIN_DETAIL)
    rows = np.random.default_rng(seed).choice(with_detail, PLANTED, replace=False)
    copies = {
        name: pair_scorer.measure(pictures[rows], planted_copies(pictures[rows], name, seed))
        for name in transforms.KNOWN
    }
    counts = np.concatenate([np.ones(len(strangers)), *(np.full(PLANTED, HARD.get(name, 1.0)) for name in copies)])
    table, highest = regression(strangers, np.concatenate(list(copies.values())), counts, pair_scorer.FEATURES)
    return {
        **table,
        "fitted_to": {
            "pictures": len(pictures),
            "decoys": len(strangers),
            "copies_of_each_transform": PLANTED,
            "transforms": list(transforms.KNOWN),
            "seed": seed,
            "highest_scores_of_decoys": highest,
        },
    }


def main() -> None:
    """Fit, and write or compare."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--pictures", type=Path, required=True, help="folder, zip or tar of pictures of 64×64 or more")
    parser.add_argument("--seed", type=int, default=20151119)
    parser.add_argument("--write", action="store_true", help="replace pipeline/dedup/scoring/pair_scorer.json")
    arguments = parser.parse_args()
    pictures, sources = whole_and_quarters(read_squares(arguments.pictures, 64))
    table = fit(pictures, sources, arguments.seed)
    file = Path(pair_scorer.__file__).with_suffix(".json")
    if arguments.write:
        file.write_text(json.dumps(table, indent=1) + "\n")
    compare(table, json.loads(file.read_text()), file)


if __name__ == "__main__":
    main()
