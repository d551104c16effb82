"""Pictures added to an earlier result of `dcgan dedup`: `--append`.

All steps are made anew beside the earlier ones, which one rename replaces at the end: a run that is cut off leaves the
earlier result as it was, and goes on when it is run again. Only added pictures are decided on; see `dedup.standing`.
"""

import shutil
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.core import files
from pipeline.core.errors import BadParameters, MissingInput
from pipeline.core.workspace import resumable_steps, workspace
from pipeline.dedup.decision import manifest
from pipeline.dedup.encoder.encoder_input import SIDE
from pipeline.imageset.append import append
from pipeline.imageset.format.image_set import ImageSet
from pipeline.workflows.deduplicate import Options, check_paths, decide, images_of, prepare, show

_SAME = "give the same options as then"
_FREE = {"max_candidates", "nearly"}
"""Parameters of the search that decide what is looked at, not what is found."""


def add(source: Path, options: Options, *, workers: int, to: Path) -> dict[str, Any]:
    """Add the pictures of a source to the earlier result in `to`; see `deduplicate.deduplicate` for the rest.

    Keys that are there already are left out (see `appending.append`), so adding a source twice adds nothing. Codes are
    made with the earlier encoder. Whoever was kept stays; whoever was removed stays removed for the same picture, but
    for pictures that verdicts bring back or judge apart from their keeper. A verdict that another one be kept of two
    that were there before acts in the next run without `--append`.

    Returns:
        What stands in `summary.json`, how many pictures match the other source, and how many pictures were `added` and
        are kept of these (`added_kept`).

    Raises:
        MissingInput: there is no earlier result, or the image set that it was made from is gone.
        BadParameters: it was made with other options or another encoder, or embeddings are given.
        CorruptData, PipelineError: of any of the steps.
    """
    check_paths(source, options)
    steps = to / "steps"
    # What was cut off between the last two renames has its steps in the working folder, which gives them back.
    if not (to / "manifest.parquet").is_file() or not (steps.is_dir() or (to / ".steps.partial").is_dir()):
        raise MissingInput(f"--append: no earlier result in --to {to}; run dcgan dedup without --append first")
    work_digest = files.digest([files.sha256_file(to / "manifest.parquet"), str(source.resolve()), str(options)])
    with workspace(steps, work_digest) as work:
        if work is None:
            return dict(files.read_json(steps / "dedup" / "summary.json"))
        images = images_of(steps)
        encoder = _earlier_encoder(steps, options)
        _compare(steps, options, None if (source / "imageset.json").is_file() else ImageSet(images).stored_side)
        new = work.scratch / "steps"
        before = ImageSet(images)
        name = f"added-{len(before.parts)}"
        with resumable_steps(new):
            part = prepare(source, options.squares, new, name, workers)
            added = append(images, part, new / "images")
            raw, standing = steps / "raw-images", steps / "dedup"
            summary = decide(
                new / "images", encoder, raw, options, workers=workers, to=to, steps=new, standing=standing
            )
        kept = np.load(new / "dedup" / "kept.npy")
        counts = {"added": added, "added_kept": int((kept >= len(before)).sum())}
        _carry(steps, new, len(before.parts))
        for left_behind in [name] if added else [name, f"raw-{name}"]:  # its squares are in the set, if there are any
            shutil.rmtree(new / left_behind, ignore_errors=True)
        work.result.rmdir()
        new.replace(work.result)
        work.publish()
    show(steps, to, options)
    return {**summary, **counts}


def _earlier_encoder(steps: Path, options: Options) -> Path:
    folder = options.encoder or steps / "encoder"
    path = folder / "encoder.safetensors"
    if not path.is_file() or files.sha256_file(path) != files.read_json(steps / "codes" / "codes.json")["encoder"]:
        raise BadParameters(
            f"--encoder {folder}: not the encoder that the earlier result was made with; give the folder of that one"
        )
    return folder


def _compare(steps: Path, options: Options, side: int | None) -> None:
    """Refuse options that would treat added pictures in another way than the earlier ones.

    Args:
        side: of the earlier pictures; None where the source has squares already.
    """
    if options.given and options.given.embeddings:
        raise BadParameters("--append, --embeddings: rows are not in key order once pictures are added; give --pairs")
    earlier = files.read_json(steps / "pairs" / "pairs.json")
    mode = "given" if options.given else options.pairs.mode
    now: dict[str, Any] = {"mode": mode, "keep": options.remove.keep}
    then = {"mode": earlier["mode"], **manifest.read_any(steps / "dedup")[1]["parameters"]}
    if mode == "near":
        now |= options.pairs.model_dump(exclude=_FREE)
        then |= {"compare_side": SIDE, **earlier["parameters"]}  # results from before there was a choice have none
    if side is not None:
        now |= {"side": options.squares.side}
        then |= {"side": side}
    for name, value in now.items():
        if then.get(name) != value:
            raise BadParameters(
                f"--append: {name} is {value}, but the earlier result was made with {then.get(name)}; {_SAME}"
            )


def _carry(steps: Path, new: Path, parts: int) -> None:
    """Take along the encoder, and the raw folders of the parts that there were."""
    for name in ("encoder", "raw-images", *(f"raw-added-{part}" for part in range(1, parts))):
        if (steps / name).is_dir():
            shutil.rmtree(new / name, ignore_errors=True)
            shutil.copytree(steps / name, new / name, copy_function=files.link_or_copy)
