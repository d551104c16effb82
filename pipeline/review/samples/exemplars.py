"""Samples that people chose as exemplars of a concept, for the paper's arithmetic and turn vector (Figures 7 and 8).

model,seed,sample,concept,rater
"""

from collections.abc import Iterable
from dataclasses import astuple, dataclass, fields
from pathlib import Path

from pipeline.core.errors import BadParameters
from pipeline.csv_text import decode_key
from pipeline.review.samples.csv_table import Table, named, rated, sha256, whole

PRESETS = (
    *("smiling woman", "neutral woman", "neutral man"),
    *("man with glasses", "man without glasses", "woman without glasses"),
    *("facing left", "facing right"),
)
"""Concepts of the paper's figures, to choose from; any other name will do."""

MOST_EXEMPLARS = 100
"""Of one concept; the paper averages three, and four for the turn."""


@dataclass(frozen=True, order=True)
class Exemplar:
    """One line.

    Attributes:
        model: SHA-256 of `generator.safetensors`.
        seed, sample: of the sample, see `samples.judged_latents`.
        concept: what it is an exemplar of.
        rater: who chose it.
    """

    model: str
    seed: int
    sample: int
    concept: str
    rater: str


def _parse(row: list[str]) -> Exemplar:
    model, seed, sample = sha256(row[0]), whole("seed", row[1]), whole("sample", row[2])
    return Exemplar(model, seed, sample, named("concept", decode_key(row[3])), rated(decode_key(row[4])))


HEADER = [field.name for field in fields(Exemplar)]
_TABLE = Table("--exemplars", HEADER, _parse, astuple)


def read_exemplars(path: Path) -> list[Exemplar]:
    """All lines of a file of exemplars; see `Table.read` for what is raised."""
    return _TABLE.read(path)


class ExemplarStore:
    """One rater's exemplars among the samples of one model and seed.

    Args:
        path: `exemplars.csv`; made at the first edit, if there is none.
        model, seed, rater: as in `Exemplar`.
        count: how many samples there are.
    """

    def __init__(self, path: Path, model: str, seed: int, rater: str, *, count: int) -> None:
        self.path, self.model, self.seed, self.rater, self.count = path, model, seed, rater, count

    def said(self) -> dict[str, list[int]]:
        """The exemplars of each concept, in rising order."""
        said: dict[str, list[int]] = {}
        for exemplar in filter(self._is_mine, self._all()):
            said.setdefault(exemplar.concept, []).append(exemplar.sample)
        return said

    def elsewhere(self) -> int:
        """How many are samples of other models or seeds, which are not shown."""
        return sum(exemplar.rater == self.rater and not self._is_mine(exemplar) for exemplar in self._all())

    def choose(self, sample: int, concept: str, chosen: bool) -> None:
        """Make a sample an exemplar of a concept, or no longer; the same again changes nothing more.

        Raises:
            BadParameters: there is no such sample, the concept is no name, or it has too many exemplars.
        """
        if not 0 <= sample < self.count:
            raise BadParameters(f"sample {sample}: expected 0 to {self.count - 1}")
        try:
            exemplar = Exemplar(self.model, self.seed, sample, named("concept", concept), self.rater)
        except ValueError as error:
            raise BadParameters(str(error)) from None

        def change(exemplars: list[Exemplar]) -> Iterable[Exemplar]:
            others = [one for one in exemplars if one != exemplar]
            if chosen and sum(self._is_mine(one) and one.concept == concept for one in others) >= MOST_EXEMPLARS:
                raise BadParameters(f"concept {concept!r}: expected at most {MOST_EXEMPLARS} exemplars")
            return [*others, exemplar] if chosen else others

        _TABLE.edit(self.path, change)

    def _all(self) -> list[Exemplar]:
        return read_exemplars(self.path) if self.path.exists() else []

    def _is_mine(self, exemplar: Exemplar) -> bool:
        return (exemplar.model, exemplar.seed, exemplar.rater) == (self.model, self.seed, self.rater)
