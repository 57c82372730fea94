"""MediaPipe, which has only seen real hands, judges the committed open hand."""

import numpy as np
import pytest

pytest.importorskip('mediapipe')

from benchmarks.common.shape_judge import judge_shape
from realhands_ros.hand.model_file import default_model_folder


@pytest.mark.slow
def test_mediapipe_sees_a_hand_and_the_same_joints() -> None:
    verdict = judge_shape(default_model_folder(), views=200)
    assert verdict.found >= 0.95
    assert np.median(verdict.distances) <= 0.05
    # Joint centres differ by definition (the wrist most), fingertips and middle joints do not.
    per_keypoint = np.median(verdict.distances, axis=0)
    assert per_keypoint.max() <= 0.15
    assert per_keypoint[[6, 7, 10, 11, 14, 15, 18, 19]].max() <= 0.04
