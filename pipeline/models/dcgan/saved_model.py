"""A trained model on disk: two safetensors files and `model.json`, which describes them."""

from pathlib import Path
from typing import Any

from pipeline.core import files
from pipeline.core.errors import CorruptData
from pipeline.models.dcgan.model import PRESETS, Discriminator, Generator, Network, Preset, empty
from pipeline.training import checkpoint

FAMILY = "dcgan"

SCHEMA_VERSION = 3
"""Version of `model.json`. Earlier versions can be read too: 1 has no key `family`; 1 and 2 lack `prior`, `classes`."""


def save(folder: Path, description: dict[str, Any], **networks: Generator | Discriminator) -> None:
    """Write each network to `NAME.safetensors`, and `model.json`.

    Args:
        folder: an existing folder.
        description: JSON-like; has at least the keys `preset` and `base_width`.
        networks: `generator`, `discriminator`, or one of them.
    """
    for name, network in networks.items():
        checkpoint.save(folder / f"{name}.safetensors", network.state_dict())
    said = {"architecture": architecture(description), **_of_preset(PRESETS[description["preset"]])}
    files.write_json(folder / "model.json", {**description, **said, "schema_version": SCHEMA_VERSION, "family": FAMILY})


def architecture(description: dict[str, Any]) -> str:
    """Description of the networks for people."""
    return f"{description['preset']}, base width {description['base_width']}"


def load_generator(folder: Path) -> Generator:
    """The generator, on the CPU and in evaluation mode. Raises the errors of `read_description`."""
    return _load(folder, "generator", Generator)


def load_discriminator(folder: Path) -> Discriminator:
    """The discriminator, on the CPU and in evaluation mode. Raises the errors of `read_description`."""
    return _load(folder, "discriminator", Discriminator)


def read_description(folder: Path) -> dict[str, Any]:
    """The content of `model.json`.

    Raises:
        MissingInput: there is no model.
        CorruptData: `model.json` or the file of a network has wrong content, or they do not belong together.
    """
    path = folder / "model.json"
    description = files.read_json(path)
    if not isinstance(description, dict) or description.get("schema_version") not in range(1, SCHEMA_VERSION + 1):
        raise CorruptData(f"{path}: not a DCGAN of schema version {SCHEMA_VERSION}; train it again")
    preset = description.get("preset")
    if not isinstance(preset, str) or preset not in PRESETS:
        raise CorruptData(f"{path}: preset {preset!r}, expected one of {', '.join(PRESETS)}")
    width = description.get("base_width")
    if type(width) is not int or width < 1:
        raise CorruptData(f"{path}: base_width {width!r}, expected a whole number of at least 1")
    for key, expected in _of_preset(PRESETS[preset]).items():
        found = description.get(key, expected)
        if found != expected:
            raise CorruptData(f"{path}: {key} {found!r}, but {preset} has {expected!r}; train it again")
    return description


def _of_preset(preset: Preset) -> dict[str, Any]:
    """What `model.json` says about the preset, for programs that do not know it."""
    return {
        "image_shape": [preset.side, preset.side, preset.colours],
        "latent_shape": [preset.latent],
        "prior": preset.prior,
        "classes": preset.classes,
    }


def _load(folder: Path, name: str, kind: type[Network]) -> Network:
    description = read_description(folder)
    preset, width = description["preset"], description["base_width"]
    network = empty(kind, PRESETS[preset], width)
    path = folder / f"{name}.safetensors"
    tensors, _ = checkpoint.load(path)
    expected = {key: (tuple(tensor.shape), tensor.dtype) for key, tensor in network.state_dict().items()}
    found = {key: (tuple(tensor.shape), tensor.dtype) for key, tensor in tensors.items()}
    for key in sorted(expected.keys() | found.keys()):
        if expected.get(key) != found.get(key):
            raise CorruptData(
                f"{path}: {key} is {_text(found.get(key))}, but {preset} at width {width} (model.json) has "
                f"{_text(expected.get(key))}; train it again"
            )
    network.load_state_dict(tensors, assign=True)
    return network.eval()


def _text(entry: tuple[tuple[int, ...], Any] | None) -> str:
    return "missing" if entry is None else f"{'×'.join(map(str, entry[0])) or 'one'} {entry[1]}"
