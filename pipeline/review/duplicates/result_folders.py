"""Find the folders and files that belong to a dedup result."""

import os
from dataclasses import dataclass
from pathlib import Path

from pipeline.core.errors import MissingInput


@dataclass(frozen=True)
class ResultFolders:
    """Folders and files of a dedup result.

    Attributes:
        dedup: folder with `manifest.parquet`.
        images: the image set of the result.
        pairs: what `find-pairs` wrote, if available.
        verdicts: the file of verdicts; its folder exists, the file may not.
        raw: raw folders, which say how to read the sources: one for each part of the set; empty if not available.
        archives: folder of the sources, if available.
    """

    dedup: Path
    images: Path
    pairs: Path | None
    verdicts: Path
    raw: tuple[Path, ...]
    archives: Path | None


def find_folders(
    dedup: Path,
    *,
    images: Path | None = None,
    pairs: Path | None = None,
    verdicts: Path | None = None,
    raw: Path | None = None,
    archives: Path | None = None,
) -> ResultFolders:
    """Find the folders of a result of `dcgan dedup`, or of a result in data/PROFILE/dedup/SET.

    Args:
        dedup: the result.
        images, pairs, verdicts, raw, archives: used instead of what would be found.

    Raises:
        MissingInput: the result, its image set or the folder of the verdicts is missing; the message names the option.
    """
    added: list[Path] = []
    dedup = Path(os.path.abspath(dedup))  # noqa: PTH100  (links must not be resolved, ".." must be)
    if dedup.parent.name == "steps" and not (dedup / "steps").is_dir():
        dedup = dedup.parent.parent
    if (dedup / "steps" / "dedup").is_dir():
        steps = dedup / "steps"
        found = {"images": steps / "images", "pairs": steps / "pairs", "raw": steps / "raw-images"}
        found |= {"verdicts": dedup / "verdicts.csv"}
        added = [] if raw else sorted(steps.glob("raw-added-*"))
        if verdicts is None and not found["verdicts"].exists():
            raise MissingInput(
                f"--verdicts {found['verdicts']}: no such file; name the file of verdicts that dcgan dedup was run with"
            )
        dedup = steps / "dedup"
        why = "SOURCE of dcgan dedup was an image set"
    elif dedup.parent.name == "dedup":
        profile, name = dedup.parent.parent, dedup.name
        found = {part: profile / folder / name for part, folder in _PROFILE_FOLDERS.items()}
        found |= {"archives": profile.parent / "archives" / name}
        found |= {"verdicts": profile.parent.parent / "audit" / name / "verdicts.csv"}
        why = "for a result in data/PROFILE/dedup/SET, it is in data/PROFILE/sets/SET"
    else:
        found, why = {}, "the result is neither a folder of dcgan dedup nor data/PROFILE/dedup/SET"
    if not (dedup / "manifest.parquet").is_file():
        raise MissingInput(
            f"--dedup {dedup}: no manifest.parquet in it; name the folder that dcgan dedup or remove-duplicates wrote"
        )
    images = _required("--images", images, found.get("images"), "imageset.json", dedup, why)
    verdicts = verdicts.absolute() if verdicts else found.get("verdicts")
    if verdicts is None or not verdicts.parent.is_dir():
        raise MissingInput(
            f"--verdicts {verdicts or ''}: no file for verdicts ({why}); name a CSV file in an existing folder"
        )
    first = _optional("--raw", raw, found.get("raw"), "source.json")
    return ResultFolders(
        dedup,
        images,
        _optional("--pairs", pairs, found.get("pairs"), "pairs.parquet"),
        verdicts,
        tuple(folder for folder in (first, *added) if folder),
        _optional("--archives", archives, found.get("archives"), ""),
    )


_PROFILE_FOLDERS = {"images": "sets", "pairs": "pairs", "raw": "raw"}


def _required(option: str, given: Path | None, found: Path | None, file: str, dedup: Path, why: str) -> Path:
    path = given or found
    if path is None or not (path / file).is_file():
        where = f"{option} {path}: no {file} in it" if path else f"{option}: not given"
        raise MissingInput(f"{where}; name the image set that {dedup} was made from ({why})")
    return path


def _optional(option: str, given: Path | None, found: Path | None, file: str) -> Path | None:
    if given and not (given / file).exists():
        raise MissingInput(
            f"{option} {given}: no {file or 'such folder'} there; name another folder, or leave the option out"
        )
    path = given or found
    return path if path and (path / file).exists() else None
