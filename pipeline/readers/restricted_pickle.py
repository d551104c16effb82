"""Read pickles without running their code: plain arrays, bytes, text, numbers, lists, tuples, dictionaries, None.

A pickle is a program: it names functions of any module, and the standard reader calls them. Here a name becomes an
inert placeholder, and a call of a placeholder is only recorded. After the whole file has been read, recorded calls that
make an array or bytes are carried out by this module; any other is refused.
"""

import io
import math
import pickle
import pickletools
import re
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.core.errors import CorruptData

_RECONSTRUCT, _FROM_BUFFER, _ARRAY, _DTYPE = "_reconstruct", "_frombuffer", "ndarray", "dtype"
_ENCODE, _BYTES = "encode", "bytes"
_NAMES = {
    "numpy.core.multiarray._reconstruct": _RECONSTRUCT,
    "numpy._core.multiarray._reconstruct": _RECONSTRUCT,
    "numpy.core.numeric._frombuffer": _FROM_BUFFER,  # since protocol 5
    "numpy._core.numeric._frombuffer": _FROM_BUFFER,
    "numpy.ndarray": _ARRAY,
    "numpy.dtype": _DTYPE,
    "_codecs.encode": _ENCODE,  # how protocols 0 to 2 write bytes
    "__builtin__.bytes": _BYTES,  # and how they write empty bytes
    "builtins.bytes": _BYTES,
}
"""The names that a pickle may use, and their meanings."""

_OPERATIONS = {
    *(
        "NONE",
        "NEWTRUE",
        "NEWFALSE",
        "INT",
        "BININT",
        "BININT1",
        "BININT2",
        "LONG",
        "LONG1",
        "LONG4",
        "FLOAT",
        "BINFLOAT",
    ),
    *("STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8"),
    *("SHORT_BINBYTES", "BINBYTES", "BINBYTES8", "BYTEARRAY8"),
    *("EMPTY_LIST", "LIST", "APPEND", "APPENDS", "EMPTY_TUPLE", "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3"),
    *("EMPTY_DICT", "DICT", "SETITEM", "SETITEMS", "MARK", "POP_MARK", "POP", "DUP"),
    *("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE", "GET", "BINGET", "LONG_BINGET"),
    *("GLOBAL", "STACK_GLOBAL", "REDUCE", "BUILD", "PROTO", "FRAME", "STOP"),
}
"""The operations allowed in a pickle of plain data: not those for sets, objects and registered extensions."""

_PUT = ("PUT", "BINPUT", "LONG_BINPUT")
_SCALARS = frozenset((type(None), bool, int, float, str, bytes))
_NUMBERS = re.compile(r"[<>=|]?(b1|[iu][1248]|f[248]|c8|c16)")
_MOST_AXES = 32


class _Refused(Exception):
    """The file requests something that is not plain data. The message completes the sentence "it asks for …"."""


class _Name:
    """Placeholder for something that the file names; it cannot be changed, and calling it only records the call."""

    __slots__ = ("meaning",)

    def __init__(self, meaning: str) -> None:
        self.meaning = meaning

    def __call__(self, *arguments: Any) -> "_Call":
        return _Call(self.meaning, arguments)

    def __setstate__(self, state: Any) -> None:
        raise _Refused(f"a changed {self.meaning}")


class _Call:
    """A recorded call: the called name, its arguments, and the state that the file sets on the result."""

    __slots__ = ("arguments", "meaning", "state")

    def __init__(self, meaning: str, arguments: tuple[Any, ...]) -> None:
        self.meaning, self.arguments = meaning, arguments
        self.state: Any = None

    def __setstate__(self, state: Any) -> None:
        self.state = state


class _Unpickler(pickle.Unpickler):
    def find_class(self, module_name: str, global_name: str, /) -> Any:
        name = f"{module_name}.{global_name}"
        if name not in _NAMES:
            raise _Refused(name)
        return _Name(_NAMES[name])


def read_plain(data: bytes, where: str) -> Any:
    """Read a pickle, of any protocol, that holds plain data only.

    Args:
        data: the pickle; bytes after its end are ignored.
        where: file, and member, for the message.

    Returns:
        None, numbers, text, bytes, arrays (bool, integer, float or complex; possibly read-only), and lists, tuples and
        dictionaries of them. Python 2's strings become text with one character per byte (latin1).

    Raises:
        CorruptData: the data is cut off, is not a pickle, or requests anything else; the message names what.
    """
    try:
        _check_operations(data)
        noted = _Unpickler(io.BytesIO(data), encoding="latin1").load()
        return _Values(len(data)).plain(noted)
    except _Refused as refused:
        what = " ".join(str(refused).split())  # a damaged name may hold line breaks
        raise CorruptData(
            f"{where}: a pickle that asks for {what}; only plain arrays, numbers and text are read, and nothing was "
            "run; get the file again from where it is published"
        ) from None
    except Exception as error:  # a malformed pickle can raise nearly any error
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise CorruptData(f"{where}: cut off, or no pickle ({reason}); download or copy it again") from None


def _check_operations(data: bytes) -> None:
    """Refuse, before anything is built, operations that plain data does not need, and a memo larger than the file."""
    for count, (operation, argument, _) in enumerate(pickletools.genops(data)):
        if operation.name not in _OPERATIONS:
            raise _Refused(f"{operation.name} {'' if argument is None else argument}".strip()[:200])
        # The memo is allocated up to its highest index, so four bytes could request 64 GB.
        if operation.name in _PUT and not (isinstance(argument, int) and argument <= count):
            raise _Refused(f"memo index {argument} after {count} operations")


class _Values:
    """Turns recorded calls into plain values.

    Args:
        budget: maximum number of bytes to copy. A valid file needs at most its own length; a hostile one could have one
            long text copied a thousand times.
    """

    def __init__(self, budget: int) -> None:
        self._budget = budget
        self._known: dict[int, Any] = {}
        self._open: set[int] = set()

    def plain(self, value: Any) -> Any:
        if type(value) in _SCALARS:
            return value
        key = id(value)  # recorded values live as long as this object, so ids stay unique
        if key not in self._known:
            if key in self._open:
                raise _Refused("a list that holds itself")
            self._open.add(key)
            self._known[key] = self._made(value)
            self._open.remove(key)
        return self._known[key]

    def _made(self, value: Any) -> Any:
        if type(value) is list:
            return [self.plain(item) for item in value]
        if type(value) is tuple:
            return tuple([self.plain(item) for item in value])
        if type(value) is dict:
            return {self.plain(key): self.plain(item) for key, item in value.items()}
        if type(value) is _Call:
            return self._called(value)
        raise _Refused(value.meaning if type(value) is _Name else f"a {type(value).__name__}")

    def _called(self, call: _Call) -> Any:
        match call.meaning, call.arguments, call.state:
            case "bytes", (), None:
                return b""
            case "encode", (str(text), "latin1"), None:
                return self._encoded(text)
            case "_reconstruct", (_Name(meaning="ndarray"), _, _), (1, shape, dtype, fortran, raw):
                return self._array(raw, dtype, shape, "F" if fortran else "C")
            case "_frombuffer", (raw, dtype, shape, "C" | "F" as order), None:
                return self._array(raw, dtype, shape, order)
            case "_frombuffer", (raw, dtype, shape, "K", tuple(axes)), None:
                return self._array(raw, dtype, shape, "C").transpose(axes)
        raise _Refused(f"{call.meaning} in an unknown way")

    def _encoded(self, text: str) -> bytes:
        self._budget -= len(text)
        if self._budget < 0:
            raise _Refused("more bytes than it has")
        return text.encode("latin1")

    def _array(self, raw: Any, dtype: Any, shape: Any, order: Any) -> npt.NDArray[Any]:
        """Make an array from raw data, without a copy if the data is of type bytes."""
        kind = _dtype(dtype)
        if type(raw) is str:  # Python 2's
            raw = self._encoded(raw)
        elif type(raw) is not bytearray:
            raw = self.plain(raw)
        if type(shape) is not tuple or len(shape) > _MOST_AXES or not all(type(n) is int and n >= 0 for n in shape):
            raise _Refused(f"an array of shape {str(shape)[:80]}")
        if type(raw) not in (bytes, bytearray) or len(raw) != math.prod(shape) * kind.itemsize:
            found = f"{len(raw)} bytes" if type(raw) in (bytes, bytearray) else f"a {type(raw).__name__}"
            raise _Refused(f"an array of shape {shape} and type {kind} made of {found}")
        return np.ndarray(shape, kind, raw, order=order)


def _dtype(noted: Any) -> np.dtype[Any]:
    match noted:
        case _Call(meaning="dtype", arguments=(str(text), _, _), state=state):
            if not _NUMBERS.fullmatch(text):
                raise _Refused(f"an array of type {text[:40]!r}")
            match state:
                case None:
                    return np.dtype(text)
                case (int(), "<" | ">" | "=" | "|" as order, None, None, None, *_):
                    return np.dtype(text).newbyteorder(order)
    raise _Refused("an array of an unknown type")
