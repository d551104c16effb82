"""Decide which pictures stay: one of each group of pictures that are equal, or that a search has found to be copies."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pydantic import Field

from pipeline.core import files, params, progress
from pipeline.core.workspace import workspace
from pipeline.dedup.decision import manifest
from pipeline.dedup.decision.detector_removals import REMOVALS
from pipeline.dedup.decision.groups import CannotLink, buckets_of, find_representatives
from pipeline.dedup.decision.keep_policy import KeepRule, rank
from pipeline.dedup.decision.prior_decisions import PriorDecisions, load_prior_decisions, no_prior_decisions, release
from pipeline.dedup.decision.verdicts import NOT_DUPLICATES, Verdict, read_verdicts
from pipeline.dedup.encoder.codes import load_codes
from pipeline.dedup.encoder.encoder_input import flatten, to_32
from pipeline.dedup.pairs.classes_table import Classes, load_classes
from pipeline.dedup.pairs.decoys import chance
from pipeline.dedup.pairs.matches_table import NONE, Matches, load_matches
from pipeline.dedup.pairs.pairs_table import Found, load_pairs
from pipeline.imageset.format.image_set import Images, ImageSet, Rows

_BLOCK = 4096


class RemovalConfig(params.Section):
    """Section `dedup.SET.remove`."""

    keep: list[KeepRule] = Field(
        min_length=1,
        description="which of a group stays; first: in key order; largest: most source pixels; sharpest: most detail",
    )


def remove_duplicates(
    images_folder: Path,
    codes_folder: Path,
    pairs_folder: Path,
    verdicts_file: Path,
    parameters: RemovalConfig,
    to: Path,
    *,
    matches: Path | None = None,
    standing: Path | None = None,
) -> dict[str, Any]:
    """Decide which pictures stay, and write it down; see `manifest` for the files. No picture is touched.

    Which pictures are duplicates stands in `pairs_folder`: those of one class of equal bytes or pixels, those of one
    class of equal codes where the mode is `exact`, and the pairs. Here verdicts and the keep policy decide which of
    them stay.

    Args:
        pairs_folder: what `pairs.find_pairs` wrote of the same pictures.
        matches: what `matches.find_matches` wrote of them: what stands in the other set is removed; None for none.
        standing: an earlier result of this function, of the pictures that the set began with: whom it kept stays, whom
            it removed stays removed for the same picture, and only the others are decided on. Verdicts act all the
            same: they bring pictures back. None for no earlier result.

    Returns:
        What stands in `summary.json`.

    Raises:
        MissingInput, CorruptData: of the image set, the codes, the pairs, the verdicts or the earlier result.
        BadParameters: the earlier result was made in another mode.
    """
    images = ImageSet(images_folder)
    codes, _ = load_codes(codes_folder, images)
    found, equal = load_pairs(pairs_folder, images), load_classes(pairs_folder, images)
    people = read_verdicts(verdicts_file)
    before = load_prior_decisions(standing, images, found.mode) if standing else no_prior_decisions(len(images))
    others = before.with_matches(load_matches(matches, images) if matches else NONE)
    made_from = {
        "schema_version": manifest.SCHEMA_VERSION,
        "detector": found.detector,
        "mode": found.mode,
        "images": images.digest,
        "codes": files.sha256_file(codes_folder / "codes.npy"),
        "pairs": files.sha256_file(pairs_folder / "pairs.parquet"),
        "classes": files.sha256_file(pairs_folder / "classes.parquet"),
        "parameters": parameters.model_dump(),
        "verdicts": files.sha256_file(verdicts_file),
        "matches": files.sha256_file(matches / "matches.parquet") if matches else None,
        "standing": before.digest,
    }
    with workspace(to, files.digest(made_from)) as work:
        if work is None:
            return dict(files.read_json(to / "summary.json"))
        others = _without_judged(others, images, people)
        decided = _decide(images, equal, found, others.rows, people, parameters, before)
        removals = _tell(images, codes, equal, found, decided.keepers)
        alone = removals if decided.alone is decided.keepers else _tell(images, codes, equal, found, decided.alone)
        table = manifest.build(images, codes, removals, alone, others)
        summary = {
            **manifest.summarise(table),
            "mode": found.mode,
            "flat_pictures": int(equal.flat.sum()),
            "zero_codes": int((~codes.any(axis=1)).sum()),
            "unlike_labels": manifest.unlike_labels(table, images),
            **_chance(found, images, people, removals.column("reason").to_pylist().count(found.reason)),
            "verdicts_used": decided.used,
            "verdicts_ignored": len(people) - decided.used,
        }
        header = {name: made_from[name] for name in ("schema_version", "parameters", "detector", "mode", "images")}
        manifest.write(work.result, table, alone, summary, header, images)
        work.publish()
    _warn(summary)
    return summary


def _chance(found: Found, images: ImageSet, people: Sequence[Verdict], removed: int) -> dict[str, Any]:
    """What the decoys say of the pairs before verdicts acted: how many of them chance explains, with 95 % intervals.

    A decoy that people judged to be a mirrored copy is none.

    Args:
        removed: pictures that were removed because of a pair.
    """
    if found.decoys is None:
        return {}
    judged = {frozenset((v.sha256_a, v.sha256_b)) for v in people if v.label == "mirrored"}
    contents = [images.index.column("sha256").take(rows).to_pylist() for rows in found.decoys]
    mirrored = sum(frozenset(pair) in judged for pair in zip(*contents, strict=True))
    pairs = len(found.left)
    figures = chance(len(contents[0]) - mirrored, pairs)
    removals = {
        name.replace("false_discovery_rate", "expected_false_removals"): round(removed * (share or 0.0), 4)
        for name, share in figures.items()
        if name.startswith("false_discovery_rate")
    }
    return {
        "pairs": pairs,
        "decoys": len(contents[0]),
        "decoys_judged_mirrored": mirrored,
        **figures,
        **removals,
    }


def _warn(summary: dict[str, Any]) -> None:
    for count, what in (("flat_pictures", "have a single colour"), ("zero_codes", "have a code without any bit set")):
        if summary[count]:
            progress.warn(
                f"{summary[count]:,} of {summary['pictures']:,} pictures {what}: compared by bytes and pixels only"
            )
    if summary["unlike_labels"]:
        progress.warn(
            f"{summary['unlike_labels']:,} groups hold unlike labels: see label and kept_label in removed.csv"
        )


@dataclass(frozen=True)
class _Decision:
    """Who stands for each row; who would, had nobody judged; and how many verdicts are about pictures of the set."""

    keepers: Rows
    alone: Rows
    used: int


def _decide(
    images: ImageSet,
    equal: Classes,
    found: Found,
    gone: Rows,
    people: Sequence[Verdict],
    parameters: RemovalConfig,
    before: PriorDecisions,
) -> _Decision:
    """Group the pictures but those that are `gone`, and see what the verdicts changed."""
    named = images.index.column("sha256").combine_chunks().dictionary_encode()  # verdicts name contents
    contents = np.asarray(named.indices, np.int64)
    content_of = {sha256: number for number, sha256 in enumerate(named.dictionary.to_pylist())}
    buckets = _buckets(equal, found)
    if len(gone):
        buckets = [left for bucket in buckets if len(left := bucket[~np.isin(bucket, gone)]) > 1]

    ranks = rank(images, parameters.keep)

    def are_any_of(sha256s: Iterable[str]) -> npt.NDArray[np.bool_]:
        return np.isin(contents, [content_of[sha256] for sha256 in sha256s if sha256 in content_of])

    def keepers(verdicts: Sequence[Verdict], stands: Rows) -> Rows:
        apart = _apart(verdicts, content_of)
        stands = release(stands, contents, apart)
        # A picture is preferred also where the other of the two is gone: what was kept stays so in a set of its own.
        preferred = are_any_of(v.keep for v in verdicts)
        first = np.empty(len(images), np.int64)
        first[np.lexsort((ranks, ~preferred, stands < 0))] = np.arange(len(images))
        alone = find_representatives(first, buckets, contents, apart, stands)
        # Who comes back takes nobody's place: else a picture near it, but near no keeper, would go instead.
        back = are_any_of(v.sha256_a for v in verdicts if v.always_keep)
        return np.where(back, np.arange(len(images)), alone)

    final = keepers(people, before.keepers)
    same = not people and before.alone is before.keepers
    used = sum(v.sha256_a in content_of and (v.always_keep or v.sha256_b in content_of) for v in people)
    return _Decision(final, final if same else keepers([], before.alone), used)


def _tell(images: ImageSet, codes: npt.NDArray[np.uint8], equal: Classes, found: Found, keepers: Rows) -> pa.Table:
    """Who is removed for whom, and why, as `REMOVALS`."""
    removed = np.flatnonzero(keepers != np.arange(len(images)))
    of = keepers[removed]
    columns = [
        pa.array(removed, pa.int64()),
        pa.array(of, pa.int64()),
        pa.array(equal.reasons(removed, of, otherwise=found.reason), pa.string()),
        pa.array(np.bitwise_count(codes[removed] ^ codes[of]).sum(axis=1), pa.int16()),
        pa.array(similarity(images, removed, of), pa.float64(), from_pandas=True),
    ]
    return pa.Table.from_arrays(columns, schema=REMOVALS)


def _buckets(equal: Classes, found: Found) -> list[Rows]:
    """Rows any two of which may be removed for each other; a row may stand in several."""
    kinds = [equal.bytes, equal.pixels]
    if found.mode == "exact" and equal.codes is not None:
        kinds.append(equal.codes)
    buckets = [bucket for ids in kinds for bucket in buckets_of(ids)]
    same_pixels = {int(bucket[0]): bucket for bucket in buckets_of(equal.pixels)}
    # What was compared is pixels: a pair speaks for all pictures that have the same ones.
    pairs = np.unique(np.sort(np.stack([equal.pixels[found.left], equal.pixels[found.right]], axis=1)), axis=0)
    buckets += [
        np.concatenate([same_pixels.get(first, np.array([first])) for first in pair])
        for pair in pairs.tolist()
        if pair[0] != pair[1]
    ]
    return buckets


def _without_judged(others: Matches, images: ImageSet, people: Sequence[Verdict]) -> Matches:
    """The matches but those that people judged apart, or whose picture is always kept."""
    contents = images.index.column("sha256").take(others.rows).to_pylist()
    always = {verdict.sha256_a for verdict in people if verdict.always_keep}
    apart = {frozenset((v.sha256_a, v.sha256_b)) for v in people if v.label in NOT_DUPLICATES}
    stays = [
        content not in always and frozenset((content, other)) not in apart
        for content, other in zip(contents, others.contents, strict=True)
    ]
    return others.only(np.flatnonzero(stays))


def _apart(verdicts: Sequence[Verdict], content_of: Mapping[str, int]) -> CannotLink:
    apart: dict[int, set[int]] = {}
    for verdict in verdicts:
        if verdict.label in NOT_DUPLICATES and {verdict.sha256_a, verdict.sha256_b} <= content_of.keys():
            a, b = content_of[verdict.sha256_a], content_of[verdict.sha256_b]
            apart.setdefault(a, set()).add(b)
            apart.setdefault(b, set()).add(a)
    return apart


def similarity(images: ImageSet, rows: Rows, others: Rows) -> npt.NDArray[np.float64]:
    """Normalised cross-correlation of pairs of 32×32 grey pictures, -1..1 to four decimals; NaN where one is even.

    The sums are whole numbers, and square root, product and quotient are correctly rounded everywhere, so the result is
    the same on every processor.
    """
    found = np.empty(len(rows))
    for start in range(0, len(rows), _BLOCK):
        block = slice(start, start + _BLOCK)
        a, b = (_grey(images.read(chosen[block])) for chosen in (rows, others))
        pixels = a.shape[1]
        together = pixels * (a * b).sum(axis=1) - a.sum(axis=1) * b.sum(axis=1)
        a_alone, b_alone = (pixels * (x * x).sum(axis=1) - x.sum(axis=1) ** 2 for x in (a, b))
        scale = np.sqrt(a_alone.astype(np.float64)) * np.sqrt(b_alone.astype(np.float64))
        found[block] = np.divide(together, scale, out=np.full(len(a), np.nan), where=scale > 0)
    return found.round(4)


def _grey(images: Images) -> npt.NDArray[np.int64]:
    """Luma (ITU-R BT.601) times 1000: int64 (n, 1024), 0..255,000."""
    weights = np.array([299, 587, 114])
    grey: npt.NDArray[np.int64] = (flatten(to_32(images)).reshape(len(images), 3, -1) * weights[:, None]).sum(axis=1)
    return grey
