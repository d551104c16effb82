"""What a data set's owners publish about an archive."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Published:
    """An archive as upstream gives it out.

    Attributes:
        bytes: its length; None where not known.
        url: where it can be fetched without an account; None where it cannot.
        where: for a person, where it comes from.
        sha256, md5: hex digests; None where not known.
        entries: pictures it holds; None where not known.
    """

    bytes: int | None
    where: str
    url: str | None = None
    sha256: str | None = None
    md5: str | None = None
    entries: int | None = None

    @property
    def length(self) -> str:
        """The length, for a person."""
        return "an unpublished length" if self.bytes is None else f"{self.bytes:,} bytes"

    @property
    def checksum(self) -> str | None:
        """The digest to compare, for a person: `sha256 …` or `md5 …`."""
        if self.sha256:
            return f"sha256 {self.sha256}"
        return f"md5 {self.md5}" if self.md5 else None
