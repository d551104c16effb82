"""Find pictures of a set that are also in another set, for example test pictures that leaked into a training set.

matches.parquet   left (row of the set), right (row of the other set), hamming, score (null for equal pictures), reason,
                  key and SHA-256 of the other picture; ordered by left, right
matches.csv       the same, for people to read: key, other_key, both SHA-256, reason, hamming, score
misses.parquet, doubtful.parquet, mirrored.parquet
                  as in `find_pairs`; left is a row of the set, right a row of the other set
matches.json      parameters, counts, and the number of false matches estimated from the decoys
"""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.core import files
from pipeline.core.code_dependencies import code_digest
from pipeline.core.workspace import workspace
from pipeline.csv_text import encode_key
from pipeline.dedup.encoder.codes import encode, load_encoder
from pipeline.dedup.pairs.matches_table import MATCHES, SCHEMA_VERSION
from pipeline.dedup.pairs.pairs_table import MIRRORED, REASONS, SCHEMA
from pipeline.dedup.search.find_pairs import detector_digest
from pipeline.dedup.search.pair_search import PairSearch, PairSearchConfig
from pipeline.imageset.format.image_set import ImageSet


def find_matches(
    images_folder: Path,
    other_folder: Path,
    encoder_folder: Path,
    parameters: PairSearchConfig,
    *,
    workers: int,
    to: Path,
) -> dict[str, Any]:
    """Find all pairs of copies across two sets: equal bytes, equal pixels, and the copies that `parameters.mode` finds.

    Args:
        images_folder: the set.
        other_folder: the other set.
        encoder_folder: written by `train_autoencoder`.
        parameters: parameters of the search.
        workers: processes or threads.
        to: folder to write.

    Returns:
        The content of `matches.json`; `matched` and `other_matched` are the numbers of pictures of the set and of the
        other set that have a match.

    Raises:
        MissingInput, CorruptData, BadParameters: as in `find_pairs.find_pairs`.
    """
    images, other = ImageSet(images_folder), ImageSet(other_folder)
    encoder_file = encoder_folder / "encoder.safetensors"
    encoder = load_encoder(encoder_file)
    made_from = {
        "schema_version": SCHEMA_VERSION,
        "mode": parameters.mode,
        "detector": detector_digest(parameters, files.sha256_file(encoder_file)),
        "images": images.digest,
        "other": other.digest,
        "parameters": parameters.model_dump(),
    }
    with workspace(to, files.digest({**made_from, "code": code_digest(__name__)})) as work:
        if work is None:
            return dict(files.read_json(to / "matches.json"))
        contents = [one.index.column("sha256").to_pylist() for one in (images, other)]
        digests = [one.index.column("source_digest").to_pylist() for one in (images, other)]
        figures: dict[str, Any] = {}
        misses = doubtful = mirrored = SCHEMA.empty_table()
        best: dict[tuple[int, int], tuple[str, int, float | None]] = {}
        if parameters.mode == "near":
            search = PairSearch(images, other, encoder_file, parameters, workers)
            tables = search.run()
            figures = search.summarise(tables)
            misses, doubtful, mirrored = (tables[name] for name in ("misses", "doubtful", "mirrored"))
            squares = [one.squares.tolist() for one in search.classes]
            rows_by_square = [_rows_by(side) for side in squares]
            # An unchanged pair of two classes is written last, over a mirrored one.
            for row in tables["pairs"].sort_by([("mirrored", "descending")]).to_pylist():
                reason = MIRRORED if row["mirrored"] else REASONS["near"]
                # The search used one picture of each class of equal squares; the pair is valid for the whole classes.
                for left in rows_by_square[0][squares[0][row["left"]]]:
                    for right in rows_by_square[1][squares[1][row["right"]]]:
                        best[left, right] = (reason, row["hamming"], row["score"])
            kinds = [("same_bytes", contents), ("same_pixels", digests)]
        else:
            codes = [[bytes(c) for _, block in one.blocks() for c in encode(block, encoder)] for one in (images, other)]
            kinds = [("same_bytes", contents), ("same_pixels", digests), ("same_code", codes)]
        for reason, sides in reversed(kinds):  # the strongest reason is written last
            for pair in _equal_pairs(*sides):
                best[pair] = (reason, *best.get(pair, ("", 0, None))[1:])
        pairs = sorted(best)
        lefts, rights = (np.array([pair[side] for pair in pairs], np.int64) for side in (0, 1))
        reasons, hamming, scores = ([best[pair][column] for pair in pairs] for column in range(3))
        names = [[column[row] for row in rights.tolist()] for column in (other.keys, contents[1])]
        columns = [lefts, rights, pa.array(hamming, pa.int16()), pa.array(scores, pa.float64()), reasons, *names]
        table = pa.table(columns, schema=MATCHES)
        summary = {
            **made_from,
            **figures,
            "pictures": len(images),
            "other_pictures": len(other),
            "matched_pairs": len(pairs),
            "matched": len(np.unique(lefts)),
            "other_matched": len(np.unique(rights)),
        }
        pq.write_table(table, work.result / "matches.parquet", compression="zstd")
        for title, part in (("misses", misses), ("doubtful", doubtful), ("mirrored", mirrored)):
            pq.write_table(part, work.result / f"{title}.parquet", compression="zstd")
        files.write_text(work.result / "matches.csv", _csv(table, images.keys, contents[0]))
        files.write_json(work.result / "matches.json", summary)
        work.publish()
    return summary


def _rows_by(values: list[Any]) -> dict[Any, list[int]]:
    rows: dict[Any, list[int]] = {}
    for row, value in enumerate(values):
        rows.setdefault(value, []).append(row)
    return rows


def _equal_pairs(left: list[Any], right: list[Any]) -> list[tuple[int, int]]:
    rows = _rows_by(right)
    return [(a, b) for a, value in enumerate(left) if value is not None for b in rows.get(value, ())]


def _csv(table: pa.Table, keys: list[str], contents: list[str]) -> str:
    lines = ["key,other_key,sha256,other_sha256,reason,hamming,score"]
    for row in table.to_pylist():
        named = [
            encode_key(keys[row["left"]]),
            encode_key(row["other_key"]),
            contents[row["left"]],
            row["other_sha256"],
        ]
        score = "" if row["score"] is None else f"{row['score']:.2f}"
        lines.append(",".join([*named, row["reason"], str(row["hamming"]), score]))
    return "\n".join(lines) + "\n"
