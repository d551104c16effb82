"""How pictures are turned before they are compared: unchanged or mirrored."""

from typing import Literal

from pipeline.imageset.format.image_set import Images

Turn = Literal["unchanged", "mirrored"]


def turned(images: Images, turn: Turn) -> Images:
    """Pictures uint8 (n, H, W, 3), unchanged or with left and right exchanged; a view of the same memory."""
    return images[:, :, ::-1] if turn == "mirrored" else images
