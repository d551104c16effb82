"""Bring removed pictures back, by verdicts that stay: each says that a picture is always kept."""

import difflib
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa

from pipeline.core import files
from pipeline.core.errors import BadParameters, MissingInput
from pipeline.dedup.decision.verdicts import Verdict, edit_verdicts


def restore(
    dedup: str | Path,
    verdicts: str | Path,
    *,
    keys: Sequence[str] = (),
    groups: Sequence[int] = (),
    everything: bool = False,
) -> dict[str, int]:
    """Add a verdict for each removed picture that is named; the next removal keeps it, to the byte.

    Nothing is removed or changed here but the file of verdicts, which is written anew, sorted, with all it had.

    Args:
        dedup: folder with `manifest.parquet`.
        verdicts: the file; made, if there is none.
        keys: of pictures.
        groups: numbers of groups, all of whose removed pictures are meant.
        everything: whether all removed pictures are meant.

    Returns:
        `restored`: verdicts added; `not_removed`: named pictures that stand already; `before`: verdicts there were.

    Raises:
        MissingInput: there is no manifest.
        CorruptData: it, or the file of verdicts, is not readable.
        BadParameters: no picture is named, or one that is not in the set.
    """
    dedup, verdicts = Path(dedup), Path(verdicts)
    if not (keys or groups or everything):
        raise BadParameters("--key, --group, --all: expected at least one of them, to say which pictures come back")
    rows = _read(dedup).to_pylist()
    by_key = {row["key"]: row for row in rows}
    for key in keys:
        if key not in by_key:
            near = ", ".join(map(repr, difflib.get_close_matches(key, by_key, 3))) or "none alike"
            raise BadParameters(f"--key {key!r}: no such picture in {dedup}; alike: {near}")
    known = {row["group"] for row in rows}
    for group in groups:
        if group not in known:
            raise BadParameters(f"--group {group}: no such group in {dedup}; see `group` in its manifest.parquet")
    named = set(keys)
    removed = [
        row
        for row in rows
        if row["status"] == "removed" and (everything or row["key"] in named or row["group"] in groups)
    ]
    always = [Verdict(row["sha256"], "", row["key"], "", "", "", "", "") for row in removed]
    stands = sum(by_key[key]["status"] != "removed" for key in named)
    counts = {"restored": len(removed), "not_removed": stands, "before": 0}

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
