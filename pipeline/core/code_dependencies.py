"""The code that a result depends on, derived from imports: for `dvc.yaml` and for the digests of resumable work.

The unit is the innermost package: a folder of `pipeline/` that contains modules and no packages. If a module imports
any module of such a package, directly or through other modules, it depends on the whole package, including data files
such as templates and fitted weights. Imports inside functions count. Imports under `if TYPE_CHECKING:` do not count,
because they do not run. `pipeline/core` is left out, because it has no influence on results.

Model families (for example dcgan) are imported by name at run time. So DVC reruns no stage when a family is added. A
module that loads a family by name passes that name to `code_digest` too.
"""

import ast
import functools
import hashlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2]
"""The folder that contains `pipeline/` and `stages/`."""

EXEMPT = "pipeline/core"


class UnknownImport(Exception):
    """An import names a module, or a name in a module, that does not exist."""


def packages_of(*modules: str, root: Path = ROOT) -> list[str]:
    """The packages that modules depend on, as paths relative to the root such as `pipeline/dedup/index`, sorted.

    Args:
        modules: dotted names of modules, such as `pipeline.dedup.search.find_pairs` or `stages.find_pairs`.
        root: the folder that contains `pipeline/`.

    Raises:
        UnknownImport: an import names something that does not exist.
    """
    folders = {_file(module, root).parent.relative_to(root).as_posix() for module in _reached(modules, root)}
    return sorted(folder for folder in folders if folder.startswith("pipeline/") and folder != EXEMPT)


@functools.cache
def source_digest(module: str) -> str:
    """SHA-256 (64 hex characters) of a module of `pipeline` and of the modules that it imports, except `core`."""
    total = hashlib.sha256()
    for name in sorted(_reached([module], ROOT)):
        if name == module or not name.startswith(EXEMPT.replace("/", ".")):
            total.update(name.encode() + b"\0")
            total.update(hashlib.sha256(_file(name, ROOT).read_bytes()).digest())
    return total.hexdigest()


def _reached(modules: Iterable[str], root: Path) -> set[str]:
    """The given modules and all modules that they import, directly or through other modules."""
    seen: set[str] = set()
    waiting = list(modules)
    while waiting:
        module = waiting.pop()
        if module not in seen:
            seen.add(module)
            waiting += _imports(module, root)
    return seen


def code_digest(*modules: str) -> str:
    """SHA-256 (64 hex characters) of all code that the results of some modules depend on.

    It is part of work digests, so that unfinished work is resumed only with the same code.

    Args:
        modules: dotted names: the caller's `__name__` and the names of modules that it loads at run time.
    """
    return _digest(packages_of(*modules))


@functools.cache
def all_code_digest() -> str:
    """SHA-256 (64 hex characters) of all of `pipeline/`."""
    return _digest(["pipeline"])


def _digest(folders: Iterable[str]) -> str:
    total = hashlib.sha256()
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                total.update(path.relative_to(ROOT).as_posix().encode() + b"\0")
                total.update(hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()


def _file(module: str, root: Path) -> Path:
    """The file of a module; for a package its `__init__.py`."""
    path = root.joinpath(*module.split("."))
    for file in (path / "__init__.py", path.with_suffix(".py")):
        if file.is_file():
            return file
    raise UnknownImport(f"{module}: no such module")


@functools.cache
def _parsed(file: Path) -> ast.Module:
    return ast.parse(file.read_bytes())


@functools.cache
def _imports(module: str, root: Path) -> Sequence[str]:
    """The modules of `pipeline` that a module imports; for a re-exported name, the module that defines it."""
    found: list[str] = []
    for node in _running(_parsed(_file(module, root))):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names if _is_ours(alias.name)]
        elif isinstance(node, ast.ImportFrom) and node.module and _is_ours(node.module):
            found += [_origin(node.module, alias.name, root) for alias in node.names]
    return found


def _is_ours(name: str) -> bool:
    return name.partition(".")[0] == "pipeline"


def _running(node: ast.AST) -> Iterator[ast.AST]:
    """All nodes of a syntax tree except those under `if TYPE_CHECKING:`."""
    yield node
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and isinstance(child.test, ast.Name) and child.test.id == "TYPE_CHECKING":
            for other in child.orelse:
                yield from _running(other)
        else:
            yield from _running(child)


def _origin(module: str, name: str, root: Path) -> str:
    """The module that defines the name which `from module import name` imports."""
    path = root.joinpath(*module.split("."))
    if (path / f"{name}.py").is_file() or (path / name / "__init__.py").is_file():
        return f"{module}.{name}"
    tree = _parsed(_file(module, root))
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and node.module and _is_ours(node.module):
            for alias in node.names:
                if (alias.asname or alias.name) == name:
                    return _origin(node.module, alias.name, root)
    if name not in _defined(tree):
        raise UnknownImport(f"from {module} import {name}: {module} has no such name")
    return module


def _defined(tree: ast.Module) -> set[str]:
    """Names that a module defines at its top level, also within blocks such as `if`."""
    names: set[str] = set()
    waiting: list[ast.AST] = list(tree.body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
            continue
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        if isinstance(node, ast.Import | ast.ImportFrom):
            names.update(alias.asname or alias.name.partition(".")[0] for alias in node.names)
        waiting += ast.iter_child_nodes(node)
    return names
