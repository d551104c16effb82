"""Download the pictures of a list that the user has the right to use, and record the outcome of each row.

    to/pictures/<name>    the downloaded pictures
    to/manifest.csv       the outcome of each row, written once all rows have one
    to/journal.jsonl      the outcome of each row as soon as it is known, so that a killed run can be resumed

docs/decisions/0004-no-scraper-of-names.md explains why this command takes a list and does not search for names.
"""

import contextlib
import fcntl
import json
import os
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, BinaryIO

from pipeline.acquire.url_list.crawl_scheduler import CrawlLimits, CrawlScheduler
from pipeline.acquire.url_list.picture_client import (
    Outcome,
    PictureClient,
    PictureRequest,
    clean_url,
    too_large,
    user_agent,
)
from pipeline.acquire.url_list.url_list_schema import MANIFEST, UrlRow, read_list, refusals
from pipeline.core import files, progress
from pipeline.core.errors import BadParameters, Busy
from pipeline.csv_text import encode_key

STATUSES = (
    *("fetched", "refused_by_robots", "failed", "not_an_image", "too_large"),
    *("bad_name", "bad_url", "no_licence"),
)
_JOURNAL = "journal.jsonl"


def fetch_urls(
    listed: Path,
    *,
    to: Path,
    contact: str,
    per_host: int = 2,
    workers: int = 8,
    pause: float = 0.5,
    tries: int = 4,
    max_bytes: int = 50_000_000,
    timeout: float = 30.0,
) -> dict[str, int]:
    """Download the pictures of the list `listed` to `to/pictures`, and write `to/manifest.csv`.

    The next call retries failed rows. It repeats a row with another outcome only if the row's URL has changed. A
    picture is deleted when its row is no longer in the list or no longer has a licence.

    Args:
        listed: CSV or parquet with the columns `url`, `name` and `licence`; further ones are copied to the manifest.
        contact: e-mail or web address of the user, sent to every host.
        per_host: maximum number of simultaneous requests to a host. workers: maximum number of simultaneous requests in
            total; it does not affect the result.
        pause: seconds between the starts of two requests to a host; its robots.txt may ask for more.
        tries: maximum number of attempts per picture.
        max_bytes: maximum length of a picture file.
        timeout: maximum seconds to connect, and between two blocks.

    Returns:
        Counts: `rows`, and the number of rows with each of `STATUSES`.

    Raises:
        MissingInput: the list does not exist.
        BadParameters: a number is out of range, `contact` is not an address, the list as a whole is not usable, or `to`
            holds files that this command has not written.
        Busy: another process is fetching to `to`.
    """
    if min(per_host, workers, tries, max_bytes) < 1 or pause < 0 or timeout <= 0:
        raise BadParameters("per_host, workers, tries and max_bytes are at least 1, pause at least 0, timeout above 0")
    agent = user_agent(contact)
    further, rows = read_list(listed)
    outcomes = refusals(rows)
    _refuse_others(to)
    with _journal(to) as journal:
        known = _read_journal(journal)
        if known and rows and not known.keys() & {row.name for row in rows}:
            raise BadParameters(f"--to {to}: holds the pictures of another list; name a new folder")
        (to / "manifest.csv").unlink(missing_ok=True)  # it is written again at the end
        for number, row in enumerate(rows):
            if number not in outcomes and (outcome := _prior_outcome(to, row, known.get(row.name), max_bytes)):
                outcomes[number] = outcome
        _delete_unlisted(to, known, {rows[n].name for n, outcome in outcomes.items() if outcome.status == "fetched"})
        partial = to / ".partial"
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir()
        requests = [
            PictureRequest(number, clean_url(row.url), partial / str(number))
            for number, row in enumerate(rows)
            if number not in outcomes
        ]
        limits = CrawlLimits(per_host=per_host, workers=workers, pause=pause, tries=tries)
        client = PictureClient(agent, per_host=per_host, workers=workers, max_bytes=max_bytes, timeout=timeout)
        with (
            contextlib.closing(client),
            progress.bar("fetching pictures", len(rows), done=len(outcomes)) as advance,
            contextlib.closing(CrawlScheduler(client, limits).fetch(requests)) as finished,
        ):
            for number, outcome in finished:
                _note(journal, rows[number], outcome)  # before the picture: one without an entry is never deleted
                if outcome.status == "fetched":
                    picture = to / "pictures" / rows[number].name
                    picture.parent.mkdir(parents=True, exist_ok=True)
                    (partial / str(number)).replace(picture)
                else:
                    (partial / str(number)).unlink(missing_ok=True)
                outcomes[number] = outcome
                advance(1)
        shutil.rmtree(partial)
        (to / "pictures").mkdir(exist_ok=True)
        _write_manifest(to / "manifest.csv", further, rows, outcomes)
    counts = Counter(outcome.status for outcome in outcomes.values())
    return {"rows": len(rows), **{status: counts[status] for status in STATUSES}}


def _refuse_others(to: Path) -> None:
    if to.exists() and not to.is_dir():
        raise BadParameters(f"--to {to}: is a file; name a folder")
    if to.is_dir() and not (to / _JOURNAL).exists() and (names := [path.name for path in to.iterdir()]):
        raise BadParameters(f"--to {to}: holds files that this command has not made ({min(names)}); name a new folder")


@contextlib.contextmanager
def _journal(to: Path) -> Iterator[BinaryIO]:
    """Open the journal for reading and appending, locked, so that only one process works on a folder."""
    to.mkdir(parents=True, exist_ok=True)
    with (to / _JOURNAL).open("a+b") as journal:
        try:
            fcntl.flock(journal, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Busy(f"{to}: another process is fetching to it; wait for it, then run this again") from None
        yield journal


def _read_journal(journal: BinaryIO) -> dict[str, dict[str, Any]]:
    """The last entry of each name. An incomplete last line is dropped: its row is downloaded again."""
    journal.seek(0)
    data = journal.read()
    whole = data.rfind(b"\n") + 1
    journal.truncate(whole)
    known = {}
    for line in data[:whole].splitlines():
        with contextlib.suppress(ValueError, KeyError, TypeError):
            entry = json.loads(line)
            known[str(entry["name"])] = {key: entry[key] for key in ("url", *asdict(Outcome("")))}
    return known


def _note(journal: BinaryIO, row: UrlRow, outcome: Outcome) -> None:
    entry = {"name": row.name, "url": row.url, **asdict(outcome)}
    journal.write(json.dumps(entry, sort_keys=True).encode() + b"\n")
    journal.flush()
    os.fsync(journal.fileno())


def _prior_outcome(to: Path, row: UrlRow, entry: Mapping[str, Any] | None, max_bytes: int) -> Outcome | None:
    """The outcome of a row in an earlier run, if it is still valid."""
    if entry is None or entry["url"] != row.url:
        return None
    outcome = Outcome(**{key: value for key, value in entry.items() if key != "url"})
    if outcome.status == "fetched":
        picture = to / "pictures" / row.name
        return outcome if picture.is_file() and picture.stat().st_size == outcome.bytes else None
    if outcome.status == "failed" or (outcome.status == "too_large" and outcome != too_large(max_bytes)):
        return None  # with another limit the picture may be small enough
    return outcome


def _delete_unlisted(to: Path, known: Mapping[str, Mapping[str, Any]], kept: set[str]) -> None:
    """Delete the pictures of earlier runs that are not in `kept`, and the folders that become empty."""
    pictures = to / "pictures"
    for name in sorted(known.keys() - kept):
        if known[name]["status"] == "fetched":
            picture = pictures / name
            picture.unlink(missing_ok=True)
            for folder in picture.relative_to(pictures).parents:
                with contextlib.suppress(OSError):  # not empty
                    (pictures / folder).rmdir()


def _write_manifest(path: Path, further: tuple[str, ...], rows: list[UrlRow], outcomes: Mapping[int, Outcome]) -> None:
    lines = [",".join(map(encode_key, (*MANIFEST, *further)))]
    for number, row in enumerate(rows):
        outcome = outcomes[number]
        found = (outcome.status, outcome.http_status, outcome.bytes, outcome.sha256, outcome.detail)
        values = (row.name, row.url, row.licence, *found, *row.extra)
        texts = ("" if value is None else str(value) for value in values)
        lines.append(",".join(map(encode_key, texts)))
    files.write_text(path, "\n".join(lines) + "\n")
