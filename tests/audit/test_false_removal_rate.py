"""The estimate covers the true rate of false removals; it depends only on the sample and the verdicts on it."""

import functools
import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from pipeline.audit.false_removal_rate import MAX_INTERVAL, METHOD_PLAIN, METHOD_STRATIFIED, estimate
from pipeline.audit.pair_sample import CONTROL, PairSample, SampledPair, allocate, sample_pairs
from pipeline.dedup.decision.verdicts import LABELS, NOT_DUPLICATES, Verdict
from pipeline.intervals import binomial_interval, stratified_interval

DETECTOR = "d" * 64
TRUE_RATES = (0, 0.001, 0.003, 0.01, 0.03, 0.1)
REPETITIONS = 2000
interval = functools.cache(stratified_interval)


def sha(text: object) -> str:
    return hashlib.sha256(str(text).encode()).hexdigest()


def sample_of(sizes: dict[str, tuple[int, int]], controls: int = 0) -> PairSample:
    """A sample from strata of given (size, sampled pairs), one stratum after the other, then the controls."""
    strata = [(stratum, size) for stratum, (size, sampled) in sizes.items() for _ in range(sampled)]
    pairs = [
        SampledPair(sha(2 * number), sha(2 * number + 1), f"a{number}", f"b{number}", stratum, size)
        for number, (stratum, size) in enumerate([*strata, *[(CONTROL, 0)] * controls])
    ]
    return PairSample("one", DETECTOR, 1, tuple(pairs))


def verdict(pair: SampledPair, label: str = "near", rater: str = "me", sample: str = "one") -> Verdict:
    """A verdict with the two sides swapped: their order has no meaning."""
    return Verdict(pair.sha256_b, pair.sha256_a, pair.key_b, pair.key_a, label, "", rater, sample)


def judge(sample: PairSample, labels: str, rater: str = "me") -> list[Verdict]:
    """Verdicts on the pairs in their order, one for each character: `.` right, `x` wrong, a blank for no verdict."""
    meaning = {".": "near", "x": "different"}
    return [verdict(pair, meaning[at], rater) for pair, at in zip(sample.pairs, labels, strict=False) if at != " "]


def test_all_figures_of_a_small_sample() -> None:
    """Two raters, two strata and two controls: every field equals a value computed by hand."""
    sample = sample_of({"near_code 5-8": (30, 3), "same_code 0": (10, 1)}, controls=2)
    found = estimate(sample, judge(sample, "x. .x.", "b") + judge(sample, "x..", "a"), detector="e" * 64)
    low, high = stratified_interval([(30, 2 + 1, 1), (10, 1, 0)])
    assert found == {
        "judged": 4,
        "of": 4,
        "wrong": 1,
        "false_removal_rate": None,  # after four judgements the interval says nothing
        "false_removal_rate_low": round(low, 6),
        "false_removal_rate_high": round(high, 6),
        "precision": None,
        "precision_low": round(1 - round(high, 6), 6),
        "precision_high": round(1 - round(low, 6), 6),
        "strata": {
            "near_code 5-8": {
                **{"size": 30, "of": 3, "judged": 3, "wrong": 1, "rate": None},
                **dict(zip(("low", "high"), (round(x, 6) for x in stratified_interval([(30, 3, 1)])), strict=True)),
            },
            "same_code 0": {
                **{"size": 10, "of": 1, "judged": 1, "wrong": 0, "rate": None},
                **dict(zip(("low", "high"), (round(x, 6) for x in stratified_interval([(10, 1, 0)])), strict=True)),
            },
        },
        "controls": {"of": 2, "judged": 2, "missed": 1},
        "raters": {
            "a": {"judged": 3, "wrong": 1, "controls_judged": 0, "controls_missed": 0},
            "b": {"judged": 3, "wrong": 1, "controls_judged": 2, "controls_missed": 1},
        },
        "agreement": {"pairs": 2, "agree": 2},
        "needed": None,
        "stale": True,
        "method": METHOD_STRATIFIED,
    }
    assert list(json.loads(json.dumps(found))["strata"]) == ["near_code 5-8", "same_code 0"]


def test_without_judgements_there_is_no_rate() -> None:
    """The interval is the whole range, and the rate is None."""
    found = estimate(sample_of({"all": (900, 5)}, 1), [], detector=DETECTOR)
    assert (found["judged"], found["of"], found["false_removal_rate"], found["precision"]) == (0, 5, None, None)
    assert (found["false_removal_rate_low"], found["false_removal_rate_high"]) == (0, 1)
    assert found["agreement"] is None and not found["stale"] and found["raters"] == {}
    assert found["controls"] == {"of": 1, "judged": 0, "missed": 0} and found["method"] == METHOD_PLAIN


@pytest.mark.parametrize(
    ("labels", "rate"),
    [("....", None), (".....", None), ("......", 0.0), ("xxxx....", None), ("xx..............", 0.125)],
)
def test_a_rate_is_withheld_until_its_interval_is_narrower_than_a_half(labels: str, rate: float | None) -> None:
    """Five right removals are too few, six suffice; the more are wrong, the more judgements are needed."""
    sample = sample_of({"all": (900, len(labels))})
    found = estimate(sample, judge(sample, labels), detector=DETECTOR)
    assert (found["false_removal_rate"], found["strata"]["all"]["rate"]) == (rate, rate)
    width = found["false_removal_rate_high"] - found["false_removal_rate_low"]
    assert (width < MAX_INTERVAL) == (rate is not None)


@pytest.mark.parametrize("label", LABELS)
def test_which_labels_make_a_removal_wrong(label: str) -> None:
    """Removing a mirrored, similar or different picture was wrong; the other labels confirm the removal."""
    sample = sample_of({"all": (900, 1)}, 1)
    found = estimate(sample, [verdict(pair, label) for pair in sample.pairs], detector=DETECTOR)
    assert found["wrong"] == (label in NOT_DUPLICATES)
    assert found["controls"]["missed"] == (label not in NOT_DUPLICATES)


def test_the_label_mirrored_confirms_the_removal_of_a_mirrored_copy() -> None:
    """In a stratum of mirrored copies, the label is right; in others it is wrong."""
    sample = sample_of({"mirrored 17-128": (30, 2), "near_code 5-8": (30, 2)})
    found = estimate(sample, [verdict(pair, "mirrored") for pair in sample.pairs], detector=DETECTOR)
    assert {name: stratum["wrong"] for name, stratum in found["strata"].items()} == {
        "mirrored 17-128": 0,
        "near_code 5-8": 2,
    }


@pytest.mark.parametrize(
    ("votes", "wrong", "agree"), [("..x", 0, 0), ("xx.", 1, 0), ("x.", 1, 0), ("..", 0, 1), ("xxx", 1, 1)]
)
def test_the_majority_decides_and_a_tie_is_wrong(votes: str, wrong: int, agree: int) -> None:
    """A removal is wrong if at least half of the raters say so, so errors are not underestimated."""
    sample = sample_of({"all": (900, 1)})
    people = [one for number, vote in enumerate(votes) for one in judge(sample, vote, f"rater {number}")]
    found = estimate(sample, people, detector=DETECTOR)
    assert found["wrong"] == wrong and found["agreement"] == {"pairs": 1, "agree": agree}


def test_one_rater_has_one_vote() -> None:
    """If merged files hold two contradicting lines of one rater, the pair counts as judged once, and as wrong."""
    sample = sample_of({"all": (900, 2)})
    found = estimate(sample, judge(sample, "x.") + judge(sample, ".."), detector=DETECTOR)
    assert found["raters"] == {"me": {"judged": 2, "wrong": 1, "controls_judged": 0, "controls_missed": 0}}
    assert found["judged"] == 2 and found["wrong"] == 1 and found["agreement"] is None


@given(
    st.lists(st.sampled_from(".x "), min_size=12, max_size=12), st.lists(st.sampled_from(sorted(LABELS)), max_size=9)
)
def test_only_verdicts_on_the_sample_count(labels: list[str], others: list[str]) -> None:
    """Verdicts of browsing, on other samples or pairs, and "always keep" change nothing; nor does their order."""
    sample = sample_of({"near_code 5-8": (300, 8), "same_code 0": (80, 2)}, controls=2)
    people = judge(sample, "".join(labels))
    before = estimate(sample, people, detector=DETECTOR)
    strange = sample_of({"all": (900, 40)}).pairs[20:]
    more = [
        verdict(pair, label, rater="x", sample=other)
        for pair, label in zip(sample.pairs, others, strict=False)
        for other in ("", "two")
    ]
    more += [verdict(pair, label) for pair, label in zip(strange, others, strict=False)]
    more += [replace(verdict(pair), sha256_b="", label="") for pair in sample.pairs]
    assert estimate(sample, (people + more)[::-1], detector=DETECTOR) == before


def test_368_judgements_without_an_error_settle_a_plain_sample() -> None:
    """Each further judgement reduces `needed`, an error raises it; it is None if the sample is too small."""
    sample = sample_of({"all": (100_000, 600)})
    for labels, needed in (("", 368), ("." * 100, 268), ("." * 368, 0)):
        assert estimate(sample, judge(sample, labels), detector=DETECTOR)["needed"] == needed
    needed = estimate(sample, judge(sample, "x"), detector=DETECTOR)["needed"]
    assert binomial_interval(1, 1 + needed)[1] < 0.01 <= binomial_interval(1, needed)[1]
    assert estimate(sample_of({"all": (100_000, 367)}), [], detector=DETECTOR)["needed"] is None
    assert estimate(sample, judge(sample, "x" * 9), detector=DETECTOR)["needed"] is None


def test_a_census_is_exact() -> None:
    """When all removals are judged, the interval has no width, with any strata."""
    sample = sample_of({"near_code 5-8": (40, 40), "same_code 0": (10, 10)})
    found = estimate(sample, judge(sample, "x" + "." * 49), detector=DETECTOR)
    assert found["false_removal_rate"] == found["false_removal_rate_low"] == found["false_removal_rate_high"] == 0.02


# Simulated populations: sizes of the strata, and where the errors are: in any stratum (None), or filling the stratum of
# this number first and then the following ones.
POPULATIONS = {
    "plain": ([20_000], None),
    "spread": ([9000, 6000, 3000, 1200, 700, 100], None),
    "in the largest": ([9000, 6000, 3000, 1200, 700, 100], 0),
    "in the smaller": ([9000, 6000, 3000, 1200, 700, 100], 3),
    "in the smallest": ([9000, 6000, 3000, 1200, 700, 100], 5),
}


def errors_in(sizes: Sequence[int], rate: float, where: int | None, rng: np.random.Generator) -> list[int]:
    """Number of wrong removals in each stratum."""
    left = round(rate * sum(sizes))
    if where is None:
        return [int(number) for number in rng.multivariate_hypergeometric(sizes, left)]
    wrong = [0] * len(sizes)
    for number in [(where + step) % len(sizes) for step in range(len(sizes))]:
        wrong[number] = min(left, sizes[number])
        left -= wrong[number]
    return wrong


def simulate(kind: str, rate: float, count: int, judged: float, repetitions: int) -> tuple[float, float, float]:
    """Share of samples whose interval covers the true rate; its mean width; mean width of scipy's exact interval."""
    sizes, where = POPULATIONS[kind]
    rng = np.random.default_rng([*kind.encode(), round(rate * 1000), count, round(judged * 100)])
    inside, width, exact = 0, 0.0, 0.0
    shares = allocate(sizes, count)
    for _ in range(repetitions):
        wrong = errors_in(sizes, rate, where, rng)
        places = np.concatenate([(np.arange(share) + rng.random(share)) / share for share in shares])
        first = np.repeat(np.arange(len(sizes)), shares)[np.argsort(places)][: round(judged * count)]
        looked = np.bincount(first, minlength=len(sizes))
        found = rng.hypergeometric(wrong, np.subtract(sizes, wrong), looked)
        low, high = interval(tuple(zip(sizes, looked.tolist(), found.tolist(), strict=True)))
        inside += low <= sum(wrong) / sum(sizes) <= high
        width += high - low
        low, high = scipys(int(found.sum()), int(looked.sum()))
        exact += high - low
    return inside / repetitions, width / repetitions, exact / repetitions


@functools.cache
def scipys(wrong: int, judged: int) -> tuple[float, float]:
    found = binomtest(wrong, judged).proportion_ci(0.95, "exact")
    return float(found.low), float(found.high)


@pytest.mark.long
@pytest.mark.parametrize("rate", TRUE_RATES)
@pytest.mark.parametrize("kind", POPULATIONS)
def test_the_true_rate_is_inside(kind: str, rate: float) -> None:
    """At least 94 of 100 intervals cover it, of whole or partial samples, and are little wider than the exact ones."""
    for count, judged, widest in ((400, 1, 1.1), (400, 0.5, 1.25), (1000, 1, 1.1), (150, 1, 1.15), (150, 0.4, 1.4)):
        inside, width, exact = simulate(kind, rate, count, judged, REPETITIONS)
        assert inside >= 0.94, f"{count} sampled, {judged} judged: {inside} inside"
        assert width <= (1.1 if kind == "plain" else widest) * exact, f"{count}, {judged}: {width / exact}"


@pytest.mark.parametrize("kind", ["plain", "in the smaller"])
def test_the_true_rate_is_inside_quick(kind: str) -> None:
    """The test above with fewer repetitions."""
    inside, width, exact = simulate(kind, 0.01, 400, 1, 300)
    assert inside >= 0.94 and width <= 1.1 * exact


def population(sizes: dict[int, int]) -> tuple[Any, pa.Table]:
    """Removed pictures at given distances (distance to count), each with a representative of its own."""
    count = sum(sizes.values())
    contents = [sha(row) for row in range(2 * count)]
    images = SimpleNamespace(index=pa.table({"sha256": contents, "key": [str(row) for row in range(2 * count)]}))
    rows = pa.array(range(count))
    distances = pa.array(np.repeat(list(sizes), list(sizes.values())), pa.int16())
    reasons = pa.array(["near_code"] * count)
    table = pa.table(
        {"row": rows, "representative": pa.array(range(count, 2 * count)), "reason": reasons, "hamming": distances}
    )
    return images, table


@pytest.mark.long
@pytest.mark.parametrize("judged", [330, 120])
@pytest.mark.parametrize("rate", TRUE_RATES)
def test_the_true_rate_is_inside_from_sample_to_estimate(rate: float, judged: int) -> None:
    """Real samples of a population whose errors are its most distant pairs, judged by a rater who makes no error."""
    images, table = population({0: 1200, 3: 600, 7: 150, 12: 50})
    wrong = {frozenset((sha(row), sha(row + 2000))) for row in range(2000 - round(rate * 2000), 2000)}
    inside = 0
    for seed in range(200):
        sample = sample_pairs(images, table, DETECTOR, name="one", count=300, controls=0.1, seed=seed)
        people = [
            verdict(pair, "different" if pair.contents in wrong or pair.stratum == CONTROL else "near")
            for pair in sample.pairs[:judged]
        ]
        found = estimate(sample, people, detector=DETECTOR)
        assert found["judged"] + found["controls"]["judged"] == judged and found["controls"]["missed"] == 0
        inside += found["false_removal_rate_low"] <= rate <= found["false_removal_rate_high"]
    assert inside >= 0.94 * 200
