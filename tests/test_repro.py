"""The whole pipeline under DVC: same bytes for any worker count, exact reruns, and kill -9 anywhere.

The checkouts here are copies of this one with the miniature made smaller still; code and dvc.yaml are the real ones.
"""

import contextlib
import csv
import os
import re
import shutil
import signal
import subprocess
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from filelock import FileLock
from ruamel.yaml import YAML

from pipeline.core.params import read_yaml
from tests.killing import TooLate, running, step_of
from tests.test_layout import scalars

ROOT = Path(__file__).parents[1]
SETS = ("lsun", "imagenet", "faces")
BENCHMARKS = ("cifar10", "svhn")
SMALLER: dict[str, Any] = {
    "acquire.*.count": 160,
    **{f"acquire.{name}.train": 200 for name in BENCHMARKS},
    **{f"acquire.{name}.test": 60 for name in BENCHMARKS},
    "dedup.*.autoencoder.epochs": 3,
    "dedup.*.autoencoder.batch_size": 32,
    "dedup.*.probe.sample": 4,
    "dcgan.*.training.base_width": 4,
    "dcgan.*.training.epochs": 2,
    "dcgan.*.training.batch_size": 32,
    "dcgan.*.training.grid": 4,
    "figures.*.samples.count": 4,
    "figures.*.samples.singles": 2,
    **{f"evaluate.{name}.held_out": 60 for name in BENCHMARKS},
    **{f"evaluate.{name}.per_class": 5 for name in BENCHMARKS},
    **{f"evaluate.{name}.draws": 2 for name in BENCHMARKS},
    **{f"evaluate.{name}.selection_draws": 2 for name in BENCHMARKS},
    **{f"evaluate.{name}.folds": 2 for name in BENCHMARKS},
    **{f"evaluate.{name}.untrained": 1 for name in BENCHMARKS},
    "figures.*.latent_walk.rows": 2,
    "figures.*.latent_walk.columns": 2,
}
"""Values that make the miniature a matter of seconds; still several chunks a set."""

pytestmark = pytest.mark.long


def change(checkout: Path, values: dict[str, Any]) -> None:
    """Set values in a checkout's miniature profile, given by dotted path; `*` means every set."""
    yaml = YAML()
    file = checkout / "profiles" / "miniature.yaml"
    profile = yaml.load(file)
    for path, value in values.items():
        for name in SETS if "*" in path else ("",):
            *parents, last = path.replace("*", name).split(".")
            section = profile
            for key in parents:
                section = section[key]
            assert last in section, path
            section[last] = value
    yaml.dump(profile, file)


def dvc(checkout: Path, *arguments: str, jobs: int = 2, check: bool = True) -> str:
    """Run dvc in a checkout; what it printed."""
    done = subprocess.run(
        ["dvc", *arguments],
        cwd=checkout,
        env={**os.environ, "DCGAN_JOBS": str(jobs)},
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert not check or done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def locked_outputs(checkout: Path) -> dict[str, str]:
    """The hash of each output in dvc.lock, by path."""
    stages = read_yaml(checkout / "dvc.lock")["stages"]
    return {out["path"]: out["md5"] for stage in stages.values() for out in stage["outs"]}


def ran(output: str) -> set[str]:
    """Names of the stages that dvc ran."""
    return set(re.findall(r"Running stage '([^']+)'", output))


def new_checkout(folder: Path) -> Path:
    """A copy of what git would commit, with the smaller miniature; nothing is made yet but compiled functions."""
    listed = subprocess.check_output(["git", "ls-files", "-coz", "--exclude-standard"], cwd=ROOT, text=True)
    names = [*filter(None, listed.split("\0")), *(path.relative_to(ROOT) for path in ROOT.glob("pipeline/**/*.nb[ci]"))]
    for name in names:
        if (ROOT / name).exists() and name != "dvc.lock":
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    subprocess.run(["git", "init", "--quiet"], cwd=folder, check=True)
    change(folder, SMALLER)
    return folder


@pytest.fixture(scope="session")
def reference(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """A checkout in which everything has been made, by two workers, undisturbed; once for all that run these tests."""
    folder = tmp_path_factory.getbasetemp()
    folder = folder if worker_id == "master" else folder.parent
    with FileLock(folder / "reference.lock"):
        if not (folder / "reference").exists():
            making = new_checkout(folder / "making")
            dvc(making, "repro")
            making.rename(folder / "reference")
    return folder / "reference"


@pytest.fixture
def checkout(reference: Path, tmp_path: Path) -> Path:
    """A copy of `reference` to change."""
    copy = tmp_path / "checkout"
    shutil.copytree(reference, copy, symlinks=True)
    return copy


def test_one_worker_and_two_give_the_same_bytes(reference: Path, tmp_path: Path) -> None:
    """Two checkouts, no shared cache, one worker and two, several chunks a set: the same hash of every output."""
    other = new_checkout(tmp_path / "other")
    dvc(other, "repro", jobs=1)
    assert locked_outputs(other) == locked_outputs(reference)
    for name in SETS:
        profile = read_yaml(other / "profiles" / "miniature.yaml")
        assert profile["acquire"][name]["count"] > 2 * profile["prepare"][name]["chunk_keys"]


def test_a_second_repro_does_nothing(checkout: Path) -> None:
    """Nothing that a stage writes or reads makes it run again; `dvc status` is clean."""
    assert not ran(dvc(checkout, "repro"))
    assert "up to date" in dvc(checkout, "status")


CHANGES = {
    "acquire.lsun.keep_archive": ("download_lsun@lsun", "draw_miniature@lsun"),
    "acquire.cifar10.test": (
        "download_benchmarks@cifar10",
        "draw_benchmarks@cifar10",
        "evaluate_features@imagenet-cifar10",
        "write_report",
    ),
    "prepare.imagenet.max_bad": ("downsample_imagenet@imagenet",),
    "prepare.faces.max_bad": ("crop_faces@faces",),
    "dedup.faces.autoencoder.learning_rate": (
        *("train_autoencoder@faces", "hash_images@faces", "find_pairs@faces", "probe_duplicates@faces"),
        *("compare_sources@faces", "remove_duplicates@faces", "audit_duplicates@faces", "metrics@faces"),
        *("train_dcgan@faces", "sample@faces", "walk_latent@faces", "write_report"),
    ),
    "dedup.imagenet.probe.seed": ("probe_duplicates@imagenet", "metrics@imagenet"),
    "audit.imagenet.random": ("audit_duplicates@imagenet", "write_report"),
    "dcgan.lsun.training.beta1": ("train_dcgan@lsun", "sample@lsun", "walk_latent@lsun", "write_report"),
    "dcgan.imagenet.training.beta1": (
        *("train_dcgan@imagenet", "sample@imagenet", "walk_latent@imagenet", "write_report"),
        *("evaluate_features@imagenet-cifar10", "evaluate_features@imagenet-svhn"),
    ),
    "figures.imagenet.samples.singles": ("sample@imagenet", "write_report"),
    "evaluate.svhn.draws": ("evaluate_features@imagenet-svhn", "write_report"),
    "figures.lsun.latent_walk.columns": ("walk_latent@lsun", "write_report"),
}
"""A value of one set; the stage that must run when it changes, and those that may: that set's from there on. The doctor
always runs, because it checks the whole profile."""


@pytest.mark.parametrize("path", CHANGES)
def test_a_change_reruns_what_depends_on_it_and_no_more(checkout: Path, path: str) -> None:
    """The stage that names the value runs, for this set alone; a later one runs only if its input has changed."""
    old = read_yaml(checkout / "profiles" / "miniature.yaml")
    for key in path.split("."):
        old = old[key]
    change(checkout, {path: other_value(old)})
    stages = ran(dvc(checkout, "repro"))
    assert stages <= {"doctor", *CHANGES[path]}
    assert CHANGES[path][0] in stages


def other_value(old: bool | int | float) -> bool | int | float:
    """Another value that is a sensible one as well."""
    if isinstance(old, bool):
        return not old
    return old + 1 if isinstance(old, int) else old * 0.9 or 0.1


def lonely_removals(checkout: Path, name: str) -> list[dict[str, str]]:
    """Removed pictures of groups of two of which nothing else in the set is a copy: rows of `removed.csv`."""
    dedup, pairs = (checkout / "data" / "miniature" / kind / name for kind in ("dedup", "pairs"))
    manifest = pq.read_table(dedup / "manifest.parquet").to_pylist()
    found = pq.read_table(pairs / "pairs.parquet").to_pydict()
    paired = Counter(found["left"]) + Counter(found["right"])
    members = Counter(row["group"] for row in manifest)
    codes = Counter(row["code"] for row in manifest)
    lonely = {
        row["key"]
        for number, row in enumerate(manifest)
        if row["status"] == "removed" and members[row["group"]] == 2 and paired[number] <= 1 and codes[row["code"]] <= 2
    }
    with (dedup / "removed.csv").open(newline="") as file:
        return [row for row in csv.DictReader(file) if row["key"] in lonely]


def test_verdicts_bring_back_exactly_the_judged_ones(checkout: Path) -> None:
    """Twenty pairs judged different, over all sets: those twenty stay, and only what depends on them runs again."""
    chosen: dict[str, list[dict[str, str]]] = {}
    wanted = 20
    for name in SETS:
        chosen[name] = lonely_removals(checkout, name)[:wanted]
        wanted -= len(chosen[name])
        lines = [f"{row['sha256']},{row['kept_sha256']},,,different,,tester,\n" for row in chosen[name]]
        with (checkout / "audit" / name / "verdicts.csv").open("a") as file:
            file.writelines(lines)
    assert wanted == 0
    before = {name: np.load(checkout / "data" / "miniature" / "dedup" / name / "kept.npy") for name in SETS}
    stages = ran(dvc(checkout, "repro"))
    judged = {name for name in SETS if chosen[name]}
    expected = {f"{stage}@{name}" for name in judged for stage in ("remove_duplicates", "audit_duplicates", "metrics")}
    expected |= {f"{stage}@{name}" for name in judged for stage in ("train_dcgan", "sample", "walk_latent")}
    if "imagenet" in judged:
        expected |= {f"evaluate_features@imagenet-{name}" for name in BENCHMARKS}
    assert stages == expected | {"write_report"}
    for name in SETS:
        dedup = checkout / "data" / "miniature" / "dedup" / name
        manifest = pq.read_table(dedup / "manifest.parquet").to_pylist()
        back = set(np.load(dedup / "kept.npy").tolist()) - set(before[name].tolist())
        assert {manifest[row]["key"] for row in back} == {row["key"] for row in chosen[name]}
        assert {manifest[row]["status"] for row in back} <= {"restored"}
        assert {row["key"]: row["kept_key"] for row in chosen[name]} == {
            row["key"]: row["kept_key"] for row in manifest if row["status"] == "restored"
        }
    # A verdict that agrees changes no kept row: nothing is trained again.
    with (checkout / "audit" / "lsun" / "verdicts.csv").open("a") as file:
        file.write(f"{'a' * 64},{'b' * 64},,,near,,tester,\n")
    stages = ran(dvc(checkout, "repro"))
    assert stages <= {"remove_duplicates@lsun", "audit_duplicates@lsun", "metrics@lsun", "write_report"}
    assert "remove_duplicates@lsun" in stages


SECTIONS = {
    "acquire.lsun": {"draw_miniature@lsun", "download_lsun@lsun"},
    "prepare.lsun": {"crop_scenes@lsun"},
    "dedup.lsun.autoencoder": {"train_autoencoder@lsun"},
    "dedup.lsun.pairs": {"find_pairs@lsun", "probe_duplicates@lsun"},
    "dedup.lsun.probe": {"probe_duplicates@lsun"},
    "dedup.lsun.remove": {"remove_duplicates@lsun"},
    "audit.lsun": {"audit_duplicates@lsun"},
    "dcgan.lsun.training": {"train_dcgan@lsun"},
    "figures.lsun.samples": {"sample@lsun"},
    "figures.lsun.latent_walk": {"walk_latent@lsun"},
    "acquire.faces": {"draw_miniature@faces", "download_faces@faces"},
    "prepare.faces": {"crop_faces@faces"},
    "acquire.svhn": {"draw_benchmarks@svhn", "download_benchmarks@svhn"},
    "evaluate.svhn": {"evaluate_features@imagenet-svhn"},
}
"""A section of the profile, and the stages that name it, apart from the doctor."""


@pytest.mark.parametrize("section", SECTIONS)
def test_every_scalar_of_a_set_makes_its_stage_run(checkout: Path, section: str) -> None:
    """Each value of one set, changed alone, makes the stages that name its section run, and marks no other stage.

    It must *run*: DVC's run cache has left parameters out of its key before. Whether the new value is a sensible one is
    another question, so a failing command counts as well.
    """
    profile, lock = (checkout / "profiles" / "miniature.yaml"), checkout / "dvc.lock"
    before = profile.read_text(), lock.read_text()
    values = read_yaml(profile)
    for key in section.split("."):
        values = values[key]
    for key, value in scalars(values).items():
        other = f"{value}x" if isinstance(value, str) else [] if isinstance(value, list) else other_value(value)
        change(checkout, {f"{section}.{key}": other})
        changed = set(re.findall(r"^([a-z_]+(?:@[a-z0-9-]+)?):$", dvc(checkout, "status"), re.MULTILINE))
        assert changed == SECTIONS[section] | {"doctor"}, key
        last = max(SECTIONS[section])
        assert ran(dvc(checkout, "repro", "--single-item", last, check=False)) == {last}, key
        profile.write_text(before[0])
        lock.write_text(before[1])
        dvc(checkout, "checkout", "--force", "--quiet")


def forget(checkout: Path, stage: str, folder: Path) -> None:
    """Drop a stage's outputs, finished or not, its entry in dvc.lock and the run cache: it must really run again."""
    yaml = YAML()
    lock = yaml.load(checkout / "dvc.lock")
    lock["stages"].pop(stage, None)
    yaml.dump(lock, checkout / "dvc.lock")
    for path in (folder, partial(folder), checkout / ".dvc" / "cache" / "runs"):
        shutil.rmtree(path, ignore_errors=True)


def partial(folder: Path) -> Path:
    """Where a folder is being made."""
    return folder.with_name(f".{folder.name}.partial")


def chunks_done(scratch: Path) -> int:
    """How many chunks are finished."""
    return len(list(scratch.rglob("[0-9]*.json")))


def steps_done(scratch: Path) -> int:
    """The step of the last checkpoint."""
    return step_of(scratch / "checkpoint.safetensors")


def parts_done(scratch: Path) -> int:
    """How many parts of an evaluation are finished."""
    return len(list(scratch.glob("*.json")))


KILLED: dict[str, tuple[str, dict[str, Any], Callable[[Path], int]]] = {
    "downsample_imagenet@imagenet": ("data/miniature/sets/imagenet", {"prepare.imagenet.chunk_keys": 2}, chunks_done),
    "crop_faces@faces": ("data/miniature/sets/faces", {"prepare.faces.chunk_keys": 2}, chunks_done),
    "train_autoencoder@imagenet": (
        "models/miniature/autoencoder/imagenet",
        {"dedup.imagenet.autoencoder.epochs": 60, "dedup.imagenet.autoencoder.checkpoint_every": 2},
        steps_done,
    ),
    "train_dcgan@imagenet": (
        "models/miniature/dcgan/imagenet",
        {"dcgan.imagenet.training.epochs": 12, "dcgan.imagenet.training.checkpoint_every": 2},
        steps_done,
    ),
    "evaluate_features@imagenet-cifar10": (
        "reports/miniature/features/imagenet-cifar10",
        {"evaluate.cifar10.draws": 40, "evaluate.cifar10.untrained": 3},
        parts_done,
    ),
}
"""Stage: its output, values that give it many small steps, and how many of them are done."""


SOON = range(2, 10)
"""How much is done when the kill comes: long before the end of any of them."""


def kill(checkout: Path, name: str, victim: str) -> str:
    """Run a stage by dvc and kill it, or its dvc, in the middle of the work; what they said until both were gone.

    The stage is held still meanwhile, so that the kill is known to meet it; else all starts anew. DVC runs commands by
    the shell of `SHELL`, else by `sh`, which may stay between it and the stage: without the variable the worst case is
    seen.
    """
    folder, _, done = KILLED[name]
    making = partial(checkout / folder)
    command = ["dvc", "repro", "--single-item", name]
    env = {name: value for name, value in os.environ.items() if name != "SHELL"} | {"DCGAN_JOBS": "1"}
    output = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    for _attempt in range(10):
        forget(checkout, name, checkout / folder)
        with (
            contextlib.suppress(TooLate),
            running(command, lambda: done(making / "scratch") in SOON, cwd=checkout, env=env, **output) as process,
        ):
            stage = hold(making)
            if done(making / "scratch") not in SOON:
                continue
            os.kill(process.pid if victim == "dvc" else stage, signal.SIGKILL)
            if victim == "dvc":
                os.kill(stage, signal.SIGCONT)
            said = process.communicate()[0]  # until the last of them has closed it
            assert process.returncode != 0, said
            return said
    pytest.fail("too late each time")


def hold(making: Path) -> int:
    """Stop the process that fills a folder, as Ctrl-Z does; its id."""
    try:
        stage = int((making / "lock").read_text())
        os.kill(stage, signal.SIGSTOP)
    except (FileNotFoundError, ProcessLookupError):
        raise TooLate("it has just published") from None
    return stage


@pytest.mark.parametrize("victim", ["stage", "dvc"])
@pytest.mark.parametrize("name", KILLED)
def test_kill_9_in_the_middle_then_repro(checkout: Path, name: str, victim: str) -> None:
    """The same bytes as undisturbed; no finished chunk, and no step before the last checkpoint, is done again.

    A stage ends by itself when its dvc is gone, and may finish the chunk in hand.
    """
    folder, values, done = KILLED[name]
    change(checkout, values)
    dvc(checkout, "repro", "--single-item", name, jobs=1)
    undisturbed = locked_outputs(checkout)
    said = kill(checkout, name, victim)
    kept = done(partial(checkout / folder) / "scratch")
    assert kept > 0, said
    again = dvc(checkout, "repro", "--single-item", name, jobs=1)
    assert locked_outputs(checkout) == undisturbed
    taken_over = re.search(r"resumed at step (\d+) of|\b(\d+) of \d+ (?:chunks|parts) were done before", again)
    assert taken_over, f"{kept} were kept\n{said}\n{again}"
    assert int(taken_over[1] or taken_over[2]) >= kept
    assert not partial(checkout / folder).exists()
