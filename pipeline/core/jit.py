"""Functions over arrays and numbers, compiled to machine code by numba.

Machine code is kept on disk for later processes: in `NUMBA_CACHE_DIR`, beside the source, or in the user's cache
folder, the first of these that can be written. numba alone compares the source file of the function; here it compares
all files that the function's module imports from `pipeline`, because code and constants of other modules are compiled
into it.
"""

import contextlib
from collections.abc import Callable
from typing import Any, TypeVar

import numba
from numba.core import caching

from pipeline.core import progress
from pipeline.core.code_dependencies import source_digest

F = TypeVar("F", bound=Callable[..., Any])

_SECONDS_EACH = 1.2
"""Time to compile one entry point with what it calls, measured on a processor core of 2023."""

_entry_points: dict[str, list[tuple[Any, tuple[Any, ...]]]] = {}
"""By module: compiled functions that Python code calls, each with its argument types."""


class _WithDigest:
    """Part of a cache locator: names the state of the source code."""

    def __init__(self, py_func: Callable[..., Any], py_file: str) -> None:
        super().__init__(py_func, py_file)  # type: ignore[call-arg]
        self._module = py_func.__module__

    def get_source_stamp(self) -> tuple[str, str]:
        return source_digest(self._module), source_digest(__name__)


class _GivenFolder(_WithDigest, caching.UserProvidedCacheLocator):
    pass


class _BesideSource(_WithDigest, caching.InTreeCacheLocator):
    pass


class _UserFolder(_WithDigest, caching.UserWideCacheLocator):
    pass


class _Files(caching.CompileResultCacheImpl):
    _locator_classes = [_GivenFolder, _BesideSource, _UserFolder]  # noqa: RUF012


class _Cache(caching.FunctionCache):
    _impl_class = _Files

    def holds(self, signature: tuple[Any, ...], target: Any) -> bool:
        """Whether machine code for these argument types is on disk."""
        target.refresh()
        return self._cache_file.load(self._index_key(signature, target.codegen())) is not None


def compiled(function: F) -> F:
    """Compile a function when it is first called, and keep the result for later processes.

    It runs without Python's lock, in one thread, and divides as numpy does. A function outside `pipeline`, and every
    function where no cache folder can be written, is compiled again by each process.
    """
    made: Any = numba.njit(nogil=True, error_model="numpy")(function)
    if function.__module__.startswith("pipeline."):
        with contextlib.suppress(RuntimeError):  # numba found no folder that can be written
            made._cache = _Cache(function)
    result: F = made
    return result


def entry_point(arguments: str) -> Callable[[F], F]:
    """Like `compiled`, for a function that Python code calls: `compile_ahead` compiles it for these argument types.

    Args:
        arguments: types in numba's notation, such as `(uint8[:,:,::1], int64)`. For other types the function is
            compiled at its first call, by each process that calls it.
    """

    def register(function: F) -> F:
        made: Any = compiled(function)
        types, _ = numba.core.sigutils.normalize_signature(arguments)
        _entry_points.setdefault(function.__module__, []).append((made, types))
        result: F = made
        return result

    return register


def compile_ahead(*functions: Callable[..., Any]) -> None:
    """Compile what is not on disk yet of the entry points of some modules, so that worker processes only load it.

    Call it before workers are started. Prints one line if there is something to compile.

    Args:
        functions: of these functions, the modules.
    """
    missing = []
    for module in sorted({function.__module__ for function in functions}):
        for function, types in _entry_points[module]:
            cache = function._cache
            loaded = types in function.overloads
            if isinstance(cache, _Cache) and not loaded and not cache.holds(types, function.targetctx):
                missing.append((function, types))
    if not missing:
        return
    seconds = max(1, round(_SECONDS_EACH * len(missing)))
    progress.say(f"compiling {len(missing)} functions for this machine, about {seconds} s, once")
    for function, types in missing:
        function.compile(types)
