"""The metrics of a training: kept on the device, read now and then, averaged over epochs."""

from collections.abc import Iterator, Mapping

import torch

from pipeline.training.distributed.world import World

History = list[dict[str, float]]
"""One entry per epoch: `epoch`, `step` (steps done so far) and the mean of each metric over the steps of the epoch."""


class DeviceMetrics:
    """Metrics of the last steps, which wait on the device until they are read together.

    Args:
        world: the processes; the metrics of a step are the means over all of them.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._names: list[str] = []
        self._waiting: list[torch.Tensor] = []

    def add(self, metrics: Mapping[str, torch.Tensor]) -> None:
        """Keep the metrics of a step: tensors of one element, with the same names in each step."""
        self._names = list(metrics)
        self._waiting.append(torch.stack([value.detach() for value in metrics.values()]))  # a copy

    def read(self) -> Iterator[dict[str, float]]:
        """Copy all that wait to the CPU at once, and iterate over the steps, first step first."""
        if not self._waiting:
            return
        table = torch.stack(self._waiting)
        self._waiting.clear()
        self._world.average([table])
        for values in table.tolist():
            yield dict(zip(self._names, values, strict=True))

    def clear(self) -> None:
        """Forget what waits."""
        self._waiting.clear()


def history_tsv(history: History) -> str:
    """The history as tab-separated text with a header, with six significant digits, for `dvc plots`."""
    # Sorted, because the JSON of a checkpoint does not preserve the order of the metrics.
    names = ["epoch", "step", *sorted(history[0].keys() - {"epoch", "step"})]
    lines = ["\t".join(names), *("\t".join(f"{entry[name]:.6g}" for name in names) for entry in history)]
    return "\n".join(lines) + "\n"
