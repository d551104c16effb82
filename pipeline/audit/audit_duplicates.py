"""Write the audit of a dedup result: a gallery of the removed pictures, and metrics."""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field

from pipeline.audit import gallery, ground_truth, pair_sample
from pipeline.audit.false_removal_rate import estimate
from pipeline.audit.least_certain import find_least_certain
from pipeline.core import files, params
from pipeline.core.workspace import workspace
from pipeline.dedup.decision import manifest, mirrored_copies
from pipeline.dedup.decision.verdicts import read_verdicts
from pipeline.dedup.encoder import codes
from pipeline.imageset import image_grid
from pipeline.imageset.format.image_set import Images, ImageSet
from pipeline.seeding import numpy_rng

MAX_KEPT = 64
"""Number of pictures in `kept.png`."""


class AuditConfig(params.Section):
    """Section `audit.SET`."""

    largest: int = Field(ge=0, description="largest groups to show")
    random: int = Field(ge=0, description="groups to show that are chosen at random from the others")
    uncertain: int = Field(ge=0, description="least certain pairs to show")
    random_seed: int = Field(ge=0, description="seed of the random choice")


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
    page_folder: Path | None = None,
    originals: Sequence[Path] = (),
) -> dict[str, Any]:
    """Write `gallery.html` and `kept.png`, for people, and `metrics.json`.

    Args:
        images_folder: the image set.
        codes_folder: written by `hash-images`.
        dedup_folder: written by `remove-duplicates`.
        raw_folder: raw data of the set: `source.json`, and `planted.csv` if the set has planted copies (copies that
            were made on purpose).
        name: name of the set.
        verdicts: file of people's verdicts, or None.
        samples: folder of the pair samples that people judged, each a file `NAME.csv`; it need not exist.
        pairs: folder of the pairs from which the manifest was made; their scores are read. None if not available.
        page_folder: folder of a result of `dcgan dedup`, from which the page is opened; the command on the page that
            restores pictures is run there. None if it is run in the current folder.
        originals: absolute paths of folders of picture files, for links on the page; the key of a picture is its path
            in one of them.

    Returns:
        The content of `metrics.json`: `title` (name of the set on pages), source, counts, `side` of the stored
        pictures in pixels, statistics of the bits of the codes, precision and recall if copies were planted, and
        `sampled`: for each pair sample, by name, the result of `false_removal_rate.estimate`.

    Raises:
        MissingInput, CorruptData: the image set, the codes, the manifest, the pairs, the list of planted copies, the
            verdicts or a pair sample cannot be read.
    """
    images = ImageSet(images_folder)
    _, bits = codes.load_codes(codes_folder, images)
    table, made_from = manifest.read(dedup_folder, images)
    least_certain = find_least_certain(images, table, made_from, pairs, parameters.uncertain)
    planted_file = raw_folder / "planted.csv"
    source = files.read_json(raw_folder / "source.json")
    judgements = read_verdicts(verdicts) if verdicts else []
    sampled = {
        path.stem: estimate(pair_sample.read_pair_sample(path), judgements, detector=made_from["detector"])
        for path in (sorted(samples.glob("*.csv")) if samples else [])
    }
    restore_command = _restore_command(dedup_folder, verdicts or Path("verdicts.csv"), page_folder)
    inputs = {
        "source": source,
        "images": images.digest,
        "manifest": files.sha256_file(dedup_folder / "manifest.parquet"),
        "mirrored": files.sha256_file(dedup_folder / mirrored_copies.FILE),
        "pairs": files.sha256_file(pairs / "pairs.parquet") if pairs else None,
        "planted": files.sha256_file(planted_file) if planted_file.is_file() else None,
        "sampled": sampled,
        "parameters": parameters.model_dump(),
        "set": name,
        "restore_command": restore_command,
        "originals": list(map(str, originals)),
    }
    with workspace(to, files.digest(inputs)) as work:
        if work is None:
            return dict(files.read_json(to / "metrics.json"))
        metrics = manifest.summarise(table) | {
            "title": source.get("stand_in", name) if source.get("source") == "miniature" else name,
            "source": source,
            "counts": images.counts,
            "side": images.side,
            "detector": made_from["detector"],
            "constant_bits": len(bits["constant_bits"]),
            "dead_bits": len(bits["dead_bits"]),
            "effective_bits": bits["effective_bits"],
            "mean_entropy": round(bits["effective_bits"] / codes.BITS, 4),
            "zero_codes": bits["zero_codes"],
            "sampled": sampled,
        }
        if planted_file.is_file():
            removed = table.filter(pc.equal(table.column("status"), "removed"))
            metrics["planted"] = ground_truth.measure(
                ground_truth.read_planted(planted_file),
                groups=dict(zip(images.keys, table.column("group").to_pylist(), strict=True)),
                representatives=dict(
                    zip(removed.column("key").to_pylist(), removed.column("kept_key").to_pylist(), strict=True)
                ),
            )
        largest, random = gallery.choose_groups(table, parameters.largest, parameters.random, parameters.random_seed)
        page = gallery.render(
            images,
            table,
            [*largest, *random],
            least_certain,
            mirrored_copies.read(dedup_folder, images),
            name=name,
            metrics=metrics,
            bits=bits,
            made_from=made_from,
            restore_command=restore_command,
            restore_folder="the folder of this page" if page_folder else "the folder in which this page was made",
            originals=originals,
        )
        files.write_text(work.result / "gallery.html", page)
        image_grid.write_png(
            work.result / "kept.png", image_grid.grid(_sample_kept(images, table, parameters.random_seed))
        )
        files.write_json(work.result / "metrics.json", metrics)
        work.publish()
    return metrics


def _restore_command(dedup: Path, verdicts: Path, page_folder: Path | None) -> str:
    """The command that restores pictures, without its options `--key`.

    Args:
        page_folder: folder in which the command is run; None for the current one.
    """
    if page_folder:
        dedup = Path()
        inside = verdicts.is_relative_to(page_folder)
        verdicts = verdicts.relative_to(page_folder) if inside else verdicts.absolute()
    return shlex.join(["dcgan", "restore", "--dedup", str(dedup), "--verdicts", str(verdicts)])


def _sample_kept(images: ImageSet, table: pa.Table, seed: int) -> Images:
    """A random sample of kept pictures, to compare with generated ones: uint8 (n, side, side, 3)."""
    kept = np.flatnonzero(np.asarray(pc.not_equal(table.column("status"), "removed")))
    chosen = numpy_rng(seed, "kept").permutation(kept)[:MAX_KEPT]
    return images.read(np.sort(chosen))
