"""Decide which pictures stay: one of each group of pictures that are equal, or that a search has found to be copies."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import Field

from pipeline import files, params, progress
from pipeline.dedup import manifest
from pipeline.dedup.codes import load_codes
from pipeline.dedup.equals import Equals, find_equals
from pipeline.dedup.groups import Apart, buckets_of, find_keepers
from pipeline.dedup.inputs import flatten, to_32
from pipeline.dedup.matches import NONE, Matches, load_matches
from pipeline.dedup.pairs import Found, load_pairs
from pipeline.dedup.ranking import Rule, rank
from pipeline.dedup.search import chance
from pipeline.dedup.verdicts import APART, Verdict, read_verdicts
from pipeline.imageset import Images, ImageSet, Rows

_BLOCK = 4096


class Remove(params.Section):
    """Section `dedup.SET.remove`."""

    keep: list[Rule] = Field(
        min_length=1,
        description="which of a group stays; first: in key order; largest: most source pixels; sharpest: most detail",
    )


def remove_duplicates(
    images_folder: Path,
    codes_folder: Path,
    pairs_folder: Path,
    verdicts_file: Path,
    parameters: Remove,
    to: Path,
    *,
    matches: Path | None = None,
) -> dict[str, Any]:
    """Decide which pictures stay, and write it down; see `manifest` for the files. No picture is touched.

    Duplicates are pictures of equal bytes, of equal pixels, those of equal codes where `pairs_folder` says `exact`, and
    the pairs that stand in it. Pictures of a single colour, and those whose code has no bit set, say too little to be
    called duplicates by code: they are removed for equal bytes or pixels only.

    Args:
        pairs_folder: what `pairs.find_pairs` wrote of the same pictures.
        matches: what `matches.find_matches` wrote of them: what stands in the other set is removed; None for none.

    Returns:
        What stands in `summary.json`.

    Raises:
        MissingInput, CorruptData: of the image set, the codes, the pairs or the verdicts.
    """
    images = ImageSet(images_folder)
    codes, _ = load_codes(codes_folder, images)
    found = load_pairs(pairs_folder, images)
    people = read_verdicts(verdicts_file)
    others = load_matches(matches, images) if matches else NONE
    made_from = {
        "schema_version": manifest.SCHEMA_VERSION,
        "detector": found.detector,
        "mode": found.mode,
        "images": images.digest,
        "codes": files.sha256_file(codes_folder / "codes.npy"),
        "pairs": files.sha256_file(pairs_folder / "pairs.parquet"),
        "parameters": parameters.model_dump(),
        "verdicts": files.sha256_file(verdicts_file),
        "matches": files.sha256_file(matches / "matches.parquet") if matches else None,
    }
    with files.workspace(to, files.digest(made_from)) as work:
        if work is None:
            return dict(files.read_json(to / "summary.json"))
        equal = find_equals(images, codes)
        others = _without_judged(others, images, people)
        decided = _decide(images, equal, found, others.rows, people, parameters)
        removed = np.flatnonzero(decided.keepers != np.arange(len(images)))
        reasons = equal.reasons(removed, decided.keepers[removed], otherwise=found.reason)
        table = manifest.build(
            images,
            codes,
            decided.keepers,
            restored=decided.restored,
            reasons=reasons,
            similarity=similarity(images, removed, decided.keepers[removed]),
            others=others,
        )
        summary = {
            **manifest.summarise(table),
            "mode": found.mode,
            "flat_pictures": int(equal.flat.sum()),
            "zero_codes": int(equal.zero.sum()),
            "unlike_labels": manifest.unlike_labels(table, images),
            **_chance(found, images, people, int(reasons.count(found.reason))),
            "verdicts_used": decided.used,
            "verdicts_ignored": len(people) - decided.used,
        }
        header = {name: made_from[name] for name in ("schema_version", "parameters", "detector", "mode", "images")}
        manifest.write(work.result, table, summary, header, images)
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
    keepers: Rows
    restored: npt.NDArray[np.bool_]
    used: int


def _decide(
    images: ImageSet, equal: Equals, found: Found, gone: Rows, people: Sequence[Verdict], parameters: Remove
) -> _Decision:
    """Group the pictures but those that are `gone`, and see what the verdicts changed."""
    sha256s = images.index.column("sha256").to_pylist()
    content_of = dict(zip(sha256s, equal.contents.tolist(), strict=True))
    known = [v for v in people if v.sha256_a in content_of and (v.always_keep or v.sha256_b in content_of)]
    buckets = _buckets(equal, found)
    if len(gone):
        buckets = [left for bucket in buckets if len(left := bucket[~np.isin(bucket, gone)]) > 1]

    ranks = rank(images, parameters.keep)

    def keepers(verdicts: Sequence[Verdict]) -> Rows:
        preferred = _marked(equal.contents, [content_of[v.keep] for v in verdicts if v.keep])
        always = _marked(equal.contents, [content_of[v.sha256_a] for v in verdicts if v.always_keep])
        first = np.empty(len(images), np.int64)
        first[np.lexsort((ranks, ~preferred))] = np.arange(len(images))
        return find_keepers(first, buckets, equal.contents, _apart(verdicts, content_of.__getitem__), always)

    rows = np.arange(len(images))
    final = keepers(known)
    restored = (final == rows) & (keepers([]) != rows) if known else np.zeros(len(images), bool)
    return _Decision(final, restored, len(known))


def _buckets(equal: Equals, found: Found) -> list[Rows]:
    """Rows any two of which may be removed for each other; a row may stand in several."""
    kinds = [equal.bytes, equal.pixels, *([equal.codes] if found.mode == "exact" else [])]
    buckets = [bucket for ids in kinds for bucket in buckets_of(ids)]
    same_pixels = {int(equal.pixels[bucket[0]]): bucket for bucket in buckets_of(equal.pixels)}
    # What was compared is pixels: a pair speaks for all pictures that have the same ones.
    buckets += [
        np.concatenate([same_pixels.get(int(equal.pixels[row]), np.array([row])) for row in pair])
        for pair in zip(found.left.tolist(), found.right.tolist(), strict=True)
    ]
    return buckets


def _without_judged(others: Matches, images: ImageSet, people: Sequence[Verdict]) -> Matches:
    """The matches but those that people judged apart, or whose picture is always kept."""
    contents = images.index.column("sha256").take(others.rows).to_pylist()
    always = {verdict.sha256_a for verdict in people if verdict.always_keep}
    apart = {frozenset((v.sha256_a, v.sha256_b)) for v in people if v.label in APART}
    stays = [
        content not in always and frozenset((content, other)) not in apart
        for content, other in zip(contents, others.contents, strict=True)
    ]
    return others.only(np.flatnonzero(stays))


def _marked(contents: Rows, chosen: Sequence[int]) -> npt.NDArray[np.bool_]:
    return np.isin(contents, np.array(chosen, np.int64))


def _apart(verdicts: Sequence[Verdict], content_of: Callable[[str], int]) -> Apart:
    apart: dict[int, set[int]] = {}
    for verdict in verdicts:
        if verdict.label in APART:
            a, b = content_of(verdict.sha256_a), content_of(verdict.sha256_b)
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
