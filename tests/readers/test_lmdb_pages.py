"""Damaged pages of an LMDB: only their own records are lost, and all of these are listed."""

import random
import struct
from collections.abc import Callable
from pathlib import Path

import lmdb
import pytest

from pipeline.readers.lmdb_pages import list_keys
from pipeline.readers.lmdb_reader import Lmdb

PAGE = 4096
BRANCH, LEAF = 1, 2


def make(folder: Path, count: int, seed: int) -> list[bytes]:
    """Write records of two lengths in a random order, delete some again, and return the keys in order."""
    rng = random.Random(seed)
    order = rng.sample(range(count), count)
    with lmdb.open(str(folder), map_size=1 << 26, lock=False) as environment:
        with environment.begin(write=True) as writer:
            for number in order:
                writer.put(b"%040x" % (7 * number), rng.randbytes(500 if number % 3 else 5000))
        with environment.begin(write=True) as writer:
            for number in order[::10]:
                writer.delete(b"%040x" % (7 * number))
        with environment.begin() as reader:
            return [bytes(key) for key in reader.cursor().iternext(values=False)]


def pages(folder: Path, kind: int) -> list[int]:
    """The pages of a kind, also those that are free again."""
    data = (folder / "data.mdb").read_bytes()
    return [n for n in range(2, len(data) // PAGE) if struct.unpack_from("<H", data, n * PAGE + 10)[0] == kind]


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[bytes]]:
    """An LMDB with a tree of three levels, and its keys."""
    folder = tmp_path_factory.mktemp("lmdb")
    return folder, make(folder, 1500, seed=1)


@pytest.mark.parametrize("count", [0, 1, 30, 1500])
def test_the_keys_are_those_that_liblmdb_lists(tmp_path: Path, count: int) -> None:
    """Trees of no level to three, with deleted records and free pages."""
    keys = make(tmp_path, count, seed=count)
    listed = list_keys(tmp_path / "data.mdb")
    assert (listed.keys, listed.damaged, listed.lost) == (keys, [], 0)


def test_a_database_with_keys_in_another_order(tmp_path: Path, write_lmdb: Callable[..., Path]) -> None:
    """Programs can ask liblmdb to compare keys from their end. Python's package cannot, so the file is rewritten."""
    keys = [b"<%05d>" % number for number in range(300)]
    folder = write_lmdb(tmp_path / "x", dict.fromkeys(keys, bytes(300)))
    data = bytearray((folder / "data.mdb").read_bytes())
    for key in keys:
        data[:] = data.replace(key, key[::-1])
    for meta in (0, PAGE):
        data[meta + 92] |= 0x02  # MDB_REVERSEKEY of the main database
    (folder / "data.mdb").write_bytes(data)
    with lmdb.open(str(folder), readonly=True, lock=False) as environment, environment.begin() as reader:
        assert reader.get(keys[7][::-1]) == bytes(300)
    assert list_keys(folder / "data.mdb").keys == [key[::-1] for key in keys]


def test_values_in_the_tree_and_outside(tmp_path: Path, write_lmdb: Callable[..., Path]) -> None:
    """A value of any length, up to several pages."""
    values = {
        b"%05d" % length: bytes([length % 251]) * length for length in (0, 1, 1000, 2000, 2100, 4080, 4081, 20_000)
    }
    source = Lmdb(write_lmdb(tmp_path / "x", values))
    entries = source.entries()
    with source.open() as read:
        assert {entry.key.encode(): read(entry.place) for entry in entries} == values


@pytest.mark.parametrize("kind", [BRANCH, LEAF])
@pytest.mark.parametrize("damage", ["zeros", "noise", "ones", "flags", "second half", "last sector"])
def test_a_damaged_page_loses_its_own_records(
    tmp_path: Path, records: tuple[Path, list[bytes]], kind: int, damage: str
) -> None:
    """liblmdb stops at it, or ends the process. Here the other records are read, and the lost ones counted."""
    folder, keys = records
    rng = random.Random(f"{kind} {damage}")
    whole = (folder / "data.mdb").read_bytes()
    with lmdb.open(str(folder), readonly=True, lock=False) as environment, environment.begin() as reader:
        values = {key: reader.get(key) for key in keys}
    lost = []
    for number in rng.sample(pages(folder, kind), 5):
        data = bytearray(whole)
        at = number * PAGE
        start, replacement = {
            "zeros": (0, bytes(PAGE)),
            "noise": (0, rng.randbytes(PAGE)),
            "ones": (0, b"\xff" * PAGE),
            "flags": (10, b"\0\0"),
            "second half": (PAGE // 2, rng.randbytes(PAGE // 2)),
            "last sector": (PAGE - 512, bytes(512)),
        }[damage]
        data[at + start : at + start + len(replacement)] = replacement
        (tmp_path / "data.mdb").write_bytes(data)
        source = Lmdb(tmp_path)
        entries = source.entries()
        left = {entry.key.encode() for entry in entries if entry.left_out is None}
        assert len(entries) == len(keys) and left <= set(keys)
        assert all(e.left_out.reason == "lost_record" and e.left_out.is_bad for e in entries if e.left_out)
        assert all(f"page {number}" in e.left_out.detail for e in entries if e.left_out)
        with source.open() as read:
            assert all(read(e.place) == values[e.place] for e in entries if e.left_out is None)
        lost.append(len(keys) - len(left))
    assert max(lost) > 0, "at least one of the pages is in use"
    assert (max(lost) < 20) == (kind == LEAF)


def test_several_damaged_pages(tmp_path: Path, records: tuple[Path, list[bytes]]) -> None:
    """The first lost record of a page is listed by its own key, from the page above."""
    folder, keys = records
    data = bytearray((folder / "data.mdb").read_bytes())
    for number in pages(folder, LEAF)[10:40]:
        data[number * PAGE : (number + 1) * PAGE] = bytes(PAGE)
    (tmp_path / "data.mdb").write_bytes(data)
    entries = Lmdb(tmp_path).entries()
    named = [entry.key.encode() for entry in entries if entry.left_out and " + " not in entry.key]
    assert len(entries) == len(keys) and len(named) > 5
    assert len(set(named) & set(keys)) >= len(named) - 1  # the leftmost page's first key is in no page above


def test_damage_of_the_root_is_counted_whole(tmp_path: Path, records: tuple[Path, list[bytes]]) -> None:
    """Nothing can be found, and everything is listed."""
    folder, keys = records
    data = bytearray((folder / "data.mdb").read_bytes())
    for number in pages(folder, BRANCH):
        data[number * PAGE : (number + 1) * PAGE] = bytes(PAGE)
    (tmp_path / "data.mdb").write_bytes(data)
    entries = Lmdb(tmp_path).entries()
    assert len(entries) == len(keys) and all(entry.left_out for entry in entries)
