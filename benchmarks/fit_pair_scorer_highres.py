"""Fit one side's weights in `pipeline/dedup/scoring/pair_scorer_highres.json`, as `fit_pair_scorer.py` does at 32×32.

    export PYTHONPATH=.
    python benchmarks/fit_pair_scorer_highres.py --side 64 --whole tiny-imagenet-64px.zip --crops imagenet-fullsize.zip
    python benchmarks/fit_pair_scorer_highres.py --side 128 --crops imagenet-fullsize.zip

Pictures are those of `--whole`, as they are, and squares cut at random out of every other one of `--crops`, at least as
large as the side; no figure is reported on any of them. Copies are made at a picture's own size, and prepared again.
Strangers are decoys of other sources as the search finds them, and pairs that agree in coarse things alone: a picture,
and the same with the detail of another. Copies of too few pixels are left out, as in the search. The result is
written only with --write; else it is compared with what is there.
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
"""Squares cut out of each large picture."""


def cut(images: list[Images], side: int, count: int, rng: np.random.Generator) -> tuple[list[Images], np.ndarray]:
    """Squares of at least `side` at random out of each picture that is as large, and the place of the picture."""
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
    """Pictures of any size, and which source each is of."""
    whole = read_whole(options.whole) if options.whole else []
    large = read_whole(options.crops)[::2] if options.crops else []
    pictures, places = cut(large, options.side, CROPS, seeding.numpy_rng(options.seed, "crops"))
    return whole + pictures, np.concatenate([np.arange(len(whole)), len(whole) + places])


def squares(pictures: list[Images], side: int) -> Images:
    """As the prepare stages make them: uint8 (n, side, side, 3)."""
    return np.stack([resize(picture, side=side, method="area") for picture in pictures])


def looked_at(left: Images, right: Images) -> np.ndarray:
    """Measurements of pairs: float64 (n, 17)."""
    return pair_scorer_highres.measure(left, right, to_32(left), to_32(right))


def with_other_detail(images: Images, rng: np.random.Generator) -> Images:
    """Each picture's coarse things with the detail of the next one, from a frequency of 16 to 32 half periods on."""
    out = np.empty_like(images)
    waves = dctn(images.astype(np.float64), axes=(1, 2), norm="ortho")
    length = np.hypot(*np.mgrid[0 : images.shape[1], 0 : images.shape[1]])
    for n in range(len(images)):
        coarse = (length < rng.uniform(16, 32))[..., None]
        mixed = np.where(coarse, waves[n], waves[(n + 1) % len(images)])
        out[n] = idctn(mixed, axes=(0, 1), norm="ortho").round().clip(0, 255)
    return out


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Measurements of decoys, of pairs of other detail, and of copies by transform."""
    pictures, sources = read(options)
    images = squares(pictures, options.side)
    small = to_32(images)
    left, right = decoy_pairs(small, sources, train_encoder(small))
    strangers = looked_at(images[left][:, :, ::-1], images[right])
    rng = seeding.numpy_rng(options.seed, "copies")
    with_detail = np.flatnonzero(pair_scorer.detail(small) >= pair_scorer.MIN_DETAIL)
    rows = rng.choice(with_detail, options.planted, replace=False)
    copies = {}
    for name in transforms.KNOWN:
        chance = seeding.numpy_rng(options.seed, "copies", name)
        made = [transforms.apply(name, pictures[row], chance) for row in rows]
        holds = pair_scorer_highres.has_detail(np.array([min(copy.shape[:2]) for copy in made]), options.side)
        copies[name] = looked_at(images[rows[holds]], squares(made, options.side)[holds])
    other = looked_at(images[rows], with_other_detail(images[rows], rng))
    return {"decoys": strangers, "other": other, "copies": copies, "pictures": len(images)}


def fit(found: dict[str, Any], options: argparse.Namespace) -> dict[str, Any]:
    """The table of weights, and what they were fitted to."""
    strangers = np.concatenate([found["decoys"], found["other"]])
    copies = np.concatenate(list(found["copies"].values()))
    # Both weigh the same: what is fitted is evidence, and how rare copies are is in the score at 32×32 already.
    counts = np.concatenate([np.full(len(strangers), len(copies) / len(strangers)), np.ones(len(copies))])
    table, highest = regression(strangers, copies, counts, pair_scorer_highres.FEATURES)
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
    """Fit, and write or compare."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--side", type=int, choices=(64, 128), required=True)
    parser.add_argument("--whole", type=Path, help="folder, zip or tar of pictures of at least the side")
    parser.add_argument("--crops", type=Path, help="the same, of large pictures, of which every other one is used")
    parser.add_argument("--planted", type=int, default=600, help="copies of each transform")
    parser.add_argument("--seed", type=int, default=20151119)
    parser.add_argument(
        "--write",
        action="store_true",
        help="replace that side's part of pipeline/dedup/scoring/pair_scorer_highres.json",
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
