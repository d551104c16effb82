"""From z to pictures: uint8 images, and the grid and single files of `dcgan sample`."""

import copy
import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import Field

from pipeline.core import files, params
from pipeline.core.errors import BadParameters
from pipeline.core.workspace import workspace
from pipeline.imageset import image_grid
from pipeline.imageset.format.image_set import Images
from pipeline.models.dcgan import saved_model
from pipeline.models.dcgan.model import Generator
from pipeline.seeding import deterministic, torch_generator

BLOCK = 64
"""Pictures drawn at a time. Always this many, for a convolution's last bits may depend on the size of its batch."""


class SampleConfig(params.Section):
    """Section `dcgan.SET.sample`."""

    count: int = Field(gt=0, description="pictures in the grid")
    singles: int = Field(ge=0, description="how many of them, the first, are also written as files of their own")
    batch_statistics: bool = Field(
        description="normalise by the batch, as the released code does, instead of by the running statistics"
    )
    threads: int = Field(gt=0, description="of torch; decides the order of sums")


def latents(rng: torch.Generator, *shape: int) -> torch.Tensor:
    """z, float32 of this shape, uniform in [-1, 1)."""
    return torch.rand(shape, generator=rng) * 2 - 1


def draw(generator: Generator, z: torch.Tensor, *, batch_statistics: bool = False) -> Images:
    """Pictures uint8 (n, side, side, 3) from z float32 (n, latent).

    A value v in [-1, 1] becomes (v + 1) · 127.5 rounded to the nearest whole number, which undoes the pre-processing
    x / 127.5 - 1. The generator is left as it was.

    Args:
        batch_statistics: False: batch norm uses its running statistics, and a picture depends on its z alone. True: it
            uses the mean and variance of all `z` together, and a picture depends on its batch mates.
    """
    if batch_statistics:
        return _pictures(copy.deepcopy(generator).train(), z)
    training = generator.training
    generator.eval()
    blocks = []
    for block in torch.split(z, BLOCK):
        padded = torch.zeros(BLOCK, z.shape[1])
        padded[: len(block)] = block
        blocks.append(_pictures(generator, padded)[: len(block)])
    generator.train(training)
    return np.concatenate(blocks)


def _pictures(generator: Generator, z: torch.Tensor) -> Images:
    device = next(generator.parameters()).device
    with torch.no_grad():
        values = generator(z.to(device))
        rounded = ((values + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
    pictures: Images = rounded.permute(0, 2, 3, 1).cpu().contiguous().numpy()
    return pictures


def digest(z: torch.Tensor) -> str:
    """SHA-256 of z as little-endian float32, row by row."""
    return hashlib.sha256(z.numpy().astype("<f4").tobytes()).hexdigest()


def sample(model_folder: Path, parameters: SampleConfig, *, name: str, seed: int, to: Path) -> dict[str, Any]:
    """Write `grid.png`, `singles/NNN.png` and `samples.json` to the folder `to`.

    Args:
        model_folder: what `training.train` wrote.
        name: of the set; with the seed it names the draw of z.

    Returns:
        The content of `samples.json`.

    Raises:
        BadParameters: more single pictures than pictures, or the statistics of a batch of one.
        MissingInput, CorruptData: the model is not there or not whole.
    """
    if parameters.singles > parameters.count:
        raise BadParameters(f"singles: {parameters.singles}, expected at most count, which is {parameters.count}")
    if parameters.batch_statistics and parameters.count == 1:
        raise BadParameters("batch_statistics: true needs a count of at least 2: a single picture has no variance")
    deterministic(parameters.threads)
    generator = saved_model.load_generator(model_folder)
    record = {
        **parameters.model_dump(),
        "seed": seed,
        "model_sha256": files.sha256_file(model_folder / "generator.safetensors"),
    }
    with workspace(to, files.digest({**record, "name": name})) as work:
        if work is None:
            done: dict[str, Any] = files.read_json(to / "samples.json")
            return done
        z = latents(torch_generator(seed, "sample", name), parameters.count, generator.preset.latent)
        images = draw(generator, z, batch_statistics=parameters.batch_statistics)
        image_grid.write_png(work.result / "grid.png", image_grid.grid(images))
        (work.result / "singles").mkdir()
        for number, image in enumerate(images[: parameters.singles]):
            image_grid.write_png(work.result / "singles" / f"{number:03d}.png", image)
        record["z_sha256"] = digest(z)
        files.write_json(work.result / "samples.json", record)
        work.publish()
    return record
