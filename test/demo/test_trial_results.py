"""Latency, rate and drops from what was sent and received."""

from pathlib import Path

import numpy as np
import pytest

from realhands_ros.demo.trial import Trial
from realhands_ros.demo.trial_results import END_TO_END, trial_latency
from realhands_ros.evaluation.live_statistics import Arrival

MS = 1_000_000
IMAGE = '/zed/left'


def trial(published, received) -> Trial:
    return Trial(Path('bag'), Path('results'), tuple(published), tuple(received), {})


def test_each_stage_is_timed_from_its_input_and_drops_are_counted():
    stamps = [k * 33 * MS for k in range(10)]
    published = [Arrival(IMAGE, s, s + 7 * MS) for s in stamps]
    published += [Arrival('/zed/right', s, s + 8 * MS) for s in stamps]
    received = []
    for number, s in enumerate(stamps):
        received.append(Arrival('hands/observations', s, s + 27 * MS))
        if number % 2 == 0:
            received.append(Arrival('hands/mesh_regressed', s, s + 37 * MS))
            received.append(Arrival('hands/mesh', s, s + 42 * MS))
    found = trial_latency(trial(published, received), IMAGE)
    assert found.sent == 10
    assert found.dropped == 5
    medians = {name: stage.milliseconds['p50'] for name, stage in found.stages.items()}
    assert medians['keypoints'] == pytest.approx(20)
    assert medians['handnet'] == pytest.approx(10)
    assert medians['refinement'] == pytest.approx(5)
    assert medians[END_TO_END] == pytest.approx(35)
    assert np.isnan(medians['texture'])
    assert found.stages[END_TO_END].frames == 5
    # Four intervals of 5 results in the 297 ms of the recording.
    assert found.stages[END_TO_END].rate == pytest.approx(4 / 0.297, rel=1e-6)


def test_results_of_other_frames_and_repeated_ones_do_not_count():
    published = [Arrival(IMAGE, 0, 0), Arrival(IMAGE, 33 * MS, 33 * MS)]
    received = [
        Arrival('hands/mesh', 0, 10 * MS),
        Arrival('hands/mesh', 0, 90 * MS),
        Arrival('hands/mesh', 5 * MS, 95 * MS),
    ]
    found = trial_latency(trial(published, received), IMAGE)
    assert found.dropped == 1
    assert found.stages[END_TO_END].milliseconds['p99'] == pytest.approx(10)


def test_a_recording_of_one_frame_has_no_rate():
    found = trial_latency(trial([Arrival(IMAGE, 0, 0)], []), IMAGE)
    assert (found.sent, found.dropped) == (1, 1)
    assert np.isnan(found.stages[END_TO_END].rate)
