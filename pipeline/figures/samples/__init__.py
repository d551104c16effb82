"""Samples of a trained generator: a grid of all of them and the first ones as single files, an array, or a folder."""

from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import Field

from pipeline.core import files, params
from pipeline.core.code_dependencies import code_digest
from pipeline.core.errors import BadParameters
from pipeline.core.workspace import workspace
from pipeline.figures.samples import formats
from pipeline.models.base import BatchStatisticsGenerator, unsupported
from pipeline.models.registry import load_generator, module_of
from pipeline.seeding import derive, deterministic

Format = Literal["grid", "npy", "folder"]
"""What is written; see `sample`."""


class SamplesConfig(params.Section):
    """Section `figures.SET.samples`."""

    count: int = Field(gt=0, description="number of pictures")
    singles: int = Field(ge=0, description="how many pictures, from the first, a grid has beside it as single files")
    batch_statistics: bool = Field(
        description="batch norm uses the statistics of the batch, as in the released DCGAN code, not running ones"
    )
    threads: int = Field(gt=0, description="threads of torch; they determine the order of sums")


USUAL = SamplesConfig(count=64, singles=0, batch_statistics=False, threads=2)
"""The parameters without a profile."""


def sample(
    model_folder: Path,
    config: SamplesConfig,
    *,
    name: str | None,
    seed: int,
    to: Path,
    form: Format = "grid",
    label: int | None = None,
    device: Literal["auto", "cpu", "cuda"] = "cpu",
) -> dict[str, Any]:
    """Write samples and `samples.json` to the folder `to`.

    A picture depends only on the model, seed, name, number and label, unless batch norm uses the statistics of the
    batch. An interrupted run is resumed.

    Args:
        model_folder: a saved model of any model family.
        name: name of the set; it and the seed determine the samples. None: the seed alone determines them, and they are
            those of `load_generator(model_folder).sample(count, seed)`.
        form: `grid`: `grid.png`, and `singles/NNN.png`. `npy`: `samples.npy`, uint8 (count, height, width, channels),
            and `labels.npy`, int64 (count,), for a model with classes. `folder`: `pictures/NUMBER.png`, or
            `pictures/LABEL/NUMBER.png` for a model with classes.
        label: class of all pictures; None: the classes of the model, if any, take turns: picture n has class n modulo
            the number of classes.
        device: device to generate on; `auto`: a CUDA device if torch finds one, else the CPU. The last bits of a
            picture depend on it.

    Returns:
        The content of `samples.json`: the parameters, seed, format, label and device, and `family`, `model_sha256` and
        `classes` (their number) of the model.

    Raises:
        BadParameters: more single files than pictures are requested, batch statistics of a single picture or without a
            grid, the model does not have the class, or torch finds no CUDA device.
        MissingInput, CorruptData: the model does not exist or is damaged.
        Unsupported: batch statistics are requested for a model without batch norm, a label for one without classes, or
            a CUDA device for one that uses only the CPU.
    """
    if form == "grid" and config.singles > config.count:
        raise BadParameters(f"singles: {config.singles}, expected at most count, which is {config.count}")
    if config.batch_statistics and config.count == 1:
        raise BadParameters("batch_statistics: true needs a count of at least 2: a single picture has no variance")
    if config.batch_statistics and form != "grid":
        raise BadParameters(f"batch_statistics: true needs --format grid, not {form}, whose pictures are independent")
    deterministic(config.threads)
    model = load_generator(model_folder)
    if config.batch_statistics and not isinstance(model, BatchStatisticsGenerator):
        raise unsupported(model, "sample with batch_statistics: true", "batch norm")
    if label is not None:
        model.check_labels([label], 1)
    resolved = _resolve(device)
    model.use_device(resolved)
    record = {
        **config.model_dump(),
        "seed": seed,
        "format": form,
        "label": label,
        "device": resolved,
        "family": model.family,
        "model_sha256": model.digest,
        "classes": model.classes,
    }
    code = code_digest(__name__, module_of(model_folder))
    with workspace(to, files.digest({**record, "name": name, "code": code})) as work:
        if work is None:
            done: dict[str, Any] = files.read_json(to / "samples.json")
            return done
        drawn_by = seed if name is None else derive(seed, "sample", name)
        samples = formats.Samples(model, config.count, drawn_by, label, config.batch_statistics)
        if form == "grid":
            formats.write_grid(samples, work.result, singles=config.singles)
        elif form == "npy":
            formats.write_array(samples, work.scratch, work.result)
        else:
            formats.write_folder(samples, work.scratch, work.result)
        files.write_json(work.result / "samples.json", record)
        work.publish()
    return record


def _resolve(device: Literal["auto", "cpu", "cuda"]) -> Literal["cpu", "cuda"]:
    found = torch.cuda.is_available()
    if device == "cuda" and not found:
        raise BadParameters(f"--device cuda: torch {torch.__version__} sees no CUDA device; use --device cpu or auto")
    return "cuda" if device != "cpu" and found else "cpu"
