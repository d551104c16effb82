"""Which pictures are copies of which, as it is written down for `removal`.

classes.parquet  a row for each picture: ids of equal source bytes, stored pixels and codes; see `classes_table`
pairs.parquet    left, right (rows, left < right), hamming (of the pictures' codes), score; ordered by left, right
misses.parquet   the pairs that nearly passed, likewise
decoys.parquet   pairs that passed though left was mirrored, likewise: mirrored copies, and chance
pairs.json       how they were found, how many, and how many of them chance explains
"""

from pathlib import Path
from typing import Any

from pipeline.core import files
from pipeline.core.code_dependencies import code_digest
from pipeline.core.errors import CorruptData
from pipeline.core.workspace import workspace
from pipeline.dedup.encoder.codes import load_codes, load_encoder
from pipeline.dedup.encoder.encoder_input import SIDE
from pipeline.dedup.index.exact_match import apply_predicates, find_classes, is_flat
from pipeline.dedup.pairs.classes_table import digest_ids
from pipeline.dedup.pairs.pairs_table import SCHEMA, SCHEMA_VERSION, write_tables
from pipeline.dedup.scoring import pair_scorer, pair_scorer_highres
from pipeline.dedup.search.pair_search import PairSearch, PairSearchConfig
from pipeline.imageset.format.image_set import ImageSet


def find_pairs(
    images_folder: Path,
    codes_folder: Path,
    encoder_folder: Path,
    parameters: PairSearchConfig,
    *,
    workers: int,
    to: Path,
) -> dict[str, Any]:
    """Find all pairs of copies in a set. Verdicts have no say here, so that judging does not search again.

    Pictures of equal source bytes, stored pixels or codes are no pairs: they have the same id in `classes.parquet`. In
    mode `exact` these classes are all that is found.

    In mode `near`, of pictures with the same pixels one is searched for; those of a single colour are not.

    Args:
        workers: processes, or threads, that look at pictures, encode and compare.

    Returns:
        What stands in `pairs.json`.

    Raises:
        MissingInput, CorruptData: of the image set, the codes or the encoder.
        BadParameters: there are more candidates than `max_candidates`, the encoder is of another kind of input, or
            pictures are smaller than `compare_side`.
    """
    images = ImageSet(images_folder)
    codes, description = load_codes(codes_folder, images)
    encoder_file = encoder_folder / "encoder.safetensors"
    load_encoder(encoder_file)
    if files.sha256_file(encoder_file) != description["encoder"]:
        raise CorruptData(f"--encoder {encoder_file}: not the one that --codes were made with; run hash-images again")
    made_from = {
        "schema_version": SCHEMA_VERSION,
        "mode": parameters.mode,
        "detector": detector_digest(parameters, description["encoder"]),
        "images": images.digest,
        "parameters": parameters.model_dump(),
    }
    code = code_digest(__name__)
    with workspace(to, files.digest({**made_from, "code": code})) as work:
        if work is None:
            return dict(files.read_json(to / "pairs.json"))
        empty = SCHEMA.empty_table()
        tables = {"pairs": empty, "misses": empty, "decoys": empty}
        summary: dict[str, Any] = {**made_from, "pictures": len(images), "pairs": 0}
        if parameters.mode == "near":
            search = PairSearch(images, None, encoder_file, parameters, workers)
            pixels, flat = search.pixels[0], search.flat[0]
            tables = search.run()
            summary |= search.summarise(tables)
        else:
            pixels = digest_ids(images.stored_digests())
            (flat,) = apply_predicates(images, pixels, is_flat, workers=workers)
        classes = find_classes(images, pixels, flat, codes)
        write_tables(work.result, {**tables, "classes": classes.table()}, summary)
        work.publish()
    return summary


def detector_digest(parameters: PairSearchConfig, encoder: str) -> str:
    """Digest of all that decides what is found.

    Args:
        encoder: SHA-256 of the encoder's file.
    """
    decides: dict[str, Any] = {"mode": parameters.mode, "encoder": encoder}
    if parameters.mode == "near":
        unlike = {"max_candidates", "nearly"}  # they decide what is looked at, not what is found
        if parameters.compare_side == SIDE:
            # There was this one alone once: draws that were judged then stay of this detector.
            unlike.add("compare_side")
        else:
            decides["closer"] = pair_scorer_highres.digest()
        decides |= {"parameters": parameters.model_dump(exclude=unlike), "comparer": pair_scorer.digest()}
    return files.digest(decides)


def summary_sentence(about: dict[str, Any]) -> str:
    """`pairs.json` in a sentence."""
    if about["mode"] == "exact":
        return "copies are pictures of equal codes: nothing to search for"
    high = about["expected_false_high"]
    return (
        f"{about['pairs']:,} pairs of copies among {about['pictures']:,} pictures; chance, or mirrored copies, explain "
        f"{about['decoys']:,} (at most {high:,.1f}): look at decoys"
    )
