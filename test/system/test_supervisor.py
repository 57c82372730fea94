"""What ends is started again, but for what must not be."""

import os
import signal
import sys
import time

import pytest

from realhands_ros.system.supervisor import Supervisor

PATIENCE_S = 30.0
WAIT = [sys.executable, '-c', 'import time; time.sleep(600)']
END = [sys.executable, '-c', 'raise SystemExit({})']


def poll_until(nodes, is_true):
    end = time.monotonic() + PATIENCE_S
    while not is_true():
        assert time.monotonic() < end
        nodes.poll()
        time.sleep(0.01)


@pytest.mark.parametrize('code', [0, 1])
def test_a_node_that_ends_is_started_again_whatever_its_code(code):
    """SIGTERM, sent by hand, ends a node with code 0."""
    said = []
    command = [*END[:2], END[2].format(code)]
    with Supervisor({'node': command}, os.environ, say=said.append) as nodes:
        first = nodes.processes['node'].pid
        poll_until(
            nodes,
            lambda: (
                nodes.processes.get('node', None) is not None
                and nodes.processes['node'].pid != first
            ),
        )
    assert f'node has ended with code {code}; it is started again' in said[0]


def test_what_runs_once_is_not_started_again():
    said = []
    commands = {'recorder': WAIT, 'node': WAIT}
    with Supervisor(commands, os.environ, once=('recorder',), say=said.append) as nodes:
        for process in nodes.processes.values():
            process.send_signal(signal.SIGKILL)
        poll_until(nodes, lambda: len(said) == 2 and 'node' in nodes.processes)
        assert set(nodes.processes) == {'node'}
    assert 'recorder has ended with code -9' in said


def test_nothing_is_left_running():
    with Supervisor({'node': WAIT}, os.environ, say=lambda _: None) as nodes:
        process = nodes.processes['node']
    assert process.poll() is not None
