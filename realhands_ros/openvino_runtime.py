"""OpenVINO as both networks here use it: on a CPU, small, beside other processes."""

from __future__ import annotations

import ctypes
import importlib
import importlib.util
import mmap
import os
import sys
import threading
from pathlib import Path
from typing import Any, cast

from realhands_ros.resources import cache_folder

# A signal stack that stays.
#
# OpenVINO gives the thread that compiles a network an alternate signal stack of some 11 KB.
# Signals that came after networks had been compiled and freed (Ctrl-C, with OpenVINO 2026.4) ended
# in a segmentation fault within the handler. On a roomy stack that nobody frees they do not.

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


_TELEMETRY = 'openvino_telemetry'


def has_openvino() -> bool:
    """Return whether OpenVINO is installed."""
    return importlib.util.find_spec('openvino') is not None


def load_openvino() -> Any:
    """
    Return the module ``openvino``; ImportError when it is not installed.

    Its reports of usage to its maker, which nobody is asked about, stay off in this process.
    """
    # OpenVINO goes without the package when it cannot be imported.
    sys.modules.setdefault(_TELEMETRY, cast('Any', None))
    openvino = importlib.import_module('openvino')
    _share_an_array(openvino)
    return openvino


def infer_request(model: Any, *, threads: int | None, precision: str | None = None) -> Any:
    """
    Compile a model for single requests, and return one.

    ``model``: an openvino.Model, or the path of a file. What a file was compiled to is kept for
    the next process, since a node that is started anew must be back soon. ``threads`` None is all
    cores; ``precision`` None is the fastest of the processor, 'f32' exact. Raises RuntimeError
    when the model cannot be compiled.
    """
    # Bound to one core, a network would wait for whichever process is busy there.
    options: dict[str, Any] = {'PERFORMANCE_HINT': 'LATENCY', 'ENABLE_CPU_PINNING': False}
    if threads is not None:
        options['INFERENCE_NUM_THREADS'] = threads
    if precision is not None:
        options['INFERENCE_PRECISION_HINT'] = precision
    if isinstance(model, Path) and (folder := _writable_cache()) is not None:
        options['CACHE_DIR'] = str(folder)
    request = load_openvino().compile_model(model, 'CPU', options).create_infer_request()
    widen_signal_stack()
    return request


def _writable_cache() -> Path | None:
    folder = cache_folder('openvino')
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return None
    return folder if os.access(folder, os.W_OK | os.X_OK) else None


def _share_an_array(openvino: Any) -> None:
    """
    Have a tensor's array made once, in this thread.

    Two threads whose first arrays are made at the same moment wait for each other for ever, one
    for the table of types, the other for the interpreter's lock (OpenVINO 2026.4).
    """
    openvino.Tensor(openvino.Type.f32, openvino.Shape([1])).data  # noqa: B018
