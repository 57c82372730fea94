import pytest

from realhands_ros.errors import DatasetError
from realhands_ros.evaluation.live_statistics import Arrival, live_statistics
from realhands_ros.evaluation.result import Requirement, failures

MS = 1_000_000
CAMERA, MESH = '/camera_info', '/hands/mesh'


def frames(count: int, latency_ms: float, missing=()) -> list[Arrival]:
    arrivals = []
    for number in range(count):
        stamp, at = 50 * MS * number, 50 * MS * number + 7_000 * MS
        arrivals.append(Arrival(CAMERA, stamp, at))
        if number not in missing:
            arrivals.append(Arrival(MESH, stamp, at + int(latency_ms * MS)))
    return arrivals


def test_latency_rate_and_drops():
    arrivals = frames(41, 30.0, missing={3, 7})
    found = live_statistics(arrivals, CAMERA, [MESH], 10_000 * MS)
    assert found.frames == 41
    assert found.camera_fps == pytest.approx(20.0)
    assert found.value('dropped') == pytest.approx(2 / 41)
    assert found.value('latency_p95') == pytest.approx(30.0)
    assert found.value('fps', MESH) == pytest.approx(19.0)
    assert '41 frames' in found.text()


def test_frames_that_were_under_way_at_the_end_are_no_drops():
    arrivals = frames(40, 30.0, missing=range(35, 40))
    end = arrivals[-1].arrived_ns + 1 * MS
    assert live_statistics(arrivals, CAMERA, [MESH], end).value('dropped') == 0.0


def test_a_dead_pipeline_drops_everything():
    arrivals = [arrival for arrival in frames(20, 1.0) if arrival.topic == CAMERA]
    found = live_statistics(arrivals, CAMERA, [MESH], 10_000 * MS)
    assert found.value('dropped') == 1.0
    assert found.value('fps') == 0.0
    (failure,) = failures([Requirement.parse('latency_p50<10')], found)
    assert 'no such figure' in failure


def test_silence_is_named():
    with pytest.raises(DatasetError, match='nothing came on /camera_info'):
        live_statistics([], CAMERA, [MESH], 10_000 * MS)
