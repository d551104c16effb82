"""The first and the last view encode the documented pictures, also for pictures with a frame."""

import numpy as np

from pipeline.dedup.encoder.codes import Encoder, encode, encode_input
from pipeline.dedup.encoder.encoder_input import INPUTS, normalise
from pipeline.dedup.index.views import VIEWS, encode_views


def test_with_a_frame_and_without_one() -> None:
    """The first view encodes the unframed picture, and the last view the whole picture."""
    rng = np.random.default_rng(0)
    encoder = Encoder(
        rng.integers(-127, 128, (128, INPUTS)).astype(np.int8), np.zeros(128, np.int32), kind="normalised"
    )
    pictures = rng.integers(0, 256, (6, 8, 8, 3)).astype(np.uint8).repeat(4, axis=1).repeat(4, axis=2)
    pictures[1, :4] = pictures[1, 28:] = pictures[1, :, :4] = pictures[1, :, 28:] = 255
    pictures[4, :5] = pictures[4, 27:] = 0
    codes = encode_views(pictures, encoder)
    assert codes.shape == (len(VIEWS), 6, 16)
    assert np.array_equal(codes[0], encode(pictures, encoder))
    assert np.array_equal(codes[-1], encode_input(normalise(pictures), encoder))
    assert np.flatnonzero((codes[0] != codes[-1]).any(axis=1)).tolist() == [1, 4]
