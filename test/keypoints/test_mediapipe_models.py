"""MediaPipe's landmark model reads the same whatever computes it."""

import numpy as np
import pytest

from realhands_ros.errors import ConfigError
from realhands_ros.keypoints.mediapipe_models import LANDMARK_INPUT_SIZE, LandmarkModel


@pytest.fixture(scope='module')
def pictures(hand_film):
    """The hand's part of some frames of the film, and noise."""
    size = LANDMARK_INPUT_SIZE
    found = [
        np.ascontiguousarray(
            hand_film.images(frame)[view][60 : 60 + size, 200 : 200 + size, 2::-1]
        )
        for frame in (0, 7)
        for view in range(2)
    ]
    noise = np.random.default_rng(0).integers(0, 256, (size, size, 3), dtype=np.uint8)
    return [*found, noise]


@pytest.mark.parametrize('complexity', [0, 1])
def test_openvino_reads_what_mediapipe_reads(pictures, complexity):
    pytest.importorskip('openvino', reason='openvino is not installed')
    ours = LandmarkModel(complexity, 'openvino')
    theirs = LandmarkModel(complexity, 'mediapipe')
    for picture in pictures:
        found, expected = ours(picture), theirs(picture)
        np.testing.assert_allclose(found.points, expected.points, atol=0.01)
        np.testing.assert_allclose(found.world, expected.world, atol=1e-5)
        assert found.presence == pytest.approx(expected.presence, abs=1e-4)
        assert found.right == pytest.approx(expected.right, abs=1e-4)
    theirs.close()
    ours.close()


def test_an_unknown_complexity_is_refused():
    with pytest.raises(ConfigError, match='use 0'):
        LandmarkModel(2)
