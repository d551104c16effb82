"""Added pictures that rank before an earlier picture are listed, and nothing else."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from pipeline.dedup.decision.better_copies import better_copies_csv, find_better_copies
from pipeline.imageset.format.image_set import Images, ImageSet


def test_only_added_copies_of_earlier_pictures_count() -> None:
    """Rows 0 to 2 are earlier: 0 and 2 are kept, 1 was removed for 0. Of the added ones, only 3 ranks before 0."""
    earlier = np.array([0, 0, 2, -1, -1, -1, -1])
    representatives = np.array([0, 0, 2, 0, 2, 5, 5])
    ranks = np.array([3, 0, 1, 2, 4, 6, 5])
    assert find_better_copies(representatives, earlier, ranks).tolist() == [3]


def test_the_list_names_both_pictures(make_set: Callable[..., Path], blobs: Callable[[int], Images]) -> None:
    """Keys are written as in other lists, so that `restore` and verdicts take them."""
    images = ImageSet(make_set(blobs(2), keys=["a, b.jpg", "c.jpg"]))
    written = better_copies_csv(images, np.array([1]), np.array([0]), ["detail"])
    contents = images.index.column("sha256").to_pylist()
    assert written.splitlines() == [
        "key,kept_key,reason,sha256,kept_sha256",
        f"c.jpg,a%2C b.jpg,detail,{contents[1]},{contents[0]}",
    ]
