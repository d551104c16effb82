"""Decoders for HEIC and AVIF, which are not always installed: the optional extra `heif`, and Pillow's own for AVIF."""

import functools
import importlib.metadata
import importlib.util

from PIL import features


@functools.cache
def optional_formats() -> tuple[str, ...]:
    """Pillow's names of those of the two formats that can be decoded here; the decoder of HEIC is registered."""
    found = []
    if importlib.util.find_spec("pillow_heif"):
        import pillow_heif

        pillow_heif.register_heif_opener()
        found.append("HEIF")
    if features.check("avif"):
        found.append("AVIF")
    return tuple(found)


def can_decode(kind: str) -> bool:
    """Whether a picture can be decoded here.

    Args:
        kind: a format as `readers.first_bytes` names it, such as `HEIC`.
    """
    return {"HEIC": "HEIF"}.get(kind, kind) in optional_formats()


def heif_version() -> str | None:
    """Version of the decoder of HEIC; None without it."""
    return importlib.metadata.version("pillow-heif") if "HEIF" in optional_formats() else None
