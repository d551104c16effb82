"""The command `download-faces`."""

import zipfile

from pipeline.core.workspace import MARK


def test_a_missing_archive_says_what_belongs_there(run_stage, tmp_path):
    """One line: where, and that CelebA is by agreement."""
    profile = tmp_path / "profile.yaml"
    for archive, told in (
        ("photos.zip", "put it there, or change `archive`"),
        ("img_align_celeba.zip", "by agreement"),
    ):
        values = f"source: archive, archive: {archive}, checksum: any, keep_archive: true, count: 1, planted_share: 0.0"
        profile.write_text(f"acquire:\n  faces: {{{values}}}\n")
        done = run_stage(
            *("download_faces", "--set", "faces", "--params", profile),
            *("--archives", tmp_path / "archives", "--to", tmp_path / "raw"),
        )
        assert done.returncode == 1 and done.stdout == ""
        assert done.stderr.startswith(f"error: {tmp_path}/archives/{archive}: not there; ") and told in done.stderr
        assert done.stderr.count("\n") == 1


def test_a_zip_of_photos_is_read_in_place(run_stage, tmp_path, encode):
    """Nothing is copied; the summary says where the pictures are read from and what comes next."""
    (tmp_path / "archives").mkdir()
    with zipfile.ZipFile(tmp_path / "archives" / "photos.zip", "w") as archive:
        archive.writestr("a/1.jpg", encode(1))
        archive.writestr("read.me", b"not a picture")
    done = run_stage(
        *("download_faces", "--set", "faces", "--params", "profiles/workstation.yaml"),
        *("--archives", tmp_path / "archives", "--to", tmp_path / "raw"),
    )
    assert done.returncode == 0, done.stderr
    assert f"1 pictures in photos.zip (archive), read from {tmp_path}/archives; next: dcgan crop-faces" in done.stderr
    assert {path.name for path in (tmp_path / "raw").iterdir()} == {MARK, "source.json"}


def test_a_list_needs_a_contact_and_nothing_else(run_stage, tmp_path):
    """Wrong usage is told as such; a list whose rows have no licence fetches nothing and says so."""
    listed = tmp_path / "list.csv"
    listed.write_text("url,name,licence\nhttp://127.0.0.1:9/1.jpg,1.jpg,\n")
    assert run_stage("download_faces", "--to", tmp_path / "out").returncode == 2
    done = run_stage("download_faces", "--urls", listed, "--to", tmp_path / "out")
    assert done.returncode == 2 and "--contact" in done.stderr
    done = run_stage("download_faces", "--urls", listed, "--contact", "me@example.org", "--to", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert "0 of 1 pictures fetched, 0 failed" in done.stderr
    assert "no_licence" in (tmp_path / "out" / "manifest.csv").read_text()
