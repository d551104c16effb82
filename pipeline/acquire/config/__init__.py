"""The sections `acquire.SET` of a profile, which say where a set's pictures come from.

They are a separate package, because both the draw commands and the downloads read them, and an edit of the code of one
must not rerun the other.
"""

from typing import Literal

from pydantic import Field

from pipeline.core import params

SourceName = Literal["miniature", "archive", "upstream"]

DRAWN_NOTE = "drawn.json"
"""File in the output folder of a draw command. `stand_in` says what was drawn; null if nothing was."""


class AcquireConfig(params.Section):
    """Where a set's pictures come from.

    Attributes:
        source: `miniature`: the synthetic archive that draw-miniature makes; `archive`: the archive in the archives
            folder; `upstream`: the same, downloaded first from the original publisher if it is missing.
        archive: name of the file or folder in the archives folder.
        checksum: `upstream` demands the published length and digest; `any` only records whether they match.
        keep_archive: whether an LSUN zip stays in the archives folder once it has been unpacked and verified.
        count: number of pictures to render (source `miniature` only).
        planted_share: share of them that are planted copies: near-duplicates made on purpose (source `miniature` only).
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
        train, test: number of pictures to render for each split (source `miniature` only).
    """

    data_set: Literal["cifar10", "svhn", "mnist"]
    source: SourceName
    checksum: Literal["any", "upstream"]
    train: int = Field(ge=10)
    test: int = Field(ge=10)
