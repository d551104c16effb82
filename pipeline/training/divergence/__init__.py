"""The watch over a training: numbers that are not finite, a discriminator that has won, a collapsed generator.

The thresholds are far from what a healthy training shows, because a false alarm would stop a good run, and a missed one
only costs time. In the trainings of the three miniature sets, the largest mean of `d_real - d_fake` over an epoch was
0.78, the smallest of `d_loss` 0.26, and samples had at least a tenth of the standard deviation of the pictures. A
strong discriminator is no fault by itself: the generator's loss gives it a gradient all the same.
"""

import math
from collections.abc import Mapping
from typing import Any

MARGIN = 0.999
"""The discriminator has won a step if `d_real - d_fake` is above this value and `d_loss` is below `SMALL_LOSS`.

A margin of 0.999 means that it is mistaken on less than one picture in a thousand, with probabilities of almost 0 or 1.
Its gradient, and with it what the generator learns from it, is then a thousandth of that at the start."""

SMALL_LOSS = 0.002
"""See `MARGIN`. The margin alone allows a `d_loss` of about 0.001."""

WON_STEPS = 200
"""The alarm needs as many won steps without a break; a good generator interrupts them."""

COLLAPSED = 0.02
"""A generator has collapsed if the standard deviation of its samples falls below this share of that of the pictures.

With pictures of an ordinary standard deviation of 60 levels, samples then differ by 1 level."""

GROWN = 0.1
"""Samples of an untrained generator hardly differ either, so the share must have been above this value before."""


class Watch:
    """What a training has shown so far. All methods are called in the order of the steps, so alarms are repeatable.

    Args:
        pictures_std: standard deviation of the training pictures in the unit of `samples`, above 0; with None samples
            are not watched.
    """

    def __init__(self, pictures_std: float | None = None) -> None:
        self.pictures_std = pictures_std
        self.won = 0
        self.grown = False

    def metrics(self, values: Mapping[str, float]) -> str | None:
        """Look at the metrics of the next step; return what is wrong, or None."""
        for name, value in values.items():
            if not math.isfinite(value):
                return f"{name} is {value}"
        if not {"d_real", "d_fake", "d_loss"} <= values.keys():
            return None
        margin = values["d_real"] - values["d_fake"]
        self.won = self.won + 1 if margin > MARGIN and values["d_loss"] < SMALL_LOSS else 0
        if self.won < WON_STEPS:
            return None
        return (
            f"the discriminator has won: d_real - d_fake above {MARGIN} and d_loss below {SMALL_LOSS} "
            f"in {WON_STEPS} steps in a row"
        )

    def samples(self, std: float) -> str | None:
        """Look at the standard deviation of samples of always the same z; return what is wrong, or None."""
        if not self.pictures_std:
            return None
        share = std / self.pictures_std
        self.grown = self.grown or share >= GROWN
        if not self.grown or share >= COLLAPSED:
            return None
        return (
            f"the generator has collapsed: the standard deviation of samples is {std:.2f}, that of the pictures "
            f"{self.pictures_std:.1f}"
        )

    def state(self) -> dict[str, Any]:
        """What the methods remember, for a checkpoint."""
        return {"won": self.won, "grown": self.grown}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Restore what `state` returned."""
        self.won, self.grown = state["won"], state["grown"]
