"""Train a DCGAN on the pictures that stayed (the paper's section 4)."""

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
from pipeline.models.dcgan import sampling, saved_model
from pipeline.models.dcgan.config import DcganConfig
from pipeline.models.dcgan.model import PRESETS, Discriminator, Generator, build
from pipeline.seeding import derive, deterministic, torch_generator
from pipeline.training import checkpoint, loop

MOST_GRIDS = 50
"""About how many sample grids a training leaves, so that hundreds of short epochs do not fill the disk."""

Batch = tuple[torch.Tensor, torch.Tensor, torch.Tensor]
"""Pictures uint8 (n, side, side, 3); z of D's update and of G's, float32 (batch, latent)."""


class DcganTrainer:
    """The two networks and their optimisers, as `loop.train` wants them.

    Args:
        images: image set, read at the preset's side.
        seed: names every draw.
        device: where the networks live; all draws are made on the processor.
    """

    def __init__(self, images: ImageSet, parameters: DcganConfig, seed: int, device: torch.device) -> None:
        self.images = images
        self.parameters = parameters
        self.seed = seed
        self.device = device
        self.layout = torch.channels_last if parameters.channels_last else torch.contiguous_format
        preset = PRESETS[parameters.preset]
        self.generator = build(Generator, preset, parameters.base_width, torch_generator(seed, "generator"))
        self.discriminator = build(Discriminator, preset, parameters.base_width, torch_generator(seed, "discriminator"))
        self.optimizers = []
        for network in (self.generator, self.discriminator):
            network.to(device=device, memory_format=self.layout)  # type: ignore[call-overload]
            adam = torch.optim.Adam(
                network.parameters(),
                parameters.learning_rate,
                (parameters.beta1, parameters.beta2),
                eps=1e-8,
                weight_decay=parameters.weight_decay,
            )
            self.optimizers.append(adam)
        self.sample_z = sampling.latents(torch_generator(seed, "grid"), parameters.grid, preset.latent)
        self.spreads: list[float] = []

    @property
    def rows_a_step(self) -> int:
        """Rows that one step takes. In turns, G's minibatch goes unseen: the released code passes over it too."""
        return self.parameters.batch * (2 if self.parameters.schedule == "alternate" else 1)

    def batch(self, rows: Rows, number: int) -> Batch:
        """The pictures that D sees, and z for its update and for G's."""
        if self.parameters.schedule == "alternate":
            rows = rows[self.parameters.batch :]
        z_d, z_g = sampling.latents(
            torch_generator(self.seed, "z", number), 2, self.parameters.batch, self.sample_z.shape[1]
        )
        return torch.from_numpy(self.images.read(rows)), z_d, z_g

    def step(self, batch: Batch) -> dict[str, float]:
        """Update each network once; the figures are those of the updates themselves, before they act.

        Returns:
            d_loss: cross-entropy of real → 1 plus that of fake → 0. g_loss: cross-entropy of fake → 1.
            d_real, d_fake: mean of D's sigmoid on real and on generated pictures, in D's update.
        """
        pixels, z_d, z_g = (part.to(self.device) for part in batch)
        if self.parameters.schedule == "alternate":
            figures = self._update_generator(z_g)
            return {**self._update_discriminator(pixels, z_d), **figures}
        figures = self._update_discriminator(pixels, z_d)
        return {**figures, **self._update_generator(z_g)}

    def _update_discriminator(self, pixels: torch.Tensor, z: torch.Tensor) -> dict[str, float]:
        with torch.no_grad():
            fakes = self.generator(z)
        # Two batches, not one of both kinds: batch norm then sees pictures of one kind at a time.
        real, fake = self.discriminator(self._scaled(pixels)), self.discriminator(fakes)
        loss = _loss(real, 1.0) + _loss(fake, 0.0)
        self._descend(self.optimizers[1], loss)
        return {
            "d_loss": loss.item(),
            "d_real": real.detach().sigmoid().mean().item(),
            "d_fake": fake.detach().sigmoid().mean().item(),
        }

    def _update_generator(self, z: torch.Tensor) -> dict[str, float]:
        self.discriminator.requires_grad_(False)
        loss = _loss(self.discriminator(self.generator(z)), 1.0)
        self._descend(self.optimizers[0], loss)
        self.discriminator.requires_grad_(True)
        return {"g_loss": loss.item()}

    @staticmethod
    def _descend(optimizer: torch.optim.Optimizer, loss: torch.Tensor) -> None:
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()

    def _scaled(self, pixels: torch.Tensor) -> torch.Tensor:
        """Pictures uint8 (n, side, side, 3) as float32 (n, 3, side, side) in [-1, 1]."""
        return (pixels.permute(0, 3, 1, 2).float() / 127.5 - 1).contiguous(memory_format=self.layout)

    def end_epoch(self, epoch: int, folder: Path) -> None:
        """Draw the pictures of the fixed z, note their spread, and write them as a grid if it is this epoch's turn."""
        images = sampling.draw(self.generator, self.sample_z)
        self.spreads.append(pixel_spread(images))
        if grid_wanted(epoch, self.parameters.epochs):
            image_grid.write_png(folder / f"epoch-{epoch:03d}.png", image_grid.grid(images))

    def tensors(self) -> checkpoint.Tensors:
        """Weights, running statistics, Adam's moments, and the spread of each epoch's samples."""
        tensors = {"spreads": torch.tensor(self.spreads, dtype=torch.float64)}
        for name, network, optimizer in self._parts():
            tensors |= checkpoint.prefixed(name, network.state_dict())
            tensors |= checkpoint.prefixed(f"{name}-adam", checkpoint.optimizer_tensors(optimizer))
        return tensors

    def load_tensors(self, tensors: checkpoint.Tensors) -> None:
        """Put back what `tensors` gave, in the same memory layout, so that every later bit is the same."""
        self.spreads = tensors["spreads"].tolist()
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
    """Whether this epoch (from 1) leaves a grid: each of up to `MOST_GRIDS`; of more, the first five, which hold the
    paper's figures 2 and 3, the last, and evenly many between."""
    return epoch <= 5 or epoch == epochs or epoch % -(-epochs // MOST_GRIDS) == 0


def pixel_spread(images: Images) -> float:
    """How much pictures differ: the standard deviation of each value over the pictures, averaged; grey levels, 0..128.

    Nearly nothing when every z gives the same picture (collapse).

    Args:
        images: uint8 (n, side, side, 3).
    """
    return float(images.std(axis=0, dtype=np.float64).mean())


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
    images_folder: Path, kept: Path, parameters: DcganConfig, *, name: str, seed: int, to: Path, device: str = "auto"
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
    code = code_digest(__name__)
    with workspace(to, files.digest({**record, "code": code, "name": name})) as work:
        if work is None:
            return saved_model.read_description(to)
        trainer = DcganTrainer(images, parameters, derive(seed, "train-dcgan", name), where)
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
        last, pictures_spread = history[-1], pixel_spread(images.read(rows[: parameters.grid]))
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
        saved_model.save(work.result, trainer.generator, trainer.discriminator, record)
        files.write_text(work.result / "history.tsv", loop.history_tsv(history))
        shutil.copytree(samples, work.result / "samples")
        work.publish()
    return saved_model.read_description(to)
