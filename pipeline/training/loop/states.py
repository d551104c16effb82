"""The files of a training's state: the newest one, from which a run resumes, and those to rewind to.

checkpoint.safetensors   the newest state, of any step
step-00001200.safetensors   the state after 1,200 steps; kept for a rewind
"""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from pipeline.core import files
from pipeline.training import checkpoint
from pipeline.training.loop.metrics import History


@dataclass
class Position:
    """What the loop itself remembers.

    Attributes:
        step: steps done.
        sums: sums of the metrics over the steps of the epoch.
        history: entries of the finished epochs.
        watch: state of the watch.
        rewinds: what happened before each rewind: `step`, `to_step` and `reason`.
        kept: steps of the states that are kept for a rewind, at most two, the older one first.
    """

    step: int = 0
    sums: dict[str, float] = field(default_factory=dict)
    history: History = field(default_factory=list)
    watch: dict[str, Any] = field(default_factory=dict)
    rewinds: list[dict[str, Any]] = field(default_factory=list)
    kept: list[int] = field(default_factory=list)


Saved = tuple[checkpoint.Tensors, Position]


class States:
    """The state files in a folder; without a folder nothing is written, and nothing is found.

    At any moment the process may be killed: `checkpoint.safetensors` names the kept files that belong to it.

    Args:
        folder: an existing folder, or None.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder

    @property
    def newest(self) -> Path | None:
        """Path of `checkpoint.safetensors`, if it exists."""
        path = self._folder / "checkpoint.safetensors" if self._folder else None
        return path if path and path.exists() else None

    def load(self) -> Saved | None:
        """The newest state; None if there is none."""
        return _read(self.newest) if self.newest else None

    def save(self, tensors: checkpoint.Tensors, position: Position) -> None:
        """Write the newest state; delete the kept states that it does not name."""
        if self._folder is None:
            return
        checkpoint.save(self._folder / "checkpoint.safetensors", tensors, asdict(position))
        self._delete_others(position)

    def keep(self, tensors: checkpoint.Tensors, position: Position) -> None:
        """Write the newest state, and keep it and the last one that was kept, for a rewind."""
        position.kept = [*position.kept[-1:], position.step]
        if self._folder is None:
            return
        newest, kept = self._folder / "checkpoint.safetensors", self._kept(position.step)
        checkpoint.save(kept, tensors, asdict(position))
        with files.atomic_path(newest) as temporary:
            files.link_or_copy(kept, temporary)
        self._delete_others(position)

    def earlier(self, position: Position) -> Saved:
        """The older one of the kept states: the alarm may come some time after what caused it."""
        return _read(self._kept(position.kept[0]))

    def _kept(self, step: int) -> Path:
        assert self._folder
        return self._folder / f"step-{step:08d}.safetensors"

    def _delete_others(self, position: Position) -> None:
        assert self._folder
        wanted = {self._kept(step) for step in position.kept}
        for path in self._folder.glob("step-*.safetensors"):
            if path not in wanted:
                path.unlink()


def _read(path: Path) -> Saved:
    tensors, state = checkpoint.load(path)
    return tensors, Position(**state)
