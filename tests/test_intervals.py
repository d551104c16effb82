"""The exact interval of a share, against its definition, and that of a mean, against scipy."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom, poisson, ttest_1samp

from pipeline.intervals import binomial_interval, mean_interval, poisson_interval


@given(st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_bounds_are_where_the_tails_are_one_in_forty(pair: tuple[int, int]) -> None:
    """Clopper and Pearson: at each bound, what was seen or more extreme has probability 0.025."""
    successes, trials = pair
    low, high = binomial_interval(successes, trials)
    assert 0 <= low <= successes / trials <= high <= 1
    if successes:
        assert binom.sf(successes - 1, trials, low) == pytest.approx(0.025, abs=1e-6)
    if successes < trials:
        assert binom.cdf(successes, trials, high) == pytest.approx(0.025, abs=1e-6)


def test_368_without_an_error_settle_one_in_a_hundred() -> None:
    """The figure that the documentation names."""
    assert binomial_interval(0, 368)[1] < 0.01 <= binomial_interval(0, 367)[1]


def test_nothing_seen_is_nothing_known() -> None:
    """No trials: the whole range; impossible counts are refused."""
    assert binomial_interval(0, 0) == (0.0, 1.0)
    with pytest.raises(ValueError, match="3 successes of 2"):
        binomial_interval(3, 2)


def test_the_interval_of_a_mean_is_scipys() -> None:
    """Student's t, as scipy has it; one value tells nothing of its spread."""
    values = [0.3, 0.5, 0.45, 0.6]
    expected = ttest_1samp(values, 0).confidence_interval(0.9)
    assert mean_interval(values, 0.9) == (pytest.approx(expected.low), pytest.approx(expected.high))
    with pytest.raises(ValueError, match="1 values"):
        mean_interval([1.0])


@given(st.integers(0, 5000))
def test_counts_are_bounded_where_the_tails_are_one_in_forty(events: int) -> None:
    """Garwood: at each bound, what was seen or more extreme has probability 0.025."""
    low, high = poisson_interval(events)
    assert poisson.cdf(events, high) == pytest.approx(0.025, abs=1e-6)
    assert low == 0 if events == 0 else poisson.sf(events - 1, low) == pytest.approx(0.025, abs=1e-6)
