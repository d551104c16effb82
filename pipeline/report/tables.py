"""The rows of the report's tables."""

from typing import Any


def share(value: float) -> str:
    """0.0123 as `1.2 %`."""
    return f"{100 * value:.1f} %"


def planted_rows(metrics: dict[str, Any]) -> list[tuple[str, str, str, str]]:
    """Recall per planted transform, then precision, as (figure, found of how many, share, 95 % interval).

    Args:
        metrics: an audit's metrics; only the drawn miniature has a `planted` part.
    """
    planted = metrics.get("planted")
    if planted is None:
        return []
    rows = [(f"recall, {name}", entry) for name, entry in planted["recall"].items()]
    rows.append(("precision", planted["precision"]))
    return [
        (
            name,
            f"{entry['found']} of {entry['of']}",
            share(entry["share"]) if entry["of"] else "–",
            f"{share(entry['low'])} to {share(entry['high'])}",
        )
        for name, entry in rows
    ]


def provenance(
    metrics: dict[str, Any], model: dict[str, Any], samples: dict[str, Any], walk: dict[str, Any]
) -> list[tuple[str, str, str]]:
    """How each number was made, as (figure, value, made by)."""
    counts, source = metrics["counts"], metrics["source"]
    return [
        ("source", f"{source['archive']}, SHA-256 {source['sha256'][:16]}…", "download stage, source.json"),
        (
            "pictures",
            f"{counts['sources']:,} sources = {counts['pictures']:,} pictures + {counts['bad']:,} unreadable "
            f"+ {counts['filtered']:,} filtered",
            "crop stage, imageset.json",
        ),
        (
            "removed",
            f"{metrics['removed']:,} in {metrics['groups']:,} groups",
            f"remove-duplicates, detector {metrics['detector'][:16]}…",
        ),
        (
            "generator",
            f"{model['preset']}, base width {model['base_width']}, {model['epochs']} epochs, {model['steps']:,} steps",
            f"train-dcgan, seed {model['seed']}, torch {model['numerics']['torch']} on {model['numerics']['device']}",
        ),
        (
            "samples",
            f"{samples['count']:,} latents, SHA-256 {samples['z_sha256'][:16]}…",
            f"sample, seed {samples['seed']}, {'batch' if samples['batch_statistics'] else 'running'} statistics",
        ),
        (
            "walk",
            _walk(walk["smoothness"]),
            f"walk-latent, seed {walk['seed']}, straight lines between uniform anchors",
        ),
    ]


def _walk(smoothness: dict[str, Any]) -> str:
    """How smooth the walk is, against a cross-fade and a jump."""
    step, ratio = smoothness["mean_step"], smoothness["largest_step_ratio"]
    return f"a step changes a pixel by {step:.1f} levels on average" + (
        f"; the largest step is {ratio:.1f} times the mean" if ratio else ""
    )
