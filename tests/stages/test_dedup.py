"""`dcgan dedup` on a folder of pictures."""

import csv
import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote, urlsplit

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from pipeline.dedup.recall import transforms
from pipeline.imageset.format.image_set import ImageSet
from tests.dedup.search.layouts import forms

Run = Callable[..., "subprocess.CompletedProcess[str]"]
COPIES = {"b/copy of 00.jpg": 0, "b/copy of 01.png": 1, "b/copy of 02.png": 2, "b/copy of 03.png": 3}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, scenes: Callable[[int, int], np.ndarray]) -> Path:
    """Forty pictures, and copies of four of them: saved again, smaller, brighter, and the same file."""
    to = tmp_path_factory.mktemp("pictures")
    (to / "a").mkdir()
    (to / "b").mkdir()
    pictures = scenes(40, 3)
    for n, picture in enumerate(pictures):
        Image.fromarray(picture).save(to / "a" / f"{n:02d}.png")
    Image.fromarray(pictures[0]).save(to / "b" / "copy of 00.jpg", quality=60)
    Image.fromarray(pictures[1]).resize((48, 48)).save(to / "b" / "copy of 01.png")
    rng = np.random.default_rng(0)
    Image.fromarray(transforms.apply("brighter5", pictures[2], rng)).save(to / "b" / "copy of 02.png")
    (to / "b" / "copy of 03.png").write_bytes((to / "a" / "03.png").read_bytes())
    (to / "b" / "broken.png").write_bytes(b"\x89PNG no")
    return to


@pytest.fixture(scope="module")
def result(folder: Path, encoder: Path, tmp_path_factory: pytest.TempPathFactory, run_stage: Run) -> Path:
    """What the command makes of it."""
    to = tmp_path_factory.mktemp("result") / "out"
    done = run_stage("dedup", folder, "--to", to, "--encoder", encoder, "-j", 1, "--json", "--strict")
    assert done.returncode == 0, done.stderr  # no picture is doubtful
    assert "40 of 44 pictures kept, 4 removed" in done.stderr and "the source is unchanged" in done.stderr
    assert json.loads(done.stdout)["removed"] == 4
    return to


def removed(result: Path) -> dict[str, tuple[str, str]]:
    """Keeper and reason of each removed picture."""
    with (result / "removed.csv").open(newline="") as file:
        return {row["key"]: (row["kept_key"], row["reason"]) for row in csv.DictReader(file)}


def test_copies_are_found(result: Path, folder: Path) -> None:
    """The larger of two stays, then the sharper, then the first; every member of a group has its number."""
    found = removed(result)
    assert found["b/copy of 03.png"] == ("a/03.png", "same_bytes")
    assert found["b/copy of 01.png"] == ("a/01.png", "near_code")
    groups = {frozenset((key, kept)) for key, (kept, _) in found.items()}
    assert groups == {frozenset((key, f"a/{n:02d}.png")) for key, n in COPIES.items()}
    rows = pq.read_table(result / "manifest.parquet").to_pylist()
    assert sum(row["group"] is not None for row in rows) == 8
    assert (result / "kept.txt").read_text().splitlines() == [r["key"] for r in rows if r["status"] == "kept"]
    page = (result / "gallery.html").read_text()
    assert "All 4 removed pictures" in page and "dcgan restore --dedup . --verdicts verdicts.csv" in page
    links = {Path(unquote(urlsplit(link).path)) for link in re.findall(r'href="([^"#]+)"', page)}
    assert links == {folder / key for pair in found.items() for key in (pair[0], pair[1][0])}
    assert json.loads((result / "summary.json").read_text())
    skipped = pq.read_table(result / "steps" / "images" / "skipped.parquet").to_pylist()
    assert [row["key"] for row in skipped] == ["b/broken.png"]


@pytest.mark.long
def test_again_it_gives_the_same_and_verdicts_act(
    result: Path, encoder: Path, folder: Path, tmp_path: Path, call_stage: Run
) -> None:
    """The same bytes; a pair judged different is brought back, and goes again without its verdict."""
    again = ("dedup", folder, "--to", result, "--encoder", encoder)
    before = {path.name: path.read_bytes() for path in result.iterdir() if path.is_file()}
    assert call_stage(*again, "-j", 2).returncode == 0
    assert before == {path.name: path.read_bytes() for path in result.iterdir() if path.is_file()}
    with (result / "removed.csv").open(newline="") as file:
        row = next(row for row in csv.DictReader(file) if row["key"] == "b/copy of 01.png")
    verdicts = tmp_path / "verdicts.csv"
    line = f"{row['sha256']},{row['kept_sha256']},,,different,,tester,\n"
    verdicts.write_text(before["verdicts.csv"].decode() + line)
    done = call_stage(*again, "--verdicts", verdicts)
    assert "41 of 44 pictures kept" in done.stderr and "b/copy of 01.png" not in removed(result)
    assert call_stage(*again).returncode == 0
    assert before == {path.name: path.read_bytes() for path in result.iterdir() if path.is_file()}


def test_mirrored_copies_are_listed_or_removed(encoder: Path, folder: Path, tmp_path: Path, call_stage: Run) -> None:
    """By default they are kept and listed; `--mirrored remove` removes them without a new search, for their reason."""
    source = tmp_path / "pictures"
    source.mkdir()
    for n in range(8):
        (source / f"{n}.png").write_bytes((folder / "a" / f"{n:02d}.png").read_bytes())
    with Image.open(source / "5.png") as picture:
        picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT).resize((48, 48)).save(source / "mirrored 5.png")
    options = [source, "--to", tmp_path / "out", "--encoder", encoder]
    done = call_stage("dedup", *options)
    assert done.returncode == 0 and "9 of 9 pictures kept" in done.stderr, done.stderr
    assert "1 mirrored copy is kept (mirrored.csv)" in done.stderr
    with (tmp_path / "out" / "mirrored.csv").open(newline="") as file:
        (row,) = csv.DictReader(file)
    assert (row["key"], row["other_key"]) == ("mirrored 5.png", "5.png") and float(row["score"]) >= 3
    assert 'id="mirrored"' in (tmp_path / "out" / "gallery.html").read_text()
    done = call_stage("dedup", *options, "--mirrored", "remove")
    assert done.returncode == 0 and "8 of 9 pictures kept, 1 removed (mirrored 1; groups: 1)" in done.stderr, (
        done.stderr
    )
    assert "--mirrored was list, now remove" in done.stderr and "compare: " not in done.stderr
    assert "1 mirrored copies: not estimated how many are wrong" in done.stderr
    assert list(removed(tmp_path / "out").values()) == [("5.png", "mirrored")]
    assert "mirrored, score" in (tmp_path / "out" / "gallery.html").read_text()
    refused = call_stage("dedup", *options, "--mirrored", "true")
    assert refused.returncode == 2 and "list" in refused.stderr and "remove" in refused.stderr


def test_what_stands_in_another_source(encoder: Path, folder: Path, tmp_path: Path, call_stage: Run) -> None:
    """Copies across two folders are listed, and left out if that is asked for; an encoder is used again."""
    options = ["--against", folder / "a", "--encoder", encoder]
    done = call_stage("dedup", folder / "b", "--to", tmp_path / "listed", *options)
    assert done.returncode == 0 and "also in the other source: 4" in done.stderr, done.stderr
    with (tmp_path / "listed" / "matches.csv").open(newline="") as file:
        found = {row["key"]: row["other_key"] for row in csv.DictReader(file)}
    assert found == {key.partition("/")[2]: f"{n:02d}.png" for key, n in COPIES.items()}
    assert removed(tmp_path / "listed") == {}
    done = call_stage("dedup", folder / "b", "--to", tmp_path / "dropped", *options, "--drop-matches")
    assert "0 of 4 pictures kept, 4 removed (in_other_set 4" in done.stderr, done.stderr
    assert {reason for _, reason in removed(tmp_path / "dropped").values()} == {"in_other_set"}


def test_a_result_is_made_again_for_another_input(
    result: Path, encoder: Path, folder: Path, tmp_path: Path, call_stage: Run
) -> None:
    """Each step's folder is replaced, whatever it holds: a folder, then an image set, then a folder again."""
    options = ["--encoder", encoder, "--to", tmp_path / "out"]
    for source, other in (("b", "a"), (result / "steps" / "images", "b"), ("a", "b")):
        done = call_stage("dedup", folder / source, "--against", folder / other, *options)
        assert done.returncode == 0 and "also in the other source: " in done.stderr, done.stderr


@pytest.mark.long
def test_another_detector_s_pairs(result: Path, encoder: Path, folder: Path, tmp_path: Path, call_stage: Run) -> None:
    """Pairs of keys, and embeddings, take the place of the search; all else stays the same."""
    (tmp_path / "pairs.csv").write_text("from,to,score\na/05.png,a/06.png,0.9\na/06.png,nowhere.png,0.9\n")
    options = ["--encoder", encoder]
    done = call_stage("dedup", folder, "--to", tmp_path / "p", *options, "--pairs", tmp_path / "pairs.csv")
    assert done.returncode == 0 and "1 pairs are ignored" in done.stderr, done.stderr
    reasons = {key: reason for key, (_, reason) in removed(tmp_path / "p").items()}
    (given,) = (key for key, reason in reasons.items() if reason == "given_pair")
    assert given in ("a/05.png", "a/06.png") and len(reasons) == 2  # the sharper one stays
    count = len(ImageSet(result / "steps" / "images"))
    embeddings = np.random.default_rng(0).normal(size=(count, 16))
    embeddings[8] = 2 * embeddings[9]
    np.save(tmp_path / "e.npy", embeddings)
    done = call_stage("dedup", folder, "--to", tmp_path / "e", *options, "--embeddings", tmp_path / "e.npy")
    assert done.returncode == 0, done.stderr
    given = {frozenset((key, kept)) for key, (kept, why) in removed(tmp_path / "e").items() if why == "given_pair"}
    assert given == {frozenset(("a/08.png", "a/09.png"))}
    np.save(tmp_path / "e.npy", embeddings[1:])
    failed = call_stage("dedup", folder, "--to", tmp_path / "f", *options, "--embeddings", tmp_path / "e.npy")
    assert failed.returncode == 1 and "expected a row of numbers for each of 44 pictures" in failed.stderr


@pytest.mark.long
def test_comparing_at_a_larger_side(result: Path, encoder: Path, folder: Path, tmp_path: Path, call_stage: Run) -> None:
    """At 64 pixels the same copies are found; the default side grows too; --append needs the same --compare-side."""
    options = (folder, "--encoder", encoder)
    done = call_stage("dedup", *options, "--to", tmp_path / "closer", "--compare-side", 64)
    assert done.returncode == 0, done.stderr
    assert removed(tmp_path / "closer") == removed(result)
    about = json.loads((tmp_path / "closer" / "steps" / "pairs" / "pairs.json").read_text())
    assert about["parameters"]["compare_side"] == 64
    again = call_stage("dedup", *options, "--to", tmp_path / "closer", "--compare-side", 64, "--append")
    assert again.returncode == 0 and "added: 0" in again.stderr, again.stderr
    refused = call_stage("dedup", *options, "--to", tmp_path / "closer", "--append")
    assert refused.returncode == 1 and "compare_side is auto, but the earlier result was made with 64" in refused.stderr
    larger = call_stage("dedup", *options, "--to", tmp_path / "larger", "--compare-side", 128, "--against", folder)
    assert larger.returncode == 0, larger.stderr
    assert ImageSet(tmp_path / "larger" / "steps" / "images").side == 128
    assert json.loads((tmp_path / "larger" / "steps" / "matches" / "matches.json").read_text())["matched"] == 44


def test_doubtful_pictures_are_kept_and_strict_exits_with_3(
    result: Path, encoder: Path, tmp_path: Path, scenes: Callable[[int, int], np.ndarray], call_stage: Run
) -> None:
    """Exit status 0 without `--strict`; the result and the warning are the same."""
    (tmp_path / "forms").mkdir()
    for n, form in enumerate(forms(17, 0, scenes(17, 1))):
        Image.fromarray(form).save(tmp_path / "forms" / f"{n:02d}.png")
    options = ["--to", tmp_path / "found", "--encoder", encoder, "--json"]
    done = call_stage("dedup", tmp_path / "forms", *options)
    summary = json.loads(done.stdout)
    assert done.returncode == 0 and summary["doubtful"] > 10 and summary["removed"] == 0, done.stderr
    strict = call_stage("dedup", tmp_path / "forms", *options, "--strict")
    assert strict.returncode == 3 and json.loads(strict.stdout) == summary, strict.stderr
    assert all("17 pictures share a layout" in run.stderr for run in (done, strict))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["{images}", "--compare-side", "128"], "are stored at 64×64, expected at least 128×128; make the set with"),
        (["{folder}", "--compare-side", "128", "--side", "64"], "choose --side 128, or --compare-side 32"),
        (["nowhere"], "SOURCE nowhere: no such file or folder"),
        (["{folder}", "--drop-matches"], "--drop-matches: expected --against as well"),
        (["{folder}", "--to", "{folder}"], "contains files but no earlier result; choose a new folder"),
        (["{folder}", "--pairs", "p.csv", "--embeddings", "e.npy"], "expected exactly one of the two"),
    ],
)
def test_what_cannot_be_done_is_one_line(
    options: list[str], message: str, folder: Path, result: Path, encoder: Path, tmp_path: Path, call_stage: Run
) -> None:
    """Exit status 1, no traceback."""
    arguments = [option.format(folder=folder, images=result / "steps" / "images") for option in options]
    if "--to" not in options:
        arguments += ["--to", str(tmp_path / "out")]
    failed = call_stage("dedup", *arguments, "--encoder", encoder)
    assert failed.returncode == 1 and message in failed.stderr, failed.stderr
    assert failed.stderr.count("error:") == 1 and "Traceback" not in failed.stderr
