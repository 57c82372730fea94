"""
Room for signal handlers on processors with AMX.

OpenVINO gives the thread that compiles a network an alternate signal stack of 8 KB and the
kernel's minimum, and so does Python's faulthandler. On a processor with AMX the state that is
saved when a signal arrives takes more than that once AMX has been used: Ctrl-C then ends in a
segmentation fault.
"""

from __future__ import annotations

import ctypes
import mmap
import sys

# Several times what AMX's state takes: 8 KB of tiles, and as much when a symbol is resolved.
_ROOMY = 256 * 1024
_SS_DISABLE = 2


class _Stack(ctypes.Structure):
    """The C library's stack_t, as on Linux."""

    _fields_ = (
        ('pointer', ctypes.c_void_p),
        ('flags', ctypes.c_int),
        ('size', ctypes.c_size_t),
    )


# Given away for good: a signal may come at any time.
_given: list[mmap.mmap] = []


def widen_signal_stack() -> None:
    """Replace this thread's alternate signal stack by a roomy one, if it has a small one."""
    if sys.platform != 'linux':
        return
    library = ctypes.CDLL(None)
    found = _Stack()
    if library.sigaltstack(None, ctypes.byref(found)) != 0:
        return
    if found.flags & _SS_DISABLE or found.size >= _ROOMY:
        return
    memory = mmap.mmap(-1, _ROOMY)
    address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    if library.sigaltstack(ctypes.byref(_Stack(address, 0, _ROOMY)), None) == 0:
        _given.append(memory)
