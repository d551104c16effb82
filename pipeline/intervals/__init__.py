"""The one place for confidence intervals."""

import math
from collections.abc import Sequence

import numpy as np
from scipy.special import betaincinv, gammainccinv, gammaincinv, stdtrit  # scipy.stats takes half a second to import


def binomial_interval(successes: int, trials: int, confidence: float = 0.95) -> tuple[float, float]:
    """Exact two-sided interval of a proportion (Clopper and Pearson, 1934).

    Args:
        successes: number of successes, 0..trials.
        trials: number of independent trials; 0 gives (0, 1), for nothing is known.
        confidence: coverage of at least this much, in (0, 1).

    Returns:
        Lower and upper bound, in [0, 1].

    Raises:
        ValueError: `successes` is not within 0..trials, or `confidence` not within (0, 1).
    """
    if not 0 <= successes <= trials or not 0 < confidence < 1:
        raise ValueError(f"{successes} successes of {trials} trials at confidence {confidence}")
    tail = (1 - confidence) / 2
    low = 0.0 if successes == 0 else float(betaincinv(successes, trials - successes + 1, tail))
    high = 1.0 if successes == trials else float(betaincinv(successes + 1, trials - successes, 1 - tail))
    return low, high


def mean_interval(values: Sequence[float], confidence: float = 0.95) -> tuple[float, float]:
    """Two-sided interval of a mean by Student's t, for independent values that are about normal.

    Args:
        values: at least 2.
        confidence: coverage, in (0, 1).

    Raises:
        ValueError: fewer values, or `confidence` not within (0, 1).
    """
    if len(values) < 2 or not 0 < confidence < 1:
        raise ValueError(f"{len(values)} values at confidence {confidence}")
    error = float(np.std(values, ddof=1)) / math.sqrt(len(values))
    half = float(stdtrit(len(values) - 1, (1 + confidence) / 2)) * error
    mean = float(np.mean(values))
    return mean - half, mean + half


def poisson_interval(events: int, confidence: float = 0.95) -> tuple[float, float]:
    """Exact two-sided interval of the expected number of rare events, of which some were seen (Garwood, 1936).

    Args:
        events: how many were seen, at least 0.
        confidence: coverage of at least this much, in (0, 1).

    Raises:
        ValueError: `events` is negative, or `confidence` not within (0, 1).
    """
    if events < 0 or not 0 < confidence < 1:
        raise ValueError(f"{events} events at confidence {confidence}")
    tail = (1 - confidence) / 2
    low = 0.0 if events == 0 else float(gammaincinv(events, tail))
    return low, float(gammainccinv(events + 1, tail))


def stratified_interval(strata: Sequence[tuple[int, int, int]], confidence: float = 0.95) -> tuple[float, float]:
    """Two-sided interval of the share of wrong ones in a whole of which a random part of each stratum was judged.

    One stratum: that of Clopper and Pearson. Several: the gamma interval of Fay and Feuer (Statistics in Medicine 16,
    1997) for the sum of the strata's counts, each weighed by what a judgement in it stands for. It takes counts for
    Poisson, which spread more than those of a draw without replacement do, and adds at the upper end one error of the
    largest weight. What is surely known bounds it: those found wrong are, those found right are not; so a stratum of
    which all is judged is exact, and one of which nothing is judged counts as nothing below and as wrong above.

    Args:
        strata: size, how many of them were judged, how many of those are wrong.
        confidence: coverage of about at least this much, in (0, 1).

    Returns:
        Lower and upper bound, in [0, 1]; (0, 1) when there is nothing.

    Raises:
        ValueError: a stratum is not of 0 <= wrong <= judged <= size, or `confidence` not within (0, 1).
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
    done = sum(wrong for size, judged, wrong in strata if judged == size) / total
    unknown = sum(size for size, judged, _ in strata if not judged) / total
    surely_wrong = sum(wrong for _, _, wrong in strata) / total
    perhaps_wrong = sum(size - judged + wrong for size, judged, wrong in strata) / total
    return max(low + done, surely_wrong), min(high + done + unknown, perhaps_wrong)


def _weighted_interval(counts: Sequence[tuple[float, int]], confidence: float) -> tuple[float, float]:
    """Fay and Feuer's interval of the sum of weights times Poisson counts; with one weight it is Garwood's."""
    tail = (1 - confidence) / 2
    largest = max(weight for weight, _ in counts)
    total = sum(weight * count for weight, count in counts)
    variance = sum(weight**2 * count for weight, count in counts)
    low = variance / total * float(gammaincinv(total**2 / variance, tail)) if total else 0.0
    total, variance = total + largest, variance + largest**2
    return low, variance / total * float(gammainccinv(total**2 / variance, tail))
