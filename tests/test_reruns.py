"""Which stages an edit marks, as DVC itself hashes their dependencies: no stage reruns that the edit cannot change."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from dvc.repo import Repo

from tests.conftest import ROOT

PREPARE = {"crop_scenes", "downsample_imagenet", "crop_faces"}
DOWNLOADS = {"doctor", "download_lsun", "download_imagenet", "download_faces", "download_benchmarks"}
DEDUP = {"train_autoencoder", "hash_images", "find_pairs", "remove_duplicates", "probe_duplicates", "audit_duplicates"}
MODELS = {"train_dcgan", "sample", "walk_latent", "evaluate_features"}

EDITS: dict[str, set[str]] = {
    "docstring pipeline/dedup/decision/removal.py": {"remove_duplicates", "audit_duplicates"},
    "docstring pipeline/dedup/scoring/alignment.py": {"find_pairs", "probe_duplicates"},
    "docstring pipeline/dedup/recall/transforms.py": {"probe_duplicates"},
    "docstring pipeline/dedup/encoder/letterbox.py": DEDUP,
    "docstring pipeline/imageset/image_grid/__init__.py": MODELS - {"evaluate_features"}
    | {"audit_duplicates", "write_report"},
    "docstring pipeline/acquire/download/http_client.py": DOWNLOADS,
    "docstring pipeline/miniature/beds.py": {"draw_miniature", "draw_benchmarks"},
    "docstring pipeline/training/loop/__init__.py": {"train_autoencoder", "train_dcgan"},
    "docstring pipeline/prepare/faces/face_crops.py": {"crop_faces"},
    "docstring pipeline/audit/gallery.py": {"audit_duplicates"},
    "docstring pipeline/setup/diagnosis.py": {"doctor"},
    "docstring pipeline/metrics/__init__.py": {"metrics"},
    "docstring stages/train_dcgan.py": set(),
    "docstring pipeline/review/duplicates/app.py": set(),
    "new file pipeline/models/vae/model.py": set(),
    "new file pipeline/training/pruning/masks.py": set(),
    "constant pipeline/evaluate/linear_probe/l2_svm.py": {"evaluate_features"},
    "constant pipeline/core/workspace.py": set(),
    "data file pipeline/dedup/scoring/pair_scorer.json": {"find_pairs", "probe_duplicates"},
    "data file pipeline/report/templates/index.html": {"write_report"},
}
"""Edits, and the stages that they mark, exactly."""


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Repo:
    """The tracked files of the project, without data, as a DVC repository."""
    folder = tmp_path_factory.mktemp("copy")
    listed = subprocess.check_output(["git", "ls-files", "-z"], cwd=ROOT, text=True).split("\0")
    for name in filter(None, listed):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, folder / name)
    subprocess.run(["git", "init", "-q"], cwd=folder, check=True)
    return Repo(folder)


def hashes(repository: Repo) -> dict[tuple[str, str], str | None]:
    """DVC's hash of each code dependency by stage and path."""
    return {
        (stage.addressing.rpartition(":")[2].partition("@")[0], str(dependency)): dependency.get_hash().value
        for stage in repository.index.stages
        for dependency in stage.deps
        if str(dependency).startswith("pipeline")
    }


@pytest.fixture(scope="module")
def before(copy: Repo) -> dict[tuple[str, str], str | None]:
    """The hashes before any edit."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(copy.root_dir)
        return hashes(copy)


def act(kind: str, path: Path) -> None:
    """Make an edit."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = path.read_text() if path.exists() else ""
    changes: dict[str, Callable[[], str]] = {
        "docstring": lambda: text.replace('"""', '"""Edited: ', 1),
        "constant": lambda: f"{text}\nEDITED = 1\n",
        "new file": lambda: '"""A new module."""\n',
        "data file": lambda: f"{text}\n",
    }
    assert path.exists() == (kind != "new file")
    path.write_text(changes[kind]())


@pytest.mark.parametrize("edit", EDITS)
def test_an_edit_marks_exactly_the_stages_it_can_change(
    edit: str, copy: Repo, before: dict[tuple[str, str], str | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A docstring in the removal code retrains no network, and a constant of an evaluation repeats that evaluation."""
    kind, _, name = edit.rpartition(" ")
    monkeypatch.chdir(copy.root_dir)
    path = Path(copy.root_dir) / name
    old = path.read_bytes() if path.exists() else None
    try:
        act(kind, path)
        after = hashes(copy)
    finally:
        if old is None:
            path.unlink()
        else:
            path.write_bytes(old)
    assert before.keys() == after.keys()
    assert {stage for (stage, dependency), value in after.items() if value != before[stage, dependency]} == EDITS[edit]
