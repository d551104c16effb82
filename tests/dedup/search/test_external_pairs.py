"""Pairs that others found are taken by key, however they write keys; embeddings by their angle."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.core.errors import BadParameters, CorruptData, MissingInput
from pipeline.dedup.search.external_pairs import ExternalPairs, load_external_pairs
from pipeline.imageset.format.image_set import Images


@pytest.fixture
def images(make_set: Callable[..., Path], blobs: Callable[[int], Images]) -> Path:
    """Four pictures, two of whose keys hold what URLs and CSV files give a meaning to."""
    return make_set(blobs(4), keys=["50%20off", "a,b", "c", "d"])


def rows(folder: Path) -> list[tuple[int, int, float]]:
    table = pq.read_table(folder / "pairs.parquet")
    assert table["hamming"].null_count == len(table), "nobody has compared codes"
    return [(row["left"], row["right"], row["score"]) for row in table.to_pylist()]


def test_keys_as_others_write_them_and_as_we_do(images: Path, tmp_path: Path) -> None:
    """Each pair once, in order, with its best score; what is not in the set is counted."""
    lines = ["from,to,similarity", "50%20off,c,0.5", "c,50%2520off,0.7", '"a,b",d,1', "d,a%2Cb,0.1", "d,d,1", "d,x,1"]
    (tmp_path / "p.csv").write_text("\n".join(lines) + "\n")
    summary = load_external_pairs(images, ExternalPairs(pairs=tmp_path / "p.csv"), to=tmp_path / "to")
    assert rows(tmp_path / "to") == [(0, 2, 0.7), (1, 3, 1.0)]
    assert (summary["pairs"], summary["ignored"], summary["mode"]) == (2, 2, "given")


def test_parquet_and_angles(images: Path, tmp_path: Path) -> None:
    """Parquet as CSV; embeddings of any length, and none of a length of nothing."""
    pq.write_table(pa.table({"a": ["c"], "b": ["d"], "score": [2.0]}), tmp_path / "p.parquet")
    load_external_pairs(images, ExternalPairs(pairs=tmp_path / "p.parquet"), to=tmp_path / "p")
    assert rows(tmp_path / "p") == [(2, 3, 2.0)]
    np.save(tmp_path / "e.npy", np.array([[1.0, 0], [0, 0], [9, 1], [0, 3]]))
    load_external_pairs(images, ExternalPairs(embeddings=tmp_path / "e.npy", cosine=0.9), to=tmp_path / "e")
    assert [(left, right) for left, right, _ in rows(tmp_path / "e")] == [(0, 2)]


def test_what_is_wrong_is_told(images: Path, tmp_path: Path) -> None:
    """Both or neither, no file, no columns, no numbers."""
    for wrong in ({}, {"pairs": tmp_path, "embeddings": tmp_path}):
        with pytest.raises(BadParameters, match="expected exactly one of the two"):
            ExternalPairs(**wrong)
    with pytest.raises(MissingInput, match="no such file"):
        load_external_pairs(images, ExternalPairs(pairs=tmp_path / "none.csv"), to=tmp_path / "to")
    for text, message in (("key\n", "1 columns, expected two"), ("a,b,score\nc,d,high\n", "line 2: could not convert")):
        (tmp_path / "p.csv").write_text(text)
        with pytest.raises(CorruptData, match=message):
            load_external_pairs(images, ExternalPairs(pairs=tmp_path / "p.csv"), to=tmp_path / "to")
    (tmp_path / "e.npy").write_bytes(b"no")
    with pytest.raises(CorruptData, match="not readable as an array"):
        load_external_pairs(images, ExternalPairs(embeddings=tmp_path / "e.npy"), to=tmp_path / "to")
