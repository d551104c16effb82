"""The command `download-benchmarks`."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def options(tmp_path: Path) -> Callable[[str], list[object]]:
    """A function that gives the options of a set `digits`, MNIST, from the given source."""

    def options(source: str) -> list[object]:
        section = f"{{data_set: mnist, source: {source}, checksum: any, train: 30, test: 20}}"
        (tmp_path / "profile.yaml").write_text(f"acquire: {{digits: {section}}}")
        common = ["--set", "digits", "--params", tmp_path / "profile.yaml", "--archives", tmp_path / "archives"]
        return [*common, "--to", tmp_path / "out"]

    return options


def test_drawn_and_summed_up(run_stage: Run, options: Callable[[str], list[object]], tmp_path: Path) -> None:
    """Counts, source and what comes next for a person; the same as `source.json` for a machine."""
    section = options("miniature")[:4]
    missing = run_stage("download_benchmarks", *options("miniature"), "--drawn", tmp_path / "drawn")
    assert missing.returncode == 1 and "run dcgan draw-benchmarks" in missing.stderr
    done = run_stage("draw_benchmarks", *section, "--seed", 1, "--to", tmp_path / "drawn", "--json")
    assert done.returncode == 0 and json.loads(done.stdout) == {"drawn": 50}, done.stderr
    done = run_stage("download_benchmarks", *options("miniature"), "--drawn", tmp_path / "drawn", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == json.loads((tmp_path / "out" / "source.json").read_text())
    last = done.stderr.splitlines()[-1]
    assert last.startswith("download-benchmarks: 30 train, 20 test pictures of 10 classes (miniature) in ")
    assert last.endswith("next: dcgan evaluate-features") and "as upstream" not in last
    again = run_stage("download_benchmarks", *options("miniature"), "--drawn", tmp_path / "drawn", "--quiet")
    assert (again.returncode, again.stdout, again.stderr) == (0, "", "")


def test_what_is_wrong_is_one_line(run_stage: Run, options: Callable[[str], list[object]], tmp_path: Path) -> None:
    """A missing archive says what to do; so does a key that is not there."""
    done = run_stage("download_benchmarks", *options("archive"))
    assert done.returncode == 1 and done.stderr.count("\n") == 1
    for part in ("train-images-idx3-ubyte.gz", "9,912,422 bytes", "f68b3c2dcbeaaa9fbdd348bbdeb94873", "t10k-labels"):
        assert part in done.stderr
    wrong = run_stage("download_benchmarks", *options("upstreams"))
    assert wrong.returncode == 1 and wrong.stderr.count("\n") == 1
    assert "acquire.digits.source: 'upstreams'" in wrong.stderr and not (tmp_path / "out").exists()
