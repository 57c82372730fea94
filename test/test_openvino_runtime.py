"""OpenVINO is loaded without its telemetry."""

import subprocess
import sys

import pytest

_PROGRAM = """
import sys
from realhands_ros.openvino_runtime import load_openvino
openvino = load_openvino()
from openvino.tools.ovc import telemetry_utils
print(telemetry_utils.tm.__name__, sys.modules['openvino_telemetry'])
"""


def test_nothing_is_reported_to_anybody():
    pytest.importorskip('openvino', reason='openvino is not installed')
    done = subprocess.run(
        [sys.executable, '-c', _PROGRAM], check=True, capture_output=True, text=True
    )
    assert done.stdout.split() == ['openvino.tools.ovc.telemetry_stub', 'None']
