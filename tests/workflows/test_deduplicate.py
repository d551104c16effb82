"""What people read of a result is laid on top of the steps, and is never missing meanwhile."""

import errno
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from pipeline.core import files
from pipeline.core.errors import BadParameters
from pipeline.core.params import load_section
from pipeline.core.workspace import resumable_steps
from pipeline.dedup.decision.removal import RemovalConfig
from pipeline.dedup.encoder.autoencoder import AutoencoderConfig
from pipeline.dedup.search.pair_search import PairSearchConfig
from pipeline.imageset.append import ALREADY_THERE
from pipeline.imageset.format import image_set
from pipeline.imageset.format.image_set import ImageSet, Picture, Skipped
from pipeline.prepare.squares import SquaresConfig
from pipeline.workflows.deduplicate import SHOWN, not_read, prepare, read_options, show, summary_sentence
from pipeline.workflows.find_duplicates import options_of


def test_a_full_disk_leaves_what_lay_on_top(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without its manifest no pictures could be added to a result any more; the next run lays the new files there."""
    options: Any = SimpleNamespace(against=None)
    for folder, names in SHOWN.items():
        (tmp_path / "steps" / folder).mkdir(parents=True)
        for name in names:
            (tmp_path / "steps" / folder / name).write_text("new")
            (tmp_path / name).write_text("old")

    def fail(source: Path, to: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(files, "link_or_copy", fail)
        with pytest.raises(OSError, match="No space"):
            show(tmp_path / "steps", tmp_path, options)
    shown = [name for folder in ("dedup", "gallery") for name in SHOWN[folder]]
    assert {(tmp_path / name).read_text() for name in shown} == {"old"}
    for _ in range(2):
        show(tmp_path / "steps", tmp_path, options)
        assert {path.name: path.read_text() for path in tmp_path.iterdir() if path.is_file()} == dict.fromkeys(
            shown, "new"
        )


@pytest.mark.parametrize(
    ("short_sides", "side"), [([20, 20, 300], 32), ([64, 64, 40], 64), ([127, 300, 300], 128), ([127, 100, 300], 64)]
)
def test_pictures_are_stored_at_a_side_that_most_of_them_have(
    tmp_path: Path, encode: Callable[..., bytes], short_sides: list[int], side: int
) -> None:
    """By default, the side is 32, 64 or 128; a side that is given, as for added pictures, comes first."""
    for number, short_side in enumerate(short_sides):
        (tmp_path / f"{number}.jpg").write_bytes(encode(number, (short_side + 9, short_side)))
    options = read_options(Path("profiles/workstation.yaml"), "lsun", {})
    assert options.side_by_source
    with resumable_steps(tmp_path / "found" / "steps"):
        made = prepare(tmp_path, options, tmp_path / "found" / "steps", "images", workers=1)
        again = prepare(tmp_path, options, tmp_path / "found" / "steps", "more", workers=1, side=48)
    assert (ImageSet(made).stored_side, ImageSet(again).stored_side) == (side, 48)
    given = read_options(Path("profiles/workstation.yaml"), "lsun", {"squares": {"side": 40}})
    assert not given.side_by_source and given.squares.side == 40


def test_a_result_inside_its_source_is_not_part_of_it(tmp_path: Path, encode: Callable[..., bytes]) -> None:
    """`--to SOURCE/found`: the pictures are those of the source, in the first run and in the next one."""
    for number in range(3):
        (tmp_path / f"{number}.jpg").write_bytes(encode(number))
    profile = Path("profiles/workstation.yaml")
    options = read_options(profile, "lsun", {"squares": {"side": 8}, "pairs": {"mode": "exact"}})
    steps = tmp_path / "found" / "steps"
    digests = set()
    for _ in range(2):
        with resumable_steps(steps):
            made = ImageSet(prepare(tmp_path, options, steps, "images", workers=1))
        assert made.keys == ["0.jpg", "1.jpg", "2.jpg"] and not len(made.skipped)
        digests.add(made.digest)
        (tmp_path / "found" / "gallery.png").write_bytes(encode(9, file_format="PNG"))
    assert len(digests) == 1


def test_the_last_line_says_what_was_not_read(tmp_path: Path) -> None:
    """By reason; what an earlier part of the set already has is not counted."""
    reasons = ["hidden", "link", "not_a_picture", "not_a_picture", ALREADY_THERE]
    skipped = [Skipped(f"{number}", "filtered", reason, "x") for number, reason in enumerate(reasons)]
    pictures = [Picture("p", 4, 4, 9, "0" * 64)]
    image_set.write_chunk(tmp_path, 0, np.zeros((1, 4, 4, 3), np.uint8), pictures, skipped, sources=6)
    (tmp_path / "set").mkdir()
    image_set.join_chunks(tmp_path, 1, tmp_path / "set", side=4, max_bad=0.0)
    counts = not_read(ImageSet(tmp_path / "set"))
    assert counts == {"hidden": 1, "link": 1, "not_a_picture": 2}
    summary = {"kept": 1, "pictures": 1, "removed": 0, "by_reason": {}, "groups": 0, "doubtful": 0, "mirrored": 0}
    said = summary_sentence({**summary, "not_read": counts}, Path("found"))
    assert "; not read: 4 (hidden 1, link 1, not_a_picture 2; see steps/images/skipped.parquet); " in said
    assert "not read" not in summary_sentence(summary, Path("found"))


@pytest.mark.parametrize(
    ("removed", "decoys", "high", "said"),
    [
        (0, 5, 11.7, None),
        (3, 0, 3.69, "3 near copies are too few to estimate how many are wrong"),
        (200, 0, 3.69, "at most about 4 of 200 near copies may be wrong"),
        (
            26,
            7,
            7.8,
            "at most about 8 of 26 near copies may be wrong; 7 mirrored look-alikes are counted here: look at",
        ),
        (4, 7, 14.4, "at most about 4 of 4 near copies may be wrong; 7 mirrored look-alikes are counted here: look at"),
    ],
)
def test_the_last_line_says_how_many_may_be_wrong(removed: int, decoys: int, high: float, said: str | None) -> None:
    """In words; nothing if nothing was removed, and no bound that a few removals would have whatever they are."""
    summary: dict[str, Any] = {
        "kept": 1,
        "pictures": 300,
        "removed": removed,
        "groups": 1,
        "doubtful": 0,
        "mirrored": 0,
    }
    summary |= {"decoys": decoys, "decoys_judged_mirrored": 0, "by_reason": {"near_code": removed}}
    summary |= {"expected_false_removals_low": 0.0, "expected_false_removals_high": high}
    line = summary_sentence(summary, Path("found"))
    assert said is None or f"; {said}" in line
    assert ("wrong" in line, "dcgan review-duplicates --dedup found" in line) == (said is not None, removed > 0)


def test_the_last_line_speaks_of_mirrored_copies() -> None:
    """Those that are kept, and apart from near copies how many of the removed ones may be wrong."""
    summary: dict[str, Any] = {"kept": 1, "pictures": 300, "removed": 9, "groups": 9, "doubtful": 0, "mirrored": 0}
    summary |= {"decoys": 9, "decoys_judged_mirrored": 9, "by_reason": {"near_code": 0, "mirrored": 9}}
    summary |= {"expected_false_removals_low": 0.0, "expected_false_removals_high": 0.0}
    name = "expected_false_mirrored_removals_high"
    said = summary_sentence(summary | {name: None}, Path("found"))
    assert "(mirrored 9; groups: 9)" in said
    assert "; 9 mirrored copies: not estimated how many are wrong; judge some (list: mirrored);" in said
    said = summary_sentence(summary | {name: 2.1}, Path("found"))
    assert "; at most about 3 of 9 mirrored copies may be wrong;" in said
    kept = summary | {"removed": 0, "by_reason": {"near_code": 0, "mirrored": 0}, "mirrored": 4}
    assert "; 4 mirrored copies are kept (mirrored.csv);" in summary_sentence(kept, Path("found"))


def test_what_happens_to_mirrored_copies_is_named() -> None:
    """A truth value, as in older profiles, is refused; the message names the two values."""
    with pytest.raises(BadParameters, match=r"mirrored: True: input should be 'list' or 'remove'"):
        read_options(Path("profiles/workstation.yaml"), "lsun", {"pairs": {"mirrored": True}})


def test_the_defaults_are_those_of_the_pipeline() -> None:
    """`dcgan dedup` searches as the pipeline does; only the tolerance for bad pictures and the epochs are its own."""
    profile = Path("profiles/workstation.yaml")
    options = options_of()
    assert options.pairs == load_section(profile, "dedup.lsun.pairs", PairSearchConfig)
    assert options.remove == load_section(profile, "dedup.lsun.remove", RemovalConfig)
    assert options.autoencoder == load_section(profile, "dedup.lsun.autoencoder", AutoencoderConfig)
    squares = load_section(profile, "prepare.lsun", SquaresConfig)
    assert options.squares.model_copy(update={"max_bad": squares.max_bad}) == squares
