"""A set of one's own pictures is added to the project, and nothing that was there changes."""

import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.core.errors import BadParameters, MissingInput
from pipeline.core.params import load_profile, read_names, read_yaml
from pipeline.dedup.decision.verdicts import read_verdicts
from pipeline.setup.diagnosis import diagnose
from pipeline.setup.new_set import Kind, add_set
from tests.conftest import ROOT, folder_bytes


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The project's YAML files and verdicts in a folder of their own."""
    folder = tmp_path / "project"
    for name in ("profiles", "audit"):
        shutil.copytree(ROOT / name, folder / name)
    shutil.copyfile(ROOT / "params.yaml", folder / "params.yaml")
    for name in ("lsun", "imagenet", "faces", "cifar10", "svhn"):
        (folder / "data" / "archives" / name).mkdir(parents=True)
    return folder


@pytest.fixture
def photos(tmp_path: Path, encode: Callable[..., bytes]) -> Path:
    """A folder of 40 pictures."""
    (tmp_path / "photos" / "trip").mkdir(parents=True)
    for number in range(40):
        (tmp_path / "photos" / "trip" / f"{number}.jpg").write_bytes(encode(number))
    return tmp_path / "photos"


@pytest.mark.parametrize("kind", ["scenes", "natural", "portraits"])
def test_the_new_set_is_ready_to_run(kind: Kind, project: Path, photos: Path) -> None:
    """doctor finds all sections, in a profile of another scale; old lines stay, in their order; the pictures too."""
    before = {path: path.read_text().splitlines() for path in (project / "profiles").glob("*.yaml")}
    pictures = folder_bytes(photos)
    added = add_set("mine", photos, kind, project=project)
    found = diagnose(None, project / "params.yaml", archives=project / "data" / "archives", work=project)
    assert found.problems == [] and found.sets["mine"] == "ready (source: archive)"
    profile = project / "profiles" / "miniature.yaml"
    for path, old in before.items():
        lines = iter(path.read_text().splitlines())
        assert all(line in lines for line in old)  # a subsequence
        assert (path.read_text().splitlines() == old) == (path != profile)
    assert read_names(project / "params.yaml", kind)[-1] == read_names(project / "params.yaml", "sets")[-1] == "mine"
    assert "# crop-scenes: LSUN categories" in (project / "params.yaml").read_text()
    assert read_verdicts(project / "audit" / "mine" / "verdicts.csv") == []
    assert (project / "data" / "archives" / "mine" / "photos").resolve() == photos
    assert folder_bytes(photos) == pictures
    assert added.pictures == 40 and len(added.written) == 5 and added.kept == []


def test_numbers_of_epochs_suit_the_number_of_pictures(project: Path, photos: Path) -> None:
    """Batches are not larger than the set, and the networks are trained for about as many steps as on 500 pictures."""
    add_set("mine", photos, "scenes", project=project)
    profile = load_profile(project / "profiles" / "miniature.yaml")
    autoencoder, dcgan = profile["dedup"]["mine"]["autoencoder"], profile["dcgan"]["mine"]["training"]
    assert (autoencoder["batch_size"], autoencoder["epochs"]) == (40, 60)
    assert dcgan["batch_size"] == 32
    assert dcgan["epochs"] * 40 / 32 == pytest.approx(5_000, rel=0.01)


def test_it_can_be_repeated_and_adds_only_what_is_missing(project: Path, photos: Path) -> None:
    """After an interruption, or when the other profile is chosen; verdicts and edited values stay."""
    add_set("mine", photos, "scenes", project=project)
    verdicts = project / "audit" / "mine" / "verdicts.csv"
    verdicts.write_text(verdicts.read_text() + f"{'a' * 64},,k,,,,me,\n")
    profile = project / "profiles" / "miniature.yaml"
    profile.write_text(profile.read_text().replace("base_width: 24", "base_width: 48"))
    before = folder_bytes(project)
    again = add_set("mine", photos, "scenes", project=project)
    assert folder_bytes(project) == before and again.written == [] and len(again.kept) == 5
    lists = project / "params.yaml"
    lists.write_text(lists.read_text().replace("profile: miniature", "profile: paper"))
    assert add_set("mine", photos, "scenes", project=project).written == [str(project / "profiles" / "paper.yaml")]


def test_another_set_of_the_name_is_not_touched(project: Path, photos: Path, tmp_path: Path) -> None:
    """Shipped sets, and another folder under the name of an earlier one."""
    before = folder_bytes(project)
    with pytest.raises(BadParameters, match=r"lsun: .*choose another name"):
        add_set("lsun", photos, "scenes", project=project)
    assert folder_bytes(project) == before
    add_set("mine", photos, "scenes", project=project)
    before = folder_bytes(project)
    other = shutil.copytree(photos, tmp_path / "elsewhere" / "photos")
    with pytest.raises(BadParameters, match=r"mine: .*choose another name"):
        add_set("mine", other, "scenes", project=project)
    assert folder_bytes(project) == before


@pytest.mark.parametrize("name", ["a b", "../mine", "size", "nfiles", "", "2015"])
def test_a_name_that_cannot_be_used_is_refused(name: str, project: Path, photos: Path) -> None:
    """It becomes a folder, a key in YAML and a name of stages; DVC's run cache leaves two names out of its key."""
    before = folder_bytes(project)
    with pytest.raises(BadParameters, match="expected a name of letters"):
        add_set(name, photos, "scenes", project=project)
    assert folder_bytes(project) == before


def test_what_is_missing_is_named_before_anything_is_written(project: Path, photos: Path, tmp_path: Path) -> None:
    """The source, its pictures, or the project."""
    before = folder_bytes(project)
    (tmp_path / "empty").mkdir()
    for source, message in (
        (tmp_path / "none", "none: no such file"),
        (tmp_path / "empty", "empty: no pictures in it"),
    ):
        with pytest.raises(MissingInput, match=message):
            add_set("mine", source, "scenes", project=project)
    with pytest.raises(MissingInput, match=r"params\.yaml: not there; run dcgan init in the folder of the project"):
        add_set("mine", photos, "scenes", project=tmp_path)
    assert folder_bytes(project) == before


def test_an_archive_that_must_be_unpacked_is_not_counted(project: Path, photos: Path) -> None:
    """The set is added nevertheless, with the epochs of the workstation profile; other files are no pictures."""
    (photos / "notes.txt").write_text("of the trip")
    archive = Path(shutil.make_archive(str(photos.parent / "photos"), "gztar", photos))
    assert add_set("mine", archive, "scenes", project=project).pictures is None
    ours, theirs = (read_yaml(project / "profiles" / f"{name}.yaml")["dcgan"] for name in ("miniature", "workstation"))
    assert ours["mine"] == theirs["lsun"]
    assert add_set("loose", photos, "scenes", project=project).pictures == 40


def test_a_zip_is_linked_as_well(project: Path, tmp_path: Path, encode: Callable[..., bytes]) -> None:
    """DVC follows a link to a file."""
    with zipfile.ZipFile(tmp_path / "pictures.zip", "w") as archive:
        for number in range(3):
            archive.writestr(f"{number}.jpg", encode(number))
    assert add_set("mine", tmp_path / "pictures.zip", "scenes", project=project).pictures == 3
    acquire = read_yaml(project / "profiles" / "miniature.yaml")["acquire"]["mine"]
    assert (acquire["archive"], acquire["source"]) == ("pictures.zip", "archive")
