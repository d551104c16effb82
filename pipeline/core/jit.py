"""Compile functions over arrays and numbers to machine code with numba.

The machine code is cached on disk for later processes: in `NUMBA_CACHE_DIR`, next to the source file, or in the user's
cache folder, the first of these that is writable. numba discards cached code only if the source file of the function
has changed. Here it is also discarded if any file of `pipeline` outside `core` that the function's module
imports has changed, because the code and constants of other modules are compiled into the function.
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
"""Seconds to compile one entry point and the functions it calls, measured on a CPU core of 2023."""

_entry_points: dict[str, list[tuple[Any, tuple[Any, ...]]]] = {}
"""Name of a module -> its functions marked with `entry_point`, each with its argument types."""


class _WithDigest:
    """Mixin for cache locators whose source stamp is a digest of all imported source files, not a file's time."""

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
        """Tell whether the machine code for these argument types is on disk."""
        target.refresh()
        return self._cache_file.load(self._index_key(signature, target.codegen())) is not None


def compiled(function: F) -> F:
    """Compile a function at its first call and cache the machine code for later processes.

    The function releases Python's global lock, runs in one thread, and returns inf or nan on division by zero, as numpy
    does. The code is not cached if the function is outside `pipeline` or no cache folder is writable.
    """
    made: Any = numba.njit(nogil=True, error_model="numpy")(function)
    if function.__module__.startswith("pipeline."):
        with contextlib.suppress(RuntimeError):  # no cache folder can be written
            made._cache = _Cache(function)
    result: F = made
    return result


def entry_point(arguments: str) -> Callable[[F], F]:
    """Apply `compiled` to a function that Python code calls, and register it for `compile_ahead`.

    Args:
        arguments: the argument types that `compile_ahead` compiles for, in numba's notation, such as
            `(uint8[:,:,::1], int64)`; `Array(uint8, 4, 'C', True)` is read-only. For other types, each process compiles
            the function at its first call.
    """

    def register(function: F) -> F:
        made: Any = compiled(function)
        types, _ = numba.core.sigutils.normalize_signature(arguments)
        _entry_points.setdefault(function.__module__, []).append((made, types))
        result: F = made
        return result

    return register


def compile_ahead(*functions: Callable[..., Any]) -> None:
    """Compile the entry points that are not cached on disk yet, so that worker processes only load them.

    Call this before workers are started. If there is anything to compile, one line is printed.

    Args:
        functions: functions; all entry points of the modules that define them are compiled.
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
