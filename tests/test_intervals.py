"""Intervals of shares and counts against their definitions, of means against scipy, and of stratified samples."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom, poisson, ttest_1samp

from pipeline.intervals import binomial_interval, mean_interval, poisson_interval, stratified_interval


@given(st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_binomial_bounds_have_tails_of_one_in_forty(pair: tuple[int, int]) -> None:
    """Clopper and Pearson: at each bound, the observed or a more extreme count has probability 0.025."""
    successes, trials = pair
    low, high = binomial_interval(successes, trials)
    assert 0 <= low <= successes / trials <= high <= 1
    if successes:
        assert binom.sf(successes - 1, trials, low) == pytest.approx(0.025, abs=1e-6)
    if successes < trials:
        assert binom.cdf(successes, trials, high) == pytest.approx(0.025, abs=1e-6)


def test_368_trials_without_an_error_exclude_one_in_a_hundred() -> None:
    """The documentation gives this number."""
    assert binomial_interval(0, 368)[1] < 0.01 <= binomial_interval(0, 367)[1]


def test_no_trials_give_the_whole_range() -> None:
    """Impossible counts are refused."""
    assert binomial_interval(0, 0) == (0.0, 1.0)
    with pytest.raises(ValueError, match="3 successes of 2"):
        binomial_interval(3, 2)


def test_the_interval_of_a_mean_equals_scipy() -> None:
    """Student's t, as in scipy; one value alone is refused."""
    values = [0.3, 0.5, 0.45, 0.6]
    expected = ttest_1samp(values, 0).confidence_interval(0.9)
    assert mean_interval(values, 0.9) == (pytest.approx(expected.low), pytest.approx(expected.high))
    with pytest.raises(ValueError, match="1 values"):
        mean_interval([1.0])


@given(st.integers(0, 5000))
def test_poisson_bounds_have_tails_of_one_in_forty(events: int) -> None:
    """Garwood: at each bound, the observed or a more extreme count has probability 0.025."""
    low, high = poisson_interval(events)
    assert poisson.cdf(events, high) == pytest.approx(0.025, abs=1e-6)
    assert low == 0 if events == 0 else poisson.sf(events - 1, low) == pytest.approx(0.025, abs=1e-6)


STRATA = st.lists(
    st.integers(1, 3000).flatmap(
        lambda size: st.integers(0, size).flatmap(
            lambda judged: st.tuples(st.just(size), st.just(judged), st.integers(0, judged))
        )
    ),
    min_size=1,
    max_size=6,
)


@given(STRATA)
def test_known_items_bound_the_interval(strata: list[tuple[int, int, int]]) -> None:
    """Items judged wrong or right bound the interval; the order of strata does not matter."""
    total = sum(size for size, _, _ in strata)
    low, high = stratified_interval(strata)
    assert sum(wrong for _, _, wrong in strata) / total <= low <= high
    assert high <= sum(size - judged + wrong for size, judged, wrong in strata) / total <= 1
    assert stratified_interval(strata[::-1]) == pytest.approx((low, high))
    known = [(size, judged, wrong) for size, judged, wrong in strata if judged]
    if len(known) == len(strata):
        assert low - 1e-9 <= sum(size * wrong / judged for size, judged, wrong in known) / total <= high + 1e-9


def test_one_stratum_gives_the_binomial_interval() -> None:
    """One stratum of which a small part is judged: the interval of Clopper and Pearson."""
    assert stratified_interval([(10_000, 400, 7)]) == binomial_interval(7, 400)


def test_proportional_strata_give_nearly_the_binomial_interval() -> None:
    """It equals Garwood's interval of the pooled count, which is slightly wider than the binomial one."""
    low, high = (bound * 400 for bound in stratified_interval([(6000, 240, 5), (3000, 120, 0), (1000, 40, 2)]))
    assert (low, high) == (pytest.approx(poisson_interval(7)[0]), pytest.approx(poisson_interval(7)[1]))


def test_errors_have_the_weight_of_their_stratum() -> None:
    """An error in a stratum with few judgements has a larger weight, at both ends."""
    heavy = stratified_interval([(9000, 300, 3), (1000, 100, 0)])
    light = stratified_interval([(9000, 300, 0), (1000, 100, 3)])
    assert light[0] < heavy[0] and light[1] < heavy[1]


def test_strata_without_judgements_count_as_right_below_and_wrong_above() -> None:
    """One stratum without judgements, and one that is judged completely."""
    assert stratified_interval([(900, 900, 9), (100, 0, 0)]) == (pytest.approx(0.009), pytest.approx(0.109))
    assert stratified_interval([(50, 50, 1), (50, 50, 2)]) == (pytest.approx(0.03), pytest.approx(0.03))
    assert stratified_interval([(50, 0, 0)]) == stratified_interval([]) == (0, 1)
    with pytest.raises(ValueError, match="strata"):
        stratified_interval([(5, 3, 4)])
