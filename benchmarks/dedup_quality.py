"""Measure recall and precision of near mode, compared with the paper's exact codes and with perceptual hashes.

    PYTHONPATH=. python benchmarks/dedup_quality.py --imagenet FOLDER|ZIP --bedrooms FOLDER|ZIP --tiny FOLDER|ZIP \\
        --cifar10 FOLDER|ZIP [--only recall|parts|precision] [--to benchmarks/dedup_quality.json]

Recall: a sample of each set is copied by each transform at the size of the source, and the copies are prepared again
like the pictures of the set; recall is the share of copies that a detector finds. The autoencoders are trained on the
set without the copies. The weights of the pair scorer and the threshold were chosen on Tiny ImageNet, which is
reported for completeness.

Parts: copies that show a part of the original, or have it as a part, and copies with a caption are saved as JPEGs, as
are the originals. `dcgan dedup ORIGINALS --against COPIES` reads both at 128 pixels per side; recall is the share of
copies that are matched to their original. Other matches are counted apart: the 300 bedrooms contain three pairs of
near-duplicates, which give up to six such matches for each transform.

Precision: near mode searches 10, 20, 40 and 60 thousand pictures of CIFAR-10; the accepted pairs and the accepted
decoys (pairs in which one picture was mirrored) are counted. A decoy does not count if a person judged it to be a real
mirrored copy (`--judged`, a CSV file with the columns left,right,label: two row numbers and a label). `--labels-only`
reads the previous results and applies the current labels without a search. `--only` repeats a part of the measurements.

The extrapolation to LSUN's 3,033,042 bedrooms assumes that two unrelated bedrooms pass as copies as often as two
unrelated pictures of CIFAR-10 do, so that the number of false pairs grows with the square of the size of the set.
"""

import argparse
import csv
import json
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from dedup_baselines import detectors
from machine import describe
from pictures import read_squares, read_whole, train_set, write_set
from PIL import Image

from pipeline import seeding
from pipeline.core import files
from pipeline.core.params import default_profile, load_section
from pipeline.dedup.encoder import codes
from pipeline.dedup.encoder.autoencoder import AutoencoderConfig
from pipeline.dedup.recall import recall_eval, transforms
from pipeline.dedup.search import find_pairs, pair_search
from pipeline.imageset.format.image_set import Images
from pipeline.intervals import binomial_interval, poisson_interval
from pipeline.prepare.resize import resize
from pipeline.workflows.deduplicate import STEPS_OF_TRAINING
from pipeline.workflows.find_duplicates import find_duplicates

NAMES = (*transforms.KNOWN, *transforms.HELD_OUT)
FLOORS = dict.fromkeys(transforms.KNOWN, 0.70) | dict.fromkeys(
    ("jpeg80", "jpeg50", "jpeg20", "half", "quarter", "crop1", "crop2", "brighter5", "darker5", "mark"), 0.97
)
GOALS = {"cut15": 0.95, "cut30": 0.75, "cut45": 0.40, "caption": 0.60}
"""Goals of the recall of copies that show a part of a photograph, or a photograph with a caption."""
PHOTOGRAPHS = 300
"""Maximum number of photographs of a set that are copied at full size."""
BEDROOMS = 3_033_042
SEED = 1
"""Seed of the samples and of the transforms; the pair scorer was fitted with another seed."""

Find = Callable[[Images, Images], np.ndarray]


def near_and_exact(pictures: Images, folder: Path) -> dict[str, Find]:
    """Return both modes, each with an encoder trained on uint8 (n, 32, 32, 3) with the parameters of its profile."""
    images = write_set(pictures, folder / "set")
    found: dict[str, Find] = {}
    for mode, profile in (("near", "workstation.yaml"), ("exact", "paper.yaml")):
        file = default_profile().with_name(profile)
        section = load_section(file, "dedup.imagenet.autoencoder", AutoencoderConfig)
        encoder = train_set(images, section, folder / mode, steps=STEPS_OF_TRAINING)
        detector = load_section(file, "dedup.imagenet.pairs", pair_search.PairSearchConfig)
        found[mode] = lambda a, b, encoder=encoder, detector=detector: recall_eval.detected(a, b, encoder, detector)
    return found


def recall(sources: list[Images], trained_on: Images, sample: int) -> dict[str, Any]:
    """Count the copies that each detector finds, by transform.

    Args:
        sources: pictures of any size to copy.
        trained_on: uint8 (n, 32, 32, 3), the set that the autoencoders are trained on.
        sample: number of copies per transform.

    Returns:
        `of`: number of copies per transform; `found`: number of found copies, by transform and detector.
    """
    rows = np.sort(seeding.numpy_rng(SEED, "quality").permutation(len(sources))[:sample])
    originals = np.stack([resize(sources[row], side=32, method="area") for row in rows])
    with tempfile.TemporaryDirectory() as folder:
        finders = near_and_exact(trained_on, Path(folder))
        finders |= {one.name: one.found for one in detectors()}
        table: dict[str, Any] = {}
        for name in NAMES:
            rng = seeding.numpy_rng(SEED, "quality", name)
            copies = np.stack(
                [resize(transforms.apply(name, sources[row], rng), side=32, method="area") for row in rows]
            )
            table[name] = {title: int(find(originals, copies).sum()) for title, find in finders.items()}
    return {"of": len(rows), "found": table}


def parts(sources: list[Images]) -> dict[str, Any]:
    """Count the copies of `transforms.PARTS` that a search at the sources' detail finds, and its other matches."""
    table: dict[str, Any] = {}
    others = 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        save_pictures(sources, folder / "originals")
        for title in (*transforms.PARTS, "caption", "letterbox"):
            rng = seeding.numpy_rng(SEED, "quality", "parts", title)
            copies = folder / title
            save_pictures([transforms.apply(title, source, rng) for source in sources], copies)
            found = find_duplicates(
                folder / "originals", folder / "found", against=copies, seed=SEED, workers=2, keep=["first"]
            )
            with (found.folder / "matches.csv").open(newline="") as file:
                rows = [(row["key"], row["other_key"]) for row in csv.DictReader(file)]
            table[title] = sum(left == right for left, right in set(rows))
            others += sum(left != right for left, right in set(rows))
            shutil.rmtree(copies)
    return {"of": len(sources), "found": table, "other_matches": others}


def save_pictures(pictures: list[Images], to: Path) -> None:
    """Save pictures as numbered JPEGs of quality 90."""
    to.mkdir()
    for number, picture in enumerate(pictures):
        Image.fromarray(picture).save(to / f"{number:05}.jpg", quality=90)


def precision(pictures: Images) -> dict[str, Any]:
    """Count pairs and decoys that near mode accepts in growing parts of a set."""
    section = load_section(default_profile(), "dedup.imagenet.pairs", pair_search.PairSearchConfig)
    learn = load_section(default_profile(), "dedup.imagenet.autoencoder", AutoencoderConfig)
    order = seeding.numpy_rng(SEED, "parts").permutation(len(pictures))
    sizes: dict[str, Any] = {}
    for count in (10_000, 20_000, 40_000, len(pictures)):
        rows = np.sort(order[:count])
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            images = write_set(pictures[rows], folder / "set")
            train_set(images, learn, folder / "encoder", steps=STEPS_OF_TRAINING)
            codes.hash_images(images, folder / "encoder", folder / "codes", workers=2)
            parts = (images, folder / "codes", folder / "encoder")
            about = find_pairs.find_pairs(*parts, section, workers=2, to=folder / "pairs")
            decoys = pq.read_table(folder / "pairs" / "mirrored.parquet").to_pydict()
            keys = list(zip(rows[decoys["left"]].tolist(), rows[decoys["right"]].tolist(), strict=True))
        sizes[str(count)] = {
            "pairs": about["pairs"],
            "candidates": about["candidates"],
            "decoys": [[*key, round(float(score), 2)] for key, score in zip(keys, decoys["score"], strict=True)],
        }
    return {"near": sizes}


def judge(row: dict[str, Any], count: int, judged: dict[tuple[int, int], str]) -> dict[str, Any]:
    """Return the results of one size without the decoys that people judged to be mirrored copies."""
    false = sum(judged.get((left, right)) != "mirrored" for left, right, _ in row["decoys"])
    low, high = poisson_interval(false)
    rate = false / (count * (count - 1) / 2)
    return row | {
        "decoys_not_judged_mirrored": false,
        "false_discovery_rate": round(false / row["pairs"], 5),
        "interval": [round(low / row["pairs"], 5), round(high / row["pairs"], 5)],
        "expected_false_at_3033042": round(rate * BEDROOMS * (BEDROOMS - 1) / 2),
    }


def show(title: str, table: dict[str, Any]) -> None:
    """Print the recall as a table, and mark near mode where its recall is below the floor."""
    names = list(next(iter(table["found"].values())))
    print(f"\n{title}, {table['of']} copies of each transform")
    print(f"{'':12}" + "".join(f"{name[:22]:>24}" for name in names))
    for name, row in table["found"].items():
        shares = {title: row[title] / table["of"] for title in names}
        low, high = binomial_interval(row["near"], table["of"])
        mark = f"  [{low:.3f}, {high:.3f}]" + ("  BELOW" if shares["near"] < FLOORS.get(name, 0) else "")
        print(f"{name:12}" + "".join(f"{shares[title]:24.3f}" for title in names) + mark)
    held = {title: sum(table["found"][name][title] for name in transforms.HELD_OUT) for title in names}
    of = table["of"] * len(transforms.HELD_OUT)
    print(f"{'held out':12}" + "".join(f"{held[title] / of:24.3f}" for title in names))


def main() -> None:
    """Measure, print and write the results."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    for name in ("imagenet", "bedrooms", "tiny", "cifar10"):
        parser.add_argument(f"--{name}", type=Path)
    parser.add_argument("--judged", type=Path, default=Path(__file__).with_name("cifar10_decoys.csv"))
    parser.add_argument("--labels-only", action="store_true")
    parser.add_argument("--only", action="append", choices=["recall", "parts", "precision"])
    parser.add_argument("--to", type=Path, default=Path(__file__).with_suffix(".json"))
    options = parser.parse_args()
    result = json.loads(options.to.read_text()) if options.labels_only or options.only else {}
    if not options.labels_only:
        result = measure(options, result)
    for title, table in result["recall"].items():
        show(title, table)
    for title, table in result["parts"].items():
        print(title, table)
    result["claims"] = claims(result)
    with options.judged.open(newline="") as file:
        judged = {(int(row["left"]), int(row["right"])): row["label"] for row in csv.DictReader(file)}
    sizes = result["precision"]["near"]
    for count in sorted(sizes, key=int):
        sizes[count] = judge(sizes[count], int(count), judged)
        print(count, {name: value for name, value in sizes[count].items() if name != "decoys"})
    files.write_text(options.to, json.dumps(result, indent=1, sort_keys=True) + "\n")


def measure(options: argparse.Namespace, earlier: dict[str, Any]) -> dict[str, Any]:
    """Measure what is asked for, or everything; the rest is taken from the earlier results."""
    wanted = options.only or ("recall", "parts", "precision")
    libraries = ("numpy", "numba", "torch", "pillow", "imagehash", "opencv-python-headless")
    result = earlier | {"machine": describe(*libraries)}
    if "recall" in wanted:
        tiny, cifar10 = read_squares(options.tiny, 32), read_squares(options.cifar10, 32)
        sets = {
            "CIFAR-10": (list(cifar10), cifar10, 1500),
            "bedrooms": (read_whole(options.bedrooms), np.concatenate([read_squares(options.bedrooms, 32), tiny]), 500),
            "ImageNet, full size": (read_whole(options.imagenet), tiny, 200),
            "Tiny ImageNet (the weights were fitted to it)": (read_whole(options.tiny), tiny, 1500),
        }
        result["recall"] = {title: recall(*arguments) for title, arguments in sets.items()}
    if "parts" in wanted:
        photographs = {"ImageNet, full size": options.imagenet, "bedrooms": options.bedrooms}
        result["parts"] = {title: parts(read_whole(path)[:PHOTOGRAPHS]) for title, path in photographs.items()}
    if "precision" in wanted:
        result["precision"] = precision(read_squares(options.cifar10, 32))
    return result


def claims(result: dict[str, Any]) -> list[dict[str, Any]]:
    """Compare the recall of copies that show a part of a photograph with its goals, over all photographs together."""
    tables = result["parts"].values()
    made = []
    for name, goal in GOALS.items():
        value = round(sum(one["found"][name] for one in tables) / sum(one["of"] for one in tables), 4)
        made.append({"name": f"recall of {name}", "value": value, "goal": goal, "unit": "share", "met": value >= goal})
    return made


if __name__ == "__main__":
    main()
