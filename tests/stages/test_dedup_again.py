"""A result of `dcgan dedup` is used and changed without repeating work, and remembers where its pictures are."""

import csv
import json
import shlex
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from pipeline.dedup.decision.verdicts import read_verdicts
from pipeline.dedup.results.result_folders import find_folders
from pipeline.imageset.format.image_set import ImageSet
from pipeline.review.duplicates.dedup_result import DedupResult
from pipeline.review.duplicates.source_pictures import SourcePictures
from tests.conftest import folder_bytes

Run = Callable[..., "subprocess.CompletedProcess[str]"]
EXPENSIVE = ("raw-images", "images", "encoder", "codes", "scored")
COPIES = {"b/copy, of 00.jpg": "a/00.png", "b/copy of 01.png": "a/01.png", "b/copy of 02.png": "a/02.png"}


@pytest.fixture
def found(made: tuple[Path, Path], tmp_path: Path) -> tuple[Path, Path]:
    """A folder of pictures and its result, which a test may change; see `made`."""
    for path in made:
        subprocess.run(["cp", "-r", "--preserve=timestamps", path, tmp_path], check=True)
    return made[0], tmp_path / made[1].name


@pytest.fixture(scope="module")
def made(
    tmp_path_factory: pytest.TempPathFactory, scenes: Callable[[int, int], np.ndarray], run_stage: Run
) -> tuple[Path, Path]:
    """Thirty pictures and copies of three: saved again, smaller, and the same file; and what the command found."""
    folder = tmp_path_factory.mktemp("pictures") / "my pictures"
    for name in ("a", "b"):
        (folder / name).mkdir(parents=True)
    pictures = scenes(30, 3)
    for n, picture in enumerate(pictures):
        Image.fromarray(picture).save(folder / "a" / f"{n:02d}.png")
    Image.fromarray(pictures[0]).resize((56, 56)).save(folder / "b" / "copy, of 00.jpg", quality=80)
    Image.fromarray(pictures[1]).resize((48, 48)).save(folder / "b" / "copy of 01.png")
    shutil.copyfile(folder / "a" / "02.png", folder / "b" / "copy of 02.png")
    done = run_stage("dedup", folder, "--to", folder.parent / "found", "-j", 1)
    assert done.returncode == 0, done.stderr
    assert "groups have pictures with different labels" not in done.stderr  # names of folders are no labels
    return folder, folder.parent / "found"


def removed(found: Path) -> dict[str, str]:
    with (found / "removed.csv").open(newline="") as file:
        return {row["key"]: row["kept_key"] for row in csv.DictReader(file)}


def inodes(found: Path, names: tuple[str, ...]) -> dict[str, int]:
    """What tells a step that was made again from one that was not."""
    return {name: (found / "steps" / name).stat().st_ino for name in names}


def test_a_verdict_only_decides_anew(found: tuple[Path, Path], call_stage: Run) -> None:
    """`restore` takes the key that removed.csv prints and finds the verdicts; no step before the decision repeats."""
    source, result = found
    before = inodes(result, (*EXPENSIVE, "pairs"))
    assert set(removed(result)) == {key.replace(",", "%2C") for key in COPIES}
    assert call_stage("restore", "--dedup", result, "--key", "b/copy%2C of 00.jpg").returncode == 0
    assert [verdict.key_a for verdict in read_verdicts(result / "verdicts.csv")] == ["b/copy, of 00.jpg"]
    done = call_stage("dedup", source, "--to", result)
    assert done.returncode == 0 and "made with other options" not in done.stderr, done.stderr
    assert "b/copy%2C of 00.jpg" not in removed(result) and len(removed(result)) == 2
    assert inodes(result, (*EXPENSIVE, "pairs")) == before


def test_another_threshold_or_keep_policy_only_decides_anew(
    found: tuple[Path, Path], tmp_path: Path, call_stage: Run
) -> None:
    """What differs is said; the files are those of a new result with these options, to the byte."""
    source, result = found
    before = inodes(result, EXPENSIVE)
    options = ["--score", "5", "--keep", "first"]
    done = call_stage("dedup", source, "--to", result, *options)
    differences = "--score was 3.0, now 5.0; --keep was original, now first"
    assert f"the earlier result was made with other options: {differences}\n" in done.stderr, done.stderr
    assert inodes(result, EXPENSIVE) == before
    new = call_stage("dedup", source, "--to", tmp_path / "new", *options, "--encoder", result / "steps" / "encoder")
    assert new.returncode == 0, new.stderr
    for step in ("codes", "scored", "pairs", "dedup"):
        assert folder_bytes(result / "steps" / step) == folder_bytes(tmp_path / "new" / "steps" / step), step
    changed = call_stage(
        "dedup", source / "a", "--to", result, "--mode", "exact", "--encoder", result / "steps/encoder"
    )
    assert f"SOURCE was {source}, now {source / 'a'}" in changed.stderr, changed.stderr
    assert "--mode was near, now exact" in changed.stderr, changed.stderr


@pytest.mark.long
def test_changed_pictures_are_noticed(found: tuple[Path, Path], tmp_path: Path, call_stage: Run) -> None:
    """A picture that was replaced or added since makes the steps again."""
    source = tmp_path / "my pictures"
    encoder = ["--encoder", found[1] / "steps" / "encoder"]
    assert call_stage("dedup", source, "--to", tmp_path / "out", *encoder).returncode == 0
    shutil.copyfile(source / "a" / "05.png", source / "a" / "zz.png")
    (source / "a" / "04.png").unlink()
    done = call_stage("dedup", source, "--to", tmp_path / "out", *encoder)
    assert done.returncode == 0 and "32 pictures kept" not in done.stderr, done.stderr
    assert removed(tmp_path / "out")["a/zz.png"] == "a/05.png"


def test_a_sweep_decides_nothing(found: tuple[Path, Path], call_stage: Run) -> None:
    """More is removed at lower thresholds; the row of the result's own threshold has the counts of the result."""
    source, result = found
    before = folder_bytes(result)
    done = call_stage("dedup", source, "--to", result, "--sweep", "--json")
    assert done.returncode == 0, done.stderr
    assert folder_bytes(result) == before
    table = json.loads(done.stdout)
    scores, counts = zip(*((row["score"], row["removed"]) for row in table["sweep"]), strict=True)
    assert list(scores) == sorted(scores) and len(scores) > 5 and list(counts) == sorted(counts, reverse=True)
    (own,) = (row for row in table["sweep"] if row["score"] == table["score"] == 3.0)
    assert (own["removed"], own["removed_by_pairs"], own["pairs"]) == (3, 2, 2)
    assert own["expected_false_removals_low"] <= own["expected_false_removals"] <= own["expected_false_removals_high"]
    shown = call_stage("dedup", source, "--to", result, "--sweep", "--score", "4.5", "--quiet")
    lines = shown.stdout.splitlines()
    assert len(lines) == len(scores) + 3 and [line for line in lines if "4.5*" in line], shown.stdout
    assert "those of --keep largest; sources are not compared here" in lines[-1]
    for options, message in (
        (
            ["--side", "48"],
            "its result was made with other options: --side was by source, now 48; give these, or another",
        ),
        (["--mode", "exact"], "--sweep: expected --mode near"),
    ):
        refused = call_stage("dedup", source, "--to", result, "--sweep", *options)
        assert refused.returncode == 1 and message in refused.stderr, refused.stderr
    assert folder_bytes(result) == before


@pytest.mark.long
def test_a_sweep_counts_what_real_runs_remove(found: tuple[Path, Path], call_stage: Run) -> None:
    """At two thresholds; at the higher one, only the same file is a copy."""
    source, result = found
    options = [source, "--to", result, "--keep", "largest", "--json"]
    swept = call_stage("dedup", *options, "--score", "30", "--sweep")
    table = json.loads(swept.stdout)
    assert table["kept"] == ["largest"], swept.stderr
    counts = {row["score"]: (row["removed"], row["doubtful"]) for row in table["sweep"]}
    for score, expected in ((2.0, 3), (30.0, 1)):
        real = json.loads(call_stage("dedup", *options, "--score", score).stdout)
        assert (real["removed"], real["doubtful"]) == counts[score] == (expected, 0)


@pytest.mark.long
def test_a_sweep_of_new_pictures_saves_the_search(made: tuple[Path, Path], tmp_path: Path, call_stage: Run) -> None:
    """The command that follows with a threshold has only to decide."""
    source, result = made
    options = [source, "--to", tmp_path / "new", "--encoder", result / "steps" / "encoder"]
    assert call_stage("dedup", *options, "--sweep").returncode == 0
    assert not (tmp_path / "new" / "removed.csv").exists()
    before = inodes(tmp_path / "new", ("images", "codes", "scored"))
    assert call_stage("dedup", *options, "--score", "2").returncode == 0
    assert inodes(tmp_path / "new", ("images", "codes", "scored")) == before
    assert set(removed(tmp_path / "new")) == set(removed(result))


def test_source_pictures_are_found_from_the_result(made: tuple[Path, Path], tmp_path: Path, call_stage: Run) -> None:
    """For people who judge, and for export; no step's output holds the path, so that it can be compared elsewhere."""
    source, result = made
    folders = find_folders(result)
    pictures = DedupResult(folders).pictures
    read = SourcePictures(pictures, folders.raw, folders.archives)
    assert read.available and all(read.png(at) for at in range(len(pictures.rows)))
    read.close()
    holding = [path for path in result.rglob("*") if path.is_file() and str(source).encode() in path.read_bytes()]
    assert sorted(str(path.relative_to(result / "steps")) for path in holding) == [
        "options.json",
        "raw-images/place.json",
    ]
    dry = call_stage("export", "--dedup", result, "--to", tmp_path / "clean", "--dry-run", "--json")
    assert dry.returncode == 0 and not (tmp_path / "clean").exists(), dry.stderr
    for option in ([], ["--hardlink"]):
        done = call_stage("export", "--dedup", result, "--to", tmp_path / "clean", *option, "--json")
        assert done.returncode == 0, done.stderr
        counts = [json.loads(one.stdout) for one in (dry, done)]
        assert counts[0]["bytes"] == counts[1]["bytes"] and counts[0]["pictures"] == counts[1]["pictures"] == 30
        kept = tmp_path / "clean" / "pictures" / "a" / "00.png"
        assert kept.samefile(source / "a" / "00.png") == bool(option)
    assert len(list((tmp_path / "clean" / "pictures").rglob("*.*"))) == 30


def test_a_source_that_moved_is_named(found: tuple[Path, Path], tmp_path: Path, call_stage: Run) -> None:
    """The message names the option; with it, the export works. Review shows the stored pictures."""
    source, result = found
    elsewhere = tmp_path / "elsewhere" / source.name
    elsewhere.parent.mkdir()
    source.rename(elsewhere)
    try:
        folders = find_folders(result)
        assert not SourcePictures(DedupResult(folders).pictures, folders.raw, folders.archives).available
        options = ["--dedup", result, "--to", tmp_path / "clean"]
        failed = call_stage("export", *options)
        assert failed.returncode == 1 and "no longer there; give --archives" in failed.stderr, failed.stderr
        assert call_stage("export", *options, "--archives", elsewhere.parent).returncode == 0
    finally:
        elsewhere.rename(source)


@pytest.mark.long
def test_an_image_set_as_source_is_found_too(made: tuple[Path, Path], tmp_path: Path, call_stage: Run) -> None:
    """Its squares are shown and exported; its source files are not known, and the message says so."""
    images = made[1] / "steps" / "images"
    encoder = made[1] / "steps" / "encoder"
    assert call_stage("dedup", images, "--to", tmp_path / "found", "--encoder", encoder).returncode == 0
    assert find_folders(tmp_path / "found").images == images
    options = ["--dedup", tmp_path / "found", "--to", tmp_path / "clean"]
    failed = call_stage("export", *options)
    assert failed.returncode == 1 and "from an image set, which does not hold their source files" in failed.stderr
    done = call_stage("export", *options, "--format", "stylegan")
    assert done.returncode == 0 and "30 pictures" in done.stderr, done.stderr


def test_names_of_folders_are_labels_only_if_asked_for(
    made: tuple[Path, Path], tmp_path: Path, call_stage: Run
) -> None:
    """Copies in two folders are usual, so a warning about different labels would be noise."""
    source, result = made
    assert set(ImageSet(result / "steps" / "images").index.column("label").to_pylist()) == {None}
    options = ["--labels", "folders", "--encoder", result / "steps" / "encoder"]
    done = call_stage("dedup", source, "--to", tmp_path / "labelled", *options)
    assert "3 groups have pictures with different labels" in done.stderr, done.stderr
    labels = pq.read_table(tmp_path / "labelled" / "steps" / "images" / "index.parquet").column("label")
    assert set(labels.to_pylist()) == {"a", "b"}


def test_the_last_line_can_be_pasted(found: tuple[Path, Path], tmp_path: Path, call_stage: Run) -> None:
    """It names the command that shows the removed pictures, with quotes where the path needs them."""
    source, result = found
    spaced = result.rename(tmp_path / "it's found")
    done = call_stage("dedup", source, "--to", spaced)
    (_, command) = done.stderr.splitlines()[-1].split("next: dcgan review-duplicates --dedup ")
    assert shlex.split(command.partition(" to look")[0]) == [str(spaced)]
