"""Fit the weights for one side in `pair_scorer_highres.json`, as `fit_pair_scorer.py` does for 32×32 pixels.

    export PYTHONPATH=.
    python benchmarks/fit_pair_scorer_highres.py --side 64 --whole tiny-imagenet-64px.zip --crops imagenet-fullsize.zip
    python benchmarks/fit_pair_scorer_highres.py --side 128 --crops imagenet-fullsize.zip

The pictures are those of `--whole` and random squares, at least as large as the side, from every other picture of
`--crops`; no reported result uses them. Copies are made at the size of the picture and prepared again; copies with too
few pixels are left out, as in the search. Unrelated pairs are decoys of different sources that the search finds, and
pairs that agree only in coarse structure: a picture, and the same picture with the detail of another one. With --write
the result replaces that side's weights in `pipeline/dedup/scoring/pair_scorer_highres.json`; otherwise it is only
compared with them.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from fit_pair_scorer import compare, decoy_pairs, regression
from pictures import read_whole, train_encoder
from scipy.fft import dctn, idctn

from pipeline import seeding
from pipeline.dedup.encoder.encoder_input import to_32
from pipeline.dedup.recall import transforms
from pipeline.dedup.scoring import pair_scorer, pair_scorer_highres
from pipeline.imageset.format.image_set import Images
from pipeline.prepare.resize import resize

CROPS = 24
"""Number of random squares per large picture."""


def cut(images: list[Images], side: int, count: int, rng: np.random.Generator) -> tuple[list[Images], np.ndarray]:
    """Cut random squares of at least `side` pixels out of each large enough picture; return their indices too."""
    pictures, places = [], []
    for place, image in enumerate(images):
        short = min(image.shape[:2])
        for _ in range(count if short >= side else 0):
            wide = int(rng.integers(side, short + 1))
            top, left = (int(rng.integers(0, extent - wide + 1)) for extent in image.shape[:2])
            pictures.append(image[top : top + wide, left : left + wide].copy())
            places.append(place)
    return pictures, np.array(places, np.int64)


def read(options: argparse.Namespace) -> tuple[list[Images], np.ndarray]:
    """Read pictures of any size; also return the number of the source of each."""
    whole = read_whole(options.whole) if options.whole else []
    large = read_whole(options.crops)[::2] if options.crops else []
    pictures, places = cut(large, options.side, CROPS, seeding.numpy_rng(options.seed, "crops"))
    return whole + pictures, np.concatenate([np.arange(len(whole)), len(whole) + places])


def squares(pictures: list[Images], side: int) -> Images:
    """Resize and crop pictures as the prepare stages do: uint8 (n, side, side, 3)."""
    return np.stack([resize(picture, side=side, method="area") for picture in pictures])


def measure_highres(left: Images, right: Images) -> np.ndarray:
    """Measure pairs at the larger side: float64 (n, 17)."""
    return pair_scorer_highres.measure(left, right, to_32(left), to_32(right))


def with_other_detail(images: Images, rng: np.random.Generator) -> Images:
    """Replace the detail of each picture, above a random frequency in 16..32 half periods, by that of the next one."""
    out = np.empty_like(images)
    waves = dctn(images.astype(np.float64), axes=(1, 2), norm="ortho")
    length = np.hypot(*np.mgrid[0 : images.shape[1], 0 : images.shape[1]])
    for n in range(len(images)):
        coarse = (length < rng.uniform(16, 32))[..., None]
        mixed = np.where(coarse, waves[n], waves[(n + 1) % len(images)])
        out[n] = idctn(mixed, axes=(0, 1), norm="ortho").round().clip(0, 255)
    return out


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Measure decoys, pairs of different detail, and copies by transform."""
    pictures, sources = read(options)
    images = squares(pictures, options.side)
    small = to_32(images)
    left, right = decoy_pairs(small, sources, train_encoder(small))
    unrelated = measure_highres(images[left][:, :, ::-1], images[right])
    rng = seeding.numpy_rng(options.seed, "copies")
    with_detail = np.flatnonzero(pair_scorer.detail(small) >= pair_scorer.MIN_DETAIL)
    rows = rng.choice(with_detail, options.planted, replace=False)
    copies = {}
    for name in transforms.KNOWN:
        chance = seeding.numpy_rng(options.seed, "copies", name)
        made = [transforms.apply(name, pictures[row], chance) for row in rows]
        short_sides = np.array([min(copy.shape[:2]) for copy in made])
        holds = pair_scorer_highres.sides_with_detail(short_sides, options.side) == options.side
        copies[name] = measure_highres(images[rows[holds]], squares(made, options.side)[holds])
    other = measure_highres(images[rows], with_other_detail(images[rows], rng))
    return {"decoys": unrelated, "other": other, "copies": copies, "pictures": len(images)}


def fit(found: dict[str, Any], options: argparse.Namespace) -> dict[str, Any]:
    """Fit the weights; return them with a description of the data."""
    unrelated = np.concatenate([found["decoys"], found["other"]])
    copies = np.concatenate(list(found["copies"].values()))
    # Both classes get equal weight: the score at 32×32 already accounts for how rare copies are.
    counts = np.concatenate([np.full(len(unrelated), len(copies) / len(unrelated)), np.ones(len(copies))])
    table, highest = regression(unrelated, copies, counts, pair_scorer_highres.FEATURES)
    return {
        **table,
        "fitted_to": {
            "pictures": found["pictures"],
            "decoys": len(found["decoys"]),
            "pairs_of_other_detail": len(found["other"]),
            "copies": {name: len(rows) for name, rows in found["copies"].items()},
            "seed": options.seed,
            "highest_of_strangers": highest,
        },
    }


def main() -> None:
    """Fit the weights, then write or compare them."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--side", type=int, choices=(64, 128), required=True)
    parser.add_argument("--whole", type=Path, help="folder, zip or tar of pictures of at least the side; used whole")
    parser.add_argument(
        "--crops", type=Path, help="folder, zip or tar of large pictures; squares are cut out of every other one"
    )
    parser.add_argument("--planted", type=int, default=600, help="copies of each transform")
    parser.add_argument("--seed", type=int, default=20151119)
    parser.add_argument(
        "--write",
        action="store_true",
        help="replace the weights for that side in pipeline/dedup/scoring/pair_scorer_highres.json",
    )
    options = parser.parse_args()
    table = fit(measure(options), options)
    file = Path(pair_scorer_highres.__file__).with_suffix(".json")
    if options.write:
        there = json.loads(file.read_text()) if file.is_file() else {}
        file.write_text(json.dumps({**there, str(options.side): table}, indent=1, sort_keys=True) + "\n")
    compare(table, json.loads(file.read_text())[str(options.side)], file)


if __name__ == "__main__":
    main()
