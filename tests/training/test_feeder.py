"""Pictures come the same from the image set and from a device, and transfers keep the tensors as they are."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline.imageset.format.image_set import ImageSet
from pipeline.training.feeder import pictures
from pipeline.training.feeder.pictures import MappedPictures, ResidentPictures, open_pictures
from pipeline.training.feeder.transfer import Transfer


@pytest.fixture
def images(make_imageset: Callable[..., Path]) -> ImageSet:
    """Thirty pictures of 8×8, cropped to 6×6."""
    values = np.random.default_rng(3).integers(0, 256, (30, 8, 8, 3), dtype=np.uint8)
    return ImageSet(make_imageset(values), side=6)


def test_resident_pictures_equal_mapped_ones(images: ImageSet, monkeypatch: pytest.MonkeyPatch) -> None:
    """Any order of the kept rows, read in several blocks."""
    monkeypatch.setattr(pictures, "_BLOCK", 7)
    kept = np.arange(1, 30, 2)
    asked = np.array([29, 3, 3, 17])
    expected = images.read(asked)
    for store in (MappedPictures(images), ResidentPictures(images, kept, torch.device("cpu"))):
        assert (store.take(store.prepare(asked)).numpy() == expected).all()


def test_pictures_are_resident_where_they_fit(images: ImageSet, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a CPU they are mapped; on a GPU it depends on its free memory."""
    rows = np.arange(30)
    assert isinstance(open_pictures(images, rows, torch.device("cpu")), MappedPictures)
    monkeypatch.setattr(pictures, "ResidentPictures", lambda *given: "resident")
    for free, expected in ((30 * 108 * 2, True), (30 * 108 * 2 - 1, False)):
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device, free=free: (free, free))
        assert (open_pictures(images, rows, torch.device("cuda")) == "resident") == expected


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_transfer_to_a_gpu_keeps_the_values() -> None:
    """Copied in a stream of its own and used in the current one, many times in a row."""
    transfer = Transfer(torch.device("cuda"))
    tensors = [torch.full((1000, 1000), float(number)) for number in range(20)]
    sent = [transfer.send([tensor, None]) for tensor in tensors]
    for tensor, parts in zip(tensors, sent, strict=True):
        there, absent = parts.received()
        assert absent is None and there is not None and torch.equal(there.cpu(), tensor)
