"""The one place for confidence intervals."""

import math
from collections.abc import Sequence

import numpy as np
from scipy.stats import beta, chi2, t


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
    low = 0.0 if successes == 0 else float(beta.ppf(tail, successes, trials - successes + 1))
    high = 1.0 if successes == trials else float(beta.ppf(1 - tail, successes + 1, trials - successes))
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
    half = float(t.ppf((1 + confidence) / 2, len(values) - 1)) * float(np.std(values, ddof=1)) / math.sqrt(len(values))
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
    low = 0.0 if events == 0 else float(chi2.ppf(tail, 2 * events)) / 2
    return low, float(chi2.isf(tail, 2 * events + 2)) / 2
