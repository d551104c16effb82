"""Fit the weights in `pipeline/dedup/scoring/pair_scorer.json` to decoys and to copies by the known transforms.

    PYTHONPATH=. python benchmarks/fit_pair_scorer.py --pictures tiny-imagenet-64px.zip

The pictures (a folder, zip or tar of at least 64×64 pixels) are used whole and in quarters, so there are five times as
many; no reported result uses them. Decoys are candidates of the search that deduplication uses, with one picture of
each pair mirrored. Pairs from one source and pictures without detail are left out, as in the search. Real mirrored
copies among the decoys count as unrelated; there are few. With --write the result replaces the file; otherwise it is
only compared with it.
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
"""Sample weights of the transforms after which a picture is hardest to recognise; all others weigh 1."""


def whole_and_quarters(images: Images) -> tuple[Images, np.ndarray]:
    """Turn uint8 (n, 64, 64, 3) into uint8 (5n, 32, 32, 3), whole and in quarters; also return the source of each."""
    parts = [images[:, y : y + 32, x : x + 32] for y in (0, 32) for x in (0, 32)]
    return np.concatenate([to_32(images), *parts]), np.tile(np.arange(len(images)), 5)


def encode(pictures: Images, encoder: Encoder) -> Codes:
    """Encode all views of pictures, in blocks."""
    return np.concatenate(
        [encode_views(pictures[s : s + 4096], encoder) for s in range(0, len(pictures), 4096)], axis=1
    )


def decoy_pairs(pictures: Images, sources: np.ndarray, encoder: Encoder) -> tuple[np.ndarray, np.ndarray]:
    """Return the candidates from different sources, with mirrored left pictures: left and right rows, int64 (n,)."""
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
    unrelated: np.ndarray, copies: np.ndarray, counts: np.ndarray, names: Sequence[str]
) -> tuple[dict[str, Any], list[float]]:
    """Fit a logistic regression that separates copies from unrelated pairs.

    Args:
        unrelated, copies: measurements, float64 (n, features) each.
        counts: sample weights, those of the unrelated pairs first.
        names: names of the features.

    Returns:
        The weights and the intercept, as in the JSON file; the ten highest scores of unrelated pairs.
    """
    values = np.concatenate([unrelated, copies])
    truth = np.arange(len(values)) >= len(unrelated)
    mean, scale = values.mean(axis=0), values.std(axis=0)
    model = LogisticRegression(max_iter=10_000, tol=1e-8).fit((values - mean) / scale, truth, sample_weight=counts)
    weights = model.coef_[0] / scale
    intercept = float(model.intercept_[0] - weights @ mean)
    table = {
        "weights": {name: round(float(weight), 6) for name, weight in zip(names, weights, strict=True)},
        "intercept": round(intercept, 6),
    }
    return table, [round(float(score), 2) for score in np.sort(unrelated @ weights + intercept)[::-1][:10]]


def compare(table: dict[str, Any], there: dict[str, Any], file: Path) -> None:
    """Print the data that the weights were fitted to, and the largest difference from the weights in the file."""
    furthest = max(abs(table["weights"][name] - there["weights"][name]) for name in there["weights"])
    print(
        json.dumps(table["fitted_to"], indent=1),
        f"largest difference of a weight to {file.name}: {furthest:.6f}",
        sep="\n",
    )


def fit(pictures: Images, sources: np.ndarray, seed: int) -> dict[str, Any]:
    """Fit the weights; return them with a description of the data."""
    encoder = train_encoder(pictures)
    left, right = decoy_pairs(pictures, sources, encoder)
    unrelated = pair_scorer.measure(pictures[left][:, :, ::-1], pictures[right])
    with_detail = np.flatnonzero(pair_scorer.detail(pictures) >= pair_scorer.MIN_DETAIL)
    rows = np.random.default_rng(seed).choice(with_detail, PLANTED, replace=False)
    copies = {
        name: pair_scorer.measure(pictures[rows], planted_copies(pictures[rows], name, seed))
        for name in transforms.KNOWN
    }
    counts = np.concatenate([np.ones(len(unrelated)), *(np.full(PLANTED, HARD.get(name, 1.0)) for name in copies)])
    table, highest = regression(unrelated, np.concatenate(list(copies.values())), counts, pair_scorer.FEATURES)
    return {
        **table,
        "fitted_to": {
            "pictures": len(pictures),
            "decoys": len(unrelated),
            "copies_of_each_transform": PLANTED,
            "transforms": list(transforms.KNOWN),
            "seed": seed,
            "highest_scores_of_decoys": highest,
        },
    }


def main() -> None:
    """Fit the weights, then write or compare them."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--pictures", type=Path, required=True, help="folder, zip or tar of pictures from 64×64 pixels")
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
