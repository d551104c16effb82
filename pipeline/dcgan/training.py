"""Train a DCGAN on the pictures that stayed (the paper's section 4)."""

import shutil
from pathlib import Path
from typing import Any

import torch

from pipeline import files, loop, progress
from pipeline.dcgan import model
from pipeline.dcgan.networks import PRESETS
from pipeline.dcgan.trainer import Trainer, Training, spread
from pipeline.errors import BadParameters
from pipeline.imageset import ImageSet
from pipeline.kept import load_kept
from pipeline.seeding import derive, deterministic
from pipeline.workspace import workspace

COLLAPSED = 0.1
"""Samples that vary less than this share of what pictures vary are reported as collapsed."""


def choose_device(wanted: str) -> torch.device:
    """The device to train on.

    Args:
        wanted: `auto` (a CUDA device if torch sees one, else the processor), `cpu` or `cuda`.

    Raises:
        BadParameters: `cuda`, and torch sees none.
    """
    available = torch.cuda.is_available()
    if wanted == "cuda" and not available:
        raise BadParameters("--device cuda: torch sees no CUDA device; use --device cpu, or a build of torch for CUDA")
    return torch.device("cuda" if available and wanted != "cpu" else "cpu")


def train(
    images_folder: Path, kept: Path, parameters: Training, *, name: str, seed: int, to: Path, device: str = "auto"
) -> dict[str, Any]:
    """Train and write a model folder: both networks, `model.json`, `history.tsv`, `samples/epoch-NNN.png`.

    The same inputs, parameters, seed, torch build, device type and instruction set give the same bytes, also when the
    training was interrupted and resumed.

    Args:
        images_folder: image set; one stored larger than the preset's side is read centre-cropped.
        kept: `kept.npy` of that set.
        name: of the set; with the seed it names every draw.
        device: see `choose_device`.

    Returns:
        The content of `model.json`.

    Raises:
        MissingInput, CorruptData: an input is not there or not whole.
        BadParameters: the pictures are smaller than the preset's, fewer than a batch, or there is no such device.
        TrainingDiverged: a loss is no longer finite; the last checkpoint is kept.
    """
    deterministic(parameters.threads)
    preset = PRESETS[parameters.preset]
    stored = ImageSet(images_folder).stored_side
    if stored < preset.side:
        raise BadParameters(
            f"--images {images_folder}: pictures are {stored} pixels wide, preset {parameters.preset} needs "
            f"{preset.side}; choose another preset or crop again at that side"
        )
    images = ImageSet(images_folder, side=preset.side)
    rows = load_kept(kept, len(images))
    where = choose_device(device)
    record: dict[str, Any] = {
        "preset": parameters.preset,
        "base_width": parameters.base_width,
        "latent": preset.latent,
        "parameters": parameters.model_dump(),
        "seed": seed,
        "data": {"images": images.digest, "kept": files.sha256_file(kept), "pictures": len(rows)},
        # All that decides the bits beside the parameters: a checkpoint is only continued where these are the same.
        "numerics": {
            "torch": torch.__version__,
            "device": where.type,
            "instructions": torch.backends.cpu.get_cpu_capability(),
            "precision": "float32",
            "tf32": False,
            "deterministic_algorithms": True,
        },
    }
    code = files.code_digest("dcgan", "kept.py", "loop.py", "checkpoints.py", "imageset.py", "seeding.py", "sheets.py")
    with workspace(to, files.digest({**record, "code": code, "name": name})) as work:
        if work is None:
            return model.describe(to)
        trainer = Trainer(images, parameters, derive(seed, "train-dcgan", name), where)
        samples = work.scratch / "samples"
        samples.mkdir(exist_ok=True)
        history = loop.train(
            trainer,
            rows,
            epochs=parameters.epochs,
            batch=trainer.rows_a_step,
            seed=trainer.seed,
            scratch=work.scratch,
            checkpoint_every=parameters.checkpoint_every,
            title=f"train-dcgan {name}",
            end_of_epoch=lambda epoch: trainer.end_epoch(epoch, samples),
        )
        history = [{**entry, "sample_spread": s} for entry, s in zip(history, trainer.spreads, strict=True)]
        last, pictures_spread = history[-1], spread(images.read(rows[: parameters.grid]))
        record |= {
            "epochs": parameters.epochs,
            "steps": int(last["step"]),
            "last": last,
            "picture_spread": pictures_spread,
        }
        if last["sample_spread"] < COLLAPSED * pictures_spread:
            progress.warn(
                f"train-dcgan {name}: the samples hardly differ (spread {last['sample_spread']:.1f}, pictures "
                f"{pictures_spread:.1f}): the generator has collapsed; look at {to}/samples"
            )
        model.save(work.result, trainer.generator, trainer.discriminator, record)
        files.write_text(work.result / "history.tsv", loop.history_tsv(history))
        shutil.copytree(samples, work.result / "samples")
        work.publish()
    return model.describe(to)
