"""All steps of deduplication in one call: `dcgan dedup`.

Each step has a folder in `steps/` with the same files as the output of the corresponding stage. An interrupted run
continues after the last finished step. The files that people read are hard links in the folder of the result, or copies
if the file system has no hard links.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from pipeline.acquire.archives.acquire import describe_source
from pipeline.audit.audit_duplicates import AuditConfig, audit_duplicates
from pipeline.core import engine, files, progress
from pipeline.core.errors import BadParameters, MissingInput
from pipeline.core.params import changed, load_section
from pipeline.core.workspace import resumable_steps, workspace
from pipeline.dedup.decision import manifest
from pipeline.dedup.decision.removal import RemovalConfig, remove_duplicates
from pipeline.dedup.decision.verdicts import write_verdicts
from pipeline.dedup.encoder.autoencoder import AutoencoderConfig
from pipeline.dedup.encoder.codes import hash_images
from pipeline.dedup.originals.compare_sources import Location, compare_sources
from pipeline.dedup.search.cross_set_matches import find_matches
from pipeline.dedup.search.external_pairs import ExternalPairs, load_external_pairs
from pipeline.dedup.search.find_pairs import find_pairs
from pipeline.dedup.search.pair_search import PairSearchConfig, check_side, compile_ahead
from pipeline.imageset.append import ALREADY_THERE
from pipeline.imageset.format.image_set import ImageSet
from pipeline.prepare.squares import SquaresConfig, make_squares

STEPS_OF_TRAINING = 600
"""Approximate number of training steps of the autoencoder. With twice as many, the recall for each transform in
CIFAR-10 differs by less than 0.7 percentage points."""

MOST_EPOCHS = 200
"""Maximum number of epochs. Because of it, the autoencoder is trained for fewer steps on small sets."""

PLACE = "place.json"
"""Name of the file with the path of the source, in the raw folder of a source that is an image set."""

SHOWN = {
    "dedup": (
        *("manifest.parquet", "removed.csv", "doubtful.csv", "better_copies.csv", "exact_only.csv"),
        *("kept.txt", "kept.npy", "summary.json"),
    ),
    "gallery": ("gallery.html",),
    "matches": ("matches.csv",),
}
"""Step -> files of the step that are linked in the folder of the result, if they exist: `matches` only with another
source, `better_copies.csv` only after `--append`."""


@dataclass(frozen=True)
class Options:
    """How pictures are deduplicated.

    Attributes:
        squares: parameters of resizing and cropping.
        autoencoder: parameters of the encoder's training, except the number of epochs, which depends on the number of
            pictures.
        pairs, remove, audit: parameters of these steps; see their classes.
        encoder: folder of a trained encoder; None to train one.
        given: pairs or embeddings that replace the search; None to search.
        against: another source to compare with, or None.
        drop_matches: whether pictures that occur in the other source are removed.
        prefer: patterns of the keys of pictures that are kept before others; see `remove_duplicates`.
        verdicts: CSV file of people's verdicts; None for `verdicts.csv` in the folder of the result.
        seed: root seed.
    """

    squares: SquaresConfig
    autoencoder: AutoencoderConfig
    pairs: PairSearchConfig
    remove: RemovalConfig
    audit: AuditConfig
    encoder: Path | None = None
    given: ExternalPairs | None = None
    against: Path | None = None
    drop_matches: bool = False
    prefer: tuple[str, ...] = ()
    verdicts: Path | None = None
    seed: int = 1


def read_options(
    profile: Path,
    name: str,
    changes: Mapping[str, Mapping[str, Any]],
    *,
    given: tuple[Path | None, Path | None, float] = (None, None, 0.95),
    **others: Any,
) -> Options:
    """Options from the sections of a set in a profile, with some values changed.

    Args:
        changes: section (`squares`, `pairs`, `remove`) -> key -> new value; None keeps the value of the profile.
        given: file of pairs, file of embeddings, and minimum cosine similarity; see `ExternalPairs`.
        others: further attributes of `Options`.

    Raises:
        MissingInput, BadParameters: the profile is missing or wrong, or options contradict each other.
    """
    sections: dict[str, Any] = {
        "squares": load_section(profile, f"prepare.{name}", SquaresConfig),
        "autoencoder": load_section(profile, f"dedup.{name}.autoencoder", AutoencoderConfig),
        "pairs": load_section(profile, f"dedup.{name}.pairs", PairSearchConfig),
        "remove": load_section(profile, f"dedup.{name}.remove", RemovalConfig),
        "audit": load_section(profile, f"audit.{name}", AuditConfig),
    }
    for section, values in changes.items():
        wanted = {key: value for key, value in values.items() if value is not None}
        sections[section] = changed(sections[section], wanted, "options")
    sections["squares"] = _large_enough(sections["squares"], sections["pairs"], changes)
    # Each mode has its own kind of codes: those of the paper, or codes that are similar for near-duplicates.
    exact = sections["pairs"].mode == "exact"
    kind = {"input": "pixels", "bits": "active"} if exact else {"input": "normalised", "bits": "balanced"}
    sections["autoencoder"] = sections["autoencoder"].model_copy(update=kind)
    pairs, embeddings, cosine = given
    taken = ExternalPairs(pairs, embeddings, cosine) if pairs or embeddings else None
    if others.get("drop_matches") and not others.get("against"):
        raise BadParameters("--drop-matches: expected --against as well, the source to compare with")
    return Options(**sections, **others, given=taken)


def _large_enough(
    squares: SquaresConfig, pairs: PairSearchConfig, changes: Mapping[str, Mapping[str, Any]]
) -> SquaresConfig:
    """The section `squares`, with its side increased if necessary to the side at which pairs are compared."""
    wanted = pairs.compare_side
    if pairs.mode == "exact" or squares.side >= wanted:
        return squares
    if changes.get("squares", {}).get("side") is not None:
        raise BadParameters(
            f"--side {squares.side}: pairs are compared at a side of {wanted} pixels, expected at least {wanted}; "
            f"choose --side {wanted}, or --compare-side 32"
        )
    return squares.model_copy(update={"side": wanted})


def deduplicate(source: Path, options: Options, *, workers: int, to: Path) -> dict[str, Any]:
    """Find the duplicates of a source and list which pictures are kept; the source is only read.

    Args:
        source: a folder, zip, tar, tar of tars, LMDB, parquet file or folder of them, or an image set.
        options: parameters and further options.
        workers: number of processes.
        to: a new folder, or the folder of an earlier result.

    Returns:
        The content of `summary.json`, and under `matches` the counts of the comparison with the other source.

    Raises:
        MissingInput, CorruptData, BadParameters, PipelineError: raised by a step.
    """
    check_paths(source, options)
    steps = to / "steps"
    _own(to, steps)
    if (steps / "images" / "imageset.json").is_file() and len(ImageSet(steps / "images").parts) > 1:
        progress.warn(
            f"--to {to}: pictures that were added with --append are not in the new result; use --append to keep them"
        )
    with resumable_steps(steps):
        images = prepare(source, options.squares, steps, "images", workers)
        encoder = options.encoder or _learn(images, options, steps / "encoder")
        raw = steps / "raw-images", source.resolve().parent
        summary = decide(images, encoder, [raw], options, workers=workers, to=to, steps=steps)
    show(steps, to, options)
    return summary


def check_paths(source: Path, options: Options) -> None:
    """Check the sources and files of the options before any work is done.

    Raises:
        MissingInput: a file or folder does not exist.
        BadParameters: the pictures of an image set are smaller than the side at which pairs are compared.
    """
    wanted = {"SOURCE": source, "--against": options.against, "--encoder": options.encoder}
    wanted |= {"--verdicts": options.verdicts, "--pairs, --embeddings": options.given.path if options.given else None}
    for name, path in wanted.items():
        if path is not None and not path.exists():
            raise MissingInput(f"{name} {path}: no such file or folder")
    searched = [options.against, None if options.given else source]
    for folder in searched:
        if folder is not None and (folder / "imageset.json").is_file():
            check_side(ImageSet(folder), options.pairs)


def decide(
    images: Path,
    encoder: Path,
    locations: Sequence[Location],
    options: Options,
    *,
    workers: int,
    to: Path,
    steps: Path,
    prior_result: Path | None = None,
) -> dict[str, Any]:
    """Run all steps after the encoder, from codes to gallery, in the folder `steps`.

    Args:
        images: folder of the image set.
        encoder: folder of the trained autoencoder.
        locations: raw folder of each part of the image set, with the folder that holds its archive.
        options: parameters and further options.
        workers: number of processes.
        to: folder of the result, which contains the verdicts.
        steps: folder that the steps are written to.
        prior_result: folder of the earlier result of `remove_duplicates` if pictures are added to it, or None.

    Returns:
        The content of `summary.json`; under `matches` the counts of the comparison with the other source; under
        `not_read` the counts of `not_read`, if the source is not an image set.
    """
    verdicts = options.verdicts or to / "verdicts.csv"
    if options.verdicts is None and not verdicts.exists():
        write_verdicts(verdicts, [])
    hash_images(images, encoder, steps / "codes", workers=workers)
    if options.given is None:
        find_pairs(images, steps / "codes", encoder, options.pairs, workers=workers, to=steps / "pairs")
    else:
        most = options.pairs.max_candidates
        load_external_pairs(images, options.given, to=steps / "pairs", max_pairs=most, workers=workers)
    matches = None
    found: dict[str, Any] = {}
    if options.against is not None:
        other = prepare(options.against, options.squares, steps, "other", workers)
        found = find_matches(images, other, encoder, options.pairs, workers=workers, to=steps / "matches")
        matches = steps / "matches" if options.drop_matches else None
    originals = None
    if "original" in options.remove.keep:
        originals = steps / "originals"
        read = [(raw, archives) for raw, archives in locations if not (raw / PLACE).is_file()]
        compare_sources(images, steps / "pairs", read, workers=workers, to=originals)
    folders = (images, steps / "codes", steps / "pairs", verdicts)
    summary = remove_duplicates(
        *folders,
        options.remove,
        steps / "dedup",
        originals=originals,
        prefer=options.prefer,
        matches=matches,
        prior_result=prior_result,
    )
    audit_duplicates(
        images,
        steps / "codes",
        steps / "dedup",
        locations[0][0],
        options.audit,
        name=to.name,
        to=steps / "gallery",
        verdicts=verdicts,
        samples=to / "samples",
        pairs=steps / "pairs",
    )
    skipped = not_read(ImageSet(images)) if images.parent == steps else {}
    return {**summary, **({"matches": found} if found else {}), **({"not_read": skipped} if skipped else {})}


def not_read(images: ImageSet) -> dict[str, int]:
    """How many files of the source gave no picture, by reason; files that the set already had are not counted."""
    counts = Counter(images.skipped.column("reason").to_pylist())
    del counts[ALREADY_THERE]
    return dict(sorted(counts.items()))


def prepare(source: Path, squares: SquaresConfig, steps: Path, name: str, workers: int) -> Path:
    """The folder of the image set of a source: the source if it is an image set, else the new `steps / name`."""
    raw = steps / f"raw-{name}"
    if (source / "imageset.json").is_file():
        images = ImageSet(source)
        described = {
            "source": "imageset",
            "archive": source.resolve().name,
            "count": len(images),
            "sha256": images.digest,
        }
        with workspace(raw, files.digest([described, str(source.resolve())])) as work:
            if work is not None:
                files.write_json(work.result / "source.json", described)
                files.write_json(work.result / PLACE, str(source.resolve()))
                work.publish()
        return source
    source = source.resolve()
    describe_source(source, to=raw)
    make_squares("imagenet", squares, source=raw, archives=source.parent, to=steps / name, workers=workers)
    return steps / name


def images_of(steps: Path) -> Path:
    """The folder of the image set that a result was made from.

    Raises:
        MissingInput: there is no result in `steps`, or its image set was moved, deleted or changed.
    """
    _, made_from = manifest.read_any(steps / "dedup")
    folders = [steps / "images"]
    if (steps / "raw-images" / PLACE).is_file():
        folders.append(Path(files.read_json(steps / "raw-images" / PLACE)))
    for folder in folders:
        if (folder / "imageset.json").is_file() and ImageSet(folder).digest == made_from["images"]:
            return folder
    raise MissingInput(
        f"--to {steps.parent}: the image set that this result was made from is not in "
        f"{' or '.join(map(str, folders))}; run dcgan dedup again without --append"
    )


def summary_sentence(summary: dict[str, Any], to: Path) -> str:
    """A sentence about the result, which the command prints at the end."""
    reasons = ", ".join(f"{reason} {count:,}" for reason, count in summary["by_reason"].items() if count)
    said = f"{summary['kept']:,} of {summary['pictures']:,} pictures kept, {summary['removed']:,} removed"
    if reasons:
        said += f" ({reasons}; groups: {summary['groups']:,})"
    if summary["doubtful"]:
        said += f"; {summary['doubtful']:,} doubtful pictures with a shared layout are kept (doubtful.csv)"
    if "added" in summary:
        said += f"; added: {summary['added']:,}, of which {summary['added_kept']:,} are kept"
    if "decoys" in summary:
        said += (
            f"; about {summary['expected_false_removals']:,.1f} of these removals are due to chance "
            f"(95 %: {summary['expected_false_removals_low']:,.1f} to {summary['expected_false_removals_high']:,.1f}), "
            "or mirrored copies"
        )
    if "matches" in summary:
        found = summary["matches"]
        said += f"; also in the other source: {found['matched']:,} (matches.csv)"
    if "not_read" in summary:
        counts = ", ".join(f"{reason} {count:,}" for reason, count in summary["not_read"].items())
        said += f"; not read: {sum(summary['not_read'].values()):,} ({counts}; see steps/images/skipped.parquet)"
    page = progress.link(to / "gallery.html")
    return f"{said}; the source is unchanged; see {page}; next: dcgan export, or dcgan restore"


def _own(to: Path, steps: Path) -> None:
    """Refuse a folder that contains files but no earlier result."""
    if to.exists() and not to.is_dir():
        raise BadParameters(f"--to {to}: is a file; give a folder")
    if to.is_dir() and any(to.iterdir()) and not steps.is_dir():
        raise BadParameters(f"--to {to}: contains files but no earlier result; choose a new folder")
    steps.mkdir(parents=True, exist_ok=True)


def _learn(images: Path, options: Options, to: Path) -> Path:
    count = len(ImageSet(images))
    section = options.autoencoder
    batch_size = min(section.batch_size, count)
    epochs = max(1, round(STEPS_OF_TRAINING * batch_size / count))
    section = section.model_copy(update={"batch_size": batch_size, "epochs": min(epochs, MOST_EPOCHS)})
    searches = options.given is None and options.pairs.mode == "near"
    compiling = partial(compile_ahead, options.pairs) if searches else None
    engine.run_in_subprocess(_train, images, section, options.seed, to, meanwhile=compiling)
    return to


def _train(images: Path, section: AutoencoderConfig, seed: int, to: Path) -> None:
    from pipeline.dedup.encoder.train_autoencoder import train_autoencoder  # only the training process imports torch

    train_autoencoder(images, section, name="dedup", seed=seed, to=to)


def show(steps: Path, to: Path, options: Options) -> None:
    """Link the files that people read from the steps to the folder of the result."""
    for folder, names in SHOWN.items():
        for name in names:
            if (folder != "matches" or options.against) and (steps / folder / name).is_file():
                with files.atomic_path(to / name) as link:  # the manifest must never be missing: `--append` needs it
                    files.link_or_copy(steps / folder / name, link)
            else:
                (to / name).unlink(missing_ok=True)
