"""The denoising autoencoder in floats, while it learns."""

import numpy as np
import torch

from pipeline import checkpoints, seeding
from pipeline.dedup import codes
from pipeline.dedup.autoencoder import Autoencoder
from pipeline.dedup.codes import BITS, Encoder, encoder_input
from pipeline.dedup.inputs import INPUTS, Bytes
from pipeline.imageset import ImageSet, Rows

_BLOCK = 1024

Batch = tuple[torch.Tensor, torch.Tensor, torch.Tensor]
"""Pictures as they are and corrupted, float32 (n, 3072) in [-1, 1]; which units stay, float32 (n, 128) of 0 and 1."""


class Trainer:
    """The network and its optimiser, as `loop.train` wants them.

    Args:
        seed: names every draw.
    """

    def __init__(self, images: ImageSet, parameters: Autoencoder, seed: int) -> None:
        self.images = images
        self.parameters = parameters
        self.seed = seed
        self.weights: dict[str, torch.Tensor] = {}
        for name, shape in (("encoder", (BITS, INPUTS)), ("decoder", (INPUTS, BITS))):
            drawn = torch.randn(shape, generator=seeding.torch_generator(seed, name)) * parameters.weight_std
            self.weights[f"{name}.weight"] = drawn.requires_grad_()
            self.weights[f"{name}.bias"] = torch.zeros(shape[0], requires_grad=True)
        self.optimizer = torch.optim.Adam(self.weights.values(), parameters.learning_rate)

    def batch(self, rows: Rows, number: int) -> Batch:
        """Clean and corrupted pictures, and the units of the code that stay."""
        clean = scale(encoder_input(self.images.read(rows), self.parameters.input))
        chance = seeding.torch_generator(self.seed, "noise", number)
        corrupted = clean * torch.empty_like(clean).bernoulli_(1 - self.parameters.corruption, generator=chance)
        stay = torch.empty(len(rows), BITS).bernoulli_(1 - self.parameters.dropout, generator=chance)
        return clean, corrupted, stay

    def step(self, batch: Batch) -> dict[str, float]:
        """One step of Adam on the mean squared error between the clean pictures and what is made of corrupted ones."""
        clean, corrupted, stay = batch
        code = self.pre_activation(corrupted).relu() * stay / (1 - self.parameters.dropout)
        made = torch.nn.functional.linear(code, self.weights["decoder.weight"], self.weights["decoder.bias"])
        loss = torch.nn.functional.mse_loss(made, clean)
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        return {"loss": loss.item()}

    def pre_activation(self, pictures: torch.Tensor) -> torch.Tensor:
        """What the code layer's ReLU is given: float32 (n, 3072) in [-1, 1] to float32 (n, 128)."""
        return torch.nn.functional.linear(pictures, self.weights["encoder.weight"], self.weights["encoder.bias"])

    def tensors(self) -> checkpoints.Tensors:
        """Weights, and Adam's moments and step counts."""
        return {**self.weights, **checkpoints.prefixed("adam", checkpoints.optimizer_tensors(self.optimizer))}

    def load_tensors(self, tensors: checkpoints.Tensors) -> None:
        """Put back what `tensors` gave."""
        with torch.no_grad():
            for name, weight in self.weights.items():
                weight.copy_(tensors[name])
        checkpoints.load_optimizer(self.optimizer, checkpoints.under("adam", tensors))


def scale(values: Bytes) -> torch.Tensor:
    """`encoder_input`, uint8 (n, 3072), as the network takes it: float32 (n, 3072) in [-1, 1]."""
    return torch.from_numpy(values).float() / 127.5 - 1


def compare(trainer: Trainer, encoder: Encoder, values: Bytes) -> float:
    """How many bits of the whole-number encoder are those of the float network: a share, 0..1, to six decimals."""
    agree = 0
    for start in range(0, len(values), _BLOCK):  # a float takes four times the room of a byte
        block = values[start : start + _BLOCK]
        with torch.no_grad():
            expected = (trainer.pre_activation(scale(block)) > 0).numpy()
        found = np.unpackbits(codes.encode_input(block, encoder), axis=1, bitorder="big")
        agree += int((found == expected).sum())
    return round(agree / (len(values) * codes.BITS), 6)
