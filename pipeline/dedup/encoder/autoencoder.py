"""The paper's 3072-128-3072 denoising dropout ReLU autoencoder (section 4.1.1): its parameters and its quantisation.

The paper states only the widths of the layers; everything else is a parameter. Training is in `train_autoencoder`; this
module does not import torch, which is slow to import.
"""

from dataclasses import replace
from typing import Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from pipeline.core import params
from pipeline.dedup.encoder import codes
from pipeline.dedup.encoder.codes import Encoder, Kind
from pipeline.dedup.encoder.encoder_input import Bytes


class AutoencoderConfig(params.Section):
    """Section `dedup.SET.autoencoder`."""

    input: Kind = Field(description="pixels: the unchanged picture; normalised: scaled to a standard contrast")
    bits: Literal["active", "balanced"] = Field(
        description="a bit is set if its unit is above: 0 (active), or its median over the set (balanced)"
    )
    epochs: int = Field(gt=0, description="passes over the pictures")
    batch_size: int = Field(gt=0, description="pictures per training step")
    learning_rate: float = Field(gt=0, allow_inf_nan=False, description="learning rate of Adam")
    weight_std: float = Field(gt=0, allow_inf_nan=False, description="standard deviation of the normal initial weights")
    corruption: float = Field(ge=0, lt=1, description="share of the input values that are replaced by mid grey")
    dropout: float = Field(ge=0, lt=1, description="share of the code units that are dropped during training")
    threads: int = Field(gt=0, description="threads of torch; the number changes the order of sums and so the weights")
    checkpoint_every: int = Field(gt=0, description="training steps between checkpoints")


def balance(encoder: Encoder, values: Bytes) -> Encoder:
    """Return a copy of the encoder in which each bit's threshold is the lower median of its sums over the inputs.

    Args:
        encoder: provides the weights.
        values: encoder inputs, uint8 (n, 3072).
    """
    products = np.sort(codes.sums(values, encoder.weight), axis=0)
    return replace(encoder, threshold=products[(len(products) - 1) // 2])


def quantise(weight: npt.NDArray[np.float32], bias: npt.NDArray[np.float32], kind: Kind = "pixels") -> Encoder:
    """Quantise a float code layer to int8 weights and int32 thresholds.

    A unit is active when w·(p/127.5 - 1) + b > 0 for pixels p, that is, when w·p > 127.5 (Σw - b). Let q = round(w/s),
    where s is chosen so that the largest |q| of the unit is 127. The condition becomes q·p > floor(127.5 (Σq - b/s)).
    The floor does not change the result, because q·p is an integer.

    Args:
        weight: float32 (128, 3072).
        bias: float32 (128,).
        kind: the kind of input.
    """
    weight64 = weight.astype(np.float64)
    largest = np.abs(weight64).max(axis=1, keepdims=True)
    steps = np.where(largest > 0, largest, 1.0) / 127
    quantised = np.rint(weight64 / steps)
    threshold = np.floor(127.5 * (quantised.sum(axis=1) - bias.astype(np.float64) / steps[:, 0]))
    bounds = np.iinfo(np.int32)
    return Encoder(quantised.astype(np.int8), np.clip(threshold, bounds.min, bounds.max).astype(np.int32), kind)
