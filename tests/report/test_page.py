"""The report: one file that opens from disk, says what it rests on, and names what is missing."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pipeline.errors import CorruptData, MissingInput
from pipeline.report.page import Folders, write_report

METRICS: dict[str, Any] = {
    "source": {"source": "miniature", "archive": "bedroom_train_lmdb.zip", "sha256": "ab" * 32, "upstream": False},
    "counts": {"sources": 1003, "pictures": 1000, "bad": 2, "filtered": 1},
    "detector": "cd" * 32,
    "removed": 90,
    "kept": 910,
    "share_removed": 0.09,
    "groups": 80,
    "by_reason": {"same_bytes": 10, "same_pixels": 20, "same_code": 60},
    "planted": {
        "recall": {"cropped": {"found": 3, "of": 20, "share": 0.15, "low": 0.03, "high": 0.38}},
        "precision": {"found": 90, "of": 90, "share": 1.0, "low": 0.96, "high": 1.0},
    },
}
MODEL = {
    "preset": "paper64",
    "base_width": 16,
    "epochs": 3,
    "steps": 21,
    "seed": 1,
    "numerics": {"torch": "2", "device": "cpu"},
}
SAMPLES = {"count": 64, "seed": 5, "z_sha256": "ef" * 32, "batch_statistics": False}
WALK = {"seed": 1, "smoothness": {"mean_step": 2.5, "largest_step_ratio": 1.4}}
HISTORY = "epoch\tstep\td_fake\td_loss\td_real\tg_loss\n1\t7\t0.4\t1.3\t0.6\t0.7\n2\t14\t0.3\t1.2\t0.7\t0.9\n"


def write_set(folder: Path, name: str = "rooms", metrics: dict[str, Any] = METRICS) -> Folders:
    """The parts of one set's report, as the stages before write them."""
    folders = Folders(folder / "audit", folder / "models", folder / "samples", folder / "walks")
    texts = {
        folders.audit / name / "metrics.json": json.dumps(metrics),
        folders.audit / name / "gallery.html": "<p>gallery</p>",
        folders.models / name / "model.json": json.dumps(MODEL),
        folders.models / name / "history.tsv": HISTORY,
        folders.samples / name / "samples.json": json.dumps(SAMPLES),
        folders.walks / name / "walk.json": json.dumps(WALK),
    }
    for path, text in texts.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    grids = [folders.models / name / "samples" / f"epoch-{n:03d}.png" for n in range(1, 7)]
    for path in [
        *grids,
        folders.audit / name / "kept.png",
        folders.samples / name / "grid.png",
        folders.walks / name / "walk.png",
    ]:
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((8, 8, 3), 90, np.uint8)).save(path)
    return folders


def test_the_page_is_one_file_with_everything_in_it(tmp_path: Path) -> None:
    """Pictures and plot are embedded; nothing is fetched; the gallery is linked relatively; all numbers are there."""
    summary = write_report(write_set(tmp_path), ["rooms"], tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text()
    assert summary == {"sets": ["rooms"], "stand_in": ["rooms"]}
    assert len(re.findall(r'src="data:image/png;base64,', page)) == 6  # samples, real ones, walk, three epochs
    assert not re.findall(r'(?:src|href)="(?!data:|#|audit/rooms/gallery\.html")', page)
    assert 'href="audit/rooms/gallery.html"' in page
    for text in ("1,003", "3 of 20", "3.0 % to 38.0 %", "same code", "after epoch 3", "2.5 levels"):
        assert text in page, text


def test_the_page_repeats_to_the_byte(tmp_path: Path) -> None:
    """No clock, no random id: plots included."""
    folders = write_set(tmp_path)
    write_report(folders, ["rooms"], tmp_path / "one.html")
    write_report(folders, ["rooms"], tmp_path / "two.html")
    assert (tmp_path / "one.html").read_bytes() == (tmp_path / "two.html").read_bytes()


@pytest.mark.parametrize(
    ("source", "upstream", "words"),
    [
        ("miniature", False, "Drawn pictures: these figures test the machinery"),
        ("archive", False, "Not upstream's archive: these figures test the machinery"),
        ("upstream", True, None),
    ],
)
def test_stand_ins_stand_under_a_banner(tmp_path: Path, source: str, upstream: bool, words: str | None) -> None:
    """Nobody takes a drawn picture's figure for one of the paper's data."""
    metrics = {**METRICS, "source": {**METRICS["source"], "source": source, "upstream": upstream}}
    write_report(write_set(tmp_path, metrics=metrics), ["rooms"], tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text()
    assert ('class="banner"' in page) == (words is not None)
    assert (words or "") in page


@pytest.mark.parametrize(
    ("batch_statistics", "caption", "made_by"),
    [
        (False, "Batch norm uses its running statistics", "sample, seed 5, running statistics"),
        (True, "Batch norm uses the statistics of this very batch", "sample, seed 5, batch statistics"),
    ],
)
def test_samples_say_how_they_were_drawn(tmp_path: Path, batch_statistics: bool, caption: str, made_by: str) -> None:
    """The caption claims the statistics that were used; seed and latents stand among the provenance."""
    folders = write_set(tmp_path)
    record = json.dumps(SAMPLES | {"batch_statistics": batch_statistics})
    (folders.samples / "rooms" / "samples.json").write_text(record)
    write_report(folders, ["rooms"], tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text()
    assert caption in page and made_by in page and "64 latents, SHA-256 efefefefefefefef…" in page
    assert page.count("Batch norm uses") == 1


def test_names_are_text(tmp_path: Path) -> None:
    """What comes from files is escaped."""
    metrics = {**METRICS, "source": {**METRICS["source"], "archive": "<script>alert(1)</script>"}}
    write_report(write_set(tmp_path, metrics=metrics), ["rooms"], tmp_path / "report.html")
    assert "<script" not in (tmp_path / "report.html").read_text()


def test_missing_parts_are_named(tmp_path: Path) -> None:
    """Nothing at all, no grid, a history without its columns: each its own error."""
    with pytest.raises(MissingInput, match=r"metrics\.json: no such file"):
        write_report(Folders(*[tmp_path / "nothing"] * 4), ["rooms"], tmp_path / "report.html")
    folders = write_set(tmp_path)
    (folders.models / "rooms" / "history.tsv").write_text("epoch\tloss\n1\t2\n")
    with pytest.raises(CorruptData, match=r"history\.tsv: not a training history"):
        write_report(folders, ["rooms"], tmp_path / "report.html")
    folders = write_set(tmp_path)
    (folders.samples / "rooms" / "grid.png").unlink()
    with pytest.raises(MissingInput, match=r"grid\.png"):
        write_report(folders, ["rooms"], tmp_path / "report.html")
    assert not (tmp_path / "report.html").exists()
