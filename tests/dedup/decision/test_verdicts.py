"""Verdicts are read back as written, and errors name the bad line."""

import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.core.errors import CorruptData, MissingInput
from pipeline.csv_text import decode_key, encode_key
from pipeline.dedup.decision.verdicts import HEADER, LABELS, Verdict, edit_verdicts, read_verdicts, write_verdicts

A, B = "a" * 64, "b" * 64
PAIR = Verdict(A, B, "one", "two", "near", "", "me", "")


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_any_key_survives_and_stays_on_its_line(key: str) -> None:
    """A key with line breaks, separators, quotes or formulas is one safe field, and is decoded again."""
    text = encode_key(key)
    assert decode_key(text) == key
    assert text.splitlines() in ([], [text])
    assert "," not in text and '"' not in text and text[:1] not in ("=", "+", "-", "@")


def test_usual_keys_are_left_as_they_are() -> None:
    """Usual keys are not encoded, so that people can read the file."""
    assert encode_key("n01440764/n01440764_10026.JPEG") == "n01440764/n01440764_10026.JPEG"
    assert encode_key("Küche – 1=2.png") == "Küche – 1=2.png"


@settings(max_examples=25, deadline=None)
@given(st.lists(st.sampled_from(sorted(LABELS)), max_size=6), st.text(st.characters(exclude_categories=["Cs"])))
def test_verdicts_survive_and_their_order_does_not_matter(labels: list[str], key: str) -> None:
    """Verdicts are read back, and their order does not change the file."""
    verdicts = [replace(PAIR, label=label, key_a=key, keep=A) for label in labels]
    verdicts += [Verdict(B, "", key, "", "", "", "me", "")]
    with tempfile.TemporaryDirectory() as folder:
        one, two = Path(folder, "one.csv"), Path(folder, "two.csv")
        write_verdicts(one, verdicts)
        write_verdicts(two, reversed(verdicts))
        assert one.read_bytes() == two.read_bytes()
        assert set(read_verdicts(one)) == set(verdicts)


def test_a_file_with_only_the_header_is_valid(tmp_path: Path) -> None:
    """A file with only the header is valid, also with a byte order mark and an empty line from a spreadsheet."""
    path = tmp_path / "verdicts.csv"
    path.write_bytes(b"\xef\xbb\xbf" + ",".join(HEADER).encode() + b"\r\n\r\n")
    assert read_verdicts(path) == []


@pytest.mark.parametrize("name", ["lsun", "imagenet"])
def test_the_projects_own_verdicts_are_readable(name: str) -> None:
    """The verdict files in git exist and are valid, because DVC stops at a missing dependency."""
    read_verdicts(Path(__file__).parents[3] / "audit" / name / "verdicts.csv")


def test_a_missing_file_says_how_to_make_one(tmp_path: Path) -> None:
    """The error contains the header."""
    with pytest.raises(MissingInput, match="sha256_a,sha256_b,key_a,key_b,label,keep,rater,sample"):
        read_verdicts(tmp_path / "verdicts.csv")


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (f"{A},{B},one,two,near,,me", "7 fields, expected 8"),
        (f"{A[1:]},{B},one,two,near,,me,", "expected a SHA-256"),
        (f"{A},{B.upper()},one,two,near,,me,", "expected a SHA-256"),
        (f",{B},one,two,near,,me,", "expected a SHA-256"),
        (f"{A},{B},one,two,alike,,me,", "label 'alike', expected one of same_bytes, same_pixels, near, mirrored"),
        (f"{A},{B},one,two,,,me,", "label '', expected one of"),
        (f"{A},{B},one,two,near,{'c' * 64},me,", "keep is 'ccc"),
        (f"{A},,one,,near,,me,", "without a second picture"),
        (f'{A},{B},"one,two,near,,me,', "unexpected end of data"),
    ],
)
def test_a_bad_row_is_named_by_its_line(tmp_path: Path, row: str, message: str) -> None:
    """The error contains the line, what was found, and what was expected."""
    path = tmp_path / "verdicts.csv"
    path.write_text("\n".join([",".join(HEADER), f"{A},{B},one,two,near,,me,", row]) + "\n")
    with pytest.raises(CorruptData, match=f"verdicts.csv, line 3: .*{message}"):
        read_verdicts(path)


@pytest.mark.parametrize("text", ["", "key_a,key_b\n", "\n"])
def test_another_header_is_refused(tmp_path: Path, text: str) -> None:
    """A file without the header is refused, even if it is empty."""
    path = tmp_path / "verdicts.csv"
    path.write_text(text)
    with pytest.raises(CorruptData, match="line 1: "):
        read_verdicts(path)


def test_other_text_encodings_are_refused(tmp_path: Path) -> None:
    """A file in another text encoding is refused."""
    path = tmp_path / "verdicts.csv"
    path.write_bytes(",".join(HEADER).encode("utf-16"))
    with pytest.raises(CorruptData, match="UTF-8"):
        read_verdicts(path)


def test_rater_names_are_unchanged(tmp_path: Path) -> None:
    """The name of a rater is unchanged after any number of edits, also with special characters."""
    path = tmp_path / "verdicts.csv"
    path.write_text(f'{",".join(HEADER)}\n{A},{B},one,two,near,,"Doe, Jane (50%)",\n')
    assert [verdict.rater for verdict in read_verdicts(path)] == ["Doe, Jane (50%)"]
    for _ in range(2):
        edit_verdicts(path, lambda verdicts: verdicts)
        assert [verdict.rater for verdict in read_verdicts(path)] == ["Doe, Jane (50%)"]
