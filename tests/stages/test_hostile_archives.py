"""Archives made to do harm, through whole commands: refused in one line, or the picture skipped with its cause.

Nothing is written but the output, nothing that an archive names is run, and no process takes a gigabyte.
"""

import gzip
import io
import os
import pickle
import stat
import subprocess
import sys
import tarfile
import time
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pipeline.datasets.labelled import cifar10
from pipeline.imageset.format.image_set import ImageSet
from tests.conftest import folder_bytes

ROOT = Path(__file__).parents[2]
MOST_MEMORY = 1_000_000_000
GIGABYTE = 1 << 30
SECTION = "source: archive, archive: {archive}, checksum: any, keep_archive: true, count: 1, planted_share: 0.0"
PREPARE = "side: 64, resize: area, chunk_keys: 1024, max_bad: 1.0, max_pixels: 100000000, keep_damaged: false"


class Commands:
    """Runs commands in `work`, beside which lie things that no command may touch."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.archives, self.set = folder, folder / "work" / "archives", folder / "work" / "set"
        self.raw, self.sentinel = folder / "work" / "raw", folder / "sentinel"
        self.archives.mkdir(parents=True)
        self.sentinel.mkdir()
        (self.sentinel / "mine.txt").write_text("mine")

    def run(self, module: str, *options: object) -> tuple[int, str]:
        """Exit status and stderr of one command, which writes nothing outside and takes little memory."""
        before = self.outside()
        with (self.folder / "stderr.txt").open("w") as errors:
            command = [sys.executable, "-m", f"stages.{module}", *map(str, options)]
            run = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=errors)
            peak = 0
            while run.poll() is None:
                peak = max(peak, peak_memory(run.pid))
                time.sleep(0.002)
        said = (self.folder / "stderr.txt").read_text()
        (self.folder / "stderr.txt").unlink()
        assert 10_000_000 < peak < MOST_MEMORY, f"{peak:,} bytes of memory"
        assert self.outside() == before and "Traceback" not in said
        return run.returncode, said

    def outside(self) -> dict[str, str]:
        """All that is there but for the outputs and the work in progress beside them."""
        links = {str(path): str(path.readlink()) for path in self.folder.rglob("*") if path.is_symlink()}
        small = {
            name: digest
            for name, digest in folder_bytes(self.folder).items()
            if not name.startswith(("work/raw", "work/set", "work/.raw.partial", "work/.set.partial"))
        }
        return small | links

    def download(self, archive: Path) -> tuple[int, str]:
        """Run `download-lsun` on an archive."""
        profile = f"acquire: {{mine: {{{SECTION.format(archive=archive.name)}}}}}\nprepare: {{mine: {{{PREPARE}}}}}\n"
        (self.folder / "profile.yaml").write_text(profile)
        return self.run("download_lsun", *self.common(), "--to", self.raw)

    def common(self) -> list[object]:
        return ["--set", "mine", "--params", self.folder / "profile.yaml", "--archives", self.archives]

    def pictures(self, archive: Path) -> tuple[list[str], dict[str, str]]:
        """What `download-lsun` and `crop-scenes` make of an archive: keys of pictures, and of skipped ones with the
        reason."""
        status, said = self.download(archive)
        assert status == 0, said
        status, said = self.run("crop_scenes", *self.common(), "-j", 1, "--source", self.raw, "--to", self.set)
        assert status == 0, said
        images = ImageSet(self.set)
        return images.keys, {row["key"]: row["reason"] for row in images.skipped.to_pylist()}

    def refused(self, archive: Path) -> str:
        """The one line in which `download-lsun` refuses an archive; there is no output."""
        return self.one_line(*self.download(archive))

    def one_line(self, status: int, said: str) -> str:
        assert status == 1 and said.startswith("error: ") and said.count("\n") == 1, said
        assert not self.raw.exists()
        return said


def peak_memory(process: int) -> int:
    """Largest resident set so far, in bytes. Not `ru_maxrss`, which begins with the size of the process that forked."""
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) << 10 for line in lines if line.startswith("VmHWM")), 0)


@pytest.fixture
def commands(tmp_path: Path) -> Commands:
    return Commands(tmp_path)


def deflated_zeros(length: int) -> bytes:
    """A raw deflate stream of so many zeros, a multiple of 1 MiB: one block over and over."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    block = packer.compress(bytes(1 << 20)) + packer.flush(zlib.Z_FULL_FLUSH)
    return block * (length >> 20) + packer.flush()


def add_zeros(archive: zipfile.ZipFile, name: str, length: int, claimed: int) -> None:
    """A member of so many zeros that says it has another length; what it says stands in the directory."""
    archive.writestr(name, deflated_zeros(length))
    member = archive.getinfo(name)
    member.compress_type, member.file_size = zipfile.ZIP_DEFLATED, claimed


def huge_png(side: int, channels: int = 1, exif: bytes = b"") -> bytes:
    """A picture of side × side zeros, grey or with colours and transparency: true in all but that nobody wants it."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")

    padded = -(-side * (channels * side + 1) >> 20) << 20  # some rows too many
    header = side.to_bytes(4, "big") * 2 + bytes([8, {1: 0, 4: 6}[channels], 0, 0, 0])
    more = chunk(b"eXIf", exif) if exif else b""
    pixels = chunk(b"IDAT", b"\x78\x9c" + deflated_zeros(padded))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + more + pixels + chunk(b"IEND", b"")


@pytest.mark.parametrize("name", ["../../sentinel/up.jpg", "{sentinel}/absolute.jpg", "..\\..\\sentinel\\back.jpg"])
def test_a_zip_s_names_do_not_leave(commands: Commands, encode: Callable[..., bytes], name: str) -> None:
    """Such a zip is refused whole, though its pictures would be read in place."""
    with zipfile.ZipFile(commands.archives / "x.zip", "w") as archive:
        archive.writestr("good.jpg", encode())
        archive.writestr(name.format(sentinel=commands.sentinel), encode(1))
    assert "leaves its folder" in commands.refused(commands.archives / "x.zip")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_links_and_repeated_names_in_a_zip(commands: Commands, encode: Callable[..., bytes]) -> None:
    """A link is the text of its target, no picture; of a name that comes twice the first counts."""
    (commands.sentinel / "secret.jpg").write_bytes(encode(5))
    with zipfile.ZipFile(commands.archives / "x.zip", "w") as archive:
        for number in (1, 2):
            archive.writestr("twice.jpg", encode(number))
        link = zipfile.ZipInfo("link.jpg")
        link.create_system, link.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, str(commands.sentinel / "secret.jpg"))
    keys, skipped = commands.pictures(commands.archives / "x.zip")
    assert keys == ["twice.jpg"] and skipped == {"link.jpg": "not_an_image", "twice.jpg": "repeated_key"}
    with zipfile.ZipFile(commands.archives / "x.zip") as archive:
        assert ImageSet(commands.set).index.column("source_bytes")[0].as_py() == archive.infolist()[0].file_size


def test_names_links_and_devices_in_a_tar(commands: Commands, encode: Callable[..., bytes]) -> None:
    """Names are keys and no paths; links, devices and pipes are only listed; of a repeated name the first counts."""
    (commands.sentinel / "secret.jpg").write_bytes(encode(5))
    kinds = (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE)
    names = ["../../sentinel/up.jpg", f"{commands.sentinel}/absolute.jpg", "twice.jpg", "twice.jpg"]
    with tarfile.open(commands.archives / "x.tar", "w") as archive:
        for number, kind in enumerate(kinds):
            info = tarfile.TarInfo(f"odd{number}.jpg")
            info.type, info.linkname, info.devmajor, info.devminor = kind, "../../sentinel/secret.jpg", 1, 5
            archive.addfile(info)
        for number, name in enumerate(names):
            info = tarfile.TarInfo(name)
            info.size = len(encode(number))
            archive.addfile(info, io.BytesIO(encode(number)))
    keys, skipped = commands.pictures(commands.archives / "x.tar")
    odd = dict(zip([f"odd{number}.jpg" for number in range(5)], ["link"] * 2 + ["not_a_picture"] * 3, strict=True))
    assert keys == sorted(set(names)) and skipped == {"twice.jpg": "repeated_key", **odd}


def test_bombs_in_a_zip(commands: Commands, encode: Callable[..., bytes]) -> None:
    """Gigabytes of zeros, whether the member says so or not, and as many as are just read."""
    with zipfile.ZipFile(commands.archives / "x.zip", "w") as archive:
        archive.writestr("good.jpg", encode())
        add_zeros(archive, "says_so.jpg", 3 * GIGABYTE, 3 * GIGABYTE)
        add_zeros(archive, "lies.jpg", 3 * GIGABYTE, 1000)
        add_zeros(archive, "just.jpg", GIGABYTE // 4, GIGABYTE // 4)
        archive.getinfo("just.jpg").CRC = zlib.crc32(bytes(GIGABYTE // 4))
    keys, skipped = commands.pictures(commands.archives / "x.zip")
    assert keys == ["good.jpg"]
    assert skipped == {"says_so.jpg": "unreadable", "lies.jpg": "unreadable", "just.jpg": "not_an_image"}


@pytest.mark.parametrize(("claimed", "says"), [(1 << 50, "free some space"), (1000, "damaged")])
def test_a_bomb_in_the_place_of_an_lmdb(commands: Commands, claimed: int, says: str) -> None:
    """An LSUN zip that says it has a petabyte is refused before a byte is written; one that lies, at its checksum."""
    with zipfile.ZipFile(commands.archives / "x_lmdb.zip", "w") as archive:
        add_zeros(archive, "x_lmdb/data.mdb", 3 * GIGABYTE, claimed)
    assert says in commands.refused(commands.archives / "x_lmdb.zip")


@pytest.mark.long
def test_a_huge_file_under_a_picture_s_name(commands: Commands, encode: Callable[..., bytes]) -> None:
    """In a folder or a tar it costs no disk to whoever makes it (a hole), and must cost no memory here."""
    folder = commands.archives / "pictures"
    folder.mkdir()
    (folder / "good.jpg").write_bytes(encode())
    with (folder / "huge.jpg").open("wb") as file:
        file.truncate(GIGABYTE)
    assert commands.pictures(folder) == (["good.jpg"], {"huge.jpg": "unreadable"})


@pytest.mark.long
def test_a_huge_member_of_a_tar(commands: Commands, encode: Callable[..., bytes]) -> None:
    """The same, in a tar, whose other pictures are read."""
    with (commands.archives / "x.tar").open("wb") as file:
        for name, size in (("huge.jpg", GIGABYTE), ("good.jpg", len(encode()))):
            info = tarfile.TarInfo(name)
            info.size = size
            file.write(info.tobuf())
            if name == "good.jpg":
                file.write(encode())
            else:
                file.seek(size, os.SEEK_CUR)
        file.write(bytes(-file.tell() % 512 + 1024))
    assert commands.pictures(commands.archives / "x.tar") == (["good.jpg"], {"huge.jpg": "unreadable"})


@pytest.mark.parametrize("kind", ["zip", "tar", "lmdb"])
def test_a_picture_of_sixty_thousand_squared(
    commands: Commands, encode: Callable[..., bytes], write_lmdb: Any, write_tar: Any, kind: str
) -> None:
    """Four megabytes of PNG that would be 3.6 gigabytes of pixels."""
    pictures = {"good.jpg": encode(), "huge.png": huge_png(60_000)}
    archive = commands.archives / ("x" if kind == "lmdb" else f"x.{kind}")
    if kind == "lmdb":
        write_lmdb(archive, {key.encode(): data for key, data in pictures.items()})
    elif kind == "tar":
        write_tar(archive, pictures)
    else:
        with zipfile.ZipFile(archive, "w") as file:
            for name, data in pictures.items():
                file.writestr(name, data)
    assert commands.pictures(archive) == (["good.jpg"], {"huge.png": "too_many_pixels"})


@pytest.mark.long
def test_the_largest_picture_that_is_decoded(commands: Commands, write_tar: Any) -> None:
    """Just under the limit, transparent and turned: as much memory as a picture can take."""
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = exif.tobytes().removeprefix(b"Exif\0\0")
    write_tar(commands.archives / "x.tar", {"large.png": huge_png(9_999, 4, turned)})
    assert commands.pictures(commands.archives / "x.tar") == (["large.png"], {})
    assert (ImageSet(commands.set).read(np.arange(1)) == 255).all()


def test_cut_values_in_an_lmdb(commands: Commands, encode: Callable[..., bytes], write_lmdb: Any) -> None:
    """Each loses itself alone."""
    records = {b"a": encode(), b"cut": encode(1, shape=(600, 400))[:-3000], b"empty": b"", b"text": b"no picture"}
    keys, skipped = commands.pictures(write_lmdb(commands.archives / "x", records))
    assert keys == ["a"] and skipped == {"cut": "truncated", "empty": "empty", "text": "not_an_image"}


@pytest.mark.parametrize("moment", ["before", "between"])
def test_a_truncated_lmdb(commands: Commands, encode: Callable[..., bytes], write_lmdb: Any, moment: str) -> None:
    """Refused, also where it was cut after `download-lsun` had looked at it."""
    folder = write_lmdb(commands.archives / "x", {b"%040x" % number: encode(number) for number in range(200)})
    if moment == "between":
        assert commands.download(folder)[0] == 0
    os.truncate(folder / "data.mdb", (folder / "data.mdb").stat().st_size - 4096)
    if moment == "before":
        assert "data.mdb: truncated" in commands.refused(folder)
        return
    status, said = commands.run(
        "crop_scenes", *commands.common(), "-j", 1, "--source", commands.raw, "--to", commands.set
    )
    assert status == 1 and said.count("\n") == 1 and "run the download again" in said
    assert not commands.set.exists()


class Evil:
    """Makes a file when it is unpickled in the ordinary way."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.system, (f"touch {self.target}",)


def benchmark(commands: Commands, archive: bytes) -> str:
    """The line in which `download-benchmarks` refuses CIFAR-10's archive."""
    (commands.archives / cifar10.ARCHIVE).write_bytes(archive)
    section = "data_set: cifar10, source: archive, checksum: any, train: 10, test: 10"
    (commands.folder / "profile.yaml").write_text(f"acquire: {{mine: {{{section}}}}}")
    options = [*commands.common(), "--to", commands.raw]
    return commands.one_line(*commands.run("download_benchmarks", *options))


def test_a_pickle_that_calls(commands: Commands) -> None:
    """Nothing is run, by the checks or by the reading."""
    batch = {"data": np.zeros((1, 3072), np.uint8), "labels": [0]}
    members = {name: pickle.dumps(batch) for name in cifar10.MEMBERS}
    members["test_batch"] = pickle.dumps({**batch, "more": Evil(commands.sentinel / "made")})
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(f"{cifar10.FOLDER}/{name}")
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    assert "nothing was run" in benchmark(commands, buffer.getvalue())


@pytest.mark.parametrize("kind", [tarfile.REGTYPE, tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME])
def test_a_bomb_in_a_packed_tar(commands: Commands, kind: bytes) -> None:
    """Three gigabytes of zeros in three megabytes: a member that does not count, or what should be a name."""
    info = tarfile.TarInfo("zeros")
    info.type, info.size = kind, 3 * GIGABYTE
    crc = zlib.crc32(info.tobuf())  # what follows is never reached, so its checksum may be wrong
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    start = packer.compress(info.tobuf()) + packer.flush(zlib.Z_FULL_FLUSH)
    stream = gzip.compress(b"")[:10] + start + deflated_zeros(3 * GIGABYTE) + crc.to_bytes(4, "little") + bytes(4)
    assert "download or copy it again" in benchmark(commands, stream)
