"""Which code decides the bytes of some work: derived from imports, for `dvc.yaml` and for the digest of resumable work.

The unit is the innermost package: a folder of `pipeline/` that holds modules and no further packages. Work depends on a
package as a whole, data files such as templates and fitted weights included, when its module reaches any module of that
package by imports, those inside functions too. Imports under `if TYPE_CHECKING:` do not run, so they do not count.
`pipeline/core` decides no byte and is left out.

Families of models are named by strings and imported lazily, so that adding a family reruns nothing: a module that
loads one by name passes that name to `code_digest` as well.
"""

import ast
import functools
import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
"""The folder that holds `pipeline/` and `stages/`."""

EXEMPT = "pipeline/core"

_NOT_CODE = {"__pycache__"}


class UnknownImport(Exception):
    """An import of a name that its module does not have."""


def packages_of(*modules: str) -> list[str]:
    """The packages that modules depend on, as paths relative to the root such as `pipeline/dedup/index`, sorted.

    Args:
        modules: dotted names, such as `pipeline.dedup.search.find_pairs` or `stages.find_pairs`.

    Raises:
        UnknownImport: a module is not there, or a name that is imported from one is not.
    """
    seen: set[str] = set()
    waiting = list(modules)
    while waiting:
        module = waiting.pop()
        if module not in seen:
            seen.add(module)
            waiting += _imports(module)
    folders = {_file(module).parent.relative_to(ROOT).as_posix() for module in seen}
    return sorted(folder for folder in folders if folder.startswith("pipeline/") and folder != EXEMPT)


def code_digest(*modules: str) -> str:
    """SHA-256 (64 hex characters) of all code that decides the bytes of some modules' work.

    Unfinished work is resumed by the same code only.

    Args:
        modules: dotted names: the caller's `__name__`, and those of what it loads by name.
    """
    return _digest(packages_of(*modules))


def all_code_digest() -> str:
    """SHA-256 (64 hex characters) of all of `pipeline/`."""
    return _digest(["pipeline"])


@functools.cache
def _digest_of_file(path: Path, size: int, changed: int) -> bytes:
    return hashlib.sha256(path.read_bytes()).digest()


def _digest(folders: Iterable[str]) -> str:
    total = hashlib.sha256()
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*")):
            if path.is_file() and not _NOT_CODE & set(path.parts):
                status = path.stat()
                total.update(path.relative_to(ROOT).as_posix().encode() + b"\0")
                total.update(_digest_of_file(path, status.st_size, status.st_mtime_ns))
    return total.hexdigest()


def _file(module: str) -> Path:
    """The file of a module; for a package its `__init__.py`."""
    path = ROOT.joinpath(*module.split("."))
    for file in (path / "__init__.py", path.with_suffix(".py")):
        if file.is_file():
            return file
    raise UnknownImport(f"{module}: no such module")


@functools.cache
def _tree(module: str) -> ast.Module:
    return ast.parse(_file(module).read_bytes())


def _imports(module: str) -> list[str]:
    """The modules of `pipeline` that a module imports; re-exported names count as those of the module that has them."""
    found: list[str] = []
    for node in _running(_tree(module)):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names if _is_ours(alias.name)]
        elif isinstance(node, ast.ImportFrom) and node.module and _is_ours(node.module):
            found += [_origin(node.module, alias.name) for alias in node.names]
    return found


def _is_ours(name: str) -> bool:
    return name.partition(".")[0] == "pipeline"


def _running(node: ast.AST) -> Iterator[ast.AST]:
    """All nodes of a tree but those under `if TYPE_CHECKING:`."""
    yield node
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and isinstance(child.test, ast.Name) and child.test.id == "TYPE_CHECKING":
            for other in child.orelse:
                yield from _running(other)
        else:
            yield from _running(child)


def _origin(module: str, name: str) -> str:
    """The module that has what `from module import name` gives."""
    path = ROOT.joinpath(*module.split("."))
    if (path / f"{name}.py").is_file() or (path / name / "__init__.py").is_file():
        return f"{module}.{name}"
    for node in _tree(module).body:
        if isinstance(node, ast.ImportFrom) and node.module and _is_ours(node.module):
            for alias in node.names:
                if (alias.asname or alias.name) == name:
                    return _origin(node.module, alias.name)
    if name not in _defined(module):
        raise UnknownImport(f"from {module} import {name}: {module} has no such name")
    return module


@functools.cache
def _defined(module: str) -> frozenset[str]:
    """Names that a module gives at its top level."""
    names: set[str] = set()
    for node in ast.walk(_tree(module)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, ast.Import):
            names.update(alias.asname or alias.name.partition(".")[0] for alias in node.names)
    return frozenset(names)
