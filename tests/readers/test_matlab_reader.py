"""MATLAB's variables: what scipy writes is read, and no damage does more than end in an error."""

import io
import random
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import scipy.io

from pipeline.core.errors import CorruptData
from pipeline.readers.matlab_reader import read_variables

STRUCTS = np.array(
    [(1.0, "n01440764", np.arange(3.0)), (2.0, "", np.empty((0, 0))), (1860.0, "ñ — 日本", np.arange(600.0))],
    dtype=[("ILSVRC2012_ID", "f8"), ("WNID", "O"), ("children", "O")],
)


def written(variables: dict[str, Any], *, compress: bool = False) -> bytes:
    buffer = io.BytesIO()
    scipy.io.savemat(buffer, variables, do_compression=compress)
    return buffer.getvalue()


def read(data: bytes, *names: str) -> dict[str, Any]:
    return dict(read_variables(data, "x.mat", names, most_bytes=1 << 20))


@pytest.mark.parametrize("compress", [False, True])
def test_structs_cells_text_and_numbers(compress: bool) -> None:
    """Fields by name, nested cells, text beyond ASCII, empty arrays; variables that are not asked for are skipped."""
    cells = np.array(["one", np.array([[1, 2], [3, 4]], np.int16), np.array(["a", "b"], object)], object)
    variables = {"other": np.ones(9), "synsets": STRUCTS, "cells": cells, "text": "a line", "number": 7.0}
    found = read(written(variables, compress=compress), "synsets", "cells", "text", "number", "absent")
    assert set(found) == {"synsets", "cells", "text", "number"}
    assert [(row["ILSVRC2012_ID"].item(), row["WNID"]) for row in found["synsets"]] == [
        (row["ILSVRC2012_ID"], row["WNID"]) for row in STRUCTS
    ]
    assert [row["children"].size for row in found["synsets"]] == [3, 0, 600]
    assert found["cells"][0] == "one" and found["cells"][1].tolist() == [[1, 2], [3, 4]]
    assert found["cells"][2] == ["a", "b"]
    assert found["text"] == "a line" and found["number"].item() == 7.0


def test_what_is_too_long_or_of_another_class_is_refused() -> None:
    """No memory is taken for an announced length; sparse and complex arrays are not guessed at."""
    with pytest.raises(CorruptData, match="expected at most 100"):
        read_variables(written({"x": np.ones(1000)}), "x.mat", ["x"], most_bytes=100)
    with pytest.raises(CorruptData, match="holds an element of type 14"):
        read_variables(written({"x": STRUCTS}, compress=True), "x.mat", ["x"], most_bytes=1000)
    for value, kind in ((scipy.sparse.eye(3, format="csc"), "sparse"), (np.array([1j]), "complex double")):
        with pytest.raises(CorruptData, match=f"x is of class {kind}, expected"):
            read(written({"x": value}), "x")
    deep = np.array([1.0])
    for _ in range(20):
        deep = np.array([deep, None], object)[:1]
    with pytest.raises(CorruptData, match="holds an element of type 14"):
        read(written({"x": deep}), "x")


@pytest.mark.parametrize("compress", [False, True])
def test_no_damage_does_more_than_end_in_an_error(compress: bool) -> None:
    """Bits flipped, cut, announced lengths changed: a value or `CorruptData`, never another exception."""
    whole, chance, errors = written({"synsets": STRUCTS}, compress=compress), random.Random(5), 0
    for _ in range(3000):
        data = bytearray(whole)
        for _ in range(chance.randint(1, 3)):
            at = chance.randrange(128, len(data))
            match chance.randrange(4):
                case 0:
                    data[at] ^= 1 << chance.randrange(8)
                case 1:
                    data[at : at + 4] = chance.choice([b"\xff\xff\xff\xff", b"\0\0\0\0", b"\xff\xff\xff\x7f"])
                case 2:
                    data[at : at + 8] = chance.randbytes(8)
                case 3:
                    del data[max(at, 200) :]
        try:
            read(bytes(data), "synsets")
        except CorruptData:
            errors += 1
    assert errors > 1000


def test_scipy_does_not_read_files_from_strangers() -> None:
    """Its MATLAB reader ends the process on some damaged files."""
    code = "import pipeline.prepare.squares, sys; print('scipy.io' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "False"
