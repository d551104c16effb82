"""Grey values of colour pictures."""

import numpy as np

from pipeline.imageset.format.image_set import Images


def grey(images: Images) -> Images:
    """Luma of pictures by ITU-R BT.601, with the integer weights of Pillow's `convert("L")`.

    A picture whose three channels are equal, as of MNIST, keeps its values.

    Args:
        images: uint8 (n, side, side, 3) RGB.

    Returns:
        uint8 (n, side, side, 1).
    """
    red, green, blue = (images[..., channel, None].astype(np.uint32) for channel in range(3))
    luma: Images = ((19_595 * red + 38_470 * green + 7_471 * blue + 0x8000) >> 16).astype(np.uint8)
    return luma
