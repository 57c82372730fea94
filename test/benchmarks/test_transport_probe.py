"""Hand meshes and camera images pass between two processes through the shipped DDS profile."""

import pytest

pytest.importorskip('realhands.msg', reason='the messages are not built (make setup)')

from benchmarks.common.transport_probe import ProbeSettings, measure_transport
from realhands_ros.errors import RealhandsError
from realhands_ros.system.dds_profile import PROFILE_VARIABLES, environment_with_profile


@pytest.mark.parametrize('payload', ['hand_mesh', 'stereo_pair_720p'])
def test_nothing_is_lost_between_two_processes(payload):
    settings = ProbeSettings(payload, rate_hz=15.0, count=30)
    result = measure_transport(settings, environment_with_profile())
    assert result.sent == 30
    assert result.received == 30
    assert 0.0 < result.latency_ms(50) < 1000.0


def test_failing_process_is_reported_in_its_own_words():
    with pytest.raises(RealhandsError, match='no_such_payload'):
        measure_transport(ProbeSettings('no_such_payload'), environment_with_profile())


def test_profile_of_the_user_is_kept():
    environment = environment_with_profile({PROFILE_VARIABLES[1]: '/mine.xml'})
    assert environment == {PROFILE_VARIABLES[1]: '/mine.xml'}
    assert environment_with_profile({})[PROFILE_VARIABLES[0]].endswith('fastdds_images.xml')
