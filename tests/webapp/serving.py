"""Run the review apps as people do: each in a process of its own."""

import contextlib
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]


class Running:
    """A running review command, its link, and its output so far (`output`).

    Args:
        browser: program that is called with a link in place of a browser; None for the option `--no-browser`.
    """

    def __init__(
        self, stage: str, *options: object, port: int = 0, rater: str = "ann", browser: Path | None = None
    ) -> None:
        command = [sys.executable, "-m", f"stages.{stage}", "--port", port, "--rater", rater, *options]
        command += [] if browser else ["--no-browser"]
        environment = {**os.environ, "BROWSER": f"{browser} %s"}
        self.process = subprocess.Popen(
            list(map(str, command)), cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True
        )
        assert self.process.stderr is not None
        self.output = ""
        while not (found := re.search(r"http://127\.0\.0\.1:(\d+)/(?:sample)?\?token=\S+", self.output)):
            line = self.process.stderr.readline()
            assert line, self.output
            self.output += line
        self.link, self.port = found[0], int(found[1])
        self.origin = f"http://127.0.0.1:{self.port}"

    def kill(self) -> None:
        """Kill the process, as in a crash."""
        self.process.kill()
        self.process.communicate(timeout=120)

    def end(self) -> tuple[int, str]:
        """Stop the process with Ctrl-C; returns the exit status and the remaining output."""
        self.process.send_signal(signal.SIGINT)
        output = self.process.communicate(timeout=120)[1]
        return self.process.returncode, output


class Server(Running):
    """A running `dcgan review-duplicates`."""

    def __init__(
        self, dedup: Path, *options: object, port: int = 0, rater: str = "ann", browser: Path | None = None
    ) -> None:
        super().__init__("review_duplicates", "--dedup", dedup, *options, port=port, rater=rater, browser=browser)


@contextlib.contextmanager
def serving(dedup: Path, *options: object, browser: Path | None = None) -> Iterator[Server]:
    """A server that is stopped at the end of the block."""
    server = Server(dedup, *options, browser=browser)
    try:
        yield server
    finally:
        if server.process.poll() is None:
            server.kill()
