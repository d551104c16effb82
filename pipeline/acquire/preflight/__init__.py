"""Check archives, disk, device and libraries before a run: `doctor`. No file is hashed, read completely or written."""

import importlib.metadata
import os
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pydantic

from pipeline.acquire.archives.find_archive import check_shape, missing, published, removed_note, warn_of_link
from pipeline.acquire.archives.labelled_sets import require_files
from pipeline.acquire.config import AcquireConfig, BenchmarkConfig
from pipeline.core import engine, params
from pipeline.core.disk import existing_parent, free_bytes, require_free_space
from pipeline.core.errors import PipelineError
from pipeline.datasets.pictures.imagenet32 import has_batches
from pipeline.datasets.pictures.raw_folder import files_of
from pipeline.readers.compressed_tar import compression
from pipeline.readers.zipped_lmdb import unpacked_bytes

FEATURES_NOTE = """\
One folder MODEL-BENCHMARK for each evaluation; none where `evaluated` or `benchmarks` of params.yaml is empty.
"""
"""Content of the README in the folder of evaluations."""

_PICTURE_BYTES = 10_000
"""Estimated bytes per encoded picture, for archives whose number of pictures is not published."""

_PICKLED_BYTES = 2_500
"""The same for pickles, which hold 3,072 bytes of pixels per picture and may be compressed."""

_DRAWN_BYTES = 100_000
"""Maximum bytes per synthetic picture in the synthetic archive, the raw folder and DVC's cache together."""


class _Side(params.Section):
    """The only value of `prepare.SET` that affects the needed disk space; `prepare` defines the full section."""

    model_config = pydantic.ConfigDict(extra="ignore")
    side: int = pydantic.Field(gt=0)


def check_archives(profile: Path, name: str, *, archives: Path, work: Path) -> None:
    """Fail, before anything is downloaded or unpacked, when a set's archive is missing or the disk is too small.

    Args:
        profile: parameter file.
        name: the set.
        archives: folder of the set's archives. work: a folder on the disk that will hold the raw folder and the image
            set.

    Raises:
        MissingInput: the archive does not exist. CorruptData: the archive is cut off or holds several LMDBs.
            ChecksumMismatch: the archive does not have the published length, and the profile demands the published
            archive.
        PipelineError: a disk has too little free space.
        BadParameters: the profile lacks the set, or relies on something that is not published.
    """
    section = params.load_section(profile, f"acquire.{name}", AcquireConfig)
    side = params.load_section(profile, f"prepare.{name}", _Side).side
    known = published(section)
    archive = archives / section.archive
    if section.source != "miniature" and archive.exists():
        check_shape(section, archive, known)
        warn_of_link(archive)
    fetched = unpacked = length = 0
    if section.source == "miniature":
        unpacked = section.count * _DRAWN_BYTES
    elif archive.is_file():
        length = archive.stat().st_size
        unpacked = (
            length if compression(archive) else unpacked_bytes(archive)
        )  # the length of a tar is not known before
    elif archive.is_dir():
        length = sum(file.bytes for file in files_of(archive))
    elif section.source == "upstream" and known and known.url:
        part = archive.with_name(f"{archive.name}.part")
        length = unpacked = known.bytes or 0
        fetched = length - (part.stat().st_size if part.exists() else 0)
    elif not archive.exists() and (section.keep_archive or not removed_note(archive).exists()):
        raise missing(archive, known)
    if section.source == "miniature":
        pictures = section.count
    else:
        each = _PICKLED_BYTES if has_batches(archive) else _PICTURE_BYTES
        pictures = known.entries if known and known.entries and known.bytes == length else length // each
    # Finished chunks and the shards made from them are both on the disk until the image set is published.
    written = unpacked + 2 * pictures * side * side * 3
    if existing_parent(archives).stat().st_dev == existing_parent(work).stat().st_dev:
        require_free_space(work, fetched + written, f"the set {name}")
    else:
        require_free_space(archives, fetched, f"the archive of {name}")
        require_free_space(work, written, f"the set {name}")


def check_benchmark(profile: Path, name: str, archives: Path) -> None:
    """Fail if a file of a benchmark is missing and will not be downloaded. Disk space is not checked: it needs little.

    Args:
        archives: folder of the benchmark's archives.

    Raises:
        MissingInput, BadParameters: as for `check_archives`.
    """
    section = params.load_section(profile, f"acquire.{name}", BenchmarkConfig)
    if section.source != "miniature":
        require_files(section, archives)


def check_all(profile: Path, names: Sequence[str], benchmarks: Sequence[str], *, archives: Path, work: Path) -> None:
    """`check_archives` for several sets and `check_benchmark` for several benchmarks; one error names all problems.

    Args:
        archives: the folder with one folder of archives for each set.

    Raises:
        PipelineError: see `check_archives`.
    """
    problems: list[PipelineError] = []
    for name in [*names, *benchmarks]:
        try:
            if name in benchmarks:
                check_benchmark(profile, name, archives / name)
            else:
                check_archives(profile, name, archives=archives / name, work=work)
        except PipelineError as error:
            problems.append(error)
    if len(problems) == 1:
        raise problems[0]
    if problems:
        raise PipelineError("; and ".join(map(str, problems)))


def overview(profile: Path, names: Sequence[str], archives: Path) -> dict[str, Any]:
    """An overview of machine, libraries and sets, also useful in a bug report.

    Args:
        archives: the folder with one folder of archives for each set.

    Returns:
        `device`, `processor`, `instruction_set`, `workers`, `versions`, `free_bytes`, `warnings`, and `sets`: for each
        set its source and `ready`, or what is missing.
    """
    import torch

    sets = {}
    for name, section in params.load_profile(profile).get("acquire", {}).items():
        try:
            if isinstance(section, dict) and "data_set" in section:
                check_benchmark(profile, name, archives / name)
            else:
                check_archives(profile, name, archives=archives / name, work=Path.cwd())
            state = "ready"
        except PipelineError as error:
            state = str(error)
        source = section.get("source") if isinstance(section, dict) else None
        sets[name] = {"source": str(source), "state": state}
    versions = _versions("torch", "torchvision", "opencv-python", "opencv-python-headless", "pillow", "lmdb", "dvc")
    warnings = []
    if {"opencv-python", "opencv-python-headless"} <= set(versions):
        warnings.append(
            "opencv-python and opencv-python-headless overwrite each other: uninstall both, install headless"
        )
    return {
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "processor only",
        "processor": _processor(),
        "instruction_set": torch.backends.cpu.get_cpu_capability(),
        "workers": engine.default_workers(),
        "python": platform.python_version(),
        "versions": versions,
        "free_bytes": free_bytes(Path.cwd()),
        "sets": sets,
        "warnings": warnings,
    }


def as_text(found: dict[str, Any]) -> str:
    """An `overview` as lines for a person."""
    lines = [
        f"device           {found['device']}",
        f"processor        {found['processor']}, {found['instruction_set']}, {found['workers']} workers by default",
        f"python           {found['python']}; " + ", ".join(f"{k} {v}" for k, v in found["versions"].items()),
        f"free disk        {found['free_bytes'] / 1e9:,.1f} GB here",
        *(f"set {name:<12} source {state['source']}: {state['state']}" for name, state in found["sets"].items()),
        *(f"warning          {text}" for text in found["warnings"]),
    ]
    return "\n".join(lines)


def _versions(*names: str) -> dict[str, str]:
    found = {}
    for name in names:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def _processor() -> str:
    """The model of the CPU, which Linux states only in this file."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{names[0] if names else platform.processor() or platform.machine()} ({os.cpu_count()} processors)"
