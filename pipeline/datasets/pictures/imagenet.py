"""ImageNet (ILSVRC2012): its archives, which need an account, and the keys and labels of its pictures.

The training archive is a tar that holds one tar per synset, 1,000 in all. A key is `n01440764/n01440764_10026.JPEG`,
whether the picture comes from the archive or from unpacked folders, one per synset. The validation archive has no
folders; its labels are in the development kit, which is read if it is in the same folder as the archive.
"""

import re
import tarfile
import zlib
from pathlib import Path, PurePosixPath
from typing import Any

from pipeline.core import progress
from pipeline.core.errors import CorruptData
from pipeline.datasets.published import Published
from pipeline.readers.base import Entry, Source
from pipeline.readers.matlab_reader import read_variables

_WHERE = "https://image-net.org/download-images (register, then ILSVRC2012: Training images, Task 1 & 2)"
DEVELOPMENT_KIT = "ILSVRC2012_devkit_t12.tar.gz"

ARCHIVES = {
    "ILSVRC2012_img_train.tar": Published(
        147_897_477_120, _WHERE, md5="1d675b47d978889d74fa0da5fadfb00e", entries=1_281_167
    ),
    "ILSVRC2012_img_val.tar": Published(6_744_924_160, _WHERE, md5="29b22e2961454d5413ddabcf34fc5622", entries=50_000),
}
"""What is published about each archive, by file name."""

_VALIDATION = re.compile(r"ILSVRC2012_val_(\d{8})\.JPEG")
_LONGEST = 1 << 24
"""Maximum bytes read from a member of the development kit; the longer of the two has 0.2 MB."""


def entries(source: Source, beside: Path) -> list[Entry]:
    """List the pictures of an ImageNet source in key order; the label is the synset, which is the name of the folder.

    Labels that the source already has are kept. Pictures of the validation archive are labelled from the development
    kit in the folder `beside`; without the kit they have no label.

    Raises:
        CorruptData: the development kit is not readable.
    """
    found = source.entries()
    labels: list[str] = []
    if any(_VALIDATION.fullmatch(entry.key) for entry in found):
        kit = beside / DEVELOPMENT_KIT
        if kit.exists():
            labels = _validation_labels(kit)
        else:
            progress.warn(
                f"{kit}: not there, so the validation pictures have no labels (md5 fa75699e90414af021442c21a62c3abf)"
            )
    for number, entry in enumerate(found):  # changed in place: a second list of a million entries takes 100 MB
        if not entry.label:
            found[number] = entry._replace(label=_label(entry.key, labels))
    return found


def _label(key: str, labels: list[str]) -> str | None:
    match = _VALIDATION.fullmatch(key)
    if match:
        number = int(match[1])
        return labels[number - 1] if 0 < number <= len(labels) else None
    return PurePosixPath(key).parent.name or None


def _validation_labels(kit: Path) -> list[str]:
    """The synset of each validation picture, in the order of the picture numbers.

    The kit's `meta.mat` numbers the synsets; its text file has the synset number of each picture.
    """
    members: dict[str, bytes] = {}
    wanted = {"meta.mat", "ILSVRC2012_validation_ground_truth.txt"}
    try:
        with tarfile.open(kit) as archive:
            for member in archive:
                name = PurePosixPath(member.name).name
                file = archive.extractfile(member) if name in wanted and member.isreg() else None
                if file is not None:
                    members[name] = file.read(_LONGEST)
        meta = read_variables(members["meta.mat"], f"{kit}: meta.mat", ["synsets"], most_bytes=_LONGEST)
        names = {int(row["ILSVRC2012_ID"].item()): str(row["WNID"]) for row in list[Any](meta["synsets"])}
        numbers = members["ILSVRC2012_validation_ground_truth.txt"].split()
        return [names[int(number)] for number in numbers]
    except (tarfile.TarError, EOFError, OSError, zlib.error, KeyError, ValueError, TypeError, AttributeError) as error:
        raise CorruptData(
            f"{kit}: not the development kit, or damaged ({type(error).__name__}: {error}); put the published file "
            "there, or remove it"
        ) from None
