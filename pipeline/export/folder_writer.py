"""Export pictures as files named by their keys: copies of the source's files, or links to them."""

import errno
import fcntl
import os
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from pipeline.core.errors import BadParameters, PipelineError
from pipeline.export.key_paths import has_suffix, path_of, suffix_of
from pipeline.export.originals import Originals
from pipeline.readers.folder_reader import Folder

Link = Literal["copy", "hardlink", "symlink", "reflink"]

_FICLONE = 0x40049409
_UNABLE = {errno.EXDEV, errno.EOPNOTSUPP, errno.ENOTTY, errno.EINVAL, errno.ENOSYS, errno.EPERM, errno.EMLINK}


def check_link(originals: Originals, link: Link) -> None:
    """Raise `BadParameters` for links to a source that is not a folder of files."""
    if link != "copy" and not all(isinstance(source, Folder) for source in originals.sources):
        raise BadParameters(f"--link {link}: the source is one archive, not a folder of files; use --link copy")


def write_folder(originals: Originals, folder: Path, link: Link) -> dict[str, int]:
    """Write each picture to the path `key_paths.path_of` of its key.

    Args:
        link: `copy`, `hardlink` (another name of the source's file), `symlink` (an absolute path) or `reflink` (a copy
            that shares disk blocks with the source's file until one of them is changed).

    Returns:
        `bytes`, and `renamed`: number of pictures whose path is not their key.

    Raises:
        BadParameters: the disk does not support this kind of link.
        PipelineError: the file system treats two paths as the same, for example if it ignores case.
        CorruptData: a source file is damaged; see `Originals.read`.
    """
    taken = {key for key in originals.keys if has_suffix(key)}
    counts = {"bytes": 0, "renamed": 0}
    for original, data in originals.read():
        name = path_of(original.key, suffix_of(data), taken)
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            if link == "copy":
                with path.open("xb") as file:
                    file.write(data)
            else:
                assert isinstance(original.source, Folder) and isinstance(original.place, bytes)
                # Resolved, because the source can be a symbolic link itself.
                _LINKS[link](os.path.realpath(original.source.path_of(original.place)), path)
        except FileExistsError:
            raise PipelineError(
                f"{name!r}: not distinct from another path on this file system; use another disk or --format"
            ) from None
        except OSError as error:
            if link == "copy" or error.errno not in _UNABLE:
                raise
            raise BadParameters(
                f"--link {link}: not possible between the source and --to ({error.strerror}); use --link copy"
            ) from None
        counts["bytes"] += len(data)
        counts["renamed"] += name != original.key
    return counts


def _reflink(source: bytes, path: Path) -> None:
    with open(source, "rb") as reader, path.open("xb") as writer:  # noqa: PTH123 (Path takes no bytes)
        fcntl.ioctl(writer.fileno(), _FICLONE, reader.fileno())


_LINKS: dict[str, Callable[[bytes, Path], None]] = {
    "hardlink": os.link,
    "symlink": lambda source, path: os.symlink(source, os.fsencode(path)),  # noqa: PTH211
    "reflink": _reflink,
}
