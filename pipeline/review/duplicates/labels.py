"""The labels of a verdict as the pages show them, with the keys that set them."""

from pathlib import Path
from typing import Any

from pipeline.dedup.decision.verdicts import LABELS
from pipeline.webapp import pages

HERE = Path(__file__).parent

LETTERS = {"same_pixels": "p", "near": "n", "mirrored": "m", "similar": "s", "different": "d"}
"""Keys of labels, beside 1 to 6."""


def render(template: str, **values: Any) -> str:
    """A page of this app; the template also sees `labels` and `letters`."""
    return pages.render(template, folder=HERE, labels=LABELS, letters=LETTERS, **values)
