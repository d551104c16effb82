"""The pictures whose sources are compared: groups that pairs and classes connect, with the pairs within each."""

import itertools
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from pipeline.dedup.pairs.classes_table import Classes
from pipeline.dedup.pairs.pairs_table import PairsTable
from pipeline.imageset.format.image_set import ImageSet, Rows

MOST_COMPARED = 16
"""Only this many pictures of a group are compared, those with the most pixels: at most 120 pairs a group."""


@dataclass(frozen=True)
class Group:
    """Pictures that are connected by pairs or classes; of pictures with equal files, the first one.

    Attributes:
        rows: the compared pictures, in increasing order.
        pairs: (left, right) rows of `rows`, left < right, which are copies of each other.
        mirrored: those of the pairs that are mirrored copies.
        others: the pictures that are not compared because the group is large.
    """

    rows: list[int]
    pairs: list[tuple[int, int]]
    others: list[int]
    mirrored: frozenset[tuple[int, int]] = frozenset()


def find_groups(images: ImageSet, classes: Classes, pairs: PairsTable) -> list[Group]:
    """Find the groups with at least two different files, in order of their first rows."""
    kinds = [
        classes.pixels,
        classes.squares,
        *([classes.codes] if pairs.mode == "exact" and classes.codes is not None else []),
    ]
    distinct = np.flatnonzero(classes.bytes == np.arange(len(images)))
    buckets = [members for ids in kinds for members in _members(ids, distinct).values() if len(members) > 1]
    of_squares = _members(classes.squares, distinct)
    linked: dict[tuple[int, int], bool] = {}  # classes of squares -> whether they are mirrored copies only
    sides = (classes.squares[side].tolist() for side in (pairs.left, pairs.right))
    for left, right, flag in zip(*sides, pairs.mirrored.tolist(), strict=True):
        if left != right:
            link = (min(left, right), max(left, right))
            linked[link] = flag and linked.get(link, True)
    edges = [(members[0], member) for members in buckets for member in members[1:]]
    edges += [(of_squares[left][0], of_squares[right][0]) for left, right in linked]
    groups = []
    for component in _components(edges):
        compared = _largest(images, component)
        inside = set(compared)
        joined: set[tuple[int, int]] = set()
        mirrored: set[tuple[int, int]] = set()
        for ids in kinds:
            for members in _members(ids, np.array(compared)).values():
                joined.update(itertools.combinations(members, 2))
        by_squares = _members(classes.squares, np.array(compared))
        for left, right in itertools.combinations(sorted(by_squares), 2):
            if (left, right) in linked:
                between = {(min(x, y), max(x, y)) for x in by_squares[left] for y in by_squares[right]}
                (mirrored if linked[left, right] else joined).update(between)
        mirrored -= joined
        others = sorted(row for row in component if row not in inside)
        groups.append(Group(compared, sorted(joined | mirrored), others, frozenset(mirrored)))
    return groups


def _members(ids: Rows, rows: Rows) -> dict[int, list[int]]:
    """The given rows by their id, increasing."""
    members = defaultdict[int, list[int]](list)
    for row, number in zip(rows.tolist(), ids[rows].tolist(), strict=True):
        members[number].append(row)
    return members


def _largest(images: ImageSet, rows: list[int]) -> list[int]:
    """The `MOST_COMPARED` rows with the most source pixels, then bytes, in increasing order."""
    if len(rows) <= MOST_COMPARED:
        return rows
    columns = ("source_width", "source_height", "source_bytes", "sha256")
    values = (images.index.column(name).take(pa.array(rows)).to_pylist() for name in columns)
    ordered = sorted(
        (-width * height, -length, content, row)
        for row, width, height, length, content in zip(rows, *values, strict=True)
    )
    return sorted(row for *_, row in ordered[:MOST_COMPARED])


def _components(edges: Iterable[tuple[int, int]]) -> list[list[int]]:
    """The connected components of a graph, each sorted, in order of their first nodes."""
    parent: dict[int, int] = {}

    def root(node: int) -> int:
        parent.setdefault(node, node)
        while parent[node] != node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node

    for left, right in edges:
        a, b = root(left), root(right)
        parent[max(a, b)] = min(a, b)
    members = defaultdict[int, list[int]](list)
    for node in sorted(parent):
        members[root(node)].append(node)
    return [members[first] for first in sorted(members)]
