"""The sections `acquire.SET` of a profile: where a set's pictures come from.

They are a package of their own, because drawing and downloading both read them, and an edit of one must not run the
other again.
"""

from typing import Literal

from pydantic import Field

from pipeline.core import params

SourceName = Literal["miniature", "archive", "upstream"]

DRAWN_NOTE = "drawn.json"
"""File in a folder of drawn archives: `stand_in` says what was drawn; null where the profile names another source."""


class AcquireConfig(params.Section):
    """Where a set's pictures come from.

    Attributes:
        source: `miniature`: the archive that draw-miniature draws; `archive`: the one in the archives folder;
            `upstream`: the same, downloaded first if it is not there.
        archive: name of the file or folder in the archives folder.
        checksum: `upstream` demands upstream's length and digest, `any` only notes whether they are upstream's.
        keep_archive: whether an LSUN zip stays in the archives folder once it has been unpacked and verified.
        count: pictures to draw (source `miniature` only).
        planted_share: share of them that are near-duplicates planted on purpose (source `miniature` only).
    """

    source: SourceName
    archive: str = Field(pattern=r"^[^/\\.][^/\\]*$")
    checksum: Literal["any", "upstream"]
    keep_archive: bool
    count: int = Field(gt=0)
    planted_share: float = Field(ge=0, le=0.5)


class BenchmarkConfig(params.Section):
    """Where a labelled benchmark comes from.

    Attributes:
        data_set: the benchmark whose files are read.
        source, checksum: as in `AcquireConfig`, for all files of the benchmark.
        train, test: pictures to draw for each split (source `miniature` only).
    """

    data_set: Literal["cifar10", "svhn", "mnist"]
    source: SourceName
    checksum: Literal["any", "upstream"]
    train: int = Field(ge=10)
    test: int = Field(ge=10)
