"""What the publisher of a data set states about one of its archives."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Published:
    """A published archive.

    Attributes:
        bytes: length of the archive; None if not published.
        where: address of the archive or of its page, for messages.
        url: address that needs no account; None if there is none.
        sha256, md5: hex digests; None if not published.
        entries: number of pictures; None if not published.
    """

    bytes: int | None
    where: str
    url: str | None = None
    sha256: str | None = None
    md5: str | None = None
    entries: int | None = None

    @property
    def length(self) -> str:
        """The published length as text, for messages."""
        return "an unpublished length" if self.bytes is None else f"{self.bytes:,} bytes"

    @property
    def checksum(self) -> str | None:
        """The published digest as text, for messages: `sha256 …` or `md5 …`."""
        if self.sha256:
            return f"sha256 {self.sha256}"
        return f"md5 {self.md5}" if self.md5 else None
