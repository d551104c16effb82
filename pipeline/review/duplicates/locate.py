"""Where the parts of a dedup result lie, when only the result is named."""

import os
from dataclasses import dataclass
from pathlib import Path

from pipeline.core.errors import MissingInput


@dataclass(frozen=True)
class Folders:
    """Where things are.

    Attributes:
        dedup: with `manifest.parquet`.
        images: the image set it is of.
        pairs: what `find-pairs` wrote; None where there is nothing.
        verdicts: the file of verdicts; it need not exist, but its folder does.
        raw: raw folders, where it says how the sources are read: of each part of a set that was added to; none where
            they are not at hand.
        archives: where the sources are; None where they are not at hand.
    """

    dedup: Path
    images: Path
    pairs: Path | None
    verdicts: Path
    raw: tuple[Path, ...]
    archives: Path | None


def locate(
    dedup: Path,
    *,
    images: Path | None = None,
    pairs: Path | None = None,
    verdicts: Path | None = None,
    raw: Path | None = None,
    archives: Path | None = None,
) -> Folders:
    """The folders of a result of `dcgan dedup`, or of this project's own data/PROFILE/dedup/SET.

    Args:
        dedup: the result.
        images, pairs, verdicts, raw, archives: take the place of what would be found.

    Raises:
        MissingInput: the result, or a part that it cannot do without, is not there; the message names the option.
    """
    added: list[Path] = []
    dedup = Path(os.path.abspath(dedup))  # noqa: PTH100  (no link is to be resolved; ".." has no name)
    if dedup.parent.name == "steps" and not (dedup / "steps").is_dir():
        dedup = dedup.parent.parent
    if (dedup / "steps" / "dedup").is_dir():
        steps = dedup / "steps"
        found = {"images": steps / "images", "pairs": steps / "pairs", "raw": steps / "raw-images"}
        found |= {"verdicts": dedup / "verdicts.csv"}
        added = [] if raw else sorted(steps.glob("raw-added-*"))
        if verdicts is None and not found["verdicts"].exists():
            raise MissingInput(
                f"--verdicts {found['verdicts']}: no such file, so dcgan dedup was given another one; name that"
            )
        dedup = steps / "dedup"
        why = "SOURCE of dcgan dedup was an image set itself"
    elif dedup.parent.name == "dedup":
        profile, name = dedup.parent.parent, dedup.name
        found = {part: profile / folder / name for part, folder in _OWN.items()}
        found |= {"archives": profile.parent / "archives" / name}
        found |= {"verdicts": profile.parent.parent / "audit" / name / "verdicts.csv"}
        why = "a result in data/PROFILE/dedup/SET has it beside it"
    else:
        found, why = {}, "it is no folder of dcgan dedup, nor data/PROFILE/dedup/SET"
    if not (dedup / "manifest.parquet").is_file():
        raise MissingInput(
            f"--dedup {dedup}: no manifest.parquet in it; name the folder that dcgan dedup or remove-duplicates wrote"
        )
    images = _needed("--images", images, found.get("images"), "imageset.json", dedup, why)
    verdicts = verdicts.absolute() if verdicts else found.get("verdicts")
    if verdicts is None or not verdicts.parent.is_dir():
        raise MissingInput(
            f"--verdicts {verdicts or ''}: where verdicts go is not known ({why}); name a CSV file in a folder there is"
        )
    first = _optional("--raw", raw, found.get("raw"), "source.json")
    return Folders(
        dedup,
        images,
        _optional("--pairs", pairs, found.get("pairs"), "pairs.parquet"),
        verdicts,
        tuple(folder for folder in (first, *added) if folder),
        _optional("--archives", archives, found.get("archives"), ""),
    )


_OWN = {"images": "sets", "pairs": "pairs", "raw": "raw"}


def _needed(option: str, given: Path | None, found: Path | None, file: str, dedup: Path, why: str) -> Path:
    path = given or found
    if path is None or not (path / file).is_file():
        where = f"{option} {path}: no {file} in it" if path else f"{option}: not given"
        raise MissingInput(f"{where}; name the image set that {dedup} is of ({why})")
    return path


def _optional(option: str, given: Path | None, found: Path | None, file: str) -> Path | None:
    if given and not (given / file).exists():
        raise MissingInput(f"{option} {given}: no {file or 'such folder'} there; name another one, or leave it out")
    path = given or found
    return path if path and (path / file).exists() else None
