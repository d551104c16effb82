"""The rules that keep the house in order (docs/architecture.md)."""

import ast
import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from pipeline.params import ROOMS, read_yaml
from stages.__main__ import COMMANDS, app

ROOT = Path(__file__).parent.parent
ORDER = [
    "datasets",
    "miniature",
    "acquire",
    "prepare",
    "dedup",
    "export",
    "audit",
    "dcgan",
    "evaluate",
    "explore",
    "report",
]
LIBRARY = sorted((ROOT / "pipeline").rglob("*.py"))
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


def room_of(path: Path) -> str | None:
    """The room that a file of the library stands in; None on the ground floor."""
    parts = path.relative_to(ROOT / "pipeline").parts
    return parts[0] if len(parts) > 1 else None


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", LIBRARY, ids=name)
def test_the_library_imports_only_to_the_left(path: Path) -> None:
    """Data flows one way: a room knows the rooms before it and the ground floor, and nothing of commands."""
    room = room_of(path)
    for imported in imports(path):
        top, *rest = imported.split(".")
        assert top not in ("stages", "typer", "dvc"), f"{name(path)} imports {imported}"
        if top != "pipeline" or not rest or rest[0] not in ORDER:
            continue
        assert room is not None, f"{name(path)} is on the ground floor and imports the room {rest[0]}"
        assert ORDER.index(rest[0]) <= ORDER.index(room), f"{name(path)} imports {imported}, a room to its right"
        assert rest[0] != "miniature" or room in ("acquire", "miniature"), f"{name(path)} imports the miniature"


def test_every_room_has_its_place() -> None:
    """A new folder needs a place in the order."""
    rooms = {path.name for path in (ROOT / "pipeline").iterdir() if path.is_dir() and (path / "__init__.py").exists()}
    assert rooms <= set(ORDER)


@pytest.mark.parametrize("path", [path for path in LIBRARY + STAGES if path.stat().st_size], ids=name)
def test_modules_are_small(path: Path) -> None:
    """One concept a module: a few screens."""
    assert len(path.read_text().splitlines()) <= 300


@pytest.mark.parametrize("path", STAGES, ids=name)
def test_stages_are_thin(path: Path) -> None:
    """A stage parses options and calls one library function: it loops over nothing."""
    tree = ast.parse(path.read_text())
    loops = [node for node in ast.walk(tree) if isinstance(node, ast.For | ast.While)]
    assert path.name == "common.py" or not loops, f"{name(path)}: line {loops[0].lineno if loops else 0} has a loop"


def test_dangerous_calls_are_absent() -> None:
    """Nothing unpickles, evaluates or shells out on what it reads."""
    pattern = re.compile(r"pickle\.loads?\(|torch\.load\(|yaml\.load\(|shell=True|(?<![.\w])(eval|exec)\(")
    for path in LIBRARY + STAGES:
        for number, line in enumerate(path.read_text().splitlines(), 1):
            assert not pattern.search(line), f"{name(path)}:{number}: {line.strip()}"


def test_one_way_to_read_an_lmdb_and_no_global_chance() -> None:
    """`lmdb.open` for reading stands in one place, without locks; random numbers come from named generators."""
    readers = [name(p) for p in LIBRARY if "lmdb.open(" in p.read_text() and room_of(p) not in ("miniature", "export")]
    assert readers == ["pipeline/datasets/readers.py"]
    pattern = re.compile(r"np\.random\.(seed|rand|randn|randint|shuffle|permutation|choice)\(|torch\.manual_seed\(")
    for path in LIBRARY:
        assert not pattern.search(path.read_text()), name(path)


def test_every_command_is_listed_with_its_own_words() -> None:
    """The umbrella's list, which is there so that help needs no torch, says what the commands say."""
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
    code = "import stages.__main__, sys; print({'torch', 'cv2', 'pyarrow', 'pydantic'} & set(sys.modules))"
    assert subprocess.check_output([sys.executable, "-c", code], cwd=ROOT, text=True).strip() == "set()"
    assert app.info.context_settings == {"help_option_names": ["-h", "--help"]}


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
    assert set(PROFILES[profile]) <= set(ROOMS)


@pytest.mark.parametrize("profile", PROFILES)
def test_no_parameter_has_a_name_that_dvc_forgets(profile: str) -> None:
    """DVC's run cache leaves parameters named `size` or `nfiles` out of its key, at any depth."""
    for key in scalars(PROFILES[profile]):
        assert not {"size", "nfiles"} & set(key.split(".")), key


def test_every_number_has_its_reason() -> None:
    """Each key of the profiles is explained where it first stands."""
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
