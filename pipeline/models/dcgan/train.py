"""Train a DCGAN on the kept pictures (the paper's section 4)."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn.functional import binary_cross_entropy_with_logits

from pipeline.core import files, progress
from pipeline.core.code_dependencies import code_digest
from pipeline.core.errors import BadParameters
from pipeline.core.workspace import workspace
from pipeline.imageset import image_grid
from pipeline.imageset.format.image_set import Images, ImageSet, Rows
from pipeline.imageset.format.kept_rows import load_kept
from pipeline.models.dcgan import saved_model
from pipeline.models.dcgan.config import DcganConfig
from pipeline.models.dcgan.model import PRESETS, Discriminator, Generator, build
from pipeline.models.dcgan.sampling import draw, latents
from pipeline.seeding import derive, torch_generator
from pipeline.training import checkpoint, loop
from pipeline.training.runtime import Device, Runtime, describe, resolve

MOST_GRIDS = 50
"""Approximate maximum number of sample grids, so that hundreds of short epochs do not fill the disk."""

Batch = tuple[torch.Tensor, torch.Tensor, torch.Tensor]
"""Pictures uint8 (n, side, side, 3); z for D's update and z for G's update, each float32 (batch, latent)."""


class DcganTrainer:
    """The two networks and their optimisers, with the methods that `loop.train` calls.

    Args:
        images: image set; its pictures are read at the preset's side.
        config: configuration of the training; its part `runtime` is the configuration of `runtime`.
        seed: all random numbers are derived from it.
        runtime: device and settings of the networks; random numbers are always computed on the CPU.
    """

    def __init__(self, images: ImageSet, config: DcganConfig, seed: int, runtime: Runtime) -> None:
        self.images = images
        self.config = config
        self.seed = seed
        self.runtime = runtime
        preset = PRESETS[config.preset]
        self.generator = build(Generator, preset, config.base_width, torch_generator(seed, "generator"))
        self.discriminator = build(Discriminator, preset, config.base_width, torch_generator(seed, "discriminator"))
        self.optimizers = [
            torch.optim.Adam(
                runtime.place(network).parameters(),
                config.learning_rate,
                (config.beta1, config.beta2),
                eps=1e-8,
                weight_decay=config.weight_decay,
            )
            for network in (self.generator, self.discriminator)
        ]
        self.sample_z = latents(preset, torch_generator(seed, "grid"), config.grid)
        self.sample_stds: list[float] = []

    @property
    def rows_per_step(self) -> int:
        """Rows per step. If updates alternate, the rows of G's step are unused, as in the authors' code."""
        return self.config.batch_size * (2 if self.config.schedule == "alternate" else 1)

    def batch(self, rows: Rows, step: int) -> Batch:
        """The real pictures for D's update, z for D's update, and z for G's update."""
        if self.config.schedule == "alternate":
            rows = rows[self.config.batch_size :]
        rng = torch_generator(self.seed, "z", step)
        z_d, z_g = latents(self.generator.preset, rng, 2, self.config.batch_size)
        pixels = torch.from_numpy(self.images.read(rows))
        return self.runtime.pin(pixels), self.runtime.pin(z_d), self.runtime.pin(z_g)

    def training_step(self, batch: Batch, step: int) -> dict[str, torch.Tensor]:
        """Update each network once.

        Returns:
            d_loss: cross-entropy of real pictures with target 1 plus that of generated pictures with target 0.
            g_loss: cross-entropy of generated pictures with target 1.
            d_real, d_fake: mean of the sigmoid of D's logits on real and on generated pictures, in D's update.
            Each is computed before the update that it belongs to.
        """
        pixels, z_d, z_g = (self.runtime.to_device(part) for part in batch)
        if self.config.schedule == "alternate":
            figures = self._update_generator(z_g)
            return {**self._update_discriminator(pixels, z_d), **figures}
        figures = self._update_discriminator(pixels, z_d)
        return {**figures, **self._update_generator(z_g)}

    def _update_discriminator(self, pixels: torch.Tensor, z: torch.Tensor) -> dict[str, torch.Tensor]:
        # The context ends before the weights change, because autocast caches their casts until it ends.
        with self.runtime.autocast():
            with torch.no_grad():
                fakes = self.generator(z)
            # Real and generated pictures are separate batches, so that batch norm does not mix their statistics.
            real, fake = self.discriminator(self._scaled(pixels)).float(), self.discriminator(fakes).float()
            loss = _loss(real, 1.0) + _loss(fake, 0.0)
        self._descend(self.optimizers[1], loss)
        with torch.no_grad():
            return {"d_loss": loss.detach(), "d_real": real.sigmoid().mean(), "d_fake": fake.sigmoid().mean()}

    def _update_generator(self, z: torch.Tensor) -> dict[str, torch.Tensor]:
        self.discriminator.requires_grad_(False)
        with self.runtime.autocast():
            loss = _loss(self.discriminator(self.generator(z)).float(), 1.0)
        self._descend(self.optimizers[0], loss)
        self.discriminator.requires_grad_(True)
        return {"g_loss": loss.detach()}

    @staticmethod
    def _descend(optimizer: torch.optim.Optimizer, loss: torch.Tensor) -> None:
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()

    def _scaled(self, pixels: torch.Tensor) -> torch.Tensor:
        """Pictures uint8 (n, side, side, 3) as float32 (n, 3, side, side) in [-1, 1]."""
        return (pixels.permute(0, 3, 1, 2).float() / 127.5 - 1).contiguous(memory_format=self.runtime.memory_format)

    def end_epoch(self, epoch: int, folder: Path) -> None:
        """Generate pictures of the fixed z, record their standard deviation, and write a grid if `grid_wanted`."""
        images = draw(self.generator, self.sample_z)
        self.sample_stds.append(pixel_std(images))
        if grid_wanted(epoch, self.config.epochs):
            image_grid.write_png(folder / f"epoch-{epoch:03d}.png", image_grid.grid(images))

    def tensors(self) -> checkpoint.Tensors:
        """Weights, running statistics, Adam's moments, and the standard deviation of each epoch's samples."""
        tensors = {"sample_stds": torch.tensor(self.sample_stds, dtype=torch.float64)}
        for name, network, optimizer in self._parts():
            tensors |= checkpoint.prefixed(name, network.state_dict())
            tensors |= checkpoint.prefixed(f"{name}-adam", checkpoint.optimizer_tensors(optimizer))
        return tensors

    def load_tensors(self, tensors: checkpoint.Tensors) -> None:
        """Restore what `tensors` returned, in the same memory layout, so that all later results are bit-identical."""
        self.sample_stds = tensors["sample_stds"].tolist()
        for name, network, optimizer in self._parts():
            network.load_state_dict(checkpoint.under(name, tensors))
            checkpoint.load_optimizer(optimizer, checkpoint.under(f"{name}-adam", tensors))
            for parameter, entry in optimizer.state.items():
                for key, value in entry.items():
                    if value.shape == parameter.shape:
                        entry[key] = torch.empty_like(parameter, requires_grad=False).copy_(value)

    def _parts(self) -> list[tuple[str, torch.nn.Module, torch.optim.Optimizer]]:
        return [
            ("generator", self.generator, self.optimizers[0]),
            ("discriminator", self.discriminator, self.optimizers[1]),
        ]


def _loss(logits: torch.Tensor, target: float) -> torch.Tensor:
    return binary_cross_entropy_with_logits(logits, torch.full_like(logits, target))


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
        images: uint8 (n, side, side, 3).
    """
    return float(images.std(axis=0, dtype=np.float64).mean())


COLLAPSED = 0.1
"""Samples are reported as collapsed if their `pixel_std` is below this share of that of the training pictures."""


def train(
    images_folder: Path,
    kept: Path,
    config: DcganConfig,
    *,
    name: str,
    seed: int,
    to: Path,
    device: Device | None = None,
) -> dict[str, Any]:
    """Train and write a model folder: both networks, `model.json`, `history.tsv`, `samples/epoch-NNN.png`.

    The same inputs, configuration, seed, torch build and device (GPU model, or instruction set) give the same bytes,
    even if the training was interrupted and resumed, unless `runtime.determinism` is `fast`.

    Args:
        images_folder: image set; if it is stored larger than the preset's side, pictures are centre-cropped.
        kept: `kept.npy` of that set.
        name: name of the set; all random numbers are derived from it and the seed.
        device: replaces the device of the configuration; see `runtime.resolve`.

    Returns:
        The content of `model.json`.

    Raises:
        MissingInput, CorruptData: an input is missing or damaged.
        BadParameters: the pictures are smaller than the preset's side, there are fewer than a batch, or the device does
            not exist.
        TrainingDiverged: a loss or weight is not finite; the last checkpoint is kept.
    """
    resolved = resolve(config.runtime, device, where=f"dcgan.{name}.training.runtime")
    runtime = Runtime(resolved)
    preset = PRESETS[config.preset]
    stored = ImageSet(images_folder).stored_side
    if stored < preset.side:
        raise BadParameters(
            f"--images {images_folder}: pictures are {stored} pixels wide, preset {config.preset} needs "
            f"{preset.side}; choose another preset or crop again at that side"
        )
    images = ImageSet(images_folder, side=preset.side)
    rows = load_kept(kept, len(images))
    record: dict[str, Any] = {
        "preset": config.preset,
        "base_width": config.base_width,
        "parameters": config.model_dump(exclude={"runtime"}),
        "seed": seed,
        "data": {"images": images.digest, "kept": files.sha256_file(kept), "pictures": len(rows)},
        "runtime": describe(resolved),
    }
    code = code_digest(__name__)
    with workspace(to, files.digest({**record, "code": code, "name": name})) as work:
        if work is None:
            return saved_model.read_description(to)
        trainer = DcganTrainer(images, config, derive(seed, "train-dcgan", name), runtime)
        samples = work.scratch / "samples"
        samples.mkdir(exist_ok=True)
        history = loop.train(
            trainer,
            rows,
            epochs=config.epochs,
            rows_per_step=trainer.rows_per_step,
            seed=trainer.seed,
            scratch=work.scratch,
            checkpoint_every=config.checkpoint_every,
            title=f"train-dcgan {name}",
            end_of_epoch=lambda epoch: trainer.end_epoch(epoch, samples),
        )
        history = [{**entry, "sample_std": s} for entry, s in zip(history, trainer.sample_stds, strict=True)]
        last, pictures_std = history[-1], pixel_std(images.read(rows[: config.grid]))
        record |= {
            "epochs": config.epochs,
            "steps": int(last["step"]),
            "last": last,
            "picture_std": pictures_std,
        }
        if last["sample_std"] < COLLAPSED * pictures_std:
            progress.warn(
                f"train-dcgan {name}: the samples hardly differ (standard deviation {last['sample_std']:.1f}, pictures "
                f"{pictures_std:.1f}): the generator has collapsed; look at {to}/samples"
            )
        saved_model.save(work.result, record, generator=trainer.generator, discriminator=trainer.discriminator)
        files.write_text(work.result / "history.tsv", loop.history_tsv(history))
        shutil.copytree(samples, work.result / "samples")
        work.publish()
    return saved_model.read_description(to)
