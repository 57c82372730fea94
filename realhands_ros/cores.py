"""Cores: work shared between them, or a process kept to one of them."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba import int64
from numba.extending import intrinsic
from threadpoolctl import threadpool_limits

# Share work between the cores without waiting for a core that is busy.
#
# The threads take the next task from a counter. The caller works too, and waits only for helpers
# that have begun: on a machine whose other core is taken by another process the caller simply does
# all of the work, where a parallel loop with a barrier would wait for the scheduler, 4 ms and
# more. Needs no threading library and keeps working, on one core, in a forked process.

# More threads than this gain nothing on the one or two small images a call handles.
MAX_THREADS = 4

_num_helpers = min(len(os.sched_getaffinity(0)), MAX_THREADS) - 1
_pool = ThreadPoolExecutor(max(_num_helpers, 1), thread_name_prefix='realhands-work')


def _next_task(typing_context, counter_address):  # type: ignore[no-untyped-def]
    """Return the number of the next task (int64) and count it as taken, for use in kernels."""

    def codegen(context, builder, signature, args):  # type: ignore[no-untyped-def]
        pointer = builder.inttoptr(args[0], ir.IntType(64).as_pointer())
        return builder.atomic_rmw('add', pointer, ir.Constant(ir.IntType(64), 1), 'monotonic')

    return int64(int64), codegen


next_task: Any = intrinsic(_next_task)


def run_shared(kernel: Callable[..., None], *args: Any) -> None:
    """
    Run ``kernel(*args, counter_address)`` on all cores.

    The kernel must release the GIL and take tasks by ``next_task(counter_address)`` until the
    number is past its last; tasks must not write to the same place.
    """
    counter = np.zeros(1, dtype=np.int64)
    address = counter.ctypes.data
    helpers = [_pool.submit(kernel, *args, address) for _ in range(_num_helpers)]
    kernel(*args, address)
    for helper in helpers:
        if not helper.cancel():
            helper.result()


# Keep a worker process to one core: several of them share the machine, and sums keep order.


def use_one_core() -> None:
    """Make torch, OpenCV and the BLAS of numpy and scipy compute on one thread from now on."""
    # Imported here: the processes that share work do without PyTorch.
    import cv2
    import torch

    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    # BLAS threads that wait for small matrices spin, which costs the other processes their core.
    threadpool_limits(1)
