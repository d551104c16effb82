"""Raw folders from every kind of source, and what is said when there is none."""

import hashlib
import io
import json
import shutil
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from pipeline.acquire.archives.acquire import acquire, describe_source
from pipeline.acquire.config import AcquireConfig
from pipeline.core.errors import BadParameters, ChecksumMismatch, CorruptData, MissingInput
from pipeline.core.workspace import MARK
from pipeline.datasets.pictures import raw_folder
from pipeline.datasets.pictures.imagenet import ARCHIVES as IMAGENET
from pipeline.datasets.pictures.lsun import ARCHIVES as LSUN
from pipeline.datasets.pictures.raw_folder import locate, open_source
from pipeline.datasets.published import Published
from pipeline.miniature.draw_set import draw_set
from tests.conftest import folder_bytes

LSUN_ZIP, IMAGENET_TAR = "bedroom_train_lmdb.zip", "ILSVRC2012_img_train.tar"
Run = Callable[..., tuple[dict[str, Any], dict[str, bytes]]]


@pytest.fixture
def run(tmp_path):
    """A function that acquires a set from `tmp_path/archives` to `tmp_path/raw` and reads it back."""
    (tmp_path / "archives").mkdir()

    def run(data_set="lsun", **changes):
        section = AcquireConfig(
            **{
                "source": "archive",
                "archive": LSUN_ZIP if data_set == "lsun" else IMAGENET_TAR,
                "checksum": "any",
                "keep_archive": True,
                "count": 40,
                "planted_share": 0.1,
                **changes,
            }
        )
        raw = tmp_path / "raw"
        drawn = tmp_path / "drawn" if section.source == "miniature" else None
        described = acquire(section, archives=tmp_path / "archives", to=raw, drawn=drawn)
        assert described == json.loads((raw / "source.json").read_text())
        source = open_source(raw, tmp_path / "archives")
        again = locate(raw, tmp_path / "archives").description
        assert again is not None and again.as_json() == described
        entries = source.entries()
        with source.open() as read:
            pictures = {entry.key: read(entry.place) for entry in entries}
        assert len(pictures) == described["count"]
        return described, pictures

    return run


@pytest.fixture
def records(encode):
    return {b"%040x" % number: encode(number) for number in range(5)}


@pytest.fixture
def pretend(monkeypatch):
    """A function that makes a file on this machine pass for upstream's archive of its name."""

    def pretend(path, url=None, digest="sha256", **changes):
        data = path.read_bytes()
        digests = {digest: hashlib.new(digest, data).hexdigest()}
        known = Published(**{"bytes": len(data), "where": "upstream's site", "url": url, **digests, **changes})
        monkeypatch.setitem(raw_folder.PUBLISHED, path.name, known)

    return pretend


def files_in(folder):
    return sorted(path.name for path in folder.iterdir() if path.name != MARK)


def test_lsun_zip_is_unpacked(run, tmp_path, write_lsun_zip, records):
    """The LMDB goes to the raw folder; the zip stays; a second run gives the same."""
    archive = write_lsun_zip(tmp_path / "archives" / LSUN_ZIP, records)
    described, pictures = run()
    assert pictures == {key.decode(): value for key, value in records.items()}
    assert described == {
        "source": "archive",
        "archive": LSUN_ZIP,
        "bytes": archive.stat().st_size,
        "sha256": hashlib.sha256(archive.read_bytes()).hexdigest(),
        "count": 5,
        "upstream": False,
        "place": "raw",
        "kind": "lmdb",
    }
    assert files_in(tmp_path / "raw") == ["data.mdb", "source.json"]
    assert run() == (described, pictures)
    assert files_in(tmp_path) == ["archives", "raw", "unzipped-bedroom_train_lmdb"]


@pytest.mark.parametrize("name", ["mine", "bedroom_train_lmdb"])
def test_lmdb_folder_is_read_in_place(run, tmp_path, write_lmdb, records, name):
    """43 GB are not copied, whether the LMDB's own folder is named or the one above."""
    folder = tmp_path / "archives" / "mine" if name == "mine" else tmp_path / "archives"
    folder.mkdir(exist_ok=True)
    write_lmdb(folder / "bedroom_train_lmdb", records)
    described, pictures = run(archive=name)
    assert (described["place"], described["kind"], len(pictures)) == ("archives", "lmdb", 5)
    assert files_in(tmp_path / "raw") == ["source.json"]


def test_folder_of_pictures_is_read_in_place(run, tmp_path, records):
    """The sample of LSUN that many people have: JPEGs in nested folders."""
    for key, data in records.items():
        folder = tmp_path / "archives" / "sample" / key.decode()[-1]
        folder.mkdir(parents=True)
        (folder / f"{key.decode()}.jpg").write_bytes(data)
    described, pictures = run(archive="sample")
    assert (described["place"], described["kind"]) == ("archives", "folder")
    assert described["bytes"] == sum(map(len, records.values()))
    assert set(pictures) == {f"{key.decode()[-1]}/{key.decode()}.jpg" for key in records}
    (tmp_path / "archives" / "sample" / "new.jpg").write_bytes(b"more")
    assert run(archive="sample")[0]["sha256"] != described["sha256"]


def test_tar_of_scenes_is_read_in_place(run: Run, tmp_path: Path, records: dict[bytes, bytes]) -> None:
    """One file to copy, hash and link instead of millions: it gives the same keys as the folder it was made from."""
    folder = tmp_path / "sample"
    for key, data in records.items():
        (folder / key.decode()[-1]).mkdir(parents=True)
        (folder / key.decode()[-1] / f"{key.decode()}.jpg").write_bytes(data)
    with tarfile.open(tmp_path / "archives" / "sample.tar", "w") as archive:
        archive.add(folder, ".")
    described, pictures = run(archive="sample.tar", keep_archive=False)
    assert (described["place"], described["kind"], described["count"]) == ("archives", "tar", 5)
    assert pictures == {f"{key.decode()[-1]}/{key.decode()}.jpg": data for key, data in records.items()}
    assert files_in(tmp_path / "archives") == ["sample.tar"]


def test_labels_and_captions_travel_with_the_pictures(
    run: Run, tmp_path: Path, encode: Callable[..., bytes], write_tar: Callable[..., Path]
) -> None:
    """Samples of a WebDataset: captions beside source.json, and no such file for a set without any."""
    members = {"1.jpg": encode(1), "1.cls": b"cat", "1.txt": b"A cat.", "2.jpg": encode(2)}
    write_tar(tmp_path / "archives" / "sample.tar", members)
    described, pictures = run(archive="sample.tar")
    assert described["count"] == 2 and set(pictures) == {"1.jpg", "2.jpg"}
    assert files_in(tmp_path / "raw") == ["captions.parquet", "source.json"]
    table = pq.read_table(tmp_path / "raw" / "captions.parquet")
    assert table.to_pylist() == [{"key": "1.jpg", "caption": "A cat."}]
    write_tar(tmp_path / "archives" / "plain.tar", {"1.jpg": encode(1)})
    run(archive="plain.tar")
    assert files_in(tmp_path / "raw") == ["source.json"]


def test_a_linked_folder_is_read_with_a_warning(
    run: Run, tmp_path: Path, encode: Callable[..., bytes], capsys: pytest.CaptureFixture[str]
) -> None:
    """DVC cannot see into it, so whoever changes it has to know; a link to a file is hashed and needs no warning."""
    (tmp_path / "disk").mkdir()
    (tmp_path / "disk" / "1.jpg").write_bytes(encode(1))
    with tarfile.open(tmp_path / "disk.tar", "w") as archive:
        archive.add(tmp_path / "disk" / "1.jpg", "1.jpg")
    for name, warned in (("disk.tar", False), ("disk", True)):
        (tmp_path / "archives" / name).symlink_to(tmp_path / name)
        assert run(archive=name)[1] == {"1.jpg": encode(1)}
        lines = capsys.readouterr().err.splitlines()
        assert [line for line in lines if "DVC does not notice changes in" in line] == lines[: int(warned)]


def test_imagenet_tar_is_read_in_place(run, tmp_path, write_imagenet_tar, encode):
    """138 GB are not copied."""
    write_imagenet_tar(tmp_path / "archives" / IMAGENET_TAR, {"n00000001": {"n00000001_1.JPEG": encode(1)}})
    described, pictures = run("imagenet")
    assert (described["place"], described["kind"], described["count"]) == ("archives", "tar", 1)
    assert pictures == {"n00000001/n00000001_1.JPEG": encode(1)}
    assert files_in(tmp_path / "raw") == ["source.json"]


@pytest.mark.parametrize(
    ("data_set", "name", "stand_in"),
    [("lsun", LSUN_ZIP, "drawn rooms"), ("imagenet", IMAGENET_TAR, "drawn textures")],
)
def test_a_drawn_archive_goes_the_same_way(run: Run, tmp_path: Path, data_set: str, name: str, stand_in: str) -> None:
    """It is unpacked and read like upstream's; source.json says what was drawn; the tables of truth are copied."""
    section = AcquireConfig(
        source="miniature", archive=name, checksum="any", keep_archive=False, count=60, planted_share=0.1
    )
    draw_set(section, to=tmp_path / "drawn", seed=1, workers=1)
    before = folder_bytes(tmp_path / "drawn")
    described, pictures = run(data_set, source="miniature", count=60, keep_archive=False)
    assert (described["source"], described["archive"], described["place"]) == ("miniature", name, "raw")
    assert (described["stand_in"], described["upstream"]) == (stand_in, False)
    assert len(pictures) == 60
    own = {LSUN_ZIP: {"data.mdb", "windows.csv"}, IMAGENET_TAR: {IMAGENET_TAR}}[name]
    assert set(files_in(tmp_path / "raw")) == {"planted.csv", "source.json", *own}
    assert folder_bytes(tmp_path / "drawn") == before and not list((tmp_path / "archives").iterdir())
    drawn = folder_bytes(tmp_path / "raw")
    run(data_set, source="miniature", count=60)
    assert folder_bytes(tmp_path / "raw") == drawn


def test_without_a_drawn_archive_the_command_to_run_is_named(run: Run, tmp_path: Path) -> None:
    """Nothing is drawn in passing: neither without the folder, nor after a run for another source."""
    with pytest.raises(MissingInput, match=r"--drawn .*drawn: holds no synthetic archive; run dcgan draw-miniature"):
        run(source="miniature")
    section = AcquireConfig(
        source="archive", archive=LSUN_ZIP, checksum="any", keep_archive=True, count=1, planted_share=0.0
    )
    draw_set(section, to=tmp_path / "drawn", seed=1, workers=1)
    with pytest.raises(MissingInput, match="holds no synthetic archive"):
        run(source="miniature")
    with pytest.raises(BadParameters, match="--drawn: missing"):
        acquire(section.model_copy(update={"source": "miniature"}), archives=tmp_path, to=tmp_path / "raw")


@pytest.mark.parametrize(("data_set", "known"), [("lsun", LSUN[LSUN_ZIP]), ("imagenet", IMAGENET[IMAGENET_TAR])])
def test_a_missing_archive_is_described(run, tmp_path, data_set, known):
    """Name, size, checksum, where from, and what lies there instead; nothing is drawn or fetched in its place."""
    (tmp_path / "archives" / "other.zip").touch()
    with pytest.raises(MissingInput) as caught:
        run(data_set)
    for part in (known.checksum, f"{known.bytes:,} bytes", known.where, "other.zip", str(tmp_path / "archives")):
        assert part in str(caught.value)
    assert not (tmp_path / "raw").exists()


def test_imagenet_cannot_be_fetched(run):
    """It needs an account: the message says where."""
    with pytest.raises(MissingInput, match=r"image-net\.org"):
        run("imagenet", source="upstream")


def test_upstream_is_fetched_into_the_archives(run, tmp_path, server, pretend, write_lsun_zip, records):
    """Fetched once, verified, unpacked; the second run does not ask the server again."""
    archive = write_lsun_zip(tmp_path / "theirs" / LSUN_ZIP, records)
    server.content = archive.read_bytes()
    pretend(archive, f"{server.url}/{LSUN_ZIP}")
    described, pictures = run(source="upstream", checksum="upstream")
    assert described["upstream"] and len(pictures) == 5
    assert files_in(tmp_path / "archives") == [LSUN_ZIP]
    run(source="upstream", checksum="upstream")
    assert len(server.requests) == 1


def test_checksum_any_or_upstream(run, tmp_path, pretend, write_imagenet_tar, encode):
    """`any` notes whether it is upstream's (by MD5, for ImageNet), `upstream` refuses what is not."""
    pictures = {"n00000001": {"n00000001_1.JPEG": encode(1)}}
    archive = write_imagenet_tar(tmp_path / "archives" / IMAGENET_TAR, pictures)
    assert not run("imagenet")[0]["upstream"]
    with pytest.raises(ChecksumMismatch, match="the published archive has 147,897,477,120 bytes"):
        run("imagenet", checksum="upstream")
    pretend(archive, digest="md5")
    assert run("imagenet", checksum="upstream")[0]["upstream"]
    data = bytearray(archive.read_bytes())
    data[1500] ^= 1
    archive.write_bytes(data)
    with pytest.raises(ChecksumMismatch, match="the published archive has md5"):
        run("imagenet", checksum="upstream")


def test_upstream_must_publish_what_is_demanded(run, tmp_path):
    """An own folder has no upstream checksum; a name that upstream does not have cannot be fetched."""
    with pytest.raises(BadParameters, match=r"checksum: .*mine.*`any`"):
        run(archive="mine", checksum="upstream")
    with pytest.raises(BadParameters, match="archive: mine is not published"):
        run(archive="mine", source="upstream")
    (tmp_path / "archives" / LSUN_ZIP).mkdir()
    with pytest.raises(ChecksumMismatch, match="a folder, the published archive has"):
        run(checksum="upstream")


def test_an_unpacked_zip_may_go(run, tmp_path, write_lsun_zip, records):
    """keep_archive: false removes it after unpacking and leaves a note; running again then changes nothing."""
    archive = write_lsun_zip(tmp_path / "archives" / LSUN_ZIP, records)
    first = run(keep_archive=False)
    assert files_in(archive.parent) == [f"{LSUN_ZIP}.unpacked.json"]
    assert run(keep_archive=False) == first
    (tmp_path / "raw" / "data.mdb").unlink()
    with pytest.raises(MissingInput, match="not there"):
        run(keep_archive=False)


def test_a_removed_zip_may_be_in_dvcs_cache(
    run: Run, tmp_path: Path, write_lsun_zip: Callable[..., Path], records: dict[bytes, bytes]
) -> None:
    """DVC deletes the raw folder before a rerun: then nobody is sent for 43 GB that may still lie on the disk."""
    write_lsun_zip(tmp_path / "archives" / LSUN_ZIP, records)
    run(keep_archive=False)
    shutil.rmtree(tmp_path / "raw")
    with pytest.raises(MissingInput, match="may still be in DVC's cache: `dvc checkout`, else fetch the archive again"):
        run(keep_archive=False)


@pytest.mark.parametrize("name", ["mine", IMAGENET_TAR])
def test_other_kinds_are_never_removed(run, tmp_path, write_imagenet_tar, encode, name):
    """keep_archive is about zips that were unpacked, not about originals read in place."""
    pictures = {"n00000001": {"n00000001_1.JPEG": encode(1)}}
    if name == "mine":
        (tmp_path / "archives" / name).mkdir()
        (tmp_path / "archives" / name / "1.jpg").write_bytes(encode(1))
    else:
        write_imagenet_tar(tmp_path / "archives" / name, pictures)
    run("imagenet", archive=name, keep_archive=False)
    assert files_in(tmp_path / "archives") == [name]


@pytest.mark.parametrize("name", ["sample.tar.gz", "sample.tar.xz", "sample.tar.bz2", "sample.zip"])
def test_a_compressed_tar_is_unpacked(run: Run, tmp_path: Path, records: dict[bytes, bytes], name: str) -> None:
    """The tar goes to the raw folder, under one name; the archive stays, or is removed as an LSUN zip is."""
    mode: Any = {"gz": "w:gz", "xz": "w:xz", "bz2": "w:bz2", "zip": "w:gz"}[name.rpartition(".")[2]]
    with tarfile.open(tmp_path / "archives" / name, mode) as archive:
        for key, data in records.items():
            info = tarfile.TarInfo(f"{key.decode()}.jpg")
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    described, pictures = run(archive=name)
    assert pictures == {f"{key.decode()}.jpg": data for key, data in records.items()}
    assert (described["place"], described["kind"], described["count"]) == ("raw", "tar", 5)
    assert described["sha256"] == hashlib.sha256((tmp_path / "archives" / name).read_bytes()).hexdigest()
    assert files_in(tmp_path / "raw") == ["source.json", "unpacked.tar"]
    assert run(archive=name, keep_archive=False) == (described, pictures)
    assert files_in(tmp_path / "archives") == [f"{name}.unpacked.json"]
    assert run(archive=name, keep_archive=False) == (described, pictures)


def test_what_holds_no_pictures(run: Run, tmp_path: Path) -> None:
    """A file that is no tar, a zip of texts, an empty folder; what there is instead is named."""
    (tmp_path / "archives" / "x.tar").write_bytes(b"text " * 300)
    with pytest.raises(CorruptData, match=r"begins with b'text tex', expected an archive"):
        run(archive="x.tar")
    with zipfile.ZipFile(tmp_path / "archives" / "x.zip", "w") as archive:
        archive.writestr("read.me", b"x")
    with pytest.raises(CorruptData, match=r"holds no pictures, but not_a_picture 1: read\.me"):
        run(archive="x.zip")
    (tmp_path / "archives" / "empty").mkdir()
    with pytest.raises(CorruptData, match=r"holds no pictures \(results of dcgan inside a folder"):
        run(archive="empty")
    assert not (tmp_path / "raw").exists()


def test_any_source_is_described_without_a_profile(
    tmp_path: Path, encode: Callable[..., bytes], write_lsun_zip: Callable[..., Path], records: dict[bytes, bytes]
) -> None:
    """`dcgan dedup` takes pictures from anywhere: hidden names and LSUN zips as well."""
    (tmp_path / ".mine").mkdir()
    (tmp_path / ".mine" / "1.jpg").write_bytes(encode(1))
    described = describe_source(tmp_path / ".mine", to=tmp_path / "raw")
    assert (described["archive"], described["kind"], described["count"]) == (".mine", "folder", 1)
    archive = write_lsun_zip(tmp_path / LSUN_ZIP, records)
    described = describe_source(archive, to=tmp_path / "raw")
    assert (described["kind"], described["place"], described["count"]) == ("lmdb", "raw", 5)
    assert archive.exists()
    with pytest.raises(MissingInput, match="no such file or folder"):
        describe_source(tmp_path / "nowhere", to=tmp_path / "raw")


def test_an_archive_that_changed_since_is_noticed(run, tmp_path, write_imagenet_tar, encode):
    """Offsets of one archive are not read from another."""
    write_imagenet_tar(tmp_path / "archives" / IMAGENET_TAR, {"n00000001": {"1.JPEG": encode(1)}})
    run("imagenet")
    write_imagenet_tar(tmp_path / "archives" / IMAGENET_TAR, {f"n{n:08}": {"1.JPEG": encode(n)} for n in range(9)})
    with pytest.raises(CorruptData, match="run the download again"):
        open_source(tmp_path / "raw", tmp_path / "archives")
    (tmp_path / "archives" / IMAGENET_TAR).unlink()
    with pytest.raises(MissingInput, match="no such file or folder"):
        open_source(tmp_path / "raw", tmp_path / "archives")
    (tmp_path / "raw" / "source.json").write_text('{"other": 1}')
    with pytest.raises(CorruptData, match="not of this version"):
        open_source(tmp_path / "raw", tmp_path / "archives")


@pytest.mark.parametrize("name", ["../up", "a/b", ".", "..", ".hidden", ""])
def test_an_archive_is_a_plain_name(name):
    """Paths stand in dvc.yaml alone."""
    with pytest.raises(ValueError, match="archive"):
        AcquireConfig(source="archive", archive=name, checksum="any", keep_archive=True, count=1, planted_share=0.0)
