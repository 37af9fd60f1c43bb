"""The C library, by ctypes."""

import ctypes
import ctypes.util
import json
import os
import threading
import weakref
from typing import Any, Dict, Optional, Tuple, Union

from .codec import dumps, from_plain
from .model import Host, Plan, Request

#: The library's file, where the system's loader does not find `libhomenode.so` by itself.
LIBRARY_VARIABLE = "HOMENODE_LIBRARY"

ERROR_UNKNOWN = -3
ERROR_LIMIT = -5
ERROR_MEMORY = -6


class InputError(ValueError):
    """What is wrong with a host or a request: where it is, what was expected there and what was found."""

    def __init__(self, part: str, where: str, expected: str, got: str) -> None:
        super().__init__(f"{': '.join(text for text in (part, where) if text)}: expected {expected}, got {got}")
        #: `host`, `request` or `options`.
        self.part = part
        self.where = where
        self.expected = expected
        self.got = got


class LibraryError(RuntimeError):
    """The library is not there, or cannot go on."""


def _load() -> ctypes.CDLL:
    name = os.environ.get(LIBRARY_VARIABLE) or ctypes.util.find_library("homenode") or "libhomenode.so"
    try:
        library = ctypes.CDLL(name)
    except OSError as error:
        raise LibraryError(f"no library: {error}; {LIBRARY_VARIABLE} may name its file") from error
    pointer, size, whole = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int32
    library.homenode_json_new.restype = pointer
    library.homenode_json_free.argtypes = [pointer]
    library.homenode_json_free.restype = None
    out = [ctypes.POINTER(pointer), ctypes.POINTER(size)]
    library.homenode_json_plan.argtypes = [pointer, ctypes.c_char_p, size, ctypes.c_char_p, size, whole, whole, *out]
    library.homenode_json_plan.restype = whole
    library.homenode_planner_new.restype = pointer
    library.homenode_planner_free.argtypes = [pointer]
    library.homenode_planner_free.restype = None
    library.homenode_call.argtypes = [pointer, ctypes.c_char_p, ctypes.POINTER(ctypes.c_double), size]
    library.homenode_call.restype = ctypes.c_double
    return library


_library: Optional[ctypes.CDLL] = None


def _loaded() -> ctypes.CDLL:
    global _library
    if _library is None:
        _library = _load()
    return _library


def _text(value: Any) -> bytes:
    if isinstance(value, bytes):
        return value
    return (value if isinstance(value, str) else dumps(value)).encode("utf-8", "surrogatepass")


class _Instance:
    """What the library has made, until nothing refers to it any more: copies of a planner have it in common. `lock` is held while it is used."""

    def __init__(self, address: Optional[int], free: Any) -> None:
        if not address:
            raise LibraryError("no memory for a planner")
        self.address = address
        self.lock = threading.Lock()
        weakref.finalize(self, free, address)


class Planner:
    """Plans one request after the other. Threads that share one wait for each other; with one each they do not."""

    def __init__(self) -> None:
        library = _loaded()
        self._json = _Instance(library.homenode_json_new(), library.homenode_json_free)

    def plan(
        self,
        host: Union[Host, Dict[str, Any], str, bytes],
        request: Union[Request, Dict[str, Any], str, bytes],
        steps: int = 5000,
        seed: int = 1,
    ) -> Plan:
        """Places the request's VMs on the host. VMs that do not fit are in `refused`, with the reasons. Raises InputError."""
        status, answer = self.answer(host, request, steps, seed)
        content = json.loads(answer)
        if status == 1:
            return from_plain(Plan, content)
        error = content["error"]
        raise InputError(error["in"], error["where"], error["expected"], error["got"])

    def answer(self, host: Any, request: Any, steps: int = 5000, seed: int = 1) -> Tuple[int, bytes]:
        """The same as JSON text: (1, a plan) or (0, `{"error": ...}`)."""
        for name, value in (("steps", steps), ("seed", seed)):
            if not isinstance(value, int) or not -(2**31) <= value < 2**31:
                raise InputError("options", name, "a whole number", repr(value))
        first, second = _text(host), _text(request)
        answer, length = ctypes.c_void_p(), ctypes.c_size_t()
        out = [ctypes.byref(answer), ctypes.byref(length)]
        with self._json.lock:
            status = _loaded().homenode_json_plan(self._json.address, first, len(first), second, len(second), steps, seed, *out)
            text = ctypes.string_at(answer.value, length.value) if answer.value else b""
        if status == ERROR_LIMIT:
            raise InputError("", "", "at most 64 MiB of text", f"{len(first) + len(second)} bytes")
        if status < 0:
            raise LibraryError("no memory for this request" if status == ERROR_MEMORY else f"the planner has failed ({status})")
        return status, text


class Calls:
    """The planner as docs/planner-abi.md has it, in numbers: `Calls()("addNode", 0, 1)`."""

    def __init__(self) -> None:
        library = _loaded()
        self._planner = _Instance(library.homenode_planner_new(), library.homenode_planner_free)

    def __call__(self, name: str, *numbers: float) -> float:
        """A value, or below 0 a status."""
        # C would take the name to end at a zero.
        if "\0" in name:
            return float(ERROR_UNKNOWN)
        array = (ctypes.c_double * len(numbers))(*numbers)
        with self._planner.lock:
            return float(_loaded().homenode_call(self._planner.address, name.encode("utf-8", "replace"), array, len(numbers)))
