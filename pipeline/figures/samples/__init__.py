"""Samples of a trained generator: a grid of all of them, and the first ones as single files."""

from pathlib import Path
from typing import Any

from pydantic import Field

from pipeline.core import files, params
from pipeline.core.code_dependencies import code_digest
from pipeline.core.errors import BadParameters
from pipeline.core.workspace import workspace
from pipeline.imageset import image_grid
from pipeline.models.base import BatchStatisticsGenerator, unsupported
from pipeline.models.registry import load_generator, module_of
from pipeline.seeding import derive, deterministic


class SamplesConfig(params.Section):
    """Section `figures.SET.samples`."""

    count: int = Field(gt=0, description="pictures in the grid")
    singles: int = Field(ge=0, description="how many pictures, from the first, are also written as single files")
    batch_statistics: bool = Field(
        description="batch norm uses the statistics of the batch, as in the released DCGAN code, not running ones"
    )
    threads: int = Field(gt=0, description="threads of torch; they determine the order of sums")


def sample(model_folder: Path, config: SamplesConfig, *, name: str, seed: int, to: Path) -> dict[str, Any]:
    """Write `grid.png`, `singles/NNN.png` and `samples.json` to the folder `to`.

    Args:
        model_folder: a saved model of any model family.
        name: name of the set; it and the seed determine the samples.

    Returns:
        The content of `samples.json`: the parameters, the seed, and `family` and `model_sha256` of the model.

    Raises:
        BadParameters: more single files than pictures are requested, or batch statistics of a single picture.
        MissingInput, CorruptData: the model does not exist or is damaged.
        Unsupported: batch statistics are requested for a model without batch norm.
    """
    if config.singles > config.count:
        raise BadParameters(f"singles: {config.singles}, expected at most count, which is {config.count}")
    if config.batch_statistics and config.count == 1:
        raise BadParameters("batch_statistics: true needs a count of at least 2: a single picture has no variance")
    deterministic(config.threads)
    model = load_generator(model_folder)
    if config.batch_statistics and not isinstance(model, BatchStatisticsGenerator):
        raise unsupported(model, "sample with batch_statistics: true", "batch norm")
    record = {**config.model_dump(), "seed": seed, "family": model.family, "model_sha256": model.digest}
    code = code_digest(__name__, module_of(model_folder))
    with workspace(to, files.digest({**record, "name": name, "code": code})) as work:
        if work is None:
            done: dict[str, Any] = files.read_json(to / "samples.json")
            return done
        drawn_by = derive(seed, "sample", name)
        if config.batch_statistics and isinstance(model, BatchStatisticsGenerator):
            images = model.decode_batch(model.latents(range(config.count), drawn_by))
        else:
            images = model.sample(config.count, drawn_by)
        image_grid.write_png(work.result / "grid.png", image_grid.grid(images))
        (work.result / "singles").mkdir()
        for number, image in enumerate(images[: config.singles]):
            image_grid.write_png(work.result / "singles" / f"{number:03d}.png", image)
        files.write_json(work.result / "samples.json", record)
        work.publish()
    return record
