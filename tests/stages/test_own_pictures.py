"""A set of one's own needs no code: `dcgan init`, then the stages, as docs/own-pictures.md says."""

import os
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.core import files
from pipeline.imageset.format.image_set import ImageSet
from tests.conftest import ROOT, folder_bytes

Encode = Callable[..., bytes]


def write_folder(archives: Path, encode: Encode) -> dict[str, str | None]:
    """A folder with a link to a folder elsewhere, and a name from an old Windows: keys to labels."""
    folder, elsewhere = archives / "pictures", archives.parent / "disk"
    for path in (folder, elsewhere):
        path.mkdir()
    (folder / "trip").symlink_to(elsewhere)
    (elsewhere / "b.png").write_bytes(encode(1, file_format="PNG"))
    with open(os.path.join(os.fsencode(folder), b"caf\xe9.jpg"), "wb") as file:  # noqa: PTH118, PTH123
        file.write(encode(2))
    return {"caf%E9.jpg": None, "trip/b.png": None}


def write_parquet(archives: Path, encode: Encode) -> dict[str, str | None]:
    rows = [{"image": {"bytes": encode(n), "path": f"{n}.jpg"}, "label": f"class {n}"} for n in range(2)]
    pq.write_table(pa.Table.from_pylist(rows), archives / "pictures.parquet")
    return {"pictures/0000000": "class 0", "pictures/0000001": "class 1"}


def write_tar(archives: Path, encode: Encode) -> dict[str, str | None]:
    folder = archives.parent / "sample"
    folder.mkdir()
    for name, data in (("1.jpg", encode(1)), ("1.cls", b"cat"), ("2.jpg", encode(2))):
        (folder / name).write_bytes(data)
    shutil.make_archive(str(archives / "pictures"), "tar", folder)
    return {"1.jpg": "cat", "2.jpg": None}


def write_zip(archives: Path, encode: Encode) -> dict[str, str | None]:
    with zipfile.ZipFile(archives / "pictures.zip", "w") as archive:
        for number in (1, 2):
            archive.writestr(f"a/{number}.jpg", encode(number))
    return {"a/1.jpg": None, "a/2.jpg": None}


@pytest.mark.parametrize(
    ("archive", "write"),
    [
        ("pictures", write_folder),
        ("pictures.parquet", write_parquet),
        ("pictures.tar", write_tar),
        ("pictures.zip", write_zip),
    ],
)
def test_every_kind_of_archive_becomes_an_image_set(
    archive: str, write: Any, run_stage: Callable[..., Any], tmp_path: Path, encode: Encode
) -> None:
    """As a new set and as `--source` alone: the same keys, labels and bytes; the originals stay unchanged."""
    archives = tmp_path / "archives"
    archives.mkdir()
    expected = write(archives, encode)
    before = sorted((path, path.stat().st_mtime_ns) for path in archives.rglob("*"))
    project = tmp_path / "project"
    shutil.copytree(ROOT / "profiles", project / "profiles")
    shutil.copyfile(ROOT / "params.yaml", project / "params.yaml")
    done = run_stage("init", "mine", "--from", archives / archive, cwd=project)
    assert done.returncode == 0 and "init: mine: a set of 2 pictures; written: profiles/miniature.yaml" in done.stderr
    common = ["--set", "mine", "--params", project / "profiles" / "miniature.yaml"]
    common += ["--archives", project / "data" / "archives" / "mine"]
    done = run_stage("download_lsun", *common, "--to", tmp_path / "raw")
    assert done.returncode == 0, done.stderr
    assert files.read_json(tmp_path / "raw" / "source.json")["place"] == "archives"
    done = run_stage("crop_scenes", *common, "--source", tmp_path / "raw", "--to", tmp_path / "set", "-j", 1)
    assert done.returncode == 0 and "2 of 2 pictures cropped to 64×64" in done.stderr, done.stderr
    done = run_stage("crop_scenes", "--source", archives / archive, "--to", tmp_path / "single", "-j", 1)
    assert done.returncode == 0, done.stderr
    assert folder_bytes(tmp_path / "single") == folder_bytes(tmp_path / "set")
    images = ImageSet(tmp_path / "set")
    assert dict(zip(images.keys, images.index.column("label").to_pylist(), strict=True)) == expected
    assert sorted((path, path.stat().st_mtime_ns) for path in archives.rglob("*")) == before
