"""List the keys of an LMDB from its pages, also if pages are damaged.

liblmdb stops at the first damaged page, and ends the process at some of them. Here each page of the tree is checked
before it is used, and a damaged page loses only its own records. The layout is that of LMDB 0.9 on 64-bit machines with
little-endian numbers, as liblmdb's `mdb.c` defines it (`MDB_page`, `MDB_node`, `MDB_db`, `MDB_meta`).
"""

import mmap
import struct
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

_HEADER = 16
_PAGE = struct.Struct("<10xHHH")
"""Header of a page: flags, end of the list of offsets, start of the nodes."""

_NODE = struct.Struct("<IHH")
"""Header of a node, before its key: in a leaf the length of the value, in a branch the low half of the child's number;
flags, in a branch the high half; length of the key."""

_NODE_BYTES = _NODE.size
_BRANCH, _LEAF, _DIRTY = 0x01, 0x02, 0x10
_BIG_VALUE = 0x01
"""Flag of a node whose value is in pages of its own; it holds the number of the first one (8 bytes)."""

_PAGE_BYTES = struct.Struct("<40xI")
"""Meta page: length of a page in bytes, kept in the record of the free pages."""

_META = struct.Struct("<92xHH24xQQQQ")
"""Meta page: flags, depth, entries and root of the main database, last page, number of the transaction."""

_EMPTY = (1 << 64) - 1
_OTHER_ORDER = 0x02 | 0x08
"""Flags of a database whose keys are not compared from their first byte on."""


@dataclass(frozen=True)
class Listed:
    """The keys of an LMDB.

    Attributes:
        keys: keys of the records that can be read, in the order of the database.
        damaged: for each damaged page its number, and the first key of the lost records as far as it is known.
        lost: number of records in the damaged pages, at least one per page.
    """

    keys: list[bytes]
    damaged: list[tuple[int, bytes]]
    lost: int


def list_keys(data_file: Path) -> Listed:
    """List the keys of an LMDB.

    Args:
        data_file: a `data.mdb` that liblmdb accepts and that is as long as its header says.
    """
    with data_file.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        (page_bytes,) = _PAGE_BYTES.unpack_from(data)
        metas = [_META.unpack_from(data, at) for at in (0, page_bytes)]  # each transaction writes one of the two
        flags, depth, entries, root, last, _ = max(metas, key=lambda meta: meta[-1])
        return _Tree(data, page_bytes, last, in_byte_order=not flags & _OTHER_ORDER).list_keys(root, depth, entries)


@dataclass(frozen=True)
class _Tree:
    """The pages of the main database.

    Attributes:
        data: the file.
        page_bytes: length of a page.
        last: number of the last page in use.
        in_byte_order: whether keys are compared from their first byte on, so that their order can be checked.
    """

    data: mmap.mmap
    page_bytes: int
    last: int
    in_byte_order: bool

    def list_keys(self, root: int, depth: int, entries: int) -> Listed:
        keys: list[bytes] = []
        damaged: list[tuple[int, bytes]] = []
        waiting = [(root, 1, b"")] if root != _EMPTY else []
        while waiting:
            number, level, first = waiting.pop()
            if level < depth:
                children = self._branch(number)
                waiting += ((child, level + 1, key or first) for key, child in reversed(children))
                is_whole = bool(children)
            else:
                found = self._leaf(number)
                is_whole = bool(found) and not (keys and self.in_byte_order and found[0] <= keys[-1])
                keys += found if is_whole else ()
            if not is_whole:
                damaged.append((number, first))
        return Listed(keys, damaged, max(len(damaged), entries - len(keys)) if damaged else 0)

    def _leaf(self, number: int) -> list[bytes]:
        """The keys of a leaf; empty if the page is damaged."""
        page, offsets, nodes = self._page(number, _LEAF)
        keys: list[bytes] = []
        for at in offsets:
            if not nodes <= at <= self.page_bytes - _NODE_BYTES:
                return []
            length, flags, key_bytes = _NODE.unpack_from(page, at)
            start = at + _NODE_BYTES + key_bytes
            if flags & _BIG_VALUE:
                first = int.from_bytes(page[start : start + 8], "little")
                if first + (_HEADER + length - 1) // self.page_bytes > self.last:
                    return []
                length = 8
            if start + length > self.page_bytes or not key_bytes:
                return []
            keys.append(page[at + _NODE_BYTES : start])
        return keys if self._is_ordered(keys) else []

    def _branch(self, number: int) -> list[tuple[bytes, int]]:
        """The first key and the number of each child; empty if the page is damaged. The first child has no key."""
        page, offsets, nodes = self._page(number, _BRANCH)
        children: list[tuple[bytes, int]] = []
        for at in offsets:
            if not nodes <= at <= self.page_bytes - _NODE_BYTES:
                return []
            low, high, key_bytes = _NODE.unpack_from(page, at)
            children.append((page[at + _NODE_BYTES : at + _NODE_BYTES + key_bytes], low | high << 32))
        return children if self._is_ordered([key for key, _ in children[1:]]) else []

    def _page(self, number: int, kind: int) -> tuple[bytes, tuple[int, ...], int]:
        """The bytes of a page, the offsets of its nodes, and where the nodes start; no offsets if it is damaged."""
        damaged = b"", (), 0
        size = self.page_bytes
        if not 2 <= number <= self.last:
            return damaged
        page = self.data[number * size : (number + 1) * size]
        flags, end, nodes = _PAGE.unpack_from(page)
        if flags & ~_DIRTY != kind or not _HEADER < end <= nodes <= size or end % 2:
            return damaged
        return page, struct.unpack_from(f"<{(end - _HEADER) // 2}H", page, _HEADER), nodes

    def _is_ordered(self, keys: list[bytes]) -> bool:
        return not self.in_byte_order or all(one < other for one, other in pairwise(keys))
