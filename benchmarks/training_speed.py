"""Measure how fast a DCGAN trains here and in the loop of the PyTorch tutorial, with the same network and algorithm.

    PYTHONPATH=. python benchmarks/training_speed.py [--preset torch64] [--base-width 64] [--batch-size 128]
        [--rounds 5] [--steps 4] [--device cpu] [--to benchmarks/training_speed.json]

The tutorial is https://docs.pytorch.org/tutorials/beginner/dcgan_faces_tutorial.html: contiguous tensors, Adam as torch
chooses it, fakes shared by both updates, gradients of the discriminator's weights also in the generator's update, and
`.item()` in each step. Its pictures are JPEG files, read with Pillow by a DataLoader with two workers; torchvision's
transforms are written out, so that it is not needed. Both sides compute in float32, unless a row says otherwise.

Rounds alternate between the sides, so that other work on the machine slows both. The rate of a side is the median of
its rounds. Measures: `end_to_end`, from the files on; `resident`, with batches that are in memory; `parts`, this
project's step with one thing taken back; `loader`, how fast batches are made without training.
On a GPU, rows with TF32, bfloat16 and CUDA graphs are added, with the achieved TFLOP/s.
"""

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from machine import describe
from pictures import write_set
from PIL import Image
from torch.utils.data import DataLoader, Dataset
from torch.utils.flop_counter import FlopCounterMode

from pipeline.core import files
from pipeline.imageset.format.image_set import ImageSet
from pipeline.models.dcgan.config import DcganConfig, defaults
from pipeline.models.dcgan.model import PRESETS, Discriminator, Generator, build
from pipeline.models.dcgan.trainer import DcganTrainer
from pipeline.seeding import torch_generator
from pipeline.training.feeder.ahead import ahead
from pipeline.training.feeder.pictures import open_pictures
from pipeline.training.matrix_convolution import MatrixConvolution
from pipeline.training.runtime import Runtime

END_TO_END_GOAL, RESIDENT_GOAL, LOADER_GOAL = 2.0, 1.5, 20.0
GRAPHS_GOAL = 4.0
"""For bfloat16 with CUDA graphs, beside the tutorial in float32."""
Step = Callable[[], object]


def pictures(count: int, side: int) -> np.ndarray:
    """Smooth pictures with some noise, uint8 (count, side, side, 3)."""
    rng = np.random.default_rng(1)
    coarse = rng.integers(0, 256, (count, 8, 8, 3)).astype(np.uint8)
    smooth = [np.asarray(Image.fromarray(c).resize((side, side), Image.Resampling.BICUBIC)) for c in coarse]
    return (np.stack(smooth) * 0.9 + rng.uniform(0, 25, (count, side, side, 3))).astype(np.uint8)


class Files(Dataset[torch.Tensor]):
    """JPEG files as the tutorial reads them: resize, centre crop, to [0, 1], normalise to [-1, 1]."""

    def __init__(self, folder: Path, side: int) -> None:
        self.paths = sorted(folder.glob("*.jpg"))
        self.side = side

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, item: int) -> torch.Tensor:
        with Image.open(self.paths[item]) as picture:
            small = picture.convert("RGB").resize((self.side, self.side), Image.Resampling.BILINEAR)
        values = torch.from_numpy(np.array(small)).permute(2, 0, 1).contiguous().float().div(255)
        return values.sub_(0.5).div_(0.5)


def tutorial(config: DcganConfig, device: torch.device) -> Callable[[torch.Tensor], None]:
    """The step of the tutorial for pictures float32 (n, 3, side, side) in [-1, 1] on the CPU."""
    preset, width = PRESETS[config.preset], config.base_width
    generator = build(Generator, preset, width, torch_generator(1, "g")).to(device)
    discriminator = build(Discriminator, preset, width, torch_generator(1, "d")).to(device)
    betas = (config.beta1, config.beta2)
    of_d = torch.optim.Adam(discriminator.parameters(), config.learning_rate, betas)
    of_g = torch.optim.Adam(generator.parameters(), config.learning_rate, betas)
    criterion = torch.nn.BCEWithLogitsLoss()

    def step(data: torch.Tensor) -> None:
        discriminator.zero_grad()
        real = data.to(device)
        label = torch.full((len(real),), 1.0, device=device)
        output = discriminator(real)
        d_real = criterion(output, label)
        d_real.backward()
        output.sigmoid().mean().item()
        fake = generator(torch.rand(len(real), preset.latent, device=device) * 2 - 1)
        label.fill_(0.0)
        output = discriminator(fake.detach())
        d_fake = criterion(output, label)
        d_fake.backward()
        output.sigmoid().mean().item()
        of_d.step()
        generator.zero_grad()
        label.fill_(1.0)
        output = discriminator(fake)
        g_loss = criterion(output, label)
        g_loss.backward()
        output.sigmoid().mean().item()
        of_g.step()
        (d_real + d_fake).item(), g_loss.item()

    return step


def trainer_of(images: ImageSet, config: DcganConfig) -> DcganTrainer:
    runtime = Runtime(config.runtime)
    return DcganTrainer(open_pictures(images, np.arange(len(images)), runtime.device), config, 1, runtime)


def changed(config: DcganConfig, **changes: Any) -> DcganConfig:
    """The configuration with other values; those of the runtime by their names too."""
    of_runtime = {name: changes.pop(name) for name in list(changes) if name in config.runtime.model_fields_set}
    return config.model_copy(update={**changes, "runtime": config.runtime.model_copy(update=of_runtime)})


def rows_of(images: ImageSet, batch: int) -> Iterator[tuple[np.ndarray, int]]:
    """Endless rows of steps, in a random order."""
    rng, step = np.random.default_rng(2), 0
    while True:
        order = rng.permutation(len(images))
        for start in range(0, len(images) - batch + 1, batch):
            yield order[start : start + batch], step
            step += 1


def resident_step(trainer: DcganTrainer, images: ImageSet, batch: int) -> Step:
    """A step of this project on a batch that is in memory."""
    made = trainer.batch(np.arange(batch) % len(images), 0, 1)
    metrics: list[torch.Tensor] = []

    def step() -> None:
        found = trainer.training_step(made, 0)
        metrics.append(torch.stack(list(found.values())))
        if len(metrics) == 50:
            torch.stack(metrics).tolist()
            metrics.clear()

    return step


def plain_adam(trainer: DcganTrainer) -> DcganTrainer:
    """The same trainer with Adam as torch chooses it."""
    config = trainer.config
    trainer.optimizers = [
        torch.optim.Adam(network.parameters(), config.learning_rate, (config.beta1, config.beta2))
        for network in (trainer.generator, trainer.discriminator)
    ]
    return trainer


def without_products(trainer: DcganTrainer) -> DcganTrainer:
    """The same trainer, whose convolutions are all computed by torch."""
    for network in (trainer.generator, trainer.discriminator):
        for module in network.modules():
            if isinstance(module, MatrixConvolution):
                module.most_positions = 0
    return trainer


def unfrozen(trainer: DcganTrainer) -> DcganTrainer:
    """The same trainer, which also computes the gradients of the discriminator's weights in the generator's update."""
    trainer.discriminator.requires_grad_ = lambda wanted=True: trainer.discriminator  # type: ignore[method-assign]
    return trainer


def rates(sides: dict[str, Step], batch: int, *, rounds: int, steps: int, device: torch.device) -> dict[str, float]:
    """Pictures per second of each side, the median of rounds that alternate between the sides."""

    def wait() -> None:
        if device.type == "cuda":
            torch.cuda.synchronize()

    found: dict[str, list[float]] = {name: [] for name in sides}
    for step in sides.values():
        for _ in range(5 if device.type == "cuda" else 1):
            step()
    for _ in range(rounds):
        for name, step in sides.items():
            wait()
            started = time.perf_counter()
            for _ in range(steps):
                step()
            wait()
            found[name].append(steps * batch / (time.perf_counter() - started))
    return {name: statistics.median(values) for name, values in found.items()}


def flops_per_step(trainer: DcganTrainer, images: ImageSet, batch: int) -> int:
    """Floating-point operations of the matrix products and convolutions of a step."""
    with FlopCounterMode(display=False) as counter:
        resident_step(trainer, images, batch)()
    return counter.get_total_flops()


def measure(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """All measures; see the module's docstring."""
    device = torch.device(options.device)
    base = defaults(options.preset)
    config = changed(
        base,
        base_width=options.base_width or base.base_width,
        batch_size=options.batch_size,
        share_fakes=True,
        device=options.device,
        memory_format="channels_last",
        determinism="strict" if options.device == "cpu" else "fast",
    )
    side, batch = PRESETS[config.preset].side, config.batch_size
    drawn = pictures(max(options.pictures, 2 * batch), side)
    images = ImageSet(write_set(drawn, folder / "set"))
    (folder / "jpeg").mkdir()
    for number, picture in enumerate(drawn):
        Image.fromarray(picture).save(folder / "jpeg" / f"{number:06d}.jpg", quality=90)
    how = {"rounds": options.rounds, "steps": options.steps, "device": device}

    flops = flops_per_step(trainer_of(images, changed(config, compile=False)), images, batch)
    theirs, ours = tutorial(config, device), trainer_of(images, config)
    loader = DataLoader(Files(folder / "jpeg", side), batch, shuffle=True, num_workers=2, drop_last=True)

    def endless() -> Iterator[torch.Tensor]:
        while True:
            yield from loader

    batches, made = endless(), ahead(lambda entry: ours.batch(*entry, 1), rows_of(images, batch), threads=2)
    end_to_end = rates(
        {"tutorial": lambda: theirs(next(batches)), "this": lambda: ours.training_step(next(made), 0)}, batch, **how
    )
    made.close()
    data = torch.from_numpy(images.read(np.arange(batch))).permute(0, 3, 1, 2).float().div(127.5).sub(1).contiguous()
    resident = rates({"tutorial": lambda: theirs(data), "this": resident_step(ours, images, batch)}, batch, **how)

    variants = {
        "all": trainer_of(images, config),
        "contiguous": trainer_of(images, changed(config, memory_format="contiguous")),
        "no_matrix_products": without_products(trainer_of(images, config)),
        "plain_adam": plain_adam(trainer_of(images, config)),
        "discriminator_not_frozen": unfrozen(trainer_of(images, config)),
        "fresh_fakes": trainer_of(images, changed(config, share_fakes=False)),
    }
    parts = rates({name: resident_step(t, images, batch) for name, t in variants.items()}, batch, **how)
    if device.type == "cuda":
        variants = {
            name: trainer_of(images, changed(config, **changes))
            for name, changes in {
                "float32": {"precision": "float32"},
                "tf32": {"precision": "tf32"},
                "bf16": {"precision": "bf16"},
                "bf16_graphs": {"precision": "bf16", "cuda_graphs": True},
            }.items()
        }
        for name, trainer in variants.items():  # one after the other, because TF32 is a global setting
            Runtime(trainer.config.runtime)
            parts |= rates({name: resident_step(trainer, images, batch)}, batch, **how)

    counted, started = 0, time.perf_counter()
    for _ in ahead(lambda entry: ours.batch(*entry, 1), rows_of(images, batch), threads=2):
        counted += 1
        if counted >= 20 and time.perf_counter() - started > options.loader_seconds:
            break
    loads = counted * batch / (time.perf_counter() - started)
    values = {
        "end to end, times the tutorial": (end_to_end["this"] / end_to_end["tutorial"], END_TO_END_GOAL, "times"),
        "resident batches, times the tutorial": (resident["this"] / resident["tutorial"], RESIDENT_GOAL, "times"),
        "loader alone, times what the step consumes": (loads / resident["this"], LOADER_GOAL, "times"),
    }
    if "bf16_graphs" in parts:
        ratio = parts["bf16_graphs"] / resident["tutorial"]
        values["bf16 with graphs, times the tutorial in float32"] = (ratio, GRAPHS_GOAL, "times")
    rounded = {
        "end_to_end": {name: round(value, 2) for name, value in end_to_end.items()},
        "resident": {name: round(value, 2) for name, value in resident.items()},
        "parts": {name: round(value, 2) for name, value in parts.items()},
        "loader": round(loads, 1),
    }
    return {
        "options": {k: v for k, v in vars(options).items() if k != "to"} | {"base_width": config.base_width},
        "unit": "pictures per second",
        "runtime": config.runtime.model_dump(),
        "teraflop_per_step": round(flops / 1e12, 4),
        "teraflops_per_second": {name: round(value / batch * flops / 1e12, 3) for name, value in parts.items()},
        **rounded,
        "claims": [
            {"name": name, "value": round(value, 2), "goal": goal, "unit": unit, "met": value >= goal}
            for name, (value, goal, unit) in values.items()
        ],
    }


def main() -> None:
    """Measure, print and write the results."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--preset", default="torch64", choices=list(PRESETS))
    parser.add_argument("--base-width", type=int, help="default: that of the published network")
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--pictures", type=int, default=2048)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=4, help="steps per round")
    parser.add_argument("--loader-seconds", type=float, default=5.0)
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--to", type=Path, default=Path(__file__).with_suffix(".json"))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        result = measure(options, Path(name))
    machine = describe("torch", "numpy", "pillow")
    if options.device == "cuda":
        machine["gpu"] = torch.cuda.get_device_name()
    result["machine"] = machine
    print(json.dumps(result, indent=1))
    files.write_text(options.to, json.dumps(result, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
