"""Estimate false pairs from two kinds of decoys: pairs that are no copies, examined by the same detector.

A mirrored decoy is a pair in which one picture was mirrored; see `pair_search`. Mirroring also mirrors a layout that
pictures share, so pairs with a shared layout have decoys of their own: pictures of different groups, of which the
common part was taken away; see `shared_layout`.
"""

from dataclasses import asdict, dataclass
from typing import Any

from pipeline.intervals import binomial_interval, poisson_interval


@dataclass(frozen=True)
class LayoutTest:
    """How pairs with a shared layout did in the test of what is left without the layout.

    Attributes:
        layout_pairs: number of accepted pairs that passed the test.
        layout_strangers: number of pairs of different pictures that were tested.
        layout_strangers_passed: number of these that passed.
    """

    layout_pairs: int = 0
    layout_strangers: int = 0
    layout_strangers_passed: int = 0

    def figures(self) -> dict[str, int]:
        """The counts, for `pairs.json`."""
        return asdict(self)


def estimate_false_pairs(decoys: int, pairs: int, layout: LayoutTest = LayoutTest()) -> dict[str, float | None]:
    """Estimate the number and the share of false pairs, with 95 % intervals, from the more pessimistic kind of decoys.

    The expected number of false pairs is the number of accepted mirrored decoys, with an exact Poisson interval; or the
    share of strangers with a shared layout that pass, of the accepted pairs with a shared layout, with an exact
    binomial interval. Each bound is the higher one of the two kinds.

    Args:
        decoys: number of accepted mirrored decoys.
        pairs: number of accepted pairs.
        layout: counts of the pairs with a shared layout.

    Returns:
        `expected_false` and `false_discovery_rate` (0..1; None without pairs), each also with the suffixes `_low`
        and `_high` for the ends of its interval.
    """
    passed, tested = layout.layout_strangers_passed, layout.layout_strangers
    shares = (passed / tested if tested else 0.0, *binomial_interval(passed, tested))
    bounds = {
        end: max(float(count), share * layout.layout_pairs)
        for end, count, share in zip(("", "_low", "_high"), (decoys, *poisson_interval(decoys)), shares, strict=True)
    }
    rates = {end: min(1.0, round(bound / pairs, 6)) if pairs else None for end, bound in bounds.items()}
    return {
        **{f"expected_false{end}": round(bound, 4) for end, bound in bounds.items()},
        **{f"false_discovery_rate{end}": rate for end, rate in rates.items()},
    }


MAX_INTERVAL = 0.5
"""The share of false mirrored copies is withheld while its 95 % interval is at least this wide."""


def estimate_false_mirrored(judged: int, false: int, removed: int) -> dict[str, float | None]:
    """Estimate the number of false removals of mirrored copies from verdicts on mirrored matches.

    There are no decoys for them. Pictures turned upside down may match far more rarely than different pictures of
    which one is mirrored; how much more rarely depends on the set (`benchmarks/mirrored_decoys.py`). The share of false
    ones among the judged matches, with an exact binomial interval, is applied to the removals without a verdict. If the
    matches with the lowest scores are judged first, the estimate is too high.

    Args:
        judged: number of mirrored matches with a verdict.
        false: number of these that are no mirrored copies.
        removed: number of pictures without a verdict that are removed as mirrored copies.

    Returns:
        `expected_false_mirrored_removals`, also with the suffixes `_low` and `_high` for the ends of its 95 % interval;
        all None if there are too few verdicts for an estimate.
    """
    low, high = binomial_interval(false, judged)
    known = high - low < MAX_INTERVAL or not removed
    shares = {"": false / judged if judged else 0.0, "_low": low, "_high": high}
    return {
        f"expected_false_mirrored_removals{end}": round(share * removed, 4) if known else None
        for end, share in shares.items()
    }


FIGURES = (
    *("pairs", "decoys", "expected_false", "expected_false_low", "expected_false_high"),
    *("false_discovery_rate", "false_discovery_rate_low", "false_discovery_rate_high"),
)


def decoy_figures(description: dict[str, Any]) -> dict[str, Any]:
    """The estimates from decoys in the content of `pairs.json`; empty if the search used no decoys."""
    return {name: description[name] for name in FIGURES if name in description}
