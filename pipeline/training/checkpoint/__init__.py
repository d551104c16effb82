"""Checkpoints: named tensors and a JSON-like state in one safetensors file, written atomically."""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as serialise

from pipeline.core import files
from pipeline.core.errors import CorruptData, MissingInput

Tensors = dict[str, torch.Tensor]


def save(path: Path, tensors: Tensors, state: Any = None) -> None:
    """Write tensors and a JSON-like `state` to a safetensors file, atomically."""
    # Converted to bytes first: the writer of safetensors reports a full disk as a corrupt file.
    files.write_bytes(path, to_bytes(tensors, state))


def to_bytes(tensors: Tensors, state: Any = None) -> bytes:
    """Tensors, copied to the CPU, and a JSON-like `state` as a safetensors file; equal content gives equal bytes."""
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    # Only one metadata key, because safetensors writes several in an order that varies.
    return serialise(plain, metadata={"state": json.dumps(state, sort_keys=True)})


def load(path: Path) -> tuple[Tensors, Any]:
    """Read what `save` wrote.

    Raises:
        MissingInput: there is no such file.
        CorruptData: it is not a complete safetensors file.
    """
    if not path.exists():
        raise MissingInput(f"{path}: no such file; run the command that trains it first")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            return {name: file.get_tensor(name) for name in file.keys()}, json.loads(metadata.get("state", "null"))  # noqa: SIM118
    except (SafetensorError, json.JSONDecodeError) as error:
        raise CorruptData(f"{path}: not a whole safetensors file ({error}); train it again") from None


def load_state(path: Path) -> Any:
    """Read only the state of what `save` wrote. Raises the errors of `load`."""
    if not path.exists():
        raise MissingInput(f"{path}: no such file; run the command that trains it first")
    try:
        with safe_open(path, framework="np") as file:
            return json.loads((file.metadata() or {}).get("state", "null"))
    except (SafetensorError, json.JSONDecodeError) as error:
        raise CorruptData(f"{path}: not a whole safetensors file ({error}); train it again") from None


def prefixed(prefix: str, tensors: Tensors) -> Tensors:
    """The same tensors with the names `prefix.name`."""
    return {f"{prefix}.{name}": tensor for name, tensor in tensors.items()}


def under(prefix: str, tensors: Tensors) -> Tensors:
    """The tensors whose names have this prefix, with the prefix removed: the inverse of `prefixed`."""
    start = f"{prefix}."
    return {name.removeprefix(start): tensor for name, tensor in tensors.items() if name.startswith(start)}


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> Tensors:
    """An optimiser's state (Adam's moments and step counts) as `parameter number.name`."""
    state = optimizer.state_dict()["state"]
    return {f"{number}.{name}": value for number, entry in state.items() for name, value in entry.items()}


def load_optimizer(optimizer: torch.optim.Optimizer, tensors: Tensors) -> None:
    """Restore what `optimizer_tensors` returned; learning rates and other options of `optimizer` do not change."""
    state: dict[int, dict[str, torch.Tensor]] = {}
    for name, tensor in tensors.items():
        number, _, key = name.partition(".")
        state.setdefault(int(number), {})[key] = tensor
    optimizer.load_state_dict({**optimizer.state_dict(), "state": state})
