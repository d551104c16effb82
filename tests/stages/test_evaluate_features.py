"""`evaluate-features` as a process; tests/evaluate/ tests its results."""


def test_without_a_model_the_error_is_one_line(run_stage, tmp_path):
    """It names the missing file and the command that makes it."""
    done = run_stage(
        *("evaluate_features", "--set", "cifar10", "--params", "profiles/miniature.yaml", "--seed", 1),
        *("--model", tmp_path / "model", "--images", tmp_path, "--kept", tmp_path / "kept.npy"),
        *("--benchmark", tmp_path / "benchmark", "--to", tmp_path / "out"),
    )
    assert done.returncode == 1 and done.stderr.count("\n") == 1
    assert done.stderr == f"error: {tmp_path}/model/model.json: no such file; run the command that makes it first\n"
