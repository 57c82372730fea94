"""The stage with detectors whose words are known: views, crops, losses, reports, bad input."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from realhands_ros.data.frames import StereoFrame
from realhands_ros.data.hands import HandMesh
from realhands_ros.errors import CalibrationError, ConfigError, ImageError
from realhands_ros.geometry.camera import Lens
from realhands_ros.geometry.crop import apply_affine
from realhands_ros.keypoints.keypoint_marks import marks_matrix
from realhands_ros.keypoints.stage import KeypointStage, KeypointStageConfig

FRAME_NS = 33_333_333
WRIST = (0.03, 0.05, 0.45)


def stage_of(*detectors, **options) -> KeypointStage:
    waiting = list(detectors)
    return KeypointStage(
        KeypointStageConfig(**options), make_detector=lambda config: waiting.pop(0)
    )


def test_a_hand_in_two_views(rig, hand_at, detection, frame_of, scripted):
    hand = hand_at(WRIST, 'left')
    seen = [detection(hand, camera, 'left') for camera in rig.views]
    stage = stage_of(*(scripted([[one]]) for one in seen), crop_size=96)
    frame = frame_of(rig)
    (found,) = stage(frame)
    assert found.handedness == 'left' and found.handedness_score > 0.9 and found.score == 0.9
    for view, image, one in zip(found.views, frame.images, seen, strict=True):
        np.testing.assert_array_equal(view.keypoints_px, one.keypoints_px)
        assert (view.keypoint_scores > 0.85).all()
        assert view.crop.shape == (96, 96, 3) and view.crop.dtype == np.uint8
        inside = apply_affine(view.crop_affine, view.keypoints_px)
        assert (inside > 0).all() and (inside < 95).all()
        assert np.ptp(inside, axis=0).max() == pytest.approx(96 / 1.5, rel=0.05)
        assert image.std() > 0
    np.testing.assert_array_equal(found.world_landmarks[1], seen[1].world)


def test_the_view_that_loses_the_hand_has_a_crop_where_it_is(
    rig, hand_at, detection, frame_of, scripted
):
    hands = [hand_at((0.03 + 0.01 * n, 0.05, 0.45)) for n in range(4)]
    left = scripted([[detection(hand, rig.left)] for hand in hands])
    right = scripted([[detection(hand, rig.right)] for hand in hands[:2]] + [[]])
    stage = stage_of(left, right)
    for n in range(4):
        (found,) = stage(frame_of(rig, n * FRAME_NS))
    hand = hands[-1]
    lost = found.views[1]
    assert (lost.keypoint_scores == 0).all()
    assert np.abs(lost.keypoints_px - rig.right.project(hand)).mean() < 6.0
    assert lost.crop is not None
    inside = apply_affine(lost.crop_affine, rig.right.project(hand))
    assert (inside > 0).all() and (inside < lost.crop.shape[0] - 1).all()
    assert found.world_landmarks[1] is None
    assert stage.report.one_sided == 1
    # Its detector was told where to look.
    assert np.abs(right.expected[-1][0] - rig.right.project(hand)).mean() < 6.0


def test_a_mesh_says_where_the_lost_view_has_the_hand(rig, hand_at, detection, frame_of, scripted):
    """Seen by one view only, a hand smaller than average is thought too far away."""
    hand = 0.8 * hand_at(WRIST)
    left, right = scripted([[detection(1.25 * hand, rig.left)]]), scripted([[]])
    stage = stage_of(left, right)
    errors = []
    for n in range(12):
        for found in stage(frame_of(rig, n * FRAME_NS)):
            errors.append(np.abs(found.views[1].keypoints_px - rig.right.project(hand)).mean())
            # The mesh whose keypoints the detector marks where it has found them.
            joints = np.linalg.solve(marks_matrix('mediapipe'), hand)
            stage.remember([mesh_of(found.id, joints)], n * FRAME_NS)
    told = np.abs(right.expected[-1][0] - rig.right.project(hand)).mean()
    assert max(told, errors[-1]) < 0.3 < errors[0]


def mesh_of(id_: str, keypoints: np.ndarray) -> HandMesh:
    return HandMesh(
        id=id_,
        handedness='right',
        vertices_cam=np.zeros((778, 3)),
        keypoints_cam=keypoints,
        pose_aa=np.zeros(48),
        translation=np.zeros(3),
        topology_key='',
    )


def test_one_camera(rig, hand_at, detection, frame_of, scripted):
    """A hand in one view is believed when it is seen again."""
    stage = stage_of(scripted([[detection(hand_at(WRIST), rig.left)]]))
    assert stage(frame_of(rig, 0, views=1)) == ()
    (found,) = stage(frame_of(rig, FRAME_NS, views=1))
    assert len(found.views) == 1 and stage.report.one_sided == 0


def test_a_hand_that_one_of_two_views_sees_has_to_last(
    rig, hand_at, detection, frame_of, scripted
):
    stage = stage_of(scripted([[detection(hand_at(WRIST), rig.left)]]), scripted([[]]))
    reported = [bool(stage(frame_of(rig, n * FRAME_NS))) for n in range(10)]
    assert not any(reported[:5]) and reported[-1]


def test_still_images_are_pictures_of_their_own(rig, hand_at, detection, frame_of, scripted):
    detector = scripted([[detection(hand_at(WRIST), rig.left)]])
    stage = stage_of(detector, still_images=True)
    (first,) = stage(frame_of(rig, 0, views=1))
    (second,) = stage(frame_of(rig, 1, views=1))
    assert first.id != second.id
    assert detector.expected == [[], []] and detector.searches == [True, True]


def test_views_that_disagree_lower_the_scores(rig, hand_at, detection, frame_of, scripted):
    hand = hand_at(WRIST)
    seen = [detection(hand, camera) for camera in rig.views]
    seen[1].keypoints_px[8, 1] += 0.2 * seen[1].size_px
    stage = stage_of(*(scripted([[one]]) for one in seen))
    (found,) = stage(frame_of(rig))
    scores = np.stack([view.keypoint_scores for view in found.views])
    assert (scores[:, 8] < 0.5).all()
    assert (np.delete(scores, 8, axis=1) > 0.8).all()


def test_keypoints_outside_the_image_are_guesses(
    rectified, hand_at, detection, frame_of, scripted
):
    hand = hand_at((0.0, 0.05, 0.45))
    # The image's edge goes through the middle of the hand.
    edge_m = (rectified.left.width - 335.5) / 265.0 * 0.45
    hand = hand + [edge_m - hand[:, 0].mean(), 0.0, 0.0]
    stage = stage_of(*(scripted([[detection(hand, camera)]]) for camera in rectified.views))
    (found,) = stage(frame_of(rectified))
    pixels = found.views[0].keypoints_px
    outside = pixels[:, 0] > rectified.left.width - 0.5
    assert outside.any() and not outside.all()
    scores = found.views[0].keypoint_scores
    assert scores[outside].max() < 0.5 * scores[~outside].min()


def test_a_lost_hand_is_not_reported_and_looked_for_a_moment(
    rig, hand_at, detection, frame_of, scripted
):
    left, right = (scripted([[detection(hand_at(WRIST), c)], []]) for c in rig.views)
    stage = stage_of(left, right)
    (before,) = stage(frame_of(rig, 0))
    for n in range(1, 20):
        assert stage(frame_of(rig, n * FRAME_NS)) == ()
    assert len(left.expected[3]) == 1 and len(left.expected[19]) == 0
    # While no hand is known the two views are searched in turns.
    assert left.searches[-1] != right.searches[-1] == left.searches[-2]


def test_while_a_hand_is_followed_others_are_searched_for_afterwards(
    rig, hand_at, detection, frame_of, scripted
):
    detector = scripted([[detection(hand_at(WRIST), rig.left)]])
    stage = stage_of(detector)
    frames = [frame_of(rig, n * FRAME_NS, views=1) for n in range(14)]
    for frame in frames:
        stage(frame)
    assert detector.searches == [True] + 13 * [False]
    # The frame of number 6 when that of number 7 comes; that of number 12 with it.
    assert [image.pixels is frames[6].images[0] for image in detector.searched_ahead] == [
        True,
        False,
    ]
    stage(frame_of(rig, 14 * FRAME_NS, views=1))
    stage.look_ahead()
    assert len(detector.searched_ahead) == 2


def test_stamps_that_go_back_start_anew(rig, hand_at, detection, frame_of, scripted):
    stage = stage_of(*(scripted([[detection(hand_at(WRIST), c)]]) for c in rig.views))
    (before,) = stage(frame_of(rig, 100 * FRAME_NS))
    (after,) = stage(frame_of(rig, 5 * FRAME_NS))
    assert before.id != after.id
    assert stage.report.went_back_s == pytest.approx(95 * FRAME_NS * 1e-9)


def test_a_clock_that_is_set_back_a_little_changes_no_hand(
    rig, hand_at, detection, frame_of, scripted
):
    stage = stage_of(*(scripted([[detection(hand_at(WRIST), c)]]) for c in rig.views))
    (before,) = stage(frame_of(rig, 100 * FRAME_NS))
    (after,) = stage(frame_of(rig, 100 * FRAME_NS - 7_000_000))
    assert before.id == after.id
    assert stage.report.went_back_s == pytest.approx(0.007)
    stage(frame_of(rig, 101 * FRAME_NS))
    assert stage.report.went_back_s == 0.0


def test_exchanged_cameras_are_reported(rectified, hand_at, detection, frame_of, scripted):
    left, right = (detection(hand_at(WRIST), camera) for camera in rectified.views)
    stage = stage_of(scripted([[right]]), scripted([[left]]))
    reports = []
    for n in range(8):
        stage(frame_of(rectified, n * FRAME_NS))
        reports.append(stage.report.views_swapped)
    assert not reports[0] and reports[-1]


def test_a_dark_camera_is_reported_and_the_other_goes_on(
    rig, hand_at, detection, frame_of, scripted
):
    left, right = (scripted([[detection(hand_at(WRIST), c)]]) for c in rig.views)
    stage = stage_of(left, right)
    (before,) = stage(frame_of(rig))
    frame = frame_of(rig, FRAME_NS)
    black = (frame.images[0], np.zeros_like(frame.images[1]))
    (found,) = stage(replace(frame, images=black))
    assert stage.report.blank_views == (1,)
    assert found.id == before.id and (found.views[1].keypoint_scores == 0).all()
    assert len(right.expected) == 1


def test_smoothing_calms_a_still_hand(rig, hand_at, detection, frame_of, scripted):
    def jitter(**options) -> float:
        scripts = [
            [[detection(hand_at(WRIST), c, noise_px=1.0, seed=n)] for n in range(40)]
            for c in rig.views
        ]
        stage = stage_of(*map(scripted, scripts), **options)
        seen = [stage(frame_of(rig, n * FRAME_NS))[0].views[0].keypoints_px for n in range(40)]
        return float(np.std(seen[20:], axis=0).mean())

    assert jitter(filter='one_euro', filter_cutoff_hz=1.0, filter_beta=0.5) < 0.6 * jitter()
    config = KeypointStageConfig(filter='one_euro', filter_cutoff_hz=2.0)
    assert config.smoothing.lag_s(0.0) == pytest.approx(0.0796, abs=1e-3)


@pytest.mark.parametrize('channels', [None, 4])
def test_grey_and_bgra_images(rig, hand_at, detection, frame_of, scripted, channels):
    stage = stage_of(*(scripted([[detection(hand_at(WRIST), c)]]) for c in rig.views))
    frame = frame_of(rig)
    images = [
        im[..., 0] if channels is None else np.dstack([im, im[..., 0]]) for im in frame.images
    ]
    (found,) = stage(replace(frame, images=tuple(images)))
    assert found.views[0].crop.shape == (224, 224, 3)


def test_crops_of_raw_images_are_undistorted(rectified, hand_at, detection, frame_of, scripted):
    frame = frame_of(rectified)
    lens = Lens(rectified.left.intrinsics, np.array([-0.2, 0.05, 0.0, 0.0]))
    stage = stage_of(*(scripted([[detection(hand_at(WRIST), c)]]) for c in rectified.views))
    (found,) = stage(replace(frame, lenses=(lens, None)))
    view = found.views[0]
    expected = lens.crop_image(frame.images[0], view.crop_affine, 224)
    np.testing.assert_array_equal(view.crop, expected)


class TestBadFrames:
    @pytest.mark.parametrize(
        'spoil',
        [
            lambda image: image.astype(np.float32) * np.nan,
            lambda image: image.astype(np.uint16),
            lambda image: image[:-1],
            lambda image: image[..., :2],
            lambda image: image[None],
            lambda image: None,
        ],
        ids=['nan', 'uint16', 'size', 'channels', 'dimensions', 'nothing'],
    )
    def test_images(self, rig, frame_of, spoil):
        frame = frame_of(rig)
        with pytest.raises(ImageError, match='right image'):
            replace(frame, images=(frame.images[0], spoil(frame.images[1])))

    def test_cameras(self, rig, frame_of):
        frame = frame_of(rig)
        with pytest.raises(CalibrationError):
            replace(frame, cameras=frame.cameras[:1])
        with pytest.raises(CalibrationError, match='baseline'):
            StereoFrame(0, '', frame.images[:1] * 2, (rig.left, rig.left))
        with pytest.raises(CalibrationError):
            replace(frame, lenses=())


@pytest.mark.parametrize(
    'options',
    [
        {'max_hands': 0},
        {'detection_confidence': 1.5},
        {'tracking_confidence': float('nan')},
        {'model_complexity': 2},
        {'keep_lost_s': -1.0},
        {'crop_margin': 0.5},
        {'filter': 'kalman'},
    ],
    ids=str,
)
def test_bad_configurations(options):
    with pytest.raises(ConfigError):
        KeypointStageConfig(**options)
