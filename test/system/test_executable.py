"""A node's process ends in order whenever it is told to."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytest.importorskip('realhands.msg', reason='the messages are not built (make setup)')


def started(domain, *names):
    """Start nodes in one process."""
    return subprocess.Popen(
        [sys.executable, '-m', 'realhands_ros.system.executable', *names, '--ros-args'],
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {'ROS_DOMAIN_ID': str(domain)},
    )


def wait_until_said(process, words):
    said = ''
    while words not in said:
        line = process.stderr.readline()
        assert line, said
        said += line


@pytest.mark.slow
@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_models_are_loaded_ends_the_process(number, ros_domain):
    """Thrown into a library, a KeyboardInterrupt was swallowed, or took the process down."""
    process = started(ros_domain, 'refinement_node', 'handnet_node')
    try:
        wait_until_said(process, 'refinement_node]: ready')  # and the other node begins to load
        process.send_signal(number)
        _, rest = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 0
    assert 'Traceback' not in rest
    assert 'handnet_node]: ready' not in rest


def signals(process, kind):
    """Return the signals that a process handles ('SigCgt') or ignores ('SigIgn')."""
    text = Path(f'/proc/{process.pid}/status').read_text()
    found = re.search(rf'{kind}:\s*([0-9a-f]+)', text)
    mask = int(found.group(1), 16) if found else 0
    return {number for number in signal.Signals if mask >> (number - 1) & 1}


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != 'linux', reason='/proc tells what becomes of signals')
def test_until_its_end_a_node_cannot_be_killed_by_a_second_signal(ros_domain):
    """A service manager signals launch and its nodes, and launch its nodes once more."""
    process = started(ros_domain, 'texture_node')
    deadly = set()
    try:
        wait_until_said(process, 'ready')
        time.sleep(1.0)  # it spins by now: until then a signal ends it at once
        process.send_signal(signal.SIGINT)
        while process.poll() is None:
            safe = signals(process, 'SigCgt') | signals(process, 'SigIgn')
            if safe:  # of a process that has just ended nothing is told
                deadly |= {signal.SIGINT, signal.SIGTERM} - safe
            time.sleep(0.01)
    finally:
        process.kill()
    assert process.returncode == 0
    assert not deadly
