"""Two processes under torchrun train one network."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from realhands_ros.training.distributed import processes

# Each process writes what it ended with; the test compares.
_PROGRAM = """
import os, sys
import torch
from torch import nn
from realhands_ros.training.distributed import processes

torch.manual_seed(0)
with processes('cpu') as group:
    layer = nn.Linear(3, 1)
    model = group.wrap(layer)
    x = torch.full((1, 3), float(group.rank))
    model(x).sum().backward()
    stop = [group.any_of(group.rank == 1), group.any_of(False)]
    state = {'gradient': layer.weight.grad, 'stop': stop, 'first': group.is_first}
    torch.save(state, os.path.join(sys.argv[1], f'{group.rank}.pt'))
"""


@pytest.mark.slow
def test_two_processes_share_gradients_and_the_wish_to_stop(tmp_path):
    program = tmp_path / 'program.py'
    program.write_text(_PROGRAM)
    command = [sys.executable, '-m', 'torch.distributed.run', '--standalone', '--nproc_per_node=2']
    environment = {
        **os.environ,
        'OMP_NUM_THREADS': '1',
        'PYTHONPATH': str(Path(__file__).parents[2]),
    }
    finished = subprocess.run(
        [*command, str(program), str(tmp_path)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr[-2000:]
    first, second = (torch.load(tmp_path / f'{rank}.pt') for rank in range(2))
    # Inputs were 0 and 1: the mean of both gradients.
    assert torch.equal(first['gradient'], torch.full((1, 3), 0.5))
    assert torch.equal(second['gradient'], first['gradient'])
    assert first['stop'] == second['stop'] == [True, False]
    assert first['first']
    assert not second['first']


def test_one_process_needs_no_group():
    with processes('cpu') as group:
        layer = torch.nn.Linear(2, 2)
        assert group.wrap(layer) is layer
        assert group.is_first
        assert group.any_of(True)
        assert not group.any_of(False)
    assert not torch.distributed.is_initialized()
