"""The paper's 3072-128-3072 denoising dropout ReLU autoencoder (section 4.1.1), and its code layer in whole numbers.

The paper names the kind of network and no number but its widths; the numbers are parameters. It is small enough to be
trained on the processor at any scale.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from pydantic import Field

from pipeline import checkpoints, files, loop, params, seeding
from pipeline.dedup import codes
from pipeline.dedup.codes import BITS, Encoder
from pipeline.dedup.inputs import INPUTS, Bytes, Kind, encoder_input
from pipeline.imageset import Images, ImageSet, Rows

_COMPARED = 16_384  # pictures, evenly spaced, that bits are balanced on, and floats compared with whole numbers


class Autoencoder(params.Section):
    """Section `dedup.SET.autoencoder`."""

    input: Kind = Field(description="pixels: the picture; normalised: at a standard contrast")
    bits: Literal["active", "balanced"] = Field(
        description="when a bit is set; active: the unit is above 0; balanced: above its median over the set"
    )
    epochs: int = Field(gt=0, description="passes over the pictures")
    batch: int = Field(gt=0, description="pictures a step")
    learning_rate: float = Field(gt=0, allow_inf_nan=False, description="Adam's")
    weight_std: float = Field(gt=0, allow_inf_nan=False, description="of the normal draw that all weights start from")
    corruption: float = Field(ge=0, lt=1, description="share of inputs masked to mid grey")
    dropout: float = Field(ge=0, lt=1, description="share of the code's units dropped while training")
    threads: int = Field(gt=0, description="of torch; decides the order of sums")
    checkpoint_every: int = Field(gt=0, description="steps between checkpoints; there is one after each epoch too")


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

    def step(self, rows: Rows, number: int) -> dict[str, float]:
        """One step of Adam on the mean squared error between the clean pictures and what is made of corrupted ones."""
        clean = scale(encoder_input(self.images.read(rows), self.parameters.input))
        chance = seeding.torch_generator(self.seed, "noise", number)
        corrupted = clean * torch.empty_like(clean).bernoulli_(1 - self.parameters.corruption, generator=chance)
        code = self.pre_activation(corrupted).relu()
        stays = 1 - self.parameters.dropout
        code = code * torch.empty_like(code).bernoulli_(stays, generator=chance) / stays
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


def balance(encoder: Encoder, values: Bytes) -> Encoder:
    """The encoder with each bit's threshold at the (lower) median over inputs uint8 (n, 3072)."""
    products = np.sort(codes.sums(values, encoder.weight), axis=0)
    return replace(encoder, threshold=products[(len(products) - 1) // 2])


def quantise(weight: npt.NDArray[np.float32], bias: npt.NDArray[np.float32], kind: Kind = "pixels") -> Encoder:
    """A float code layer in whole numbers.

    A unit is on when w·(p/127.5 - 1) + b > 0 for pixels p, that is, when w·p > 127.5 (Σw - b). With q = round(w/s) and
    s such that the largest |q| of the unit is 127, this becomes q·p > floor(127.5 (Σq - b/s)): the floor changes
    nothing, for q·p is whole.

    Args:
        weight: float32 (128, 3072).
        bias: float32 (128,).
    """
    wide = weight.astype(np.float64)
    largest = np.abs(wide).max(axis=1, keepdims=True)
    steps = np.where(largest > 0, largest, 1.0) / 127
    whole = np.rint(wide / steps)
    threshold = np.floor(127.5 * (whole.sum(axis=1) - bias.astype(np.float64) / steps[:, 0]))
    bounds = np.iinfo(np.int32)
    return Encoder(whole.astype(np.int8), np.clip(threshold, bounds.min, bounds.max).astype(np.int32), kind)


def train_autoencoder(
    images_folder: Path, parameters: Autoencoder, *, name: str, seed: int, to: Path
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
        "torch": torch.__version__,
    }
    # A checkpoint is only continued by the same code on the same instruction set.
    work_digest = files.digest(
        {
            **made_from,
            "code": files.code_digest("dedup", "loop.py", "checkpoints.py", "imageset.py", "seeding.py"),
            "instructions": torch.backends.cpu.get_cpu_capability(),
        }
    )
    with files.workspace(to, work_digest) as work:
        if work is None:
            return dict(files.read_json(to / "autoencoder.json"))
        trainer = Trainer(images, parameters, seeding.derive(seed, "train-autoencoder", name))
        history = loop.train(
            trainer,
            np.arange(len(images)),
            epochs=parameters.epochs,
            batch=parameters.batch,
            seed=trainer.seed,
            scratch=work.scratch,
            checkpoint_every=parameters.checkpoint_every,
            title="train-autoencoder",
        )
        weights = {name: weight.detach() for name, weight in trainer.weights.items()}
        encoder = quantise(weights["encoder.weight"].numpy(), weights["encoder.bias"].numpy(), parameters.input)
        compared = encoder_input(_spread(images), parameters.input)
        agreement = compare(trainer, encoder, compared)
        if parameters.bits == "balanced":
            encoder = balance(encoder, compared)
        codes.save_encoder(work.result / "encoder.safetensors", encoder)
        checkpoints.save(work.result / "autoencoder.safetensors", weights)
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


def _spread(images: ImageSet) -> Images:
    """Pictures that are evenly spaced over a set."""
    return images.read(np.arange(0, len(images), -(-len(images) // _COMPARED)))


def compare(trainer: Trainer, encoder: Encoder, values: Bytes) -> float:
    """How many bits of the whole-number encoder are those of the float network: a share, 0..1, to six decimals."""
    with torch.no_grad():
        expected = (trainer.pre_activation(scale(values)) > 0).numpy()
    found = np.unpackbits(codes.encode_input(values, encoder), axis=1, bitorder="big")
    return round(float((found == expected).mean()), 6)
