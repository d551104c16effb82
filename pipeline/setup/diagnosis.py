"""Check a project before a run: profile, lists of sets, archives, disk, libraries and GPU. Nothing is written."""

import importlib.metadata
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pipeline.acquire.preflight import check_archives, check_benchmark
from pipeline.core import engine, params
from pipeline.core.disk import free_bytes
from pipeline.core.errors import PipelineError
from pipeline.dedup.index import efficientnet
from pipeline.setup.sections import SetLists, list_problems, read_lists, section_problems

FEATURES_NOTE = """\
One folder MODEL-BENCHMARK for each evaluation; none where `evaluated` or `benchmarks` of params.yaml is empty.
"""
"""Content of the README in the folder of evaluations."""


@dataclass(frozen=True)
class Diagnosis:
    """What was found, also useful in a bug report.

    Attributes:
        profile: path of the profile.
        machine: what there is, by name: `gpu`, `processor`, `python` (with libraries), `free disk`.
        sets: for each set, whether it is ready.
        warnings: what may go wrong.
        problems: what will go wrong.
    """

    profile: str
    machine: dict[str, str]
    sets: dict[str, str]
    warnings: list[str]
    problems: list[str]

    @property
    def ready(self) -> bool:
        """Whether a run can start."""
        return not self.problems

    def as_json(self) -> dict[str, Any]:
        """All attributes, and `ready`."""
        return {**asdict(self), "ready": self.ready}

    def as_text(self) -> str:
        """Machine, sets and warnings, one line for each."""
        rows = [
            *self.machine.items(),
            *((f"set {name}", state) for name, state in self.sets.items()),
            *(("warning", text) for text in self.warnings),
        ]
        return "\n".join(f"{name:<16} {text}" for name, text in rows)

    def verdict(self) -> str:
        """Whether a run can start, and what to do next, in one line."""
        sets = f"{self.profile}, {len(self.sets)} sets"
        if self.ready:
            return f"ready: {sets}; next: dvc repro"
        return f"not ready: {sets}, {_count(self.problems)}; correct what is listed, then run dcgan doctor again"


def diagnose(profile: Path | None, lists_from: Path | None, *, archives: Path, work: Path) -> Diagnosis:
    """Check the machine, all sections of all sets, the lists of sets, and the archives.

    Args:
        profile: the profile; None for the one that the lists name, or without lists the workstation profile.
        lists_from: params.yaml, whose sets are checked; None for all sets of the profile.
        archives: folder that has a folder of archives for each set.
        work: a folder on the disk that will hold the raw folders and the image sets.

    Raises:
        MissingInput, BadParameters: the profile or the lists cannot be read at all.
    """
    lists = read_lists(lists_from) if lists_from else None
    root = lists_from.parent if lists_from else Path()
    if profile is None:
        profile = root / "profiles" / f"{lists.profile}.yaml" if lists else params.default_profile()
    content = params.load_profile(profile)
    acquire = content.get("acquire", {})
    names = dict.fromkeys([*lists.sets, *lists.benchmarks] if lists else map(str, acquire))
    in_profile = dict.fromkeys(str(name) for sections in content.values() for name in sections)
    problems = [f"{lists_from}: {problem}" for problem in list_problems(lists, content)] if lists else []
    states = dict.fromkeys(names, "not in the profile")
    for name in in_profile:
        wrong = [f"{profile}: {problem}" for problem in section_problems(content, name, lists)]
        if name in names:
            wrong = wrong or _missing_archives(profile, name, acquire[name], archives / name, work)
            wrong += _missing_network(profile, content, name)
            wrong += _missing_for_dvc(lists, name, archives / name, root / "audit" / name / "verdicts.csv")
            states[name] = f"{_count(wrong)}, listed below" if wrong else f"ready (source: {acquire[name]['source']})"
        problems += wrong
    gpu, warnings = _gpu(content, list(names))
    return Diagnosis(str(profile), {"gpu": gpu, **_machine()}, states, [*warnings, *_library_warnings()], problems)


def _count(problems: Sequence[str]) -> str:
    return f"{len(problems)} problem{'s' if len(problems) > 1 else ''}"


def _missing_archives(profile: Path, name: str, section: Any, archives: Path, work: Path) -> list[str]:
    """The problem with the archives of a set whose sections are right, if there is one."""
    try:
        if "data_set" in section:
            check_benchmark(profile, name, archives)
        else:
            check_archives(profile, name, archives=archives, work=work)
    except PipelineError as error:
        return [str(error)]
    return []


def _missing_network(profile: Path, content: Mapping[str, Any], name: str) -> list[str]:
    """The problem with a set that compares the neighbours found by a network, if the network is not installed."""
    if not _value(content, "dedup", name, "pairs", "neighbours"):
        return []
    try:
        efficientnet.check_installed()
    except PipelineError as error:
        return [f"{profile}: dedup.{name}.pairs.{error}"]
    return []


def _missing_for_dvc(lists: SetLists | None, name: str, archives: Path, verdicts: Path) -> list[str]:
    """What the stages of a listed set depend on, even if it holds nothing."""
    if lists is None:
        return []
    missing = [] if archives.is_dir() else [f"{archives}: no such folder; make it, even if it stays empty"]
    if name in lists.sets and not verdicts.exists():
        missing.append(f"{verdicts}: not there; run dcgan init {name}, or copy the first line of another set's file")
    return missing


def _gpu(profile: Mapping[str, Any], names: Sequence[str]) -> tuple[str, list[str]]:
    """The GPUs that torch finds, with their memory; and a warning if a set asks for one and there is none."""
    import torch

    found = [torch.cuda.get_device_properties(number) for number in range(torch.cuda.device_count())]
    if found:
        return ", ".join(f"{one.name}, {one.total_memory / 2**30:.1f} GiB" for one in found), []
    asking = [name for name in names if _value(profile, "dcgan", name, "training", "runtime", "device") == "cuda"]
    reason = "torch finds no CUDA device" if torch.version.cuda else "this build of torch has no CUDA"
    warning = f"dcgan.SET.training.runtime.device is cuda for {', '.join(asking)}, but there is no GPU"
    return f"none: {reason}; networks are trained on the CPU", [warning] if asking else []


def _value(profile: Mapping[str, Any], *path: str) -> Any:
    """The value at a path of keys; None where there is none."""
    value: Any = profile
    for key in path:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def _machine() -> dict[str, str]:
    import torch

    instructions = torch.backends.cpu.get_cpu_capability()
    versions = _versions("torch", "opencv-python", "opencv-python-headless", "pillow", "lmdb", "dvc")
    libraries = ", ".join(f"{name} {version}" for name, version in versions.items())
    return {
        "processor": f"{_processor()}, {instructions}, {engine.default_workers()} workers by default",
        "python": f"{platform.python_version()}; {libraries}",
        "free disk": f"{free_bytes(Path.cwd()) / 1e9:,.1f} GB here",
    }


def _library_warnings() -> list[str]:
    if len(_versions("opencv-python", "opencv-python-headless")) < 2:
        return []
    return ["opencv-python and opencv-python-headless overwrite each other: uninstall both, install headless"]


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
