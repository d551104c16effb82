"""A wrong parameter is one clear line that names file, key and what was expected."""

from pathlib import Path
from typing import Literal

import pytest
from pydantic import Field

from pipeline.core.errors import BadParameters, MissingInput
from pipeline.core.params import Section, changed, default_profile, load_section, problems_of


class Example(Section):
    epochs: int = Field(gt=0)
    rate: float
    mode: Literal["exact", "near"]


GOOD = "dedup:\n  lsun:\n    epochs: 3\n    rate: 2.0e-4\n    mode: exact\n"


def load(tmp_path: Path, text: str) -> Example:
    file = tmp_path / "profile.yaml"
    file.write_text(text)
    return load_section(file, "dedup.lsun", Example)


def test_a_good_section_loads(tmp_path: Path) -> None:
    """YAML 1.2: `2e-4` is a number, as DVC reads it."""
    assert load(tmp_path, GOOD) == Example(epochs=3, rate=2e-4, mode="exact")
    assert load(tmp_path, GOOD.replace("2.0e-4", "2e-4")).rate == 2e-4


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("epochs: 3", "epochs: three"), r"dedup\.lsun\.epochs: 'three': input should be a valid integer"),
        (("epochs: 3", "epochs: 3.0"), r"dedup\.lsun\.epochs: 3\.0"),
        (("epochs: 3", "epochs: 0"), r"dedup\.lsun\.epochs: 0: .*greater than 0"),
        (
            ("epochs: 3", "epoch: 3"),
            r"lsun\.epoch: unknown key, expected one of epochs, rate, mode; did you mean epochs\?",
        ),
        (("    epochs: 3\n", ""), r"dedup\.lsun\.epochs: missing key"),
        (("    mode: exact", "    mode: exact\n    speed: 1"), r"dedup\.lsun\.speed: unknown key"),
        (("mode: exact", "mode: fuzzy"), r"dedup\.lsun\.mode: 'fuzzy': .*'exact' or 'near'"),
        (("dedup:", "dedupe:"), r"dedupe: unknown key, expected one of acquire, .*; did you mean dedup\?"),
        (("  lsun:", "  faces:"), r"dedup\.lsun: missing; dedup has faces$"),
        (("  lsun:", "  lsum:"), r"dedup\.lsun: missing; dedup has lsum; did you mean lsum\?"),
        (("dedup:", "audit: [1]\ndedup:"), r"audit: \[1\]: expected sections by name of the set"),
        (("rate: 2.0e-4", "rate: [1"), r"profile\.yaml line \d+: not readable as YAML"),
        (("rate: 2.0e-4\n", "rate: 1\n    rate: 2\n"), r"profile\.yaml line \d+: not readable as YAML"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, change: tuple[str, str], message: str) -> None:
    """Unknown, missing, ill-typed, out of range, twice, no YAML: each its own words, with the file's name."""
    with pytest.raises(BadParameters, match=message) as caught:
        load(tmp_path, GOOD.replace(*change))
    assert "profile.yaml" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_all_problems_of_a_section_are_found() -> None:
    """A misspelt key is one problem, not also a missing key; a section within the section is looked at as well."""

    class Outer(Section):
        inner: Example
        name: str

    wrong = {"inner": {"epoch": 3, "rate": "fast", "mode": "near"}}
    assert problems_of(wrong, "dedup.lsun", Outer) == [
        "dedup.lsun.inner.epoch: unknown key, expected one of epochs, rate, mode; did you mean epochs?",
        "dedup.lsun.inner.rate: 'fast': input should be a valid number",
        "dedup.lsun.name: missing key",
    ]
    assert problems_of({"epochs": 3, "rate": 0.1, "mode": "near"}, "dedup.lsun", Example) == []
    assert problems_of(None, "dedup.lsun", Example)[0].startswith("dedup.lsun: None: ")


def test_values_of_options_are_checked_as_those_of_the_profile() -> None:
    """A wrong word is named with the option's key; the section itself is not changed."""
    section = Example(epochs=3, rate=0.1, mode="near")
    assert changed(section, {"mode": "exact"}, "options").mode == "exact"
    with pytest.raises(BadParameters, match=r"^options\.mode: 'best': .*'exact' or 'near'"):
        changed(section, {"mode": "best"}, "options")
    assert section.mode == "near"


def test_a_missing_or_binary_file_is_named(tmp_path: Path) -> None:
    """No traceback for a path that is not a profile."""
    with pytest.raises(MissingInput, match="nowhere"):
        load_section(tmp_path / "nowhere.yaml", "dedup.lsun", Example)
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(BadParameters, match="binary"):
        load_section(tmp_path / "binary.yaml", "dedup.lsun", Example)


def test_the_default_profile_is_there() -> None:
    """Commands work from any folder, without the repository's."""
    assert default_profile().is_absolute()
    assert default_profile().exists()
