"""What a figure was measured on: named beside each, for a speed says nothing without it."""

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

CPUINFO = Path("/proc/cpuinfo")


def describe(*packages: str) -> dict[str, Any]:
    """The processor, how many of them this process may use, and the versions of Python and of `packages`.

    A package that is missing is called so: some are only compared with where they are there.
    """
    return {
        "processor": _processor(),
        "processors": len(os.sched_getaffinity(0)),
        "python": platform.python_version(),
        "versions": {name: _version(name) for name in packages},
    }


def _processor() -> str:
    """The model that the system names, or the architecture: `platform.processor` knows no more than that on Linux."""
    lines = CPUINFO.read_text().splitlines() if CPUINFO.exists() else []
    models = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(models, platform.machine())


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
