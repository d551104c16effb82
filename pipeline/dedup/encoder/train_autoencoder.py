"""Train the autoencoder on a set; small as it is, on the processor at any scale."""

from pathlib import Path
from typing import Any

import numpy as np
import torch

from pipeline import seeding
from pipeline.core import files
from pipeline.core.code_dependencies import code_digest
from pipeline.core.workspace import workspace
from pipeline.dedup.encoder import codes
from pipeline.dedup.encoder.autoencoder import AutoencoderConfig, balance, quantise
from pipeline.dedup.encoder.codes import BITS, Encoder, Kind, encoder_input
from pipeline.dedup.encoder.encoder_input import INPUTS, Bytes
from pipeline.imageset.format.image_set import ImageSet, Rows
from pipeline.training import checkpoint, loop

_BLOCK = 1024

Batch = tuple[torch.Tensor, torch.Tensor, torch.Tensor]
"""Pictures as they are and corrupted, float32 (n, 3072) in [-1, 1]; which units stay, float32 (n, 128) of 0 and 1."""


class AutoencoderTrainer:
    """The network and its optimiser, as `loop.train` wants them.

    Args:
        seed: names every draw.
    """

    def __init__(self, images: ImageSet, parameters: AutoencoderConfig, seed: int) -> None:
        self.images = images
        self.parameters = parameters
        self.seed = seed
        self.weights: dict[str, torch.Tensor] = {}
        for name, shape in (("encoder", (BITS, INPUTS)), ("decoder", (INPUTS, BITS))):
            drawn = torch.randn(shape, generator=seeding.torch_generator(seed, name)) * parameters.weight_std
            self.weights[f"{name}.weight"] = drawn.requires_grad_()
            self.weights[f"{name}.bias"] = torch.zeros(shape[0], requires_grad=True)
        self.optimizer = torch.optim.Adam(self.weights.values(), parameters.learning_rate)

    def batch(self, rows: Rows, step: int) -> Batch:
        """Clean and corrupted pictures, and the units of the code that stay."""
        clean = scale(encoder_input(self.images.read(rows), self.parameters.input))
        chance = seeding.torch_generator(self.seed, "noise", step)
        corrupted = clean * torch.empty_like(clean).bernoulli_(1 - self.parameters.corruption, generator=chance)
        stay = torch.empty(len(rows), BITS).bernoulli_(1 - self.parameters.dropout, generator=chance)
        return clean, corrupted, stay

    def training_step(self, batch: Batch, step: int) -> dict[str, torch.Tensor]:
        """One step of Adam on the mean squared error between the clean pictures and what is made of corrupted ones."""
        clean, corrupted, stay = batch
        code = self.pre_activation(corrupted).relu() * stay / (1 - self.parameters.dropout)
        made = torch.nn.functional.linear(code, self.weights["decoder.weight"], self.weights["decoder.bias"])
        loss = torch.nn.functional.mse_loss(made, clean)
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        return {"loss": loss.detach()}

    def pre_activation(self, pictures: torch.Tensor) -> torch.Tensor:
        """What the code layer's ReLU is given: float32 (n, 3072) in [-1, 1] to float32 (n, 128)."""
        return torch.nn.functional.linear(pictures, self.weights["encoder.weight"], self.weights["encoder.bias"])

    def tensors(self) -> checkpoint.Tensors:
        """Weights, and Adam's moments and step counts."""
        return {**self.weights, **checkpoint.prefixed("adam", checkpoint.optimizer_tensors(self.optimizer))}

    def load_tensors(self, tensors: checkpoint.Tensors) -> None:
        """Put back what `tensors` gave."""
        with torch.no_grad():
            for name, weight in self.weights.items():
                weight.copy_(tensors[name])
        checkpoint.load_optimizer(self.optimizer, checkpoint.under("adam", tensors))


def scale(values: Bytes) -> torch.Tensor:
    """`encoder_input`, uint8 (n, 3072), as the network takes it: float32 (n, 3072) in [-1, 1]."""
    return torch.from_numpy(values).float() / 127.5 - 1


def compare(trainer: AutoencoderTrainer, encoder: Encoder, values: Bytes) -> float:
    """How many bits of the whole-number encoder are those of the float network: a share, 0..1, to six decimals."""
    agree = 0
    for start in range(0, len(values), _BLOCK):  # a float takes four times the room of a byte
        block = values[start : start + _BLOCK]
        with torch.no_grad():
            expected = (trainer.pre_activation(scale(block)) > 0).numpy()
        found = np.unpackbits(codes.encode_input(block, encoder), axis=1, bitorder="big")
        agree += int((found == expected).sum())
    return round(agree / (len(values) * codes.BITS), 6)


_READ = 512
_COMPARED = 16_384  # pictures, evenly spaced, that bits are balanced on, and floats compared with whole numbers


def train_autoencoder(
    images_folder: Path, parameters: AutoencoderConfig, *, name: str, seed: int, to: Path
) -> dict[str, Any]:
    """Train on all pictures of a set and write the encoder.

    Writes `encoder.safetensors` (int8 and int32, all that hashing needs), `autoencoder.safetensors` (the network in
    floats), `history.tsv` and `autoencoder.json`. The same inputs, parameters, seed, torch build and instruction set
    give the same bytes, also when the run was interrupted.

    Args:
        name: of the set; with the seed it names every draw.
        seed: root seed.

    Returns:
        What stands in `autoencoder.json`.

    Raises:
        MissingInput, CorruptData: of the image set.
        BadParameters: fewer pictures than a batch.
        TrainingDiverged: the loss is not finite.
    """
    images = ImageSet(images_folder)
    seeding.deterministic(parameters.threads)
    made_from = {
        "images": images.digest,
        "parameters": parameters.model_dump(),
        "seed": seed,
        "set": name,
        "torch": str(torch.__version__),  # else who unpickles it imports torch
    }
    # A checkpoint is only continued by the same code on the same instruction set.
    work_digest = files.digest(
        {
            **made_from,
            "code": code_digest(__name__),
            "instructions": torch.backends.cpu.get_cpu_capability(),
        }
    )
    with workspace(to, work_digest) as work:
        if work is None:
            return dict(files.read_json(to / "autoencoder.json"))
        trainer = AutoencoderTrainer(images, parameters, seeding.derive(seed, "train-autoencoder", name))
        history = loop.train(
            trainer,
            np.arange(len(images)),
            epochs=parameters.epochs,
            rows_per_step=parameters.batch_size,
            seed=trainer.seed,
            scratch=work.scratch,
            checkpoint_every=parameters.checkpoint_every,
            title="train-autoencoder",
        )
        weights = {name: weight.detach() for name, weight in trainer.weights.items()}
        encoder = quantise(weights["encoder.weight"].numpy(), weights["encoder.bias"].numpy(), parameters.input)
        compared = _evenly_spaced(images, parameters.input)
        agreement = compare(trainer, encoder, compared)
        if parameters.bits == "balanced":
            encoder = balance(encoder, compared)
        codes.save_encoder(work.result / "encoder.safetensors", encoder)
        checkpoint.save(work.result / "autoencoder.safetensors", weights)
        files.write_text(work.result / "history.tsv", loop.history_tsv(history))
        summary = {
            **made_from,
            "pictures": len(images),
            "steps": int(history[-1]["step"]),
            "final_loss": round(history[-1]["loss"], 6),
            "compared": len(compared),
            "agreement": agreement,
            **codes.bit_statistics(codes.encode_input(compared, encoder)),
        }
        files.write_json(work.result / "autoencoder.json", summary)
        work.publish()
    return summary


def _evenly_spaced(images: ImageSet, kind: Kind) -> Bytes:
    """What is encoded of pictures that are evenly spaced over a set: uint8 (n, 3072)."""
    rows = np.arange(0, len(images), -(-len(images) // _COMPARED))
    parts = np.split(rows, range(_READ, len(rows), _READ))
    return np.concatenate([encoder_input(images.read(part), kind) for part in parts])
