"""The rules of a site's robots.txt for this program (RFC 9309).

The standard library's parser is not used: it applies the first matching rule instead of the longest; it does not
support `*` and `$`, so `Disallow: /*` allows everything; and it ignores a fractional `Crawl-delay`.
"""

import contextlib
import math
import urllib.parse
from dataclasses import dataclass

READ_BYTES = 512_000
"""Maximum bytes of a robots.txt that are read; RFC 9309 requires at least 500 KiB."""


@dataclass(frozen=True)
class Rules:
    """The rules of one site for one program.

    Attributes:
        rules: pairs of a path pattern and whether it allows the path.
        delay: minimum seconds between two requests.
    """

    rules: tuple[tuple[str, bool], ...] = ()
    delay: float = 0.0

    def allow(self, url: str) -> bool:
        """Whether `url` may be fetched: the longest matching pattern decides; between equally long ones, allow wins."""
        parts = urllib.parse.urlsplit(url)
        path = urllib.parse.unquote_to_bytes((parts.path or "/") + (f"?{parts.query}" if parts.query else ""))
        matching = [(len(pattern), allows) for pattern, allows in self.rules if _matches(pattern, path)]
        return max(matching, default=(0, True))[1]


def parse(body: bytes, program: str) -> Rules:
    """Parse the rules for `program`: those of its own groups, else those for `*`. Any bytes can be parsed."""
    groups: dict[str, tuple[list[tuple[str, bool]], list[float]]] = {}
    named: list[str] = []
    in_rules = False
    for line in body[:READ_BYTES].decode("utf-8-sig", "replace").splitlines():
        field, colon, value = line.partition("#")[0].partition(":")
        field, value = field.strip().lower(), value.strip()
        if not colon:
            continue
        if field == "user-agent":
            named = [] if in_rules else named
            in_rules = False
            named.append(value.partition("/")[0].lower())
            groups.setdefault(named[-1], ([], []))
        elif field in ("allow", "disallow", "crawl-delay"):
            in_rules = True
            for rules, delays in (groups[name] for name in named):
                if field == "crawl-delay":
                    with contextlib.suppress(ValueError):
                        delays.append(float(value))
                elif value:
                    rules.append((value, field == "allow"))
    rules, delays = groups.get(program.lower()) or groups.get("*") or ([], [])
    return Rules(tuple(rules), max((delay for delay in delays if delay >= 0 and math.isfinite(delay)), default=0.0))


def _matches(pattern: str, path: bytes) -> bool:
    """Whether a pattern with `*` (any text) and a final `$` (the end) matches, in linear time for every pattern."""
    to_the_end = pattern.endswith("$")
    first, *others = (urllib.parse.unquote_to_bytes(part) for part in pattern.removesuffix("$").split("*"))
    if not path.startswith(first):
        return False
    if not others:
        return not to_the_end or path == first
    at = len(first)
    last = others.pop() if to_the_end else b""
    for part in others:
        at = path.find(part, at)
        if at < 0:
            return False
        at += len(part)
    return len(path) - len(last) >= at and path.endswith(last)
