"""The commands `draw-miniature` and `draw-benchmarks`."""

import json
import resource
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.core import files
from pipeline.core.workspace import MARK
from tests.conftest import folder_bytes

Run = Callable[..., "subprocess.CompletedProcess[str]"]
PROFILE = """
acquire:
  mine: {{source: {source}, archive: {archive}, checksum: any, keep_archive: true, count: 40, planted_share: 0.1}}
  digits: {{data_set: mnist, source: {source}, checksum: any, train: 20, test: 10}}
"""


@pytest.fixture
def options(tmp_path: Path) -> Callable[..., list[object]]:
    """A function that gives the options for a set of a profile with the given source and archive."""

    def options(name: str, source: str = "miniature", archive: str = "photos.zip") -> list[object]:
        (tmp_path / "profile.yaml").write_text(PROFILE.format(source=source, archive=archive))
        return ["--set", name, "--params", tmp_path / "profile.yaml", "--seed", 1]

    return options


@pytest.mark.parametrize(
    ("archive", "stand_in", "tables"),
    [
        ("photos.zip", "drawn portraits", {"planted.csv", "faces.csv"}),
        ("bedroom_train_lmdb.zip", "drawn rooms", {"planted.csv", "windows.csv"}),
        ("ILSVRC2012_img_train.tar", "drawn textures", {"planted.csv"}),
    ],
)
def test_the_archive_decides_what_is_drawn(
    run_stage: Run, options: Callable[..., list[object]], tmp_path: Path, archive: str, stand_in: str, tables: set[str]
) -> None:
    """Any set may be drawn, whatever its name; one worker and two give the same bytes; the note says what it is."""
    made = []
    for workers in (1, 2):
        to = tmp_path / f"drawn-{workers}"
        done = run_stage("draw_miniature", *options("mine", archive=archive), "--to", to, "-j", workers, "--json")
        assert done.returncode == 0 and json.loads(done.stdout) == {"drawn": 40}, done.stderr
        made.append(folder_bytes(to))
    assert made[0] == made[1] and set(made[0]) == {archive, "drawn.json", MARK, *tables}
    assert files.read_json(tmp_path / "drawn-1" / "drawn.json") == {"stand_in": stand_in}


@pytest.mark.parametrize(("command", "name"), [("draw_miniature", "mine"), ("draw_benchmarks", "digits")])
def test_of_another_source_nothing_is_drawn(
    run_stage: Run, options: Callable[..., list[object]], tmp_path: Path, command: str, name: str
) -> None:
    """The paper and workstation profiles pay the start of a process; the note is the same for all of them."""
    for source in ("archive", "upstream"):
        before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime  # processor time: others may use the machine
        done = run_stage(command, *options(name, source), "--to", tmp_path / "drawn", "--json")
        assert done.returncode == 0 and json.loads(done.stdout) == {"drawn": 0}, done.stderr
        took = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before
        assert took < 5, "it takes about half a second"
        assert {path.name for path in (tmp_path / "drawn").iterdir()} == {"drawn.json", MARK}
        assert files.read_json(tmp_path / "drawn" / "drawn.json") == {"stand_in": None}


def test_what_cannot_be_drawn_is_one_line(run_stage: Run, options: Callable[..., list[object]], tmp_path: Path) -> None:
    """Another archive's name, and a folder of the user's own."""
    done = run_stage("draw_miniature", *options("mine", archive="mine.zip"), "--to", tmp_path / "drawn")
    assert done.returncode == 1 and done.stderr.count("\n") == 1
    assert "archive: mine.zip: with source: miniature, expected one of bedroom_train_lmdb.zip" in done.stderr
    (tmp_path / "drawn").mkdir()
    (tmp_path / "drawn" / "thesis.tex").touch()
    done = run_stage("draw_benchmarks", *options("digits"), "--to", tmp_path / "drawn")
    assert done.returncode == 1 and "thesis.tex" in done.stderr
