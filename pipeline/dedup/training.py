"""Train the autoencoder on a set; small as it is, on the processor at any scale."""

from pathlib import Path
from typing import Any

import numpy as np
import torch

from pipeline import checkpoints, files, loop, seeding
from pipeline.dedup import codes
from pipeline.dedup.autoencoder import Autoencoder, balance, quantise
from pipeline.dedup.codes import Kind, encoder_input
from pipeline.dedup.inputs import Bytes
from pipeline.dedup.trainer import Trainer, compare
from pipeline.imageset import ImageSet
from pipeline.workspace import workspace

_READ = 512
_COMPARED = 16_384  # pictures, evenly spaced, that bits are balanced on, and floats compared with whole numbers


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
        "torch": str(torch.__version__),  # else who unpickles it imports torch
    }
    # A checkpoint is only continued by the same code on the same instruction set.
    work_digest = files.digest(
        {
            **made_from,
            "code": files.code_digest("dedup", "loop.py", "checkpoints.py", "imageset.py", "seeding.py"),
            "instructions": torch.backends.cpu.get_cpu_capability(),
        }
    )
    with workspace(to, work_digest) as work:
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
        compared = _spread(images, parameters.input)
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


def _spread(images: ImageSet, kind: Kind) -> Bytes:
    """What is encoded of pictures that are evenly spaced over a set: uint8 (n, 3072)."""
    rows = np.arange(0, len(images), -(-len(images) // _COMPARED))
    parts = np.split(rows, range(_READ, len(rows), _READ))
    return np.concatenate([encoder_input(images.read(part), kind) for part in parts])
