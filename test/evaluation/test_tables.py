"""The tables on a real dataset with MediaPipe's own detections, and the page of them."""

from __future__ import annotations

import numpy as np
import pytest

from realhands_ros.errors import ConfigError, DatasetError
from realhands_ros.evaluation.report.results_page import Provenance, results_page
from realhands_ros.evaluation.sources.held_out import BOTH, HeldOutHands
from realhands_ros.evaluation.tables_measurement import ScoreBook, measure
from realhands_ros.keypoints.observer import CropConfig


@pytest.fixture(scope='module')
def found(held_out_folder, untrained_weights):
    return measure(held_out_folder, {'a': untrained_weights, 'b': untrained_weights})


def test_truth_and_crops_fit_together(held_out_folder, models):
    hands = list(HeldOutHands(held_out_folder, models))
    assert len(hands) == 6
    seen = [hand for hand in hands if all(hand.is_found)]
    assert seen
    for hand in seen:
        observation = hand.observe(BOTH, CropConfig(96, 1.5))
        for eye, view in enumerate(observation.views):
            affine = np.asarray(view.crop_affine)
            mask = hand.crop_mask(eye, affine, 96)
            camera = hand.cameras(BOTH)[eye].cropped(affine, 96, 96)
            keypoints = np.round(camera.project(hand.truth.keypoints)).astype(int)
            inside = [k for k in keypoints if (k >= 0).all() and (k < 96).all()]
            # Frontal hands hide little of themselves.
            assert np.mean([mask[y, x] for x, y in inside]) > 0.7


def test_every_method_is_measured_on_every_hand(found):
    assert len(found.found_both) == 6
    for method in found.book.methods:
        assert len(found.book.column(method, 'pa_mpjpe')) == 6
    assert found.book.count('mono/a') == 6
    # Equal weights give equal figures.
    np.testing.assert_array_equal(
        found.book.column('stereo/a', 'pa_mpvpe'), found.book.column('stereo/b', 'pa_mpvpe')
    )


def test_baselines_beat_an_untrained_network(found):
    seen = found.found_both
    # Aligned, an untrained network is the mean hand, which is not far from these open ones.
    fitted = found.book.mean('stereo/inverse_kinematics', 'mpjpe', seen)
    assert fitted < 0.7 * found.book.mean('stereo/a', 'mpjpe', seen)
    assert found.book.mean('stereo/triangulation', 'wrist', seen) < 60.0
    assert 0.2 < found.masks.mean('hsv', 'iou') < 1.0


def test_the_page_holds_the_measured_figures(found):
    page = results_page(found, Provenance('d', ('w',), 'v', 'm', 'realhands eval tables'))
    seen = found.found_both
    row = next(line for line in page.splitlines() if line.startswith('| network, stereo  '))
    cells = [cell.strip() for cell in row.strip('|').split('|')]
    assert cells[1] == f'{found.book.mean("stereo/a", "pa_mpvpe", seen):.1f}'
    assert cells[4] == f'{found.book.mean("stereo/a", "f5", seen):.3f}'
    assert cells[-1] == str(sum(seen))
    assert 'realhands eval tables' in page


def test_bad_input_is_named(tmp_path, held_out_folder, models):
    with pytest.raises(DatasetError, match='no synthetic dataset'):
        HeldOutHands(tmp_path, models)
    with pytest.raises(ConfigError, match='at least one'):
        HeldOutHands(held_out_folder, models, 0)


def test_means_are_over_the_chosen_hands_that_have_the_metric():
    book = ScoreBook()
    for value in (1.0, 2.0, 6.0):
        book.add('a', {'error': value})
    book.add('a', None)
    assert book.mean('a', 'error') == 3.0
    assert book.mean('a', 'error', [True, True, False, True]) == 1.5
    assert book.count('a') == 3
    assert book.count('a', [True, False, False, True]) == 1
    np.testing.assert_array_equal(book.column('a', 'error'), [1, 2, 6, np.nan])


def test_what_is_not_there_is_nan():
    book = ScoreBook()
    book.add('a', {'error': 1.0})
    assert np.isnan(book.mean('a', 'other'))
    assert np.isnan(book.mean('b', 'error'))
    assert np.isnan(book.mean('a', 'error', [False]))
