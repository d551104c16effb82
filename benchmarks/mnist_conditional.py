"""Does the conditional DCGAN draw the digit that it is asked for? Nearest neighbours judge its samples (section 8.1).

    PYTHONPATH=.:benchmarks python benchmarks/mnist_conditional.py --mnist FOLDER \\
        --to benchmarks/mnist_conditional.json [--preset mnist28_conditional] [--base-width 32] [--epochs 5] \\
        [--model FOLDER] [--samples PICTURE.png]

FOLDER is the result of `dcgan download-benchmarks` for MNIST. Two classifiers, both the nearest neighbour by the
Euclidean distance of pixels: one of 50,000 real training digits, which judges 10,000 samples, and one of 50,000
samples, which is tested on the 10,000 real test digits. Beside them, the classifier of real digits on real test digits.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path

import numpy as np
from claims import claim
from machine import describe
from sklearn.neighbors import KNeighborsClassifier

from pipeline.imageset import image_grid
from pipeline.imageset.format.image_set import Images, ImageSet, Rows
from pipeline.imageset.format.labels import class_numbers
from pipeline.models.dcgan.config import defaults
from pipeline.models.dcgan.train import train
from pipeline.models.registry import load_generator

SEED = 1
TRAINED, JUDGED = 50_000, 10_000


def read(folder: Path) -> tuple[Images, Rows]:
    """The grey pictures of an image set, uint8 (n, 28, 28, 1), and their classes, int64 (n,)."""
    images = ImageSet(folder, colours=1)
    return images.read(np.arange(len(images))), class_numbers(images)[0]


def errors(known: tuple[Images, Rows], asked: tuple[Images, Rows]) -> float:
    """Share of pictures whose nearest neighbour among the known ones has another class."""
    flat = [pictures.reshape(len(pictures), -1).astype(np.float32) for pictures, _ in (known, asked)]
    classifier = KNeighborsClassifier(1, algorithm="brute").fit(flat[0], known[1])
    return float((classifier.predict(flat[1]) != asked[1]).mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mnist", type=Path, required=True)
    parser.add_argument("--to", type=Path, required=True)
    parser.add_argument(
        "--preset", choices=["mnist28_conditional", "mnist28_fully_connected"], default="mnist28_conditional"
    )
    parser.add_argument("--base-width", type=int, default=32)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--ema", type=float, default=0.0)
    parser.add_argument("--model", type=Path, help="folder to write the model to")
    parser.add_argument("--samples", type=Path, help="PNG to write 10 samples of each digit to")
    given = parser.parse_args()
    update = {name: getattr(given, name) for name in ("base_width", "epochs", "batch_size", "ema")}
    config = defaults(given.preset).model_copy(update=update)
    with tempfile.TemporaryDirectory() as scratch:
        folder = given.model or Path(scratch) / "model"
        started = time.monotonic()
        summary = train(given.mnist / "train", None, config, name="mnist", seed=SEED, to=folder)
        minutes = (time.monotonic() - started) / 60
        generator = load_generator(folder)
    real, test = read(given.mnist / "train"), read(given.mnist / "test")
    labels = np.arange(TRAINED + JUDGED) % 10
    samples = generator.sample(TRAINED + JUDGED, SEED, labels.tolist())
    real = real[0][:TRAINED], real[1][:TRAINED]
    right = 1 - errors(real, (samples[TRAINED:], labels[TRAINED:]))
    wrong = errors((samples[:TRAINED], labels[:TRAINED]), test)
    if given.samples:
        image_grid.write_png(given.samples, image_grid.grid(samples[:100]))
    result = {
        "machine": describe("torch", "numpy", "scikit-learn"),
        "network": {"preset": given.preset, **update, "steps": summary["steps"]},
        "minutes": round(minutes, 1),
        "real digits on real test digits": {"error": round(errors(real, test), 4)},
        "claims": [
            claim("samples called right by the nearest real digit", round(right, 4), "at least 0.95", right >= 0.95),
            claim("errors of the nearest sample on real test digits", round(wrong, 4), "at most 0.06", wrong <= 0.06),
            claim("minutes of training", round(minutes, 1), "at most 15", minutes <= 15),
        ],
    }
    given.to.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
