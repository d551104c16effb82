"""Decoys."""

from typing import Any

from pipeline.intervals import poisson_interval


def chance(decoys: int, pairs: int) -> dict[str, float | None]:
    """How many pairs chance explains, and what share of them that is: as many as there are decoys, with 95 % intervals.

    Returns:
        `expected_false` and `false_discovery_rate` (null without pairs), and both with `_low` and `_high`.
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


def decoy_figures(about: dict[str, Any]) -> dict[str, Any]:
    """Of `pairs.json`, what the decoys say; empty where there were none."""
    return {name: about[name] for name in FIGURES if name in about}
