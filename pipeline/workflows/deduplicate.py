"""All steps of deduplication in one call: `dcgan dedup`.

Each step has a folder in `steps/` with the same files as the output of the corresponding stage. A step is repeated
only if its inputs, parameters or code have changed: an interrupted run continues after the last finished step, and a
run with new verdicts, another threshold or another keep policy only decides anew. The files that people read are hard
links in the folder of the result, or copies if the file system has no hard links.

Two files in `steps/` describe this machine and are not outputs of a step: `options.json` has the options of the result,
and `place.json` in each raw folder has the path of its source.
"""

import math
import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

from pipeline.acquire.archives.acquire import describe_source
from pipeline.audit.audit_duplicates import AuditConfig, audit_duplicates
from pipeline.core import engine, files, progress
from pipeline.core.errors import BadParameters, MissingInput
from pipeline.core.params import changed, load_section
from pipeline.core.workspace import forget, make_once, resumable_steps, workspace
from pipeline.datasets.pictures.raw_folder import (
    IMAGE_SET,
    DataSet,
    files_of,
    of_image_set,
    remember_place,
    remembered_place,
)
from pipeline.dedup.decision import manifest
from pipeline.dedup.decision.removal import RemovalConfig, remove_duplicates
from pipeline.dedup.decision.verdicts import read_verdicts, write_verdicts
from pipeline.dedup.encoder.autoencoder import AutoencoderConfig
from pipeline.dedup.encoder.codes import hash_images
from pipeline.dedup.encoder.encoder_input import SIDE
from pipeline.dedup.index import efficientnet
from pipeline.dedup.originals.compare_sources import compare_sources
from pipeline.dedup.pairs.pairs_table import MIRRORED
from pipeline.dedup.search.cross_set_matches import find_matches
from pipeline.dedup.search.external_pairs import ExternalPairs, load_external_pairs
from pipeline.dedup.search.find_pairs import find_pairs
from pipeline.dedup.search.pair_search import PairSearchConfig, check_side, compile_ahead
from pipeline.imageset.append import ALREADY_THERE
from pipeline.imageset.format.image_set import ImageSet
from pipeline.prepare.conversion.source_sizes import median_short_side
from pipeline.prepare.squares import SquaresConfig, make_squares

STEPS_OF_TRAINING = 600
"""Approximate number of training steps of the autoencoder. With twice as many, the recall for each transform in
CIFAR-10 differs by less than 0.7 percentage points."""

MOST_EPOCHS = 60
"""Maximum number of epochs, as in the workstation profile. A small set is learned by heart in more epochs, and then
copies get other codes: among 201 portraits, 149 pairs are found after 60 epochs and 138 after 200."""

OPTIONS = "options.json"
"""Name of the file with the options of the result, in `steps/`."""

SHOWN = {
    "dedup": (
        *("manifest.parquet", "removed.csv", "doubtful.csv", "mirrored.csv", "better_copies.csv", "exact_only.csv"),
        *("kept.txt", "kept.npy", "summary.json"),
    ),
    "gallery": ("gallery.html",),
    "matches": ("matches.csv",),
}
"""Step -> files of the step that are linked in the folder of the result, if they exist: `matches` only with another
source, `better_copies.csv` only after `--append`."""


Labels = Literal["source", "folders"]


@dataclass(frozen=True)
class Options:
    """How pictures are deduplicated.

    Attributes:
        squares: parameters of resizing and cropping.
        autoencoder: parameters of the encoder's training, except the number of epochs, which depends on the number of
            pictures.
        pairs, remove, audit: parameters of these steps; see their classes.
        side_by_source: whether the pictures are stored at the side that suits their sources (see `stored_side`),
            instead of the side in `squares`.
        encoder: folder of a trained encoder; None to train one.
        given: pairs or embeddings that replace the search; None to search.
        against: another source to compare with, or None.
        drop_matches: whether pictures that occur in the other source are removed.
        prefer: patterns of the keys of pictures that are kept before others; see `remove_duplicates`.
        verdicts: CSV file of people's verdicts; None for `verdicts.csv` in the folder of the result.
        labels: labels of the pictures; `source`: those that the source itself has (a column of a parquet file, `.cls`
            files in a tar), `folders`: also the names of the pictures' folders, as in ImageNet.
        seed: root seed.
    """

    squares: SquaresConfig
    autoencoder: AutoencoderConfig
    pairs: PairSearchConfig
    remove: RemovalConfig
    audit: AuditConfig
    side_by_source: bool = False
    encoder: Path | None = None
    given: ExternalPairs | None = None
    against: Path | None = None
    drop_matches: bool = False
    prefer: tuple[str, ...] = ()
    verdicts: Path | None = None
    labels: Labels = "source"
    seed: int = 1

    def described(self, source: Path) -> dict[str, Any]:
        """All values that decide the result, by the name of their option, or by their place in a profile."""
        paths = {"SOURCE": source, "--encoder": self.encoder, "--against": self.against, "--verdicts": self.verdicts}
        for name in ("pairs", "embeddings"):
            paths[f"--{name}"] = getattr(self.given, name, None)
        values: dict[str, Any] = {name: str(path.resolve()) if path else None for name, path in paths.items()}
        values |= {"--cosine": self.given and self.given.cosine, "--drop-matches": self.drop_matches}
        values |= {"--prefer": list(self.prefer), "--labels": self.labels, "--seed": self.seed}
        for name in ("squares", "pairs", "autoencoder", "remove", "audit"):
            for key, value in getattr(self, name).model_dump(exclude=_FOLLOW_FROM_MODE).items():
                values[f"--{key.replace('_', '-')}" if key in _OPTION_KEYS else f"{name}.{key}"] = value
        if self.side_by_source:
            values["--side"] = "by source"
        return values


_FOLLOW_FROM_MODE = {"input", "bits"}
_OPTION_KEYS = {
    "side",
    "max_bad",
    "keep_damaged",
    "mode",
    "radius",
    "score",
    "mirrored",
    "compare_side",
    "local_features",
    "neighbours",
    "keep",
}
"""Keys of a profile that are also options of `dcgan dedup`."""


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
    searches = sections["pairs"].mode == "near" and sections["pairs"].compare_side == "auto"
    by_source = searches and changes.get("squares", {}).get("side") is None
    # Each mode has its own kind of codes: those of the paper, or codes that are similar for near-duplicates.
    exact = sections["pairs"].mode == "exact"
    kind = {"input": "pixels", "bits": "active"} if exact else {"input": "normalised", "bits": "balanced"}
    sections["autoencoder"] = sections["autoencoder"].model_copy(update=kind)
    pairs, embeddings, cosine = given
    taken = ExternalPairs(pairs, embeddings, cosine) if pairs or embeddings else None
    if others.get("drop_matches") and not others.get("against"):
        raise BadParameters("--drop-matches: expected --against as well, the source to compare with")
    return Options(**sections, **others, given=taken, side_by_source=by_source)


def _large_enough(
    squares: SquaresConfig, pairs: PairSearchConfig, changes: Mapping[str, Mapping[str, Any]]
) -> SquaresConfig:
    """The section `squares`, with its side increased if necessary to the side at which pairs are compared."""
    wanted = pairs.compare_side
    if pairs.mode == "exact" or wanted == "auto" or squares.side >= wanted:
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
        source: a folder, zip, tar, compressed tar, tar of tars, LMDB, parquet file or folder of them, or an image set.
        options: parameters and further options.
        workers: number of processes.
        to: a new folder, or the folder of an earlier result.

    Returns:
        The content of `summary.json`, and under `matches` the counts of the comparison with the other source.

    Raises:
        MissingInput, CorruptData, BadParameters, PipelineError: raised by a step.
    """
    check_inputs(source, options, to)
    steps = to / "steps"
    own(to)
    if (steps / "images" / "imageset.json").is_file() and len(ImageSet(steps / "images").parts) > 1:
        progress.warn(
            f"--to {to}: pictures that were added with --append are not in the new result; use --append to keep them"
        )
    if different := differences(source, options, steps):
        progress.say(f"--to {to}: the earlier result was made with other options: {'; '.join(different)}")
    with resumable_steps(steps):
        images, encoder = encode(source, options, workers=workers, steps=steps)
        summary = decide(images, encoder, [steps / "raw-images"], options, workers=workers, to=to, steps=steps)
        show(steps, to, options)
    note_options(source, options, steps)
    return summary


def differences(source: Path, options: Options, steps: Path) -> list[str]:
    """What differs between the options of the finished result in `steps` and those of this run, in words."""
    if not (steps / OPTIONS).is_file():
        return []
    earlier, now = files.read_json(steps / OPTIONS), options.described(source)
    return [
        f"{name} was {_in_words(earlier.get(name))}, now {_in_words(value)}"
        for name, value in now.items()
        if earlier.get(name) != value
    ]


def _in_words(value: Any) -> str:
    if value is None:
        return "not given"
    return " ".join(map(str, value)) or "none" if isinstance(value, list) else str(value)


def note_options(source: Path, options: Options, steps: Path) -> None:
    """Write the options of the finished result; see `differences`."""
    files.write_json(steps / OPTIONS, options.described(source))


def encode(source: Path, options: Options, *, workers: int, steps: Path) -> tuple[Path, Path]:
    """Run the steps from the source to the encoder.

    Returns:
        The folders of the image set and of the encoder.
    """
    images = prepare(source, options, steps, "images", workers)
    return images, options.encoder or _learn(images, options, steps / "encoder")


def check_inputs(source: Path, options: Options, to: Path) -> None:
    """Check the sources, the verdicts and the files of the options before any work is done.

    Raises:
        MissingInput: a file or folder does not exist.
        CorruptData: the file of verdicts is damaged.
        BadParameters: the pictures of an image set are smaller than the side at which pairs are compared, or the extra
            that `neighbours` needs is not installed.
    """
    wanted = {"SOURCE": source, "--against": options.against, "--encoder": options.encoder}
    wanted |= {"--verdicts": options.verdicts, "--pairs, --embeddings": options.given.path if options.given else None}
    for name, path in wanted.items():
        if path is not None and not path.exists():
            raise MissingInput(f"{name} {path}: no such file or folder")
    if (verdicts := options.verdicts or to / "verdicts.csv").exists():
        read_verdicts(verdicts)
    searched = [options.against, None if options.given else source]
    for folder in searched:
        if folder is not None and (folder / "imageset.json").is_file():
            check_side(ImageSet(folder), options.pairs)
    if options.pairs.mode == "near" and options.pairs.neighbours and any(searched):
        efficientnet.check_installed()


def decide(
    images: Path,
    encoder: Path,
    raws: Sequence[Path],
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
        raws: the raw folder of each part of the image set.
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
    summary, found = search_and_remove(
        images, encoder, raws, options, verdicts, workers=workers, steps=steps, to=steps, prior_result=prior_result
    )
    audit_duplicates(
        images,
        steps / "codes",
        steps / "dedup",
        raws[0],
        options.audit,
        name=to.name,
        to=steps / "gallery",
        verdicts=verdicts,
        samples=to / "samples",
        pairs=steps / "pairs",
        page_folder=to,
        originals=[place for raw in raws if (place := remembered_place(raw)) and place.is_dir()],
    )
    skipped = not_read(ImageSet(images)) if images.parent == steps else {}
    return {**summary, **({"matches": found} if found else {}), **({"not_read": skipped} if skipped else {})}


def stored_side(source: Path, archives: Path) -> int:
    """The side at which pictures are stored to be compared: the largest of 32, 64 and 128 that most of them have."""
    short_side = median_short_side(source, archives)
    return max([SIDE, *(side for side in (64, 128) if side <= short_side)])


def search_and_remove(
    images: Path,
    encoder: Path,
    raws: Sequence[Path],
    options: Options,
    verdicts: Path,
    *,
    workers: int,
    steps: Path,
    to: Path,
    prior_result: Path | None = None,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Run the steps that depend on the threshold, except the gallery: `pairs`, `matches`, `originals` and `dedup`.

    Args:
        images, encoder, raws, options, workers, prior_result: as for `decide`.
        verdicts: CSV file.
        steps: folder with the step `codes`; the scores of the search and the other source's pictures are kept there.
        to: folder that the steps are written to.

    Returns:
        The content of `summary.json`, and the counts of the comparison with the other source.
    """
    codes, pairs = steps / "codes", to / "pairs"
    if options.given is None:
        find_pairs(images, codes, encoder, options.pairs, workers=workers, to=pairs, scored=steps / "scored")
    else:
        load_external_pairs(images, options.given, to=pairs, max_pairs=options.pairs.max_candidates, workers=workers)
    matches = None
    found: dict[str, Any] = {}
    if options.against is not None:
        other = prepare(options.against, options, steps, "other", workers)
        found = find_matches(images, other, encoder, options.pairs, workers=workers, to=to / "matches")
        matches = to / "matches" if options.drop_matches else None
    originals = None
    if "original" in options.remove.keep:
        originals = to / "originals"
        sources = [(raw, None) for raw in raws if not of_image_set(raw)]
        compare_sources(images, pairs, sources, workers=workers, to=originals)
    summary = remove_duplicates(
        *(images, codes, pairs, verdicts),
        options.remove,
        to / "dedup",
        originals=originals,
        prefer=options.prefer,
        matches=matches,
        prior_result=prior_result,
    )
    return summary, found


def not_read(images: ImageSet) -> dict[str, int]:
    """How many files of the source gave no picture, by reason; files that the set already had are not counted."""
    counts = Counter(images.skipped.column("reason").to_pylist())
    del counts[ALREADY_THERE]
    return dict(sorted(counts.items()))


def prepare(source: Path, options: Options, steps: Path, name: str, workers: int, side: int | None = None) -> Path:
    """The folder of the image set of a source: the source if it is an image set, else the new `steps / name`.

    Args:
        side: side of the stored pictures; None for that of the options.
    """
    raw = steps / f"raw-{name}"
    if (source / "imageset.json").is_file():
        images = ImageSet(source)
        described = {
            "source": IMAGE_SET,
            "archive": source.resolve().name,
            "count": len(images),
            "sha256": images.digest,
        }
        with workspace(raw, files.digest(described)) as work:
            if work is not None:
                files.write_json(work.result / "source.json", described)
                work.publish()
        remember_place(raw, source)
        return source
    source = source.resolve()
    # Names, lengths and times of change, as for the pictures themselves: hashing a large archive takes minutes.
    make_once(raw, [str(source), files_of(source)], partial(describe_source, source, to=raw))
    remember_place(raw, source)
    if (steps / name / "imageset.json").is_file():
        counts = files.read_json(steps / name / "imageset.json")["counts"]
        if counts["bad"] > options.squares.max_bad * counts["sources"]:
            forget(steps / name)  # the limit was lowered, which a finished set would not notice
    data_set: DataSet = "imagenet" if options.labels == "folders" else "lsun"
    if side is None:
        side = stored_side(raw, source.parent) if options.side_by_source else options.squares.side
    squares = options.squares.model_copy(update={"side": side})
    make_squares(data_set, squares, source=raw, archives=source.parent, to=steps / name, workers=workers)
    return steps / name


def images_of(steps: Path) -> Path:
    """The folder of the image set that a result was made from.

    Raises:
        MissingInput: there is no result in `steps`, or its image set was moved, deleted or changed.
    """
    _, made_from = manifest.read_any(steps / "dedup")
    place = remembered_place(steps / "raw-images")
    folders = [steps / "images", *([place] if place else [])]
    for folder in folders:
        if (folder / "imageset.json").is_file() and ImageSet(folder).digest == made_from["images"]:
            return folder
    raise MissingInput(
        f"--to {steps.parent}: the image set that this result was made from is not in "
        f"{' or '.join(map(str, folders))}; run dcgan dedup again without --append"
    )


def summary_sentence(summary: dict[str, Any], to: Path) -> str:
    """A sentence about the result, which the command prints at the end."""
    counts = summary["by_reason"]
    reasons = ", ".join(f"{reason} {counts[reason]:,}" for reason in manifest.REASONS if counts.get(reason))
    said = f"{summary['kept']:,} of {summary['pictures']:,} pictures kept, {summary['removed']:,} removed"
    if reasons:
        said += f" ({reasons}; groups: {summary['groups']:,})"
    if summary["doubtful"]:
        said += f"; {summary['doubtful']:,} doubtful pictures with a shared layout are kept (doubtful.csv)"
    if "added" in summary:
        said += f"; added: {summary['added']:,}, of which {summary['added_kept']:,} are kept"
        if better := summary["better_copies"]:
            said += f", and {better:,} are better than the kept picture (better_copies.csv)"
    if "decoys" in summary:
        said += _error_sentence(summary) + _mirrored_sentence(summary)
    if "matches" in summary:
        found = summary["matches"]
        said += f"; also in the other source: {found['matched']:,} (matches.csv)"
    if "not_read" in summary:
        counts = ", ".join(f"{reason} {count:,}" for reason, count in summary["not_read"].items())
        said += f"; not read: {sum(summary['not_read'].values()):,} ({counts}; see steps/images/skipped.parquet)"
    said += f"; the source is unchanged; see {progress.link(to / 'gallery.html')}"
    if not summary["removed"]:
        return said
    result = f"--dedup {shlex.quote(str(to))}"
    return f"{said}; next: dcgan review-duplicates {result} to look at them, dcgan export {result} --to CLEAN"


def _error_sentence(summary: dict[str, Any]) -> str:
    """How many of the removals because of a pair may be wrong; nothing if there are none.

    Without decoys the upper bound does not depend on the pictures, so it says nothing about a few removals: it is left
    out where the interval spans half of them or more.
    """
    removed = summary["by_reason"]["near_code"]
    decoys = summary["decoys"] - summary["decoys_judged_mirrored"]
    low, high = (summary[f"expected_false_removals_{end}"] for end in ("low", "high"))
    if not removed:
        return ""
    if not decoys and high - low >= removed / 2:
        return f"; {removed:,} near copies are too few to estimate how many are wrong"
    said = f"; at most about {min(removed, math.ceil(high)):,} of {removed:,} near copies may be wrong"
    if decoys:
        said += f"; {decoys:,} mirrored look-alikes are counted here: look at them (list: mirrored)"
    return said


def _mirrored_sentence(summary: dict[str, Any]) -> str:
    """How many of the mirrored copies that were removed may be wrong, and how many are kept."""
    said = ""
    if removed := summary["by_reason"].get(MIRRORED, 0):
        high = summary["expected_false_mirrored_removals_high"]
        if high is None:
            said += f"; {removed:,} mirrored copies: not estimated how many are wrong; judge some (list: mirrored)"
        else:
            said += f"; at most about {min(removed, math.ceil(high)):,} of {removed:,} mirrored copies may be wrong"
    if kept := summary["mirrored"]:
        said += f"; {kept:,} mirrored {'copy is' if kept == 1 else 'copies are'} kept (mirrored.csv)"
    return said


def own(to: Path) -> None:
    """Make the folder of the steps of a result, and refuse a folder that contains files but no earlier result.

    Raises:
        BadParameters: `to` is a file, or contains other files.
    """
    steps = to / "steps"
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
    train = partial(engine.run_in_subprocess, _train, images, section, options.seed, to, meanwhile=compiling)
    # A finished encoder is used again without a process that imports torch, on any CPU.
    make_once(to, [ImageSet(images).digest, section.model_dump(), options.seed, version("torch")], train)
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
