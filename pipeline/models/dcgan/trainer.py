"""The updates of a DCGAN's two networks (the paper's section 4)."""

from typing import NamedTuple

import torch
from torch.nn.functional import binary_cross_entropy_with_logits

from pipeline.imageset.format.image_set import Images, Rows
from pipeline.models.dcgan.config import DcganConfig
from pipeline.models.dcgan.model import PRESETS, Discriminator, Generator, build
from pipeline.models.dcgan.sampling import draw, latents
from pipeline.seeding import torch_generator
from pipeline.training import checkpoint
from pipeline.training.averaging import follow, recompute_statistics
from pipeline.training.distributed.batch_norm import running_statistics, synchronised
from pipeline.training.distributed.world import ALONE, World
from pipeline.training.feeder.pictures import Pictures
from pipeline.training.feeder.transfer import Sent, Transfer
from pipeline.training.runtime import Runtime

STATISTICS_BATCHES = 16
"""Batches from which the running statistics of averaged weights are computed."""

Metrics = dict[str, torch.Tensor]


class Batch(NamedTuple):
    """The tensors of a batch.

    Attributes:
        pictures: what `Pictures.take` needs for the real pictures.
        z_d, z_g: z for D's update and for G's update, each (batch, latent).
        labels_d, labels_g: labels for D's update and for G's update, int64 (batch,); None for networks without labels.
    """

    pictures: torch.Tensor
    z_d: torch.Tensor
    z_g: torch.Tensor
    labels_d: torch.Tensor | None
    labels_g: torch.Tensor | None


class DcganTrainer:
    """The two networks and their optimisers, with the methods that `loop.train` calls.

    Attributes:
        generator, discriminator: the networks, in training mode.
        average: generator whose weights are the moving average of those of `generator`; None without an average. Its
            running statistics fit only after `sampler` was called.

    Args:
        pictures: the training pictures.
        config: configuration of the training; its part `runtime` is the configuration of `runtime`.
        seed: the initial weights and the z of the samples are derived from it.
        runtime: device and settings of the networks; random numbers are always computed on the CPU.
        labels: class of each row of the image set, int64 (n,); None for networks without labels.
        world: the processes that train together.
        dtype: of weights, z and pictures; tests compare in float64.
    """

    def __init__(
        self,
        pictures: Pictures,
        config: DcganConfig,
        seed: int,
        runtime: Runtime,
        *,
        labels: Rows | None = None,
        world: World = ALONE,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self.pictures = pictures
        self.config = config
        self.seed = seed
        self.runtime = runtime
        self.labels = labels
        self.world = world
        self.dtype = dtype
        self.preset = PRESETS[config.preset]
        preset, width = self.preset, config.base_width
        self.generator = build(Generator, preset, width, torch_generator(seed, "generator"))
        self.discriminator = build(Discriminator, preset, width, torch_generator(seed, "discriminator"))
        # A plain network, never a synchronised one: process 0 alone makes samples.
        self.average = build(Generator, preset, width, torch_generator(seed, "generator")) if config.ema else None
        if config.sync_batch_norm:
            synchronised(self.generator, world)
            synchronised(self.discriminator, world)
        if self.average is not None:
            runtime.move(self.average.to(dtype)).requires_grad_(False)
        self.optimizers = [
            runtime.adam(
                runtime.place(network.to(dtype)),
                config.learning_rate,
                (config.beta1, config.beta2),
                config.weight_decay,
            )
            for network in (self.generator, self.discriminator)
        ]
        self.sample_z = latents(preset, torch_generator(seed, "grid"), config.grid)
        self.sample_labels = torch.arange(config.grid) % preset.classes if preset.classes else None
        self._share = world.share(config.batch_size)
        self._transfer = Transfer(runtime.device)
        self._step = runtime.graphed(self._update_both)

    @property
    def rows_per_step(self) -> int:
        """Rows per step. If updates alternate, the rows of G's step are unused, as in the authors' code."""
        return self.config.batch_size * (2 if self.config.schedule == "alternate" else 1)

    def batch(self, rows: Rows, step: int, seed: int) -> Sent:
        """Make the `Batch` of this process, its share of a step, and send it to the device."""
        size = self.config.batch_size
        rows_d, rows_g = rows[-size:][self._share], rows[:size][self._share]  # the same if updates are paired
        z_d, z_g = latents(self.preset, torch_generator(seed, "z", step), 2, size)[:, self._share].to(self.dtype)
        labels = [None if self.labels is None else torch.from_numpy(self.labels[part]) for part in (rows_d, rows_g)]
        return self._transfer.send(Batch(self.pictures.prepare(rows_d), z_d, z_g, *labels))

    def training_step(self, batch: Sent, step: int) -> Metrics:
        """Update each network once.

        Returns:
            d_loss: cross-entropy of real pictures with target 1 plus that of generated pictures with target 0.
            g_loss: cross-entropy of generated pictures with target 1.
            d_real, d_fake: mean of the sigmoid of D's logits on real and on generated pictures, in D's update.
            d_gradient, g_gradient: L2 norm of the gradient of all weights of the network.
            Each is computed before the update that it belongs to.
        """
        return self._step(*batch.received())

    def _update_both(self, *inputs: torch.Tensor | None) -> Metrics:
        batch = Batch._make(inputs)
        of_d, of_g = batch.labels_d, batch.labels_g
        real = self._scaled(self.pictures.take(batch.pictures))
        if self.config.schedule == "alternate":
            metrics = self._update_generator(self._generated(batch.z_g, of_g), of_g)
            metrics = {**self._update_discriminator(real, self._generated_for_d(batch.z_d, of_d), of_d), **metrics}
        elif self.config.share_fakes:
            fakes = self._generated(batch.z_d, of_d)
            metrics = self._update_discriminator(real, fakes.detach(), of_d)
            metrics = {**metrics, **self._update_generator(fakes, of_d)}
        else:
            metrics = self._update_discriminator(real, self._generated_for_d(batch.z_d, of_d), of_d)
            metrics = {**metrics, **self._update_generator(self._generated(batch.z_g, of_g), of_g)}
        if not self.config.sync_batch_norm:  # each process has statistics of its own share
            self.world.average(running_statistics(self.generator) + running_statistics(self.discriminator))
        if self.average is not None:
            follow(self.average, self.generator, self.config.ema)
        return metrics

    def _generated(self, z: torch.Tensor, labels: torch.Tensor | None) -> torch.Tensor:
        """Generated pictures, through which gradients flow back to the generator."""
        # Each context of autocast ends before the weights change, because it caches their casts.
        with self.runtime.autocast():
            pictures: torch.Tensor = self.generator(z, labels)
        return pictures

    def _generated_for_d(self, z: torch.Tensor, labels: torch.Tensor | None) -> torch.Tensor:
        """Generated pictures without a graph of gradients."""
        with torch.no_grad():
            return self._generated(z, labels)

    def _update_discriminator(self, real: torch.Tensor, fakes: torch.Tensor, labels: torch.Tensor | None) -> Metrics:
        with self.runtime.autocast():
            # Real and generated pictures are separate batches, so that batch norm does not mix their statistics.
            of_real, of_fakes = (self.discriminator(pictures, labels).to(self.dtype) for pictures in (real, fakes))
            loss = _loss(of_real, 1.0) + _loss(of_fakes, 0.0)
        norm = self._descend(self.optimizers[1], loss)
        with torch.no_grad():
            return {
                "d_loss": loss.detach(),
                "d_real": of_real.sigmoid().mean(),
                "d_fake": of_fakes.sigmoid().mean(),
                "d_gradient": norm,
            }

    def _update_generator(self, fakes: torch.Tensor, labels: torch.Tensor | None) -> Metrics:
        self.discriminator.requires_grad_(False)
        with self.runtime.autocast():
            loss = _loss(self.discriminator(fakes, labels).to(self.dtype), 1.0)
        norm = self._descend(self.optimizers[0], loss)
        self.discriminator.requires_grad_(True)
        return {"g_loss": loss.detach(), "g_gradient": norm}

    def _descend(self, optimizer: torch.optim.Optimizer, loss: torch.Tensor) -> torch.Tensor:
        """One step of Adam; return the norm of the gradient."""
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        gradients = [weight.grad for group in optimizer.param_groups for weight in group["params"]]
        self.world.average(gradients)
        norm = torch.nn.utils.get_total_norm(gradients)
        optimizer.step()
        return norm

    def _scaled(self, pixels: torch.Tensor) -> torch.Tensor:
        """Pictures uint8 (n, side, side, colours) as the networks see them."""
        return self.preset.scaled(pixels, self.dtype).contiguous(memory_format=self.runtime.memory_format)

    def samples(self, generator: Generator) -> Images:
        """Pictures of the fixed z, uint8 (grid, side, side, colours); their labels, if any, are 0, 1, 2, …, 0, 1, …"""
        return draw(generator, self.sample_z, self.sample_labels)

    def sampler(self) -> Generator:
        """The generator to save and to sample from: the average, with statistics that fit its weights, if there is one.

        The statistics are those of fixed z, and labels in turn, in batches of `batch_size`.
        """
        if self.average is None:
            return self.generator
        size = self.config.batch_size
        z = latents(self.preset, torch_generator(self.seed, "statistics"), STATISTICS_BATCHES, size)
        labels = None
        if self.preset.classes:
            labels = (torch.arange(size) % self.preset.classes).to(self.runtime.device)
        recompute_statistics(self.average, [(batch, labels) for batch in z.to(self.runtime.device, self.dtype)])
        return self.average

    def tensors(self) -> checkpoint.Tensors:
        """Weights, running statistics, Adam's moments, and the average of the weights."""
        tensors: checkpoint.Tensors = {}
        for name, network, optimizer in self._parts():
            tensors |= checkpoint.prefixed(name, network.state_dict())
            tensors |= checkpoint.prefixed(f"{name}-adam", checkpoint.optimizer_tensors(optimizer))
        if self.average is not None:
            tensors |= checkpoint.prefixed("average", dict(self.average.named_parameters()))
        return tensors

    def load_tensors(self, tensors: checkpoint.Tensors) -> None:
        """Restore what `tensors` returned, in the same memory layout, so that all later results are bit-identical."""
        for name, network, optimizer in self._parts():
            network.load_state_dict(checkpoint.under(name, tensors))
            checkpoint.load_optimizer(optimizer, checkpoint.under(f"{name}-adam", tensors))
            for parameter, entry in optimizer.state.items():
                for key, value in entry.items():
                    if value.shape == parameter.shape:
                        entry[key] = torch.empty_like(parameter, requires_grad=False).copy_(value)
        if self.average is not None:
            self.average.load_state_dict(checkpoint.under("average", tensors), strict=False)
        self._step = self.runtime.graphed(self._update_both)  # Adam's moments have other addresses now

    def _parts(self) -> list[tuple[str, torch.nn.Module, torch.optim.Optimizer]]:
        return [
            ("generator", self.generator, self.optimizers[0]),
            ("discriminator", self.discriminator, self.optimizers[1]),
        ]


def _loss(logits: torch.Tensor, target: float) -> torch.Tensor:
    return binary_cross_entropy_with_logits(logits, torch.full_like(logits, target))
