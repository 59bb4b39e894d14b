"""The two calls of PKCS#11 that python-pkcs11 does not make the way threads need them.

It calls C_Initialize without arguments, which tells the library that one thread alone will call it: a pool then
crashes the process.  Here C_Initialize says CKF_OS_LOCKING_OK.  The functions are found through C_GetFunctionList,
because some libraries export nothing else.
"""

from __future__ import annotations

import ctypes
import sys

CKR_OK = 0x000
CKR_ARGUMENTS_BAD = 0x007
CKR_CANT_LOCK = 0x00A
CKR_CRYPTOKI_NOT_INITIALIZED = 0x190
CKR_CRYPTOKI_ALREADY_INITIALIZED = 0x191

_CKF_OS_LOCKING_OK = 0x2
_C_INITIALIZE = 0  # places in CK_FUNCTION_LIST
_C_FINALIZE = 1
_ENTRIES = 68

_Function = ctypes.CFUNCTYPE(ctypes.c_ulong, ctypes.c_void_p)


class _InitializeArguments(ctypes.Structure):
    """CK_C_INITIALIZE_ARGS: four mutex callbacks (none: the system's are used), flags, a reserved pointer."""

    _pack_ = 1 if sys.platform == "win32" else 0
    _fields_ = (
        ("create_mutex", ctypes.c_void_p),
        ("destroy_mutex", ctypes.c_void_p),
        ("lock_mutex", ctypes.c_void_p),
        ("unlock_mutex", ctypes.c_void_p),
        ("flags", ctypes.c_ulong),
        ("reserved", ctypes.c_void_p),
    )


class _FunctionList(ctypes.Structure):
    """CK_FUNCTION_LIST: the version, then a pointer a function."""

    _pack_ = 1 if sys.platform == "win32" else 0
    _fields_ = (("major", ctypes.c_ubyte), ("minor", ctypes.c_ubyte), ("entries", ctypes.c_void_p * _ENTRIES))


class Cryptoki:
    """C_Initialize and C_Finalize of one loaded PKCS#11 library."""

    __slots__ = ("_library", "_table")

    def __init__(self, path: str) -> None:
        """Load the library.  Raises OSError (no such library) and AttributeError (it is no PKCS#11 library)."""
        self._library = ctypes.CDLL(path)
        table = ctypes.POINTER(_FunctionList)()
        self._library.C_GetFunctionList.restype = ctypes.c_ulong
        if self._library.C_GetFunctionList(ctypes.byref(table)) != CKR_OK or not table:
            msg = "C_GetFunctionList gives no functions"
            raise AttributeError(msg)
        self._table = table.contents

    def initialize(self, *, threads: bool) -> int:
        """Call C_Initialize, for several threads or for one; returns its CK_RV."""
        arguments = _InitializeArguments(flags=_CKF_OS_LOCKING_OK)
        return self.call(_C_INITIALIZE, ctypes.addressof(arguments) if threads else None)

    def finalize(self) -> int:
        """Call C_Finalize: every session of this process ends; returns its CK_RV."""
        return self.call(_C_FINALIZE, None)

    def entry(self, place: int) -> int:
        """Return the address of the function at a place in the list."""
        return int(self._table.entries[place])

    def call(self, place: int, argument: int | None) -> int:
        """Call the function at a place in the list that takes one pointer or number; returns its CK_RV."""
        return int(_Function(self.entry(place))(argument))
