"""ImageNet's validation archive: flat, with labels in the development kit."""

import io
import tarfile

import numpy as np
import pytest
import scipy.io

from pipeline.core.errors import CorruptData
from pipeline.datasets.pictures import imagenet
from pipeline.readers.tar_reader import Tar

SYNSETS = ["n01440764", "n01443537", "n02084071"]


def add(archive, name, data):
    info = tarfile.TarInfo(name)
    info.size = len(data)
    archive.addfile(info, io.BytesIO(data))


def write_kit(path, numbers):
    """The kit's two members: the last synset is no leaf, and its number is above those of the leaves."""
    rows = np.array(
        [(3 - n, name, 0) for n, name in enumerate(SYNSETS)],
        dtype=[("ILSVRC2012_ID", "f8"), ("WNID", "O"), ("num_children", "f8")],
    )
    meta = io.BytesIO()
    scipy.io.savemat(meta, {"synsets": rows})
    with tarfile.open(path, "w:gz") as archive:
        add(archive, "ILSVRC2012_devkit_t12/data/meta.mat", meta.getvalue())
        truth = "".join(f"{number}\n" for number in numbers).encode()
        add(archive, "ILSVRC2012_devkit_t12/data/ILSVRC2012_validation_ground_truth.txt", truth)
    return path


@pytest.fixture
def validation(tmp_path):
    with tarfile.open(tmp_path / "ILSVRC2012_img_val.tar", "w") as archive:
        for number in (3, 1, 2):
            add(archive, f"ILSVRC2012_val_{number:08d}.JPEG", b"x")
    return Tar(tmp_path / "ILSVRC2012_img_val.tar")


def test_labels_come_from_the_kit(validation, tmp_path):
    """The text file numbers synsets as the kit does, not in the order of their names."""
    write_kit(tmp_path / imagenet.DEVELOPMENT_KIT, [2, 3, 1])
    labels = [entry.label for entry in imagenet.entries(validation, tmp_path)]
    assert labels == ["n01443537", "n01440764", "n02084071"]


def test_without_the_kit_there_are_no_labels(validation, tmp_path, capsys):
    """Training needs none; it is said where they would come from."""
    assert [entry.label for entry in imagenet.entries(validation, tmp_path)] == [None] * 3
    assert (
        "ILSVRC2012_devkit_t12.tar.gz: not there, so the validation pictures have no labels" in capsys.readouterr().err
    )


def test_a_broken_kit_is_an_error(validation, tmp_path):
    """Cut off, without its members, or with a number that no synset has."""
    kit = write_kit(tmp_path / imagenet.DEVELOPMENT_KIT, [2, 3, 9])
    with pytest.raises(CorruptData, match="not the development kit"):
        imagenet.entries(validation, tmp_path)
    kit.write_bytes(kit.read_bytes()[:100])
    with pytest.raises(CorruptData, match="not the development kit"):
        imagenet.entries(validation, tmp_path)
    with tarfile.open(kit, "w:gz") as archive:
        add(archive, "other.txt", b"x")
    with pytest.raises(CorruptData, match="not the development kit"):
        imagenet.entries(validation, tmp_path)
