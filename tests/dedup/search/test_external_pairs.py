"""External pairs are read by key, percent-encoded or not; embeddings are compared by cosine similarity."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.core.errors import BadParameters, CorruptData, MissingInput
from pipeline.dedup.pairs.classes_table import load_classes
from pipeline.dedup.search.external_pairs import ExternalPairs, load_external_pairs
from pipeline.imageset.format.image_set import Images, ImageSet


@pytest.fixture
def images(make_set: Callable[..., Path], blobs: Callable[[int], Images]) -> Path:
    """Four pictures, two of whose keys contain characters with a meaning in URLs or CSV files."""
    return make_set(blobs(4), keys=["50%20off", "a,b", "c", "d"])


def rows(folder: Path) -> list[tuple[int, int, float]]:
    table = pq.read_table(folder / "pairs.parquet")
    assert table["hamming"].null_count == len(table), "codes were not compared"
    return [(row["left"], row["right"], row["score"]) for row in table.to_pylist()]


def test_keys_can_be_percent_encoded_or_plain(images: Path, tmp_path: Path) -> None:
    """Each pair is written once, in order, with its highest score; pairs with unknown keys are counted."""
    lines = ["from,to,similarity", "50%20off,c,0.5", "c,50%2520off,0.7", '"a,b",d,1', "d,a%2Cb,0.1", "d,d,1", "d,x,1"]
    (tmp_path / "p.csv").write_text("\n".join(lines) + "\n")
    summary = load_external_pairs(images, ExternalPairs(pairs=tmp_path / "p.csv"), to=tmp_path / "to")
    assert rows(tmp_path / "to") == [(0, 2, 0.7), (1, 3, 1.0)]
    assert (summary["pairs"], summary["ignored"], summary["mode"]) == (2, 2, "given")


def test_parquet_and_embeddings(images: Path, tmp_path: Path) -> None:
    """Parquet gives the same pairs as CSV; embeddings can have any length, and zero vectors match nothing."""
    pq.write_table(pa.table({"a": ["c"], "b": ["d"], "score": [2.0]}), tmp_path / "p.parquet")
    load_external_pairs(images, ExternalPairs(pairs=tmp_path / "p.parquet"), to=tmp_path / "p")
    assert rows(tmp_path / "p") == [(2, 3, 2.0)]
    np.save(tmp_path / "e.npy", np.array([[1.0, 0], [0, 0], [9, 1], [0, 3]]))
    load_external_pairs(images, ExternalPairs(embeddings=tmp_path / "e.npy", cosine=0.9), to=tmp_path / "e")
    assert [(left, right) for left, right, _ in rows(tmp_path / "e")] == [(0, 2)]


def test_wrong_files_are_refused(images: Path, tmp_path: Path) -> None:
    """Both or neither source, a missing file, missing columns, and values that are no numbers are refused."""
    for wrong in ({}, {"pairs": tmp_path, "embeddings": tmp_path}):
        with pytest.raises(BadParameters, match="expected exactly one of the two"):
            ExternalPairs(**wrong)
    with pytest.raises(MissingInput, match="no such file"):
        load_external_pairs(images, ExternalPairs(pairs=tmp_path / "none.csv"), to=tmp_path / "to")
    for text, message in (
        ("key\n", "1 columns, expected two"),
        ("a,b,score\nc,d,high\n", "line 2: the score is 'high'"),
    ):
        (tmp_path / "p.csv").write_text(text)
        with pytest.raises(CorruptData, match=message):
            load_external_pairs(images, ExternalPairs(pairs=tmp_path / "p.csv"), to=tmp_path / "to")
    for line, message in (("c,d,", "line 2: the score is ''; .* a number as score"), ("c,d,nan", "line 2: .*'nan'")):
        (tmp_path / "p.csv").write_text(f"a,b,score\n{line}\n")
        with pytest.raises(CorruptData, match=message):
            load_external_pairs(images, ExternalPairs(pairs=tmp_path / "p.csv"), to=tmp_path / "to")
    (tmp_path / "e.npy").write_bytes(b"no")
    with pytest.raises(CorruptData, match="not readable as an array"):
        load_external_pairs(images, ExternalPairs(embeddings=tmp_path / "e.npy"), to=tmp_path / "to")


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"a": ["c", "c"], "b": ["d", "a,b"], "score": [1.0, None]}, r"row 2: the score is null; .* number as score"),
        ({"a": ["c"], "b": ["d"], "similarity": ["high"]}, r"row 1: the score is 'high'; expected two keys"),
        ({"a": ["c"], "b": ["d"], "score": [float("nan")]}, r"row 1: the score is nan"),
        ({"a": ["c", None], "b": ["d", "c"], "score": [1.0, 1.0]}, r"row 2: a key is null"),
    ],
)
def test_a_score_that_is_no_number_is_refused(
    images: Path, tmp_path: Path, columns: dict[str, list[object]], message: str
) -> None:
    """The error names the file, the row and what is expected; a null used to raise a bare TypeError."""
    pq.write_table(pa.table(columns), tmp_path / "p.parquet")
    with pytest.raises(CorruptData, match=rf"p\.parquet, {message}"):
        load_external_pairs(images, ExternalPairs(pairs=tmp_path / "p.parquet"), to=tmp_path / "to")


def test_embeddings_with_too_many_pairs_are_refused(images: Path, tmp_path: Path) -> None:
    """Too many pairs are refused before they are collected; the maximum number is allowed."""
    np.save(tmp_path / "e.npy", np.ones((4, 2)))
    embeddings = ExternalPairs(embeddings=tmp_path / "e.npy", cosine=0.9)
    message = r"--embeddings .*e\.npy: at least 6 pairs .* 0\.9 or more, expected at most 5; choose a higher --cosine"
    with pytest.raises(BadParameters, match=message):
        load_external_pairs(images, embeddings, to=tmp_path / "to", max_pairs=5)
    assert not (tmp_path / "to").exists()
    assert load_external_pairs(images, embeddings, to=tmp_path / "to", max_pairs=6)["pairs"] == 6


def test_classes_are_written_beside_given_pairs(
    make_set: Callable[..., Path], blobs: Callable[[int], Images], tmp_path: Path
) -> None:
    """Pictures with equal pixels or bytes need no pair; codes are not compared."""
    folder = make_set(blobs(2)[[0, 1, 0]], sources=["x", "y", "z"])
    (tmp_path / "p.csv").write_text("a,b\nk000,k001\n")
    load_external_pairs(folder, ExternalPairs(pairs=tmp_path / "p.csv"), to=tmp_path / "to")
    classes = load_classes(tmp_path / "to", ImageSet(folder))
    assert classes.pixels.tolist() == [0, 1, 0] and classes.bytes.tolist() == [0, 1, 2] and classes.codes is None
