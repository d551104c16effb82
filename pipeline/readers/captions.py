"""Collect the captions of a source, texts that are stored next to the pictures, in a table."""

import json
from collections.abc import Sequence

import pyarrow as pa

from pipeline.readers.base import Entry, Source


def caption_table(source: Source, entries: Sequence[Entry]) -> pa.Table | None:
    """Collect the captions in the order of the entries; None if there are none.

    Columns, both text: `key`, as in the image set's index (for a face without its `#000`), and `caption`. If several
    entries have the same key, only the first is used, as for pictures.

    Raises:
        CorruptData: the source cannot be read.
    """
    if all(entry.caption is None for entry in entries):
        return None
    keys: list[str] = []
    captions: list[str] = []
    with source.open() as read:
        for position, entry in enumerate(entries):
            repeated = position > 0 and entry.key == entries[position - 1].key
            if entry.caption is None or repeated:
                continue
            if (caption := caption_text(read(entry.caption))) is not None:
                keys.append(entry.key)
                captions.append(caption)
    return pa.table({"key": pa.array(keys, pa.string()), "caption": pa.array(captions, pa.string())}) if keys else None


def caption_text(data: bytes) -> str | None:
    """Parse a caption: the text under `caption` of a JSON object; of any other text all of it, stripped.

    The content decides whether it is JSON, not the file name. None if the text is empty or not UTF-8.
    """
    try:
        text = data.decode("utf-8-sig").strip()
    except UnicodeDecodeError:
        return None
    try:
        value = json.loads(text) if text.startswith("{") else None
    except (ValueError, RecursionError):  # a text that merely begins with a brace
        value = None
    if isinstance(value, dict):
        found = value.get("caption")
        text = found.strip() if isinstance(found, str) else ""
    return text or None
