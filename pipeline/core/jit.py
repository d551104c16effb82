"""The one door to machine code: a function over arrays and numbers, compiled by numba when it is first called."""

from collections.abc import Callable
from typing import Any, TypeVar

import numba

F = TypeVar("F", bound=Callable[..., Any])


def compiled(function: F) -> F:
    """Compile a function, and keep the result for the next process.

    It runs without Python's lock, in one thread, and divides as numpy does. Where no folder for the result can be
    written to (neither the package's own nor the user's), each process compiles anew, a second or so.
    """
    options: dict[str, Any] = {"nogil": True, "error_model": "numpy"}
    try:
        made: F = numba.njit(cache=True, **options)(function)
    except RuntimeError:  # numba's word for having found no such folder
        made = numba.njit(**options)(function)
    return made
