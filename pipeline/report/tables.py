"""The tables of the report, as rows of texts."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pipeline.report.plots import LOSSES
from pipeline.report.records import AuditRecord, ModelRecord, SamplesRecord, Share, Smoothness, WalkRecord


@dataclass(frozen=True)
class Group:
    """Rows with a common title, which may be empty; the first cell of a row is its name."""

    title: str
    rows: Sequence[tuple[str, ...]]


@dataclass(frozen=True)
class Table:
    caption: str
    header: tuple[str, ...]
    groups: list[Group]


@dataclass(frozen=True)
class Set:
    """A set with the records of the earlier commands.

    Attributes:
        walk: the latent walk; None for a model without a latent space.
        losses: losses of the last epoch, by column of `history.tsv`.
    """

    name: str
    audit: AuditRecord
    model: ModelRecord
    samples: SamplesRecord
    walk: WalkRecord | None
    losses: dict[str, float]

    @property
    def title(self) -> str:
        """Name of the set on pages: its name, or the description of the synthetic data that replaces it."""
        return self.audit.title


def share(value: float) -> str:
    """Format a share, for example 0.0123 as `1.2 %`."""
    return f"{100 * value:.1f} %"


def reasons(audits: Sequence[AuditRecord]) -> dict[str, str]:
    """Map each reason of removal in these sets to its description, from the strongest evidence to the weakest."""
    found = {reason for audit in audits for reason, count in audit.by_reason.items() if count}
    known = [
        reason for reason in ("same_bytes", "same_pixels", "same_code", "near_code", "mirrored") if reason in found
    ]
    return {reason: reason.replace("_", " ") for reason in [*known, *sorted(found - set(known))]}


def pictures(sets: Sequence[Set]) -> Table:
    """How many pictures went through each step, with a column for each set."""
    return _side_by_side(
        "Pictures from the sources to the training",
        sets,
        {
            "": {
                "sources": lambda one: f"{one.audit.counts.sources:,}",
                "unreadable": lambda one: f"{one.audit.counts.bad:,}",
                "filtered out": lambda one: f"{one.audit.counts.filtered:,}",
                "read": lambda one: f"{one.audit.counts.pictures:,}",
                "near-duplicates removed": lambda one: f"{one.audit.removed:,} ({share(one.audit.share_removed)})",
                "kept": lambda one: f"{one.audit.kept:,}",
                "trained on": lambda one: f"{one.model.data.pictures:,}",
            }
        },
    )


def versions(sets: Sequence[Set]) -> Table:
    """What the results were made from and with, with a column for each set."""
    return _side_by_side(
        "What the results were made from; SHA-256 values are cut",
        sets,
        {
            "": {
                "source": lambda one: one.audit.source.archive,
                "source, SHA-256": lambda one: f"{one.audit.source.sha256[:16]}…",
                "image set, SHA-256": lambda one: f"{one.model.data.images[:16]}…",
                "detector, SHA-256": lambda one: f"{one.audit.detector[:16]}…",
                "generator, SHA-256": lambda one: f"{one.samples.model_sha256[:16]}…",
                "seed": lambda one: f"{one.model.seed}",
                "torch": lambda one: one.model.runtime.torch,
                "device": lambda one: f"{one.model.runtime.device}, {one.model.runtime.device_name}",
            }
        },
    )


def models(sets: Sequence[Set]) -> Table:
    """Models and latent walks of all sets, with a column for each set."""
    return _side_by_side(
        "Trained generators",
        sets,
        {
            "model": {
                "family": lambda one: one.model.family,
                "networks": lambda one: one.model.architecture,
                "epochs": lambda one: f"{one.model.epochs:,}",
                "steps": lambda one: f"{one.model.steps:,}",
                **{
                    f"loss of the {whose}, last epoch": _loss(name)
                    for name, whose in LOSSES.items()
                    if any(name in one.losses for one in sets)
                },
            },
            "latent walk": {
                "mean change of a pixel in a step (0 to 255)": lambda one: (
                    f"{one.walk.smoothness.mean_step:.1f}" if one.walk else "–"
                ),
                "largest step / mean step": lambda one: _ratio(one.walk.smoothness) if one.walk else "–",
            },
        },
    )


def _loss(name: str) -> Callable[[Set], str]:
    return lambda one: f"{one.losses[name]:.2f}" if name in one.losses else "–"


def removals(sets: Sequence[Set]) -> Table:
    """Removals by reason, with precision and recall for sets with planted copies; a column for each set."""
    by_reason = {words: _removed_for(reason) for reason, words in reasons([one.audit for one in sets]).items()}
    return _side_by_side(
        "Near-duplicates removed, by the strongest reason, and their accuracy on planted copies",
        sets,
        {
            "removed because of": {**by_reason, "all reasons": lambda one: f"{one.audit.removed:,}"},
            "planted copies": {
                "precision": lambda one: _share_of(_precision(one)),
                "precision, 95 % interval": lambda one: _interval(_precision(one)),
                "recall": lambda one: _share_of(_recall(one)),
                "recall, 95 % interval": lambda one: _interval(_recall(one)),
            },
        },
    )


def _side_by_side(caption: str, sets: Sequence[Set], groups: dict[str, dict[str, Callable[[Set], str]]]) -> Table:
    return Table(
        caption,
        ("", *(one.title for one in sets)),
        [
            Group(title, [(figure, *(text(one) for one in sets)) for figure, text in figures.items()])
            for title, figures in groups.items()
        ],
    )


def _removed_for(reason: str) -> Callable[[Set], str]:
    return lambda one: f"{one.audit.by_reason.get(reason, 0):,}"


def _precision(one: Set) -> Share | None:
    return one.audit.planted.precision if one.audit.planted else None


def _recall(one: Set) -> Share | None:
    return one.audit.planted.recall.get("all") if one.audit.planted else None


def _share_of(entry: Share | None) -> str:
    if entry is None:
        return "not known"
    return "–" if entry.share is None else f"{share(entry.share)} ({entry.found:,} of {entry.of:,})"


def _interval(entry: Share | None) -> str:
    return "not known" if entry is None else f"{share(entry.low)} to {share(entry.high)}"


def by_reason(audit: AuditRecord) -> Table:
    """Removals of a set by reason."""
    rows = [(words, f"{audit.by_reason[reason]:,}") for reason, words in reasons([audit]).items()]
    return Table("Removed pictures, by the strongest reason", ("reason", "pictures"), [Group("", rows)])


def planted(audit: AuditRecord) -> Table:
    """Recall for each planted transform, and precision; no rows if the set has no planted copies."""
    entries = (
        {f"recall, {name.replace('_', ' ')}": entry for name, entry in audit.planted.recall.items()}
        if audit.planted
        else {}
    )
    if audit.planted:
        entries["precision"] = audit.planted.precision
    rows = [
        (
            figure,
            f"{entry.found:,} of {entry.of:,}",
            "–" if entry.share is None else share(entry.share),
            _interval(entry),
        )
        for figure, entry in entries.items()
    ]
    return Table(
        "Planted copies of the drawn set: recall and precision, with two-sided 95 % intervals (Clopper and Pearson)",
        ("figure", "found", "share", "interval"),
        [Group("", rows)],
    )


def provenance_table(rows: list[tuple[str, ...]]) -> Table:
    """Table of how each result was computed."""
    return Table("Value, command and file for each figure", ("figure", "value", "made by"), [Group("", rows)])


def provenance(one: Set) -> list[tuple[str, ...]]:
    """How each result was computed, as (result, value, command or file)."""
    counts, source, model, samples, walk = one.audit.counts, one.audit.source, one.model, one.samples, one.walk
    return [
        ("source", f"{source.archive}, SHA-256 {source.sha256[:16]}…", "download stage, source.json"),
        (
            "pictures",
            f"{counts.sources:,} sources = {counts.pictures:,} pictures + {counts.bad:,} unreadable "
            f"+ {counts.filtered:,} filtered",
            "crop stage, imageset.json",
        ),
        (
            "removed",
            f"{one.audit.removed:,} in {one.audit.groups:,} groups",
            f"remove-duplicates, detector {one.audit.detector[:16]}…",
        ),
        (
            "generator",
            f"{model.family}, {model.architecture}, {model.epochs} epochs, {model.steps:,} steps",
            f"model.json, seed {model.seed}, torch {model.runtime.torch} on {model.runtime.device}, "
            f"{model.runtime.device_name}",
        ),
        (
            "samples",
            f"{samples.count:,} pictures of the model {samples.model_sha256[:16]}…",
            f"sample, seed {samples.seed}, {'batch' if samples.batch_statistics else 'running'} statistics",
        ),
        *(
            [("walk", _walk(walk.smoothness), f"walk-latent, seed {walk.seed}, straight lines between random latents")]
            if walk
            else []
        ),
    ]


def _ratio(smoothness: Smoothness) -> str:
    return "–" if smoothness.largest_step_ratio is None else f"{smoothness.largest_step_ratio:.1f}"


def _walk(smoothness: Smoothness) -> str:
    """How smooth the walk is: mean change of a pixel per step, and the largest step relative to it."""
    return f"a pixel changes by {smoothness.mean_step:.1f} of 255 in a step on average" + (
        f"; the largest step is {_ratio(smoothness)} times the mean" if smoothness.largest_step_ratio else ""
    )
