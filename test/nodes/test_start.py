"""A node that is started anew must be back soon: PyTorch alone takes more than a second."""

import subprocess
import sys

import pytest

from realhands_ros.graph import GRAPH

pytest.importorskip('realhands.msg', reason='the messages are not built (make setup)')
pytest.importorskip('openvino', reason='openvino is not installed')


@pytest.mark.parametrize('factory', [spec.factory for spec in GRAPH])
def test_no_node_loads_pytorch(factory):
    module, _, kind = factory.partition(':')
    program = (
        'import sys, rclpy\n'
        f'from {module} import {kind}\n'
        'rclpy.init()\n'
        f'node = {kind}()\n'
        'node.trigger_configure()\n'
        "print('torch' in sys.modules)\n"
        'node.end()\n'
        'node.destroy_node()\n'
    )
    done = subprocess.run(
        [sys.executable, '-c', program], check=True, capture_output=True, text=True
    )
    assert done.stdout.split()[-1] == 'False'
