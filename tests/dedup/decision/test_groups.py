"""Who is kept and who is removed for whom: the promises of a grouping, on any input."""

from dataclasses import dataclass

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pipeline.dedup.decision.groups import CannotLink, buckets_of, find_representatives
from pipeline.imageset.format.image_set import Rows


@dataclass
class Case:
    ranks: Rows
    buckets: list[Rows]
    contents: Rows
    apart: CannotLink

    def keepers(self) -> Rows:
        return find_representatives(self.ranks, self.buckets, self.contents, self.apart)

    def are_apart(self, a: int, b: int) -> bool:
        return int(self.contents[b]) in self.apart.get(int(self.contents[a]), ())

    def share_a_bucket(self, a: int, b: int) -> bool:
        return any(a in bucket and b in bucket for bucket in self.buckets)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Two to 14 pictures in overlapping buckets, some judged apart."""
    count = draw(st.integers(2, 14))
    rows = st.integers(0, count - 1)
    apart: dict[int, set[int]] = {}
    for a, b in draw(st.lists(st.tuples(rows, rows), max_size=8)):
        apart.setdefault(a, set()).add(b)
        apart.setdefault(b, set()).add(a)
    return Case(
        np.array(draw(st.permutations(range(count))), np.int64),
        [np.array(sorted(b), np.int64) for b in draw(st.lists(st.sets(rows, min_size=2), max_size=6))],
        np.array([draw(st.integers(0, row)) for row in range(count)], np.int64),
        apart,
    )


@given(cases())
def test_every_promise_holds(case: Case) -> None:
    """Keepers are kept, rank before whom they stand for, and are duplicates of them that nobody judged apart."""
    keepers = case.keepers()
    for row, keeper in enumerate(keepers.tolist()):
        assert keepers[keeper] == keeper
        if keeper != row:
            assert case.share_a_bucket(row, keeper)
            assert not case.are_apart(keeper, row)
            assert case.ranks[keeper] < case.ranks[row]


@given(cases())
def test_each_goes_to_the_first_keeper_in_reach(case: Case) -> None:
    """Nobody stays who could go, and nobody goes to a later keeper when an earlier one is in reach."""
    keepers = case.keepers()
    kept = [row for row in np.argsort(case.ranks).tolist() if keepers[row] == row]
    for row, keeper in enumerate(keepers.tolist()):
        reach = [k for k in kept if case.ranks[k] < case.ranks[row] and case.share_a_bucket(k, row)]
        reach = [k for k in reach if not case.are_apart(k, row)]
        assert keeper == (reach[0] if reach else row)


@given(cases())
def test_removing_twice_changes_nothing(case: Case) -> None:
    """What was kept holds no duplicates that may be removed."""
    keepers = case.keepers()
    kept = np.flatnonzero(keepers == np.arange(len(keepers)))
    renumbered = {row: new for new, row in enumerate(kept.tolist())}
    left = [np.array([renumbered[r] for r in b.tolist() if r in renumbered], np.int64) for b in case.buckets]
    ranks = np.argsort(np.argsort(case.ranks[kept]))
    again = find_representatives(ranks, [b for b in left if len(b) > 1], case.contents[kept], case.apart)
    assert np.array_equal(again, np.arange(len(kept)))


@given(cases(), st.randoms(use_true_random=False))
def test_the_order_of_rows_and_buckets_does_not_matter(case: Case, random: object) -> None:
    """Pictures that come in another order, with the same ranks, give the same groups."""
    count = len(case.ranks)
    place = list(range(count))
    random.shuffle(place)  # type: ignore[attr-defined]
    new_at = np.array(place, np.int64)  # the row that each old row becomes
    old_at = np.argsort(new_at)
    buckets = [new_at[b] for b in case.buckets]
    random.shuffle(buckets)  # type: ignore[attr-defined]
    moved = find_representatives(case.ranks[old_at], buckets, case.contents[old_at], case.apart)
    assert np.array_equal(moved[new_at], new_at[case.keepers()])


@given(st.lists(st.integers(0, 5), max_size=30))
def test_buckets_are_the_equal_rows(ids: list[int]) -> None:
    """Every id that stands at least twice, with all its rows, rising."""
    found = [bucket.tolist() for bucket in buckets_of(np.array(ids, np.int64))]
    expected = [[row for row, other in enumerate(ids) if other == value] for value in sorted(set(ids))]
    assert found == [bucket for bucket in expected if len(bucket) > 1]


def test_there_are_no_chains() -> None:
    """a is near b and b near c: c is not removed for a, of which it is no duplicate."""
    buckets = [np.array([0, 1]), np.array([1, 2])]
    assert find_representatives(np.arange(3), buckets, np.arange(3), {}).tolist() == [0, 0, 2]


def test_a_giant_bucket_takes_linear_time() -> None:
    """100,000 equal pictures: quadratic work would not end."""
    count = 100_000
    keepers = find_representatives(np.arange(count), [np.arange(count)], np.arange(count), {})
    assert (keepers != np.arange(count)).sum() == count - 1
