"""Exemplars are written and read unchanged, and edits change nothing else."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.core.errors import BadParameters, CorruptData, MissingInput
from pipeline.review.samples.exemplars import CONCEPT_PRESETS, HEADER, MAX_EXEMPLARS, ExemplarStore, read_exemplars

MODEL = "a" * 64
NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=64).filter(str.strip)


def store(path: Path, **changes: Any) -> ExemplarStore:
    values: dict[str, Any] = {"model": MODEL, "seed": 0, "rater": "ann", "count": 2000}
    return ExemplarStore(path, **(values | changes))


@settings(deadline=None)
@given(chosen=st.sets(st.tuples(st.integers(0, 1999), NAMES), max_size=8))
def test_chosen_exemplars_are_read_back(tmp_path_factory: pytest.TempPathFactory, chosen: set[tuple[int, str]]) -> None:
    """With any names of concepts; each exemplar is one line."""
    path = tmp_path_factory.mktemp("exemplars") / "exemplars.csv"
    for sample, concept in chosen:
        store(path).choose(sample, concept, True)
    if chosen:
        assert {(one.sample, one.concept) for one in read_exemplars(path)} == chosen
        assert path.read_text().count("\n") == 1 + len(chosen) and '"' not in path.read_text()


def test_choosing_and_removing(tmp_path: Path) -> None:
    """A repeated edit changes nothing; exemplars of other raters, seeds and models are unchanged."""
    path = tmp_path / "exemplars.csv"
    store(path, rater="bob").choose(5, "neutral man", True)
    store(path, model="b" * 64).choose(5, "neutral man", True)
    store(path, seed=2).choose(5, "neutral man", True)
    mine = store(path)
    for _ in range(2):
        mine.choose(12, "neutral man", True)
        mine.choose(5, "neutral man", True)
        mine.choose(5, "facing left", True)
    assert mine.by_concept() == {"neutral man": [5, 12], "facing left": [5]} and mine.count_hidden() == 2
    for _ in range(2):
        mine.choose(5, "neutral man", False)
    assert mine.by_concept() == {"neutral man": [12], "facing left": [5]} and len(read_exemplars(path)) == 5
    assert read_exemplars(path) == sorted(read_exemplars(path))


@pytest.mark.parametrize(
    ("sample", "concept"), [(-1, "x"), (2000, "x"), (0, ""), (0, " "), (0, "x" * 65), (0, "\udfff")]
)
def test_wrong_samples_and_concepts_are_refused(tmp_path: Path, sample: int, concept: str) -> None:
    """A refused edit writes nothing."""
    with pytest.raises(BadParameters):
        store(tmp_path / "exemplars.csv").choose(sample, concept, True)
    assert not (tmp_path / "exemplars.csv").exists()


def test_a_concept_has_a_bounded_number_of_exemplars(tmp_path: Path) -> None:
    """The URL of the mean picture, which lists all exemplars, must have a bounded length."""
    for sample in range(MAX_EXEMPLARS):
        store(tmp_path / "exemplars.csv").choose(sample, "x", True)
    with pytest.raises(BadParameters, match="at most"):
        store(tmp_path / "exemplars.csv").choose(MAX_EXEMPLARS, "x", True)
    assert len(read_exemplars(tmp_path / "exemplars.csv")) == MAX_EXEMPLARS


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (f"{'g' * 64},0,1,x,ann", "64 lower-case hex"),
        (f"{MODEL},01,1,x,ann", "seed '01'"),
        (f"{MODEL},0,,x,ann", "sample ''"),
        (f"{MODEL},0,1,,ann", "concept ''"),
        (f"{MODEL},0,1,x,", "rater"),
        (f"{MODEL},0,1,x", "4 fields"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, line: str, message: str) -> None:
    """A wrong line is an error with its number."""
    path = tmp_path / "exemplars.csv"
    path.write_text(f"{','.join(HEADER)}\n{line}\n")
    with pytest.raises(CorruptData, match=r"--exemplars .*exemplars\.csv, line 2: .*" + message):
        read_exemplars(path)
    with pytest.raises(MissingInput, match="dcgan review-samples"):
        read_exemplars(tmp_path / "nothing.csv")


def test_the_concepts_of_the_paper_are_offered() -> None:
    """The list has the concepts of Figures 7 and 8."""
    assert {"smiling woman", "neutral woman", "neutral man", "facing left", "facing right"} <= set(CONCEPT_PRESETS)
