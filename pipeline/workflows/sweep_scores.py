"""What other thresholds would do: `dcgan dedup --sweep`. Nothing is decided."""

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pipeline.core import progress
from pipeline.core.errors import BadParameters
from pipeline.core.params import changed
from pipeline.core.workspace import resumable_steps
from pipeline.dedup.decision.keep_policy import KeepRule
from pipeline.dedup.decision.removal import RemovalConfig
from pipeline.dedup.decision.verdicts import write_verdicts
from pipeline.dedup.encoder.codes import hash_images
from pipeline.dedup.search.find_pairs import find_pairs
from pipeline.workflows.deduplicate import Options, check_inputs, differences, encode, own, search_and_remove

SCORES = (0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0)
"""Thresholds that are tried besides the one of the options. At 0 a pair is as likely a copy as not."""

_DECIDING = ("--score", "--keep", "--prefer", "--verdicts", "--against", "--drop-matches", "pairs.near_miss_margin")
"""Options that have no influence on the steps that a sweep shares with a result."""


def sweep_scores(
    source: Path, options: Options, *, workers: int, to: Path, scores: Sequence[float] = SCORES
) -> dict[str, Any]:
    """Count pairs, removals and estimated errors for several thresholds (`score`).

    The steps up to the search are kept in `to`, so that `deduplicate` with one of the thresholds only has to decide.
    Verdicts apply. A finished result in `to` does not change.

    Args:
        source, options, workers, to: as for `deduplicate`.
        scores: the thresholds to try.

    Returns:
        `pictures`; `score`, the threshold of the options; `kept`, the keep policy that was applied, without the rule
        `original`, for which the sources of all pairs would have to be compared for each threshold; `sweep`: for each
        threshold, in increasing order, `score`, `pairs`, `doubtful` (pictures that are kept because they share a
        layout), `removed` (pictures; as many as a run with this threshold and the policy `kept` removes),
        `removed_by_pairs` (those that are no exact copies), and `expected_false_removals`, also with `_low` and `_high`
        for its 95 % interval.

    Raises:
        BadParameters: there are no scores (mode exact, or pairs of another program), or the result in `to` was made
            with other options.
        MissingInput, CorruptData, PipelineError: raised by a step.
    """
    if options.given or options.pairs.mode != "near":
        raise BadParameters("--sweep: expected --mode near and no --pairs or --embeddings; only this search has scores")
    check_inputs(source, options, to)
    own(to)
    steps = to / "steps"
    if other := [text for text in differences(source, options, steps) if not text.startswith(_DECIDING)]:
        raise BadParameters(
            f"--to {to}: its result was made with other options: {'; '.join(other)}; give these, or another --to"
        )
    rows = []
    with resumable_steps(steps), tempfile.TemporaryDirectory(dir=steps, prefix=".sweep-") as folder:
        trial = Path(folder)
        images, encoder = encode(source, options, workers=workers, steps=steps)
        hash_images(images, encoder, steps / "codes", workers=workers)
        verdicts = options.verdicts or to / "verdicts.csv"
        if not verdicts.exists():
            verdicts = trial / "verdicts.csv"
            write_verdicts(verdicts, [])
        find_pairs(
            *(images, steps / "codes", encoder, options.pairs),
            workers=workers,
            to=trial / "pairs",
            scored=steps / "scored",
        )
        applied = replace(options, remove=RemovalConfig(keep=_without_original(options)))
        if not options.drop_matches:
            applied = replace(applied, against=None)
        figures = ("pairs", "doubtful", "removed", *(f"expected_false_removals{end}" for end in ("", "_low", "_high")))
        tried = sorted({*scores, options.pairs.score})
        with progress.bar("try scores", len(tried), unit="scores") as advance:
            for score in tried:
                with progress.silenced():
                    summary, _ = search_and_remove(
                        *(images, encoder, [steps / "raw-images"]),
                        replace(applied, pairs=changed(options.pairs, {"score": score}, "--sweep")),
                        verdicts,
                        workers=workers,
                        steps=steps,
                        to=trial,
                    )
                counts = {"removed_by_pairs": summary["by_reason"]["near_code"]}
                rows.append({"score": score, **counts, **{name: summary[name] for name in figures}})
                advance(1)
    kept = applied.remove.keep
    return {"pictures": summary["pictures"], "score": options.pairs.score, "kept": kept, "sweep": rows}


def _without_original(options: Options) -> list[KeepRule]:
    return [rule for rule in options.remove.keep if rule != "original"] or ["largest"]


def table_of(found: dict[str, Any]) -> str:
    """The result of `sweep_scores` as lines for people; `*` marks the threshold of the options."""
    lines = [
        f"{'score':>7}{'pairs':>10}{'doubtful':>10}{'removed':>10}{'near copies':>13}  of these wrong, by chance (95 %)"
    ]
    for row in found["sweep"]:
        low, expected, high = (row[f"expected_false_removals{end}"] for end in ("_low", "", "_high"))
        mark = "*" if row["score"] == found["score"] else " "
        lines.append(
            f"{row['score']:>6g}{mark}{row['pairs']:>10,}{row['doubtful']:>10,}{row['removed']:>10,}"
            f"{row['removed_by_pairs']:>13,}  {expected:,.1f} ({low:,.1f} to {high:,.1f})"
        )
    lines.append(
        f"The counts are those of --keep {' '.join(found['kept'])}; sources are not compared here. With --keep "
        "original, other pictures of the groups may be kept, and the counts can differ a little."
    )
    return "\n".join(lines)
