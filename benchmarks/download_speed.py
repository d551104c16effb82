"""Compare downloads over several connections with one, from a server that limits the rate of each connection.

    python benchmarks/download_speed.py [--runs 3] [--rate 20] [--megabytes 320] [--to benchmarks/download_speed.json]

The server runs on the same machine. With a limit per connection, as on public servers, this measures the gain from more
connections; without a limit, the throughput of the downloader. Each time includes the verification of the file, which
is one pass over it.
"""

import argparse
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from machine import describe

from pipeline.acquire.download.download import download
from pipeline.core import files
from tests.acquire.scripted_server import Behaviour, serving


def rate_of(content: bytes, limit: float | None, connections: int) -> float:
    """Return the rate of one download in MB/s, including verification."""
    with serving(Behaviour([content], rate=limit)) as server, tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        download(f"{server.url}/x.bin", Path(folder) / "x.bin", length=len(content), connections=connections)
        return len(content) / 1e6 / (time.perf_counter() - start)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=3, help="number of rounds")
    parser.add_argument("--rate", type=float, default=20.0, help="limit per connection, in MB/s")
    parser.add_argument("--megabytes", type=int, default=320, help="size of the file, in MB")
    parser.add_argument("--to", type=Path, default=Path(__file__).with_suffix(".json"), help="JSON file to write")
    options = parser.parse_args()
    os.environ["NO_PROXY"] = "127.0.0.1"
    content = os.urandom(options.megabytes * 1_000_000)
    cases = [(limit, connections) for limit in (options.rate * 1e6, None) for connections in (1, 2, 4, 8)]
    rounds = [{case: rate_of(content, *case) for case in cases} for _ in range(options.runs)]
    figures = [
        {
            "limit_mb_per_second": limit and limit / 1e6,
            "connections": connections,
            "median_mb_per_second": round(statistics.median(r[limit, connections] for r in rounds), 1),
            "ratio_to_one": round(statistics.median(r[limit, connections] / r[limit, 1] for r in rounds), 2),
        }
        for limit, connections in cases
    ]
    print(f"{'limit MB/s':>10}{'connections':>13}{'MB/s':>8}{'ratio':>8}   {options.runs} rounds")
    for row in figures:
        print("{:>10}{:>13}{:>8}{:>8}".format(*("none" if value is None else value for value in row.values())))
    files.write_json(
        options.to,
        {
            "figures": figures,
            "machine": describe("requests", "urllib3"),
            "megabytes": options.megabytes,
            "runs": options.runs,
        },
    )


if __name__ == "__main__":
    main()
