"""Grouping keeps its guarantees for any input: kept pictures, removed pictures and their representatives."""

from dataclasses import dataclass

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pipeline.dedup.decision.groups import CannotLink, buckets_of, find_representatives, prefer_buckets
from pipeline.imageset.format.image_set import Rows


@dataclass
class Case:
    ranks: Rows
    buckets: list[Rows]
    contents: Rows
    cannot_link: CannotLink

    def representatives(self) -> Rows:
        return find_representatives(self.ranks, self.buckets, self.contents, self.cannot_link)

    def cannot_be_linked(self, a: int, b: int) -> bool:
        return int(self.contents[b]) in self.cannot_link.get(int(self.contents[a]), ())

    def share_a_bucket(self, a: int, b: int) -> bool:
        return any(a in bucket and b in bucket for bucket in self.buckets)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Two to 14 pictures in overlapping buckets, some of which cannot be linked."""
    count = draw(st.integers(2, 14))
    rows = st.integers(0, count - 1)
    cannot_link: dict[int, set[int]] = {}
    for a, b in draw(st.lists(st.tuples(rows, rows), max_size=8)):
        cannot_link.setdefault(a, set()).add(b)
        cannot_link.setdefault(b, set()).add(a)
    return Case(
        np.array(draw(st.permutations(range(count))), np.int64),
        [np.array(sorted(b), np.int64) for b in draw(st.lists(st.sets(rows, min_size=2), max_size=6))],
        np.array([draw(st.integers(0, row)) for row in range(count)], np.int64),
        cannot_link,
    )


@given(cases())
def test_representatives_are_valid(case: Case) -> None:
    """Representatives are kept, come first in rank, share a bucket with the removed picture, and may be linked."""
    representatives = case.representatives()
    for row, representative in enumerate(representatives.tolist()):
        assert representatives[representative] == representative
        if representative != row:
            assert case.share_a_bucket(row, representative)
            assert not case.cannot_be_linked(representative, row)
            assert case.ranks[representative] < case.ranks[row]


@given(cases(), st.integers(0, 6))
def test_preferred_buckets_change_only_representatives(case: Case, count: int) -> None:
    """The same pictures are kept; each removed one with a kept picture in a preferred bucket is removed for it."""
    before = case.representatives()
    preferred = case.buckets[:count]
    after = prefer_buckets(before, case.ranks, preferred, case.contents, case.cannot_link)
    assert np.array_equal(before == np.arange(len(before)), after == np.arange(len(before)))
    kept = [row for row, of in enumerate(after.tolist()) if row == of]
    for row, representative in enumerate(after.tolist()):
        if row in kept:
            continue
        assert representative in kept and case.share_a_bucket(row, representative)
        assert not case.cannot_be_linked(representative, row)
        sharing = [
            other
            for other in kept
            if any(row in bucket and other in bucket for bucket in preferred) and not case.cannot_be_linked(other, row)
        ]
        assert representative in sharing or (not sharing and representative == before[row])
    earlier = prefer_buckets(before, case.ranks, preferred, case.contents, case.cannot_link, before)
    assert np.array_equal(earlier, before)


@given(cases())
def test_the_first_possible_representative_is_used(case: Case) -> None:
    """A picture is removed if possible, for the first possible representative."""
    representatives = case.representatives()
    kept = [row for row in np.argsort(case.ranks).tolist() if representatives[row] == row]
    for row, representative in enumerate(representatives.tolist()):
        possible = [k for k in kept if case.ranks[k] < case.ranks[row] and case.share_a_bucket(k, row)]
        possible = [k for k in possible if not case.cannot_be_linked(k, row)]
        assert representative == (possible[0] if possible else row)


@given(cases())
def test_removing_twice_changes_nothing(case: Case) -> None:
    """The kept pictures have no duplicates that may be removed."""
    representatives = case.representatives()
    kept = np.flatnonzero(representatives == np.arange(len(representatives)))
    renumbered = {row: new for new, row in enumerate(kept.tolist())}
    left = [np.array([renumbered[r] for r in b.tolist() if r in renumbered], np.int64) for b in case.buckets]
    ranks = np.argsort(np.argsort(case.ranks[kept]))
    again = find_representatives(ranks, [b for b in left if len(b) > 1], case.contents[kept], case.cannot_link)
    assert np.array_equal(again, np.arange(len(kept)))


@given(cases(), st.randoms(use_true_random=False))
def test_the_order_of_rows_and_buckets_does_not_matter(case: Case, random: object) -> None:
    """Another order of pictures and buckets, with the same ranks, gives the same groups."""
    count = len(case.ranks)
    place = list(range(count))
    random.shuffle(place)  # type: ignore[attr-defined]
    new_at = np.array(place, np.int64)  # the row that each old row becomes
    old_at = np.argsort(new_at)
    buckets = [new_at[b] for b in case.buckets]
    random.shuffle(buckets)  # type: ignore[attr-defined]
    moved = find_representatives(case.ranks[old_at], buckets, case.contents[old_at], case.cannot_link)
    assert np.array_equal(moved[new_at], new_at[case.representatives()])


@given(st.lists(st.integers(0, 5), max_size=30))
def test_buckets_are_the_equal_rows(ids: list[int]) -> None:
    """There is one bucket for each id with at least two rows, with all its rows in increasing order."""
    found = [bucket.tolist() for bucket in buckets_of(np.array(ids, np.int64))]
    expected = [[row for row, other in enumerate(ids) if other == value] for value in sorted(set(ids))]
    assert found == [bucket for bucket in expected if len(bucket) > 1]


def test_there_are_no_chains() -> None:
    """If a and b are duplicates, and b and c, then c is not removed for a."""
    buckets = [np.array([0, 1]), np.array([1, 2])]
    assert find_representatives(np.arange(3), buckets, np.arange(3), {}).tolist() == [0, 0, 2]


def test_a_giant_bucket_takes_linear_time() -> None:
    """100,000 equal pictures are grouped in linear time; quadratic time would exceed the limit."""
    count = 100_000
    representatives = find_representatives(np.arange(count), [np.arange(count)], np.arange(count), {})
    assert (representatives != np.arange(count)).sum() == count - 1
