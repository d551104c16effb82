"""How wrong a detector is, from people's verdicts on a frozen draw of what it removes."""

import bisect
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pipeline.audit.frozen_draw import CONTROL, Drawn, Sample
from pipeline.dedup.decision.verdicts import NOT_DUPLICATES, Verdict
from pipeline.intervals import stratified_interval

SETTLED = 0.01
"""The upper end of the false-removal rate below which it counts as settled."""

PLAIN = "two-sided 95 % interval of Clopper and Pearson (1934)"
"""How the interval of a draw from one stratum is made."""

STRATIFIED = "rate weighted by stratum size, two-sided 95 % gamma interval of Fay and Feuer (1997)"
"""How that of several is."""

_Votes = Mapping[str, bool]  # by rater: whether the removal was wrong
_Cell = tuple[int, int, int]  # size, judged, wrong


def estimate(sample: Sample, verdicts: Sequence[Verdict], *, detector: str) -> dict[str, Any]:
    """The rate of false removals of the detector that was sampled, before verdicts acted on it.

    It depends on the draw and on the verdicts that name it, and on nothing else: browsing verdicts never enter. A
    removal is wrong if half of the raters or more say so. Shares have six decimals.

    Args:
        sample: the draw.
        verdicts: all there are.
        detector: digest of the detector of today.

    Returns:
        judged, of: removed pairs, without controls; wrong: of those judged.
        false_removal_rate, precision: each with `_low` and `_high`; None while nothing is judged.
        strata: for each: size, of, judged, wrong, rate (None while nothing is judged), low, high.
        controls: of, judged, missed (some rater called the two duplicates).
        raters: for each: judged, wrong, controls_judged, controls_missed.
        agreement: pairs judged by two raters or more, and how many of them all judged the same; None if there is none.
        needed: how many more pairs, in the order shown and without an error, until the rate is surely below `SETTLED`;
            None if this draw cannot show it.
        stale: whether the draw is of another detector.
        method: of the intervals.
    """
    votes = _votes(sample, verdicts)
    removed = [pair for pair in sample.pairs if pair.stratum != CONTROL]
    controls = [pair for pair in sample.pairs if pair.stratum == CONTROL]
    wrong = {contents: 2 * sum(said.values()) >= len(said) for contents, said in votes.items()}
    cells = _cells(removed, wrong)
    rate, low, high = _rate(list(cells.values()))
    shared = [votes[pair.contents].values() for pair in removed if len(votes.get(pair.contents, {})) > 1]
    return {
        "judged": sum(judged for _, judged, _ in cells.values()),
        "of": len(removed),
        "wrong": sum(errors for _, _, errors in cells.values()),
        "false_removal_rate": rate,
        "false_removal_rate_low": low,
        "false_removal_rate_high": high,
        "precision": None if rate is None else round(1 - rate, 6),
        "precision_low": round(1 - high, 6),
        "precision_high": round(1 - low, 6),
        "strata": {stratum: _describe(stratum, cell, removed) for stratum, cell in sorted(cells.items())},
        "controls": {
            "of": len(controls),
            "judged": sum(pair.contents in votes for pair in controls),
            "missed": sum(not all(votes.get(pair.contents, {}).values()) for pair in controls),
        },
        "raters": _raters(votes, removed, controls),
        "agreement": {"pairs": len(shared), "agree": sum(len(set(said)) == 1 for said in shared)} if shared else None,
        "needed": _needed(removed, wrong),
        "stale": sample.detector != detector,
        "method": PLAIN if len(cells) == 1 else STRATIFIED,
    }


def _votes(sample: Sample, verdicts: Iterable[Verdict]) -> dict[frozenset[str], dict[str, bool]]:
    """What each rater said of each drawn pair; who contradicts himself said that it was wrong."""
    drawn = {pair.contents for pair in sample.pairs}
    votes: dict[frozenset[str], dict[str, bool]] = defaultdict(dict)
    for verdict in verdicts:
        contents = frozenset((verdict.sha256_a, verdict.sha256_b))
        if verdict.sample == sample.name and contents in drawn:
            said = votes[contents].get(verdict.rater, False)
            votes[contents][verdict.rater] = said or verdict.label in NOT_DUPLICATES
    return dict(votes)


def _cells(removed: Iterable[Drawn], wrong: Mapping[frozenset[str], bool]) -> dict[str, _Cell]:
    """Size, judged and wrong of each stratum."""
    cells: dict[str, _Cell] = {}
    for pair in removed:
        _, judged, errors = cells.get(pair.stratum, (0, 0, 0))
        said = wrong.get(pair.contents)
        cells[pair.stratum] = (pair.stratum_size, judged + (said is not None), errors + bool(said))
    return cells


def _rate(cells: Sequence[_Cell]) -> tuple[float | None, float, float]:
    """The rate, weighted by size, of the strata of which something is judged, and its interval over all."""
    known = [cell for cell in cells if cell[1]]
    low, high = stratified_interval(cells)
    if not known:
        return None, low, high
    rate = sum(size * wrong / judged for size, judged, wrong in known) / sum(size for size, _, _ in known)
    return round(rate, 6), round(low, 6), round(high, 6)


def _describe(stratum: str, cell: _Cell, removed: Iterable[Drawn]) -> dict[str, Any]:
    rate, low, high = _rate([cell])
    size, judged, wrong = cell
    drawn = sum(pair.stratum == stratum for pair in removed)
    return {"size": size, "of": drawn, "judged": judged, "wrong": wrong, "rate": rate, "low": low, "high": high}


def _raters(
    votes: Mapping[frozenset[str], _Votes], removed: Sequence[Drawn], controls: Sequence[Drawn]
) -> dict[str, dict[str, int]]:
    """How many pairs and controls each rater judged, and how."""
    names = ("judged", "wrong", "controls_judged", "controls_missed")
    raters = {rater: dict.fromkeys(names, 0) for rater in sorted({rater for said in votes.values() for rater in said})}
    for pairs, judged, counted, what in ((removed, *names[:2], True), (controls, *names[2:], False)):
        for pair in pairs:
            for rater, wrong in votes.get(pair.contents, {}).items():
                raters[rater][judged] += 1
                raters[rater][counted] += wrong is what
    return raters


def _needed(removed: Sequence[Drawn], wrong: Mapping[frozenset[str], bool]) -> int | None:
    left = [pair.contents for pair in removed if pair.contents not in wrong]

    def settled(more: int) -> bool:
        further = dict.fromkeys(left[:more], False)
        return stratified_interval(list(_cells(removed, {**wrong, **further}).values()))[1] < SETTLED

    more = bisect.bisect_left(range(len(left) + 1), True, key=settled)
    return more if more <= len(left) else None
