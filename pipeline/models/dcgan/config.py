"""Options of training a DCGAN: section `dcgan.SET.training`."""

from typing import Literal

from pydantic import Field

from pipeline.core import params
from pipeline.models.dcgan.model import PresetName
from pipeline.training.runtime import RuntimeConfig


class DcganConfig(params.Section):
    """Section `dcgan.SET.training`."""

    preset: PresetName = Field(description="which networks")
    base_width: int = Field(gt=0, description="channels of the layer next to the image")
    epochs: int = Field(gt=0, description="passes over the pictures")
    batch_size: int = Field(gt=1, description="pictures of a minibatch; batch norm needs two")
    learning_rate: float = Field(gt=0, allow_inf_nan=False, description="Adam's")
    beta1: float = Field(ge=0, lt=1, description="Adam's")
    beta2: float = Field(ge=0, lt=1, description="Adam's")
    weight_decay: float = Field(ge=0, allow_inf_nan=False, description="times each weight, added to its gradient")
    schedule: Literal["paired", "alternate"] = Field(
        description="paired: each minibatch updates D, then G; alternate: G and D take turns, a minibatch each, G first"
    )
    checkpoint_every: int = Field(gt=0, description="steps between checkpoints")
    grid: int = Field(gt=0, description="samples drawn after each epoch, always from the same z")
    runtime: RuntimeConfig
