"""Measure the response times and the memory of the review app on a result with 300,000 removed pictures.

    PYTHONPATH=. python benchmarks/review_app.py [--groups 60000] [--copies 5] [--to benchmarks/review_app.json]

The server runs in its own process and gets the HTTP requests that the browser sends: first the first page of a new
list, for which the server filters and sorts, then pages at positions across the same list. Memory is the server's
peak resident memory (VmHWM), including memory-mapped pictures.
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
    """Return the peak resident memory of a process in MiB."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--groups", type=int, default=60_000, help="number of kept pictures with copies")
    parser.add_argument("--copies", type=int, default=5, help="removed copies of each kept picture")
    parser.add_argument("--verdicts", type=int, default=500, help="verdicts given before the measurement")
    parser.add_argument("--to", type=Path, default=Path(__file__).with_suffix(".json"), help="JSON file to write")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = make_result(Path(folder) / "found", options.groups, options.copies)
        started = time.perf_counter()
        with serving(found) as server, requests.Session() as session:
            session.get(server.link)
            start = time.perf_counter() - started
            ask = Client(session, server.origin)
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


class Client:
    """Sends the requests that the page sends and times them, in seconds."""

    def __init__(self, session: requests.Session, origin: str) -> None:
        self.session, self.origin = session, origin

    def seconds(self, query: dict[str, str]) -> tuple[float, Any]:
        """Request a page; return the seconds it took and the page."""
        started = time.perf_counter()
        answer = self.session.get(f"{self.origin}/api/pairs", params=query)
        page = answer.json()
        return time.perf_counter() - started, page

    def pages(self, query: dict[str, str]) -> dict[str, float]:
        """Request the first page of a new list and then other pages of it; return their times in seconds."""
        first, page = self.seconds(query)
        places = [str(page["total"] * number // PAGES) for number in range(PAGES)]
        others = [self.seconds({"list": page["list"], "position": place})[0] for place in places]
        median = statistics.median(others)
        return {"first": round(first, 3), "next_median": round(median, 3), "next_max": round(max(others), 3)}

    def judge(self, number: int) -> float:
        """Send a verdict and return the seconds until it is acknowledged."""
        body = {"kind": "removed", "id": number, "label": "near", "keep": False, "always": False, "group": False}
        started = time.perf_counter()
        answer = self.session.post(f"{self.origin}/api/verdict", json=body, headers={"Origin": self.origin})
        answer.raise_for_status()
        return time.perf_counter() - started


if __name__ == "__main__":
    main()
