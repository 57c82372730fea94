"""A node's process ends in order whenever it is told to."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

pytest.importorskip('realhands.msg', reason='the messages are not built (make setup)')


@pytest.mark.slow
@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_models_are_loaded_ends_the_process(number, ros_domain):
    """Thrown into a library, a KeyboardInterrupt was swallowed, or took the process down."""
    names = ('refinement_node', 'handnet_node')
    process = subprocess.Popen(
        [sys.executable, '-m', 'realhands_ros.nodes.executable', *names, '--ros-args'],
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {'ROS_DOMAIN_ID': str(ros_domain)},
    )
    try:
        said = ''
        while 'refinement_node]: ready' not in said:  # and the other node begins to load
            line = process.stderr.readline()
            assert line, said
            said += line
        process.send_signal(number)
        _, rest = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 0
    assert 'Traceback' not in rest
    assert 'handnet_node]: ready' not in rest
