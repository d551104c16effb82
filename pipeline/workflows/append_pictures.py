"""Add pictures to an earlier result of `dcgan dedup`: `--append`.

All steps are written to a new folder. At the end, it replaces the earlier folder by a rename. An interrupted run leaves
the earlier result unchanged; when the command is run again, it continues after the last finished step. Only the status
of added pictures is decided; `pipeline.dedup.decision` describes how earlier decisions are kept.
"""

import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.core import files
from pipeline.core.errors import BadParameters, MissingInput
from pipeline.core.workspace import forget, resumable_steps, take_over, workspace
from pipeline.datasets.pictures.raw_folder import remembered_place
from pipeline.dedup.decision import better_copies, manifest
from pipeline.dedup.encoder.encoder_input import SIDE
from pipeline.imageset.append import append
from pipeline.imageset.format.image_set import ImageSet
from pipeline.workflows.deduplicate import Options, check_inputs, decide, images_of, note_options, prepare, show

_SAME = "give the same options as for the earlier result"
_NOT_COMPARED = {"max_candidates", "near_miss_margin"}
"""Parameters of the search that do not change which pairs are accepted."""


def add(source: Path, options: Options, *, workers: int, to: Path) -> dict[str, Any]:
    """Add the pictures of a source to the earlier result in `to`. The arguments are those of `deduplicate`.

    Pictures whose keys are already in the result are skipped (see `imageset.append`), so adding
    a source twice adds nothing. Codes are computed with the earlier encoder. Kept pictures stay kept. Removed pictures
    stay removed with the same kept picture, unless a verdict restores the removed picture or says that the two are
    different. If a verdict prefers the removed one of two earlier pictures, it takes effect in the next run without
    `--append`.

    Returns:
        The content of `summary.json`, and under `matches` the counts of the comparison with the other source. Also
        `added`, the number of added pictures, `added_kept`, the number of those that are kept, and `better_copies`, the
        number of those that are better than the earlier picture for which they are removed.

    Raises:
        MissingInput: there is no earlier result, or its image set is missing.
        BadParameters: the earlier result has different options or a different encoder, or embeddings are given.
        CorruptData, PipelineError: raised by a step.
    """
    check_inputs(source, options, to)
    steps = to / "steps"
    # After an interruption between the last two renames, `workspace` restores the steps from the working folder.
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
            part = prepare(source, options, new, name, workers, before.stored_side)
            added = append(images, part, new / "images")
            if not added:  # only verdicts are new
                _carry(steps, new, ("codes", "scored", "pairs"))
            earlier = ("raw-images", *(f"raw-added-{part}" for part in range(1, len(before.parts))))
            raws = [*(steps / raw for raw in earlier), new / f"raw-{name}"]
            summary = decide(
                new / "images",
                encoder,
                raws,
                options,
                workers=workers,
                to=to,
                steps=new,
                prior_result=steps / "dedup",
            )
        kept = np.load(new / "dedup" / "kept.npy")
        better = len((new / "dedup" / better_copies.FILE).read_text(encoding="utf-8").splitlines()) - 1
        counts = {"added": added, "added_kept": int((kept >= len(before)).sum()), "better_copies": better}
        _carry(steps, new, ("encoder", *earlier))
        for left_behind in [name] if added else [name, f"raw-{name}"]:  # its pictures are now in the set
            shutil.rmtree(new / left_behind, ignore_errors=True)
            forget(new / left_behind)
        for decided in ("images", "originals", "dedup", "gallery"):  # from the earlier result: no later run reuses them
            forget(new / decided)
        note_options(remembered_place(new / "raw-images") or source, options, new)
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
            f"--encoder {folder}: the earlier result was made with a different encoder; give the folder of that encoder"
        )
    return folder


def _compare(steps: Path, options: Options, side: int | None) -> None:
    """Refuse options that differ from those of the earlier result.

    Args:
        steps: folder of the earlier steps.
        options: the options of this run.
        side: side in pixels of the earlier pictures; None if the source is an image set.
    """
    if options.given and options.given.embeddings:
        raise BadParameters(
            "--append, --embeddings: after pictures are added, rows are not in key order; give --pairs instead"
        )
    earlier = files.read_json(steps / "pairs" / "pairs.json")
    mode = "given" if options.given else options.pairs.mode
    now: dict[str, Any] = {"mode": mode, "keep": options.remove.keep, "prefer": list(options.prefer)}
    then = {"mode": earlier["mode"], "prefer": [], **manifest.read_any(steps / "dedup")[1]["parameters"]}
    if mode == "near":
        now |= options.pairs.model_dump(exclude=_NOT_COMPARED)
        # Older results do not have these.
        then |= {"compare_side": SIDE, "local_features": False, "neighbours": 0, **earlier["parameters"]}
    if side is not None and not options.side_by_source:
        now |= {"side": options.squares.side}
        then |= {"side": side}
    for name, value in now.items():
        if then.get(name) != value:
            raise BadParameters(
                f"--append: {name} is {value}, but the earlier result was made with {then.get(name)}; {_SAME}"
            )


def _carry(steps: Path, new: Path, names: Iterable[str]) -> None:
    """Link or copy earlier steps to the new steps."""
    for name in names:
        if (steps / name).is_dir():
            take_over(steps / name, new)
