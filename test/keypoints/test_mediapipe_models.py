"""MediaPipe's models read the same whatever computes them."""

import cv2
import numpy as np
import pytest

from realhands_ros.errors import ConfigError
from realhands_ros.keypoints import mediapipe_models
from realhands_ros.keypoints.mediapipe_detector import region_of_palm
from realhands_ros.keypoints.mediapipe_models import (
    LANDMARK_INPUT_SIZE,
    PALM_INPUT_SIZE,
    LandmarkModel,
    Palm,
    PalmModel,
    decode_palms,
)


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


@pytest.fixture
def in_full_precision(monkeypatch):
    """Let OpenVINO compute in float32 whatever the processor is faster at."""
    faster = mediapipe_models.infer_request
    monkeypatch.setattr(
        mediapipe_models,
        'infer_request',
        lambda model, *, threads: faster(model, threads=threads, precision='f32'),
    )


@pytest.mark.parametrize('complexity', [0, 1])
@pytest.mark.usefixtures('in_full_precision')
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


def test_half_precision_moves_the_points_of_a_hand_little(hand_film):
    """By less than a hundredth of the crop, on average."""
    pytest.importorskip('openvino', reason='openvino is not installed')
    ours, theirs = LandmarkModel(1, 'openvino'), LandmarkModel(1, 'mediapipe')
    palms = PalmModel(1, 0.3, 'openvino')
    for frame in (2, 6, 10):
        picture = hand_film.images(frame)[0][..., 2::-1]
        size = picture.shape[1]
        picture = np.pad(picture, ((0, size - len(picture)), (0, 0), (0, 0)))
        (palm, *_) = palms(cv2.resize(picture, (PALM_INPUT_SIZE, PALM_INPUT_SIZE)))
        region = region_of_palm(Palm(palm.box * size, palm.keypoints * size, palm.score))
        crop = cv2.warpAffine(picture, region.affine, (LANDMARK_INPUT_SIZE, LANDMARK_INPUT_SIZE))
        found, expected = ours(crop), theirs(crop)
        assert expected.presence > 0.7
        moved = np.linalg.norm(found.points - expected.points, axis=-1)
        assert moved.mean() < 0.01 * LANDMARK_INPUT_SIZE
        assert found.presence == pytest.approx(expected.presence, abs=0.05)
        assert (found.right > 0.5) == (expected.right > 0.5)
    theirs.close()
    ours.close()


def test_an_unknown_complexity_is_refused():
    with pytest.raises(ConfigError, match='use 0'):
        LandmarkModel(2)


@pytest.fixture(scope='module')
def scenes(hand_film):
    """The film's left images, whole and beside one another, so that there are two palms."""
    shrunk = [
        cv2.resize(np.ascontiguousarray(hand_film.images(frame)[0][..., 2::-1]), (192, 108))
        for frame in (0, 4, 8, 12)
    ]
    pairs = zip(shrunk, shrunk[1:] + shrunk[:1], strict=True)
    made = [np.concatenate([first, second])[:PALM_INPUT_SIZE] for first, second in pairs]
    wide = [np.pad(picture, ((42, 42), (0, 0), (0, 0))) for picture in shrunk]
    return [np.ascontiguousarray(picture) for picture in (*made, *wide)]


@pytest.mark.parametrize('complexity', [0, 1])
@pytest.mark.usefixtures('in_full_precision')
def test_openvino_finds_the_palms_that_mediapipe_finds(scenes, complexity):
    pytest.importorskip('openvino', reason='openvino is not installed')
    ours = PalmModel(complexity, 0.3, 'openvino')
    theirs = PalmModel(complexity, 0.3, 'mediapipe')
    most = 0
    for picture in scenes:
        found, expected = ours(picture), theirs(picture)
        assert len(found) == len(expected)
        for palm, other in zip(found, expected, strict=True):
            np.testing.assert_allclose(palm.box, other.box, atol=1e-4)
            np.testing.assert_allclose(palm.keypoints, other.keypoints, atol=1e-4)
            assert palm.score == pytest.approx(other.score, abs=1e-4)
        most = max(most, len(found))
    assert most >= 2
    theirs.close()
    ours.close()


def test_overlapping_palms_are_merged_by_their_scores():
    boxes = np.zeros((2016, 18), np.float32)
    logits = np.full(2016, -20.0, np.float32)
    # Two anchors of one cell, a twentieth of the picture apart, and one far away.
    boxes[[0, 1, 2000], 2:4] = 0.4 * PALM_INPUT_SIZE
    boxes[1, 0] = 0.05 * PALM_INPUT_SIZE
    logits[[0, 1, 2000]] = np.log(3.0), 0.0, -0.5
    merged, other = decode_palms(boxes, logits, 0.3)
    assert merged.score == pytest.approx(0.75)
    centre = merged.box.mean(axis=0)
    np.testing.assert_allclose(centre, [0.5 / 24 + 0.05 * 0.5 / 1.25, 0.5 / 24], atol=1e-6)
    np.testing.assert_allclose(np.ptp(merged.box, axis=0), 0.4, atol=1e-6)
    assert other.score < 0.5 and other.box.mean() > 0.8
    assert decode_palms(boxes, np.full(2016, -20.0, np.float32), 0.3) == []
