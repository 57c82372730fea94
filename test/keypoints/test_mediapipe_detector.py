"""MediaPipe's models behind our regions, on rendered hands."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest

if importlib.util.find_spec('mediapipe') is None:
    pytest.skip('mediapipe is not installed', allow_module_level=True)

from realhands_ros.errors import ConfigError
from realhands_ros.geometry.camera import Lens
from realhands_ros.keypoints.detection import HandDetection, ViewImage, box_size
from realhands_ros.keypoints.mediapipe_detector import MediaPipeDetector, search_parts
from realhands_ros.synthesis.config import SynthesisConfig
from realhands_ros.synthesis.fast.renderer import FastRenderer
from realhands_ros.synthesis.generator import SceneGenerator
from realhands_ros.synthesis.sample import StereoSample, make_sample

# Scenes of this generator whose hand is in full view, right and left ones.
SEED, SCENES = 77, (0, 6, 10, 12, 14, 18, 27)


@pytest.fixture(scope='module')
def samples() -> list[StereoSample]:
    generator, renderer = SceneGenerator(SynthesisConfig(), SEED), FastRenderer()
    return [make_sample(generator.scene(index), renderer) for index in SCENES]


@pytest.fixture(scope='module')
def still():
    detector = MediaPipeDetector(still_images=True)
    yield detector
    detector.close()


def bgr(sample: StereoSample) -> np.ndarray:
    return np.ascontiguousarray(sample.images[0][..., ::-1])


def error(found: HandDetection, true_px: np.ndarray) -> float:
    """Return the median distance of the keypoints, in hand sizes."""
    return float(np.median(np.linalg.norm(found.keypoints_px - true_px, axis=1))) / box_size(
        true_px
    )


def nearest(found: list[HandDetection], sample: StereoSample) -> HandDetection | None:
    true_px = sample.keypoints_px[0]
    near = [hand for hand in found if error(hand, true_px) < 0.15]
    return near[0] if near else None


def test_hands_are_found_with_their_side(samples, still):
    """The side is right for images that are not mirrored."""
    found = [nearest(still.detect(ViewImage(bgr(sample))), sample) for sample in samples]
    assert sum(hand is not None for hand in found) >= 0.7 * len(samples)
    sides = [
        (hand.right > 0.5) == (sample.hand.handedness == 'right')
        for hand, sample in zip(found, samples, strict=True)
        if hand is not None
    ]
    assert np.mean(sides) > 0.8


def test_the_world_landmarks_are_a_hand_in_the_cameras_axes(samples, still):
    scales, likenesses = [], []
    for sample in samples:
        hand = nearest(still.detect(ViewImage(bgr(sample))), sample)
        if hand is not None:
            true = sample.rig.left.to_camera(sample.hand.keypoints)
            world, true = hand.world - hand.world.mean(0), true - true.mean(0)
            scales.append(np.linalg.norm(world) / np.linalg.norm(true))
            # In the plane of the image it is turned like the hand.
            likenesses.append(np.corrcoef(world[:, :2].ravel(), true[:, :2].ravel())[0, 1])
    assert 0.7 < np.median(scales) < 1.4
    assert np.median(likenesses) > 0.9


def test_a_told_region_is_enough(samples, still):
    """Without a search: keypoints some pixels off tell where to look."""
    detector = MediaPipeDetector()
    rng = np.random.default_rng(0)
    told = []
    for sample in samples:
        if nearest(still.detect(ViewImage(bgr(sample))), sample) is None:
            continue
        true_px = sample.keypoints_px[0]
        off = true_px + 0.1 * box_size(true_px) * rng.normal(size=2)
        told.append(nearest(detector.detect(ViewImage(bgr(sample)), [off], search=False), sample))
        assert detector.detect(ViewImage(bgr(sample)), search=False) == []
    assert np.mean([hand is not None for hand in told]) >= 0.8
    detector.close()


def test_what_was_seen_ahead_is_looked_at_next(samples):
    detector, found = MediaPipeDetector(), []
    for sample in samples:
        image = ViewImage(bgr(sample))
        detector.reset()
        searched = nearest(detector.detect(image), sample)
        detector.reset()
        assert detector.detect(image, search=False) == []
        detector.look_ahead(image)
        ahead = nearest(detector.detect(image, search=False), sample)
        assert (ahead is None) == (searched is None)
        if ahead is not None:
            np.testing.assert_allclose(ahead.keypoints_px, searched.keypoints_px, atol=1e-3)
            found.append(ahead)
            # Palms of known hands are nothing new.
            detector.look_ahead(image)
            assert len(detector.detect(image, search=False)) == 0
    assert len(found) >= 4
    detector.close()


def test_one_hand_that_is_expected_twice_is_one(samples, still):
    for sample in samples[:6]:
        hand = nearest(still.detect(ViewImage(bgr(sample))), sample)
        if hand is not None:
            expected = [hand.keypoints_px, hand.keypoints_px + 3.0]
            assert len(still.detect(ViewImage(bgr(sample)), expected, search=False)) == 1


def test_a_raw_image_gives_the_keypoints_of_its_pinhole_camera(samples, still):
    """The picture is distorted by a lens; the keypoints come out as if it were not."""
    import cv2

    errors = []
    for sample in samples:
        plain = nearest(still.detect(ViewImage(bgr(sample))), sample)
        if plain is None:
            continue
        height, width = sample.images[0].shape[:2]
        lens = Lens(sample.rig.left.intrinsics, np.array([-0.12, 0.02, 0.001, 0.0]))
        columns, rows = np.meshgrid(np.arange(float(width)), np.arange(float(height)))
        raw = lens.undistort(np.stack([columns, rows], -1).reshape(-1, 2)).astype(np.float32)
        x, y = (np.ascontiguousarray(raw[:, a].reshape(height, width)) for a in range(2))
        image = ViewImage(cv2.remap(bgr(sample), x, y, cv2.INTER_LINEAR), lens)
        found = still.detect(image, [plain.keypoints_px], search=False)
        if found:
            errors.append(error(found[0], plain.keypoints_px))
    assert len(errors) >= 4
    assert np.median(errors) < 0.03


def test_noise_is_no_hand(still):
    noise = np.random.default_rng(0).integers(0, 255, (376, 672, 3), dtype=np.uint8)
    assert still.detect(ViewImage(noise)) == []
    assert still.detect(ViewImage(np.zeros((40, 30), np.uint8))) == []


def test_parts_cover_wide_and_tall_images():
    assert len(search_parts((400, 380))) == 1
    for size in ((672, 376), (376, 672), (1920, 1080), (2000, 300)):
        whole, *squares = search_parts(size)
        assert whole[2:] == size
        covered = np.zeros(size[::-1], bool)
        for part in squares:
            assert part.width == part.height == min(size)
            covered[part.top : part.top + part.height, part.left : part.left + part.width] = True
        assert covered.all()
        starts = [max(part.left, part.top) for part in squares]
        assert np.diff(starts).max() <= min(size) / 2 + 1


def test_an_unknown_complexity_is_refused():
    with pytest.raises(ConfigError, match='model_complexity'):
        MediaPipeDetector(complexity=3)
