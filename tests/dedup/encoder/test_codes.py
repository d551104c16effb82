"""Codes are exact, belong to their pictures, and have a correct description."""

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.core import files
from pipeline.core.errors import CorruptData, MissingInput, PipelineError
from pipeline.core.workspace import MARK
from pipeline.dedup.encoder import codes
from pipeline.dedup.encoder.codes import BITS, Encoder
from pipeline.dedup.encoder.encoder_input import INPUTS, flatten, to_32
from pipeline.imageset.format.image_set import Images, ImageSet

ROOT = Path(__file__).parents[3]


def reference(images: Images, encoder: Encoder) -> np.ndarray:
    """The definition of a code, in 64-bit integers."""
    sums = flatten(to_32(images)).astype(np.int64) @ encoder.weight.astype(np.int64).T
    return np.packbits(sums > encoder.threshold, axis=1)


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([0, 1, 127]))
def test_codes_equal_those_of_64_bit_integers(seed: int, low: int) -> None:
    """The codes equal those of 64-bit integers. Some sums equal their threshold, so an error of one unit is found."""
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 256, (9, 32, 32, 3)).astype(np.uint8)
    weight = (rng.integers(low, 128, (BITS, INPUTS)) * rng.choice([-1, 1], (BITS, INPUTS))).astype(np.int8)
    sums = flatten(to_32(images)).astype(np.int64) @ weight.astype(np.int64).T
    encoder = Encoder(weight, (sums[rng.integers(9, size=BITS), np.arange(BITS)] - rng.integers(2)).astype(np.int32))
    assert np.array_equal(codes.encode(images, encoder), reference(images, encoder))


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("slack", [-1, 0])
def test_the_largest_sums_are_exact(sign: int, slack: int) -> None:
    """With all weights 127 and all pixels 255, the sum is exact."""
    images = np.full((2, 64, 64, 3), 255, np.uint8)
    most = sign * 127 * 255 * INPUTS
    encoder = Encoder(np.full((BITS, INPUTS), sign * 127, np.int8), np.full(BITS, most + slack, np.int32))
    assert (codes.encode(images, encoder) == (255 if slack else 0)).all()


def test_a_code_does_not_depend_on_its_batch(encoder: Encoder, blobs: Callable[[int], Images]) -> None:
    """Encoding pictures one by one, in pairs or together gives the same codes."""
    images = blobs(70)
    together = codes.encode(images, encoder)
    for batch in (1, 7, 64):
        parts = [codes.encode(images[start : start + batch], encoder) for start in range(0, len(images), batch)]
        assert np.array_equal(np.concatenate(parts), together)


def test_bit_i_is_unit_i(blobs: Callable[[int], Images]) -> None:
    """Unit 0 is the highest bit of the first byte."""
    threshold = np.zeros(BITS, np.int32)
    threshold[[0, 9]] = -1
    code = codes.encode(blobs(1), Encoder(np.zeros((BITS, INPUTS), np.int8), threshold))
    assert code[0].tolist() == [0b1000_0000, 0b0100_0000] + 14 * [0]


def test_codes_are_the_same_under_other_kernels_and_threads(encoder: Encoder, tmp_path: Path) -> None:
    """The bytes do not depend on the instructions of the processor nor on the number of threads."""
    codes.save_encoder(tmp_path / "encoder.safetensors", encoder)
    images = np.random.default_rng(3).integers(0, 256, (300, 64, 64, 3)).astype(np.uint8)
    np.save(tmp_path / "images.npy", images)
    program = (
        "import sys, numpy as np; from pathlib import Path; from pipeline.dedup.encoder import codes\n"
        "folder = Path(sys.argv[1])\n"
        "found = codes.encode(np.load(folder / 'images.npy'), codes.load_encoder(folder / 'encoder.safetensors'))\n"
        "sys.stdout.buffer.write(found.tobytes())"
    )
    expected = codes.encode(images, encoder).tobytes()
    for setting in (
        {"OPENBLAS_CORETYPE": "Haswell", "ATEN_CPU_CAPABILITY": "avx2"},
        {"OPENBLAS_CORETYPE": "Prescott", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        {"OPENBLAS_CORETYPE": "Nehalem", "NPY_DISABLE_CPU_FEATURES": "AVX2 FMA3"},
    ):
        found = subprocess.run(
            [sys.executable, "-c", program, tmp_path],
            cwd=ROOT,
            env={**os.environ, **setting},
            capture_output=True,
            check=True,
        )
        assert found.stdout == expected, setting


def test_bit_statistics_are_right() -> None:
    """Shares, entropies and their sum are right for bits that are never, always, half or a quarter of the time set."""
    bits = np.zeros((8, BITS), np.uint8)
    bits[:, 1] = 1
    bits[:4, 2] = 1
    bits[:2, 3] = 1
    found = codes.bit_statistics(np.packbits(bits, axis=1))
    assert found["active_share"][:5] == [0, 1, 0.5, 0.25, 0]
    assert found["entropy"][:5] == [0, 0, 1, 0.811278, 0]
    assert found["constant_bits"] == [0, 1, *range(4, BITS)] and 1 not in found["dead_bits"]
    assert found["effective_bits"] == 1.811
    assert found["distinct_codes"] == 3 and found["zero_codes"] == 0


def test_hashing_a_set_in_blocks(
    make_set: Callable[..., Path], hashed: Callable[[Path], Path], encoder: Encoder, blobs: Callable[[int], Images]
) -> None:
    """The folder contains the codes in row order and the digests of encoder and image set."""
    images = ImageSet(make_set(blobs(20)))
    folder = hashed(images.folder)
    found, description = codes.load_codes(folder, images)
    assert np.array_equal(found, reference(blobs(20), encoder))
    assert description["images"] == images.digest and description["count"] == 20
    assert description["encoder"] == files.sha256_file(folder.parent / "encoder" / "encoder.safetensors")
    assert sorted(path.name for path in folder.iterdir()) == [MARK, "codes.json", "codes.npy"]


def test_codes_of_other_pictures_are_refused(
    make_set: Callable[..., Path], hashed: Callable[[Path], Path], blobs: Callable[[int], Images]
) -> None:
    """Codes of other pictures are refused, with equal or different counts; the message says what to do."""
    first = hashed(make_set(blobs(12), "first"))
    with pytest.raises(CorruptData, match=r"12 codes for 13 pictures; run hash-images again"):
        codes.load_codes(first, ImageSet(make_set(blobs(13), "longer")))
    with pytest.raises(CorruptData, match=r"another image set than .*other; run hash-images again"):
        codes.load_codes(first, ImageSet(make_set(255 - blobs(12), "other")))


@pytest.mark.parametrize(
    ("name", "content", "error"),
    [
        ("codes.npy", None, MissingInput),
        ("codes.json", None, MissingInput),
        ("codes.npy", b"\x93NUMPY\x01\x00garbage", CorruptData),
        ("codes.npy", b"", CorruptData),
        ("codes.json", b'{"count": 3', CorruptData),
        ("codes.json", b"[]", CorruptData),
        ("codes.json", b'{"schema_version": 99}', CorruptData),
    ],
)
def test_broken_codes_are_refused(
    make_set: Callable[..., Path],
    hashed: Callable[[Path], Path],
    blobs: Callable[[int], Images],
    name: str,
    content: bytes | None,
    error: type[PipelineError],
) -> None:
    """A missing, truncated or foreign file raises an error that names the file."""
    images = make_set(blobs(5))
    folder = hashed(images)
    if content is None:
        (folder / name).unlink()
    else:
        (folder / name).write_bytes(content)
    with pytest.raises(error, match=name):
        codes.load_codes(folder, ImageSet(images))


def test_damaged_encoders_are_refused(tmp_path: Path, encoder: Encoder) -> None:
    """A missing, truncated file, or one with other shapes or values, is refused."""
    path = tmp_path / "encoder.safetensors"
    with pytest.raises(MissingInput, match="train-autoencoder first"):
        codes.load_encoder(path)
    codes.save_encoder(path, Encoder(encoder.weight[:, :3000].copy(), encoder.threshold))
    with pytest.raises(CorruptData, match=r"weight is int8 \(128, 3000\), expected int8 \(128, 3072\)"):
        codes.load_encoder(path)
    codes.save_encoder(path, Encoder(np.full((BITS, INPUTS), -128, np.int8), encoder.threshold))
    with pytest.raises(CorruptData, match="-128"):
        codes.load_encoder(path)
    codes.save_encoder(path, encoder)
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(CorruptData, match="not a complete encoder"):
        codes.load_encoder(path)


@pytest.mark.parametrize("workers", [1, 3])
def test_no_more_threads_than_workers(
    make_set: Callable[..., Path], encoder: Encoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    """`-j 1` uses only the calling thread, and the number of threads does not change the codes."""
    images = np.random.default_rng(3).integers(0, 256, (40, 32, 32, 3)).astype(np.uint8)
    folder = make_set(images)
    (tmp_path / "encoder").mkdir()
    codes.save_encoder(tmp_path / "encoder" / "encoder.safetensors", encoder)
    monkeypatch.setattr(codes, "_BLOCK", 1)
    real, threads = codes.encode, set[int]()

    def encode(*given: Any) -> codes.Codes:
        threads.add(threading.get_ident())
        return real(*given)

    monkeypatch.setattr(codes, "encode", encode)
    codes.hash_images(folder, tmp_path / "encoder", tmp_path / "codes", workers=workers)
    assert len(threads) <= workers and (workers > 1 or threads == {threading.get_ident()})
    assert np.array_equal(np.load(tmp_path / "codes" / "codes.npy"), reference(images, encoder))
