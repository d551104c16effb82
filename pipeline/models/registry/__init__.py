"""The model families by name, and functions that load a saved model of any of them.

Each family has a module that loads its models. The module is imported when such a model is loaded, so a command depends
only on the families that it loads.
"""

import importlib
from pathlib import Path
from types import ModuleType

from pipeline.core import files
from pipeline.core.errors import CorruptData, Unsupported
from pipeline.models.base import FeatureExtractor, Generator

FAMILIES = {"dcgan": "pipeline.models.dcgan.family"}
"""Module of each family; has `load_generator(folder)`, and `load_feature_extractor(folder)` if there are features."""


def family_of(folder: Path) -> str:
    """The family of a model folder, according to its `model.json`.

    Raises:
        MissingInput: there is no `model.json`.
        CorruptData: the family is unknown.
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
    """The name of the module that loads a saved model, for `code_digest`. Raises the errors of `family_of`."""
    return FAMILIES[family_of(folder)]


def load_generator(folder: Path | str) -> Generator:
    """The generator of a saved model, on the CPU, ready to sample.

    Args:
        folder: output folder of a training command.

    Raises:
        MissingInput, CorruptData: the model is missing or damaged, or its family is unknown.
    """
    found: Generator = _module(Path(folder)).load_generator(Path(folder))
    return found


def load_feature_extractor(folder: Path | str) -> FeatureExtractor:
    """The part of a saved model that computes features.

    Raises:
        MissingInput, CorruptData: see `load_generator`.
        Unsupported: models of its family have no features.
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
