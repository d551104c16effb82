"""Train the autoencoder on an image set. The network is small, so it is always trained on the CPU."""

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
"""Clean inputs and corrupted inputs, each float32 (n, 3072) in [-1, 1]; dropout mask, float32 (n, 128) of 0 and 1."""


class AutoencoderTrainer:
    """The network and its optimiser, with the methods that `loop.train` calls.

    Args:
        images: the training set.
        parameters: parameters of the autoencoder and its training.
        seed: all random numbers are derived from it.
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

    def batch(self, rows: Rows, step: int, seed: int) -> Batch:
        """Clean inputs, corrupted inputs and the dropout mask of one training step."""
        clean = scale(encoder_input(self.images.read(rows), self.parameters.input))
        generator = seeding.torch_generator(seed, "noise", step)
        corrupted = clean * torch.empty_like(clean).bernoulli_(1 - self.parameters.corruption, generator=generator)
        mask = torch.empty(len(rows), BITS).bernoulli_(1 - self.parameters.dropout, generator=generator)
        return clean, corrupted, mask

    def training_step(self, batch: Batch, step: int) -> dict[str, torch.Tensor]:
        """One step of Adam on the mean squared error between clean inputs and reconstructions of the corrupted ones."""
        clean, corrupted, mask = batch
        code = self.pre_activation(corrupted).relu() * mask / (1 - self.parameters.dropout)
        reconstruction = torch.nn.functional.linear(code, self.weights["decoder.weight"], self.weights["decoder.bias"])
        loss = torch.nn.functional.mse_loss(reconstruction, clean)
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        return {"loss": loss.detach()}

    def pre_activation(self, pictures: torch.Tensor) -> torch.Tensor:
        """Compute the input of the code layer's ReLU: float32 (n, 3072) in [-1, 1] to float32 (n, 128)."""
        return torch.nn.functional.linear(pictures, self.weights["encoder.weight"], self.weights["encoder.bias"])

    def tensors(self) -> checkpoint.Tensors:
        """Weights, and the moments and step counts of Adam."""
        return {**self.weights, **checkpoint.prefixed("adam", checkpoint.optimizer_tensors(self.optimizer))}

    def load_tensors(self, tensors: checkpoint.Tensors) -> None:
        """Restore the state that `tensors` returned."""
        with torch.no_grad():
            for name, weight in self.weights.items():
                weight.copy_(tensors[name])
        checkpoint.load_optimizer(self.optimizer, checkpoint.under("adam", tensors))


def scale(values: Bytes) -> torch.Tensor:
    """Scale the output of `encoder_input`, uint8 (n, 3072), to the network's input, float32 (n, 3072) in [-1, 1]."""
    return torch.from_numpy(values).float() / 127.5 - 1


def bit_agreement(trainer: AutoencoderTrainer, encoder: Encoder, values: Bytes) -> float:
    """Share of bits in which the quantised encoder and the float network agree, 0..1, to six decimals."""
    agree = 0
    for start in range(0, len(values), _BLOCK):  # in blocks, because a float takes four times the memory of a byte
        block = values[start : start + _BLOCK]
        with torch.no_grad():
            expected = (trainer.pre_activation(scale(block)) > 0).numpy()
        found = np.unpackbits(codes.encode_input(block, encoder), axis=1, bitorder="big")
        agree += int((found == expected).sum())
    return round(agree / (len(values) * codes.BITS), 6)


_READ_BLOCK = 512
_SAMPLE = 16_384  # evenly spaced pictures, for the medians of the bits and the agreement with the float network


def train_autoencoder(
    images_folder: Path, parameters: AutoencoderConfig, *, name: str, seed: int, to: Path
) -> dict[str, Any]:
    """Train on all pictures of a set and write the encoder.

    Writes `encoder.safetensors` (int8 and int32, the only file that hashing needs), `autoencoder.safetensors` (the
    float network), `history.tsv` and `autoencoder.json`. Equal inputs, parameters, seed, torch build and instruction
    set give equal bytes, even if the run was interrupted.

    Args:
        name: name of the set; the seed of the training is derived from it and the root seed.
        seed: root seed.

    Returns:
        The content of `autoencoder.json`.

    Raises:
        MissingInput, CorruptData: the image set is missing or damaged.
        BadParameters: the set has fewer pictures than a batch.
        TrainingDiverged: the loss is not finite.
    """
    images = ImageSet(images_folder)
    seeding.deterministic(parameters.threads)
    made_from = {
        "images": images.digest,
        "parameters": parameters.model_dump(),
        "seed": seed,
        "set": name,
        "torch": str(torch.__version__),  # a plain string: unpickling a TorchVersion would import torch
    }
    # A checkpoint is resumed only by the same code on the same instruction set.
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
        ).history
        weights = {name: weight.detach() for name, weight in trainer.weights.items()}
        encoder = quantise(weights["encoder.weight"].numpy(), weights["encoder.bias"].numpy(), parameters.input)
        sample = _evenly_spaced(images, parameters.input)
        agreement = bit_agreement(trainer, encoder, sample)
        if parameters.bits == "balanced":
            encoder = balance(encoder, sample)
        codes.save_encoder(work.result / "encoder.safetensors", encoder)
        checkpoint.save(work.result / "autoencoder.safetensors", weights)
        files.write_text(work.result / "history.tsv", loop.history_tsv(history))
        summary = {
            **made_from,
            "pictures": len(images),
            "steps": int(history[-1]["step"]),
            "final_loss": round(history[-1]["loss"], 6),
            "compared": len(sample),
            "agreement": agreement,
            **codes.bit_statistics(codes.encode_input(sample, encoder)),
        }
        files.write_json(work.result / "autoencoder.json", summary)
        work.publish()
    return summary


def _evenly_spaced(images: ImageSet, kind: Kind) -> Bytes:
    """Encoder inputs of pictures that are evenly spaced over a set: uint8 (n, 3072)."""
    rows = np.arange(0, len(images), -(-len(images) // _SAMPLE))
    parts = np.split(rows, range(_READ_BLOCK, len(rows), _READ_BLOCK))
    return np.concatenate([encoder_input(images.read(part), kind) for part in parts])
