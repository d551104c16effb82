"""Restore removed pictures: write a verdict for each, which says that the picture is always kept."""

import difflib
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa

from pipeline.core import files
from pipeline.core.errors import BadParameters, MissingInput
from pipeline.csv_text import decode_key, encode_key
from pipeline.dedup.decision.verdicts import Verdict, edit_verdicts


def restore(
    dedup: str | Path,
    verdicts: str | Path,
    *,
    keys: Sequence[str] = (),
    groups: Sequence[int] = (),
    everything: bool = False,
) -> dict[str, int]:
    """Add a verdict for each selected removed picture, so that the next removal keeps it.

    Only the file of verdicts is changed: it is written again, sorted, with the existing verdicts.

    Args:
        dedup: folder with `manifest.parquet`.
        verdicts: the file; it is created if it does not exist.
        keys: selects these pictures; a key is written as in `removed.csv`, or as it is if no picture has that key.
        groups: selects all removed pictures of these groups.
        everything: selects all removed pictures.

    Returns:
        `restored`: number of added verdicts; `not_removed`: number of selected keys that are not removed; `before`:
        number of verdicts before the call.

    Raises:
        MissingInput: there is no manifest.
        CorruptData: the manifest or the file of verdicts is not readable.
        BadParameters: no picture is selected, or a key or group does not exist.
    """
    dedup, verdicts = Path(dedup), Path(verdicts)
    if not (keys or groups or everything):
        raise BadParameters("--key, --group, --all: expected at least one of them, to select the pictures to restore")
    rows = _read(dedup).to_pylist()
    by_key = {row["key"]: row for row in rows}
    selected: set[str] = set()
    for key in keys:
        found = next((known for known in (decode_key(key), key) if known in by_key), None)
        if found is None:
            similar = map(encode_key, difflib.get_close_matches(decode_key(key), by_key, 3))
            raise BadParameters(
                f"--key {key!r}: no such picture in {dedup}; similar keys: {', '.join(similar) or 'none'}"
            )
        selected.add(found)
    existing = {row["group"] for row in rows}
    for group in groups:
        if group not in existing:
            raise BadParameters(f"--group {group}: no such group in {dedup}; see `group` in its manifest.parquet")
    removed = [
        row
        for row in rows
        if row["status"] == "removed" and (everything or row["key"] in selected or row["group"] in groups)
    ]
    always = [Verdict(row["sha256"], "", row["key"], "", "", "", "", "") for row in removed]
    not_removed = sum(by_key[key]["status"] != "removed" for key in selected)
    counts = {"restored": len(removed), "not_removed": not_removed, "before": 0}

    def add(before: list[Verdict]) -> list[Verdict]:
        counts["before"] = len(before)
        return [*before, *always]

    edit_verdicts(verdicts, add)
    return counts


def _read(dedup: Path) -> pa.Table:
    path = dedup / "manifest.parquet"
    if not path.is_file():
        raise MissingInput(f"--dedup {path}: no such file; run dcgan dedup or remove-duplicates first")
    return files.read_table(
        path, f"--dedup {path}", "run remove-duplicates again", columns=["key", "sha256", "status", "group"]
    )
