"""Removed pictures are restored by verdicts, which are permanent."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.core.errors import BadParameters, MissingInput
from pipeline.dedup.decision import manifest, removal
from pipeline.dedup.decision.restore import restore
from pipeline.dedup.decision.verdicts import Verdict, read_verdicts, write_verdicts
from pipeline.imageset.format.image_set import Images, ImageSet


@pytest.fixture
def remove(
    tmp_path: Path,
    make_set: Callable[..., Path],
    hashed: Callable[[Path], Path],
    paired: Callable[..., Path],
    blobs: Callable[[int], Images],
) -> Callable[[], list[dict[str, Any]]]:
    """A function that removes the duplicates of a set with groups of 3 and of 2 pictures; returns the manifest rows."""
    images = make_set(blobs(4)[[0, 1, 0, 0, 2, 1, 3]])
    folders = (images, hashed(images), paired(images), tmp_path / "verdicts.csv")
    write_verdicts(tmp_path / "verdicts.csv", [])

    def run() -> list[dict[str, Any]]:
        removal.remove_duplicates(*folders, removal.RemovalConfig(keep=["first"]), tmp_path / "dedup")
        return manifest.read(tmp_path / "dedup", ImageSet(images))[0].to_pylist()

    return run


def statuses(rows: list[dict[str, Any]]) -> list[str]:
    return [row["status"] for row in rows]


@pytest.mark.parametrize(
    ("named", "back"),
    [
        ({"keys": ["k002"]}, [2]),
        ({"groups": [1]}, [5]),
        ({"keys": ["k003"], "groups": [0]}, [2, 3]),
        ({"everything": True}, [2, 3, 5]),
    ],
)
def test_exactly_the_selected_pictures_are_restored(
    remove: Callable[..., Any], tmp_path: Path, named: dict[str, Any], back: list[int]
) -> None:
    """Exactly the selected pictures are restored and marked; a second call changes nothing."""
    assert statuses(remove()) == ["kept", "kept", "removed", "removed", "kept", "removed", "kept"]
    for _ in range(2):
        assert restore(tmp_path / "dedup", tmp_path / "verdicts.csv", **named)["restored"] == len(back)
    assert len(read_verdicts(tmp_path / "verdicts.csv")) == len(back)
    again = statuses(remove())
    assert [row for row, status in enumerate(again) if status == "restored"] == back
    if "everything" in named:
        assert np.load(tmp_path / "dedup" / "kept.npy").tolist() == list(range(7))


def test_existing_verdicts_are_kept(remove: Callable[..., Any], tmp_path: Path) -> None:
    """Existing verdicts stay, and pictures that are not removed get no verdict."""
    rows = remove()
    judged = Verdict(rows[0]["sha256"], rows[4]["sha256"], "", "", "different", "", "somebody", "")
    write_verdicts(tmp_path / "verdicts.csv", [judged])
    done = restore(tmp_path / "dedup", tmp_path / "verdicts.csv", keys=["k000", "k002"])
    assert done == {"restored": 1, "not_removed": 1, "before": 1}
    assert judged in read_verdicts(tmp_path / "verdicts.csv")


def test_keys_are_taken_as_removed_csv_prints_them(
    tmp_path: Path, make_set: Callable[..., Path], hashed: Callable[..., Path], paired: Callable[..., Path], blobs: Any
) -> None:
    """A comma, a quote, a percent sign and a line break; the unchanged key also works if it is no other printed key."""
    keys = ['a, "b".png', "c%41.png", "cA.png", "d\ne.png"]
    images = make_set(blobs(1)[[0] * 5], keys=["0 kept", *keys])
    write_verdicts(tmp_path / "verdicts.csv", [])
    folders = (images, hashed(images), paired(images), tmp_path / "verdicts.csv")
    removal.remove_duplicates(*folders, removal.RemovalConfig(keep=["first"]), tmp_path / "dedup")
    lines = (tmp_path / "dedup" / "removed.csv").read_text().splitlines()[1:]
    for printed in (line.split(",")[0] for line in lines):
        restore(tmp_path / "dedup", tmp_path / "one.csv", keys=[printed])
    assert sorted(verdict.key_a for verdict in read_verdicts(tmp_path / "one.csv")) == keys
    restore(tmp_path / "dedup", tmp_path / "two.csv", keys=['a, "b".png', "c%41.png"])
    assert sorted(verdict.key_a for verdict in read_verdicts(tmp_path / "two.csv")) == ['a, "b".png', "cA.png"]


def test_unknown_keys_are_refused(remove: Callable[..., Any], tmp_path: Path) -> None:
    """An unknown key is refused with similar keys; no selection and no manifest are errors."""
    remove()
    folders = (tmp_path / "dedup", tmp_path / "verdicts.csv")
    with pytest.raises(BadParameters, match=r"--key 'k02': no such picture in .*; similar keys: k002"):
        restore(*folders, keys=["k02"])
    with pytest.raises(BadParameters, match="--group 9: no such group"):
        restore(*folders, groups=[9])
    with pytest.raises(BadParameters, match="expected at least one of them"):
        restore(*folders)
    with pytest.raises(MissingInput, match="run dcgan dedup or remove-duplicates first"):
        restore(tmp_path, tmp_path / "verdicts.csv", everything=True)
