"""What people read of a result is laid on top of the steps, and is never missing meanwhile."""

import errno
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pipeline.core import files
from pipeline.workflows.deduplicate import SHOWN, show


def test_a_full_disk_leaves_what_lay_on_top(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without its manifest no pictures could be added to a result any more; the next run lays the new files there."""
    options: Any = SimpleNamespace(against=None)
    for folder, names in SHOWN.items():
        (tmp_path / "steps" / folder).mkdir(parents=True)
        for name in names:
            (tmp_path / "steps" / folder / name).write_text("new")
            (tmp_path / name).write_text("old")

    def fail(source: Path, to: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(files, "link_or_copy", fail)
        with pytest.raises(OSError, match="No space"):
            show(tmp_path / "steps", tmp_path, options)
    shown = [name for folder in ("dedup", "gallery") for name in SHOWN[folder]]
    assert {(tmp_path / name).read_text() for name in shown} == {"old"}
    for _ in range(2):
        show(tmp_path / "steps", tmp_path, options)
        assert {path.name: path.read_text() for path in tmp_path.iterdir() if path.is_file()} == dict.fromkeys(
            shown, "new"
        )
