"""A file gets its final name only when it is complete, and concurrent edits of a file are all kept."""

import multiprocessing
from pathlib import Path

import pytest

from pipeline.core import files
from pipeline.core.errors import CorruptData, MissingInput


def test_atomic_path_leaves_the_old_file_when_the_block_fails(tmp_path: Path) -> None:
    """A failure in the middle of writing keeps what was there, and leaves no temporary file."""
    target = tmp_path / "note.txt"
    files.write_text(target, "old")
    with pytest.raises(RuntimeError), files.atomic_path(target) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_json_is_sorted_and_refuses_nan(tmp_path: Path) -> None:
    """Metrics are the same bytes whatever the order of keys; NaN is no JSON."""
    files.write_json(tmp_path / "a.json", {"b": 1, "a": 2})
    files.write_json(tmp_path / "b.json", {"a": 2, "b": 1})
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()
    with pytest.raises(ValueError, match="JSON"):
        files.write_json(tmp_path / "c.json", float("nan"))


def test_read_json_says_what_is_wrong(tmp_path: Path) -> None:
    """A missing and a broken file each get their own error."""
    with pytest.raises(MissingInput, match=r"a\.json"):
        files.read_json(tmp_path / "a.json")
    (tmp_path / "a.json").write_text("{")
    with pytest.raises(CorruptData, match=r"a\.json"):
        files.read_json(tmp_path / "a.json")


def _count(path: Path, times: int) -> None:
    for _ in range(times):
        with files.locked_for_editing(path) as there:
            files.write_text(there, str(int(there.read_text() if there.exists() else 0) + 1))


def test_a_held_file_is_edited_by_one_at_a_time(tmp_path: Path) -> None:
    """No edit of several processes is lost; a link stays one, and what fails in the block leaves the file."""
    (tmp_path / "link").symlink_to(tmp_path / "folder" / "count")
    processes = [multiprocessing.Process(target=_count, args=(tmp_path / "link", 50)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert (tmp_path / "folder" / "count").read_text() == "150" and (tmp_path / "link").is_symlink()
    with pytest.raises(RuntimeError), files.locked_for_editing(tmp_path / "link"):
        raise RuntimeError
    _count(tmp_path / "link", 1)
    assert (tmp_path / "link").read_text() == "151"
