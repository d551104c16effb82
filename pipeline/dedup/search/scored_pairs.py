"""The scores of all candidate pairs of a set, kept in a folder: finding them takes long, applying a threshold does not.

turn-N.parquet   the candidate pairs with the N-th turn of the left picture (unchanged, mirrored): left, right, hamming,
                 score, as in `find_pairs`
codes.npy        uint8 (n, 16), the codes of the searched pictures
scored.json      what the scores were made from, and the turns
"""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.core import files
from pipeline.core.code_dependencies import code_digest
from pipeline.core.workspace import workspace
from pipeline.dedup.pairs.pairs_table import SCHEMA
from pipeline.dedup.search.pair_search import PairSearch, Scored, lowest_score
from pipeline.dedup.search.shared_layout import Compared

_SCORED = pa.schema([SCHEMA.field(name) for name in ("left", "right", "hamming", "score")])


def score_or_read(search: PairSearch, folder: Path) -> Scored:
    """The scores that an earlier call kept in `folder`, if they are still valid; else new scores, kept there.

    The threshold, the margin and what happens to mirrored copies have no influence on them.

    Args:
        search: a search within a set.
        folder: folder to write. It is reused only within `core.workspace.resumable_steps`.

    Raises:
        BadParameters: there are more candidates than `max_candidates`.
        CorruptData: the folder was damaged.
    """
    parameters = search.parameters
    made_from: dict[str, Any] = {
        "images": search.sets[0].digest,
        "encoder": files.sha256_file(search.encoder_file),
        "parameters": parameters.model_dump(exclude={"score", "near_miss_margin", "mirrored"}),
        "lowest_score": lowest_score(parameters),
    }
    with workspace(folder, files.digest({**made_from, "code": code_digest(__name__)})) as work:
        if work is None:
            return _read(folder)
        found = search.score()
        for number, compared in enumerate(found.compared):
            table = pa.table([getattr(compared, name) for name in _SCORED.names], schema=_SCORED)
            pq.write_table(table, work.result / f"turn-{number}.parquet", compression="zstd")
        files.write_array(work.result / "codes.npy", found.codes[0])
        files.write_json(work.result / "scored.json", {**made_from, "turns": [one.turn for one in found.compared]})
        work.publish()
    return found


def _read(folder: Path) -> Scored:
    compared = []
    for number, turn in enumerate(files.read_json(folder / "scored.json")["turns"]):
        path = folder / f"turn-{number}.parquet"
        table = files.read_table(path, str(path), "run dcgan dedup again")
        columns = (np.asarray(table.column(name)) for name in _SCORED.names)
        compared.append(Compared(turn, *columns))
    return Scored(compared, [np.load(folder / "codes.npy")])
