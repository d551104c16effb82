"""How long the review app's pages take, and how much memory its server, on a result of 300,000 removals.

    python -m benchmarks.review_app [--groups 60000] [--copies 5] [--to benchmarks/review_app.json]

A server of its own process; pages asked over HTTP as the page in the browser asks them: the first of a new list (its
query is filtered and sorted), and then others of the same list, from places all over it. Memory is the most that the
server ever held (VmHWM), its mapped pictures included.
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import requests
from machine import describe

from pipeline.core import files
from tests.review.duplicates.results import make_result
from tests.webapp.serving import serving

QUERIES = {
    "as opened": {},
    "by key": {"sort": "key", "descending": "0"},
    "by similarity, some distances": {"sort": "similarity", "distance_least": "3", "distance_most": "7"},
    "text in a key": {"text": "ROOM/01"},
    "not judged yet": {"verdict": "unjudged", "sort": "score", "descending": "0"},
}
PAGES = 40


def peak_megabytes(pid: int) -> float:
    """The most memory that a process ever held."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--groups", type=int, default=60_000, help="kept pictures that have copies")
    parser.add_argument("--copies", type=int, default=5, help="removed pictures of each")
    parser.add_argument("--verdicts", type=int, default=500, help="verdicts there are already")
    parser.add_argument("--to", type=Path, default=Path(__file__).with_suffix(".json"), help="where the figures go")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = make_result(Path(folder) / "found", options.groups, options.copies)
        started = time.perf_counter()
        with serving(found) as server, requests.Session() as session:
            session.get(server.link)
            start = time.perf_counter() - started
            ask = Asked(session, server.origin)
            for number in range(options.verdicts):
                ask.judge(number * 7)
            rows = {name: ask.pages(query) for name, query in QUERIES.items()}
            jump = ask.seconds({"seek": "key", "value": "room/0123457.jpg"})[0]
            verdict = [ask.judge(number * 7 + 1) for number in range(PAGES)]
            memory = peak_megabytes(server.process.pid)
    print(
        f"{'':32}{'first s':>9}{'next median s':>15}{'next max s':>12}   {options.groups * options.copies:,} removals"
    )
    for name, row in rows.items():
        print(f"{name:32}{row['first']:>9.3f}{row['next_median']:>15.3f}{row['next_max']:>12.3f}")
    figures = {
        "pages": rows,
        "jump_to_a_key_seconds": round(jump, 3),
        "verdict_median_seconds": round(statistics.median(verdict), 3),
        "server_start_seconds": round(start, 1),
        "server_peak_megabytes": round(memory),
    }
    print({name: value for name, value in figures.items() if name != "pages"})
    machine = describe("starlette", "uvicorn", "pyarrow")
    asked = {"removals": options.groups * options.copies, "verdicts": options.verdicts, "pages": PAGES}
    files.write_json(options.to, {"asked": asked, "figures": figures, "machine": machine})


class Asked:
    """Requests as the page makes them, with their times in seconds."""

    def __init__(self, session: requests.Session, origin: str) -> None:
        self.session, self.origin = session, origin

    def seconds(self, query: dict[str, str]) -> tuple[float, Any]:
        """The time of a page, and the page."""
        started = time.perf_counter()
        answer = self.session.get(f"{self.origin}/api/pairs", params=query)
        page = answer.json()
        return time.perf_counter() - started, page

    def pages(self, query: dict[str, str]) -> dict[str, float]:
        """The first page of a new list, and others of it."""
        first, page = self.seconds(query)
        places = [str(page["total"] * number // PAGES) for number in range(PAGES)]
        others = [self.seconds({"list": page["list"], "position": place})[0] for place in places]
        median = statistics.median(others)
        return {"first": round(first, 3), "next_median": round(median, 3), "next_max": round(max(others), 3)}

    def judge(self, number: int) -> float:
        """A verdict, until it is acknowledged."""
        body = {"kind": "removed", "id": number, "label": "near", "keep": False, "always": False, "group": False}
        started = time.perf_counter()
        answer = self.session.post(f"{self.origin}/api/verdict", json=body, headers={"Origin": self.origin})
        answer.raise_for_status()
        return time.perf_counter() - started


if __name__ == "__main__":
    main()
