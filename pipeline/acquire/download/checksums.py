"""Length and digests of a file, read once."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from pipeline.core import progress
from pipeline.datasets.published import Published

_BLOCK = 1 << 22


@dataclass(frozen=True)
class Checksums:
    """Length, SHA-256 and MD5 of a file; some publishers give only the MD5."""

    bytes: int
    sha256: str
    md5: str

    def match(self, published: Published) -> bool:
        """Whether a published digest equals that of this file; False if no digest is published."""
        if published.sha256:
            return self.sha256 == published.sha256
        return published.md5 is not None and self.md5 == published.md5


def checksums(path: Path) -> Checksums:
    """Read a file once and take its length, SHA-256 and MD5."""
    digests = [hashlib.sha256(), hashlib.md5(usedforsecurity=False)]
    length = path.stat().st_size
    with path.open("rb") as file, progress.bar(f"verifying {path.name}", length, "bytes") as advance:
        while block := file.read(_BLOCK):
            for digest in digests:
                digest.update(block)
            advance(len(block))
        return Checksums(file.tell(), *(digest.hexdigest() for digest in digests))
