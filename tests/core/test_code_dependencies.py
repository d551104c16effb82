"""Which stages an edit reruns: the derivation from imports on a small tree, and its outcome for edits of this one."""

from pathlib import Path

import pytest

from pipeline.core.code_dependencies import ROOT, UnknownImport, code_digest, packages_of
from pipeline.core.params import read_yaml

PIPELINE = read_yaml(ROOT / "dvc.yaml")["stages"]


def write(root: Path, **modules: str) -> Path:
    """Write modules, named with `__` between folders, and the `__init__.py` of their folders where they are missing."""
    for name, text in modules.items():
        path = root.joinpath(*name.split("__")).with_suffix(".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    for folder in {path.parent for path in root.rglob("*.py")} | {root / "pipeline"}:
        (folder / "__init__.py").touch()
    return root


def test_imports_lead_to_the_innermost_packages(tmp_path: Path) -> None:
    """Imports of modules and of names count, inside functions and through other modules; those for types do not."""
    root = write(
        tmp_path,
        stages__work="def work():\n    from pipeline.a.one import f",
        pipeline__a__one="from pipeline.core import errors\nfrom pipeline.b.deep import two\ndef f(): pass",
        pipeline__b__deep__two="import pipeline.c.three",
        pipeline__b__other__none="",
        pipeline__c__three="from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from pipeline.d.four import T",
        pipeline__d__four="T = int",
        pipeline__core__errors="",
    )
    assert packages_of("stages.work", root=root) == ["pipeline/a", "pipeline/b/deep", "pipeline/c"]


def test_re_exported_names_lead_to_their_definition(tmp_path: Path) -> None:
    """Who imports a name from a package that passes it on depends on the module that defines it, not on the passer."""
    root = write(
        tmp_path,
        stages__work="from pipeline import Shown",
        pipeline__a__one="from pipeline.b.two import Real as Between",
        pipeline__b__two="class Real: pass",
        pipeline__c__three="from pipeline.d.four import other",
        pipeline__d__four="other = 1",
    )
    (root / "pipeline" / "__init__.py").write_text(
        "from pipeline.a.one import Between as Shown\nfrom pipeline.c.three import x"
    )
    assert packages_of("stages.work", root=root) == ["pipeline/b"]


@pytest.mark.parametrize(
    "line", ["from pipeline.a.one import absent", "from pipeline.a import absent", "import pipeline.absent"]
)
def test_an_unknown_name_fails(tmp_path: Path, line: str) -> None:
    """A misspelt import is no dependency that is silently left out."""
    root = write(tmp_path, stages__work=line, pipeline__a__one="def f():\n    absent = 1")
    with pytest.raises(UnknownImport, match="absent"):
        packages_of("stages.work", root=root)


def test_the_digest_covers_data_files_beside_the_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fitted weights and templates decide bytes as code does; what Python caches does not."""
    root = write(tmp_path, pipeline__a__one="")
    monkeypatch.setattr("pipeline.core.code_dependencies.ROOT", root)
    monkeypatch.setattr(packages_of, "__kwdefaults__", {"root": root})
    seen = {code_digest("pipeline.a.one")}
    (root / "pipeline" / "a" / "weights.json").write_text("1")
    seen.add(code_digest("pipeline.a.one"))
    (root / "pipeline" / "a" / "weights.json").write_text("2")
    seen.add(code_digest("pipeline.a.one"))
    (root / "pipeline" / "a" / "__pycache__").mkdir()
    (root / "pipeline" / "a" / "__pycache__" / "one.pyc").write_text("")
    assert code_digest("pipeline.a.one") in seen
    assert len(seen) == 3
