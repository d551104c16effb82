"""Measure how many planted copies a detector finds: copies made on purpose from a sample of the set."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import Field

from pipeline import seeding
from pipeline.core import files, params, progress
from pipeline.core.code_dependencies import code_digest
from pipeline.core.errors import CorruptData
from pipeline.core.workspace import workspace
from pipeline.dedup.encoder.codes import Encoder, encode, load_encoder
from pipeline.dedup.encoder.encoder_input import to_32
from pipeline.dedup.index import local_features
from pipeline.dedup.index.views import are_candidates, encode_views
from pipeline.dedup.pairs import decoys, pairs_table
from pipeline.dedup.recall import transforms
from pipeline.dedup.scoring import overlap, pair_scorer_highres
from pipeline.dedup.search import find_pairs
from pipeline.dedup.search.pair_search import PairSearchConfig, compared_at
from pipeline.imageset.format.image_set import Images, ImageSet
from pipeline.intervals import binomial_interval
from pipeline.prepare.resize import resize

SCHEMA_VERSION = 1


class RecallConfig(params.Section):
    """Section `dedup.SET.probe`."""

    sample: int = Field(gt=0, description="pictures to copy, once by each transform; all if the set has fewer")
    seed: int = Field(ge=0, description="seed of the sample and of the transforms")


def planted_copies(images: Images, name: str, seed: int) -> Images:
    """Copy pictures by a transform and prepare the copies like the pictures of a set.

    Args:
        images: uint8 (n, side, side, 3).
        name: name of a transform; see `transforms.apply`.
        seed: all random numbers are derived from it and the name.

    Returns:
        uint8 (n, side, side, 3): the short side scaled to `side`, then the centre square.
    """
    return planted_copies_and_sizes(images, name, seed)[0]


def planted_copies_and_sizes(images: Images, name: str, seed: int) -> tuple[Images, npt.NDArray[np.int64]]:
    """Like `planted_copies`; also return the height and width of each copy before preparation, int64 (n, 2)."""
    rng = seeding.numpy_rng(seed, "planted", name)
    made = [transforms.apply(name, image, rng) for image in images]
    copies = np.stack([resize(copy, side=images.shape[1], method="area") for copy in made])
    return copies, np.array([copy.shape[:2] for copy in made], np.int64)


def detected(
    originals: Images,
    copies: Images,
    encoder: Encoder,
    parameters: PairSearchConfig,
    source_sides: npt.NDArray[np.int64] | None = None,
    sizes: npt.NDArray[np.int64] | None = None,
) -> npt.NDArray[np.bool_]:
    """Tell for each i whether the detector accepts `originals[i]` and `copies[i]` as a pair.

    Args:
        originals, copies: uint8 (n, side, side, 3), side at least `compare_side`.
        encoder: computes the codes.
        parameters: parameters of the detector.
        source_sides: short sides of the sources of the originals, in pixels, int64 (n,); None for the stored side.
        sizes: height and width of each copy before it was prepared, int64 (n, 2); None for squares of the stored side.

    Returns:
        bool (n,).
    """
    same: npt.NDArray[np.bool_] = (originals == copies).all(axis=(1, 2, 3))
    if parameters.mode == "exact":
        same |= (encode(originals, encoder) == encode(copies, encoder)).all(axis=1)
        return same
    stored = originals.shape[1]
    squares = np.full((len(originals), 2), stored, np.int64)
    source_sides = squares[:, 0] if source_sides is None else source_sides
    sizes = squares if sizes is None else sizes
    small, others = to_32(originals), to_32(copies)
    candidates = are_candidates(encode_views(small, encoder), encode_views(others, encoder), parameters.radius)
    of_both = np.minimum(source_sides, sizes.min(axis=1))
    sides = compared_at(of_both, stored, parameters.compare_side)
    scores = pair_scorer_highres.score(originals, copies, sides, parameters.score)
    near: npt.NDArray[np.bool_] = candidates & (scores >= parameters.score)
    if parameters.local_features and stored >= local_features.LEAST_SIDE:
        found = local_features.match(
            local_features.find_features(originals), local_features.find_features(copies), within=False
        )
        planted = found.left == found.right
        rows, maps = found.left[planted], found.maps[planted]
        parts = (
            overlap.Parts.of_squares(originals[rows], squares[rows], source_sides[rows]),
            overlap.Parts.of_squares(copies[rows], sizes[rows], sizes[rows].min(axis=1)),
        )
        near[rows] |= overlap.score(*parts, maps, parameters.compare_side, parameters.score) >= parameters.score
    return same | near


def measure_recall(
    images_folder: Path,
    encoder_folder: Path,
    pairs_folder: Path,
    detector: PairSearchConfig,
    parameters: RecallConfig,
    to: Path,
) -> dict[str, Any]:
    """Measure recall on planted copies and write `recall.json`, with the precision estimate from the decoys.

    A copy counts as found if the detector would report it and its original as a pair of the set: their codes are
    candidates and their score reaches the threshold. Groups and the keep policy are not part of the measurement.

    Args:
        images_folder: an image set.
        encoder_folder: written by `train_autoencoder`.
        pairs_folder: written by `find_pairs` with the same detector.
        detector: parameters of the detector.
        parameters: sample and seed.
        to: folder to write.

    Returns:
        The content of `recall.json`: `found`, `of`, `share`, and the exact 95 % interval from `low` to `high`, for each
        transform, for all known ones, for all held-out ones and, in a search with local features, for all parts; also
        the estimates from decoys.

    Raises:
        MissingInput: the image set, the encoder or the pairs are missing.
        CorruptData: one of them is damaged, or another detector found the pairs.
    """
    images = ImageSet(images_folder)
    encoder = load_encoder(encoder_folder / "encoder.safetensors")
    searched = pairs_table.load_pairs(pairs_folder, images)
    if searched.detector != find_pairs.detector_digest(
        detector, files.sha256_file(encoder_folder / "encoder.safetensors")
    ):
        raise CorruptData(f"--pairs {pairs_folder}: these pairs were found by another detector; run find-pairs again")
    made_from = {
        "schema_version": SCHEMA_VERSION,
        "detector": searched.detector,
        "images": images.digest,
        "parameters": parameters.model_dump(),
    }
    with workspace(to, files.digest({**made_from, "code": code_digest(__name__)})) as work:
        if work is None:
            return dict(files.read_json(to / "recall.json"))
        rng = seeding.numpy_rng(parameters.seed, "probe")
        rows = np.sort(rng.permutation(len(images))[: parameters.sample])
        originals = images.read(rows)
        source_sides = pair_scorer_highres.source_sides(images)[rows]
        of_kind = {"known": transforms.KNOWN, "held_out": transforms.HELD_OUT}
        if detector.local_features and images.side >= local_features.LEAST_SIDE:
            of_kind["parts"] = transforms.PARTS
        names = [name for kind in of_kind.values() for name in kind]
        hits: dict[str, int] = {}
        with progress.bar("probe-duplicates", len(names), "transforms") as advance:
            for name in names:
                copies, sizes = planted_copies_and_sizes(originals, name, parameters.seed)
                hits[name] = int(detected(originals, copies, encoder, detector, source_sides, sizes).sum())
                advance(1)
        recall = {name: _share(hits[name], len(rows)) for name in names}
        for title, of in of_kind.items():
            recall[title] = _share(sum(hits[name] for name in of), len(rows) * len(of))
        about = files.read_json(pairs_folder / "pairs.json")
        summary = {**made_from, "mode": detector.mode, "recall": recall, "decoys": decoys.decoy_figures(about)}
        files.write_json(work.result / "recall.json", summary)
        work.publish()
    return summary


def summary_sentence(summary: dict[str, Any]) -> str:
    """Summarise the content of `recall.json` in one sentence."""
    recall = summary["recall"]
    worst = min((*transforms.KNOWN, *transforms.HELD_OUT), key=lambda name: recall[name]["share"])
    return (
        f"found {recall['known']['share']:.1%} of the copies planted by known transforms and "
        f"{recall['held_out']['share']:.1%} of those planted by held-out ones; lowest for {worst}: "
        f"{recall[worst]['share']:.1%} ({recall[worst]['low']:.1%} to {recall[worst]['high']:.1%})"
    )


def _share(hits: int, of: int) -> dict[str, int | float]:
    low, high = binomial_interval(hits, of)
    return {"found": hits, "of": of, "share": round(hits / of, 4), "low": round(low, 4), "high": round(high, 4)}
