"""Pickles of plain data come out as they went in; all else is refused, by name, and nothing is run."""

import builtins
import os
import pickle
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from pipeline.core.errors import CorruptData
from pipeline.readers.restricted_pickle import read_plain

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary(max_size=40)
ARRAYS = npst.arrays(
    st.sampled_from(["u1", "i1", "<u2", ">i4", "<i8", ">u8", "<f2", ">f4", "<f8", "?", "<c8", "<c16"]),
    npst.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4),
    elements={"allow_nan": False},
)
VALUES = st.recursive(
    SCALARS | ARRAYS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(SCALARS | st.tuples(SCALARS, SCALARS), inner, max_size=4)
    ),
    max_leaves=12,
)


def same(left: Any, right: Any) -> bool:
    """Equality of values and types, arrays included."""
    if type(left) is not type(right):
        return False
    if isinstance(left, np.ndarray):
        return left.dtype == right.dtype and left.shape == right.shape and left.tobytes() == right.tobytes()
    if isinstance(left, list | tuple):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, dict):
        return left.keys() == right.keys() and all(same(left[key], right[key]) for key in left)
    return bool(left == right)


@settings(max_examples=100, deadline=None)
@given(VALUES, st.integers(0, 5))
def test_plain_data_of_every_protocol(value: Any, protocol: int) -> None:
    """Values, types, dtypes, byte orders and shapes are kept."""
    assert same(read_plain(pickle.dumps(value, protocol), "x"), value)


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize(
    "array",
    [
        np.asfortranarray(np.arange(24, dtype=np.uint8).reshape(2, 3, 4)),
        np.arange(24, dtype="<i2").reshape(2, 3, 4).transpose(1, 0, 2),
        np.arange(24)[::2],
        np.array(7.5),
    ],
)
def test_arrays_in_any_order_of_memory(array: np.ndarray, protocol: int) -> None:
    read = read_plain(pickle.dumps({"data": array, "again": array}, protocol), "x")
    assert np.array_equal(read["data"], array) and read["data"].dtype == array.dtype
    assert read["again"] is read["data"], "what was one array stays one"


class Calls:
    """Pickles as a call of a function."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return self.call


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("wrap", [lambda x: x, lambda x: {"data": [x]}, lambda x: ({"a": 1}, x)])
def test_a_call_is_named_and_not_made(tmp_path: Path, protocol: int, wrap: Any) -> None:
    target = tmp_path / "made"
    for function, name, arguments in (
        (os.system, "system", (f"touch {target}",)),
        (builtins.eval, "eval", (f"open({str(target)!r}, 'w')",)),
        (np.load, "load", (str(target),)),
        (np.ones, "ones", (1 << 40,)),
        (getattr, "getattr", (target, "touch")),
    ):
        with pytest.raises(CorruptData, match=rf"^x: a pickle that asks for \S*\b{name}; only plain") as caught:
            read_plain(pickle.dumps(wrap(Calls(function, *arguments)), protocol), "x")
        assert "\n" not in str(caught.value)
    assert not target.exists()


class Thing:
    """An object of a class of its own."""


@pytest.mark.parametrize(
    ("data", "asks"),
    [
        (b"cos\nsystem\n(S'touch made'\ntR.", "os.system"),
        (b"(S'touch made'\nios\nsystem\n.", "INST os system"),
        (b"(cos\nsystem\nS'touch made'\no.", "OBJ"),
        (b"\x80\x02\x82\x01.", "EXT1 1"),
        (b"Pname\n.", "PERSID name"),
        (b"\x80\x05\x97.", "NEXT_BUFFER"),
        (pickle.dumps({1, 2}, 4), "EMPTY_SET"),
        (pickle.dumps({1, 2}, 2), r"__builtin__\.set"),
        (pickle.dumps(Thing(), 0), "copy_reg._reconstructor"),
        (pickle.dumps(Thing(), 4), r"\S+Thing|NEWOBJ"),
        (pickle.dumps(bytearray(b"x"), 5), "a bytearray"),
        (pickle.dumps(np.dtype("u1")), "dtype in an unknown way"),
        (pickle.dumps(np.ndarray), "ndarray"),
        (pickle.dumps(np.uint8(3)), r"numpy\._core\.multiarray\.scalar"),
        (pickle.dumps(np.array(["a", None], object)), "an array of type 'O8'"),
        (pickle.dumps(np.array(["a"])), "an array of type 'U1'"),
        (pickle.dumps(np.zeros(2, "u1,u2")), "an array of type 'V3'"),
        (pickle.dumps(np.array(["2015-11-19"], "M8[D]")), "an array of type 'M8'"),
        (b"cnumpy\ndtype\n}b.", "a changed dtype"),
        (b"\x80\x02r\xff\xff\xff\x7f.", "memo index 2147483647"),
        (b"\x80\x02]q\x00h\x00a.", "a list that holds itself"),
    ],
)
def test_everything_else_is_refused(data: bytes, asks: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Other names, objects, extensions, sets, arrays of anything but numbers."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CorruptData, match=f"^x: a pickle that asks for ({asks})"):
        read_plain(data, "x")
    assert not list(tmp_path.iterdir())


def python2_array(shape: bytes, raw: bytes) -> bytes:
    """How Python 2 and its numpy wrote an array of bytes, protocol 2."""
    return (
        b"cnumpy.core.multiarray\n_reconstruct\nq\x02cnumpy\nndarray\nq\x03K\x00\x85U\x01b\x87Rq\x04(K\x01"
        + shape
        + b"cnumpy\ndtype\nq\x05U\x02u1K\x00K\x01\x87Rq\x06(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
        + b"\x89T"
        + struct.pack("<I", len(raw))
        + raw
        + b"tb"
    )


def test_python_2_s_arrays() -> None:
    """Bytes were text then; this is how the published files are."""
    data = b"\x80\x02}q\x01(U\x04data" + python2_array(b"K\x02K\x03\x86", bytes(range(250, 256))) + b"u."
    read = read_plain(data, "x")
    assert np.array_equal(read["data"], np.arange(250, 256, dtype=np.uint8).reshape(2, 3))


@pytest.mark.parametrize(
    ("shape", "asks"),
    [
        (b"K\x02K\x04\x86", r"shape \(2, 4\) and type uint8 made of 6 bytes"),
        (b"\x8a\x06\x00\x00\x00\x00\x00\x01K\x01\x86", r"shape \(1099511627776, 1\)"),
        (b"J\xff\xff\xff\xffJ\xfa\xff\xff\xff\x86", r"an array of shape \(-1, -6\)"),
        (b"G?\xf0\x00\x00\x00\x00\x00\x00K\x06\x86", r"an array of shape \(1.0, 6\)"),
        (b"(" + b"K\x01" * 40 + b"K\x06t", "an array of shape"),
    ],
)
def test_a_shape_must_fit_its_bytes(shape: bytes, asks: str) -> None:
    with pytest.raises(CorruptData, match=asks):
        read_plain(b"\x80\x02" + python2_array(shape, b"sixsix") + b".", "x")


def test_one_text_is_not_copied_a_thousand_times() -> None:
    """A small file cannot take a large memory."""
    text = b"X" + struct.pack("<I", 50_000) + b"a" * 50_000 + b"q\x01"
    call = b"c_codecs\nencode\nh\x01X\x06\x00\x00\x00latin1\x86R"
    assert len(read_plain(b"\x80\x02" + text + call + b"\x86.", "x")[1]) == 50_000
    with pytest.raises(CorruptData, match="more bytes than it has"):
        read_plain(b"\x80\x02(" + text + call * 1000 + b"l.", "x")


def test_a_thousandfold_reference_takes_no_time() -> None:
    """Lists of lists that share their parts: 2 to the 200 leaves, if they were walked one by one."""
    data = b"\x80\x02]" + b"".join(b"q%c(h%ch%cl" % (n, n, n) for n in range(200)) + b"."
    assert len(read_plain(data, "x")) == 2


def test_what_is_no_pickle() -> None:
    """Cut off anywhere, nested too deeply, or something else: one line."""
    whole = pickle.dumps({"data": np.arange(6, dtype=np.uint8), "labels": [1, 2, 3]}, 2)
    others = [b"<!DOCTYPE html>", b"(" * 100 + b"l" * 100, b"]" * 100_000 + b"a" * 99_999 + b"."]
    for data in [*(whole[:end] for end in range(len(whole))), *others]:
        with pytest.raises(CorruptData, match=r"^x: cut off, or no pickle") as caught:
            read_plain(data, "x")
        assert "\n" not in str(caught.value)
    assert read_plain(whole + b"more", "x")["labels"] == [1, 2, 3]


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_damage_is_read_or_refused(data: st.DataObject) -> None:
    """Whatever byte is changed, no other error comes out."""
    value = {"data": np.arange(6, dtype=np.uint8), b"labels": [1, 2, 3], "more": (b"", b"\xff", 1.5)}
    whole = bytearray(pickle.dumps(value, data.draw(st.integers(0, 5))))
    whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    try:
        read_plain(bytes(whole), "x")
    except CorruptData as error:
        assert "\n" not in str(error)
