"""Estimate the rate of false removals of a detector from people's verdicts on a frozen sample of its removals."""

import bisect
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pipeline.audit.pair_sample import CONTROL, PairSample, SampledPair
from pipeline.dedup.decision.verdicts import Verdict, not_duplicates
from pipeline.dedup.pairs.pairs_table import MIRRORED
from pipeline.intervals import stratified_interval

TARGET_RATE = 0.01
"""Enough pairs are judged when the upper end of the interval is below this rate."""

MAX_INTERVAL = 0.5
"""A rate is withheld while its 95 % interval is at least this wide; it is narrower after six right removals."""

METHOD_PLAIN = "two-sided 95 % interval of Clopper and Pearson (1934)"
"""Method of the interval for a sample with one stratum."""

METHOD_STRATIFIED = "rate weighted by stratum size, two-sided 95 % gamma interval of Fay and Feuer (1997)"
"""Method of the interval for a sample with several strata."""

_Votes = Mapping[str, bool]  # by rater: whether the removal was wrong
_Counts = tuple[int, int, int]  # of a stratum: size, judged, wrong


def estimate(sample: PairSample, verdicts: Sequence[Verdict], *, detector: str) -> dict[str, Any]:
    """Estimate the rate of false removals of the sampled detector, before verdicts change its removals.

    The estimate uses the sample and the verdicts whose column `sample` has its name; other verdicts do not count. A
    removal is wrong if at least half of its raters say so. Shares are rounded to six decimals.

    Args:
        sample: the pair sample.
        verdicts: all verdicts of the file.
        detector: digest of the current detector.

    Returns:
        judged, of: numbers of judged pairs and of all pairs of the sample, without controls.
        wrong: number of judged pairs whose removal is wrong.
        false_removal_rate, precision: 0..1, each also with `_low` and `_high` for its interval; None while the interval
            is `MAX_INTERVAL` wide or wider.
        strata: by name: size, of, judged, wrong, rate (None by the same rule), low, high.
        controls: of, judged, missed (a rater called the two pictures duplicates).
        raters: by name: judged, wrong, controls_judged, controls_missed.
        agreement: number of removed pairs with two or more raters, and how many of them all raters judged the same;
            None if there are no such pairs.
        needed: how many more pairs, in the order shown, must be judged until the interval is below `TARGET_RATE`, if
            none of them is wrong; None if the whole sample would not suffice.
        stale: whether the sample was taken from the removals of another detector.
        method: method of the intervals.
    """
    votes = _votes(sample, verdicts)
    removed = [pair for pair in sample.pairs if pair.stratum != CONTROL]
    controls = [pair for pair in sample.pairs if pair.stratum == CONTROL]
    wrong = {contents: 2 * sum(by_rater.values()) >= len(by_rater) for contents, by_rater in votes.items()}
    strata = _count_strata(removed, wrong)
    rate, low, high = _rate(list(strata.values()))
    shared = [votes[pair.contents].values() for pair in removed if len(votes.get(pair.contents, {})) > 1]
    return {
        "judged": sum(judged for _, judged, _ in strata.values()),
        "of": len(removed),
        "wrong": sum(errors for _, _, errors in strata.values()),
        "false_removal_rate": rate,
        "false_removal_rate_low": low,
        "false_removal_rate_high": high,
        "precision": None if rate is None else round(1 - rate, 6),
        "precision_low": round(1 - high, 6),
        "precision_high": round(1 - low, 6),
        "strata": {name: _stratum_summary(name, counts, removed) for name, counts in sorted(strata.items())},
        "controls": {
            "of": len(controls),
            "judged": sum(pair.contents in votes for pair in controls),
            "missed": sum(not all(votes.get(pair.contents, {}).values()) for pair in controls),
        },
        "raters": _raters(votes, removed, controls),
        "agreement": {"pairs": len(shared), "agree": sum(len(set(found)) == 1 for found in shared)} if shared else None,
        "needed": _needed(removed, wrong),
        "stale": sample.detector != detector,
        "method": METHOD_PLAIN if len(strata) == 1 else METHOD_STRATIFIED,
    }


def _votes(sample: PairSample, verdicts: Iterable[Verdict]) -> dict[frozenset[str], dict[str, bool]]:
    """Whether each rater called each sampled pair wrong; if verdicts of a rater disagree, "wrong" counts."""
    sampled = {pair.contents: pair for pair in sample.pairs}
    votes: dict[frozenset[str], dict[str, bool]] = defaultdict(dict)
    for verdict in verdicts:
        contents = frozenset((verdict.sha256_a, verdict.sha256_b))
        if verdict.sample == sample.name and contents in sampled:
            before = votes[contents].get(verdict.rater, False)
            # A picture with the reason `mirrored` was removed because it is a mirrored copy.
            wrong = not_duplicates(removes_mirrored=sampled[contents].stratum.startswith(MIRRORED))
            votes[contents][verdict.rater] = before or verdict.label in wrong
    return dict(votes)


def _count_strata(removed: Iterable[SampledPair], wrong: Mapping[frozenset[str], bool]) -> dict[str, _Counts]:
    """Size, number of judged pairs and number of wrong ones of each stratum."""
    strata: dict[str, _Counts] = {}
    for pair in removed:
        _, judged, errors = strata.get(pair.stratum, (0, 0, 0))
        is_wrong = wrong.get(pair.contents)
        strata[pair.stratum] = (pair.stratum_size, judged + (is_wrong is not None), errors + bool(is_wrong))
    return strata


def _rate(strata: Sequence[_Counts]) -> tuple[float | None, float, float]:
    """The rate over the strata with a judged pair, weighted by their sizes, and its interval over all strata.

    The rate is None while the interval is too wide to say anything; see `MAX_INTERVAL`.
    """
    known = [counts for counts in strata if counts[1]]
    low, high = stratified_interval(strata)
    rate = None
    if known and high - low < MAX_INTERVAL:
        rate = sum(size * wrong / judged for size, judged, wrong in known) / sum(size for size, _, _ in known)
        rate = round(rate, 6)
    return rate, round(low, 6), round(high, 6)


def _stratum_summary(stratum: str, counts: _Counts, removed: Iterable[SampledPair]) -> dict[str, Any]:
    rate, low, high = _rate([counts])
    size, judged, wrong = counts
    sampled = sum(pair.stratum == stratum for pair in removed)
    return {"size": size, "of": sampled, "judged": judged, "wrong": wrong, "rate": rate, "low": low, "high": high}


def _raters(
    votes: Mapping[frozenset[str], _Votes], removed: Sequence[SampledPair], controls: Sequence[SampledPair]
) -> dict[str, dict[str, int]]:
    """For each rater: pairs and controls judged, removals called wrong, controls called duplicates."""
    names = ("judged", "wrong", "controls_judged", "controls_missed")
    raters = {rater: dict.fromkeys(names, 0) for rater in sorted({r for by_rater in votes.values() for r in by_rater})}
    for pairs, judged, counted, value in ((removed, *names[:2], True), (controls, *names[2:], False)):
        for pair in pairs:
            for rater, wrong in votes.get(pair.contents, {}).items():
                raters[rater][judged] += 1
                raters[rater][counted] += wrong is value
    return raters


def _needed(removed: Sequence[SampledPair], wrong: Mapping[frozenset[str], bool]) -> int | None:
    left = [pair.contents for pair in removed if pair.contents not in wrong]

    def settled(more: int) -> bool:
        further = dict.fromkeys(left[:more], False)
        return stratified_interval(list(_count_strata(removed, {**wrong, **further}).values()))[1] < TARGET_RATE

    more = bisect.bisect_left(range(len(left) + 1), True, key=settled)
    return more if more <= len(left) else None
