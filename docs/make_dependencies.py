"""Write each stage's code dependencies, which its imports give, into dvc.yaml; with `--check`, compare them only."""

import argparse
import sys
from pathlib import Path

from pipeline.core.code_dependencies import packages_of
from pipeline.core.params import read_yaml

PIPELINE = Path(__file__).parents[1] / "dvc.yaml"


def with_dependencies(text: str, stages: dict[str, list[str]]) -> str:
    """The text of dvc.yaml with the lines `- pipeline/…` below each stage's `deps:` replaced.

    Args:
        stages: packages by stage.
    """
    lines: list[str] = []
    stage = ""
    in_dependencies = False
    for line in text.splitlines():
        key = line.strip().partition(":")[0]
        if in_dependencies and not line.startswith("      - "):
            lines += [f"      - {package}" for package in stages[stage]]
            in_dependencies = False
        if line.startswith("  ") and not line.startswith("   ") and key in stages:
            stage = key
        in_dependencies = in_dependencies or (line == "    deps:" and bool(stage))
        if not (in_dependencies and line.startswith("      - pipeline/")):
            lines.append(line)
    return "\n".join(lines) + "\n"


def main() -> int:
    """Write dvc.yaml, or compare it with what would be written."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if something would change")
    check = parser.parse_args().check
    before = PIPELINE.read_text()
    after = with_dependencies(before, {name: packages_of(f"stages.{name}") for name in read_yaml(PIPELINE)["stages"]})
    if after != before and not check:
        PIPELINE.write_text(after)
    return int(check and after != before)


if __name__ == "__main__":
    sys.exit(main())
