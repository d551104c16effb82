"""The families of models by name, and how a saved model of any of them is loaded.

A family is named by the module that loads its models, which is imported when a model of it is met: so no command
depends on a family that it does not load.
"""

import importlib
from pathlib import Path
from types import ModuleType

from pipeline.core import files
from pipeline.core.errors import CorruptData, Unsupported
from pipeline.models.base import FeatureExtractor, Generator

FAMILIES = {"dcgan": "pipeline.models.dcgan.family"}
"""Family to module. Each has `load_generator(folder)`, and `load_feature_extractor(folder)` if it offers features."""


def family_of(folder: Path) -> str:
    """The family that `model.json` of a model folder names.

    Raises:
        MissingInput: there is no `model.json`.
        CorruptData: it names no family that there is.
    """
    path = folder / "model.json"
    description = files.read_json(path)
    found = description.get("family") if isinstance(description, dict) else None
    if isinstance(description, dict) and description.get("schema_version") == 1:
        found = "dcgan"  # the only family of version 0.1, which did not name it
    if found not in FAMILIES:
        raise CorruptData(f"{path}: family {found!r}, expected one of {', '.join(FAMILIES)}; train the model again")
    return str(found)


def module_of(folder: Path) -> str:
    """The name of the module that loads a saved model, for `code_digest`; see `family_of` for what is raised."""
    return FAMILIES[family_of(folder)]


def load_generator(folder: Path | str) -> Generator:
    """The generator of a saved model, on the CPU, ready to sample.

    Args:
        folder: what a training command wrote.

    Raises:
        MissingInput, CorruptData: the model is not there or not whole, or of a family that is not known.
    """
    found: Generator = _module(Path(folder)).load_generator(Path(folder))
    return found


def load_feature_extractor(folder: Path | str) -> FeatureExtractor:
    """The part of a saved model that gives features.

    Raises:
        MissingInput, CorruptData: see `load_generator`.
        Unsupported: models of its family give no features.
    """
    module = _module(Path(folder))
    if not hasattr(module, "load_feature_extractor"):
        raise Unsupported(
            f"--model {folder}: models of family {family_of(Path(folder))} give no features of pictures; give a model "
            "of another family"
        )
    found: FeatureExtractor = module.load_feature_extractor(Path(folder))
    return found


def _module(folder: Path) -> ModuleType:
    return importlib.import_module(module_of(folder))
