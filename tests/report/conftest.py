"""Inputs of the report, as the earlier stages write them."""

import copy
import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from pipeline.report.page import Folders

METRICS: dict[str, Any] = {
    "title": "drawn rooms",
    "source": {"source": "miniature", "archive": "bedroom_train_lmdb.zip", "sha256": "ab" * 32, "upstream": False},
    "counts": {"sources": 1003, "pictures": 1000, "bad": 2, "filtered": 1},
    "side": 1,
    "detector": "cd" * 32,
    "removed": 90,
    "kept": 910,
    "share_removed": 0.09,
    "groups": 80,
    "by_reason": {"same_bytes": 10, "same_code": 60, "same_pixels": 20},
    "planted": {
        "recall": {
            "all": {"found": 50, "of": 80, "share": 0.625, "low": 0.51, "high": 0.731},
            "cropped": {"found": 3, "of": 20, "share": 0.15, "low": 0.03, "high": 0.38},
        },
        "precision": {"found": 90, "of": 90, "share": 1.0, "low": 0.96, "high": 1.0},
    },
}
MODEL: dict[str, Any] = {
    "family": "dcgan",
    "architecture": "paper64, base width 16",
    "latent_shape": [100],
    "epochs": 3,
    "steps": 21,
    "seed": 1,
    "data": {"pictures": 909, "images": "56" * 32},
    "runtime": {"torch": "2", "device": "cpu", "device_name": "AVX512"},
}
SAMPLES: dict[str, Any] = {"count": 64, "seed": 5, "model_sha256": "ef" * 32, "batch_statistics": False}
WALK: dict[str, Any] = {"rows": 4, "seed": 1, "smoothness": {"mean_step": 2.5, "largest_step_ratio": 1.4}}
HISTORY = "epoch\tstep\td_fake\td_loss\td_real\tg_loss\n1\t7\t0.4\t1.3\t0.6\t0.7\n2\t14\t0.3\t1.2\t0.7\t0.9\n"


def upstream(metrics: dict[str, Any] = METRICS) -> dict[str, Any]:
    """The metrics of a set made from the original archive."""
    real = {**metrics, "title": "natural", "source": {**metrics["source"], "source": "archive", "upstream": True}}
    del real["planted"]
    return real


def folders_in(folder: Path) -> Folders:
    return Folders(folder / "audit", folder / "models", folder / "samples", folder / "walks", folder / "features")


def write_set(folder: Path, name: str = "rooms", metrics: dict[str, Any] = METRICS) -> Folders:
    """Write the inputs for the report of one set."""
    folders = folders_in(folder)
    texts = {
        folders.audit / name / "metrics.json": json.dumps(metrics),
        folders.audit / name / "gallery.html": "<p>gallery</p>",
        folders.models / name / "model.json": json.dumps(MODEL),
        folders.models / name / "history.tsv": HISTORY,
        folders.samples / name / "samples.json": json.dumps(SAMPLES),
        folders.walks / name / "walk.json": json.dumps(WALK),
    }
    for path, text in texts.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    grids = [folders.models / name / "samples" / f"epoch-{n:03d}.png" for n in range(1, 7)]
    for path in [
        *grids,
        folders.audit / name / "kept.png",
        folders.samples / name / "grid.png",
        folders.walks / name / "walk.png",
    ]:
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((8, 8, 3), 90, np.uint8)).save(path)
    return folders


def _few(shift: float, costs: Any) -> dict[str, Any]:
    few = {"c": costs, "accuracies": [0.5 - shift, 0.52 - shift], "mean": 0.51 - shift, "spread": 0.0277}
    return {**few, "mean_low": 0.42 - shift, "mean_high": 0.6 - shift, "curve": [[0.001, 0.4]]}


def network(shift: float, per_class: int, both: bool) -> dict[str, Any]:
    """The record of one network in an evaluation, with accuracies lower by `shift`."""
    whole = {"c": 0.01, "correct": 6200, "of": 10_000, "accuracy": 0.62 - shift, "curve": [[0.01, 0.6]]}
    return {
        "few": {
            "per_class": per_class,
            "held_out": _few(shift, 0.001),
            "cross_validation": _few(shift + 0.01, [0.001, 0.002]) if both else None,
        },
        "whole": {**whole, "low": 0.61 - shift, "high": 0.63 - shift} if both else None,
    }


EVALUATION: dict[str, Any] = {
    "benchmark": {"name": "cifar10", "train": 50_000, "test": 10_000, "classes": list("abcdefghij")},
    "model": {
        **{"architecture": "imagenet32, base width 128", "epochs": 30, "steps": 99, "pictures": 910},
        "network_sha256": "12" * 32,
    },
    "features": 28_672,
    "parameters": {
        **{"norm": "own", "statistics_pictures": 640, "held_out": 10_000, "draws": 2, "selection_draws": 2},
        **{"folds": 5, "grid": [0.001, 0.002]},
    },
    "seed": 1,
}


def evaluation(data_set: str = "cifar10", *, per_class: int | None = None, **source: Any) -> dict[str, Any]:
    """Metrics of evaluate-features for three networks: CIFAR-10 with all and few labels, SVHN with few labels only."""
    found = copy.deepcopy(EVALUATION)
    per_class = per_class or {"cifar10": 400}.get(data_set, 100)
    archives = [{"name": f"{data_set}.tar.gz", "bytes": 1234, "sha256": "34" * 32}]
    found["benchmark"]["source"] = {
        **{"source": "miniature", "data_set": data_set, "upstream": False, "archives": archives, **source}
    }
    found["parameters"]["per_class"] = per_class
    names = ("untrained-2", "untrained-1", "trained")
    found["networks"] = {
        name: network(0.1 * (2 - number), per_class, data_set == "cifar10") for number, name in enumerate(names)
    }
    return found


def write_evaluation(folder: Path, found: dict[str, Any], model: str = "rooms", name: str = "cifar10") -> Path:
    """Write the folder of an evaluation."""
    to = folder / "features" / f"{model}-{name}"
    to.mkdir(parents=True, exist_ok=True)
    (to / "metrics.json").write_text(json.dumps(found))
    (to / "features.svg").write_text('<svg xmlns="http://www.w3.org/2000/svg"></svg>')
    return to
