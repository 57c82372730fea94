"""A node that is started anew must be back soon: PyTorch alone takes more than a second."""

from __future__ import annotations

import subprocess
import sys

import pytest

from realhands_ros.system.graph import GRAPH

pytest.importorskip('realhands.msg', reason='the messages are not built (make setup)')
pytest.importorskip('openvino', reason='openvino is not installed')


def is_loaded(factory: str, library: str) -> bool:
    """Return whether a process that has configured a node has imported a library."""
    module, _, kind = factory.partition(':')
    program = (
        'import sys, rclpy\n'
        f'from {module} import {kind}\n'
        'rclpy.init()\n'
        f'node = {kind}()\n'
        'node.trigger_configure()\n'
        f"print('{library}' in sys.modules)\n"
        'node.end()\n'
        'node.destroy_node()\n'
    )
    done = subprocess.run(
        [sys.executable, '-c', program], check=True, capture_output=True, text=True
    )
    return done.stdout.split()[-1] == 'True'


@pytest.mark.parametrize('factory', [spec.factory for spec in GRAPH])
def test_no_node_loads_pytorch(factory):
    assert not is_loaded(factory, 'torch')


def test_the_keypoint_node_does_without_numba():
    """Whose import and first kernel take half a second; its arrays are small enough for numpy."""
    (factory,) = (spec.factory for spec in GRAPH if 'keypoint_node' in spec.factory)
    assert not is_loaded(factory, 'numba')
