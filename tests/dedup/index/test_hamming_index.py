"""The search finds every pair within the radius once and in order, for any codes and bands."""

import hashlib
import threading
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.core.errors import BadParameters
from pipeline.dedup.encoder.codes import Codes
from pipeline.dedup.index import bands, hamming_index
from pipeline.dedup.index.hamming_index import LARGEST_RADIUS, CodePairs, distinct, pairs_between, pairs_within

RADII = st.integers(0, LARGEST_RADIUS)


def flip(codes: Codes, rng: np.random.Generator, most: int) -> Codes:
    """Copies of the codes, each with 0 to `most` bits flipped."""
    order = rng.random((len(codes), 128)).argsort(axis=1)
    return codes ^ np.packbits(order < rng.integers(0, most + 1, (len(codes), 1)), axis=1)


@st.composite
def codes(draw: st.DrawFn, most: int = 80) -> Codes:
    """Random codes, copies of a few with some bits flipped, and codes that fill single buckets."""
    count, kind = draw(st.integers(0, most)), draw(st.sampled_from(["any", "clusters", "one band", "few bits", "rare"]))
    rng = np.random.default_rng(draw(st.integers(0, 1 << 20)))
    if kind == "any":
        return rng.integers(0, 256, (count, 16), dtype=np.uint8)
    if kind == "clusters":
        centres = rng.integers(0, 256, (4, 16), dtype=np.uint8)
        return flip(centres[rng.integers(0, 4, count)], rng, 16)
    if kind == "rare":  # almost all bits are almost always off
        return np.packbits(rng.random((count, 128)) < 0.03, axis=1)
    found = np.zeros((count, 16), np.uint8)
    if kind == "one band":  # equal in all bits except those of four bytes
        found[:, 3:7] = rng.integers(0, 256, (count, 4))
    else:
        found[:, 5] = rng.integers(0, 256, count)
    return found


def all_pairs_within(a: Codes, b: Codes, radius: int, within: bool) -> list[tuple[int, int, int]]:
    """All pairs within the radius by comparing all codes, in order."""
    distance = np.bitwise_count(a[:, None] ^ b[None]).sum(axis=2, dtype=int)
    near = (distance <= radius) & (~within | np.triu(np.ones(distance.shape, bool), 1))
    return [(left, right, int(distance[left, right])) for left, right in np.argwhere(near).tolist()]


def rows(blocks: Iterator[CodePairs], most: int) -> list[tuple[int, int, int]]:
    """The pairs of all blocks as tuples; checks the size and dtypes of the blocks."""
    found, sizes = [], []
    for block in blocks:
        assert (block.left.dtype, block.right.dtype, block.distance.dtype) == (np.int64, np.int64, np.uint8)
        sizes.append(len(block))
        found += list(zip(block.left.tolist(), block.right.tolist(), block.distance.tolist(), strict=True))
    assert all(size == most for size in sizes[:-1]) and all(0 < size <= most for size in sizes)
    return found


@settings(deadline=None, max_examples=150)
@given(codes(), RADII, st.sampled_from([1, 7, 1 << 20]), st.data())
def test_every_pair_within_a_set_with_any_bands(found: Codes, radius: int, most: int, data: st.DataObject) -> None:
    """The chosen bands do not change the result; equal codes are pairs."""
    expected = all_pairs_within(found, found, radius, within=True)
    assert rows(pairs_within(found, radius, block_pairs=most), most) == expected
    with pytest.MonkeyPatch.context() as patch:
        choose = take_split(data.draw(st.integers(0, 20)), data.draw(st.sampled_from([2, 1000, 1 << 20])))
        patch.setattr(hamming_index, "choose", choose)
        assert rows(pairs_within(found, radius, block_pairs=most), most) == expected


@settings(deadline=None, max_examples=150)
@given(codes(), codes(), RADII, st.sampled_from([1, 7, 1 << 20]), st.data())
def test_every_pair_between_two_sets_with_any_bands(
    a: Codes, b: Codes, radius: int, most: int, data: st.DataObject
) -> None:
    """The same between two sets, some of whose codes are copies."""
    b = np.concatenate([b, flip(a, np.random.default_rng(len(a)), 15)[::2]])
    expected = all_pairs_within(a, b, radius, within=False)
    assert rows(pairs_between(a, b, radius, block_pairs=most), most) == expected
    with pytest.MonkeyPatch.context() as patch:
        choose = take_split(data.draw(st.integers(0, 20)), data.draw(st.sampled_from([2, 1000, 1 << 20])))
        patch.setattr(hamming_index, "choose", choose)
        assert rows(pairs_between(a, b, radius, block_pairs=most), most) == expected


def take_split(number: int, count: int) -> object:
    """A replacement of `choose` that takes one of the plans for this many codes; tables have at most 8 MB."""

    def choose(a: bands.Words, b: bands.Words, radius: int) -> list[bands.Band]:
        plans = bands.splits(np.concatenate([a, b]), count, radius)
        return plans[number % len(plans)]

    return choose


@settings(deadline=None)  # the first call may compile
@given(codes().filter(len), RADII, st.integers(1, 1 << 23))
def test_bands_satisfy_the_pigeonhole_principle(found: Codes, radius: int, count: int) -> None:
    """Bands are disjoint, and more flips than every allowance exceed the radius (pigeonhole principle)."""
    for plan in bands.splits(found.view(np.uint64), count, radius):
        bits = np.concatenate([band.bits for band in plan]).tolist()
        assert len(set(bits)) == len(bits) and all(len(band.bits) <= bands.WIDEST for band in plan)
        assert sum(band.flips + 1 for band in plan) == radius + 1 and all(band.flips >= 0 for band in plan)


def test_a_code_just_inside_each_allowance_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pairs at exactly the radius are found, when all bands but one have one flip more than allowed."""
    rng = np.random.default_rng(3)
    centre = rng.integers(0, 256, (1, 16), dtype=np.uint8)
    others = rng.integers(0, 256, (500, 16), dtype=np.uint8)
    for radius in range(LARGEST_RADIUS + 1):
        for plan in bands.splits(others.view(np.uint64), 500, radius):
            monkeypatch.setattr(hamming_index, "choose", lambda a, b, radius, plan=plan: plan)
            for lucky in range(len(plan)):
                words = centre.view(np.uint64).copy()
                for number, band in enumerate(plan):
                    for bit in band.bits[: band.flips + (number != lucky)].tolist():
                        words[0, bit >> 6] ^= np.uint64(1 << (bit & 63))
                found = np.concatenate([centre, others, words.view(np.uint8)])
                distance = int(np.bitwise_count(centre ^ found[-1:]).sum())
                assert distance <= radius
                assert (0, 501, distance) in rows(pairs_within(found, radius), 1 << 20)


@given(codes())
def test_distinct_equals_numpy_unique(found: Codes) -> None:
    """The result equals that of `numpy.unique`: codes in byte order, and the inverse."""
    unique, inverse = distinct(found)
    assert [bytes(code) for code in unique] == sorted({bytes(code) for code in found})
    assert unique.dtype == np.uint8 and inverse.dtype == np.int64 and unique.shape[1] == 16
    assert np.array_equal(unique[inverse], found)


@pytest.mark.parametrize("radius", [0, 3, 7, 12, 15])
def test_planted_pairs_among_many_codes(radius: int) -> None:
    """Among many codes, for which bands are used, exactly the planted pairs are found."""
    rng = np.random.default_rng(radius)
    base = rng.integers(0, 256, (60_000, 16), dtype=np.uint8)  # random codes differ in at least 30 bits
    planted = np.concatenate([base, flip(base[:5000], rng, 20)])
    assert len(bands.choose(planted.view(np.uint64), planted.view(np.uint64), radius)[0].bits)
    distance = np.bitwise_count(base[:5000] ^ planted[60_000:]).sum(axis=1, dtype=int)
    expected = [(n, 60_000 + n, int(distance[n])) for n in np.flatnonzero(distance <= radius).tolist()]
    assert rows(pairs_within(planted, radius), 1 << 20) == expected
    assert rows(pairs_between(base, planted[60_000:], radius), 1 << 20) == [(a, b - 60_000, d) for a, b, d in expected]


def test_many_similar_codes_in_one_bucket() -> None:
    """Two thousand similar codes give more pairs than the buffer of a task can store."""
    numbers = np.arange(2048)
    crowd = np.zeros((2048, 16), np.uint8)
    crowd[:, 2], crowd[:, 9] = numbers & 255, numbers >> 8
    left, right = np.triu_indices(2048, 1)
    blocks = list(pairs_within(crowd, 15, block_pairs=100_000))
    assert np.array_equal(np.concatenate([block.left for block in blocks]), left)
    assert np.array_equal(np.concatenate([block.right for block in blocks]), right)
    distance = np.bitwise_count(numbers[left] ^ numbers[right])
    assert np.array_equal(np.concatenate([block.distance for block in blocks]), distance)


def test_too_many_pairs_are_an_error_and_just_enough_are_not() -> None:
    """The error comes before the first block, with count and remedy; exactly `max_pairs` pairs are allowed."""
    crowd = np.zeros((300, 16), np.uint8)
    pairs = 300 * 299 // 2
    assert sum(map(len, pairs_within(crowd, 0, max_pairs=pairs))) == pairs
    with pytest.raises(BadParameters, match=f"at least {pairs:,} .* at most {pairs - 1:,} .*smaller radius"):
        next(pairs_within(crowd, 0, max_pairs=pairs - 1))
    with pytest.raises(BadParameters, match="smaller radius"):
        next(pairs_between(crowd, crowd, 0, max_pairs=pairs))


def test_wrong_arguments_are_refused_at_once() -> None:
    """Wrong arguments are refused before the search."""
    some = np.zeros((2, 16), np.uint8)
    for radius in (-1, 16):
        with pytest.raises(BadParameters, match=f"radius: {radius}, expected 0 to 15"):
            pairs_within(some, radius)
    with pytest.raises(BadParameters, match="block_pairs 0"):
        pairs_between(some, some, 1, block_pairs=0)
    for wrong in (some[:, :15], some.astype(np.int8), some.ravel()):
        with pytest.raises(BadParameters, match="expected uint8"):
            pairs_between(some, wrong, 1)
        with pytest.raises(BadParameters, match="expected uint8"):
            distinct(wrong)


def test_any_memory_layout_is_accepted() -> None:
    """Codes can be read-only, unaligned or a strided view."""
    rng = np.random.default_rng(1)
    plain = flip(np.zeros((50, 16), np.uint8), rng, 12)
    expected = rows(pairs_within(plain, 9), 1 << 20)
    wide = np.zeros((100, 17), np.uint8)
    wide[::2, 1:] = plain
    shifted = np.frombuffer(b"x" + plain.tobytes(), np.uint8)[1:].reshape(50, 16)
    for same in (wide[::2, 1:], shifted):
        assert rows(pairs_within(same, 9), 1 << 20) == expected


@pytest.mark.parametrize("within", [True, False])
def test_the_same_bytes_for_any_number_of_threads(within: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """The number of threads does not change the result; one worker uses only the calling thread."""
    found = np.packbits(np.random.default_rng(7).random((60_000, 128)) < 0.09, axis=1)
    real, threads, most = hamming_index._compare, list[int](), 0

    def compare(*given: object) -> int:
        nonlocal most
        assert workers > 1 or threading.current_thread() is threading.main_thread()
        threads.append(threading.get_ident())
        most = max(most, len(set(threads)))
        count = real(*given)
        threads.remove(threading.get_ident())
        return count

    monkeypatch.setattr(hamming_index, "_compare", compare)
    digests = []
    for workers in (1, 2):
        digest, most = hashlib.sha256(), 0
        halves = (found[:30_000], found[30_000:])
        search = pairs_within(found, 7, workers=workers) if within else pairs_between(*halves, 7, workers=workers)
        for block in search:
            for column in (block.left, block.right, block.distance):
                digest.update(column.tobytes())
        digests.append(digest.hexdigest())
        assert 0 < most <= workers
    assert digests[0] == digests[1] != hashlib.sha256().hexdigest()
