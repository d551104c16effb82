"""The command `crop-faces` (what it makes: tests/prepare/test_face_crops.py)."""

import json

import pytest


@pytest.fixture
def drawn(run_stage, tmp_path):
    """Options that name an archive of drawn photographs."""
    options = ["--set", "faces", "--params", "profiles/miniature.yaml"]
    done = run_stage("draw_miniature", *options, "--seed", 1, "--to", tmp_path / "drawn")
    assert done.returncode == 0, done.stderr
    return [*options, "--source", tmp_path / "drawn" / "photos.zip", "--to", tmp_path / "set"]


@pytest.mark.long
def test_the_summary_adds_up(run_stage, drawn):
    """Faces and photos are counted apart; the last line says what to do next."""
    done = run_stage("crop_faces", *drawn, "--json")
    assert done.returncode == 0, done.stderr
    counts = json.loads(done.stdout)
    assert counts["sources"] == 1000 and counts["bad"] == 1 and counts["pictures"] > 1000
    assert f"{counts['pictures']:,} faces of 128×128 pixels from 1,000 photos; 1 unreadable photos" in done.stderr
    assert done.stderr.rstrip().endswith("the originals were only read; next: dcgan train-autoencoder")


def test_a_section_of_another_kind_is_one_line(run_stage, tmp_path):
    """The section of a set of scenes lacks what faces need."""
    done = run_stage(
        *("crop_faces", "--set", "lsun", "--params", "profiles/miniature.yaml"),
        *("--source", tmp_path, "--to", tmp_path / "set"),
    )
    assert done.returncode == 1
    assert done.stderr == (
        "error: profiles/miniature.yaml: prepare.lsun.resize: unknown key, expected one of side, chunk_keys, max_bad, "
        "max_pixels, keep_damaged, detector, model, model_sha256, scale, neighbours, score, network_side, "
        "smallest, margin\n"
    )
