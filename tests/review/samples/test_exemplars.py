"""Exemplars survive the way to the file and back, and edits touch nothing else."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.core.errors import BadParameters, CorruptData, MissingInput
from pipeline.review.samples.exemplars import HEADER, MOST_EXEMPLARS, PRESETS, ExemplarStore, read_exemplars

MODEL = "a" * 64
NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=64).filter(str.strip)


def store(path: Path, **changes: Any) -> ExemplarStore:
    values: dict[str, Any] = {"model": MODEL, "seed": 0, "rater": "ann", "count": 2000}
    return ExemplarStore(path, **(values | changes))


@given(chosen=st.sets(st.tuples(st.integers(0, 1999), NAMES), max_size=8))
def test_what_is_chosen_is_read_back(tmp_path_factory: pytest.TempPathFactory, chosen: set[tuple[int, str]]) -> None:
    """Whatever the concepts are called; one line each."""
    path = tmp_path_factory.mktemp("exemplars") / "exemplars.csv"
    for sample, concept in chosen:
        store(path).choose(sample, concept, True)
    if chosen:
        assert {(one.sample, one.concept) for one in read_exemplars(path)} == chosen
        assert path.read_text().count("\n") == 1 + len(chosen) and '"' not in path.read_text()


def test_choosing_and_taking_back(tmp_path: Path) -> None:
    """The same again changes nothing; other raters, seeds and models stay."""
    path = tmp_path / "exemplars.csv"
    store(path, rater="bob").choose(5, "neutral man", True)
    store(path, model="b" * 64).choose(5, "neutral man", True)
    store(path, seed=2).choose(5, "neutral man", True)
    mine = store(path)
    for _ in range(2):
        mine.choose(12, "neutral man", True)
        mine.choose(5, "neutral man", True)
        mine.choose(5, "facing left", True)
    assert mine.said() == {"neutral man": [5, 12], "facing left": [5]} and mine.elsewhere() == 2
    for _ in range(2):
        mine.choose(5, "neutral man", False)
    assert mine.said() == {"neutral man": [12], "facing left": [5]} and len(read_exemplars(path)) == 5
    assert read_exemplars(path) == sorted(read_exemplars(path))


@pytest.mark.parametrize(
    ("sample", "concept"), [(-1, "x"), (2000, "x"), (0, ""), (0, " "), (0, "x" * 65), (0, "\udfff")]
)
def test_what_is_no_sample_or_no_concept_is_refused(tmp_path: Path, sample: int, concept: str) -> None:
    """And writes nothing."""
    with pytest.raises(BadParameters):
        store(tmp_path / "exemplars.csv").choose(sample, concept, True)
    assert not (tmp_path / "exemplars.csv").exists()


def test_a_concept_has_a_bounded_number(tmp_path: Path) -> None:
    """The mean's address must fit into a request."""
    for sample in range(MOST_EXEMPLARS):
        store(tmp_path / "exemplars.csv").choose(sample, "x", True)
    with pytest.raises(BadParameters, match="at most"):
        store(tmp_path / "exemplars.csv").choose(MOST_EXEMPLARS, "x", True)
    assert len(read_exemplars(tmp_path / "exemplars.csv")) == MOST_EXEMPLARS


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (f"{'g' * 64},0,1,x,ann", "64 lower-case hex"),
        (f"{MODEL},01,1,x,ann", "seed '01'"),
        (f"{MODEL},0,,x,ann", "sample ''"),
        (f"{MODEL},0,1,,ann", "concept ''"),
        (f"{MODEL},0,1,x,", "rater"),
        (f"{MODEL},0,1,x", "4 fields"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, line: str, told: str) -> None:
    """Later stages read this file."""
    path = tmp_path / "exemplars.csv"
    path.write_text(f"{','.join(HEADER)}\n{line}\n")
    with pytest.raises(CorruptData, match=r"--exemplars .*exemplars\.csv, line 2: .*" + told):
        read_exemplars(path)
    with pytest.raises(MissingInput, match="dcgan review-samples"):
        read_exemplars(tmp_path / "nothing.csv")


def test_the_paper_s_concepts_are_offered() -> None:
    """Figures 7 and 8 can be made with what the list offers."""
    assert {"smiling woman", "neutral woman", "neutral man", "facing left", "facing right"} <= set(PRESETS)
