"""Signals find room, whatever alternate stack a library has set up."""

import subprocess
import sys

import pytest

_PROGRAM = """
import ctypes, faulthandler, os, signal
faulthandler.enable()
from realhands_ros.openvino_runtime import widen_signal_stack

class Stack(ctypes.Structure):
    _fields_ = [('p', ctypes.c_void_p), ('flags', ctypes.c_int), ('size', ctypes.c_size_t)]

def size():
    stack = Stack()
    ctypes.CDLL(None).sigaltstack(None, ctypes.byref(stack))
    return stack.size

before = size()
widen_signal_stack()
caught = []
signal.signal(signal.SIGINT, lambda *_: caught.append(1))
os.kill(os.getpid(), signal.SIGINT)
print(before, size(), len(caught))
"""


@pytest.mark.skipif(sys.platform != 'linux', reason='looked at on Linux only')
def test_a_small_stack_is_replaced_and_signals_still_arrive():
    done = subprocess.run(
        [sys.executable, '-c', _PROGRAM], check=True, capture_output=True, text=True
    )
    before, after, caught = map(int, done.stdout.split())
    assert 0 < before < 64 * 1024 < after
    assert caught == 1
