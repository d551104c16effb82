"""Find the accepted pairs that agree only in a layout that they share with other pictures: the doubtful pairs.

The pictures that are most similar to a picture are its candidates with the highest scores, and then the pictures with
the nearest codes. If they share a layout with it (`scoring.common_part`), its accepted pairs must also agree in what is
left without the layout. The same pictures show how often different pictures pass this test: those that were no
candidates or that the pair scorer rejected are in other groups, so each of them that passes is a false match; see
`pairs.decoys`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline.core import engine, progress
from pipeline.dedup.encoder.encoder_input import to_32
from pipeline.dedup.encoder.letterbox import strip_bars
from pipeline.dedup.pairs.decoys import LayoutTest
from pipeline.dedup.scoring.common_part import (
    agree_in_places,
    agree_without,
    align_to,
    are_copies,
    are_equal,
    common_part,
)
from pipeline.dedup.search.turns import Turn, turned
from pipeline.imageset.format.image_set import Images, ImageSet, Rows

Flags = npt.NDArray[np.bool_]

_MOST_SIMILAR = 15
"""Number of pictures whose median is the common part."""

_FEWEST = 4
"""With fewer similar pictures, there is no common part, and pairs are not examined."""

_SAMPLE = 4096
"""Number of pictures of the set among which the nearest codes are looked for. A layout of 1 % of a set is in 40."""

_ANCHORS_PER_PART = 32

VERSION = 2
"""Number of this method in the digest of the detector; changes with the pairs that are doubtful."""


@dataclass(frozen=True)
class Compared:
    """Candidate pairs of one turn of the left pictures, after their comparison.

    Attributes:
        turn: how the left pictures were turned.
        left, right: rows, int64 (n,).
        hamming: number of bits in which the codes of the whole pictures differ, int16 (n,).
        score: float64 (n,).
    """

    turn: Turn
    left: Rows
    right: Rows
    hamming: npt.NDArray[np.int16]
    score: npt.NDArray[np.float64]


@dataclass(frozen=True)
class Examined:
    """Pairs of several turns, examined for shared layouts.

    Attributes:
        layout: for each turn, which pairs have a shared layout: bool (n,), false for pairs that were not accepted.
        doubtful: for each turn, which of them agree in the layout only.
        strangers: number of other pairs with a shared layout that were examined in the same way.
        passed: number of those that agree in what is left.
    """

    layout: list[Flags]
    doubtful: list[Flags]
    strangers: int
    passed: int

    def layout_test(self) -> LayoutTest:
        """The counts for the estimate of false pairs, of the first turn, that of unchanged pairs."""
        accepted = int((self.layout[0] & ~self.doubtful[0]).sum())
        return LayoutTest(accepted, self.strangers, self.passed)


@dataclass(frozen=True)
class _Anchor:
    """A picture with its accepted pairs. Pictures are given by their nodes: rows, those of a right set after the left.

    Attributes:
        node: the picture.
        code: the code of the whole picture, uint8 (16,).
        candidates: its candidates with the highest scores, the highest first, at most 15.
        rejected: which of them are pairs that the pair scorer rejected.
        partners: the other pictures of its accepted pairs.
        turns: how each of them is turned.
    """

    node: int
    code: npt.NDArray[np.uint8]
    candidates: Rows
    rejected: Flags
    partners: Rows
    turns: list[Turn]


def examine(
    sets: tuple[ImageSet, ImageSet],
    rows: Sequence[Rows],
    codes: Sequence[npt.NDArray[np.uint8]],
    compared: Sequence[Compared],
    least: float,
    *,
    workers: int,
) -> Examined:
    """Examine the accepted pairs of several turns.

    Args:
        sets: the sets of the left and of the right pictures; the same twice for a search within a set.
        rows: the searched rows of each set, increasing; a single element for a search within a set.
        codes: the codes of the whole pictures of these rows, uint8 (n, 16) each.
        compared: the candidate pairs of each turn. Those of the first one, `unchanged`, tell which pictures are
            similar.
        least: minimum score of an accepted pair.
        workers: threads; they have no influence on the result.
    """
    first_right = 0 if len(rows) == 1 else len(sets[0])
    nodes = np.concatenate([rows[0], *(right + first_right for right in rows[1:])])
    sample = np.arange(0, len(nodes), -(-len(nodes) // _SAMPLE) or 1)
    accepted = [np.flatnonzero(one.score >= least) for one in compared]
    lefts = np.concatenate([one.left[pairs] for one, pairs in zip(compared, accepted, strict=True)])
    rights = np.concatenate([one.right[pairs] for one, pairs in zip(compared, accepted, strict=True)]) + first_right
    turns: list[Turn] = [one.turn for one, pairs in zip(compared, accepted, strict=True) for _ in pairs]

    source = np.concatenate([compared[0].left, compared[0].right + first_right])
    other = np.concatenate([compared[0].right + first_right, compared[0].left])
    scores = np.concatenate([compared[0].score, compared[0].score])
    # Of a pair, the picture with more candidates has the better common part; it is the other one that is turned.
    degree = np.bincount(source, minlength=first_right + len(sets[1]))
    of_pair = np.where(degree[lefts] > degree[rights], lefts, rights)
    order = np.argsort(of_pair, kind="stable")
    anchors = np.unique(of_pair)
    edges = np.flatnonzero(np.isin(source, anchors))
    edges = edges[np.lexsort((other[edges], -scores[edges], source[edges]))]
    work = [
        _Anchor(
            anchor,
            code,
            other[best[:_MOST_SIMILAR]],
            scores[best[:_MOST_SIMILAR]] < least,
            (lefts + rights - of_pair)[pairs],
            [turns[pair] for pair in pairs.tolist()],
        )
        for anchor, code, best, pairs in zip(
            anchors.tolist(),
            np.concatenate(codes)[np.searchsorted(nodes, anchors)],
            _split(edges, source, anchors),
            _split(order, of_pair, anchors),
            strict=True,
        )
    ]
    parts = [work[start : start + _ANCHORS_PER_PART] for start in range(0, len(work), _ANCHORS_PER_PART)]
    folders = (sets[0].folder, sets[1].folder)
    function = partial(_examine_anchors, folders, first_right, nodes[sample], np.concatenate(codes)[sample])
    layout, doubtful = np.zeros(len(lefts), bool), np.zeros(len(lefts), bool)
    strangers = passed = done = 0
    with progress.bar("discount layouts", len(lefts), "pairs") as advance:
        for in_layout, in_doubt, tested, agreed in engine.map_threads(function, parts, workers=workers):
            pairs = order[done : done + len(in_layout)]
            layout[pairs], doubtful[pairs] = in_layout, in_doubt
            strangers, passed, done = strangers + tested, passed + agreed, done + len(pairs)
            advance(len(pairs))
    return Examined(_of_turns(layout, accepted, compared), _of_turns(doubtful, accepted, compared), strangers, passed)


def _split(numbers: Rows, anchor_of: Rows, anchors: Rows) -> list[Rows]:
    """For each anchor, its numbers; `anchor_of[numbers]` is increasing, `anchors` too."""
    return [
        numbers[start:end]
        for start, end in zip(
            np.searchsorted(anchor_of[numbers], anchors).tolist(),
            np.searchsorted(anchor_of[numbers], anchors, side="right").tolist(),
            strict=True,
        )
    ]


def _of_turns(flags: Flags, accepted: Sequence[Rows], compared: Sequence[Compared]) -> list[Flags]:
    """Flags of the accepted pairs of all turns, as flags of the candidate pairs of each turn."""
    out = [np.zeros(len(one.score), bool) for one in compared]
    ends = np.cumsum([len(pairs) for pairs in accepted])
    for of_turn, pairs, part in zip(out, accepted, np.split(flags, ends[:-1]), strict=True):
        of_turn[pairs] = part
    return out


def _examine_anchors(
    folders: tuple[Path, Path],
    first_right: int,
    sample: Rows,
    sample_codes: npt.NDArray[np.uint8],
    part: Sequence[_Anchor],
) -> tuple[Flags, Flags, int, int]:
    similar = [_most_similar(anchor, sample, sample_codes) for anchor in part]
    nodes = np.unique(np.concatenate([*similar, *([anchor.node, *anchor.partners] for anchor in part)]))
    border = np.searchsorted(nodes, first_right)
    pictures = np.concatenate(
        [
            to_32(ImageSet(folder).read(rows))
            for folder, rows in zip(folders, (nodes[:border], nodes[border:] - first_right), strict=True)
            if len(rows)
        ]
    )
    bare = strip_bars(pictures)
    results = [_examine_anchor(anchor, one, nodes, pictures, bare) for anchor, one in zip(part, similar, strict=True)]
    layout, doubtful = (np.concatenate([result[which] for result in results]) for which in range(2))
    return layout, doubtful, sum(result[2] for result in results), sum(result[3] for result in results)


def _most_similar(anchor: _Anchor, sample: Rows, codes: npt.NDArray[np.uint8]) -> Rows:
    """The 15 pictures that are most similar to a picture: candidates by their scores, then others by their codes."""
    missing = _MOST_SIMILAR - len(anchor.candidates)
    if missing == 0:
        return anchor.candidates
    hamming = np.bitwise_count(codes ^ anchor.code).sum(axis=1)
    nearest = sample[np.argsort(hamming, kind="stable")]
    return np.concatenate([anchor.candidates, nearest[~np.isin(nearest, [anchor.node, *anchor.candidates])][:missing]])


def _examine_anchor(
    anchor: _Anchor, similar_nodes: Rows, nodes: Rows, pictures: Images, bare: Images
) -> tuple[Flags, Flags, int, int]:
    """Examine the pairs of a picture.

    Args:
        similar_nodes: the pictures most similar to it.
        nodes: all nodes of the pictures, increasing.
        pictures, bare: uint8 (n, 32, 32, 3), with bars and without.

    Returns:
        Which of its pairs have a shared layout and which are doubtful; the number of strangers that were examined and
        of those that passed.
    """
    place, similar, partners = (
        np.searchsorted(nodes, which) for which in (anchor.node, similar_nodes, anchor.partners)
    )
    target = bare[place]
    layout, doubtful = np.zeros(len(partners), bool), np.zeros(len(partners), bool)
    if len(similar) < _FEWEST or not agree_in_places(pictures[[*similar, place]]):
        return layout, doubtful, 0, 0
    aligned = align_to(bare[similar], target)

    def common_without(excluded: int) -> Images | None:
        """The common part of the similar pictures without one; None if they are too few, or copies of one picture."""
        others = np.flatnonzero(similar != excluded)
        if len(others) < _FEWEST:
            return None
        common = common_part(aligned[others])
        with_target = bare[[*similar[others], place]], np.concatenate([aligned[others], target[None]])
        return None if are_copies(*with_target, common) else common

    of_all = common_without(-1)
    commons = [common_without(partner) if partner in similar else of_all for partner in partners.tolist()]
    layout = np.array([common is not None for common in commons])
    tested = [turned(bare[[partners[pair]]], anchor.turns[pair])[0] for pair in np.flatnonzero(layout).tolist()]
    taken = [common for common in commons if common is not None]
    accepted = np.concatenate([similar_nodes[: len(anchor.candidates)][~anchor.rejected], anchor.partners])
    strangers = np.flatnonzero(~np.isin(similar_nodes, accepted)).tolist() if of_all is not None else []
    tested += [bare[similar[number]] for number in strangers]
    taken += [common_part(np.delete(aligned, number, axis=0)) for number in strangers]
    if not tested:
        return layout, doubtful, 0, 0
    passed = are_equal(np.stack(tested), target) | agree_without(np.stack(tested), target, np.stack(taken))
    pairs = len(tested) - len(strangers)
    doubtful[layout] = ~passed[:pairs]
    return layout, doubtful, len(strangers), int(passed[pairs:].sum())
