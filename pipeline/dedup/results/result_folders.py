"""Find the folders and files that belong to a dedup result."""

import os
from dataclasses import dataclass
from pathlib import Path

from pipeline.core.errors import BadParameters, MissingInput
from pipeline.datasets.pictures.raw_folder import remembered_place


@dataclass(frozen=True)
class ResultFolders:
    """Folders and files of a dedup result.

    Attributes:
        dedup: folder with `manifest.parquet`.
        images: the image set of the result.
        pairs: what `find-pairs` wrote, if available.
        verdicts: the file of verdicts; its folder exists, the file may not.
        raw: raw folders, which say how to read the sources: one for each part of the set; empty if not available.
        archives: folder of the sources; None if the raw folders remember their places, or if it is not available.
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
    layout = _layout(dedup)
    images = _required("--images", images, layout.found.get("images"), "imageset.json", layout)
    return ResultFolders(
        layout.dedup,
        images,
        _optional("--pairs", pairs, layout.found.get("pairs"), "pairs.parquet"),
        _verdicts(layout, verdicts),
        _raw_folders(layout, raw),
        _optional("--archives", archives, layout.found.get("archives"), ""),
    )


@dataclass(frozen=True)
class ExportInputs:
    """What an export reads.

    Attributes:
        images: the image set.
        kept: the file `kept.npy`, in the folder of the manifest.
        raw: raw folders, one for each part of the set, or only one.
        archives: as in `ResultFolders`.
    """

    images: Path
    kept: Path
    raw: tuple[Path, ...]
    archives: Path | None


def find_inputs(
    dedup: Path | None, *, images: Path | None, kept: Path | None, raw: Path | None, archives: Path | None
) -> ExportInputs:
    """Find what an export reads.

    Args:
        dedup: a result, as for `find_folders`; None if the others are given.
        images, kept, raw, archives: used instead of what would be found.

    Raises:
        BadParameters: `dedup` is None, and one of the first three others is, too.
        MissingInput: the result or a part of it is missing.
    """
    if dedup is None:
        if images is None or kept is None or raw is None:
            raise BadParameters(
                "--dedup: missing; give the result folder of dcgan dedup, or --images, --kept and --raw"
            )
        return ExportInputs(images, kept, (raw,), archives)
    layout = _layout(dedup)
    images = _required("--images", images, layout.found.get("images"), "imageset.json", layout)
    raws = _raw_folders(layout, raw)
    if not raws:
        raise MissingInput(f"--raw: {layout.dedup} has no raw folder that says where its source is; give --raw")
    archives = _optional("--archives", archives, layout.found.get("archives"), "")
    return ExportInputs(images, kept or layout.dedup / "kept.npy", raws, archives)


def find_verdicts(dedup: Path, verdicts: Path | None = None) -> Path:
    """The file of verdicts of a result; its folder exists, the file may not.

    Args:
        dedup: the result, as for `find_folders`.
        verdicts: used instead of what would be found.

    Raises:
        MissingInput: the result or the folder of the verdicts is missing.
    """
    return _verdicts(_layout(dedup), verdicts)


@dataclass(frozen=True)
class _Layout:
    """Where the parts of a result are.

    Attributes:
        dedup: folder with `manifest.parquet`.
        found: path of each part by name; it need not exist.
        added: raw folders of the parts that were added later.
        why: hint for messages about missing parts.
    """

    dedup: Path
    found: dict[str, Path]
    added: list[Path]
    why: str


def _layout(dedup: Path) -> _Layout:
    added: list[Path] = []
    dedup = Path(os.path.abspath(dedup))  # noqa: PTH100  (links must not be resolved, ".." must be)
    if dedup.parent.name == "steps" and not (dedup / "steps").is_dir():
        dedup = dedup.parent.parent
    if (dedup / "steps" / "dedup").is_dir():
        steps = dedup / "steps"
        found = {"images": steps / "images", "pairs": steps / "pairs", "raw": steps / "raw-images"}
        found |= {"verdicts": dedup / "verdicts.csv"}
        place = remembered_place(steps / "raw-images")
        if place and (place / "imageset.json").is_file():
            found["images"] = place
        added = sorted(steps.glob("raw-added-*"), key=lambda folder: int(folder.name.rpartition("-")[2]))
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
    return _Layout(dedup, found, added, why)


def _verdicts(layout: _Layout, given: Path | None) -> Path:
    found = layout.found.get("verdicts")
    if given is None and found and layout.dedup.parent.name == "steps" and not found.exists():
        raise MissingInput(f"--verdicts {found}: no such file; name the file of verdicts that dcgan dedup was run with")
    path = given.absolute() if given else found
    if path is None or not path.parent.is_dir():
        raise MissingInput(
            f"--verdicts {path or ''}: no file for verdicts ({layout.why}); name a CSV file in an existing folder"
        )
    return path


def _raw_folders(layout: _Layout, given: Path | None) -> tuple[Path, ...]:
    first = _optional("--raw", given, layout.found.get("raw"), "source.json")
    return tuple(folder for folder in (first, *([] if given else layout.added)) if folder)


_PROFILE_FOLDERS = {"images": "sets", "pairs": "pairs", "raw": "raw"}


def _required(option: str, given: Path | None, found: Path | None, file: str, layout: _Layout) -> Path:
    path = given or found
    if path is None or not (path / file).is_file():
        where = f"{option} {path}: no {file} in it" if path else f"{option}: not given"
        raise MissingInput(f"{where}; name the image set that {layout.dedup} was made from ({layout.why})")
    return path


def _optional(option: str, given: Path | None, found: Path | None, file: str) -> Path | None:
    if given and not (given / file).exists():
        raise MissingInput(
            f"{option} {given}: no {file or 'such folder'} there; name another folder, or leave the option out"
        )
    path = given or found
    return path if path and (path / file).exists() else None
