"""Estimate false pairs from decoys: pairs in which one picture was mirrored; see `pair_search`."""

from typing import Any

from pipeline.intervals import poisson_interval


def estimate_false_pairs(decoys: int, pairs: int) -> dict[str, float | None]:
    """Estimate the number and the share of false pairs, with exact 95 % Poisson intervals.

    The expected number of false pairs is the number of accepted decoys.

    Args:
        decoys: number of accepted decoys.
        pairs: number of accepted pairs.

    Returns:
        `expected_false` and `false_discovery_rate` (0..1; None without pairs), each also with the suffixes `_low`
        and `_high` for the ends of its interval.
    """
    bounds = {"": float(decoys)} | dict(zip(("_low", "_high"), poisson_interval(decoys), strict=True))
    shares = {end: min(1.0, round(bound / pairs, 6)) if pairs else None for end, bound in bounds.items()}
    return {
        **{f"expected_false{end}": round(bound, 4) for end, bound in bounds.items()},
        **{f"false_discovery_rate{end}": share for end, share in shares.items()},
    }


FIGURES = (
    *("pairs", "decoys", "expected_false", "expected_false_low", "expected_false_high"),
    *("false_discovery_rate", "false_discovery_rate_low", "false_discovery_rate_high"),
)


def decoy_figures(description: dict[str, Any]) -> dict[str, Any]:
    """The estimates from decoys in the content of `pairs.json`; empty if the search used no decoys."""
    return {name: description[name] for name in FIGURES if name in description}
