"""Does a DCGAN learn? The distance of its samples to held-out pictures at ten moments of a training.

    PYTHONPATH=.:benchmarks python benchmarks/imagenet32_learning.py PICTURES [PICTURES …] --work FOLDER \\
        --to benchmarks/imagenet32_learning.json [--model FOLDER] [--samples PICTURE.png] [--base-width 32] \\
        [--steps 8000]

PICTURES are archives or folders of photographs; all are brought to 32×32. The last ones in a seeded order are held out.
The network is `imagenet32`. Samples and held-out pictures are compared by the sliced Wasserstein distance on Laplacian
patches with fixed projections (`pipeline/evaluate/sample_quality/sliced_wasserstein.py`), in thousandths; z is fixed.
Beside it stand the noise floor (training pictures instead of samples) and pictures drawn from a normal distribution
with the mean and the covariance of the training pictures. A run that was interrupted continues in the same WORK.
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import scipy.stats
import torch
from claims import claim
from machine import describe
from pictures import read_squares, write_set

from pipeline.core import files
from pipeline.evaluate.sample_quality.sliced_wasserstein import average, sliced_wasserstein
from pipeline.imageset import image_grid
from pipeline.imageset.format.image_set import Images, ImageSet
from pipeline.models.dcgan import saved_model
from pipeline.models.dcgan.config import DcganConfig, defaults
from pipeline.models.dcgan.presets import PRESETS
from pipeline.models.dcgan.sampling import draw, latents
from pipeline.models.dcgan.trainer import DcganTrainer
from pipeline.seeding import numpy_rng, torch_generator
from pipeline.training import loop
from pipeline.training.divergence import Watch
from pipeline.training.feeder.pictures import open_pictures
from pipeline.training.runtime import Runtime

SEED = 1
COMPARED = 5_000
"""Pictures in each of the compared sets, held out and generated."""
FIRST, MOMENTS, EVERY = 50, 10, 50
"""Step of the first measurement, number of measurements, and the number that their steps are multiples of."""


def moments(steps: int) -> list[int]:
    """Steps of the measurements: spaced evenly by logarithm, multiples of `EVERY`, the last one at the end."""
    spaced = np.geomspace(FIRST, steps, MOMENTS)
    return sorted({max(EVERY, round(step / EVERY) * EVERY) for step in spaced[:-1]} | {steps})


def normal_pictures(pictures: Images, count: int) -> Images:
    """Pictures from a normal distribution with the mean and the covariance of the given ones."""
    flat = pictures.reshape(len(pictures), -1).astype(np.float32)
    mean, covariance = flat.mean(axis=0), np.cov(flat, rowvar=False)
    values, vectors = np.linalg.eigh(covariance)
    spread = vectors * np.sqrt(np.maximum(values, 0))
    drawn = mean + numpy_rng(SEED, "normal pictures").standard_normal((count, len(mean))) @ spread.T
    return np.clip(drawn.round(), 0, 255).astype(np.uint8).reshape(count, *pictures.shape[1:])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pictures", type=Path, nargs="+")
    parser.add_argument("--to", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True, help="folder of the image set and of the checkpoint")
    parser.add_argument("--model", type=Path, help="folder to write the model to")
    parser.add_argument("--samples", type=Path, help="PNG to write 10 by 10 samples to")
    parser.add_argument("--base-width", type=int, default=32)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--steps", type=int, default=8_000)
    parser.add_argument("--ema", type=float, default=0.0)
    parser.add_argument("--learning-rate", type=float, default=2e-4)
    given = parser.parse_args()
    folder = given.work / "images"
    if not folder.exists():
        given.work.mkdir(parents=True, exist_ok=True)
        write_set(np.concatenate([read_squares(path, 32) for path in given.pictures]), folder)
    images = ImageSet(folder)
    order = numpy_rng(SEED, "held out").permutation(len(images))
    held_out, floor = images.read(np.sort(order[:COMPARED])), images.read(np.sort(order[COMPARED : 2 * COMPARED]))
    rows = np.sort(order[COMPARED:])
    epochs = -(-given.steps * given.batch_size // len(rows))
    steps = epochs * (len(rows) // given.batch_size)
    config = defaults("imagenet32").model_copy(
        update={
            "base_width": given.base_width,
            "batch_size": given.batch_size,
            "learning_rate": given.learning_rate,
            "ema": given.ema,
            "epochs": epochs,
        }
    )
    outcome = train(images, rows, held_out, config, given, moments(steps))
    distances = outcome["distances"]
    reference = {
        "training pictures": rounded(sliced_wasserstein(floor, held_out, seed=SEED)),
        "normal distribution": rounded(sliced_wasserstein(normal_pictures(floor, COMPARED), held_out, seed=SEED)),
    }
    at, values = [one["step"] for one in distances], [one["average"] for one in distances]
    correlation = float(scipy.stats.spearmanr(at, values).statistic)
    ratio, normal = values[-1] / values[0], reference["normal distribution"]["average"]
    result = {
        "machine": describe("torch", "numpy"),
        "network": {"preset": "imagenet32", "base_width": given.base_width, "ema": given.ema},
        "pictures": {"trained": len(rows), "held out": COMPARED},
        "budget": {"steps": steps, "batch": given.batch_size, "epochs": epochs, "minutes": outcome["minutes"]},
        "distances": distances,
        "reference": reference,
        "claims": [
            claim(
                "Spearman correlation of distance and step", round(correlation, 3), "at most -0.8", correlation <= -0.8
            ),
            claim("last distance by first", round(ratio, 3), "at most 0.5", ratio <= 0.5),
            claim("last distance", values[-1], f"below {normal} (normal distribution)", values[-1] < normal),
        ],
    }
    given.to.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result["claims"], indent=1))


def train(
    images: ImageSet, rows: Any, held_out: Images, config: DcganConfig, given: argparse.Namespace, when: list[int]
) -> dict[str, Any]:
    """Train, and measure at some steps; the measurements of an interrupted run are kept in WORK."""
    runtime = Runtime(config.runtime)
    trainer = DcganTrainer(open_pictures(images, rows, runtime.device), config, SEED, runtime)
    z = latents(PRESETS[config.preset], torch_generator(SEED, "compared"), COMPARED)
    noted = given.work / "distances.json"
    found: dict[str, Any] = files.read_json(noted) if noted.exists() else {}
    before = max((one["minutes"] for one in found.values()), default=0.0)  # of an interrupted run
    started = time.monotonic()

    def measure(step: int, _: Any) -> None:
        if step in when and str(step) not in found:
            samples = draw(trainer.sampler(), z)
            minutes = before + (time.monotonic() - started) / 60
            found[str(step)] = {
                **rounded(sliced_wasserstein(samples, held_out, seed=SEED)),
                "minutes": round(minutes, 1),
            }
            files.write_json(noted, found)
            print(step, found[str(step)], flush=True)

    loop.train(
        trainer,
        rows,
        epochs=config.epochs,
        rows_per_step=trainer.rows_per_step,
        seed=SEED,
        scratch=given.work,
        checkpoint_every=config.checkpoint_every,
        checkpoint_minutes=2,
        title="imagenet32",
        log_every=EVERY,
        watch=Watch(float(held_out.std(axis=0, dtype=np.float64).mean())),
        on_log=measure,
    )
    steps = config.epochs * (len(rows) // config.batch_size)
    measure(steps, None)
    if given.model:
        given.model.mkdir(parents=True, exist_ok=True)
        description = {"preset": config.preset, "base_width": config.base_width, "steps": steps}
        saved_model.save(given.model, description, generator=trainer.sampler(), discriminator=trainer.discriminator)
    if given.samples:
        image_grid.write_png(given.samples, image_grid.grid(draw(trainer.sampler(), z[:100])))
    return {"distances": [{"step": step, **found[str(step)]} for step in when], "minutes": found[str(steps)]["minutes"]}


def rounded(distances: dict[int, float]) -> dict[str, float]:
    """Distances by side of the level, and their average, with one decimal."""
    return {
        **{str(side): round(value, 1) for side, value in distances.items()},
        "average": round(average(distances), 1),
    }


if __name__ == "__main__":
    torch.set_num_interop_threads(1)
    main()
