"""One rater's edits of a file of verdicts: each is on the disk when it returns, and the last can be undone."""

import re
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.core.errors import BadParameters
from pipeline.dedup.decision.verdicts import LABELS, NOT_DUPLICATES, Verdict, edit_verdicts, read_verdicts

Contents = tuple[str, str]
"""Two SHA-256 in rising order, or an empty text and the SHA-256 of a picture that is always kept."""

_MOST_UNDONE = 1000
_NONCES = 100


@dataclass(frozen=True)
class Side:
    """One picture of a judged pair.

    Attributes:
        sha256: of the source's bytes.
        key: its name.
    """

    sha256: str
    key: str


@dataclass(frozen=True)
class Judgement:
    """What a rater says of a pair, in full: it takes the place of what the same rater said before.

    Attributes:
        removed: the picture that was removed, or the first of two.
        kept: the other one; None where it is not in this set, and then there can be no label.
        label: one of `LABELS`, or empty for none.
        keep: whether the removed one shall be kept instead of the other.
        always: whether the removed one shall be kept in any case.
        swapped: whether the other one is kept because that was said before: it stays so, unless the two are parted.
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


def rater_name(text: str) -> str:
    """A name that stands in a CSV file as it is: other characters than letters, digits, `.`, `_`, `-` become `_`."""
    return re.sub(r"[^\w.-]|^-", "_", text.strip()[:64], flags=re.ASCII) or "rater"


def contents(verdict: Verdict) -> Contents:
    """What a verdict is about, whatever the order of its sides."""
    first, second = sorted((verdict.sha256_a, verdict.sha256_b))
    return first, second


class VerdictStore:
    """The verdicts of one file, as one rater sees and edits them; usable by several threads.

    Others may edit the file at the same time: every edit reads it anew under a lock, and touches nothing but the
    verdicts of this rater, of this sample, on the pairs it is about.

    Args:
        path: `verdicts.csv`; made at the first edit, if there is none.
        rater: who judges: letters, digits, `.`, `_` and `-`.
        sample: the draw that is judged; empty while browsing.
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
        """All verdicts of the file, read again only when it has changed. Not to be changed.

        Raises:
            CorruptData: it is not a file of verdicts.
        """
        self._refresh()
        return self._read

    def mine(self) -> dict[Contents, Verdict]:
        """This rater's verdicts of this sample, by what they are about. Not to be changed."""
        self._refresh()
        return self._mine

    def version(self) -> tuple[int, int, int] | None:
        """Another value after each change of the file; None while there is none."""
        try:
            stat = self.path.stat()
        except FileNotFoundError:
            return None
        return stat.st_ino, stat.st_size, stat.st_mtime_ns

    def undoable(self) -> int:
        """How many edits can be undone."""
        return len(self._undo)

    def judge(self, judgements: Sequence[Judgement], note: str = "") -> None:
        """Put verdicts in place of this rater's earlier ones on the same pairs, all in one edit.

        Args:
            judgements: at most one on each pair.
            note: what `undo` shall say of it.

        Raises:
            BadParameters: a label is unknown, or a judgement contradicts itself.
            CorruptData: the file is not one of verdicts.
        """
        wanted: dict[Contents, Verdict | None] = {}
        for judgement in judgements:
            wanted |= self._verdicts_of(judgement)
        with self._lock:
            before = self._edit(wanted)
            if before != wanted:  # else nothing has changed: an answer was lost, and the same asked again
                self._undo = [*self._undo[1 - _MOST_UNDONE :], _Edit(note, before, wanted)]

    def undo(self, nonce: str = "") -> str | None:
        """Take the last edit of this session back; what somebody else has changed since stays.

        Args:
            nonce: asked with the same one again, as when an answer was lost, it changes nothing more.

        Returns:
            The edit's note; None where there is nothing to undo.
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
            self._undone = dict([*self._undone.items(), (nonce, note)][-_NONCES:])
            return note

    def _verdicts_of(self, judgement: Judgement) -> dict[Contents, Verdict | None]:
        removed, kept, label = judgement.removed, judgement.kept, judgement.label
        if label and label not in LABELS:
            raise BadParameters(f"label {label!r}: expected one of {', '.join(LABELS)}, or nothing")
        if label and kept is None:
            raise BadParameters(f"label {label!r}: expected none, for the other picture is not in this set")
        if judgement.keep and not label:
            raise BadParameters("keep: expected a label as well")
        always = Verdict(removed.sha256, "", removed.key, "", "", "", self.rater, self.sample)
        wanted: dict[Contents, Verdict | None] = {contents(always): always if judgement.always else None}
        if kept is not None:
            stays = kept.sha256 if judgement.swapped and label not in NOT_DUPLICATES else ""
            keep = removed.sha256 if judgement.keep else stays
            pair = Verdict(removed.sha256, kept.sha256, removed.key, kept.key, label, keep, self.rater, self.sample)
            wanted[contents(pair)] = pair if label else None
        return wanted

    def _edit(
        self, wanted: dict[Contents, Verdict | None], only_where: dict[Contents, Verdict | None] | None = None
    ) -> dict[Contents, Verdict | None]:
        """Make the file say what is wanted; also what it said before."""
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
