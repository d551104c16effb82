"""Downsampled ImageNet's pickles: every pixel, in upstream's order, a batch in memory at a time."""

import io
import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pipeline.core.errors import CorruptData
from pipeline.datasets.pictures import imagenet32
from pipeline.datasets.pictures.imagenet32 import Imagenet32
from pipeline.datasets.pictures.raw_folder import open_archive


def batch(seed: int, numbers: list[Any], **changes: Any) -> bytes:
    """A pickle as upstream's script writes it: rows of planes, labels counted from 1, the mean of all."""
    data = np.random.default_rng(seed).integers(0, 256, (len(numbers), 3072), dtype=np.uint8)
    return pickle.dumps({"data": data, "labels": numbers, "mean": data.mean(0), **changes}, protocol=3)


BATCHES = {
    "train_data_batch_10": batch(10, [7]),
    "train_data_batch_2": batch(2, [1000, 1]),
    "train_data_batch_1": batch(1, [3, 2, 3]),
}


@pytest.fixture(params=["folder", "zip"])
def write(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[dict[str, bytes]], Path]:
    """A function that writes the pickles as a folder, or as a zip of a folder, and gives its path."""

    def write(members: dict[str, bytes]) -> Path:
        if request.param == "folder":
            (tmp_path / "Imagenet32_train").mkdir(exist_ok=True)
            for name, data in members.items():
                (tmp_path / "Imagenet32_train" / name).write_bytes(data)
            return tmp_path / "Imagenet32_train"
        with zipfile.ZipFile(tmp_path / "Imagenet32_train.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            for name, data in members.items():
                with archive.open(f"Imagenet32_train/{name}", "w", force_zip64=True) as member:
                    member.write(data)
        return tmp_path / "Imagenet32_train.zip"

    return write


def test_every_pixel_in_upstreams_order(write: Callable[[dict[str, bytes]], Path]) -> None:
    """Batch 10 comes after batch 2; a picture is a file that any decoder reads, with upstream's pixels."""
    found = open_archive(write(BATCHES))
    assert found.kind == "pickles"
    entries = found.source.entries()
    assert [(entry.key, entry.label) for entry in entries] == [
        ("train_data_batch_01/000000", "3"),
        ("train_data_batch_01/000001", "2"),
        ("train_data_batch_01/000002", "3"),
        ("train_data_batch_02/000000", "1000"),
        ("train_data_batch_02/000001", "1"),
        ("train_data_batch_10/000000", "7"),
    ]
    rows = np.concatenate([pickle.loads(BATCHES[f"train_data_batch_{n}"])["data"] for n in (1, 2, 10)])
    with pickle.loads(pickle.dumps(found.source)).open() as read:  # as a worker has it
        for entry, row in zip(entries, rows, strict=True):
            with Image.open(io.BytesIO(read(entry.place))) as picture:
                assert np.array_equal(np.asarray(picture), row.reshape(3, 32, 32).transpose(1, 2, 0))
        assert len(imagenet32._cached_batch) == 1, "one batch at a time: each takes 400 MB"


def test_what_is_for_testing_is_not_trained_on(write: Callable[[dict[str, bytes]], Path]) -> None:
    """`val_data` unpacked into the same folder; alone it is read."""
    source = Imagenet32(write({"val_data": batch(3, [5, 6])}))
    assert [entry.key for entry in source.entries()] == ["val_data/000000", "val_data/000001"]
    source = Imagenet32(write({"val_data": batch(3, [5, 6]), **BATCHES}))
    assert len(source.entries()) == 6


def test_a_changed_file_is_read_again(tmp_path: Path) -> None:
    """What a process has in memory is not taken for another file of the same name."""
    path = tmp_path / "val_data"
    for seed in (1, 2):
        path.write_bytes(batch(seed, [1]))
        os.utime(path, ns=(seed, seed))
        with Imagenet32(tmp_path).open() as read:
            pixels = read((0, 0))[-3072:]
        expected = pickle.loads(path.read_bytes())["data"].reshape(3, -1).T.tobytes()
        assert pixels == expected


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (batch(1, [1, 2])[:-3000], "cut off, or no pickle"),
        (pickle.dumps([1]), "a list, expected a dictionary"),
        (batch(1, [1, 2], labels=[1]), "1 labels for 2 pictures"),
        (batch(1, [0, 2]), "of 1 to 1,000"),
        (batch(1, [1001, 2]), "of 1 to 1,000"),
        (batch(1, ["n01440764"]), "labels are no list of whole numbers"),
        (batch(1, [1], data=np.zeros((1, 12288), np.uint8)), r"data is uint8 \(1, 12288\), expected uint8 \(n, 3072\)"),
        (pickle.dumps({"data": print, "labels": []}), "asks for builtins.print"),
    ],
)
def test_what_is_no_batch(write: Callable[[dict[str, bytes]], Path], data: bytes, message: str) -> None:
    """Cut off, of another size, with labels of another set, or a program: named with the file, and nothing is run."""
    path = write({"train_data_batch_1": BATCHES["train_data_batch_1"], "train_data_batch_2": data})
    with pytest.raises(CorruptData, match=rf"{path.name}: \S*train_data_batch_2: .*{message}"):
        Imagenet32(path).entries()


def test_a_damaged_or_swollen_member(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The zip's own checksum tells; a member above any real one's length is not unpacked."""
    path = tmp_path / "Imagenet32_val.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("val_data", batch(1, [1, 2]))
    monkeypatch.setattr(imagenet32, "_LONGEST", 5000)
    with pytest.raises(CorruptData, match="at most 5,000 are read"):
        Imagenet32(path).entries()
    monkeypatch.undo()
    data = bytearray(path.read_bytes())
    data[3000] ^= 1
    path.write_bytes(data)
    with pytest.raises(CorruptData, match="val_data: damaged"):
        Imagenet32(path).entries()
