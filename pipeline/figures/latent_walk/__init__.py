"""The paper's Figure 4: pictures along straight lines between latents, which show whether they change smoothly."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import Field

from pipeline.core import files, params
from pipeline.core.code_dependencies import code_digest
from pipeline.core.errors import BadParameters
from pipeline.core.workspace import workspace
from pipeline.imageset import image_grid
from pipeline.imageset.format.image_set import Images
from pipeline.models.base import LatentGenerator, latents_digest, unsupported
from pipeline.models.registry import load_generator, module_of
from pipeline.seeding import derive, deterministic


class LatentWalkConfig(params.Section):
    """Section `figures.SET.latent_walk`."""

    rows: int = Field(gt=0, description="line segments of the walk, one for each row of the figure")
    columns: int = Field(gt=0, description="pictures in a row")
    threads: int = Field(gt=0, description="threads of torch; they determine the order of sums")


def path(anchors: torch.Tensor, columns: int) -> torch.Tensor:
    """Points of the walk, in order: float32 (rows · columns + 1, *latent_shape).

    Row i goes from anchor i towards anchor i + 1 in equal steps and stops one step before it, because the next row
    begins there. The last point is the last anchor. In the published figure, rows begin at the anchors too.

    Args:
        anchors: float32 (rows + 1, *latent_shape).
    """
    share = (torch.arange(columns) / columns).view(1, -1, *[1] * (anchors.ndim - 1))
    rows = anchors[:-1, None] * (1 - share) + anchors[1:, None] * share
    return torch.cat([rows.flatten(0, 1), anchors[-1:]])


def smoothness(images: Images, columns: int) -> dict[str, float | None]:
    """Measure how far the walk moves in pixel space.

    Args:
        images: uint8 (rows · columns + 1, side, side, channels), the pictures of `path`.

    Returns:
        mean_step, largest_step: mean and maximum of the absolute difference of adjacent pictures, in levels 0..255.
        anchor_distance: the mean difference between all pairs of anchors, which are independent.
        step_ratio: mean_step / anchor_distance. It is 1 / columns for a cross-fade, and more for a longer path. None
            if all anchors give the same picture.
        largest_step_ratio: largest_step / mean_step. If a generator jumps between memorised pictures, one step of a row
            has nearly all of the change of the row, and the ratio is up to `columns`. None if all pictures are equal.
    """
    values = images.reshape(len(images), -1).astype(np.int16)
    steps = [float(np.abs(after - before).mean()) for before, after in pairwise(values)]
    anchors = values[::columns]
    pairs = [float(np.abs(one - other).mean()) for number, one in enumerate(anchors) for other in anchors[number + 1 :]]
    mean, largest, distance = sum(steps) / len(steps), max(steps), sum(pairs) / len(pairs)
    return {
        "mean_step": mean,
        "largest_step": largest,
        "anchor_distance": distance,
        "step_ratio": mean / distance if distance else None,
        "largest_step_ratio": largest / mean if mean else None,
    }


def walk(
    model_folder: Path, config: LatentWalkConfig, *, name: str, seed: int, to: Path, label: int | None = None
) -> dict[str, Any]:
    """Write `walk.png` (rows × columns pictures) and `walk.json` to the folder `to`.

    Args:
        model_folder: a saved model of any model family that has a latent space.
        name: name of the set; it and the seed determine the anchors, which are sampled from the prior of the model.
        label: class of all pictures; required if the model has classes.

    Returns:
        The content of `walk.json`: the parameters, seed, model and anchors, and `smoothness`.

    Raises:
        MissingInput, CorruptData: the model does not exist or is damaged.
        Unsupported: the model family has no latent space, or a label is given but the model has no classes.
        BadParameters: the model has classes, and the label is missing or not one of them.
    """
    deterministic(config.threads)
    model = load_generator(model_folder)
    if not isinstance(model, LatentGenerator):
        raise unsupported(model, "walk-latent", "a latent space")
    if label is None and model.classes:
        raise BadParameters(
            f"--label: missing; the model has classes, and a walk stays in one: give 0 to {model.classes - 1}"
        )
    points = config.rows * config.columns + 1
    labels = None if label is None else [label] * points
    model.check_labels(labels, points)
    record = {**config.model_dump(), "seed": seed, "family": model.family, "model_sha256": model.digest, "label": label}
    code = code_digest(__name__, module_of(model_folder))
    with workspace(to, files.digest({**record, "name": name, "code": code})) as work:
        if work is None:
            done: dict[str, Any] = files.read_json(to / "walk.json")
            return done
        anchors = model.latents(range(config.rows + 1), derive(seed, "walk-latent", name))
        images = model.decode(path(anchors, config.columns), labels)
        image_grid.write_png(work.result / "walk.png", image_grid.grid(images[:-1], config.columns))
        record["anchors_sha256"] = latents_digest(anchors)
        record["smoothness"] = smoothness(images, config.columns)
        files.write_json(work.result / "walk.json", record)
        work.publish()
    return record
