"""Show and count what deduplication removed."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field

from pipeline.audit import estimates, frozen_draw, gallery, planted, uncertain
from pipeline.core import files, params
from pipeline.core.workspace import workspace
from pipeline.dedup.decision import manifest
from pipeline.dedup.decision.verdicts import read_verdicts
from pipeline.dedup.encoder import codes
from pipeline.imageset import image_grid
from pipeline.imageset.format.image_set import Images, ImageSet
from pipeline.seeding import numpy_rng

KEPT_SHOWN = 64
"""Pictures in `kept.png`."""


class AuditConfig(params.Section):
    """Section `audit.SET`."""

    largest: int = Field(ge=0, description="groups shown for their size")
    random: int = Field(ge=0, description="groups drawn at random among the others")
    uncertain: int = Field(ge=0, description="least certain pairs shown")
    random_seed: int = Field(ge=0, description="of that draw")


def audit_duplicates(
    images_folder: Path,
    codes_folder: Path,
    dedup_folder: Path,
    raw_folder: Path,
    parameters: AuditConfig,
    *,
    name: str,
    to: Path,
    verdicts: Path | None = None,
    samples: Path | None = None,
    pairs: Path | None = None,
) -> dict[str, Any]:
    """Write `gallery.html` and `kept.png`, for eyes, and `metrics.json`.

    Args:
        raw_folder: what the set was made from: `source.json`, and `planted.csv` where duplicates were planted.
        name: of the set.
        verdicts: people's verdicts; None for none.
        samples: folder of the draws that people judged, `NAME.csv` each; there need not be one.
        pairs: folder of the pairs that the manifest was made from, for their scores; None where it is not at hand.

    Returns:
        What stands in `metrics.json`: source, counts, the quality of the bits, precision and recall if there is a
        truth, and under `sampled`, by the name of each draw, what `estimates.estimate` says of it.

    Raises:
        MissingInput, CorruptData: of the image set, the codes, the manifest, the pairs, the list of planted copies, the
            verdicts or a draw.
    """
    images = ImageSet(images_folder)
    _, bits = codes.load_codes(codes_folder, images)
    table, made_from = manifest.read(dedup_folder, images)
    doubtful = uncertain.choose(images, table, made_from, pairs, parameters.uncertain)
    truth_file = raw_folder / "planted.csv"
    source = files.read_json(raw_folder / "source.json")
    people = read_verdicts(verdicts) if verdicts else []
    draws = sorted(samples.glob("*.csv")) if samples else []
    sampled = {
        path.stem: estimates.estimate(frozen_draw.read(path), people, detector=made_from["detector"]) for path in draws
    }
    inputs = {
        "source": source,
        "images": images.digest,
        "manifest": files.sha256_file(dedup_folder / "manifest.parquet"),
        "pairs": files.sha256_file(pairs / "pairs.parquet") if pairs else None,
        "planted": files.sha256_file(truth_file) if truth_file.is_file() else None,
        "sampled": sampled,
        "parameters": parameters.model_dump(),
        "set": name,
    }
    with workspace(to, files.digest(inputs)) as work:
        if work is None:
            return dict(files.read_json(to / "metrics.json"))
        metrics = manifest.summarise(table) | {
            "source": source,
            "counts": images.counts,
            "detector": made_from["detector"],
            "constant_bits": len(bits["constant_bits"]),
            "dead_bits": len(bits["dead_bits"]),
            "effective_bits": bits["effective_bits"],
            "mean_entropy": round(bits["effective_bits"] / codes.BITS, 4),
            "zero_codes": bits["zero_codes"],
            "sampled": sampled,
        }
        if truth_file.is_file():
            removed = table.filter(pc.equal(table.column("status"), "removed"))
            metrics["planted"] = planted.measure(
                planted.read_planted(truth_file),
                groups=dict(zip(images.keys, table.column("group").to_pylist(), strict=True)),
                removed_for=dict(
                    zip(removed.column("key").to_pylist(), removed.column("kept_key").to_pylist(), strict=True)
                ),
            )
        shown = gallery.choose_groups(table, parameters.largest, parameters.random, parameters.random_seed)
        page = gallery.render(
            images, table, shown, doubtful, name=name, metrics=metrics, bits=bits, made_from=made_from
        )
        files.write_text(work.result / "gallery.html", page)
        image_grid.write_png(
            work.result / "kept.png", image_grid.grid(_some_kept(images, table, parameters.random_seed))
        )
        files.write_json(work.result / "metrics.json", metrics)
        work.publish()
    return metrics


def _some_kept(images: ImageSet, table: pa.Table, seed: int) -> Images:
    """A seeded draw of the pictures that stay, to lay beside samples: uint8 (n, side, side, 3)."""
    kept = np.flatnonzero(np.asarray(pc.not_equal(table.column("status"), "removed")))
    drawn = numpy_rng(seed, "kept").permutation(kept)[:KEPT_SHOWN]
    return images.read(np.sort(drawn))
