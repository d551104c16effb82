"""Data pipeline of the DCGAN paper: picture sets without duplicates, generators and their evaluation.

The names in `__all__` are the public Python API. Each is imported when it is first used, so that `import pipeline`
needs neither numpy nor torch. Code of this project imports directly from the modules.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipeline.core.errors import PipelineError
    from pipeline.dedup.decision.restore import restore
    from pipeline.imageset.format.image_set import ImageSet
    from pipeline.imageset.format.kept_rows import load_kept
    from pipeline.imageset.torch_dataset import ImageDataset
    from pipeline.models.registry import load_generator
    from pipeline.workflows.find_duplicates import Duplicates, find_duplicates

__all__ = [
    "Duplicates",
    "ImageDataset",
    "ImageSet",
    "PipelineError",
    "find_duplicates",
    "load_generator",
    "load_kept",
    "restore",
]

_MODULES = {
    "Duplicates": "pipeline.workflows.find_duplicates",
    "ImageDataset": "pipeline.imageset.torch_dataset",
    "ImageSet": "pipeline.imageset.format.image_set",
    "PipelineError": "pipeline.core.errors",
    "find_duplicates": "pipeline.workflows.find_duplicates",
    "load_generator": "pipeline.models.registry",
    "load_kept": "pipeline.imageset.format.kept_rows",
    "restore": "pipeline.dedup.decision.restore",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_MODULES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
