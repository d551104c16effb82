"""`audit-duplicates` as a process with a missing input; `test_remove_duplicates` has a complete run."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np

from pipeline.dedup.encoder.codes import BITS, Encoder, hash_images, save_encoder
from pipeline.dedup.encoder.encoder_input import INPUTS


def test_without_a_manifest_the_error_names_the_command(
    tmp_path: Path,
    make_imageset: Callable[..., Path],
    run_stage: Callable[..., "subprocess.CompletedProcess[str]"],
) -> None:
    """The error is one line, the exit status 1, and nothing is written."""
    images = make_imageset(np.zeros((2, 32, 32, 3), np.uint8))
    (tmp_path / "encoder").mkdir()
    encoder = Encoder(np.zeros((BITS, INPUTS), np.int8), np.zeros(BITS, np.int32))
    save_encoder(tmp_path / "encoder" / "encoder.safetensors", encoder)
    hash_images(images, tmp_path / "encoder", tmp_path / "codes")
    (tmp_path / "profile.yaml").write_text("audit: {drawn: {largest: 2, random: 2, uncertain: 2, random_seed: 1}}\n")
    failed = run_stage(
        "audit_duplicates",
        *("--set", "drawn", "--params", tmp_path / "profile.yaml", "--images", images, "--codes", tmp_path / "codes"),
        *("--dedup", tmp_path / "dedup", "--raw", tmp_path, "--to", tmp_path / "audit"),
    )
    assert failed.returncode == 1 and failed.stderr.count("\n") == 1
    assert "manifest.parquet: no such file; run remove-duplicates first" in failed.stderr
    assert not (tmp_path / "audit").exists()
