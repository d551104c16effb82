"""CelebA's own lists: identities as labels, and a table of attributes."""

import zipfile

import pyarrow.parquet as pq
import pytest

from pipeline.acquire.archives.acquire import acquire
from pipeline.acquire.config import AcquireConfig
from pipeline.core.errors import CorruptData
from pipeline.datasets.pictures import photos
from pipeline.readers.base import only_pictures
from pipeline.readers.folder_reader import Folder
from pipeline.readers.zip_reader import Zip


@pytest.fixture
def celeba(tmp_path):
    """Three pictures in CelebA's layout, with its lists, in the folder `archives`."""
    folder = tmp_path / "archives"
    folder.mkdir()
    with zipfile.ZipFile(folder / "img_align_celeba.zip", "w") as archive:
        for number in (1, 2, 3):
            archive.writestr(f"img_align_celeba/00000{number}.jpg", b"x")
    (folder / photos.IDENTITIES).write_text("000001.jpg 2880\n000002.jpg 2937\n")
    (folder / photos.PARTITION).write_text("000001.jpg 0\n000002.jpg 1\n000003.jpg 2\n")
    (folder / photos.ATTRIBUTES).write_text(
        "3\nEyeglasses Male Smiling \n000001.jpg -1  1  1\n000002.jpg  1 -1 -1\n000003.jpg  1  1 -1\n"
    )
    return folder


def test_people_are_labels(celeba):
    """A person's number, by which groups of unlike people can be told; None for a picture that the list leaves out."""
    entries = photos.entries(Zip(celeba / "img_align_celeba.zip"), celeba)
    assert [entry.label for entry in entries] == ["2880", "2937", None]
    for name in photos.LISTS:
        (celeba / name).unlink()
    assert {entry.label for entry in photos.entries(Zip(celeba / "img_align_celeba.zip"), celeba)} == {None}
    assert photos.celeba_table(celeba) is None


def test_the_double_folder_is_read(celeba, tmp_path):
    """Many copies have img_align_celeba/img_align_celeba/, as a folder or in a zip; the lists name files only."""
    with zipfile.ZipFile(celeba / "archive.zip", "w") as archive:
        for number in (1, 2):
            archive.writestr(f"img_align_celeba/img_align_celeba/00000{number}.jpg", b"x")
        archive.writestr("list_attr_celeba.csv", b"image_id,Smiling\n")
    with zipfile.ZipFile(celeba / "archive.zip") as archive:
        archive.extractall(tmp_path / "folder")
    for source in (Zip(celeba / "archive.zip"), Folder(tmp_path / "folder")):
        entries = photos.entries(source, celeba)
        found = [(entry.key, entry.label) for entry in only_pictures(entries)]
        prefix = "img_align_celeba/img_align_celeba"
        assert found == [(f"{prefix}/000001.jpg", "2880"), (f"{prefix}/000002.jpg", "2937")]
        assert [entry.key for entry in entries if entry.left_out] == ["list_attr_celeba.csv"]


def test_the_table_goes_to_the_raw_folder(celeba, tmp_path):
    """Attributes, identities and partition by file name."""
    section = AcquireConfig(
        **{"source": "archive", "archive": "img_align_celeba.zip", "checksum": "any", "keep_archive": True},
        **{"count": 1, "planted_share": 0.0},
    )
    acquire(section, archives=celeba, to=tmp_path / "raw")
    rows = pq.read_table(tmp_path / "raw" / "attributes.parquet").to_pylist()
    assert rows[0] == {
        **{"file": "000001.jpg", "identity": "2880", "partition": "train"},
        **{"Eyeglasses": False, "Male": True, "Smiling": True},
    }
    assert rows[2]["identity"] is None and rows[2]["partition"] == "test"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (photos.IDENTITIES, "000001.jpg\n"),
        (photos.PARTITION, "000001.jpg 7\n"),
        (photos.ATTRIBUTES, "1\nMale Smiling\n000001.jpg 1\n"),
        (photos.ATTRIBUTES, "1\nMale\n000001.jpg 0\n"),
        (photos.IDENTITIES, "<!DOCTYPE html><html>\n"),
    ],
)
def test_another_file_under_the_name_is_an_error(celeba, name, text):
    """Google Drive's page about a quota is often saved in a list's place."""
    (celeba / name).write_text(text)
    with pytest.raises(CorruptData, match=rf"{name}: entry 1 is"):
        photos.celeba_table(celeba)
