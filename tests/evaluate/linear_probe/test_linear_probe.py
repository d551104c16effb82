"""A complete evaluation: outputs, determinism, resuming, and refused inputs."""

import csv
import json
import subprocess
import sys

import pytest
from ruamel.yaml import YAML

from pipeline.core import files
from pipeline.core.errors import BadParameters, CorruptData, MissingInput
from pipeline.evaluate.linear_probe.linear_probe import evaluate
from tests.conftest import folder_bytes
from tests.evaluate.linear_probe.conftest import CLASSES, VALUES, coloured, write_set
from tests.killing import ROOT, running


def test_the_metrics_are_complete(inputs, parameters, tmp_path):
    """All networks and draws; classes of different colour are separated; a second run gives the same bytes."""
    found = evaluate(**inputs, parameters=parameters(), name="cifar10", seed=1, to=tmp_path / "out")
    assert found == json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert found["features"] == 16 * 14 * 2 and list(found["networks"]) == ["trained", "untrained-1"]
    assert found["benchmark"]["classes"] == CLASSES and found["benchmark"]["train"] == 200
    for network in found["networks"].values():
        assert network["whole"]["accuracy"] > 0.8 and network["whole"]["of"] == 90
        assert network["whole"]["low"] <= network["whole"]["accuracy"] <= network["whole"]["high"]
        for selection in ("held_out", "cross_validation"):
            entry = network["few"][selection]
            assert len(entry["accuracies"]) == 3 and entry["mean_low"] <= entry["mean"] <= entry["mean_high"]
        assert len(network["few"]["cross_validation"]["c"]) == 3
    networks = found["networks"]
    assert json.loads((tmp_path / "out" / "accuracy.json").read_text()) == {
        "few_labels": networks["trained"]["few"]["held_out"]["mean"],
        "few_labels_untrained": networks["untrained-1"]["few"]["held_out"]["mean"],
        "all_labels": networks["trained"]["whole"]["accuracy"],
        "all_labels_untrained": networks["untrained-1"]["whole"]["accuracy"],
    }
    with (tmp_path / "out" / "draws.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2 * 2 * 3 and {row["selection"] for row in rows} == {"held_out", "cross_validation"}
    evaluate(**inputs, parameters=parameters(), name="cifar10", seed=1, to=tmp_path / "again")
    assert folder_bytes(tmp_path / "out") == folder_bytes(tmp_path / "again")


@pytest.mark.parametrize("norm", ["running", "benchmark"])
def test_batch_norm_statistics_change_the_results(inputs, parameters, tmp_path, norm):
    """Other statistics of batch norm give other accuracies; parts that were not requested are null."""
    changes = {"folds": 0, "whole": False, "untrained": 0}
    own = evaluate(**inputs, parameters=parameters(**changes), name="x", seed=1, to=tmp_path / "own")
    found = evaluate(**inputs, parameters=parameters(norm=norm, **changes), name="x", seed=1, to=tmp_path / "out")
    assert found["networks"]["trained"]["whole"] is None
    few = found["networks"]["trained"]["few"]["held_out"]["mean"]
    assert json.loads((tmp_path / "out" / "accuracy.json").read_text()) == {"few_labels": few}
    assert found["networks"]["trained"]["few"]["cross_validation"] is None
    assert found["networks"] != own["networks"]


@pytest.mark.long
def test_resuming_after_kill_9(inputs, tmp_path):
    """Finished parts are reused and counted, and the bytes equal those of an uninterrupted run."""
    profile = tmp_path / "profile.yaml"
    YAML().dump({"evaluate": {"x": {**VALUES, "draws": 30, "untrained": 2}}}, profile)
    command = [
        *(sys.executable, "-m", "stages.evaluate_features", "--set", "x", "--params", profile, "--seed", "1"),
        *("--model", inputs["model_folder"], "--images", inputs["images_folder"], "--kept", inputs["kept"]),
        *("--benchmark", inputs["benchmark_folder"], "--to"),
    ]
    quiet = {"cwd": ROOT, "capture_output": True, "text": True, "check": False}
    assert subprocess.run([*map(str, command), str(tmp_path / "whole")], **quiet).returncode == 0
    scratch = tmp_path / ".out.partial" / "scratch"
    with running([*command, tmp_path / "out"], lambda: len(list(scratch.glob("*.json"))) >= 2):
        pass
    kept = len(list(scratch.glob("*.json")))
    assert 2 <= kept < 9 and not (tmp_path / "out").exists()
    done = subprocess.run([*map(str, command), str(tmp_path / "out")], **quiet)
    assert done.returncode == 0 and f"{kept} of 9 parts were done before" in done.stderr
    assert "correct with 8 labels of each class (untrained: " in done.stderr
    assert folder_bytes(tmp_path / "out") == folder_bytes(tmp_path / "whole")


def test_inputs_that_do_not_fit_are_refused(inputs, parameters, tmp_path):
    """Each error is raised before anything is computed."""

    def run(**changes):
        return evaluate(**{**inputs, **changes}, parameters=parameters(), name="x", seed=1, to=tmp_path / "out")

    other = tmp_path / "other"
    for part in ("train", "test"):
        images, labels = coloured(80, 5)
        write_set(other / part, images[:, :28, :28].copy(), labels)
    files.write_json(other / "source.json", {"classes": CLASSES})
    with pytest.raises(BadParameters, match="pictures are 28 pixels wide, but imagenet32, base width 2 expects 32"):
        run(benchmark_folder=other)
    files.write_json(inputs["benchmark_folder"] / "source.json", {"classes": ["red", "green"]})
    with pytest.raises(CorruptData, match="label 'blue', expected one of red, green; download the benchmark again"):
        run()
    with pytest.raises(MissingInput, match=r"source\.json: no such file"):
        run(benchmark_folder=tmp_path / "nowhere")
    assert not (tmp_path / "out").exists()
