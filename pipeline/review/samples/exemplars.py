"""Samples that people chose as exemplars of a concept, for vector arithmetic and the turn vector (Figures 7 and 8).

model,seed,sample,concept,rater
"""

from collections.abc import Iterable
from dataclasses import astuple, dataclass, fields
from pathlib import Path

from pipeline.core.errors import BadParameters
from pipeline.csv_text import decode_key
from pipeline.review.samples.csv_table import CsvTable, check_name, check_rater, check_sha256, parse_whole_number

CONCEPT_PRESETS = (
    *("smiling woman", "neutral woman", "neutral man"),
    *("man with glasses", "man without glasses", "woman without glasses"),
    *("facing left", "facing right"),
)
"""Concepts of the paper's figures, offered as suggestions; any other name is allowed."""

MAX_EXEMPLARS = 100
"""Exemplars of one concept; the paper averages three, and four for the turn vector."""


@dataclass(frozen=True, order=True)
class Exemplar:
    """One line of the file.

    Attributes:
        model: SHA-256 of `generator.safetensors`.
        seed, sample: seed and number of the sample; see `model_samples.latents_by_number`.
        concept: the concept that the sample shows.
        rater: who chose it.
    """

    model: str
    seed: int
    sample: int
    concept: str
    rater: str


def _parse(row: list[str]) -> Exemplar:
    model, seed, sample = check_sha256(row[0]), parse_whole_number("seed", row[1]), parse_whole_number("sample", row[2])
    return Exemplar(model, seed, sample, check_name("concept", decode_key(row[3])), check_rater(decode_key(row[4])))


HEADER = [field.name for field in fields(Exemplar)]
_TABLE = CsvTable("--exemplars", HEADER, _parse, astuple)


def read_exemplars(path: Path) -> list[Exemplar]:
    """All lines of a file of exemplars. Errors: see `CsvTable.read`."""
    return _TABLE.read(path)


class ExemplarStore:
    """One rater's exemplars among the samples of one model and seed.

    Args:
        path: `exemplars.csv`; the first edit makes it if it does not exist.
        model, seed, rater: as in `Exemplar`.
        count: number of samples.
    """

    def __init__(self, path: Path, model: str, seed: int, rater: str, *, count: int) -> None:
        self.path, self.model, self.seed, self.rater, self.count = path, model, seed, rater, count

    def by_concept(self) -> dict[str, list[int]]:
        """Numbers of the samples for each concept, rising."""
        found: dict[str, list[int]] = {}
        for exemplar in filter(self._is_mine, self._all()):
            found.setdefault(exemplar.concept, []).append(exemplar.sample)
        return found

    def count_hidden(self) -> int:
        """Number of this rater's exemplars that are samples of other models or seeds; they are not shown."""
        return sum(exemplar.rater == self.rater and not self._is_mine(exemplar) for exemplar in self._all())

    def choose(self, sample: int, concept: str, chosen: bool) -> None:
        """Add or remove a sample as exemplar of a concept; a repeated call changes nothing more.

        Raises:
            BadParameters: there is no such sample, or the concept has a wrong name or too many exemplars.
        """
        if not 0 <= sample < self.count:
            raise BadParameters(f"sample {sample}: expected 0 to {self.count - 1}")
        try:
            exemplar = Exemplar(self.model, self.seed, sample, check_name("concept", concept), self.rater)
        except ValueError as error:
            raise BadParameters(str(error)) from None

        def change(exemplars: list[Exemplar]) -> Iterable[Exemplar]:
            others = [one for one in exemplars if one != exemplar]
            if chosen and sum(self._is_mine(one) and one.concept == concept for one in others) >= MAX_EXEMPLARS:
                raise BadParameters(f"concept {concept!r}: expected at most {MAX_EXEMPLARS} exemplars")
            return [*others, exemplar] if chosen else others

        _TABLE.edit(self.path, change)

    def _all(self) -> list[Exemplar]:
        return read_exemplars(self.path) if self.path.exists() else []

    def _is_mine(self, exemplar: Exemplar) -> bool:
        return (exemplar.model, exemplar.seed, exemplar.rater) == (self.model, self.seed, self.rater)
