"""Train a DCGAN on the kept pictures: image set and options in, a model folder out."""

import contextlib
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.core import files, progress
from pipeline.core.code_dependencies import code_digest
from pipeline.core.disk import require_free_space
from pipeline.core.errors import BadParameters
from pipeline.core.workspace import Workspace, workspace
from pipeline.imageset import image_grid
from pipeline.imageset.format.image_set import Images, ImageSet, Rows
from pipeline.imageset.format.kept_rows import load_kept
from pipeline.imageset.format.labels import class_numbers
from pipeline.models.dcgan import saved_model
from pipeline.models.dcgan.config import DcganConfig
from pipeline.models.dcgan.model import PRESETS
from pipeline.models.dcgan.trainer import DcganTrainer
from pipeline.seeding import derive
from pipeline.training import checkpoint, loop
from pipeline.training.distributed.world import World, joined
from pipeline.training.divergence import Watch
from pipeline.training.feeder.pictures import open_pictures
from pipeline.training.runtime import Device, Runtime, RuntimeConfig, describe, resolve
from pipeline.training.tensorboard import curves

MOST_GRIDS = 50
"""Approximate maximum number of sample grids, so that hundreds of short epochs do not fill the disk."""

HARDLY_DIFFERENT = 0.1
"""Samples at the end are reported if their `pixel_std` is below this share of that of the training pictures."""

CHECKPOINT = "checkpoint.safetensors"

_MADE_FROM = "made-from.json"


@dataclass(frozen=True)
class Inputs:
    """What a training reads, and how.

    Attributes:
        images: the image set, read at the preset's side.
        rows: the rows to train on.
        labels: class of each picture of the set, int64 (n,); None for networks without labels.
        config: the options; `runtime` is resolved.
        record: the entries of `model.json` that say what the model was made from.
        seed: seed of the training, derived from the root seed and the name of the set.
    """

    images: ImageSet
    rows: Rows
    labels: Rows | None
    config: DcganConfig
    record: dict[str, Any]
    seed: int

    @property
    def runtime(self) -> RuntimeConfig:
        """Where and how to train."""
        return self.config.runtime


def open_inputs(
    images_folder: Path, kept: Path | None, config: DcganConfig, *, name: str, seed: int, device: Device | None
) -> Inputs:
    """Check the inputs and options of `train`, whose arguments these are. Raises its errors."""
    resolved = resolve(config.runtime, device, where=f"dcgan.{name}.training.runtime")
    preset = PRESETS[config.preset]
    stored = ImageSet(images_folder).stored_side
    if stored < preset.side:
        raise BadParameters(
            f"--images {images_folder}: pictures are {stored} pixels wide, preset {config.preset} needs "
            f"{preset.side}; choose another preset or crop again at that side"
        )
    images = ImageSet(images_folder, side=preset.side, colours=preset.colours)
    rows = np.arange(len(images)) if kept is None else load_kept(kept, len(images))
    data = {"images": images.digest, "kept": kept and files.sha256_file(kept), "pictures": len(rows)}
    record: dict[str, Any] = {
        "preset": config.preset,
        "base_width": config.base_width,
        "parameters": config.model_dump(exclude={"runtime"}),
        "seed": seed,
        "data": data,
        "runtime": describe(resolved),
    }
    labels = None
    if preset.classes:
        labels, record["class_names"] = _labels(images, config)
    config = config.model_copy(update={"runtime": resolved})
    return Inputs(images, rows, labels, config, record, derive(seed, "train-dcgan", name))


def _labels(images: ImageSet, config: DcganConfig) -> tuple[Rows, list[str]]:
    """The class of each picture, and the names of the classes."""
    classes = PRESETS[config.preset].classes
    numbers, names = class_numbers(images)
    if len(names) != classes:
        raise BadParameters(
            f"--images {images.folder}: pictures of {len(names)} classes, preset {config.preset} learns {classes}; "
            "choose another set or preset"
        )
    return numbers, names


def new_trainer(inputs: Inputs, world: World) -> DcganTrainer:
    """The trainer of these inputs, at its first step."""
    runtime = Runtime(inputs.runtime)
    pictures = open_pictures(inputs.images, inputs.rows, runtime.device)
    return DcganTrainer(pictures, inputs.config, inputs.seed, runtime, labels=inputs.labels, world=world)


def train(
    images_folder: Path,
    kept: Path | None,
    config: DcganConfig,
    *,
    name: str,
    seed: int,
    to: Path,
    device: Device | None = None,
    checkpoint_minutes: float = 10.0,
    tensorboard: Path | None = None,
) -> dict[str, Any]:
    """Train and write a model folder: both networks, `model.json`, `history.tsv`, `samples/epoch-NNN.png`.

    The same inputs, configuration, seed, torch build and device (GPU model, or instruction set) give the same bytes,
    even if the training was interrupted and resumed, unless `runtime.determinism` is `fast`.

    Under `torchrun` each process calls this function with the same arguments; only the first one writes.

    Args:
        images_folder: image set; if it is stored larger than the preset's side, pictures are centre-cropped.
        kept: `kept.npy` of that set; None to train on all its pictures.
        name: name of the set; all random numbers are derived from it and the seed.
        device: replaces the device of the configuration; see `runtime.resolve`.
        checkpoint_minutes: maximum time between checkpoints; without influence on the result.
        tensorboard: folder for curves, see `pipeline.training.tensorboard`.

    Returns:
        The content of `model.json`; an empty mapping in the processes that do not write.

    Raises:
        MissingInput, CorruptData: an input is missing or damaged.
        BadParameters: the pictures are smaller than the preset's side, there are fewer than a batch, their labels are
            not those of the preset's classes, or the device does not exist.
        TrainingDiverged: see `loop.train`; the last checkpoint is kept.
        KeyboardInterrupt: a signal asked to stop; a checkpoint has been written.
    """
    inputs = open_inputs(images_folder, kept, config, name=name, seed=seed, device=device)
    made_from = {**inputs.record, "code": code_digest(__name__), "name": name}
    with contextlib.ExitStack() as stack:
        world = stack.enter_context(joined(inputs.runtime.device))
        work: Workspace | None = None
        if world.first:
            work = stack.enter_context(workspace(to, files.digest(made_from), precious=CHECKPOINT))
            if work is not None:
                _note_inputs(work, made_from, f"train-dcgan {name}")
        if world.from_first(work is None):
            return saved_model.read_description(to) if world.first else {}
        log = stack.enter_context(curves(tensorboard if world.first else None))
        trainer = new_trainer(inputs, world)
        if work is not None:
            state = 3 * sum(w.nbytes for optimizer in trainer.optimizers for w in optimizer.param_groups[0]["params"])
            copies = 5 if config.on_divergence == "rewind" else 3  # a new one is written before the old one is deleted
            require_free_space(to, copies * state, "training (its checkpoints)")
            (work.scratch / "samples").mkdir(exist_ok=True)

        def end_epoch(epoch: int) -> dict[str, float]:
            # The generator that is trained, not its average, shows whether the training is sound.
            images = trainer.samples(trainer.generator)
            if work is not None and grid_wanted(epoch, config.epochs):
                shown = images if trainer.average is None else trainer.samples(trainer.sampler())
                image_grid.write_png(work.scratch / "samples" / f"epoch-{epoch:03d}.png", image_grid.grid(shown))
            return {"sample_std": pixel_std(images)}

        picture_std = pixel_std(inputs.images.read(inputs.rows[: config.grid]))
        history, rewinds = loop.train(
            trainer,
            inputs.rows,
            epochs=config.epochs,
            rows_per_step=trainer.rows_per_step,
            seed=trainer.seed,
            scratch=work.scratch if work else None,
            checkpoint_every=config.checkpoint_every,
            checkpoint_minutes=checkpoint_minutes,
            title=f"train-dcgan {name}",
            watch=Watch(picture_std),
            probe=lambda: pixel_std(trainer.samples(trainer.generator)),
            on_divergence=config.on_divergence,
            end_of_epoch=end_epoch,
            on_log=log,
            world=world,
        )
        if work is None:
            return {}
        last = history[-1]
        record = inputs.record | {
            "epochs": config.epochs,
            "steps": int(last["step"]),
            "last": last,
            "picture_std": picture_std,
            "rewinds": rewinds,
        }
        if last["sample_std"] < HARDLY_DIFFERENT * picture_std:
            progress.warn(
                f"train-dcgan {name}: the samples hardly differ (standard deviation {last['sample_std']:.1f}, pictures "
                f"{picture_std:.1f}): the generator has collapsed or not learnt enough; look at {to}/samples"
            )
        saved_model.save(work.result, record, generator=trainer.sampler(), discriminator=trainer.discriminator)
        files.write_text(work.result / "history.tsv", loop.history_tsv(history))
        shutil.copytree(work.scratch / "samples", work.result / "samples")
        work.publish()
    return saved_model.read_description(to)


def _note_inputs(work: Workspace, made_from: dict[str, Any], title: str) -> None:
    """Write what the work is made from; tell of earlier work with other inputs, which was set aside."""
    files.write_json(work.scratch / _MADE_FROM, made_from)
    if work.set_aside is None:
        return
    state = checkpoint.load_state(work.set_aside / CHECKPOINT)
    noted = work.set_aside / _MADE_FROM
    changed = _changed(files.read_json(noted), made_from) if noted.exists() else ["version"]
    progress.warn(
        f"{title}: starts over, because the interrupted training had another {' and '.join(changed)}; its "
        f"{state['step']} steps are kept in {work.set_aside}: run it with the former inputs to continue it, or delete "
        "this folder"
    )


def _changed(one: dict[str, Any], other: dict[str, Any], prefix: str = "") -> list[str]:
    """The keys, joined by dots, whose values differ."""
    found: list[str] = []
    for key in sorted(one.keys() | other.keys()):
        a, b = one.get(key), other.get(key)
        if isinstance(a, dict) and isinstance(b, dict):
            found += _changed(a, b, f"{prefix}{key}.")
        elif a != b:
            found.append(f"{prefix}{key}")
    return found


def grid_wanted(epoch: int, epochs: int) -> bool:
    """Whether a grid is written after this epoch (from 1).

    Up to `MOST_GRIDS` epochs each have a grid. Of more epochs, the first five (the paper's figures 2 and 3 show epochs
    1 and 5), the last, and evenly spaced ones between them have a grid.
    """
    return epoch <= 5 or epoch == epochs or epoch % -(-epochs // MOST_GRIDS) == 0


def pixel_std(images: Images) -> float:
    """Standard deviation of each value over the pictures, averaged over all values, in levels (0..128).

    It is close to 0 if every z gives the same picture (mode collapse).

    Args:
        images: uint8 (n, side, side, colours).
    """
    return float(images.std(axis=0, dtype=np.float64).mean())
