"""Options of training a DCGAN: section `dcgan.SET.training`, or the defaults of a preset."""

from collections.abc import Mapping
from typing import Any, Literal

import torch
from pydantic import Field, model_validator

from pipeline.core import params
from pipeline.core.errors import BadParameters
from pipeline.models.dcgan.model import PRESETS, PresetName
from pipeline.training.runtime import RuntimeConfig


class DcganConfig(params.Section):
    """Section `dcgan.SET.training`."""

    preset: PresetName = Field(description="which networks")
    base_width: int = Field(gt=0, description="channels of the layer next to the image")
    epochs: int = Field(gt=0, description="passes over the pictures")
    batch_size: int = Field(
        gt=1, description="pictures of a minibatch, of all processes together; batch norm needs two per process"
    )
    learning_rate: float = Field(gt=0, allow_inf_nan=False, description="Adam's")
    beta1: float = Field(ge=0, lt=1, description="Adam's")
    beta2: float = Field(ge=0, lt=1, description="Adam's")
    weight_decay: float = Field(ge=0, allow_inf_nan=False, description="times each weight, added to its gradient")
    schedule: Literal["paired", "alternate"] = Field(
        description="paired: each minibatch updates D, then G; alternate: G and D take turns, a minibatch each, G first"
    )
    share_fakes: bool = Field(
        description="with paired: whether G's update uses the generated pictures of D's update, as in the PyTorch "
        "tutorial, instead of those of a fresh z"
    )
    ema: float = Field(
        ge=0, lt=1, description="decay per step of the moving average of G's weights that makes samples; 0: no average"
    )
    sync_batch_norm: bool = Field(
        description="whether batch norm takes its statistics over the shares of all processes, as one process would"
    )
    checkpoint_every: int = Field(gt=0, description="steps between checkpoints")
    on_divergence: Literal["stop", "rewind"] = Field(
        description="stop: with an error; rewind: go back to an earlier checkpoint and train on with other random "
        "numbers, three times at most"
    )
    grid: int = Field(gt=0, description="samples drawn after each epoch, always from the same z")
    runtime: RuntimeConfig

    @model_validator(mode="after")
    def _fakes_are_of_the_same_step(self) -> "DcganConfig":
        if self.share_fakes and self.schedule == "alternate":
            raise ValueError("share_fakes: true needs schedule: paired")
        return self


DEFAULTS: dict[str, Any] = {
    "epochs": 25,
    **{"batch_size": 128, "learning_rate": 2e-4, "beta1": 0.5, "beta2": 0.999, "weight_decay": 0.0},
    **{"schedule": "paired", "share_fakes": False, "ema": 0.0, "sync_batch_norm": True},
    **{"checkpoint_every": 1000, "on_divergence": "stop", "grid": 64},
}
"""Values for training without a profile: those of the paper's section 4 and, for the epochs, of the released code."""


def defaults(preset: str | None) -> DcganConfig:
    """The configuration of the published network for training without a profile.

    The device is a CUDA device if torch finds one, else the CPU, with all threads that torch uses by itself.

    Raises:
        BadParameters: there is no such preset, or it is None.
    """
    if preset is None:
        raise BadParameters(f"--set or --preset: one is needed; presets are {', '.join(PRESETS)}")
    network = {str(name): network for name, network in PRESETS.items()}.get(preset)
    if network is None:
        raise BadParameters(
            f"--preset {preset}: unknown, expected one of {', '.join(PRESETS)}{params.did_you_mean(preset, PRESETS)}"
        )
    runtime = {
        "device": "cuda" if torch.cuda.is_available() else "cpu",
        **{"precision": "float32", "memory_format": "channels_last", "compile": False, "cuda_graphs": False},
        **{"determinism": "strict", "threads": torch.get_num_threads()},
    }
    values = {"preset": preset, "base_width": network.base_width, **DEFAULTS, "runtime": runtime}
    return DcganConfig.model_validate(values)


def replaced(config: DcganConfig, given: Mapping[str, Any]) -> DcganConfig:
    """A configuration with the values of the options that were given; None stands for an option that was not.

    Raises:
        BadParameters: a value is not accepted.
    """
    changes = {key: value for key, value in given.items() if value is not None}
    return params.changed(config, changes, "options") if changes else config
