"""Remove duplicates the paper's way: equal bytes, equal pixels, or equal codes; one of each group stays."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from pipeline import files, params, progress
from pipeline.dedup import manifest
from pipeline.dedup.codes import as_items, load_codes, to_32
from pipeline.dedup.groups import Apart, buckets_of, find_keepers
from pipeline.dedup.verdicts import APART, Verdict, read_verdicts
from pipeline.imageset import Images, ImageSet, Rows

_BLOCK = 4096


class Remove(params.Section):
    """Section `dedup.SET.remove`."""

    mode: Literal["exact"] = Field(description="what is a duplicate; exact: equal bytes, equal pixels or equal codes")
    keep: Literal["first"] = Field(description="which of a group stays; first: the first in key order")


def remove_duplicates(
    images_folder: Path, codes_folder: Path, verdicts_file: Path, parameters: Remove, to: Path
) -> dict[str, Any]:
    """Decide which pictures stay, and write it down; see `manifest` for the files. No picture is touched.

    Pictures of a single colour, and those whose code has no bit set, say too little to be called duplicates by code:
    they are removed for equal bytes or pixels only.

    Returns:
        What stands in `summary.json`.

    Raises:
        MissingInput, CorruptData: of the image set, the codes or the verdicts.
    """
    images = ImageSet(images_folder)
    codes, description = load_codes(codes_folder, images)
    people = read_verdicts(verdicts_file)
    detector = files.digest({"mode": parameters.mode, "encoder": description["encoder"]})
    made_from = {
        "schema_version": manifest.SCHEMA_VERSION,
        "detector": detector,
        "images": images.digest,
        "codes": files.sha256_file(codes_folder / "codes.npy"),
        "parameters": parameters.model_dump(),
        "verdicts": files.sha256_file(verdicts_file),
    }
    with files.workspace(to, files.digest(made_from)) as work:
        if work is None:
            return dict(files.read_json(to / "summary.json"))
        equal = find_equals(images, codes)
        decided = _decide(equal, images.index.column("sha256").to_pylist(), people)
        removed = np.flatnonzero(decided.keepers != np.arange(len(images)))
        table = manifest.build(
            images,
            codes,
            decided.keepers,
            restored=decided.restored,
            reasons=equal.reasons(removed, decided.keepers[removed]),
            similarity=similarity(images, removed, decided.keepers[removed]),
        )
        summary = {
            **manifest.summarise(table),
            "flat_pictures": int(equal.flat.sum()),
            "zero_codes": int(equal.zero.sum()),
            "verdicts_used": decided.used,
            "verdicts_ignored": len(people) - decided.used,
        }
        header = {name: made_from[name] for name in ("schema_version", "parameters", "detector", "images")}
        manifest.write(work.result, table, summary, header)
        work.publish()
    _warn(summary)
    return summary


def _warn(summary: dict[str, Any]) -> None:
    for count, what in (("flat_pictures", "have a single colour"), ("zero_codes", "have a code without any bit set")):
        if summary[count]:
            progress.warn(
                f"{summary[count]:,} of {summary['pictures']:,} pictures {what}: compared by bytes and pixels only"
            )


@dataclass(frozen=True)
class Equals:
    """What is equal to what: in each array of ids, int64 (n,), equal pictures have equal ids.

    Attributes:
        contents: equal source bytes.
        bytes: equal source bytes, and cut from the same place of them.
        pixels: equal stored pictures.
        codes: equal codes; a picture that codes say too little of has an id of its own.
        flat: bool (n,), pictures of a single colour.
        zero: bool (n,), pictures whose code has no bit set.
    """

    contents: Rows
    bytes: Rows
    pixels: Rows
    codes: Rows
    flat: npt.NDArray[np.bool_]
    zero: npt.NDArray[np.bool_]

    def reasons(self, rows: Rows, keepers: Rows) -> list[str]:
        """The strongest kind of equality that holds between each row and its keeper."""
        same_bytes, same_pixels = (ids[rows] == ids[keepers] for ids in (self.bytes, self.pixels))
        words: list[str] = np.where(
            same_bytes, "same_bytes", np.where(same_pixels, "same_pixels", "same_code")
        ).tolist()
        return words


def find_equals(images: ImageSet, codes: npt.NDArray[np.uint8]) -> Equals:
    """Find equal bytes, pixels and codes; memory grows by about a hundred bytes a picture."""
    count = len(images)
    flat = np.zeros(count, bool)
    digests = np.zeros((count, 16), np.uint8)
    with progress.bar("remove-duplicates", count) as advance:
        for start, block in images.blocks(_BLOCK):
            rows = slice(start, start + len(block))
            small = to_32(block).reshape(len(block), 3, -1)
            flat[rows] = (small.min(axis=2) == small.max(axis=2)).all(axis=1)
            joined = b"".join(hashlib.sha256(picture).digest()[:16] for picture in block)
            digests[rows] = np.frombuffer(joined, np.uint8).reshape(-1, 16)
            advance(len(block))
    zero = (codes == 0).all(axis=1)
    code_ids = _ids(as_items(codes))
    mute = flat | zero
    code_ids[mute] = count + np.arange(int(mute.sum()))
    contents = np.asarray(images.index.column("sha256").combine_chunks().dictionary_encode().indices, np.int64)
    boxes = images.index.column("box").to_pylist()
    cuts: dict[tuple[Any, ...], int] = {}
    same = np.array(
        [cuts.setdefault((c, *(b or ())), len(cuts)) for c, b in zip(contents.tolist(), boxes, strict=True)], np.int64
    )
    return Equals(contents, same, _ids(as_items(digests)), code_ids, flat, zero)


def _ids(items: npt.NDArray[Any]) -> Rows:
    return np.unique(items, return_inverse=True)[1].astype(np.int64)


@dataclass(frozen=True)
class _Decision:
    keepers: Rows
    restored: npt.NDArray[np.bool_]
    used: int


def _decide(equal: Equals, sha256s: Sequence[str], people: Sequence[Verdict]) -> _Decision:
    """Group the pictures, and see what the verdicts changed."""
    content_of = dict(zip(sha256s, equal.contents.tolist(), strict=True))
    known = [v for v in people if v.sha256_a in content_of and (v.always_keep or v.sha256_b in content_of)]
    count = len(equal.contents)
    buckets = [bucket for ids in (equal.bytes, equal.pixels, equal.codes) for bucket in buckets_of(ids)]

    def keepers(verdicts: Sequence[Verdict]) -> Rows:
        preferred = _marked(equal.contents, [content_of[v.keep] for v in verdicts if v.keep])
        always = _marked(equal.contents, [content_of[v.sha256_a] for v in verdicts if v.always_keep])
        ranks = np.empty(count, np.int64)
        ranks[np.lexsort((np.arange(count), ~preferred))] = np.arange(count)
        return find_keepers(ranks, buckets, equal.contents, _apart(verdicts, content_of.__getitem__), always)

    rows = np.arange(count)
    final = keepers(known)
    restored = (final == rows) & (keepers([]) != rows) if known else np.zeros(count, bool)
    return _Decision(final, restored, len(known))


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
    grey: npt.NDArray[np.int64] = (to_32(images).reshape(len(images), 3, -1) * weights[:, None]).sum(axis=1)
    return grey
