"""Confidence intervals of proportions, means, Poisson counts and stratified samples."""

import math
from collections.abc import Sequence

import numpy as np
from scipy.special import betaincinv, gammainccinv, gammaincinv, stdtrit  # scipy.stats takes half a second to import


def binomial_interval(successes: int, trials: int, confidence: float = 0.95) -> tuple[float, float]:
    """Exact two-sided interval of a proportion (Clopper and Pearson, 1934).

    Args:
        successes: number of successes, 0..trials.
        trials: number of independent trials; for 0, the interval is (0, 1).
        confidence: minimum coverage, in (0, 1).

    Returns:
        Lower and upper bound, in [0, 1].

    Raises:
        ValueError: `successes` is not within 0..trials, or `confidence` is not within (0, 1).
    """
    if not 0 <= successes <= trials or not 0 < confidence < 1:
        raise ValueError(f"{successes} successes of {trials} trials at confidence {confidence}")
    tail = (1 - confidence) / 2
    low = 0.0 if successes == 0 else float(betaincinv(successes, trials - successes + 1, tail))
    high = 1.0 if successes == trials else float(betaincinv(successes + 1, trials - successes, 1 - tail))
    return low, high


def mean_interval(values: Sequence[float], confidence: float = 0.95) -> tuple[float, float]:
    """Two-sided interval of a mean by Student's t, for independent, approximately normal values.

    Args:
        values: at least 2 values.
        confidence: coverage, in (0, 1).

    Returns:
        Lower and upper bound.

    Raises:
        ValueError: `values` has fewer than 2 elements, or `confidence` is not within (0, 1).
    """
    if len(values) < 2 or not 0 < confidence < 1:
        raise ValueError(f"{len(values)} values at confidence {confidence}")
    error = float(np.std(values, ddof=1)) / math.sqrt(len(values))
    half = float(stdtrit(len(values) - 1, (1 + confidence) / 2)) * error
    mean = float(np.mean(values))
    return mean - half, mean + half


def poisson_interval(events: int, confidence: float = 0.95) -> tuple[float, float]:
    """Exact two-sided interval of the mean of a Poisson distribution from one count (Garwood, 1936).

    Args:
        events: the observed count, at least 0.
        confidence: minimum coverage, in (0, 1).

    Returns:
        Lower and upper bound, at least 0.

    Raises:
        ValueError: `events` is negative, or `confidence` is not within (0, 1).
    """
    if events < 0 or not 0 < confidence < 1:
        raise ValueError(f"{events} events at confidence {confidence}")
    tail = (1 - confidence) / 2
    low = 0.0 if events == 0 else float(gammaincinv(events, tail))
    return low, float(gammainccinv(events + 1, tail))


def stratified_interval(strata: Sequence[tuple[int, int, int]], confidence: float = 0.95) -> tuple[float, float]:
    """Two-sided interval of the share of wrong items in a population, from a stratified random sample of judged items.

    With one stratum, the interval is that of Clopper and Pearson. With several, it is the gamma interval of Fay and
    Feuer (Statistics in Medicine 16, 1997) for a weighted sum of Poisson counts; the weight of a judged item is the
    number of items that it represents. The interval is conservative: Poisson counts vary more than counts of a sample
    without replacement, and the upper bound includes one more error of the largest weight. The judged items limit
    the interval, because their state is known. So a completely judged stratum adds no uncertainty. All items of a
    stratum without judgements count as right in the lower bound and as wrong in the upper bound.

    Args:
        strata: three numbers for each stratum: number of items, number of judged items, number of items judged wrong.
        confidence: approximate minimum coverage, in (0, 1).

    Returns:
        Lower and upper bound, in [0, 1]; (0, 1) for an empty population.

    Raises:
        ValueError: a stratum does not satisfy 0 <= wrong <= judged <= size, or `confidence` is not within (0, 1).
    """
    if any(not 0 <= wrong <= judged <= size for size, judged, wrong in strata) or not 0 < confidence < 1:
        raise ValueError(f"strata {strata} at confidence {confidence}")
    total = sum(size for size, _, _ in strata)
    if not total:
        return 0.0, 1.0
    partly = [stratum for stratum in strata if 0 < stratum[1] < stratum[0]]
    low, high = 0.0, 0.0
    if len(partly) == 1:
        ((size, judged, wrong),) = partly
        low, high = (size / total * bound for bound in binomial_interval(wrong, judged, confidence))
    elif partly:
        low, high = _weighted_interval([(size / total / judged, wrong) for size, judged, wrong in partly], confidence)
    complete = sum(wrong for size, judged, wrong in strata if judged == size) / total
    unknown = sum(size for size, judged, _ in strata if not judged) / total
    surely_wrong = sum(wrong for _, _, wrong in strata) / total
    perhaps_wrong = sum(size - judged + wrong for size, judged, wrong in strata) / total
    return max(low + complete, surely_wrong), min(high + complete + unknown, perhaps_wrong)


def _weighted_interval(counts: Sequence[tuple[float, int]], confidence: float) -> tuple[float, float]:
    """Fay and Feuer's interval of a weighted sum of Poisson counts; with one weight it equals Garwood's."""
    tail = (1 - confidence) / 2
    largest = max(weight for weight, _ in counts)
    total = sum(weight * count for weight, count in counts)
    variance = sum(weight**2 * count for weight, count in counts)
    low = variance / total * float(gammaincinv(total**2 / variance, tail)) if total else 0.0
    total, variance = total + largest, variance + largest**2
    return low, variance / total * float(gammainccinv(total**2 / variance, tail))
