"""Keep a worker process to one core: several of them share the machine, and sums keep order."""

from __future__ import annotations

from threadpoolctl import threadpool_limits


def use_one_core() -> None:
    """Make torch, OpenCV and the BLAS of numpy and scipy compute on one thread from now on."""
    # Imported here: the processes that share work do without PyTorch.
    import cv2
    import torch

    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    # BLAS threads that wait for small matrices spin, which costs the other processes their core.
    threadpool_limits(1)
