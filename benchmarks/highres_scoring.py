"""Measure recall, false positives and speed of the high-resolution score at 64 and 128 pixels, compared with 32.

    PYTHONPATH=. python benchmarks/highres_scoring.py --learn tiny-imagenet-64px.zip --imagenet FOLDER|ZIP \\
        --bedrooms FOLDER|ZIP [--to benchmarks/highres_scoring.json]

The encoder is trained on `--learn`. The benchmark uses only those pictures of `--imagenet` that
`fit_pair_scorer_highres.py` leaves out; no weights were fitted to the bedrooms.

Recall: pictures of each set are copied by each transform at the size of the source, and the copies are prepared again
at 128 pixels; the share of copies that are candidates and pass is reported. False positives are counted on two kinds of
pairs: decoys (pairs of random squares from different sources, one mirrored), and pairs of a picture and a synthetic one
that has the same coarse structure and the detail of another picture. Speed: pairs per second of one process, on pairs
that are all compared at the larger side.
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
from fit_pair_scorer_highres import cut, decoy_pairs, squares, with_other_detail
from machine import describe
from pictures import read_squares, read_whole, train_encoder

from pipeline import seeding
from pipeline.core import files
from pipeline.core.params import default_profile, load_section
from pipeline.dedup.encoder.codes import Encoder
from pipeline.dedup.encoder.encoder_input import to_32
from pipeline.dedup.index.views import are_candidates, encode_views
from pipeline.dedup.recall import transforms
from pipeline.dedup.scoring import pair_scorer_highres
from pipeline.dedup.search.pair_search import PairSearchConfig
from pipeline.imageset.format.image_set import Images

NAMES = (*transforms.KNOWN, *transforms.HELD_OUT)
SIDES: tuple[pair_scorer_highres.CompareSide, ...] = (32, 64, 128)
LARGE = 128
SEED = 1
"""Seed of the samples and of the transforms; the weights were fitted with another seed."""


def passing(left: Images, right: Images, sides: np.ndarray, section: PairSearchConfig) -> dict[str, np.ndarray]:
    """Tell by side which pairs pass, bool (n,); `sides` has the short side of the smaller source of each pair."""
    return {
        str(side): pair_scorer_highres.score(
            left, right, pair_scorer_highres.sides_with_detail(sides, side), section.score
        )
        >= section.score
        for side in SIDES
    }


def recall(sources: list[Images], originals: Images, encoder: Encoder, section: PairSearchConfig) -> dict[str, Any]:
    """Count by transform and side the copies that are found; `met` counts those that are candidates."""
    own = np.array([min(source.shape[:2]) for source in sources])
    views = encode_views(to_32(originals), encoder)
    table: dict[str, Any] = {}
    for name in NAMES:
        rng = seeding.numpy_rng(SEED, "quality", name)
        made = [transforms.apply(name, source, rng) for source in sources]
        copies = squares(made, LARGE)
        met = are_candidates(views, encode_views(to_32(copies), encoder), section.radius)
        sides = np.minimum(own, [min(copy.shape[:2]) for copy in made])
        found = passing(originals, copies, sides, section)
        table[name] = {"met": int(met.sum()), **{side: int((met & passed).sum()) for side, passed in found.items()}}
    return table


def unrelated(
    pool: list[Images],
    sources: list[Images],
    originals: Images,
    encoder: Encoder,
    section: PairSearchConfig,
    crops: int,
) -> dict[str, Any]:
    """Count decoys (squares from `pool`) and pairs of different detail: all of them, and those that pass, by side."""
    pictures, places = cut(pool, LARGE, crops, seeding.numpy_rng(SEED, "crops"))
    images = squares(pictures, LARGE)
    left, right = decoy_pairs(images, places, encoder)
    large = np.full(len(left), LARGE)
    decoys = passing(images[left][:, :, ::-1], images[right], large, section)
    own = np.array([min(source.shape[:2]) for source in sources])
    mixed = with_other_detail(originals, seeding.numpy_rng(SEED, "detail"))
    other = passing(originals, mixed, own, section)
    return {
        "squares": len(images),
        "decoys": {"of": len(left), **{side: int(passed.sum()) for side, passed in decoys.items()}},
        "other_detail": {"of": len(originals), **{side: int(passed.sum()) for side, passed in other.items()}},
    }


def speed(originals: Images) -> dict[str, int]:
    """Return the pairs scored per second, by side."""
    found = {}
    for side in SIDES:
        everyone = np.full(len(originals), side)
        pair_scorer_highres.score(originals[:2], originals[:2], everyone[:2], 0.0)  # compile first
        started = time.perf_counter()
        pair_scorer_highres.score(originals, originals, everyone, 0.0)
        found[str(side)] = round(len(originals) / (time.perf_counter() - started))
    return found


def show(title: str, of: int, one: dict[str, Any]) -> None:
    """Print the results of a set as a table."""
    print(
        f"\n{title}, {of} copies of each transform\n{'':14}"
        + "".join(f"{name:>8}" for name in ("met", *map(str, SIDES)))
    )
    for name, row in one["recall"].items():
        print(f"{name:14}" + "".join(f"{count / of:8.3f}" for count in row.values()))
    for name in ("decoys", "other_detail"):
        print(name, one["unrelated"][name])


def main() -> None:
    """Measure, print and write the results."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    for name in ("learn", "imagenet", "bedrooms"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--sample", type=int, default=200, help="maximum number of pictures per set")
    parser.add_argument("--crops", type=int, default=12, help="random squares per picture, for decoys")
    parser.add_argument("--to", type=Path, default=Path(__file__).with_suffix(".json"))
    options = parser.parse_args()
    section = load_section(default_profile(), "dedup.imagenet.pairs", PairSearchConfig)
    encoder = train_encoder(read_squares(options.learn, 32))
    sets = {"ImageNet, full size": read_whole(options.imagenet)[1::2], "bedrooms": read_whole(options.bedrooms)}
    result: dict[str, Any] = {
        "machine": describe("numpy", "numba", "torch", "pillow"),
        "sets": {},
    }
    for title, pictures in sets.items():
        rows = np.sort(seeding.numpy_rng(SEED, "quality").permutation(len(pictures))[: options.sample])
        sources = [pictures[row] for row in rows]
        originals = squares(sources, LARGE)
        found = {
            "recall": recall(sources, originals, encoder, section),
            "unrelated": unrelated(pictures, sources, originals, encoder, section, options.crops),
        }
        result["sets"][title] = {"of": len(sources), **found}
        show(title, len(sources), found)
        result["pairs_a_second"] = speed(originals)
        print(result["pairs_a_second"], flush=True)
        files.write_text(options.to, json.dumps(result, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
