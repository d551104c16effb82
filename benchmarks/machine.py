"""Describe the machine and the software that a benchmark ran on."""

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

CPUINFO = Path("/proc/cpuinfo")


def describe(*packages: str) -> dict[str, Any]:
    """Return the CPU, the number of CPUs that this process may use, and the versions of Python and of packages.

    The version of a package that is not installed is `not installed`; some benchmarks use optional packages.
    """
    return {
        "processor": _processor(),
        "processors": len(os.sched_getaffinity(0)),
        "python": platform.python_version(),
        "versions": {name: _version(name) for name in packages},
    }


def _processor() -> str:
    """Return the CPU model from /proc/cpuinfo, else the architecture; `platform.processor` has no model on Linux."""
    lines = CPUINFO.read_text().splitlines() if CPUINFO.exists() else []
    models = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(models, platform.machine())


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
