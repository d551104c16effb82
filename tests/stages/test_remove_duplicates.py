"""`find-pairs`, `remove-duplicates` and `audit-duplicates`, one after the other."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pipeline.core.workspace import MARK
from pipeline.dedup.decision.verdicts import HEADER
from pipeline.dedup.encoder.codes import BITS, Encoder, hash_images, save_encoder
from pipeline.dedup.encoder.encoder_input import INPUTS

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def images(tmp_path: Path, make_imageset: Callable[..., Path]) -> Path:
    """Ten pictures, the last of which is the first again; its codes and an empty list of verdicts lie beside it."""
    pictures = np.random.default_rng(0).integers(0, 256, (10, 32, 32, 3)).astype(np.uint8)
    pictures[9] = pictures[0]
    folder = make_imageset(pictures)
    weight = np.random.default_rng(5).integers(-127, 128, (BITS, INPUTS)).astype(np.int8)
    (tmp_path / "encoder").mkdir()
    save_encoder(tmp_path / "encoder" / "encoder.safetensors", Encoder(weight, np.zeros(BITS, np.int32)))
    hash_images(folder, tmp_path / "encoder", tmp_path / "codes")
    (tmp_path / "verdicts.csv").write_text(",".join(HEADER) + "\n")
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "source.json").write_text('{"source": "archive"}')
    (tmp_path / "profile.yaml").write_text(
        "dedup:\n  drawn:\n"
        "    pairs: {mode: exact, radius: 0, score: 0.0, near_miss_margin: 0.0, mirrored: list,\n"
        "      compare_side: 32, local_features: false, neighbours: 0, max_candidates: 1}\n"
        "    remove: {keep: [first]}\n"
        "audit: {drawn: {largest: 2, random: 2, uncertain: 2, random_seed: 1}}\n"
    )
    return folder


def options(folder: Path, images: Path) -> list[object]:
    return ["--set", "drawn", "--params", folder / "profile.yaml", "--images", images, "--codes", folder / "codes"]


def test_from_codes_to_gallery(tmp_path: Path, images: Path, call_stage: Run) -> None:
    """Each command reports its result and the next command."""
    encoder = ["--encoder", tmp_path / "encoder", "--to", tmp_path / "pairs"]
    paired = call_stage("find_pairs", *options(tmp_path, images), *encoder)
    assert paired.returncode == 0 and "no search needed; next: dcgan compare-sources" in paired.stderr
    verdicts = ["--pairs", tmp_path / "pairs", "--verdicts", tmp_path / "verdicts.csv"]
    removed = call_stage(
        "remove_duplicates", *options(tmp_path, images), *verdicts, "--to", tmp_path / "dedup", "--json"
    )
    assert removed.returncode == 0, removed.stderr
    assert json.loads(removed.stdout) == json.loads((tmp_path / "dedup" / "summary.json").read_text())
    assert (
        "9 of 10 pictures kept, 1 removed in 1 groups" in removed.stderr
        and "no picture file was deleted" in removed.stderr
    )
    inputs = ["--dedup", tmp_path / "dedup", "--raw", tmp_path / "raw"]
    audited = call_stage("audit_duplicates", *options(tmp_path, images), *inputs, "--to", tmp_path / "audit")
    assert audited.returncode == 0, audited.stderr
    assert "gallery.html" in audited.stderr and "train-dcgan" in audited.stderr
    assert {path.name for path in (tmp_path / "audit").iterdir()} == {MARK, "gallery.html", "kept.png", "metrics.json"}


@pytest.mark.long
def test_the_same_decisions_on_any_kernel(tmp_path: Path, images: Path, run_stage: Run) -> None:
    """One thread and an older instruction set change no code, no row of the manifest and nobody who stays."""
    other = {"OPENBLAS_CORETYPE": "Haswell", "ATEN_CPU_CAPABILITY": "avx2", "OMP_NUM_THREADS": "1"}
    made = []
    for name, env in (("plain", {}), ("other", other)):
        codes, dedup = tmp_path / f"{name}-codes", tmp_path / f"{name}-dedup"
        encoder = ["--encoder", tmp_path / "encoder"]
        hashed = run_stage("hash_images", "--images", images, *encoder, "--to", codes, env=env)
        assert hashed.returncode == 0, hashed.stderr
        inputs = ["--set", "drawn", "--params", tmp_path / "profile.yaml", "--images", images, "--codes", codes]
        pairs = tmp_path / f"{name}-pairs"
        paired = run_stage("find_pairs", *inputs, *encoder, "--to", pairs, env=env)
        assert paired.returncode == 0, paired.stderr
        verdicts = ["--pairs", pairs, "--verdicts", tmp_path / "verdicts.csv"]
        removed = run_stage("remove_duplicates", *inputs, *verdicts, "--to", dedup, env=env)
        assert removed.returncode == 0, removed.stderr
        paths = (codes / "codes.npy", dedup / "manifest.parquet", dedup / "kept.npy")
        made.append([path.read_bytes() for path in paths])
    assert made[0] == made[1]


def test_mismatched_codes_are_one_line(
    tmp_path: Path, images: Path, make_imageset: Callable[..., Path], call_stage: Run
) -> None:
    """Codes of another set, and a rule that does not exist: exit status 1, no traceback, nothing written."""
    verdicts = ["--verdicts", tmp_path / "verdicts.csv", "--pairs", tmp_path / "pairs", "--to", tmp_path / "dedup"]
    other = make_imageset(np.zeros((3, 32, 32, 3), np.uint8), "other")
    failed = call_stage("remove_duplicates", *options(tmp_path, other), *verdicts)
    assert failed.returncode == 1 and failed.stderr.count("\n") == 1
    assert "10 codes for 3 pictures; run hash-images again" in failed.stderr
    profile = tmp_path / "profile.yaml"
    profile.write_text(profile.read_text().replace("[first]", "[finest]"))
    failed = call_stage("remove_duplicates", *options(tmp_path, images), *verdicts)
    assert failed.returncode == 1 and "dedup.drawn.remove.keep.0: 'finest'" in failed.stderr
    assert not (tmp_path / "dedup").exists()
