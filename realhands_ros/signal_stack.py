"""
A signal stack that stays.

OpenVINO gives the thread that compiles a network an alternate signal stack of some 11 KB. Signals
that came after networks had been compiled and freed (Ctrl-C, with OpenVINO 2026.4) ended in a
segmentation fault within the handler. On a roomy stack that nobody frees they do not.
"""

from __future__ import annotations

import ctypes
import mmap
import sys
import threading

# Registers of any processor fit in many times: AMX's tiles alone are 8 KB.
_ROOMY = 256 * 1024
_SS_DISABLE = 2


class _Stack(ctypes.Structure):
    """The C library's stack_t, as on Linux."""

    _fields_ = (
        ('pointer', ctypes.c_void_p),
        ('flags', ctypes.c_int),
        ('size', ctypes.c_size_t),
    )


# Never freed: a signal may come at any time.
_stacks: dict[int, mmap.mmap] = {}


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
    memory = _stacks.setdefault(threading.get_ident(), mmap.mmap(-1, _ROOMY))
    address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    library.sigaltstack(ctypes.byref(_Stack(address, 0, _ROOMY)), None)
