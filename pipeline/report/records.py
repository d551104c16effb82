"""The JSON records that the report reads: only the keys that it shows; other keys are ignored."""

import textwrap
from pathlib import Path
from typing import Literal, TypeVar

import pydantic

from pipeline.core import files
from pipeline.core.errors import CorruptData


class Record(pydantic.BaseModel):
    """Base class: a missing key or a value of another type is an error; unknown keys are ignored."""

    model_config = pydantic.ConfigDict(extra="ignore", strict=True, frozen=True)


class Source(Record):
    """Where pictures come from; `upstream`: whether checksums prove that they are the originally published data."""

    source: Literal["miniature", "archive", "upstream"]
    upstream: bool
    stand_in: str | None = None


class SetSource(Source):
    archive: str
    sha256: str


class Counts(Record):
    sources: int
    pictures: int
    bad: int
    filtered: int


class Share(Record):
    """A share (None if `of` is 0) with its 95 % interval."""

    found: int
    of: int
    share: float | None
    low: float
    high: float


class Planted(Record):
    recall: dict[str, Share]
    precision: Share


class AuditRecord(Record):
    """`metrics.json` of audit-duplicates. Only synthetic sets have `planted`.

    Attributes:
        title: name of the set on pages.
        side: of the stored pictures, in pixels.
    """

    title: str
    source: SetSource
    counts: Counts
    side: int
    detector: str
    removed: int
    kept: int
    share_removed: float
    groups: int
    by_reason: dict[str, int]
    planted: Planted | None = None


class Runtime(Record):
    torch: str
    device: str
    device_name: str


class TrainingData(Record):
    """`pictures`: number of different pictures that the model was trained on; `images`: digest of the image set."""

    pictures: int
    images: str


class ModelRecord(Record):
    """`model.json` of a training command; `latent_shape` is None for model families without a latent space."""

    family: str
    architecture: str
    latent_shape: list[int] | None
    epochs: int
    steps: int
    seed: int
    data: TrainingData
    runtime: Runtime


class SamplesRecord(Record):
    """`samples.json` of sample."""

    count: int
    seed: int
    model_sha256: str
    batch_statistics: bool


class Smoothness(Record):
    mean_step: float
    largest_step_ratio: float | None


class WalkRecord(Record):
    """`walk.json` of walk-latent."""

    rows: int
    seed: int
    smoothness: Smoothness


class Archive(Record):
    name: str
    bytes: int
    sha256: str


class BenchmarkSource(Source):
    data_set: str
    archives: list[Archive]


class Benchmark(Record):
    name: str
    source: BenchmarkSource
    train: int
    test: int
    classes: list[str]


class Tested(Record):
    """The network that was tested."""

    architecture: str
    epochs: int
    steps: int
    pictures: int
    network_sha256: str


class Protocol(Record):
    norm: str
    statistics_pictures: int
    held_out: int
    per_class: int
    draws: int
    folds: int


class Whole(Record):
    """Accuracy with all training labels, with its 95 % interval."""

    c: float
    correct: int
    of: int
    accuracy: float
    low: float
    high: float
    at_end: bool = False


class Few(Record):
    """Accuracies over draws of few labels: `spread` is 1.96 standard deviations, the interval is that of the mean."""

    c: float | list[float]
    accuracies: list[float]
    mean: float
    spread: float
    mean_low: float
    mean_high: float
    at_end: bool = False


class FewLabels(Record):
    held_out: Few
    cross_validation: Few | None


class Network(Record):
    whole: Whole | None
    few: FewLabels


class LinearProbeRecord(Record):
    """`metrics.json` of evaluate-features; `networks` always has `trained`."""

    benchmark: Benchmark
    model: Tested
    features: int
    parameters: Protocol
    seed: int
    networks: dict[str, Network]


R = TypeVar("R", bound=Record)


def read(path: Path, kind: type[R], maker: str) -> R:
    """Read a JSON file.

    Args:
        maker: name of the command that writes the file, for the error message.

    Raises:
        MissingInput: there is no such file.
        CorruptData: the file is not JSON, or a key is missing or has the wrong type.
    """
    try:
        return kind.model_validate(files.read_json(path))
    except pydantic.ValidationError as error:
        problem = error.errors()[0]
        key = ".".join(map(str, problem["loc"]))
        found = textwrap.shorten(repr(problem["input"]), 60, placeholder=" …")
        what = "missing key" if problem["type"] == "missing" else f"{found}: {problem['msg'].lower()}"
        raise CorruptData(f"{path}: {': '.join(filter(None, [key, what]))}; run {maker} again") from None
