"""The histograms of the gallery agree with the manifest and have a bounded number of bars."""

import pyarrow as pa

from pipeline.audit.gallery import distance_histogram, group_size_histogram


def table(reasons: list[str | None], hamming: list[int | None], group: list[int | None]) -> pa.Table:
    status = ["kept" if reason is None else "removed" for reason in reasons]
    columns = {"reason": pa.array(reasons, pa.string()), "hamming": pa.array(hamming, pa.int16())}
    return pa.table({"status": status, **columns, "group": pa.array(group, pa.int64())})


def test_distances_run_from_zero_to_the_largest() -> None:
    """Equal pixels are left out; a distance that does not occur has a bar of height 0."""
    made = table(
        [None, "same_bytes", "same_pixels", "near_code", "near_code", "in_other_set"],
        [None, 0, 0, 3, 0, 3],
        [0, 0, 0, 0, 0, None],
    )
    assert distance_histogram(made) == [("0", 1), ("1", 0), ("2", 0), ("3", 2)]


def test_sizes_count_the_kept_one() -> None:
    """Sizes up to 4 have a bar each; larger ones share bars."""
    sizes = [2, 2, 4, 5, 8, 9, 10_000]
    group = [number for number, size in enumerate(sizes) for _ in range(size)]
    reasons = [None if index == 0 else "same_code" for size in sizes for index in range(size)]
    found = group_size_histogram(table(reasons, [0] * len(group), group))
    assert found[:5] == [("2", 2), ("3", 0), ("4", 1), ("5 to 8", 2), ("9 to 16", 1)]
    assert found[-1] == ("8,193 to 16,384", 1) and sum(count for _, count in found) == len(sizes)
    assert len(found) == 15


def test_nothing_removed_has_no_bars() -> None:
    """An empty manifest gives no bars and no error."""
    nothing = table([None], [None], [None])
    assert distance_histogram(nothing) == group_size_histogram(nothing) == []
