"""One process, or several under torchrun."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel


@dataclass(frozen=True)
class Processes:
    """The number of this process among ``count``, and the device it uses."""

    rank: int
    count: int
    device: torch.device

    @property
    def is_first(self) -> bool:
        """Return whether this process writes logs and checkpoints."""
        return self.rank == 0

    def wrap(self, module: nn.Module) -> nn.Module:
        """Return the module so that gradients are averaged over all processes."""
        if self.count == 1:
            return module
        return DistributedDataParallel(module)

    def any_of(self, flag: bool) -> bool:
        """Return whether ``flag`` holds in any of the processes; all of them must ask."""
        if self.count == 1:
            return flag
        told = torch.tensor([float(flag)], device=self.device)
        torch.distributed.all_reduce(told, torch.distributed.ReduceOp.MAX)
        return bool(told.item())


@contextmanager
def processes(device: str) -> Iterator[Processes]:
    """Join the group that torchrun has set up, if it has; leave it at the end."""
    count = int(os.environ.get('WORLD_SIZE', '1'))
    if count == 1:
        yield Processes(0, 1, torch.device(device))
        return
    local = int(os.environ.get('LOCAL_RANK', '0'))
    is_cuda = torch.device(device).type == 'cuda'
    own = torch.device('cuda', local) if is_cuda else torch.device(device)
    if is_cuda:
        torch.cuda.set_device(own)
    torch.distributed.init_process_group('nccl' if is_cuda else 'gloo')
    try:
        yield Processes(torch.distributed.get_rank(), count, own)
    finally:
        torch.distributed.destroy_process_group()
