"""Edit one rater's verdicts in a file: every edit is on disk when the call returns, and edits can be undone."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.core.errors import BadParameters
from pipeline.dedup.decision.verdicts import LABELS, NOT_DUPLICATES, Verdict, edit_verdicts, read_verdicts

Contents = tuple[str, str]
"""Key of a verdict: two SHA-256 in ascending order, or an empty text and the SHA-256 of an always kept picture."""

_MAX_UNDO = 1000
_MAX_NONCES = 100


@dataclass(frozen=True)
class Side:
    """One picture of a judged pair.

    Attributes:
        sha256: SHA-256 of the source's bytes.
        key: key of the picture.
    """

    sha256: str
    key: str


@dataclass(frozen=True)
class Judgement:
    """A rater's complete judgement of a pair; it replaces the rater's earlier verdicts on the pair.

    Attributes:
        removed: the removed picture, or the first of the pair.
        kept: the other picture; None if it is in another set, and then there can be no label.
        label: one of `LABELS`, or empty for none.
        keep: whether to keep the removed picture in place of the other one.
        always: whether to always keep the removed picture.
        swapped: whether the other picture is the kept one because of this rater's earlier verdict. Then it remains the
            kept one, unless the label says that the two are not duplicates.
    """

    removed: Side
    kept: Side | None
    label: str
    keep: bool = False
    always: bool = False
    swapped: bool = False


@dataclass(frozen=True)
class _Edit:
    note: str
    before: dict[Contents, Verdict | None]
    after: dict[Contents, Verdict | None]


def contents(verdict: Verdict) -> Contents:
    """The contents that a verdict refers to; they do not depend on the order of its sides."""
    first, second = sorted((verdict.sha256_a, verdict.sha256_b))
    return first, second


class VerdictStore:
    """One rater's verdicts in a file; safe to use from several threads and processes.

    Every edit locks and reads the file, and changes only this rater's verdicts on the edited pairs in this sample.

    Args:
        path: `verdicts.csv`; the first edit makes it if it does not exist.
        rater: name of the rater: letters, digits, `.`, `_` and `-`.
        sample: name of the judged pair sample; empty while browsing.
    """

    def __init__(self, path: Path, rater: str, sample: str = "") -> None:
        self.path, self.rater, self.sample = path, rater, sample
        self._undo: list[_Edit] = []
        self._undone: dict[str, str | None] = {}
        self._lock = threading.RLock()
        self._stamp: tuple[int, int, int] | None = None
        self._read: list[Verdict] = []
        self._mine: dict[Contents, Verdict] = {}

    def verdicts(self) -> list[Verdict]:
        """All verdicts of the file, which is read only if it has changed. Do not modify the list.

        Raises:
            CorruptData: the file does not hold verdicts.
        """
        self._refresh()
        return self._read

    def mine(self) -> dict[Contents, Verdict]:
        """This rater's verdicts of this sample, by contents. Do not modify the dict."""
        self._refresh()
        return self._mine

    def version(self) -> tuple[int, int, int] | None:
        """A value that differs after each change of the file; None if there is no file."""
        try:
            stat = self.path.stat()
        except FileNotFoundError:
            return None
        return stat.st_ino, stat.st_size, stat.st_mtime_ns

    def undoable(self) -> int:
        """Number of edits that can be undone."""
        return len(self._undo)

    def judge(self, judgements: Sequence[Judgement], note: str = "") -> None:
        """Replace this rater's verdicts on some pairs, in one edit.

        Args:
            judgements: at most one for each pair.
            note: returned by `undo`.

        Raises:
            BadParameters: a label is unknown, or a judgement contradicts itself.
            CorruptData: the file does not hold verdicts.
        """
        wanted: dict[Contents, Verdict | None] = {}
        for judgement in judgements:
            wanted |= self._verdicts_of(judgement)
        with self._lock:
            before = self._edit(wanted)
            if before != wanted:  # equal if a request is repeated because its answer was lost
                self._undo = [*self._undo[1 - _MAX_UNDO :], _Edit(note, before, wanted)]

    def undo(self, nonce: str = "") -> str | None:
        """Undo the last edit of this session, except for verdicts that have changed since.

        Args:
            nonce: a repeated call with the same nonce (after a lost answer) undoes nothing more.

        Returns:
            The note of the edit; None if there is nothing to undo.
        """
        with self._lock:
            if nonce and nonce in self._undone:
                return self._undone[nonce]
            note = None
            if self._undo:
                last = self._undo[-1]
                self._edit(last.before, only_where=last.after)
                self._undo.pop()
                note = last.note
            self._undone = dict([*self._undone.items(), (nonce, note)][-_MAX_NONCES:])
            return note

    def _verdicts_of(self, judgement: Judgement) -> dict[Contents, Verdict | None]:
        removed, kept, label = judgement.removed, judgement.kept, judgement.label
        if label and label not in LABELS:
            raise BadParameters(f"label {label!r}: expected one of {', '.join(LABELS)}, or nothing")
        if label and kept is None:
            raise BadParameters(f"label {label!r}: expected none, because the other picture is not in this set")
        if judgement.keep and not label:
            raise BadParameters("keep: expected a label as well")
        always = Verdict(removed.sha256, "", removed.key, "", "", "", self.rater, self.sample)
        wanted: dict[Contents, Verdict | None] = {contents(always): always if judgement.always else None}
        if kept is not None:
            unchanged = kept.sha256 if judgement.swapped and label not in NOT_DUPLICATES else ""
            keep = removed.sha256 if judgement.keep else unchanged
            pair = Verdict(removed.sha256, kept.sha256, removed.key, kept.key, label, keep, self.rater, self.sample)
            wanted[contents(pair)] = pair if label else None
        return wanted

    def _edit(
        self, wanted: dict[Contents, Verdict | None], only_where: dict[Contents, Verdict | None] | None = None
    ) -> dict[Contents, Verdict | None]:
        """Set or delete (None) verdicts of this rater and sample.

        Args:
            only_where: edit a pair only if its verdict is still the one given here.

        Returns:
            The verdicts before the edit.
        """
        before: dict[Contents, Verdict | None] = {}

        def change(verdicts: list[Verdict]) -> list[Verdict]:
            found = {contents(v): v for v in verdicts if self._is_mine(v)}
            before.update({pair: found.get(pair) for pair in wanted})
            chosen = {p: v for p, v in wanted.items() if only_where is None or before[p] == only_where[p]}
            others = [v for v in verdicts if not (self._is_mine(v) and contents(v) in chosen)]
            return [*others, *(verdict for verdict in chosen.values() if verdict)]

        edit_verdicts(self.path, change)
        return before

    def _is_mine(self, verdict: Verdict) -> bool:
        return (verdict.rater, verdict.sample) == (self.rater, self.sample)

    def _refresh(self) -> None:
        with self._lock:
            stamp = self.version()
            if stamp != self._stamp:
                read = read_verdicts(self.path) if stamp else []
                self._stamp, self._read = stamp, read
                self._mine = {contents(verdict): verdict for verdict in read if self._is_mine(verdict)}
