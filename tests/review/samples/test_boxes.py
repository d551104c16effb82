"""Boxes are written and read unchanged, with any name of the object, and edits change nothing else."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.core.errors import BadParameters, CorruptData, MissingInput
from pipeline.review.samples.boxes import HEADER, MAX_BOXES, BoxStore, Rectangle, read_boxes

MODEL, OTHER = "a" * 64, "b" * 64
NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=64).filter(str.strip)


def store(path: Path, **changes: Any) -> BoxStore:
    values: dict[str, Any] = {"model": MODEL, "seed": 0, "object": "window", "rater": "ann", "side": 64, "count": 150}
    return BoxStore(path, **(values | changes))


@settings(deadline=None)
@given(name=NAMES)
def test_any_object_survives_on_its_line(tmp_path_factory: pytest.TempPathFactory, name: str) -> None:
    """Names with newlines, quotes or formulas are one field of one line."""
    path = tmp_path_factory.mktemp("boxes") / "boxes.csv"
    store(path, object=name).edit(7, None, [(1, 2, 3, 4)])
    assert [(box.object, box.sample, box.rectangle) for box in read_boxes(path)] == [(name, 7, (1, 2, 3, 4))]
    line = path.read_text().split("\n")[1]
    assert len(line.split(",")) == len(HEADER) and path.read_text().count("\n") == 2
    assert line.split(",")[3][0] not in '=+-@"'


@settings(deadline=None)
@given(
    boxes=st.lists(st.tuples(st.integers(0, 149), st.integers(0, 60), st.integers(0, 60)), unique=True, max_size=12),
    order=st.randoms(use_true_random=False),
)
def test_the_file_does_not_depend_on_the_order_of_edits(
    tmp_path_factory: pytest.TempPathFactory, boxes: list[tuple[int, int, int]], order: Any
) -> None:
    """The same boxes give the same bytes, so git can merge files by lines."""
    folder = tmp_path_factory.mktemp("boxes")
    shuffled = order.sample(boxes, len(boxes))
    for name, some in (("one.csv", boxes), ("two.csv", shuffled)):
        for sample, left, top in some:
            store(folder / name).edit(sample, None, [(left, top, 4, 4)])
    if boxes:
        assert (folder / "one.csv").read_bytes() == (folder / "two.csv").read_bytes()
        assert read_boxes(folder / "one.csv") == sorted(read_boxes(folder / "one.csv"))


def test_viewed_samples_without_boxes_are_recorded(tmp_path: Path) -> None:
    """A viewed sample without a window is a negative example; a sample that was not viewed is none."""
    path = tmp_path / "audit" / "lsun" / "boxes.csv"
    boxes = store(path)
    assert boxes.rectangles() == {}
    boxes.edit(3, None, [])
    boxes.edit(4, None, [(0, 0, 5, 6)])
    assert boxes.rectangles() == {3: [], 4: [(0, 0, 5, 6)]}
    assert path.read_text().splitlines()[1:] == [f"{MODEL},0,3,window,,,,,ann", f"{MODEL},0,4,window,0,0,5,6,ann"]
    boxes.edit(4, [(0, 0, 5, 6)], [])
    assert boxes.rectangles() == {3: [], 4: []}
    boxes.edit(3, [], [(1, 1, 1, 1)])
    assert boxes.rectangles()[3] == [(1, 1, 1, 1)] and len(path.read_text().splitlines()) == 3
    boxes.edit(3, [(1, 1, 1, 1)], None)
    assert boxes.rectangles() == {4: []}


def test_two_pages_do_not_overwrite_each_other(tmp_path: Path) -> None:
    """An edit is a difference; repeated after a lost answer, it changes nothing more."""
    one, two = store(tmp_path / "boxes.csv"), store(tmp_path / "boxes.csv")
    first, second = (0, 0, 5, 5), (9, 9, 5, 5)
    for _ in range(2):
        one.edit(0, None, [first])
        two.edit(0, None, [second])
    assert set(one.rectangles()[0]) == {first, second}
    two.edit(0, [second], None)  # undo
    assert one.rectangles() == {0: [first]}


def test_an_edit_changes_nothing_else(tmp_path: Path) -> None:
    """Boxes of other models, seeds, objects and raters are unchanged; hidden ones are counted."""
    path = tmp_path / "boxes.csv"
    others: list[dict[str, Any]] = [{"model": OTHER}, {"seed": 1}, {"object": "bed"}, {"rater": "bob"}]
    for changes in others:
        store(path, **changes).edit(0, None, [(1, 1, 2, 2), (3, 3, 2, 2)])
    store(path).edit(0, None, [(5, 5, 2, 2)])
    store(path).edit(0, [(5, 5, 2, 2)], None)
    assert len(read_boxes(path)) == 8 and store(path).rectangles() == {}
    assert store(path).count_hidden() == 4


@pytest.mark.parametrize(
    ("sample", "after"),
    [
        *((-1, []), (150, []), (0, [(-1, 0, 2, 2)]), (0, [(0, 0, 0, 2)]), (0, [(60, 0, 5, 2)]), (0, [(0, 64, 1, 1)])),
        (0, [(0, 0, n + 1, 1) for n in range(MAX_BOXES + 1)]),
    ],
)
def test_boxes_outside_the_sample_are_refused(tmp_path: Path, sample: int, after: list[Rectangle]) -> None:
    """A refused edit writes nothing."""
    with pytest.raises(BadParameters):
        store(tmp_path / "boxes.csv").edit(sample, None, after)
    assert not (tmp_path / "boxes.csv").exists()


@pytest.mark.parametrize("name", ["", " ", "x" * 65, "\ud800"])
def test_wrong_object_names_are_refused(tmp_path: Path, name: str) -> None:
    """A name is not empty, has a bounded length, and is Unicode."""
    with pytest.raises(BadParameters, match="--object"):
        store(tmp_path / "boxes.csv", object=name)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: ["A" * 64, *f[1:]], "64 lower-case hex"),
        (lambda f: [f[0], "-1", *f[2:]], "seed"),
        (lambda f: [*f[:2], "1.5", *f[3:]], "sample"),
        (lambda f: [*f[:3], "", *f[4:]], "object"),
        (lambda f: [*f[:3], "x" * 65, *f[4:]], "object"),
        (lambda f: [*f[:4], "", *f[5:]], "left"),
        (lambda f: [*f[:6], "0", "4", "ann"], "0×4 pixels"),
        (lambda f: [*f[:8], ""], "rater"),
        (lambda f: f[:8], "8 fields"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, change: Callable[[list[str]], list[str]], message: str) -> None:
    """A wrong line is an error with its number, and the file is not changed."""
    good = [MODEL, "0", "3", "window", "1", "2", "3", "4", "ann"]
    path = tmp_path / "boxes.csv"
    path.write_text("\n".join([",".join(HEADER), ",".join(good), ",".join(change(good))]) + "\n")
    with pytest.raises(CorruptData, match=r"--boxes .*boxes\.csv, line 3: .*" + message):
        read_boxes(path)
    before = path.read_bytes()
    with pytest.raises(CorruptData):
        store(path).edit(0, None, [])
    assert path.read_bytes() == before


def test_a_missing_file_says_how_to_make_one(tmp_path: Path) -> None:
    """The message names the command that makes the file."""
    with pytest.raises(MissingInput, match="dcgan review-samples"):
        read_boxes(tmp_path / "boxes.csv")
