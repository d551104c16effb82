"""Find the duplicates of a source: the function that `dcgan dedup` runs and that notebooks can call."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa

from pipeline.core import engine
from pipeline.core.params import default_profile
from pipeline.dedup.decision import manifest
from pipeline.imageset.format.image_set import ImageSet, Rows
from pipeline.imageset.format.kept_rows import load_kept
from pipeline.workflows.append_pictures import add
from pipeline.workflows.deduplicate import Labels, Options, deduplicate, images_of, read_options


@dataclass(frozen=True)
class Duplicates:
    """The result of `find_duplicates`.

    Attributes:
        folder: folder of the result, with `manifest.parquet`, `removed.csv`, `kept.txt`, `gallery.html` and more.
        summary: counts, as in `summary.json`.
    """

    folder: Path
    summary: dict[str, Any] = field(repr=False)

    @cached_property
    def table(self) -> pa.Table:
        """The manifest: one row per picture, in the order of `images`; columns: key, status, group, reason and more."""
        return manifest.read_any(self.folder / "steps" / "dedup")[0]

    @cached_property
    def images(self) -> ImageSet:
        """All pictures, kept and removed."""
        return ImageSet(images_of(self.folder / "steps"))

    @cached_property
    def kept(self) -> Rows:
        """The rows of the kept pictures: int64 (n,), ascending."""
        return load_kept(self.folder / "kept.npy", len(self.table))

    @property
    def kept_keys(self) -> list[str]:
        """The keys of the kept pictures, in row order."""
        return [str(key) for key in self.table.column("key").take(self.kept).to_pylist()]

    @cached_property
    def groups(self) -> list[list[str]]:
        """For each group of copies, the list of the keys of its pictures; kept pictures come first."""
        members = defaultdict[int, list[str]](list)
        kept = set[str]()
        for row in self.table.select(["key", "group", "kept_key"]).to_pylist():
            if row["group"] is not None:
                members[row["group"]].append(row["key"])
                kept.add(row["kept_key"])
        return [sorted(members[group], key=lambda key: key not in kept) for group in sorted(members)]

    def __repr__(self) -> str:
        counts = self.summary
        return (
            f"Duplicates({str(self.folder)!r}: {counts['kept']:,} of {counts['pictures']:,} pictures kept, "
            f"{counts['removed']:,} removed, {counts['groups']:,} groups)"
        )


def find_duplicates(
    source: str | Path,
    to: str | Path,
    *,
    mode: Literal["near", "exact"] | None = None,
    keep: Sequence[str] | None = None,
    prefer: Sequence[str] = (),
    radius: int | None = None,
    score: float | None = None,
    mirrored: Literal["list", "remove"] | None = None,
    compare_side: Literal[32, 64, 128, "auto"] | None = None,
    local_features: bool | None = None,
    neighbours: int | None = None,
    side: int | None = None,
    max_bad: float = 0.5,
    keep_damaged: bool = False,
    encoder: str | Path | None = None,
    against: str | Path | None = None,
    drop_matches: bool = False,
    pairs: str | Path | None = None,
    embeddings: str | Path | None = None,
    cosine: float = 0.95,
    verdicts: str | Path | None = None,
    labels: Labels = "source",
    append: bool = False,
    seed: int = 1,
    workers: int | None = None,
    profile: str | Path | None = None,
    set_name: str = "lsun",
) -> Duplicates:
    """Find the duplicates of a source and write which pictures are kept; the source is only read.

    Args:
        source: a folder, zip, tar, compressed tar, tar of tars, LMDB or parquet file of pictures, or an image set.
        to: a new folder for the result, or the folder of an earlier result.
        mode: criterion for copies. `near`: similar codes and matching pixels; `exact`: equal codes, as in the paper.
        keep: rules for which picture of a group is kept: `original`, `first`, `largest`, `sharpest`; each rule decides
            ties of the rules before it.
        prefer: patterns of keys, such as `camera/*`; of a group, a picture whose key matches one is kept.
        radius: maximum number of bits, 0 to 15, in which the codes of compared pictures differ.
        score: minimum score of a pair of copies, in log odds.
        mirrored: what happens to mirrored copies. `list`: they are kept and listed in `mirrored.csv`; `remove`: they
        compare_side: side in pixels at which pairs are compared: 32, 64, 128, or `auto` for the largest one at which
            both pictures have detail.
        local_features: whether to find pictures that show a part of another one.
        neighbours: with how many pictures, the most similar for EfficientNet-Lite0, each picture is also compared;
            needs the extra `embeddings`.
        side: side in pixels of the squares to which pictures are cropped; at least `compare_side`. If both are None,
            32, 64 or 128, whichever most of the sources have.
        max_bad: largest share of unreadable pictures, 0 to 1; they are listed in the image set.
        keep_damaged: whether corrupt JPEGs are decoded as far as possible; otherwise they count as unreadable.
        encoder: folder of a trained autoencoder; if None, one is trained on the pictures.
        against: another source; pictures that also occur in it are listed in `matches.csv`.
        drop_matches: whether pictures that also occur in `against` are removed.
        pairs: CSV or parquet file of pairs of keys that another program found; they replace the search.
        embeddings: `.npy` file with one embedding per row, for the pictures in key order; pairs are found by their
            cosine similarity instead of the search.
        cosine: minimum cosine similarity between the embeddings of copies.
        verdicts: CSV file of people's verdicts; if None, `verdicts.csv` in `to`.
        labels: labels for the warning about groups with several labels: those that the source itself has (`source`),
            or also the names of the pictures' folders (`folders`).
        append: whether the pictures are added to the earlier result in `to`; pictures that were kept stay kept.
        seed: root seed.
        workers: number of processes; if None, `DCGAN_JOBS`, else the number of CPUs. It has no influence on results.
        profile: YAML file with the values of arguments that are None; if None, the workstation profile.
        set_name: name of the set in the profile.

    Raises:
        PipelineError: a file is missing or damaged, an option is out of range, or options contradict each other.
    """
    options = options_of(
        mode=mode,
        keep=keep,
        prefer=prefer,
        radius=radius,
        score=score,
        mirrored=mirrored,
        compare_side=compare_side,
        local_features=local_features,
        neighbours=neighbours,
        side=side,
        max_bad=max_bad,
        keep_damaged=keep_damaged,
        encoder=encoder,
        against=against,
        drop_matches=drop_matches,
        pairs=pairs,
        embeddings=embeddings,
        cosine=cosine,
        verdicts=verdicts,
        labels=labels,
        seed=seed,
        profile=profile,
        set_name=set_name,
    )
    run = add if append else deduplicate
    summary = run(Path(source), options, workers=workers or engine.default_workers(), to=Path(to))
    return Duplicates(Path(to), summary)


def options_of(
    *,
    mode: Literal["near", "exact"] | None = None,
    keep: Sequence[str] | None = None,
    prefer: Sequence[str] = (),
    radius: int | None = None,
    score: float | None = None,
    mirrored: Literal["list", "remove"] | None = None,
    compare_side: Literal[32, 64, 128, "auto"] | None = None,
    local_features: bool | None = None,
    neighbours: int | None = None,
    side: int | None = None,
    max_bad: float = 0.5,
    keep_damaged: bool = False,
    encoder: str | Path | None = None,
    against: str | Path | None = None,
    drop_matches: bool = False,
    pairs: str | Path | None = None,
    embeddings: str | Path | None = None,
    cosine: float = 0.95,
    verdicts: str | Path | None = None,
    labels: Labels = "source",
    seed: int = 1,
    profile: str | Path | None = None,
    set_name: str = "lsun",
) -> Options:
    """The options that arguments of `find_duplicates` stand for; see there."""
    return read_options(
        Path(profile) if profile else default_profile(),
        set_name,
        {
            "pairs": {
                "mode": mode,
                "radius": radius,
                "score": score,
                "mirrored": mirrored,
                "compare_side": compare_side,
                "local_features": local_features,
                "neighbours": neighbours,
            },
            "remove": {"keep": list(keep) if keep else None},
            "squares": {"side": side, "max_bad": max_bad, "keep_damaged": keep_damaged or None},
        },
        given=(_path(pairs), _path(embeddings), cosine),
        encoder=_path(encoder),
        against=_path(against),
        drop_matches=drop_matches,
        prefer=tuple(prefer),
        verdicts=_path(verdicts),
        labels=labels,
        seed=seed,
    )


def _path(path: str | Path | None) -> Path | None:
    return Path(path) if path else None
