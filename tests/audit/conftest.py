"""A fixture that runs the real steps from pictures to the audit, with a random encoder."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.audit.audit_duplicates import AuditConfig, audit_duplicates
from pipeline.csv_text import encode_key
from pipeline.dedup.decision import removal
from pipeline.dedup.decision.verdicts import write_verdicts
from pipeline.dedup.encoder.codes import BITS, Encoder, hash_images, save_encoder
from pipeline.dedup.encoder.encoder_input import INPUTS
from pipeline.dedup.search import find_pairs
from pipeline.dedup.search.external_pairs import ExternalPairs, load_external_pairs
from pipeline.imageset.format.image_set import Images
from tests.dedup.detectors import EXACT


@pytest.fixture
def audit(tmp_path: Path, make_imageset: Callable[..., Path]) -> Callable[..., tuple[str, dict[str, Any]]]:
    """A function that hashes pictures, removes duplicates and audits the result; it returns the page and the metrics.

    Duplicates are pictures of equal codes, or the pairs of the CSV text `given`. `mirrored` are kept mirrored copies.
    """

    def run(
        images: Images,
        keys: list[str] | None = None,
        planted: str | None = None,
        given: str | None = None,
        originals: Sequence[Path] = (),
        mirrored: Sequence[tuple[str, str, float]] = (),
        **parameters: int,
    ) -> tuple[str, dict[str, Any]]:
        folder = make_imageset(images, keys=keys)
        weight = np.random.default_rng(5).integers(-127, 128, (BITS, INPUTS)).astype(np.int8)
        (tmp_path / "encoder").mkdir()
        threshold = (weight.sum(axis=1, dtype=np.int64) * 128).astype(np.int32)
        save_encoder(tmp_path / "encoder" / "encoder.safetensors", Encoder(weight, threshold))
        hash_images(folder, tmp_path / "encoder", tmp_path / "codes")
        write_verdicts(tmp_path / "verdicts.csv", [])
        if given is None:
            find_pairs.find_pairs(
                folder, tmp_path / "codes", tmp_path / "encoder", EXACT, workers=1, to=tmp_path / "pairs"
            )
        else:
            (tmp_path / "given.csv").write_text(given)
            load_external_pairs(folder, ExternalPairs(tmp_path / "given.csv"), to=tmp_path / "pairs")
        folders = (folder, tmp_path / "codes", tmp_path / "pairs", tmp_path / "verdicts.csv")
        removal.remove_duplicates(*folders, removal.RemovalConfig(keep=["first"]), tmp_path / "dedup")
        with (tmp_path / "dedup" / "mirrored.csv").open("a") as file:
            file.writelines(f"{encode_key(key)},{encode_key(other)},{score}\n" for key, other, score in mirrored)
        (tmp_path / "raw").mkdir()
        (tmp_path / "raw" / "source.json").write_text(json.dumps({"source": "archive"}))
        if planted is not None:
            (tmp_path / "raw" / "planted.csv").write_text(planted)
        section = AuditConfig(**{"largest": 3, "random": 4, "uncertain": 0, "random_seed": 1, **parameters})
        inputs = (folder, tmp_path / "codes", tmp_path / "dedup", tmp_path / "raw", section)
        others: dict[str, Any] = {"pairs": tmp_path / "pairs", "verdicts": tmp_path / "verdicts.csv"}
        metrics = audit_duplicates(*inputs, name="tests", to=tmp_path / "audit", originals=originals, **others)
        again = audit_duplicates(*inputs, name="tests", to=tmp_path / "again", originals=originals, **others)
        page = (tmp_path / "audit" / "gallery.html").read_text()
        assert again == metrics == json.loads((tmp_path / "audit" / "metrics.json").read_text())
        assert (tmp_path / "again" / "gallery.html").read_text() == page
        return page, metrics

    return run
