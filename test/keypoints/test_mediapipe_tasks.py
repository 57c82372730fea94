"""The Tasks API with a task file: made of the wheel's own models, where it has them."""

from __future__ import annotations

import importlib.util
import zipfile
from pathlib import Path

import numpy as np
import pytest

_SPEC = importlib.util.find_spec('mediapipe')
MODULES = Path(_SPEC.origin).parent / 'modules' if _SPEC and _SPEC.origin else Path()
MODELS = {
    'hand_detector.tflite': MODULES / 'palm_detection/palm_detection_full.tflite',
    'hand_landmarks_detector.tflite': MODULES / 'hand_landmark/hand_landmark_full.tflite',
}
if not all(path.is_file() for path in MODELS.values()):
    pytest.skip('mediapipe is missing or carries no models', allow_module_level=True)

from realhands_ros.errors import ConfigError
from realhands_ros.geometry.camera import Lens
from realhands_ros.keypoints.detection import ViewImage, box_size
from realhands_ros.keypoints.mediapipe_tasks import TasksDetector
from realhands_ros.keypoints.stage import KeypointStage, KeypointStageConfig
from realhands_ros.synthesis.config import SynthesisConfig
from realhands_ros.synthesis.fast.renderer import FastRenderer
from realhands_ros.synthesis.generator import SceneGenerator
from realhands_ros.synthesis.sample import StereoSample, make_sample

# Scenes of this generator with a hand in full view: left, right.
SEED, SCENES = 77, (14, 38)


@pytest.fixture(scope='module')
def task_file(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp('task') / 'hand_landmarker.task'
    with zipfile.ZipFile(path, 'w', zipfile.ZIP_STORED) as bundle:
        for name, model in MODELS.items():
            bundle.write(model, name)
    return path


@pytest.fixture(scope='module')
def samples() -> list[StereoSample]:
    generator, renderer = SceneGenerator(SynthesisConfig(), SEED), FastRenderer()
    return [make_sample(generator.scene(index), renderer) for index in SCENES]


def bgr(sample: StereoSample) -> np.ndarray:
    return np.ascontiguousarray(sample.images[0][..., ::-1])


def test_hands_are_found_with_their_side(task_file, samples):
    for sample in samples:
        detector = TasksDetector(task_file)
        (hand,) = detector.detect(ViewImage(bgr(sample)))
        true_px = sample.keypoints_px[0]
        away = np.median(np.linalg.norm(hand.keypoints_px - true_px, axis=1))
        assert away < 0.1 * box_size(true_px)
        assert (hand.right > 0.5) == (sample.hand.handedness == 'right')
        assert hand.world.shape == (21, 3) and 0 < hand.presence <= 1
        detector.close()


def test_a_lens_is_undone(task_file, samples):
    detector = TasksDetector(task_file)
    (plain,) = detector.detect(ViewImage(bgr(samples[0])))
    detector.reset()
    lens = Lens(samples[0].rig.left.intrinsics, np.array([-0.1, 0.01, 0.0, 0.0]))
    (raw,) = detector.detect(ViewImage(bgr(samples[0]), lens))
    np.testing.assert_allclose(raw.keypoints_px, lens.undistort(plain.keypoints_px), atol=1e-6)
    detector.close()


def test_the_stage_uses_it(task_file):
    config = KeypointStageConfig(task_file=task_file)
    stage = KeypointStage(config)
    assert isinstance(stage._detectors[0], TasksDetector)
    stage.close()


def test_files_that_are_none(tmp_path):
    with pytest.raises(ConfigError, match='does not exist'):
        TasksDetector(tmp_path / 'nowhere.task')
    damaged = tmp_path / 'damaged.task'
    damaged.write_bytes(b'PK but no bundle')
    with pytest.raises(ConfigError, match='no hand landmarker'):
        TasksDetector(damaged)
