"""`dcgan dedup --append`: pictures come to an earlier result, and nobody who was there is decided on again."""

import csv
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from pipeline.dedup.results.result_folders import find_folders
from pipeline.imageset.format.image_set import ImageSet
from pipeline.review.duplicates.dedup_result import DedupResult
from pipeline.review.duplicates.source_pictures import SourcePictures
from tests.conftest import folder_bytes
from tests.killing import running

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory, scenes: Callable[[int, int], np.ndarray]) -> dict[str, Path]:
    """`old`: 24 pictures and a copy; `new` and `newer`: copies of some, pictures of their own, and keys of before."""
    base = tmp_path_factory.mktemp("sources")
    pictures = scenes(34, 3)

    def save(path: str, number: int, side: int = 64, **options: Any) -> None:
        (base / path).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pictures[number]).resize((side, side)).save(base / path, **options)

    for number in range(24):
        save(f"old/a/{number:02d}.png", number)
    save("old/a/copy of 00.jpg", 0, 48, quality=70)
    save("new/c/copy of 01.png", 1, 128)  # the largest of its group: it would stay, had it been there first
    save("new/c/copy of 02.jpg", 2, quality=70)
    for number in range(24, 30):
        save(f"new/c/{number}.png", number)
    save("new/c/copy of 24.png", 24, 48)
    save("new/a/03.png", 3)  # the same key and the same file
    save("new/a/04.png", 30)  # the same key, another file
    save("newer/d/copy of 25.jpg", 25, quality=70)
    save("newer/d/copy of 05.jpg", 5, quality=70)
    save("newer/d/31.png", 31)
    return {name: base / name for name in ("old", "new", "newer")}


@pytest.fixture(scope="module")
def results(
    sources: dict[str, Path], tmp_path_factory: pytest.TempPathFactory, run_stage: Run, call_stage: Run
) -> dict[str, dict[str, Any]]:
    """The result after each source, from copies: its folder, what was printed, and its files."""
    base = tmp_path_factory.mktemp("results")
    made: dict[str, dict[str, Any]] = {}
    for number, name in enumerate(sources):
        to = base / name / "out"
        if number:
            copy(list(made.values())[-1]["to"], to)
            done = call_stage("dedup", sources[name], "--to", to, "--json", "--append")
        else:  # trains an encoder
            done = run_stage("dedup", sources[name], "--to", to, "-j", 1, "--json")
        assert done.returncode == 0, done.stderr
        made[name] = {"to": to, "said": done.stderr, "summary": json.loads(done.stdout), "rows": rows_of(to)}
    return made


def copy(source: Path, to: Path) -> Path:
    to.parent.mkdir(exist_ok=True, parents=True)
    subprocess.run(["cp", "-r", source, to], check=True)
    return to


def rows_of(to: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = pq.read_table(to / "manifest.parquet").to_pylist()
    return rows


def removed(to: Path) -> dict[str, str]:
    with (to / "removed.csv").open(newline="") as file:
        return {row["key"]: row["kept_key"] for row in csv.DictReader(file)}


def test_added_pictures_go_for_those_that_stay(results: dict[str, dict[str, Any]]) -> None:
    """Even a larger copy; those of before keep place, code and keeper; keys of before are left out and listed."""
    before = {"a/copy of 00.jpg": "a/00.png"}
    assert removed(results["old"]["to"]) == before
    before |= {"c/copy of 01.png": "a/01.png", "c/copy of 02.jpg": "a/02.png", "c/copy of 24.png": "c/24.png"}
    assert removed(results["new"]["to"]) == before
    before |= {"d/copy of 05.jpg": "a/05.png", "d/copy of 25.jpg": "c/25.png"}
    assert removed(results["newer"]["to"]) == before
    for earlier, later in (("old", "new"), ("new", "newer")):
        old, new = results[earlier], results[later]
        told = ("key", "sha256", "status", "kept_key", "reason", "hamming", "similarity", "code")
        for a, b in zip(old["rows"], new["rows"], strict=False):
            assert [a[name] for name in told] == [b[name] for name in told]
        sets = [ImageSet(one["to"] / "steps" / "images") for one in (old, new)]
        for name in sets[0].shards:
            assert (sets[0].folder / name).read_bytes() == (sets[1].folder / name).read_bytes()
        codes = [np.load(one["to"] / "steps" / "codes" / "codes.npy") for one in (old, new)]
        np.testing.assert_array_equal(codes[0], codes[1][: len(codes[0])])
    assert "added: 9, of which 6 are kept" in results["new"]["said"]
    assert (
        "1 pictures are left out because the set has another picture with the same key: 'a/04.png'"
        in (results["new"]["said"])
    )
    with (results["new"]["to"] / "better_copies.csv").open(newline="") as file:
        assert [(row["key"], row["kept_key"]) for row in csv.DictReader(file)] == []
    images = ImageSet(results["newer"]["to"] / "steps" / "images")
    assert images.parts == [25, 9, 3]
    assert images.counts == {"sources": 39, "pictures": 37, "bad": 0, "filtered": 2}
    assert [row["reason"] for row in images.skipped.to_pylist()] == ["already_there", "key_taken"]
    assert results["newer"]["summary"]["added"] == 3 and results["newer"]["summary"]["added_kept"] == 1


@pytest.mark.long
def test_the_same_again_adds_nothing_and_verdicts_act(
    results: dict[str, dict[str, Any]], sources: dict[str, Path], tmp_path: Path, call_stage: Run
) -> None:
    """Not a byte changes, of an earlier addition too; a picture that people bring back is back."""
    to = copy(results["newer"]["to"], tmp_path / "out")
    before = folder_bytes(to)
    for name in ("newer", "new"):
        done = call_stage("dedup", sources[name], "--to", to, "--append")
        assert "added: 0, of which 0 are kept" in done.stderr, done.stderr
        assert folder_bytes(to) == before
        (to / ".steps.partial").mkdir()  # as if ended between the last two renames: the next round has them back
        (to / "steps").rename(to / ".steps.partial" / "replaced")
    options = [
        "--dedup",
        to,
        "--verdicts",
        to / "verdicts.csv",
        "--key",
        "a/copy of 00.jpg",
        "--key",
        "c/copy of 02.jpg",
    ]
    assert call_stage("restore", *options).returncode == 0
    assert call_stage("dedup", sources["new"], "--to", to, "--append").returncode == 0
    gone = removed(results["newer"]["to"]).keys() - {"a/copy of 00.jpg", "c/copy of 02.jpg"}
    assert removed(to).keys() == gone


@pytest.mark.parametrize("there", ["added-1/imageset.json", "codes/codes.json", "dedup/manifest.parquet"])
@pytest.mark.long
def test_killed_it_leaves_the_earlier_result_and_goes_on(
    there: str, results: dict[str, dict[str, Any]], sources: dict[str, Path], tmp_path: Path, call_stage: Run
) -> None:
    """`kill -9` once a step is done: what was there can be read as before, and the next run ends in the same bytes."""
    to = copy(results["old"]["to"], tmp_path / "out")
    before = folder_bytes(to)
    command = [sys.executable, "-m", "stages.dedup", sources["new"], "--to", to, "-j", "1", "--append", "--quiet"]
    with running(command, (to / ".steps.partial" / "scratch" / "steps" / there).exists):
        pass
    assert {name: sha for name, sha in folder_bytes(to).items() if not name.startswith(".steps.partial")} == before
    assert call_stage("dedup", sources["new"], "--to", to, "--append").returncode == 0
    assert folder_bytes(to) == folder_bytes(results["new"]["to"])


def test_originals_are_shown_of_every_source(results: dict[str, dict[str, Any]]) -> None:
    """To who judges what was removed, whichever source it and its keeper are of."""
    folders = find_folders(results["newer"]["to"])
    pictures = DedupResult(folders).pictures
    read = SourcePictures(pictures, folders.raw, folders.archives)
    assert {key.partition("/")[0] for key in pictures.keys.to_pylist()} == {"a", "c", "d"}
    assert all(read.png(at) for at in range(len(pictures.rows)))
    read.close()


def test_originals_are_exported_a_source_at_a_time(
    results: dict[str, dict[str, Any]], sources: dict[str, Path], tmp_path: Path, call_stage: Run
) -> None:
    """Without saying which, the error says how; the squares need no source."""
    to = results["newer"]["to"]
    options = ["--images", to / "steps" / "images", "--kept", to / "kept.npy", "--archives", sources["old"].parent]
    failed = call_stage("export", *options, "--raw", to / "steps" / "raw-images", "--to", tmp_path / "all")
    assert failed.returncode == 1 and "give --dedup, or export them one at a time" in failed.stderr, failed.stderr
    written = []
    for part, raw in enumerate(("raw-images", "raw-added-1", "raw-added-2")):
        folder = tmp_path / str(part)
        done = call_stage("export", *options, "--raw", to / "steps" / raw, "--part", part, "--to", folder)
        assert done.returncode == 0, done.stderr
        files = sorted(path for path in (folder / "pictures").rglob("*") if path.is_file())
        written += [str(path.relative_to(folder / "pictures")) for path in files]
        for path in files:
            source = list(sources.values())[part] / path.relative_to(folder / "pictures")
            assert path.read_bytes() == source.read_bytes()
    assert written == (to / "kept.txt").read_text().splitlines()
    done = call_stage("export", "--dedup", to, "--to", tmp_path / "together")
    assert done.returncode == 0, done.stderr
    together = (path for path in (tmp_path / "together" / "pictures").rglob("*") if path.is_file())
    assert sorted(str(path.relative_to(tmp_path / "together" / "pictures")) for path in together) == sorted(written)
    failed = call_stage(
        "export", *options, "--raw", to / "steps" / "raw-images", "--part", 3, "--to", tmp_path / "none"
    )
    assert failed.returncode == 1 and "--part 3: --images has parts 0 to 2" in failed.stderr
    options = [*options, "--raw", to / "steps" / "raw-images", "--format", "stylegan"]
    done = call_stage("export", *options, "--to", tmp_path / "squares")
    assert done.returncode == 0 and f"{len(written)} pictures" in done.stderr, done.stderr


@pytest.mark.long
def test_image_sets_are_added_to_image_sets(
    results: dict[str, dict[str, Any]], sources: dict[str, Path], tmp_path: Path, call_stage: Run
) -> None:
    """The earlier one is found where it lies, and only read; what stands in another source stays out as well."""
    encoder = ["--encoder", results["old"]["to"] / "steps" / "encoder"]
    old = copy(results["old"]["to"] / "steps" / "images", tmp_path / "old")
    before = folder_bytes(old)
    to = tmp_path / "out"
    leaks = [*encoder, "--against", sources["newer"], "--drop-matches"]
    assert call_stage("dedup", old, "--to", to, *leaks).returncode == 0
    gone = {"a/copy of 00.jpg": "a/00.png", "a/05.png": "d/copy of 05.jpg"}
    assert removed(to) == gone
    done = call_stage("dedup", sources["new"], "--to", to, *encoder, "--append")
    assert done.returncode == 0, done.stderr
    gone |= {"c/copy of 01.png": "a/01.png", "c/copy of 02.jpg": "a/02.png", "c/copy of 24.png": "c/24.png"}
    assert removed(to) == gone and folder_bytes(old) == before
    again = copy(to, tmp_path / "leaks")
    done = call_stage("dedup", sources["newer"], "--to", again, *leaks, "--append")
    assert done.returncode == 0, done.stderr
    assert removed(again) == gone | {key: key for key in ("d/31.png", "d/copy of 05.jpg", "d/copy of 25.jpg")}


@pytest.mark.long
def test_without_append_it_starts_over_and_says_so(
    results: dict[str, dict[str, Any]], sources: dict[str, Path], tmp_path: Path, call_stage: Run
) -> None:
    """The result is that of the source alone; what had been added is gone from it, and not silently."""
    to = copy(results["new"]["to"], tmp_path / "out")
    done = call_stage("dedup", sources["old"], "--to", to)
    assert "use --append to keep them" in done.stderr, done.stderr
    assert rows_of(to) == results["old"]["rows"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--to", "{tmp}/none"], "--append: no earlier result in --to"),
        (
            ["--mode", "exact"],
            "mode is exact, but the earlier result was made with near; give the same options as for the earlier result",
        ),
        (
            ["--side", "32"],
            "side is 32, but the earlier result was made with 64; give the same options as for the earlier result",
        ),
        (["--radius", "3"], "radius is 3, but the earlier result was made with"),
        (["--keep", "first"], "keep is ['first'], but the earlier result was made with ['original']"),
        (["--encoder", "{tmp}"], "the earlier result was made with a different encoder"),
        (["--embeddings", "{tmp}"], "--append, --embeddings: after pictures are added, rows are not in key order"),
    ],
)
def test_what_cannot_be_done_is_one_line(
    options: list[str],
    message: str,
    results: dict[str, dict[str, Any]],
    sources: dict[str, Path],
    tmp_path: Path,
    call_stage: Run,
) -> None:
    """Exit status 1, no traceback, and the earlier result is as it was."""
    arguments = [option.format(tmp=tmp_path) for option in options]
    to = copy(results["old"]["to"], tmp_path / "out")
    failed = call_stage("dedup", sources["new"], "--append", *([] if "--to" in arguments else ["--to", to]), *arguments)
    assert failed.returncode == 1 and message in failed.stderr, failed.stderr
    assert failed.stderr.count("error:") == 1 and "Traceback" not in failed.stderr
    assert rows_of(to) == results["old"]["rows"]
