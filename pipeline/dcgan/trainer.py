"""The two networks at play: one training step, what a resumed run needs, and samples on the way."""

from pathlib import Path
from typing import Literal

import numpy as np
import torch
from pydantic import Field
from torch.nn.functional import binary_cross_entropy_with_logits

from pipeline import checkpoints, params, sheets
from pipeline.dcgan import sampling
from pipeline.dcgan.networks import PRESETS, Discriminator, Generator, PresetName, build
from pipeline.imageset import Images, ImageSet, Rows
from pipeline.seeding import torch_generator

MOST_GRIDS = 50
"""About how many sample grids a training leaves, so that hundreds of short epochs do not fill the disk."""

Batch = tuple[torch.Tensor, torch.Tensor, torch.Tensor]
"""Pictures uint8 (n, side, side, 3); z of D's update and of G's, float32 (batch, latent)."""


class Training(params.Section):
    """Section `dcgan.SET.training`."""

    preset: PresetName = Field(description="which networks")
    base_width: int = Field(gt=0, description="channels of the layer next to the image")
    epochs: int = Field(gt=0, description="passes over the pictures")
    batch: int = Field(gt=1, description="pictures a minibatch; batch norm needs two")
    learning_rate: float = Field(gt=0, allow_inf_nan=False, description="Adam's")
    beta1: float = Field(ge=0, lt=1, description="Adam's")
    beta2: float = Field(ge=0, lt=1, description="Adam's")
    weight_decay: float = Field(ge=0, allow_inf_nan=False, description="times each weight, added to its gradient")
    schedule: Literal["paired", "alternate"] = Field(
        description="paired: each minibatch updates D, then G; alternate: G and D take turns, a minibatch each, G first"
    )
    channels_last: bool = Field(description="memory layout; decides speed and the last bits")
    threads: int = Field(gt=0, description="of torch; decides the order of sums")
    checkpoint_every: int = Field(gt=0, description="steps between checkpoints")
    grid: int = Field(gt=0, description="samples drawn after each epoch, always from the same z")


class Trainer:
    """The two networks and their optimisers, as `loop.train` wants them.

    Args:
        images: image set, read at the preset's side.
        seed: names every draw.
        device: where the networks live; all draws are made on the processor.
    """

    def __init__(self, images: ImageSet, parameters: Training, seed: int, device: torch.device) -> None:
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
        self.spreads.append(spread(images))
        if grid_wanted(epoch, self.parameters.epochs):
            sheets.write_png(folder / f"epoch-{epoch:03d}.png", sheets.grid(images))

    def tensors(self) -> checkpoints.Tensors:
        """Weights, running statistics, Adam's moments, and the spread of each epoch's samples."""
        tensors = {"spreads": torch.tensor(self.spreads, dtype=torch.float64)}
        for name, network, optimizer in self._parts():
            tensors |= checkpoints.prefixed(name, network.state_dict())
            tensors |= checkpoints.prefixed(f"{name}-adam", checkpoints.optimizer_tensors(optimizer))
        return tensors

    def load_tensors(self, tensors: checkpoints.Tensors) -> None:
        """Put back what `tensors` gave, in the same memory layout, so that every later bit is the same."""
        self.spreads = tensors["spreads"].tolist()
        for name, network, optimizer in self._parts():
            network.load_state_dict(checkpoints.under(name, tensors))
            checkpoints.load_optimizer(optimizer, checkpoints.under(f"{name}-adam", tensors))
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


def spread(images: Images) -> float:
    """How much pictures differ: the standard deviation of each value over the pictures, averaged; grey levels, 0..128.

    Nearly nothing when every z gives the same picture (collapse).

    Args:
        images: uint8 (n, side, side, 3).
    """
    return float(images.std(axis=0, dtype=np.float64).mean())
