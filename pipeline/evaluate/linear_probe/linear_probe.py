"""Evaluate the features of a trained network and of untrained ones on a labelled benchmark."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pipeline.core import files, progress
from pipeline.core.code_dependencies import code_digest
from pipeline.core.errors import BadParameters, CorruptData
from pipeline.core.workspace import workspace
from pipeline.evaluate.linear_probe import classify, features, protocol
from pipeline.evaluate.linear_probe.accuracy_plot import accuracies_plot
from pipeline.evaluate.linear_probe.protocol import LinearProbeConfig
from pipeline.imageset.format.image_set import ImageSet
from pipeline.imageset.format.kept_rows import load_kept
from pipeline.models.base import FeatureExtractor
from pipeline.models.registry import load_feature_extractor, module_of
from pipeline.seeding import deterministic, numpy_rng, torch_generator


def evaluate(
    model_folder: Path,
    images_folder: Path,
    kept: Path,
    benchmark_folder: Path,
    parameters: LinearProbeConfig,
    *,
    name: str,
    seed: int,
    to: Path,
) -> dict[str, Any]:
    """Write `metrics.json`, `draws.csv` (every draw of every network) and `features.svg` to the folder `to`.

    Args:
        model_folder: a saved model of a model family that has features.
        images_folder, kept: image set and kept rows that the network was trained on.
        benchmark_folder: the image sets `train` and `test`, with labels, and `source.json`.
        name: name of the benchmark; all random numbers are derived from it and the seed.

    Returns:
        The content of `metrics.json`: `benchmark`, `model`, `features` (number of features per picture), `parameters`,
        `seed` and `networks`. The last has, for each of `trained`, `untrained-1` …, the results of `classify.whole` and
        of both protocols with few labels.

    Raises:
        MissingInput, CorruptData: an input does not exist, is damaged, or does not fit the others.
        Unsupported: the model's family has no features.
        BadParameters: the side of the pictures is not that of the network, or there are too few pictures.
    """
    deterministic(parameters.threads)
    extractor = load_feature_extractor(model_folder)
    description = files.read_json(model_folder / "model.json")
    own = ImageSet(images_folder, side=extractor.side)
    rows = load_kept(kept, len(own))
    source = files.read_json(benchmark_folder / "source.json")
    train, test = (ImageSet(benchmark_folder / part) for part in ("train", "test"))
    if train.side != extractor.side:
        raise BadParameters(
            f"--benchmark {benchmark_folder}: pictures are {train.side} pixels wide, but "
            f"{extractor.architecture} expects {extractor.side}; use a model for {train.side} pixels"
        )
    classes = [str(title) for title in source["classes"]]
    parts = protocol.split(_labels(train, classes), parameters, seed, name)
    test_labels = _labels(test, classes)
    protocol.draw(parts, parameters.per_class, classes, seed, name, 0)  # a class with too few pictures fails here
    record: dict[str, Any] = {
        "benchmark": {"name": name, "source": source, "train": len(train), "test": len(test), "classes": classes},
        "model": {
            "architecture": extractor.architecture,
            **{key: description[key] for key in ("epochs", "steps")},
            "pictures": description["data"]["pictures"],
            "network_sha256": extractor.digest,
        },
        "features": _feature_count(extractor),
        "parameters": parameters.model_dump(),
        "seed": seed,
    }
    digest = {
        **record,
        "inputs": [own.digest, files.sha256_file(kept), train.digest, test.digest],
        "numerics": [torch.__version__, torch.backends.cpu.get_cpu_capability()],
        "code": code_digest(__name__, module_of(model_folder)),
    }
    with workspace(to, files.digest(digest)) as work:
        if work is None:
            return dict(files.read_json(to / "metrics.json"))
        found: dict[str, dict[str, Any]] = {}
        jobs = _jobs(parameters)
        networks = ["trained", *(f"untrained-{number + 1}" for number in range(parameters.untrained))]
        done = len(list(work.scratch.glob("*.json")))
        total = len(jobs) * len(networks)
        if done:
            progress.say(f"{done} of {total} parts were done before")
        rng = numpy_rng(seed, "evaluate", name, "statistics")
        own_rows, train_rows = (
            np.sort(rng.permutation(available)[: parameters.statistics_pictures])
            for available in (rows, np.arange(len(train)))
        )
        with progress.bar(f"evaluate-features {name}", total, "parts", done=done) as advance:
            for network in networks:
                paths = {job: work.scratch / f"{network}-{job}.json" for job in jobs}
                if not all(path.exists() for path in paths.values()):
                    module = _network(extractor, network, seed)
                    if parameters.norm == "benchmark":
                        module = features.with_statistics(module, train, train_rows)
                    elif parameters.norm == "own" or network != "trained":
                        module = features.with_statistics(module, own, own_rows)
                    matrices = [work.scratch / f"{network}-{part}.npy" for part in ("train", "test")]
                    task = classify.Task(
                        parameters,
                        parts,
                        features.write(matrices[0], module, train, parts.rows, f"{network}: train"),
                        features.write(matrices[1], module, test, np.arange(len(test)), f"{network}: test"),
                        test_labels,
                        classes,
                        seed,
                        name,
                    )
                    for job, path in paths.items():
                        if not path.exists():
                            files.write_json(path, jobs[job](task))
                            advance(1)
                    del task
                    for matrix in matrices:
                        matrix.unlink()
                found[network] = _combine(parameters, {job: files.read_json(path) for job, path in paths.items()})
        record["networks"] = found
        files.write_text(work.result / "draws.csv", protocol.draws_csv(found))
        files.write_text(work.result / "features.svg", accuracies_plot(record))
        files.write_json(work.result / "metrics.json", record)
        files.write_json(work.result / "accuracy.json", protocol.accuracies(record))
        work.publish()
    return record


def _jobs(parameters: LinearProbeConfig) -> dict[str, Callable[[classify.Task], dict[str, Any]]]:
    jobs: dict[str, Callable[[classify.Task], dict[str, Any]]] = {"held_out": classify.few_held_out}
    if parameters.folds:
        jobs["cross_validation"] = classify.few_cross_validated
    if parameters.whole:
        jobs["whole"] = classify.whole
    return jobs


def _combine(parameters: LinearProbeConfig, found: dict[str, dict[str, Any]]) -> dict[str, Any]:
    few = {"per_class": parameters.per_class, "held_out": found["held_out"]}
    few["cross_validation"] = found.get("cross_validation")
    return {"few": few, "whole": found.get("whole")}


def _network(extractor: FeatureExtractor, network: str, seed: int) -> torch.nn.Module:
    if network == "trained":
        return extractor.trained()
    return extractor.untrained(torch_generator(seed, "evaluate", network))


def _feature_count(extractor: FeatureExtractor) -> int:
    """Number of features per picture: 28,672 for the DCGAN `imagenet32` at the published width of 128."""
    blank = np.zeros((1, extractor.side, extractor.side, 3), np.uint8)
    return int(features.of_pictures(extractor.trained(), blank).shape[1])


def _labels(images: ImageSet, classes: list[str]) -> protocol.Labels:
    """Class numbers of the pictures, int64 (n,)."""
    numbers = {title: number for number, title in enumerate(classes)}
    titles = images.index.column("label").to_pylist()
    unknown = next((title for title in titles if title not in numbers), classes[0])
    if unknown not in numbers:
        raise CorruptData(
            f"{images.folder}: label {unknown!r}, expected one of {', '.join(classes)}; download the benchmark again"
        )
    return np.array([numbers[title] for title in titles], np.int64)
