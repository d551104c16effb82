"""CIFAR-10 from its archive and its folder, as written by any Python, and every way of being broken."""

import gzip
import io
import os
import pickle
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.core.errors import CorruptData, MissingInput
from pipeline.datasets.labelled import cifar10

NAMES = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
Batches = dict[str, Any]


@pytest.fixture
def batches() -> Batches:
    """The seven members: three pictures in each training batch, four in the test batch."""
    rng = np.random.default_rng(1)
    made: Batches = {"batches.meta": {"label_names": list(NAMES), "num_vis": 3072}}
    for name in cifar10.MEMBERS:
        if name != "batches.meta":
            count = 4 if name == "test_batch" else 3
            data = rng.integers(0, 256, (count, 3072), dtype=np.uint8)
            made[name] = {"data": data, "labels": rng.integers(0, 10, count).tolist(), "batch_label": name}
    return made


Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """A function that writes members as the archive, and gives its path."""

    def write(members: Batches, protocol: int = 2, folder: str = cifar10.FOLDER) -> Path:
        with tarfile.open(tmp_path / cifar10.ARCHIVE, "w:gz") as archive:
            readme = tarfile.TarInfo(f"{folder}/readme.html")
            archive.addfile(readme)
            for name, value in members.items():
                data = value if isinstance(value, bytes) else pickle.dumps(value, protocol)
                info = tarfile.TarInfo(f"{folder}/{name}")
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))
        return tmp_path / cifar10.ARCHIVE

    return write


def bytes_keys(value: Any) -> Any:
    """As a program leaves it that unpickled Python 2's file with `encoding="bytes"` and pickled it again."""
    if isinstance(value, dict):
        return {key.encode(): bytes_keys(item) for key, item in value.items()}
    if isinstance(value, list):
        return [bytes_keys(item) for item in value]
    return value.encode() if isinstance(value, str) else value


@pytest.mark.parametrize("protocol", [0, 2, 5])
@pytest.mark.parametrize("change", [lambda value: value, bytes_keys])
def test_archive_and_folder_in_upstream_s_order(
    write: Write, batches: Batches, tmp_path: Path, protocol: int, change: Callable[[Any], Any]
) -> None:
    """Batch after batch, each row three planes; the names come from the archive itself."""
    archive = write({name: change(value) for name, value in sorted(batches.items(), reverse=True)}, protocol)
    assert cifar10.locate(tmp_path) == [archive]
    found = cifar10.read(tmp_path)
    assert list(found) == ["train", "test"]
    for split, names in cifar10.BATCHES.items():
        rows = np.concatenate([batches[name]["data"] for name in names])
        numbers = [number for name in names for number in batches[name]["labels"]]
        images = found[split].images
        assert images.dtype == np.uint8 and images.shape == (len(rows), 32, 32, 3)
        assert images[1, 2, 3].tolist() == [rows[1, 1024 * channel + 2 * 32 + 3] for channel in range(3)]
        assert np.array_equal(images.transpose(0, 3, 1, 2).reshape(-1, 3072), rows)
        assert found[split].labels == [NAMES[number] for number in numbers]
        assert found[split].classes == tuple(NAMES)
    assert sorted(path.name for path in tmp_path.iterdir()) == [cifar10.ARCHIVE], "nothing is unpacked"

    with tarfile.open(archive) as opened:
        opened.extractall(tmp_path, filter="data")
    archive.unlink()
    assert [path.name for path in cifar10.locate(tmp_path)] == list(cifar10.MEMBERS)
    unpacked = cifar10.read(tmp_path)
    assert all(np.array_equal(unpacked[split].images, found[split].images) for split in found)
    assert all(unpacked[split].labels == found[split].labels for split in found)


def test_labels_as_an_array(write: Write, batches: Batches, tmp_path: Path) -> None:
    batches["test_batch"]["labels"] = np.array([0, 9, 1, 3])
    write(batches)
    assert cifar10.read(tmp_path)["test"].labels == ["airplane", "truck", "automobile", "cat"]


class Evil:
    """Makes a file when it is unpickled in the ordinary way."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.system, (f"touch {self.target}",)


@pytest.mark.parametrize("member", ["data_batch_3", "batches.meta"])
def test_a_malicious_archive_is_refused_and_does_nothing(
    write: Write, batches: Batches, tmp_path: Path, member: str
) -> None:
    batches[member] = {**batches[member], "more": Evil(tmp_path / "made")}
    archive = write(batches)
    with pytest.raises(
        CorruptData, match=rf"{archive}: {member}: a pickle that asks for \w+\.system; .*nothing was run"
    ):
        cifar10.read(tmp_path)
    assert not (tmp_path / "made").exists()
    batches[member] = pickle.dumps(Evil(tmp_path / "made"))
    (tmp_path / cifar10.ARCHIVE).unlink()
    (tmp_path / cifar10.FOLDER).mkdir()
    for name, value in batches.items():
        (tmp_path / cifar10.FOLDER / name).write_bytes(value if isinstance(value, bytes) else pickle.dumps(value))
    with pytest.raises(CorruptData, match="nothing was run"):
        cifar10.read(tmp_path)
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize(
    ("member", "change", "message"),
    [
        (
            "data_batch_2",
            {"data": np.zeros((3, 3071), np.uint8)},
            r"data is uint8 \(3, 3071\), expected uint8 \(n, 3072\)",
        ),
        ("data_batch_2", {"data": np.zeros((3, 3072), np.float32)}, r"data is float32 \(3, 3072\)"),
        ("data_batch_2", {"data": [[0] * 3072]}, "data is a list"),
        ("data_batch_2", {"data": np.zeros((2, 3072), np.uint8)}, "3 labels for 2 pictures"),
        ("data_batch_2", {"data": np.zeros((0, 3072), np.uint8), "labels": []}, "holds no pictures"),
        ("data_batch_2", {"labels": [0, 1, 10]}, "labels of 0 to 10, expected 0 to 9"),
        ("data_batch_2", {"labels": [0, -1, 1]}, "labels of -1 to 1"),
        ("data_batch_2", {"labels": [0, 1, 1 << 80]}, "no list of whole numbers"),
        ("data_batch_2", {"labels": [0, 1, "2"]}, "no list of whole numbers"),
        ("data_batch_2", {"labels": None}, "no list of whole numbers"),
        ("batches.meta", {"label_names": NAMES[:9]}, "expected ten different names"),
        ("batches.meta", {"label_names": [*NAMES[:9], NAMES[0]]}, "expected ten different names"),
        ("batches.meta", {"label_names": None}, "label_names is None"),
    ],
)
def test_a_batch_that_does_not_fit(
    write: Write, batches: Batches, tmp_path: Path, member: str, change: dict[str, Any], message: str
) -> None:
    """Shape, type, counts, range: file and member, what was found, what was expected, what to do."""
    batches[member] |= change
    archive = write(batches)
    with pytest.raises(CorruptData, match=rf"^{archive}: {member}: .*{message}.*; .* again$"):
        cifar10.read(tmp_path)


def test_a_member_is_missing(write: Write, batches: Batches, tmp_path: Path) -> None:
    """In the archive, in another folder of it, or in the unpacked folder."""
    del batches["data_batch_4"]
    write(batches)
    with pytest.raises(CorruptData, match=r"has no cifar-10-batches-py/data_batch_4; download"):
        cifar10.read(tmp_path)
    write(batches, folder="elsewhere")
    with pytest.raises(CorruptData, match="has no cifar-10-batches-py/data_batch_1, data_batch_2"):
        cifar10.read(tmp_path)
    (tmp_path / cifar10.ARCHIVE).unlink()
    with pytest.raises(MissingInput, match="no such file"):
        cifar10.read(tmp_path)
    (tmp_path / cifar10.FOLDER).mkdir()
    with pytest.raises(MissingInput, match=r"cifar-10-batches-py/data_batch_1: no such file"):
        cifar10.read(tmp_path)


def test_odd_members(write: Write, batches: Batches, tmp_path: Path) -> None:
    """A link in a batch's place, a batch that is no dictionary, and a batch of absurd length."""
    batches["data_batch_1"] = [1]
    write(batches)
    with pytest.raises(CorruptData, match="data_batch_1: a list, expected a dictionary"):
        cifar10.read(tmp_path)
    for kind, size, message in (
        (tarfile.SYMTYPE, 0, "is no regular file"),
        (tarfile.REGTYPE, 1 << 40, "has 1,099,511"),
    ):
        info = tarfile.TarInfo(f"{cifar10.FOLDER}/data_batch_1")
        info.type, info.linkname, info.size = kind, "/etc/hostname", size
        (tmp_path / cifar10.ARCHIVE).write_bytes(gzip.compress(info.tobuf(tarfile.GNU_FORMAT) + bytes(1024)))
        with pytest.raises(CorruptData, match=message):
            cifar10.read(tmp_path)


def test_a_bomb_ends_early(write: Write, batches: Batches, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What does not count is passed over, but not without end."""
    monkeypatch.setattr(cifar10, "_LONGEST_ARCHIVE", 1 << 20)
    write({"zeros": bytes(1 << 22), **batches})
    with pytest.raises(CorruptData, match="more than 1,048,576 bytes when unpacked"):
        cifar10.read(tmp_path)


@pytest.mark.parametrize("share", [0.0, 0.001, 0.3, 0.7, 0.99, 0.9999])
def test_a_truncated_archive(write: Write, batches: Batches, tmp_path: Path, share: float) -> None:
    archive = write(batches)
    data = archive.read_bytes()
    archive.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(CorruptData, match=r"truncated, or not a tar\.gz .*; download or copy it again$|has no cifar"):
        cifar10.read(tmp_path)


def test_a_flipped_byte_and_a_web_page(write: Write, batches: Batches, tmp_path: Path) -> None:
    archive = write(batches)
    data = bytearray(archive.read_bytes())
    for place in (len(data) // 2, len(data) - 6):
        data[place] ^= 1
        archive.write_bytes(data)
        with pytest.raises(CorruptData, match=r"truncated, or not a tar\.gz"):
            cifar10.read(tmp_path)
        data[place] ^= 1
    archive.write_bytes(b"<!DOCTYPE html><html>sorry</html>")
    with pytest.raises(CorruptData, match="Not a gzipped file"):
        cifar10.read(tmp_path)
