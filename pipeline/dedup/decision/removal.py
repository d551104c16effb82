"""Decide which pictures are kept: one of each group of equal pictures or copies, after verdicts and the keep policy."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field

from pipeline.core import files, params, progress
from pipeline.core.workspace import workspace
from pipeline.csv_text import encode_key
from pipeline.dedup.decision import manifest, mirrored_copies
from pipeline.dedup.decision.better_copies import FILE, better_copies_csv, find_better_copies
from pipeline.dedup.decision.detector_removals import REMOVALS
from pipeline.dedup.decision.groups import CannotLink, buckets_of, find_representatives, prefer_buckets
from pipeline.dedup.decision.keep_policy import KeepRule, better_by, rank
from pipeline.dedup.decision.prior_decisions import PriorDecisions, load_prior_decisions, no_prior_decisions, release
from pipeline.dedup.decision.verdicts import Verdict, not_duplicates, read_verdicts
from pipeline.dedup.encoder.codes import load_codes
from pipeline.dedup.encoder.encoder_input import flatten, to_32
from pipeline.dedup.pairs.classes_table import EXACT_ONLY, FLAT, SEVERAL_FRAMES, Classes, load_classes
from pipeline.dedup.pairs.decoys import estimate_false_mirrored, estimate_false_pairs
from pipeline.dedup.pairs.matches_table import NONE, Matches, load_matches
from pipeline.dedup.pairs.originals_table import load_originals
from pipeline.dedup.pairs.pairs_table import MIRRORED, PairsTable, load_pairs
from pipeline.imageset.format.image_set import Images, ImageSet, Rows

_BLOCK = 4096


class RemovalConfig(params.Section):
    """Section `dedup.SET.remove`."""

    keep: list[KeepRule] = Field(
        min_length=1,
        description="which of a group is kept; original: most likely the source of the others; first: in key order; "
        "largest: most source pixels; sharpest: most detail",
    )


def remove_duplicates(
    images_folder: Path,
    codes_folder: Path,
    pairs_folder: Path,
    verdicts_file: Path,
    parameters: RemovalConfig,
    to: Path,
    *,
    originals: Path | None = None,
    prefer: Sequence[str] = (),
    matches: Path | None = None,
    prior_result: Path | None = None,
) -> dict[str, Any]:
    """Decide which pictures are kept, and write the result; see `manifest` for the files. No picture is changed.

    The duplicates are read from `pairs_folder`: pictures with equal bytes, source pixels or squares, pictures with
    equal codes if the mode is `exact`, and the pairs. Verdicts and the keep policy decide which of them are kept.

    Args:
        images_folder: the image set.
        codes_folder: written by `hash_images` for this set.
        pairs_folder: written by `find_pairs` for this set.
        verdicts_file: a CSV file; see `verdicts`.
        parameters: the keep policy.
        to: folder to write.
        originals: written by `compare_sources` for this set and these pairs; needed for the keep rule `original`.
        prefer: patterns of keys, as of a shell; of a group, a picture whose key matches one is kept.
        matches: written by `find_matches` for this set; pictures that have a match are removed. None for no matches.
        prior_result: an earlier result of this function, for the first pictures of the set. Its kept pictures stay
            kept, its removed pictures stay removed for the same representative, and only the other pictures are
            decided. Verdicts can still restore pictures. New pictures that would have been kept instead of an earlier
            one are listed in `better_copies.csv`. None for no earlier result.

    Returns:
        The content of `summary.json`.

    Raises:
        MissingInput, CorruptData: one of the inputs is missing or damaged, or they do not belong together.
        BadParameters: the earlier result was made in another mode.
    """
    images = ImageSet(images_folder)
    codes, _ = load_codes(codes_folder, images)
    pairs, classes = load_pairs(pairs_folder, images), load_classes(pairs_folder, images)
    verdicts = read_verdicts(verdicts_file)
    prior = load_prior_decisions(prior_result, images, pairs.mode) if prior_result else no_prior_decisions(len(images))
    others = prior.with_matches(load_matches(matches, images) if matches else NONE)
    pairs_digest = files.sha256_file(pairs_folder / "pairs.parquet")
    compared = load_originals(originals, images, pairs_digest) if originals and "original" in parameters.keep else None
    made_from = {
        "schema_version": manifest.SCHEMA_VERSION,
        "detector": pairs.detector,
        "mode": pairs.mode,
        "images": images.digest,
        "codes": files.sha256_file(codes_folder / "codes.npy"),
        "pairs": pairs_digest,
        "classes": files.sha256_file(pairs_folder / "classes.parquet"),
        "parameters": parameters.model_dump() | ({"prefer": list(prefer)} if prefer else {}),
        "originals": compared.digest if compared else None,
        "verdicts": files.sha256_file(verdicts_file),
        "matches": files.sha256_file(matches / "matches.parquet") if matches else None,
        "prior_result": prior.digest,
    }
    with workspace(to, files.digest(made_from)) as work:
        if work is None:
            summary = dict(files.read_json(to / "summary.json"))
            _warn(summary)
            return summary
        labels = not_duplicates(removes_mirrored=pairs.removes_mirrored)
        others = _apply_verdicts_to_matches(others, images, verdicts, labels)
        ranks = rank(images, parameters.keep, compared, prefer)
        decided = _group_pictures(images, classes, pairs, others.rows, verdicts, ranks, prior)
        removals = _removals_table(images, codes, classes, pairs, decided.representatives)
        detected = removals
        if decided.detector_only is not decided.representatives:
            detected = _removals_table(images, codes, classes, pairs, decided.detector_only)
        table = manifest.build(images, codes, removals, detected, others)
        doubtful = _doubtful_pairs(pairs, table)
        kept = np.asarray(pc.not_equal(table.column("status"), "removed"))
        mirrored = mirrored_copies.find(images, classes, pairs, verdicts, decided.representatives, kept, ranks)
        summary = {
            **manifest.summarise(table),
            "mode": pairs.mode,
            "shared_layout_pairs": len(doubtful),
            "doubtful": len({row[name] for row in doubtful for name in ("key", "other_key")}),
            "mirrored": len({copy.row for copy in mirrored}),
            "flat_pictures": classes.count(FLAT),
            "several_frames": classes.count(SEVERAL_FRAMES),
            "zero_codes": int((~codes.any(axis=1)).sum()),
            "mixed_label_groups": manifest.count_mixed_label_groups(table, images),
            **_estimates(images, classes, pairs, verdicts, removals),
            "verdicts_used": decided.verdicts_used,
            "verdicts_ignored": len(verdicts) - decided.verdicts_used,
        }
        if prior_result:
            better = find_better_copies(decided.representatives, prior.representatives, ranks)
            of = decided.representatives[better]
            reasons = better_by(images, parameters.keep, compared, prefer, better, of)
            files.write_text(work.result / FILE, better_copies_csv(images, better, of, reasons))
        header = {name: made_from[name] for name in ("schema_version", "parameters", "detector", "mode", "images")}
        manifest.write(work.result, table, detected, doubtful, summary, header, images)
        files.write_text(work.result / mirrored_copies.FILE, mirrored_copies.csv_text(images, mirrored))
        files.write_text(work.result / "exact_only.csv", _exact_only_csv(classes, images))
        work.publish()
    _warn(summary)
    return summary


def _exact_only_csv(classes: Classes, images: ImageSet) -> str:
    """The pictures that are not searched for copies, with the reason."""
    rows = np.flatnonzero(~classes.searched).tolist()
    lines = [f"{encode_key(images.keys[row])},{EXACT_ONLY[classes.exact_only[row]]}\n" for row in rows]
    return "".join(["key,reason\n", *lines])


def _estimates(
    images: ImageSet, classes: Classes, pairs: PairsTable, verdicts: Sequence[Verdict], removals: pa.Table
) -> dict[str, Any]:
    """Estimate the numbers of false pairs and of false removals, with 95 % intervals.

    The pairs are those before verdicts apply. Mirrored matches that a verdict labels as mirrored copies are no decoys.

    Args:
        removals: the removed pictures, with the schema `REMOVALS`.
    """
    if pairs.matches is None:
        return {}
    labels: dict[frozenset[str], set[str]] = {}
    for verdict in verdicts:
        labels.setdefault(frozenset((verdict.sha256_a, verdict.sha256_b)), set()).add(verdict.label)

    def labels_of(table: pa.Table, *names: str) -> list[set[str]]:
        sides = (images.index.column("sha256").take(table.column(name)).to_pylist() for name in names)
        return [labels.get(frozenset(pair), set()) for pair in zip(*sides, strict=True)]

    judged = labels_of(pairs.matches, "left", "right")
    confirmed = sum("mirrored" in found for found in judged)
    unchanged = int((~pairs.mirrored).sum())
    figures = estimate_false_pairs(len(judged) - confirmed, unchanged, pairs.layout)
    removed = pc.sum(pc.equal(removals.column("reason"), pairs.reason)).as_py() or 0
    estimates = {
        "pairs": unchanged,
        "decoys": len(judged),
        "decoys_judged_mirrored": confirmed,
        **pairs.layout.figures(),
        **figures,
        **{
            name.replace("false_discovery_rate", "expected_false_removals"): round(removed * (share or 0.0), 4)
            for name, share in figures.items()
            if name.startswith("false_discovery_rate")
        },
    }
    if pairs.removes_mirrored:
        are_pairs = mirrored_copies.are_pairs(classes, pairs)
        judged = [found for found, is_pair in zip(judged, are_pairs, strict=True) if found and not is_pair]
        false = sum(not mirrored_copies.REJECTED.isdisjoint(found) for found in judged)
        of_mirrored = removals.filter(pc.equal(removals.column("reason"), MIRRORED))
        unjudged = labels_of(of_mirrored, "row", "representative").count(set())
        estimates |= {"mirrored_judged": len(judged), "mirrored_judged_false": false}
        estimates |= estimate_false_mirrored(len(judged), false, unjudged)
    return estimates


def _doubtful_pairs(pairs: PairsTable, table: pa.Table) -> list[dict[str, Any]]:
    """The doubtful pairs of which both pictures are kept: key, other_key and score of each."""
    keys, statuses = (table.column(name).to_pylist() for name in ("key", "status"))
    return [
        {"key": keys[row["left"]], "other_key": keys[row["right"]], "score": row["score"]}
        for row in pairs.doubtful.to_pylist()
        if "removed" not in (statuses[row["left"]], statuses[row["right"]])
    ]


def _warn(summary: dict[str, Any]) -> None:
    if summary["shared_layout_pairs"]:
        progress.warn(
            f"{summary['doubtful']:,} of {summary['pictures']:,} pictures share a layout (a form, a template, a "
            "background): without it they cannot be told from different pictures, so they are kept; see doubtful.csv"
        )
    for count, what in (
        ("flat_pictures", "have a single colour"),
        ("several_frames", "have several frames or pages"),
        ("zero_codes", "have a code without any bit set"),
    ):
        if summary[count]:
            progress.warn(
                f"{summary[count]:,} of {summary['pictures']:,} pictures {what}: they are removed only if their files "
                "or their source pixels are equal (exact_only.csv)"
            )
    if summary["mixed_label_groups"]:
        progress.warn(
            f"{summary['mixed_label_groups']:,} groups have pictures with different labels: see label and "
            "kept_label in removed.csv"
        )


@dataclass(frozen=True)
class _Decision:
    """Representatives of all rows.

    Attributes:
        representatives: int64 (n,), after verdicts.
        detector_only: int64 (n,), without verdicts.
        verdicts_used: number of verdicts on pictures of the set.
    """

    representatives: Rows
    detector_only: Rows
    verdicts_used: int


def _group_pictures(
    images: ImageSet,
    classes: Classes,
    pairs: PairsTable,
    excluded: Rows,
    verdicts: Sequence[Verdict],
    ranks: Rows,
    prior: PriorDecisions,
) -> _Decision:
    """Find the representatives of all pictures except those that are `excluded`, with and without the verdicts."""
    labels = not_duplicates(removes_mirrored=pairs.removes_mirrored)
    named = images.index.column("sha256").combine_chunks().dictionary_encode()  # verdicts refer to contents
    contents = np.asarray(named.indices, np.int64)
    content_of = {sha256: number for number, sha256 in enumerate(named.dictionary.to_pylist())}
    unchanged, mirrored = (
        [left for bucket in buckets if len(left := bucket[~np.isin(bucket, excluded)]) > 1]
        for buckets in _buckets(classes, pairs)
    )

    def are_any_of(sha256s: Iterable[str]) -> npt.NDArray[np.bool_]:
        return np.isin(contents, [content_of[sha256] for sha256 in sha256s if sha256 in content_of])

    def representatives(verdicts: Sequence[Verdict], decided: Rows) -> Rows:
        cannot_link = _cannot_link(verdicts, content_of, labels)
        decided = release(decided, contents, cannot_link)
        # Preferred even if the other picture of the verdict is not in the set: deduplicating the kept pictures again
        # must change nothing.
        preferred = are_any_of(v.keep for v in verdicts)
        first = np.empty(len(images), np.int64)
        first[np.lexsort((ranks, ~preferred, decided < 0))] = np.arange(len(images))
        found = find_representatives(first, unchanged + mirrored, contents, cannot_link, decided)
        if mirrored:
            found = prefer_buckets(found, first, unchanged, contents, cannot_link, decided)
        # A restored picture is kept, but represents no other picture. Otherwise, a picture that is a copy of it and of
        # no other kept picture would be removed in its place.
        restored = are_any_of(v.sha256_a for v in verdicts if v.always_keep)
        return np.where(restored, np.arange(len(images)), found)

    final = representatives(verdicts, prior.representatives)
    same = not verdicts and prior.detector_only is prior.representatives
    used = sum(v.sha256_a in content_of and (v.always_keep or v.sha256_b in content_of) for v in verdicts)
    return _Decision(final, final if same else representatives([], prior.detector_only), used)


def _removals_table(
    images: ImageSet, codes: npt.NDArray[np.uint8], classes: Classes, pairs: PairsTable, representatives: Rows
) -> pa.Table:
    """The removed pictures with their representatives and reasons, with the schema `REMOVALS`."""
    removed = np.flatnonzero(representatives != np.arange(len(images)))
    of = representatives[removed]
    reasons = _reasons(classes, pairs, removed, of)
    columns = [
        pa.array(removed, pa.int64()),
        pa.array(of, pa.int64()),
        pa.array(reasons, pa.string()),
        pa.array(np.bitwise_count(codes[removed] ^ codes[of]).sum(axis=1), pa.int16()),
        pa.array(similarity(images, removed, of, np.array(reasons) == MIRRORED), pa.float64(), from_pandas=True),
    ]
    return pa.Table.from_arrays(columns, schema=REMOVALS)


def _reasons(classes: Classes, pairs: PairsTable, rows: Rows, representatives: Rows) -> list[str]:
    """Why each row was removed for its representative.

    Earlier decisions stay when pictures are added, so it does not matter whether mirrored copies are removed now.
    """
    reasons = classes.reasons(rows, representatives, otherwise=pairs.reason)
    if pairs.matches is None:
        return reasons
    of_matches = mirrored_copies.class_pairs(classes, pairs.matches.column("left"), pairs.matches.column("right"))
    are_pairs = mirrored_copies.are_pairs(classes, pairs)
    mirrored = {match for match, is_pair in zip(of_matches, are_pairs, strict=True) if not is_pair}
    of_rows = mirrored_copies.class_pairs(classes, rows, representatives)
    return [MIRRORED if pair in mirrored else reason for pair, reason in zip(of_rows, reasons, strict=True)]


def _buckets(classes: Classes, pairs: PairsTable) -> tuple[list[Rows], list[Rows]]:
    """Buckets of duplicates: rows, any two of which may be removed for each other; a row may be in several buckets.

    Returns:
        The buckets of equal pictures and of pairs, and those of mirrored pairs.
    """
    kinds = [classes.bytes, classes.pixels, classes.squares]
    if pairs.mode == "exact" and classes.codes is not None:
        kinds.append(classes.codes)
    buckets = [bucket for ids in kinds for bucket in buckets_of(ids)]
    square_buckets = {int(bucket[0]): bucket for bucket in buckets_of(classes.squares)}

    def of_pairs(chosen: npt.NDArray[np.bool_]) -> list[Rows]:
        # Squares were compared, so a pair is valid for all pictures with the same square as one of its two.
        sides = [classes.squares[side[chosen]] for side in (pairs.left, pairs.right)]
        class_pairs = np.unique(np.sort(np.stack(sides, axis=1)), axis=0)
        return [
            np.concatenate([square_buckets.get(first, np.array([first])) for first in pair])
            for pair in class_pairs.tolist()
            if pair[0] != pair[1]
        ]

    return buckets + of_pairs(~pairs.mirrored), of_pairs(pairs.mirrored)


def _apply_verdicts_to_matches(
    others: Matches, images: ImageSet, verdicts: Sequence[Verdict], labels: Collection[str]
) -> Matches:
    """The matches, without those that verdicts label as no duplicates and those of pictures that are always kept."""
    contents = images.index.column("sha256").take(others.rows).to_pylist()
    always = {verdict.sha256_a for verdict in verdicts if verdict.always_keep}
    different = {frozenset((v.sha256_a, v.sha256_b)) for v in verdicts if v.label in labels}
    applies = [
        content not in always and frozenset((content, other)) not in different
        for content, other in zip(contents, others.contents, strict=True)
    ]
    return others.take(np.flatnonzero(applies))


def _cannot_link(verdicts: Sequence[Verdict], content_of: Mapping[str, int], labels: Collection[str]) -> CannotLink:
    """The pairs of contents that verdicts give one of the labels."""
    cannot_link: dict[int, set[int]] = {}
    for verdict in verdicts:
        if verdict.label in labels and {verdict.sha256_a, verdict.sha256_b} <= content_of.keys():
            a, b = content_of[verdict.sha256_a], content_of[verdict.sha256_b]
            cannot_link.setdefault(a, set()).add(b)
            cannot_link.setdefault(b, set()).add(a)
    return cannot_link


def similarity(images: ImageSet, rows: Rows, others: Rows, mirrored: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    """Normalised cross-correlation of pairs of grey pictures at 32×32.

    The sums are integers, and every CPU rounds square root, product and quotient correctly, so the result is equal on
    every machine.

    Args:
        images: the image set.
        rows, others: int64 (n,), the rows of the pairs.
        mirrored: bool (n,), which pairs are compared after one picture was mirrored.

    Returns:
        float64 (n,), -1..1 to four decimals; NaN if one picture has a constant luma.
    """
    found = np.empty(len(rows))
    for start in range(0, len(rows), _BLOCK):
        block = slice(start, start + _BLOCK)
        left, right = (images.read(chosen[block]) for chosen in (rows, others))
        left[mirrored[block]] = left[mirrored[block], :, ::-1]
        a, b = _grey(left), _grey(right)
        pixels = a.shape[1]
        together = pixels * (a * b).sum(axis=1) - a.sum(axis=1) * b.sum(axis=1)
        a_variance, b_variance = (pixels * (x * x).sum(axis=1) - x.sum(axis=1) ** 2 for x in (a, b))
        scale = np.sqrt(a_variance.astype(np.float64)) * np.sqrt(b_variance.astype(np.float64))
        found[block] = np.divide(together, scale, out=np.full(len(a), np.nan), where=scale > 0)
    return found.round(4)


def _grey(images: Images) -> npt.NDArray[np.int64]:
    """Luma (ITU-R BT.601) times 1000: int64 (n, 1024), 0..255,000."""
    weights = np.array([299, 587, 114])
    grey: npt.NDArray[np.int64] = (flatten(to_32(images)).reshape(len(images), 3, -1) * weights[:, None]).sum(axis=1)
    return grey
