"""Downloads from a server that misbehaves by a seeded script: the right bytes or a clear error, and never for ever."""

import hashlib
import random
import time
from collections import Counter, deque
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.acquire.download import range_download
from pipeline.acquire.download.download import download
from pipeline.core.errors import PipelineError
from tests.acquire.scripted_server import FAULTS, Behaviour, serving, zip_of

LENGTH = 600_000
VERSIONS = [zip_of(1, LENGTH), zip_of(2, LENGTH), zip_of(3, LENGTH + 77_777)]


def behaviour_of(seed: int) -> tuple[Behaviour, dict[str, object]]:
    """A server and what is known of its file, drawn from a seed.

    A server that silently replaces a file by one of the same length and name is only found out by a digest, or by the
    file's own: so one is given, or the file is a zip.
    """
    chance = random.Random(seed)
    kinds = chance.sample(sorted(set(FAULTS)), chance.randint(1, 6))
    kinds += ["cut"] * chance.randint(0, 2) + ["no ranges"] * (chance.random() < 0.1)
    faults = deque((chance.choice(kinds), chance.random()) for _ in range(chance.randint(0, 12)))
    validators = chance.choice(["etag", "etag", "etag", "date", "weak", "none"])
    changes = sum("change" in kind for kind, _ in faults)
    wanted = VERSIONS[min(changes, len(VERSIONS) - 1)] if chance.random() < 0.8 else VERSIONS[0]
    known = chance.choice(["digest", "md5", "length", "nothing"])
    options: dict[str, object] = {
        "digest": {"length": len(wanted), "sha256": hashlib.sha256(wanted).hexdigest()},
        "md5": {"md5": hashlib.md5(wanted).hexdigest()},
        "length": {"length": len(wanted)},
        "nothing": {},
    }[known]
    return Behaviour(VERSIONS, faults, validators, stall=1.0), options


def kind_of(error: PipelineError) -> str:
    """The error in a few words."""
    text = str(error)
    for words in (
        *(
            "times in a row",
            "a web page",
            "packs the file",
            "it is another file",
            "does not state the length",
            "not a whole",
        ),
        *(
            "is damaged",
            "starting over",
            "has changed",
            "another range",
            "is shorter than",
            "sends more than",
            "arrived",
        ),
    ):
        if words in text:
            return f"{type(error).__name__}: {words}"
    return f"{type(error).__name__}: {text}"


def run_sequence(seed: int, folder: Path) -> tuple[str, str]:
    """Download by one script, up to three calls as a person would make; how the first and the last ended, in words."""
    behaviour, options = behaviour_of(seed)
    target = folder / f"{seed}" / "x.zip"
    outcomes: list[str] = []
    with serving(behaviour) as server:
        for _ in range(3):
            begun = time.monotonic()
            try:
                sums = download(f"{server.url}/x.zip", target, pause=0.002, timeout=0.25, **options)  # type: ignore[arg-type]
            except PipelineError as error:
                outcomes.append(kind_of(error))
                assert "\n" not in str(error) and not target.exists(), f"{seed}: {error}"
            else:
                data = target.read_bytes()
                assert data in VERSIONS, f"seed {seed}: wrong bytes under the final name"
                assert sums.sha256 == hashlib.sha256(data).hexdigest()
                assert sorted(path.name for path in target.parent.iterdir()) == ["x.zip"]
                outcomes.append("right")
                break
            finally:
                assert time.monotonic() - begun < 120, f"seed {seed} took too long"
    return outcomes[0], outcomes[-1]


@pytest.fixture
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let small files be fetched in pieces too."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(range_download, "MIN_BYTES", 300_000)
    monkeypatch.setattr(range_download, "RANGE_BYTES", 60_000)
    monkeypatch.setattr(range_download, "PROGRESS_BYTES", 10_000)


def test_a_few_seeded_sequences(small_pieces: None, tmp_path: Path) -> None:
    """A taste of the next test."""
    for seed in range(1000, 1008):
        run_sequence(seed, tmp_path)


@pytest.mark.long
def test_two_hundred_seeded_sequences(
    small_pieces: None, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    """Cuts, stalls, errors, lies, changes, redirects, pages: never wrong bytes under the name, and always an end."""
    outcomes = [run_sequence(seed, tmp_path) for seed in range(200)]
    for number, call in enumerate(("first call", "after up to three calls")):
        for outcome, count in Counter(ended[number] for ended in outcomes).most_common():
            record_property(f"{call}, {outcome}", count)
    assert sum(last == "right" for _, last in outcomes) > 150
