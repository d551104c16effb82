"""128-bit codes in exact integer arithmetic: the bytes are equal on any CPU, for any thread count and batch size.

A unit's bit is set when the product of its int8 weights and the input's bytes exceeds its int32 threshold. The largest
sum, 3072·255·127, is far below 2**31, so there is neither overflow nor rounding.
"""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from pipeline.core import engine, files, progress
from pipeline.core.errors import CorruptData, MissingInput
from pipeline.core.jit import entry_point
from pipeline.core.workspace import workspace
from pipeline.dedup.encoder.encoder_input import INPUTS, Bytes, flatten, normalise, to_32
from pipeline.dedup.encoder.letterbox import strip_frame
from pipeline.imageset.format.image_set import Images, ImageSet

BITS = 128
SCHEMA_VERSION = 1

_BLOCK = 1024

Codes = npt.NDArray[np.uint8]

Kind = Literal["pixels", "normalised"]
_KINDS: dict[str, Kind] = {"pixels": "pixels", "normalised": "normalised"}


@dataclass(frozen=True)
class Encoder:
    """A quantised code layer.

    Attributes:
        weight: int8 (128, 3072) in -127..127, for inputs with channels first.
        threshold: int32 (128,).
        kind: the kind of input; see `encoder_input`.
    """

    weight: npt.NDArray[np.int8]
    threshold: npt.NDArray[np.int32]
    kind: Kind = "pixels"


def save_encoder(path: Path, encoder: Encoder) -> None:
    """Write `encoder.safetensors` atomically."""
    tensors: dict[str, npt.NDArray[Any]] = {"weight": encoder.weight, "threshold": encoder.threshold}
    files.write_bytes(path, save(tensors, metadata={"input": encoder.kind}))


def load_encoder(path: Path) -> Encoder:
    """Read `encoder.safetensors`.

    Raises:
        MissingInput: the file does not exist.
        CorruptData: the file does not contain an encoder.
    """
    if not path.is_file():
        raise MissingInput(f"--encoder {path}: no such file; run train-autoencoder first")
    try:
        with safe_open(path, framework="np") as file:
            kind = str((file.metadata() or {}).get("input"))
            encoder = Encoder(file.get_tensor("weight"), file.get_tensor("threshold"), _KINDS[kind])
    except (SafetensorError, KeyError) as error:
        raise CorruptData(f"--encoder {path}: not a complete encoder ({error}); run train-autoencoder again") from None
    for name, tensor, dtype, shape in (
        ("weight", encoder.weight, np.int8, (BITS, INPUTS)),
        ("threshold", encoder.threshold, np.int32, (BITS,)),
    ):
        if tensor.dtype != dtype or tensor.shape != shape:
            found, expected = f"{tensor.dtype} {tensor.shape}", f"{np.dtype(dtype)} {shape}"
            raise CorruptData(f"--encoder {path}: {name} is {found}, expected {expected}; run train-autoencoder again")
    if encoder.weight.min() < -127:
        raise CorruptData(f"--encoder {path}: weight has -128, expected -127 to 127; run train-autoencoder again")
    return encoder


def encode(images: Images, encoder: Encoder) -> Codes:
    """Codes of pictures. The code of a picture does not depend on the other pictures of the batch.

    Args:
        images: uint8 (n, side, side, 3).

    Returns:
        uint8 (n, 16). Bit i of a code belongs to unit i; the highest bit of a byte comes first.
    """
    return encode_input(encoder_input(images, encoder.kind), encoder)


def encoder_input(images: Images, kind: Kind) -> Bytes:
    """Convert pictures uint8 (n, side, side, 3) to the encoder's input, uint8 (n, 3072), channels first.

    Args:
        kind: `pixels`: the unchanged picture, as in the paper; `normalised`: the picture without a frame (see
            `letterbox.strip_frame`), at a standard contrast (see `encoder_input.normalise`).
    """
    small = to_32(images)
    return normalise(strip_frame(small)) if kind == "normalised" else flatten(small)


def encode_input(values: Bytes, encoder: Encoder) -> Codes:
    """Codes of inputs that `encoder_input` made: uint8 (n, 3072) to uint8 (n, 16)."""
    return np.packbits(sums(values, encoder.weight) > encoder.threshold, axis=1, bitorder="big")


def sums(values: Bytes, weight: npt.NDArray[np.int8]) -> npt.NDArray[np.int32]:
    """Exact products of inputs uint8 (n, 3072) with weights int8 (128, 3072): int32 (n, 128)."""
    total = np.empty((len(values), BITS), np.int32)
    _sums(np.ascontiguousarray(values), np.ascontiguousarray(weight), total)
    return total


@entry_point("(uint8[:,::1], int8[:,::1], int32[:,::1])")
def _sums(values: Bytes, weight: npt.NDArray[np.int8], total: npt.NDArray[np.int32]) -> None:
    """Compute two rows and four units at a time, so that each byte that is read is used more than once.

    Every operation is cast to int32, so that the compiler can use the CPU's 8-bit and 16-bit products. This is a third
    faster than a float32 matrix product.
    """
    last = len(values) - 1
    for i in range(0, len(values), 2):
        x, y = values[i], values[min(i + 1, last)]
        for u in range(0, BITS, 4):
            a, b, c, d = weight[u], weight[u + 1], weight[u + 2], weight[u + 3]
            xa = xb = xc = xd = ya = yb = yc = yd = np.int32(0)
            for k in range(INPUTS):
                p, q = np.int32(x[k]), np.int32(y[k])
                xa = np.int32(xa + np.int32(p * np.int32(a[k])))
                xb = np.int32(xb + np.int32(p * np.int32(b[k])))
                xc = np.int32(xc + np.int32(p * np.int32(c[k])))
                xd = np.int32(xd + np.int32(p * np.int32(d[k])))
                ya = np.int32(ya + np.int32(q * np.int32(a[k])))
                yb = np.int32(yb + np.int32(q * np.int32(b[k])))
                yc = np.int32(yc + np.int32(q * np.int32(c[k])))
                yd = np.int32(yd + np.int32(q * np.int32(d[k])))
            total[i, u], total[i, u + 1], total[i, u + 2], total[i, u + 3] = xa, xb, xc, xd
            if i < last:
                total[i + 1, u], total[i + 1, u + 1], total[i + 1, u + 2], total[i + 1, u + 3] = ya, yb, yc, yd


def hash_images(images_folder: Path, encoder_folder: Path, to: Path, *, workers: int = 1) -> dict[str, Any]:
    """Write `codes.npy`, uint8 (n, 16) in row order, and `codes.json`: the digests of the inputs and bit statistics.

    Args:
        workers: threads.

    Returns:
        The content of `codes.json`.

    Raises:
        MissingInput, CorruptData: the image set or the encoder is missing or damaged.
    """
    images = ImageSet(images_folder)
    encoder = load_encoder(encoder_folder / "encoder.safetensors")
    description = {
        "schema_version": SCHEMA_VERSION,
        "encoder": files.sha256_file(encoder_folder / "encoder.safetensors"),
        "images": images.digest,
        "count": len(images),
    }
    with workspace(to, files.digest(description)) as work:
        if work is None:
            return dict(files.read_json(to / "codes.json"))
        codes = np.empty((len(images), BITS // 8), np.uint8)

        def hash_block(start: int) -> int:
            rows = np.arange(start, min(start + _BLOCK, len(images)))
            codes[rows] = encode(images.read(rows), encoder)
            return len(rows)

        with progress.bar("hash-images", len(images)) as advance:
            for done in engine.map_threads(hash_block, range(0, len(images), _BLOCK), workers=workers):
                advance(done)
        description |= bit_statistics(codes)
        files.write_array(work.result / "codes.npy", codes)
        files.write_json(work.result / "codes.json", description)
        work.publish()
    return description


def bit_statistics(codes: Codes) -> dict[str, Any]:
    """Measure how well the bits divide the pictures.

    Returns:
        active_share: for each bit, the share of codes in which it is set, 0..1, to six decimals.
        entropy: for each bit, its entropy in bits: 0 if it is constant, 1 if it is set in half of the codes.
        dead_bits: numbers of the bits that are set in no code.
        constant_bits: numbers of the bits that are equal in all codes, including the dead ones.
        effective_bits: sum of the entropies, an upper bound of the information in a code, since bits can depend on
            each other.
        distinct_codes: number of different codes.
        zero_codes: number of codes without a set bit.
    """
    count = len(codes)
    set_by = np.zeros(BITS, np.int64)
    for start in range(0, count, 1 << 16):
        set_by += np.unpackbits(codes[start : start + (1 << 16)], axis=1, bitorder="big").sum(axis=0, dtype=np.int64)
    shares = [int(number) / count for number in set_by]
    entropies = [binary_entropy(share) for share in shares]
    return {
        "active_share": [round(share, 6) for share in shares],
        "entropy": [round(entropy, 6) for entropy in entropies],
        "dead_bits": np.flatnonzero(set_by == 0).tolist(),
        "constant_bits": np.flatnonzero((set_by == 0) | (set_by == count)).tolist(),
        "effective_bits": round(math.fsum(entropies), 3),
        "distinct_codes": len(np.unique(as_items(codes))),
        "zero_codes": int((~codes.any(axis=1)).sum()),
    }


def binary_entropy(share: float) -> float:
    """Entropy, in bits, of one bit that is set with probability `share`."""
    return -math.fsum(p * math.log2(p) for p in (share, 1 - share) if p > 0)


def as_items(codes: Bytes) -> npt.NDArray[np.void]:
    """View rows of bytes, uint8 (n, k), as n items, each of which compares as a unit."""
    return np.ascontiguousarray(codes).view(f"V{codes.shape[1]}").ravel()


def load_codes(folder: Path, images: ImageSet) -> tuple[Codes, dict[str, Any]]:
    """Read the codes that `hash_images` wrote for this image set.

    Returns:
        The codes, uint8 (n, 16), and their description.

    Raises:
        MissingInput: `folder` contains no codes.
        CorruptData: the codes belong to another image set, or the files do not belong together.
    """
    path = folder / "codes.npy"
    again = "run hash-images again"
    if not path.is_file():
        raise MissingInput(f"--codes {path}: no such file; run hash-images first")
    description = files.read_json(folder / "codes.json")
    try:
        codes = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise CorruptData(f"--codes {path}: not readable ({error}); {again}") from None
    if not isinstance(codes, np.ndarray) or codes.dtype != np.uint8 or codes.shape[1:] != (BITS // 8,):
        raise CorruptData(f"--codes {path}: expected rows of {BITS // 8} bytes; {again}")
    if len(codes) != len(images):
        raise CorruptData(f"--codes {path}: {len(codes):,} codes for {len(images):,} pictures; {again}")
    if not isinstance(description, dict) or description.get("schema_version") != SCHEMA_VERSION:
        raise CorruptData(f"--codes {folder / 'codes.json'}: expected schema version {SCHEMA_VERSION}; {again}")
    if description.get("images") != images.digest:
        raise CorruptData(f"--codes {path}: codes of another image set than {images.folder}; {again}")
    return codes, description
