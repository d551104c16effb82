"""Find the copies in an image set, and write them for `remove_duplicates`.

classes.parquet  one row for each picture: ids of equal source bytes, source pixels, squares and codes; see
                 `classes_table`
pairs.parquet    left, right (rows, left < right), hamming (distance of the codes), score, mirrored (whether the
                 pictures agree after one of them was mirrored); ordered by left, right
misses.parquet   near misses: pairs whose score is less than `near_miss_margin` below the threshold; same columns
doubtful.parquet  pairs that agree only in a layout that they share with other pictures; same columns
mirrored.parquet  accepted pairs in which the left picture was mirrored: mirrored copies and decoys; same columns
pairs.json       parameters, counts, and the number of false pairs estimated from the decoys
"""

from pathlib import Path
from typing import Any

from pipeline.core import files
from pipeline.core.code_dependencies import code_digest
from pipeline.core.errors import CorruptData
from pipeline.core.workspace import workspace
from pipeline.dedup.encoder.codes import load_codes, load_encoder
from pipeline.dedup.encoder.encoder_input import SIDE
from pipeline.dedup.index import efficientnet
from pipeline.dedup.index.exact_match import find_classes, with_codes
from pipeline.dedup.pairs.pairs_table import SCHEMA, SCHEMA_VERSION, write_tables
from pipeline.dedup.scoring import overlap, pair_scorer, pair_scorer_highres
from pipeline.dedup.search import shared_layout
from pipeline.dedup.search.pair_search import PairSearch, PairSearchConfig
from pipeline.dedup.search.scored_pairs import score_or_read
from pipeline.imageset.format.image_set import ImageSet


def find_pairs(
    images_folder: Path,
    codes_folder: Path,
    encoder_folder: Path,
    parameters: PairSearchConfig,
    *,
    workers: int,
    to: Path,
    scored: Path | None = None,
) -> dict[str, Any]:
    """Find all pairs of copies in a set. Verdicts are not used, so new verdicts do not require a new search.

    Pictures with equal source bytes, source pixels, squares or codes are not listed as pairs: they have equal ids in
    `classes.parquet`. Mode `exact` finds only these classes. Mode `near` searches one picture of each class of equal
    squares, except pictures with too little detail or with several frames.

    Args:
        images_folder: the image set.
        codes_folder: written by `hash_images` for this set.
        encoder_folder: written by `train_autoencoder`.
        parameters: of the search.
        workers: processes or threads that read, encode and compare pictures.
        to: folder to write.
        scored: folder for the scores of all candidate pairs (see `scored_pairs`), so that a later call with another
            `score` or `near_miss_margin` needs no new search; None to keep none.

    Returns:
        The content of `pairs.json`.

    Raises:
        MissingInput, CorruptData: the image set, the codes or the encoder are missing or damaged.
        BadParameters: there are more candidates than `max_candidates`, the encoder has another kind of input, the
            pictures are smaller than `compare_side`, or the extra that `neighbours` needs is not installed.
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
        tables = {"pairs": empty, "misses": empty, "doubtful": empty, "mirrored": empty}
        summary: dict[str, Any] = {**made_from, "pictures": len(images), "pairs": 0}
        if parameters.mode == "near":
            search = PairSearch(images, None, encoder_file, parameters, workers)
            classes = with_codes(search.classes[0], codes)
            tables = search.accept(score_or_read(search, scored) if scored else search.score())
            summary |= search.summarise(tables)
        else:
            classes = find_classes(images, codes, workers=workers)
        write_tables(work.result, {**tables, "classes": classes.table()}, summary)
        work.publish()
    return summary


def detector_digest(parameters: PairSearchConfig, encoder: str) -> str:
    """Digest of everything that affects which pairs are accepted.

    Args:
        parameters: of the search.
        encoder: SHA-256 of the encoder's file.
    """
    decides: dict[str, Any] = {"mode": parameters.mode, "encoder": encoder}
    if parameters.mode == "near":
        excluded = {"max_candidates", "near_miss_margin"}  # they do not affect which pairs are accepted
        if parameters.local_features:
            decides["overlap"] = overlap.VERSION
        else:
            excluded.add("local_features")  # older versions had none
        if parameters.neighbours:
            decides |= {"overlap": overlap.VERSION, "network": efficientnet.WEIGHTS}
        else:
            excluded.add("neighbours")
        if parameters.compare_side == SIDE:
            # Older versions could only compare at this side; samples judged with them must keep their detector.
            excluded.add("compare_side")
        else:
            decides["closer"] = pair_scorer_highres.digest()
        decides |= {"parameters": parameters.model_dump(exclude=excluded), "comparer": pair_scorer.digest()}
        # As in older versions, for the same reason: listed mirrored copies are no pairs.
        decides["parameters"]["mirrored"] = parameters.mirrored == "remove"
        decides["shared_layout"] = shared_layout.VERSION
    return files.digest(decides)


def summary_sentence(description: dict[str, Any]) -> str:
    """Summarise the content of `pairs.json` in one sentence."""
    if description["mode"] == "exact":
        return "mode exact: copies are pictures with equal codes, no search needed"
    high = description["expected_false_high"]
    said = (
        f"{description['pairs']:,} pairs of copies among {description['pictures']:,} pictures; expected false "
        f"pairs (from decoys): {description['expected_false']:,.1f} (at most {high:,.1f} with 95 % confidence)"
    )
    if description["mirrored_pairs"]:
        said += f"; {description['mirrored_pairs']:,} pairs of mirrored copies"
    if description["doubtful_pairs"]:
        said += f"; {description['doubtful_pairs']:,} doubtful pairs with a shared layout"
    return said
