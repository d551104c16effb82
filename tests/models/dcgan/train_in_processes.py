"""Train some steps in float64 in one or several processes, and write the state: a program for `torchrun`.

    python -m tests.models.dcgan.train_in_processes IMAGES STEPS STATISTICS TO

Args:
    STATISTICS: of batch norm. `whole`: of the whole batch, synchronised between processes. `shares`: of the share of
        each process; one process computes the same with two halves of its batch.
"""

import sys
from pathlib import Path

import numpy as np
import torch
from torch import nn

from pipeline.imageset.format.image_set import ImageSet
from pipeline.models.dcgan.config import DEFAULTS, DcganConfig
from pipeline.models.dcgan.trainer import DcganTrainer
from pipeline.training import checkpoint
from pipeline.training.distributed.world import joined
from pipeline.training.feeder.pictures import MappedPictures
from pipeline.training.runtime import Runtime

RUNTIME = {
    **{"device": "cpu", "precision": "float32", "memory_format": "channels_last", "compile": False},
    **{"cuda_graphs": False, "determinism": "strict", "threads": 1},
}


class HalvesNorm(nn.Module):
    """Batch norm of each half of a batch by itself; the running statistics are the mean of those of both."""

    def __init__(self, plain: nn.Module) -> None:
        super().__init__()
        self.weight, self.bias = plain.weight, plain.bias
        for name in ("running_mean", "running_var", "num_batches_tracked"):
            self.register_buffer(name, getattr(plain, name))

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        halves, means, variances = [], [], []
        for half in values.chunk(2):
            mean, variance = self.running_mean.clone(), self.running_var.clone()
            halves.append(nn.functional.batch_norm(half, mean, variance, self.weight, self.bias, training=True))
            means.append(mean)
            variances.append(variance)
        self.running_mean.copy_(torch.stack(means).mean(0))
        self.running_var.copy_(torch.stack(variances).mean(0))
        self.num_batches_tracked += 1
        return torch.cat(halves)


def use_halves(network: nn.Module) -> None:
    for module in list(network.modules()):
        for name, child in module.named_children():
            if isinstance(child, nn.BatchNorm1d | nn.BatchNorm2d):
                setattr(module, name, HalvesNorm(child))


def main() -> None:
    images, steps, statistics, to = sys.argv[1:]
    values = {"preset": "imagenet32", "base_width": 2, "runtime": RUNTIME, **DEFAULTS}
    values |= {"batch_size": 16, "sync_batch_norm": statistics == "whole", "ema": 0.5}
    config = DcganConfig.model_validate(values)
    with joined("cpu") as world:
        pictures = MappedPictures(ImageSet(images))
        runtime = Runtime(config.runtime)
        trainer = DcganTrainer(pictures, config, 5, runtime, world=world, dtype=torch.float64)
        if world.size == 1 and statistics == "shares":
            use_halves(trainer.generator)
            use_halves(trainer.discriminator)
        for step in range(int(steps)):
            rows = np.arange(step * 16, step * 16 + 16) % 64
            metrics = trainer.training_step(trainer.batch(rows, step, 5), step)
        mean_loss = torch.stack([metrics["d_loss"], metrics["g_loss"]])
        world.average([mean_loss])
        state = {**trainer.tensors(), "losses": mean_loss}
        for name, value in state.items():
            same = value.clone().double()
            world.average([same])
            assert torch.equal(same, value.double()), f"{name} differs between the processes"
        if world.first:
            checkpoint.save(Path(to), state)


if __name__ == "__main__":
    main()
