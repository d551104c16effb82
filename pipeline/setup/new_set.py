"""Add a set of one's own pictures to the project: sections of the profile, lists, verdicts, link to the archive.

Existing lines of the YAML files stay as they are, with their comments: the new lines are inserted as text.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ruamel.yaml import YAML

from pipeline.acquire.archives.find_archive import warn_of_link
from pipeline.core import files, params
from pipeline.core.errors import BadParameters, MissingInput
from pipeline.datasets.pictures.raw_folder import open_archive
from pipeline.dedup.decision.verdicts import HEADER
from pipeline.readers.base import only_pictures
from pipeline.readers.compressed_tar import compression
from pipeline.readers.zipped_lmdb import unpacked_bytes
from pipeline.setup.yaml_edit import insert_entry, insert_section, without_comments

Kind = Literal["scenes", "natural", "portraits"]

MODELS: Mapping[str, str] = {"scenes": "lsun", "natural": "imagenet", "portraits": "faces"}
"""For each list of params.yaml, the set of the workstation profile whose sections a new set gets."""

AUTOENCODER_STEPS, MOST_EPOCHS = 300, 60
"""Training steps of the autoencoder, and the maximum of its epochs. They give the epochs of the workstation profile for
its numbers of pictures: 60 for 500 pictures, 6 for 12,200."""

DCGAN_STEPS = 5_000
"""Training steps of the DCGAN, about those of the workstation profile."""


@dataclass(frozen=True)
class NewSet:
    """What was done.

    Attributes:
        pictures: number of pictures; None if they cannot be counted without unpacking the archive.
        written: paths that were written, each with what was added.
        kept: paths in which everything had been there.
    """

    pictures: int | None
    written: list[str]
    kept: list[str]


def add_set(name: str, source: Path, kind: Kind, *, project: Path) -> NewSet:
    """Add a set to the profile that params.yaml names, and to the lists of params.yaml.

    Nothing is overwritten: what is already there stays, so an interrupted call can be repeated.

    Args:
        name: name of the set: letters, digits, `_` and `-`, the first a letter.
        source: a folder, zip, tar, LMDB or parquet file of pictures. A link to it is put into the folder of archives.
        kind: the list that the set is added to, which decides how its pictures are cropped.
        project: the folder that holds params.yaml and dvc.yaml.

    Raises:
        MissingInput: the source, params.yaml or the profile does not exist.
        BadParameters: the name cannot be used, or belongs to another set; or a file cannot be edited.
    """
    if not re.fullmatch(r"[A-Za-z][\w-]*", name, re.ASCII) or name in ("size", "nfiles"):
        raise BadParameters(
            f"{name}: expected a name of letters, digits, _ and - that starts with a letter, except size and nfiles, "
            "which DVC ignores"
        )
    lists = project / "params.yaml"
    if not lists.exists():
        raise MissingInput(f"{lists}: not there; run dcgan init in the folder of the project, which has this file")
    profile = project / "profiles" / f"{params.read_yaml(lists).get('profile')}.yaml"
    if not source.exists():
        raise MissingInput(f"--from {source}: no such file or folder; correct the path")
    source = source.resolve()
    if source.name.startswith("."):
        raise BadParameters(f"--from {source}: the name starts with a dot; rename it, or link it under another name")
    link = project / "data" / "archives" / name / source.name
    known = params.load_profile(profile).get("acquire", {}).get(name, {"archive": source.name})
    if known.get("archive") != source.name or (os.path.lexists(link) and link.resolve() != source):
        raise BadParameters(f"{name}: {profile} or {link.parent} has another set of this name; choose another name")
    pictures = _count(source)
    texts = {
        profile: _with_sections(profile, name, _sections(kind, source.name, pictures)),
        link.parent / "README.md": f"# Archives of {name}\n\n`{source.name}`: the pictures of the set.\n",
        project / "audit" / name / "verdicts.csv": ",".join(HEADER) + "\n",
        lists: _with_entries(lists, name, (kind, "sets")),
    }
    written, kept = [], []
    for path, text in texts.items():
        changed = path in (profile, lists) and path.read_text(encoding="utf-8") != text
        if changed or not path.exists():
            files.write_text(path, text)
            written.append(str(path))
        else:
            kept.append(str(path))
    if os.path.lexists(link):
        kept.append(str(link))
    else:
        link.symlink_to(source)
        written.append(f"{link} (a link)")
    warn_of_link(link)
    return NewSet(pictures, written, kept)


def _count(source: Path) -> int | None:
    """The number of pictures in a source; None for an archive that must be unpacked first."""
    if source.is_file() and (compression(source) or unpacked_bytes(source)):
        return None
    count = sum(1 for _ in only_pictures(open_archive(source).source.entries()))
    if not count:
        raise MissingInput(
            f"--from {source}: no pictures in it; see docs/own-pictures.md for the formats that are read"
        )
    return count


def _sections(kind: Kind, archive: str, pictures: int | None) -> dict[str, Any]:
    """The sections of the new set by group of the profile, as ruamel.yaml loads them.

    Args:
        archive: name of the file or folder of pictures.
        pictures: their number, from which the numbers of epochs follow; None for those of the workstation profile.
    """
    template = YAML().load(params.default_profile().read_text(encoding="utf-8"))
    sections = {group: without_comments(sets[MODELS[kind]]) for group, sets in template.items() if MODELS[kind] in sets}
    sections["acquire"].update(source="archive", archive=archive, checksum="any")
    if pictures:
        autoencoder, dcgan = sections["dedup"]["autoencoder"], sections["dcgan"]["training"]
        for section, steps, most in ((autoencoder, AUTOENCODER_STEPS, MOST_EPOCHS), (dcgan, DCGAN_STEPS, DCGAN_STEPS)):
            section["batch_size"] = min(section["batch_size"], pictures)
            section["epochs"] = min(most, max(1, round(steps * section["batch_size"] / pictures)))
    return sections


def _with_sections(profile: Path, name: str, sections: Mapping[str, Any]) -> str:
    """The text of the profile with those sections that it lacks."""
    text = profile.read_text(encoding="utf-8")
    content = params.load_profile(profile)
    for group, section in sections.items():
        if name not in content.get(group, {}):
            text = insert_section(text, group, name, section)
    return text


def _with_entries(lists: Path, name: str, keys: tuple[str, ...]) -> str:
    """The text of params.yaml with the name in these lists."""
    text = lists.read_text(encoding="utf-8")
    for key in keys:
        if name not in params.read_names(lists, key):
            text = insert_entry(text, key, name)
    return text
