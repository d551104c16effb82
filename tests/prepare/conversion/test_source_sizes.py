"""The usual size of pictures is read from their headers; files that are no pictures do not matter."""

import io
import zipfile
from pathlib import Path

import pytest
from PIL import Image

from pipeline.prepare.conversion.source_sizes import median_short_side


def picture(width: int, height: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (width, height), "teal").save(buffer, "PNG")
    return buffer.getvalue()


@pytest.mark.parametrize("container", ["folder", "zip"])
def test_the_median_of_the_short_sides(tmp_path: Path, container: str) -> None:
    """Wide and tall pictures count by their short sides, in a folder and in a zip; damaged files are left out."""
    contents = {"a.png": picture(70, 50), "b.png": picture(60, 900), "c.png": picture(200, 100), "d.png": b"\x89PNG"}
    source = tmp_path / "source.zip"
    if container == "folder":
        source = tmp_path / "source"
        source.mkdir()
        for name, data in contents.items():
            (source / name).write_bytes(data)
    else:
        with zipfile.ZipFile(source, "w") as archive:
            for name, data in contents.items():
                archive.writestr(name, data)
    assert median_short_side(source) == 60


def test_a_source_without_readable_pictures_has_no_size(tmp_path: Path) -> None:
    """The set is then refused for its own reasons, later."""
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    assert median_short_side(tmp_path) == 0
