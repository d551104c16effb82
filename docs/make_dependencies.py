"""Write each stage's code dependencies, which its imports give, into dvc.yaml; with `--check`, compare them only."""

import argparse
import re
import sys
from pathlib import Path

from pipeline.core.code_dependencies import packages_of
from pipeline.core.params import read_yaml
from pipeline.models.registry import FAMILIES

PIPELINE = Path(__file__).parents[1] / "dvc.yaml"


def dependencies(stage: str, command: str) -> list[str]:
    """The packages that a stage depends on.

    They are those of its imports and, where it loads models by the name of their family, those of the family whose
    model its command is given.

    Args:
        stage: name, as in dvc.yaml.
        command: its `cmd`.
    """
    packages = packages_of(f"stages.{stage}")
    if "pipeline/models/registry" not in packages:
        return packages
    families = re.findall(r"--model models/\$\{profile\}/([a-z_0-9]+)/", command)
    return packages_of(f"stages.{stage}", *(FAMILIES[family] for family in families))


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
    stages = read_yaml(PIPELINE)["stages"]
    after = with_dependencies(before, {name: dependencies(name, entry["cmd"]) for name, entry in stages.items()})
    if after != before and not check:
        PIPELINE.write_text(after)
    return int(check and after != before)


if __name__ == "__main__":
    sys.exit(main())
