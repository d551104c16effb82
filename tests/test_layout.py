"""The rules of the layout in docs/architecture.md."""

import ast
import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest
import typer

import pipeline
from pipeline.core.params import GROUPS, read_yaml
from stages.__main__ import COMMANDS

ROOT = Path(__file__).parents[1]
ORDER = [
    *("core", "seeding", "intervals", "csv_text"),
    *("imageset.format", "imageset.append", "imageset.image_grid", "imageset.torch_dataset"),
    *("readers", "datasets.published", "datasets.labelled", "datasets.pictures"),
    *("acquire.config", "miniature", "acquire.download", "acquire.archives", "acquire.url_list", "acquire.preflight"),
    *("prepare.decode", "prepare.resize", "prepare.conversion", "prepare.squares", "prepare.faces"),
    *("training.checkpoint", "training.distributed", "training.divergence", "training.feeder", "training.averaging"),
    *("training.tensorboard", "training.loop", "training.matrix_convolution", "training.runtime"),
    *("dedup.encoder", "dedup.pairs", "dedup.index", "dedup.scoring", "dedup.search"),
    *("dedup.originals", "dedup.decision", "dedup.results", "dedup.recall"),
    *("models.base", "models.registry", "models.dcgan"),
    *("evaluate.linear_probe", "evaluate.sample_quality", "figures.samples", "figures.latent_walk"),
    *("audit", "webapp", "review.duplicates", "review.samples", "export", "report", "metrics", "setup", "workflows"),
]
"""The innermost packages of `pipeline/`, from left to right: each imports from packages to its left only."""
PUBLIC = ROOT / "pipeline" / "__init__.py"
LIBRARY = sorted(path for path in (ROOT / "pipeline").rglob("*.py") if path != PUBLIC)
SHIPPED = ("lsun", "imagenet", "faces", "cifar10", "svhn", "mnist")
STAGES = sorted(path for path in (ROOT / "stages").glob("*.py") if not path.name.startswith("__"))
PROFILES = {name: read_yaml(ROOT / "profiles" / f"{name}.yaml") for name in ("miniature", "workstation", "paper")}


def imports(path: Path) -> set[str]:
    """Dotted names of everything that a file imports, at any depth; `from a import b` gives both a and a.b."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found.add(node.module or "")
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
    return found


def package_of(path: Path) -> str:
    """The innermost package of a file of the library, such as `dedup.index`; empty for `pipeline/__init__.py`."""
    return ".".join(path.relative_to(ROOT / "pipeline").parts[:-1])


def package_named(imported: str) -> str | None:
    """The package in `ORDER` that a dotted name lies in; None for a package that only holds packages."""
    parts = imported.split(".")[1:]
    return next((".".join(parts[:n]) for n in (1, 2) if ".".join(parts[:n]) in ORDER), None)


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", LIBRARY, ids=name)
def test_the_library_imports_only_to_the_left(path: Path) -> None:
    """Data flows one way: a package imports from itself and from packages before it, and nothing of commands."""
    package = package_of(path)
    for imported in imports(path):
        assert imported.split(".")[0] not in ("stages", "typer", "dvc"), f"{name(path)} imports {imported}"
        other = package_named(imported) if imported.startswith("pipeline.") else None
        if other is None:
            continue
        assert package in ORDER, f"{name(path)}: only innermost packages hold code"
        assert ORDER.index(other) <= ORDER.index(package), f"{name(path)} imports {imported}, which is to its right"
        assert other != "miniature" or package == "miniature", f"{name(path)}: only the stages that draw import it"


def test_code_lies_in_the_innermost_packages_alone() -> None:
    """A package that holds packages has no module of its own, so that a dependency on one is a dependency on it all."""
    packages = {package_of(path) for path in LIBRARY} - {""}
    assert packages - set(ORDER) == {outer.partition(".")[0] for outer in ORDER if "." in outer}
    assert set(ORDER) <= packages
    for outer in packages - set(ORDER):
        folder = ROOT / "pipeline" / outer
        assert [path.name for path in folder.glob("*.py")] == ["__init__.py"], outer
        assert (folder / "__init__.py").read_text() == "", outer


def test_no_package_imports_private_names_of_another() -> None:
    """A leading underscore means: of this module alone."""
    for path in LIBRARY + STAGES:
        for imported in imports(path):
            private = imported.startswith("pipeline.") and any(part.startswith("_") for part in imported.split("."))
            assert not private, f"{name(path)} imports {imported}"


def test_there_is_no_import_cycle() -> None:
    """Modules can be read, and loaded, one after the other."""
    names = {path: ".".join(path.relative_to(ROOT).with_suffix("").parts) for path in LIBRARY}
    modules = {module.removesuffix(".__init__"): path for path, module in names.items()}
    needs = {module: (imports(path) & set(modules)) - {module} for module, path in modules.items()}
    while ready := {module for module, others in needs.items() if not others}:
        needs = {module: others - ready for module, others in needs.items() if module not in ready}
    assert not needs


@pytest.mark.parametrize("path", [path for path in LIBRARY + STAGES if path.stat().st_size], ids=name)
def test_modules_are_not_too_long(path: Path) -> None:
    """One concept a module, which may be one algorithm of 600 lines."""
    assert len(path.read_text().splitlines()) <= 600


@pytest.mark.parametrize("path", STAGES, ids=name)
def test_stages_are_thin(path: Path) -> None:
    """A stage parses options and calls one library function: it loops over nothing."""
    tree = ast.parse(path.read_text())
    loops = [node for node in ast.walk(tree) if isinstance(node, ast.For | ast.While)]
    assert path.name == "common.py" or not loops, f"{name(path)}: line {loops[0].lineno if loops else 0} has a loop"


def test_dangerous_calls_are_absent() -> None:
    """Nothing unpickles, evaluates or shells out on what it reads."""
    pattern = re.compile(
        r"pickle\.loads?\(|torch\.load\((?!.*weights_only=True)|yaml\.load\(|shell=True|(?<![.\w])(eval|exec)\("
    )
    for path in LIBRARY + STAGES:
        for number, line in enumerate(path.read_text().splitlines(), 1):
            assert not pattern.search(line), f"{name(path)}:{number}: {line.strip()}"


def test_one_way_to_read_an_lmdb_and_no_global_chance() -> None:
    """`lmdb.open` for reading is called in one place, without locks; random numbers come from named generators."""
    readers = [
        name(p) for p in LIBRARY if "lmdb.open(" in p.read_text() and package_of(p) not in ("miniature", "export")
    ]
    assert readers == ["pipeline/readers/lmdb_reader.py"]
    pattern = re.compile(r"np\.random\.(seed|rand|randn|randint|shuffle|permutation|choice)\(|torch\.manual_seed\(")
    for path in LIBRARY:
        assert not pattern.search(path.read_text()), name(path)


def test_every_command_is_listed_with_its_own_words() -> None:
    """The list in `stages/__main__.py`, which lets `dcgan --help` run without torch, has each command's own summary."""
    modules = {path.stem.replace("_", "-") for path in STAGES} - {"common"}
    assert modules == set(COMMANDS)
    for command, summary in COMMANDS.items():
        module = importlib.import_module(f"stages.{command.replace('-', '_')}")
        assert typer.main.get_command(module.app).help.splitlines()[0] == summary, command


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_has_help(command: str) -> None:
    """A command without help, or an option without, is not finished."""
    module = importlib.import_module(f"stages.{command.replace('-', '_')}")
    for option in typer.main.get_command(module.app).params:
        assert option.help, f"{command}: {option.name} has no help"


def test_the_commands_page_is_current() -> None:
    """docs/commands.md is what `make docs` writes."""
    page = subprocess.run(
        [sys.executable, "docs/make_commands.py", "--print"], cwd=ROOT, capture_output=True, text=True
    )
    assert page.stdout == (ROOT / "docs" / "commands.md").read_text(), "run `make docs`"


def test_help_is_quick_and_needs_no_torch() -> None:
    """`dcgan --help` imports neither torch nor any stage; so it answers at once."""
    slow = {"torch", "numpy", "numba", "cv2", "pyarrow", "pydantic", "rich"}
    code = (
        "import contextlib, sys\nfrom stages.__main__ import app\nwith contextlib.suppress(SystemExit): app(['-h'])\n"
        f"print({slow} & set(sys.modules))"
    )
    printed = subprocess.check_output([sys.executable, "-c", code], cwd=ROOT, text=True).splitlines()
    assert printed[0].startswith("Usage") and printed[-1] == "set()"


def test_the_public_names_are_lazy_and_inner_code_does_not_use_them() -> None:
    """`import pipeline` needs neither numpy nor torch; every public name is found, and listed."""
    code = "import pipeline, sys; print({'torch', 'numpy', 'pydantic'} & set(sys.modules), dir(pipeline))"
    printed = subprocess.check_output([sys.executable, "-c", code], cwd=ROOT, text=True)
    assert printed.startswith("set()")
    for public in pipeline.__all__:
        assert repr(public) in printed and getattr(pipeline, public).__name__ == public
        assert getattr(pipeline, public).__doc__
    for path in LIBRARY + STAGES:
        assert not imports(path) & {f"pipeline.{public}" for public in pipeline.__all__}, name(path)
    with pytest.raises(AttributeError, match="no attribute 'Image'"):
        pipeline.Image  # noqa: B018


def scalars(value: object, path: str = "") -> dict[str, object]:
    """The leaves of nested mappings by dotted path."""
    if not isinstance(value, dict):
        return {path: value}
    return {k: v for key, child in value.items() for k, v in scalars(child, f"{path}.{key}".lstrip(".")).items()}


@pytest.mark.parametrize("profile", PROFILES)
def test_profiles_have_the_same_keys_and_types(profile: str) -> None:
    """Switching the profile is one word: every profile has every key of the shipped sets, of one type."""
    ours, reference = (
        {key: value for key, value in scalars(PROFILES[name]).items() if key.split(".")[1] in SHIPPED}
        for name in (profile, "miniature")
    )
    assert set(ours) == set(reference)
    for key, value in ours.items():
        assert type(value) is type(reference[key]), f"{profile}: {key}"
    assert set(PROFILES[profile]) <= set(GROUPS)


@pytest.mark.parametrize("profile", PROFILES)
def test_no_parameter_has_a_name_that_dvc_forgets(profile: str) -> None:
    """DVC's run cache leaves parameters named `size` or `nfiles` out of its key, at any depth."""
    for key in scalars(PROFILES[profile]):
        assert not {"size", "nfiles"} & set(key.split(".")), key


def test_every_number_has_its_reason() -> None:
    """Each key of the profiles has a comment at its first use."""
    for profile in PROFILES:
        explained: set[str] = set()
        for line in (ROOT / "profiles" / f"{profile}.yaml").read_text().splitlines():
            match = re.match(r"\s+([a-z_0-9]+): [^&*#]", line)
            if match and "#" in line:
                explained.add(match[1])
            elif match:
                assert match[1] in explained, f"{profile}: {line.strip()} has no reason beside it"


def test_the_project_speaks_of_itself_alone() -> None:
    """No absolute path of a machine in any tracked text file."""
    listed = subprocess.check_output(["git", "ls-files", "-z"], cwd=ROOT, text=True).split("\0")
    pattern = re.compile(r"(^|[\s\"'=(])/(home|Users|root|work)/")
    for file in filter(None, listed):
        path = ROOT / file
        if path.suffix in (".png", ".svg", ".webp") or not path.exists() or path == Path(__file__):
            continue
        assert not pattern.search(path.read_text()), file


def test_links_of_the_docs_lead_somewhere() -> None:
    """Every relative link of a Markdown page names a file that is there, and no placeholder is left."""
    listed = subprocess.check_output(["git", "ls-files", "-z", "*.md"], cwd=ROOT, text=True).split("\0")
    for file in filter(None, listed):
        text = (ROOT / file).read_text()
        assert "@@" not in text, file
        for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text):
            assert (ROOT / file).parent.joinpath(link).exists(), f"{file}: {link}"
