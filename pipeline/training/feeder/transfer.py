"""Copies of batches to a GPU in a stream of their own, beside the computation of earlier batches."""

from collections.abc import Sequence

import torch

Parts = tuple[torch.Tensor | None, ...]
"""The tensors of a batch; None for a part that the batch does not have."""


class Sent:
    """A batch on its way to the device.

    Args:
        parts: tensors on the device.
        copied: event after the copies; None if the tensors are there already.
    """

    def __init__(self, parts: Parts, copied: torch.cuda.Event | None = None) -> None:
        self._parts = parts
        self._copied = copied

    def received(self) -> Parts:
        """The tensors; the device, not the CPU, waits until they are there."""
        if self._copied:
            stream = torch.cuda.current_stream()
            stream.wait_event(self._copied)
            for part in self._parts:
                if part is not None:
                    part.record_stream(stream)  # else the memory could be reused when the copying stream is done
        return self._parts


class Transfer:
    """Sends batches to a device; may be called from several threads.

    Args:
        device: on a CPU the tensors stay as they are.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._stream = torch.cuda.Stream(device) if device.type == "cuda" else None  # type: ignore[no-untyped-call]

    def send(self, parts: Sequence[torch.Tensor | None]) -> Sent:
        """Start to copy tensors of the CPU from page-locked memory, and return without waiting for it."""
        if self._stream is None:
            return Sent(tuple(parts))
        with torch.cuda.stream(self._stream):
            there = tuple(
                None if part is None else part.pin_memory().to(self._device, non_blocking=True) for part in parts
            )
            copied = torch.cuda.Event()  # type: ignore[no-untyped-call]
            copied.record(self._stream)
        return Sent(there, copied)
