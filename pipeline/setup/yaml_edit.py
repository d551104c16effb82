"""Insert lines into the text of a YAML file, so that its other lines stay as they are, with comments and formatting.

A round trip through ruamel.yaml would keep comments as well, but would move the empty line after a section, and would
indent lists in its own way.
"""

import io
import textwrap
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import YAMLError

from pipeline.core.errors import BadParameters


def insert_section(text: str, group: str, name: str, section: Any) -> str:
    """Add a key to a mapping at the first level of a profile, after the keys that it has.

    Args:
        text: content of the file.
        group: key of the mapping; the mapping is added at the end if it is missing.
        name: the new key. section: its value, as ruamel.yaml loads or plain.

    Raises:
        BadParameters: the file is written in a way that leaves no place for a line.
    """
    parsed = YAML().load(text)
    lines = text.splitlines()
    if group not in parsed:
        block = _dumped({group: {name: section}}, 0)
        return _checked(text, "\n".join([*lines, "", *block]) + "\n", {group: {name: section}}, group)
    starts = sorted(parsed.lc.key(key)[0] for key in parsed)
    end = next((line for line in starts if line > parsed.lc.key(group)[0]), len(lines))
    while not lines[end - 1].strip() or lines[end - 1].startswith("#"):  # these belong to what follows
        end -= 1
    first = next(iter(parsed[group]), None) if isinstance(parsed[group], CommentedMap) else None
    block = _dumped({name: section}, parsed[group].lc.key(first)[1] if first is not None else 2)
    return _checked(text, "\n".join([*lines[:end], *block, *lines[end:]]) + "\n", {group: {name: section}}, group)


def insert_entry(text: str, key: str, entry: str) -> str:
    """Add an entry at the end of a list at the first level of a YAML file, written as `[a, b]` or with a line for each.

    Raises:
        BadParameters: as for `insert_section`.
    """
    found = YAML().load(text).get(key)
    lines = text.splitlines()
    if isinstance(found, CommentedSeq) and (found.fa.flow_style() or not found):
        line, column = found.lc.line, found.lc.col
        while "]" not in lines[line][column:]:
            line, column = line + 1, 0
        end = lines[line].index("]", column)
        lines[line] = f"{lines[line][:end]}{', ' if found else ''}{entry}{lines[line][end:]}"
    elif isinstance(found, CommentedSeq):
        line, column = found.lc.item(len(found) - 1)
        lines.insert(line + 1, f"{lines[line][: column - 2]}- {entry}")
    return _checked(text, "\n".join(lines) + "\n", {key: [entry]}, key)


def without_comments(value: Any) -> Any:
    """Remove the comments of a value that ruamel.yaml has loaded, in place, and return it."""
    if isinstance(value, CommentedMap | CommentedSeq):
        value.ca.items.clear()
        value.ca.comment = None
        for child in value.values() if isinstance(value, CommentedMap) else value:
            without_comments(child)
    return value


def _dumped(value: Any, indent: int) -> list[str]:
    buffer = io.StringIO()
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 4096
    yaml.dump(value, buffer)
    return textwrap.indent(buffer.getvalue(), " " * indent).splitlines()


def _checked(before: str, after: str, added: dict[str, Any], key: str) -> str:
    """The new text, if it says what the old one says and what was added."""
    plain = YAML(typ="safe", pure=True)
    expected = plain.load(before)
    old, new = expected.get(key), added[key]
    expected[key] = {**(old or {}), **new} if isinstance(new, dict) else [*(old or []), *new]
    try:
        right = plain.load(after) == expected
    except YAMLError:
        right = False
    if not right:
        raise BadParameters(f"{key}: cannot add to it without rewriting the file; add {new} by hand")
    return after
