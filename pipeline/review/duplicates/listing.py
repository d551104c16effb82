"""Lists of pairs: filtered, sorted, cut into pages; and what a page says of each pair."""

import secrets
import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.core.errors import BadParameters
from pipeline.dedup.decision.verdicts import LABELS, Verdict
from pipeline.review.duplicates.result import PairList, Result
from pipeline.review.duplicates.verdict_store import Contents, VerdictStore, contents

PAGE_PAIRS = 50
SORTS = {
    "distance": "distance",
    "similarity": "similarity",
    "score": "score",
    "group": "group size",
    "key": "key",
    "label": "verdict",
}
JUDGED = ("judged", "unjudged", "always", *LABELS)
"""What the verdict of a pair can be asked for."""

_MOST_LISTS = 8
_ALWAYS = len(LABELS) + 1

Numbers = npt.NDArray[np.int64]
Range = tuple[float | None, float | None]


@dataclass(frozen=True)
class Query:
    """Which pairs, in which order.

    Attributes:
        kind: one of `result.KINDS`.
        sort: one of `SORTS`; pairs that have no such number come last.
        falling: largest first.
        reason: of the removal; empty for any.
        verdict: one of `JUDGED`; empty for any.
        distance, similarity, group_size: least and largest; None for unbounded.
        text: part of a key of either picture, in any case; empty for any.
    """

    kind: str = "removed"
    sort: str = "distance"
    falling: bool = True
    reason: str = ""
    verdict: str = ""
    distance: Range = (None, None)
    similarity: Range = (None, None)
    group_size: Range = (None, None)
    text: str = ""


class Listing:
    """The lists of one result, with one rater's verdicts; usable by several threads.

    A list stays as it was made while it is paged through, though verdicts change what would be in it.
    """

    def __init__(self, result: Result, store: VerdictStore) -> None:
        self.result, self.store = result, store
        self._made: OrderedDict[str, tuple[str, Numbers]] = OrderedDict()
        self._lock = threading.Lock()

    def make(self, query: Query) -> str:
        """Make a list; also the name by which it can be asked for, until eight others have been asked for since.

        Raises:
            BadParameters: of the query.
        """
        order = self._order(query)
        name = secrets.token_urlsafe(8)
        with self._lock:
            self._made[name] = (query.kind, order)
            while len(self._made) > _MOST_LISTS:
                self._made.popitem(last=False)
        return name

    def known(self, name: str) -> bool:
        """Whether a list can still be asked for."""
        with self._lock:
            if name in self._made:
                self._made.move_to_end(name)
            return name in self._made

    def page(self, name: str, position: int) -> dict[str, Any]:
        """The page of a list on which a position lies, as JSON.

        Returns:
            `list`, `kind`, `total`, `first` (position of the page's first pair), `at` (the position asked for, brought
            into the list) and `pairs`, each as `describe` says.
        """
        kind, order = self._made[name]
        at = min(max(position, 0), max(len(order) - 1, 0))
        first = at - at % PAGE_PAIRS
        pairs = self.describe(kind, order[first : first + PAGE_PAIRS].tolist())
        return {"list": name, "kind": kind, "total": len(order), "first": first, "at": at, "pairs": pairs}

    def seek(self, name: str, wanted: Literal["pair", "key", "unjudged"], value: str, start: int) -> int | None:
        """The first position at or after `start`, and round the end, that is wanted; None where there is none.

        Args:
            wanted: `pair`: by its number; `key`: of either picture, the whole, else its beginning, else a part of it;
                `unjudged`.
            value: the number or the key.
        """
        kind, order = self._made[name]
        pairs = self.result.lists[kind]
        if wanted == "pair":
            hits = order == int(value) if value.isdecimal() and len(value) < 19 else np.zeros(len(order), bool)
        elif wanted == "unjudged":
            hits = (self.labels(kind) == 0)[order]
        else:
            keys = self.result.pictures.keys
            tries = (pc.equal, pc.starts_with, pc.match_substring)
            hits = np.zeros(len(order), bool)
            for number, matches in enumerate(tries):
                found = matches(keys, value) if number == 0 else matches(keys, pattern=value)
                hits = _either(pairs, np.asarray(found))[order]
                if hits.any():
                    break
        where = np.flatnonzero(hits)
        if not len(where):
            return None
        return int(where[np.searchsorted(where, start) % len(where)])

    def labels(self, kind: str) -> npt.NDArray[np.int8]:
        """This rater's verdict on each pair: 0 for none, else the number of its label from 1, or 7 for always keep."""
        pairs, encoded = self.result.lists[kind], self.result.pictures.contents
        mine = self.store.mine()
        said = np.zeros(len(pairs), np.int8)
        if not mine or not len(pairs):
            return said
        about = [bytes.fromhex(sha256) for pair in mine for sha256 in (pair[0] or pair[1], pair[1])]
        known = pc.index_in(pa.array(about, pa.binary(32)), value_set=encoded.dictionary).fill_null(-1)
        known = np.asarray(known).astype(np.int64).reshape(-1, 2)
        ids = np.asarray(encoded.indices).astype(np.int64)
        numbers = {label: number for number, label in enumerate(LABELS, 1)}
        labels = np.array([numbers.get(verdict.label, _ALWAYS) for verdict in mine.values()], np.int8)
        labels[(known < 0).any(axis=1)] = 0
        single = labels == _ALWAYS
        of_picture = np.zeros(len(encoded.dictionary), bool)
        of_picture[known[single, 0]] = True
        said[of_picture[ids[pairs.first]]] = _ALWAYS
        # A label says more than that a picture is always kept.
        count = len(encoded.dictionary)
        there = (labels > 0) & ~single
        asked = known[there].min(axis=1) * count + known[there].max(axis=1)
        order = np.argsort(asked)
        a, b = ids[pairs.first], np.where(pairs.second < 0, -1, ids[pairs.second])
        code = np.minimum(a, b) * count + np.maximum(a, b)
        if len(asked):
            at = order[np.minimum(np.searchsorted(asked[order], code), len(asked) - 1)]
            hit = (asked[at] == code) & (b >= 0)
            said[hit] = labels[there][at[hit]]
        return said

    def describe(self, kind: str, numbers: Iterable[int]) -> list[dict[str, Any]]:
        """Pairs as JSON.

        Returns:
            For each: `id`, `removed` and `kept` (`row`, `key`, `sha256`, `width`, `height`, `bytes`, `label`; of one
            that stands in another set the key alone, and `row` is null), `reason`, `hamming`, `similarity`, `score`,
            `group`, `group_size` (null where there is none), `verdict` (`label`, `keep`, `always`) and `others`: what
            other raters said.
        """
        pairs, mine = self.result.lists[kind], self.store.mine()
        described = [self._describe(pairs, number) for number in numbers]
        spoken: dict[Contents, list[Verdict]] = {}
        for verdict in self.store.verdicts():
            if not verdict.sample and verdict.rater != self.store.rater:
                spoken.setdefault(contents(verdict), []).append(verdict)
        for pair in described:
            about = _about(pair)
            said, always = mine.get(about[0]), mine.get(about[1])
            keep = bool(said and said.keep and said.keep == pair["removed"]["sha256"])
            pair["verdict"] = {"label": said.label if said else "", "keep": keep, "always": always is not None}
            pair["others"] = [
                f"{verdict.rater or 'restore'}: {verdict.label.replace('_', ' ') or 'always keep'}"
                for each in dict.fromkeys(about)  # of one whose keeper is elsewhere, both are the same
                for verdict in spoken.get(each, [])
            ]
        return described

    def swapped(self, pair: Mapping[str, Any]) -> bool:
        """Whether a pair, as `describe` gives it, has its keeper because this rater said so in an earlier run."""
        said = self.store.mine().get(_about(pair)[0])
        return bool(said and said.keep and said.keep == pair["kept"]["sha256"])

    def _describe(self, pairs: PairList, number: int) -> dict[str, Any]:
        second, group = int(pairs.second[number]), int(pairs.group[number])
        elsewhere = {"row": None, "key": pairs.elsewhere.get(number, ""), "sha256": ""}
        similarity, score = float(pairs.similarity[number]), float(pairs.score[number])
        return {
            "id": number,
            "removed": self._picture(int(pairs.first[number])),
            "kept": elsewhere if second < 0 else self._picture(second),
            "reason": pairs.reasons[pairs.reason[number]],
            "hamming": int(pairs.hamming[number]),
            "similarity": None if np.isnan(similarity) else round(similarity, 4),
            "score": None if np.isnan(score) else round(score, 3),
            "group": None if group < 0 else group,
            "group_size": int(pairs.group_size[number]) or None,
        }

    def _picture(self, at: int) -> dict[str, Any]:
        pictures = self.result.pictures
        return {
            "row": int(pictures.rows[at]),
            "key": pictures.keys[at].as_py(),
            "sha256": pictures.sha256(at),
            "width": int(pictures.width[at]),
            "height": int(pictures.height[at]),
            "bytes": int(pictures.bytes[at]),
            "label": pictures.labels[at].as_py(),
        }

    def _order(self, query: Query) -> Numbers:
        if query.kind not in self.result.lists:
            raise BadParameters(f"kind {query.kind!r}: expected one of {', '.join(self.result.lists)}")
        if query.sort not in SORTS:
            raise BadParameters(f"sort {query.sort!r}: expected one of {', '.join(SORTS)}")
        if query.verdict and query.verdict not in JUDGED:
            raise BadParameters(f"verdict {query.verdict!r}: expected one of {', '.join(JUDGED)}, or nothing")
        pairs = self.result.lists[query.kind]
        by_label = query.verdict or query.sort == "label"
        labels = self.labels(query.kind) if by_label else np.zeros(len(pairs), np.int8)
        chosen = np.flatnonzero(self._filter(query, pairs, labels))
        values: Mapping[str, Any] = {
            "distance": pairs.hamming,
            "similarity": pairs.similarity,
            "score": pairs.score,
            "group": pairs.group_size,
            "key": pairs.first,  # pictures stand in the order of their keys
            "label": labels,
        }
        value = values[query.sort][chosen].astype(np.float64)
        # Among equals: pictures of a group beside each other, in the order of their keys.
        return chosen[np.lexsort((pairs.first[chosen], pairs.group[chosen], -value if query.falling else value))]

    def _filter(self, query: Query, pairs: PairList, labels: npt.NDArray[np.int8]) -> npt.NDArray[np.bool_]:
        fits = np.ones(len(pairs), bool)
        if query.reason:
            fits &= np.isin(pairs.reason, [n for n, reason in enumerate(pairs.reasons) if reason == query.reason])
        if query.verdict:
            names = ("unjudged", *LABELS, "always")
            fits &= labels > 0 if query.verdict == "judged" else labels == names.index(query.verdict)
        ranges = ((pairs.hamming, query.distance), (pairs.similarity, query.similarity))
        for value, (least, largest) in (*ranges, (pairs.group_size, query.group_size)):
            with np.errstate(invalid="ignore"):
                fits &= True if least is None else value >= least
                fits &= True if largest is None else value <= largest
        if query.text:
            found = pc.match_substring(self.result.pictures.keys, pattern=query.text, ignore_case=True)
            fits &= _either(pairs, np.asarray(found))
        return fits


def _either(pairs: PairList, pictures: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Pairs of which one picture, or both, are marked."""
    if not len(pictures):
        return np.zeros(len(pairs), bool)
    found: npt.NDArray[np.bool_] = pictures[pairs.first] | (pictures[pairs.second] & (pairs.second >= 0))
    return found


def _about(pair: Mapping[str, Any]) -> tuple[Contents, Contents]:
    """What a verdict on the pair, and one on its removed picture, are about."""
    first, second = sorted((pair["removed"]["sha256"], pair["kept"]["sha256"]))
    return (first, second), ("", pair["removed"]["sha256"])
