"""Filtered and sorted lists of pairs, cut into pages, and the description of each pair as JSON."""

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
from pipeline.review.duplicates.dedup_result import DedupResult, PairList
from pipeline.review.duplicates.verdict_store import Contents, VerdictStore, contents

PAGE_PAIRS = 50
SORTS = {
    "score": "score",
    "similarity": "similarity",
    "distance": "distance",
    "group": "group size",
    "key": "key",
    "label": "verdict",
}
VERDICT_FILTERS = ("judged", "unjudged", "always", *LABELS)
"""Values of `Query.verdict`."""

_MAX_LISTS = 8
_ALWAYS = len(LABELS) + 1

Numbers = npt.NDArray[np.int64]
Range = tuple[float | None, float | None]


@dataclass(frozen=True)
class Query:
    """A filter and an order of pairs.

    Attributes:
        kind: a key of `LIST_TITLES`.
        sort: a key of `SORTS`; pairs without the value come last. By default, the least certain pairs come first, as in
            the gallery.
        descending: largest first.
        reason: of the removal; empty for any.
        verdict: one of `VERDICT_FILTERS`; empty for any.
        distance, similarity, group_size: smallest and largest value; None for unbounded.
        text: part of a key of either picture, case-insensitive; empty for any.
    """

    kind: str = "removed"
    sort: str = "score"
    descending: bool = False
    reason: str = ""
    verdict: str = ""
    distance: Range = (None, None)
    similarity: Range = (None, None)
    group_size: Range = (None, None)
    text: str = ""


class PairLists:
    """Lists of pairs of one result, with one rater's verdicts; safe to use from several threads.

    A list keeps its pairs and their order, even if later verdicts change what its filter matches.
    """

    def __init__(self, result: DedupResult, store: VerdictStore) -> None:
        self.result, self.store = result, store
        self._lists: OrderedDict[str, tuple[str, Numbers]] = OrderedDict()
        self._lock = threading.Lock()

    def create(self, query: Query) -> str:
        """Create a list and return its name. The list exists until eight others have been used since its last use.

        Raises:
            BadParameters: the query has an unknown kind, sort or verdict.
        """
        order = self._order(query)
        name = secrets.token_urlsafe(8)
        with self._lock:
            self._lists[name] = (query.kind, order)
            while len(self._lists) > _MAX_LISTS:
                self._lists.popitem(last=False)
        return name

    def exists(self, name: str) -> bool:
        """Whether a list still exists."""
        with self._lock:
            if name in self._lists:
                self._lists.move_to_end(name)
            return name in self._lists

    def page(self, name: str, position: int) -> dict[str, Any]:
        """The page of a list that holds a position, as JSON.

        Returns:
            `list` (its name), `kind`, `total`, `judged` (number of its pairs with a verdict), `first` (position of the
            page's first pair), `position` (clipped to the list) and `pairs`; see `describe`.
        """
        kind, order = self._lists[name]
        position = min(max(position, 0), max(len(order) - 1, 0))
        first = position - position % PAGE_PAIRS
        pairs = self.describe(kind, order[first : first + PAGE_PAIRS].tolist())
        counts = {"total": len(order), "judged": self.judged(name)}
        return {"list": name, "kind": kind, **counts, "first": first, "position": position, "pairs": pairs}

    def judged(self, name: str) -> int | None:
        """Number of pairs of a list that have a verdict of this rater; None if the list no longer exists."""
        kind, order = self._lists.get(name, ("", None))
        return None if order is None else int(np.count_nonzero(self.labels(kind)[order]))

    def seek(self, name: str, wanted: Literal["pair", "key", "unjudged"], value: str, start: int) -> int | None:
        """The first matching position at or after `start`, continuing at the beginning; None if nothing matches.

        Args:
            wanted: what to match: `pair`: the number of a pair; `key`: a whole key of either picture, else the start of
                a key, else a part of one; `unjudged`: pairs without a verdict.
            value: the number or the key.
        """
        kind, order = self._lists[name]
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
                hits = _with_either(pairs, np.asarray(found))[order]
                if hits.any():
                    break
        where = np.flatnonzero(hits)
        if not len(where):
            return None
        return int(where[np.searchsorted(where, start) % len(where)])

    def labels(self, kind: str) -> npt.NDArray[np.int8]:
        """This rater's verdict on each pair, int8 (n,): 0 for none, 1 to 6 for a label, 7 for "always keep"."""
        pairs, encoded = self.result.lists[kind], self.result.pictures.contents
        mine = self.store.mine()
        result = np.zeros(len(pairs), np.int8)
        if not mine or not len(pairs):
            return result
        judged = [bytes.fromhex(sha256) for pair in mine for sha256 in (pair[0] or pair[1], pair[1])]
        known = pc.index_in(pa.array(judged, pa.binary(32)), value_set=encoded.dictionary).fill_null(-1)
        known = np.asarray(known).astype(np.int64).reshape(-1, 2)
        ids = np.asarray(encoded.indices).astype(np.int64)
        numbers = {label: number for number, label in enumerate(LABELS, 1)}
        labels = np.array([numbers.get(verdict.label, _ALWAYS) for verdict in mine.values()], np.int8)
        labels[(known < 0).any(axis=1)] = 0
        single = labels == _ALWAYS
        of_picture = np.zeros(len(encoded.dictionary), bool)
        of_picture[known[single, 0]] = True
        result[of_picture[ids[pairs.first]]] = _ALWAYS
        # If a pair has both a label and "always keep", the label is shown.
        count = len(encoded.dictionary)
        on_pairs = (labels > 0) & ~single
        judged_ids = known[on_pairs].min(axis=1) * count + known[on_pairs].max(axis=1)
        order = np.argsort(judged_ids)
        a, b = ids[pairs.first], np.where(pairs.second < 0, -1, ids[pairs.second])
        pair_ids = np.minimum(a, b) * count + np.maximum(a, b)
        if len(judged_ids):
            at = order[np.minimum(np.searchsorted(judged_ids[order], pair_ids), len(judged_ids) - 1)]
            hit = (judged_ids[at] == pair_ids) & (b >= 0)
            result[hit] = labels[on_pairs][at[hit]]
        return result

    def describe(self, kind: str, numbers: Iterable[int]) -> list[dict[str, Any]]:
        """Pairs as JSON.

        Returns:
            For each: `id`; `removed` and `kept`: `row`, `key`, `sha256`, `width`, `height`, `bytes`, `label` (if the
            kept picture is in another set, only its key is known and `row` is null); `reason`, `hamming`,
            `similarity`, `score`, `group`, `group_size` (null if there is none); `verdict`: `label`, `keep`, `always`;
            `others`: verdicts of other raters, as texts.
        """
        pairs, mine = self.result.lists[kind], self.store.mine()
        described = [self._describe(pairs, number) for number in numbers]
        by_others: dict[Contents, list[Verdict]] = {}
        for verdict in self.store.verdicts():
            if not verdict.sample and verdict.rater != self.store.rater:
                by_others.setdefault(contents(verdict), []).append(verdict)
        for pair in described:
            keys = _verdict_keys(pair)
            on_pair, always = mine.get(keys[0]), mine.get(keys[1])
            keep = bool(on_pair and on_pair.keep and on_pair.keep == pair["removed"]["sha256"])
            pair["verdict"] = {"label": on_pair.label if on_pair else "", "keep": keep, "always": always is not None}
            pair["others"] = [
                f"{verdict.rater or 'restore'}: {verdict.label.replace('_', ' ') or 'always keep'}"
                for each in dict.fromkeys(keys)  # the two keys are equal if the representative is in another set
                for verdict in by_others.get(each, [])
            ]
        return described

    def swapped(self, pair: Mapping[str, Any]) -> bool:
        """Whether the kept picture of a pair (see `describe`) is kept because of an earlier verdict of this rater."""
        on_pair = self.store.mine().get(_verdict_keys(pair)[0])
        return bool(on_pair and on_pair.keep and on_pair.keep == pair["kept"]["sha256"])

    def _describe(self, pairs: PairList, number: int) -> dict[str, Any]:
        second, group = int(pairs.second[number]), int(pairs.group[number])
        other = {"row": None, "key": pairs.other_set_keys.get(number, ""), "sha256": ""}
        similarity, score = float(pairs.similarity[number]), float(pairs.score[number])
        return {
            "id": number,
            "removed": self._picture(int(pairs.first[number])),
            "kept": other if second < 0 else self._picture(second),
            "reason": pairs.reasons[pairs.reason[number]],
            "hamming": int(pairs.hamming[number]),
            "similarity": None if np.isnan(similarity) else round(similarity, 4),
            "score": None if np.isnan(score) else round(score, 3),
            "group": None if group < 0 else group,
            "group_size": int(pairs.group_size[number]) or None,
        }

    def _picture(self, position: int) -> dict[str, Any]:
        pictures = self.result.pictures
        return {
            "row": int(pictures.rows[position]),
            "key": pictures.keys[position].as_py(),
            "sha256": pictures.sha256(position),
            "width": int(pictures.width[position]),
            "height": int(pictures.height[position]),
            "bytes": int(pictures.bytes[position]),
            "label": pictures.labels[position].as_py(),
        }

    def _order(self, query: Query) -> Numbers:
        if query.kind not in self.result.lists:
            raise BadParameters(f"kind {query.kind!r}: expected one of {', '.join(self.result.lists)}")
        if query.sort not in SORTS:
            raise BadParameters(f"sort {query.sort!r}: expected one of {', '.join(SORTS)}")
        if query.verdict and query.verdict not in VERDICT_FILTERS:
            raise BadParameters(f"verdict {query.verdict!r}: expected one of {', '.join(VERDICT_FILTERS)}, or nothing")
        pairs = self.result.lists[query.kind]
        by_label = query.verdict or query.sort == "label"
        labels = self.labels(query.kind) if by_label else np.zeros(len(pairs), np.int8)
        chosen = np.flatnonzero(self._filter(query, pairs, labels))
        values: Mapping[str, Any] = {
            "distance": pairs.hamming,
            "similarity": pairs.similarity,
            "score": pairs.score,
            "group": pairs.group_size,
            "key": pairs.first,  # pictures are sorted by key
            "label": labels,
        }
        value = values[query.sort][chosen].astype(np.float64)
        # Ties: by group, then by key. Where there is no score, the similarity tells which pairs are least certain.
        ties = [pairs.first[chosen], pairs.group[chosen]]
        if query.sort == "score":
            ties.append(np.where(np.isnan(value), pairs.similarity[chosen], 0))
        return chosen[np.lexsort((*ties, -value if query.descending else value))]

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
            fits &= _with_either(pairs, np.asarray(found))
        return fits


def _with_either(pairs: PairList, pictures: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Which pairs have at least one of the given pictures: bool (n,).

    Args:
        pictures: bool, by position in the `PictureTable`.
    """
    if not len(pictures):
        return np.zeros(len(pairs), bool)
    found: npt.NDArray[np.bool_] = pictures[pairs.first] | (pictures[pairs.second] & (pairs.second >= 0))
    return found


def _verdict_keys(pair: Mapping[str, Any]) -> tuple[Contents, Contents]:
    """The contents that a verdict on the pair refers to, and those of "always keep" for its removed picture."""
    first, second = sorted((pair["removed"]["sha256"], pair["kept"]["sha256"]))
    return (first, second), ("", pair["removed"]["sha256"])
