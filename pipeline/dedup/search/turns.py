"""How pictures are turned before they are compared: unchanged, mirrored or upside down."""

from typing import Literal

from pipeline.imageset.format.image_set import Images

Turn = Literal["unchanged", "mirrored", "upside down"]


def turned(images: Images, turn: Turn) -> Images:
    """Pictures uint8 (n, H, W, 3), unchanged, mirrored or upside down; a view of the same memory."""
    if turn == "mirrored":
        return images[:, :, ::-1]
    return images[:, ::-1] if turn == "upside down" else images
