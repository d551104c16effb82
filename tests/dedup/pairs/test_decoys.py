"""The number of false pairs is estimated from the more pessimistic kind of decoys."""

import pytest

from pipeline.dedup.pairs.decoys import LayoutTest, estimate_false_mirrored, estimate_false_pairs


def test_without_layouts_the_mirrored_decoys_count() -> None:
    """The estimate is the number of mirrored decoys, with its Poisson interval."""
    figures = estimate_false_pairs(4, 40)
    assert (figures["expected_false"], figures["false_discovery_rate"]) == (4, 0.1)
    assert figures["expected_false_low"] == pytest.approx(1.0899, abs=1e-3)
    assert figures["expected_false_high"] == pytest.approx(10.2416, abs=1e-3)


def test_strangers_with_a_layout_raise_the_estimate() -> None:
    """If a tenth of the strangers pass, a tenth of the accepted pairs with a layout is expected to be false."""
    figures = estimate_false_pairs(1, 60, LayoutTest(50, 200, 20))
    assert figures["expected_false"] == 5 and figures["false_discovery_rate"] == pytest.approx(5 / 60, abs=1e-6)
    assert 2.5 < (figures["expected_false_low"] or 0) < 3.5 and 7 < (figures["expected_false_high"] or 0) < 8


def test_without_strangers_every_pair_with_a_layout_may_be_false() -> None:
    """If no stranger could be examined, the upper bound is the number of accepted pairs with a layout."""
    figures = estimate_false_pairs(0, 60, LayoutTest(50, 0, 0))
    assert (figures["expected_false"], figures["expected_false_high"]) == (0, 50)


def test_false_mirrored_copies_are_estimated_from_verdicts_only() -> None:
    """The share of false ones among the judged matches, for the removals without a verdict; None with few verdicts."""
    name = "expected_false_mirrored_removals"
    assert set(estimate_false_mirrored(5, 0, 90).values()) == {None}
    figures = estimate_false_mirrored(20, 2, 90)
    assert figures[name] == 9
    assert figures[f"{name}_low"] == pytest.approx(1.111, abs=1e-3)
    assert figures[f"{name}_high"] == pytest.approx(28.53, abs=1e-2)
    assert estimate_false_mirrored(6, 0, 90)[f"{name}_high"] == pytest.approx(41.33, abs=1e-2)
    assert set(estimate_false_mirrored(2, 0, 0).values()) == {0}, "every removal was judged"
