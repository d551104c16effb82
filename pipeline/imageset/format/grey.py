"""Grey values of colour pictures."""

import numpy as np
import numpy.typing as npt


def grey(images: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Luma of pictures by ITU-R BT.601, with the integer weights of Pillow's `convert("L")`.

    A picture whose three channels are equal, as of MNIST, keeps its values.

    Args:
        images: uint8 (n, side, side, 3) RGB.

    Returns:
        uint8 (n, side, side, 1).
    """
    red, green, blue = (images[..., channel, None].astype(np.uint32) for channel in range(3))
    luma: npt.NDArray[np.uint8] = ((19_595 * red + 38_470 * green + 7_471 * blue + 0x8000) >> 16).astype(np.uint8)
    return luma
