"""The baselines recover what can be recovered from perfect keypoints."""

import numpy as np
import pytest

from realhands_ros.data.hands import HandObservation, HandView
from realhands_ros.data.truth import TrueHand
from realhands_ros.evaluation.baselines.inverse_kinematics import InverseKinematics, PointFit
from realhands_ros.evaluation.baselines.simple import (
    MeanShape,
    Triangulation,
    WorldLandmarks,
    skin_mask,
)
from realhands_ros.evaluation.scores import hand_scores
from realhands_ros.geometry.camera import StereoRig
from realhands_ros.geometry.crop import crop_affine, crop_view
from realhands_ros.hand.fast_model import FastHandModel
from realhands_ros.hand.model_file import default_model_folder, load_hand_model_data

RIG = StereoRig.rectified(fx=530, fy=530, cx=335, cy=190, width=672, height=376, baseline=0.12)
SIZE, MARGIN = 64, 1.5


@pytest.fixture(scope='module')
def models():
    folder = default_model_folder()
    return {side: load_hand_model_data(folder, side) for side in ('left', 'right')}


@pytest.fixture(scope='module')
def kinematics(models):
    return InverseKinematics(models)


def true_hand(models, side: str) -> TrueHand:
    rng = np.random.default_rng(3)
    pose = np.concatenate([[0.3, -0.4, 1.2], models[side].hands_mean])
    hand = FastHandModel(models[side], dtype=np.float64)
    posed = hand.forward(pose, rng.normal(size=10) * 0.7, (0.02, 0.03, 0.45))
    return TrueHand(side, posed.keypoints, posed.vertices, pose[:3])


def observe(truth: TrueHand, eyes) -> tuple[HandObservation, tuple]:
    views, worlds = [], []
    noise = np.random.default_rng(0).integers(0, 255, (SIZE, SIZE, 3), dtype=np.uint8)
    for eye in eyes:
        camera = RIG.views[eye]
        pixels = camera.project(truth.keypoints)
        affine = crop_affine(pixels, SIZE, MARGIN, camera.intrinsics)
        axes = crop_view(camera.cropped(affine, SIZE, SIZE).intrinsics, SIZE)
        views.append(HandView(pixels, np.ones(21), affine, noise))
        centred = truth.keypoints - truth.keypoints.mean(0)
        worlds.append(centred @ camera.rotation.T @ axes.rotation.T)
    observation = HandObservation('', truth.handedness, tuple(views), 1.0, 1.0, tuple(worlds))
    return observation, tuple(RIG.views[eye] for eye in eyes)


def test_points_are_fitted(models):
    truth = true_hand(models, 'right')
    found = PointFit(models['right'])(truth.keypoints)
    posed = FastHandModel(models['right'], dtype=np.float64).forward(
        found.pose_aa, found.shape, found.translation
    )
    # What is left is what the prior on the shape holds back.
    assert np.linalg.norm(posed.keypoints - truth.keypoints, axis=1).mean() < 0.002


def test_triangulated_keypoints_are_exact_and_need_two_views(models):
    truth = true_hand(models, 'right')
    observation, cameras = observe(truth, (0, 1))
    found = Triangulation()(observation, cameras)
    np.testing.assert_allclose(found.keypoints, truth.keypoints, atol=1e-6)
    assert Triangulation()(*observe(truth, (1,))) is None


def test_rays_that_do_not_meet_are_no_keypoints(models):
    observation, cameras = observe(true_hand(models, 'right'), (0, 1))
    left, right = observation.views
    right.keypoints_px[4] = left.keypoints_px[4]
    assert Triangulation()(observation, cameras) is None


@pytest.mark.parametrize('side', ['left', 'right'])
def test_world_landmarks_are_turned_into_the_rigs_frame(models, side):
    truth = true_hand(models, side)
    found = WorldLandmarks()(*observe(truth, (1,)))
    scores = hand_scores(found, truth)
    assert scores['mpjpe'] < 1e-6
    assert 'wrist' not in scores


@pytest.mark.parametrize('side', ['left', 'right'])
@pytest.mark.parametrize('eyes', [(1,), (0, 1)])
def test_inverse_kinematics_finds_the_hand_of_perfect_keypoints(models, kinematics, side, eyes):
    truth = true_hand(models, side)
    scores = hand_scores(kinematics(*observe(truth, eyes)), truth)
    assert scores['pa_mpvpe_proper'] < 4.0
    # One view measures depth by the size of the hand, which the priors pull to the mean.
    assert scores['wrist'] < (6.0 if len(eyes) == 2 else 20.0)
    assert scores['wrist_rotation'] < 6.0


def test_without_keypoints_there_is_no_fit(kinematics):
    nothing = HandView(np.full((21, 2), np.nan), np.zeros(21))
    observation = HandObservation('', 'right', (nothing, nothing))
    assert kinematics(observation, RIG.views) is None


def test_the_mean_hand_does_not_depend_on_what_is_seen(models):
    method = MeanShape(models)
    truth = true_hand(models, 'left')
    scores = hand_scores(method(*observe(truth, (1,))), truth)
    assert 0.5 < scores['pa_mpvpe'] < 10.0
    assert 'mpjpe' not in scores


def test_skin_is_told_from_a_wall_by_its_colour():
    image = np.zeros((4, 8, 3), np.uint8)
    image[:, :4] = (120, 150, 200)  # BGR of light skin
    image[:, 4:] = (60, 160, 60)
    np.testing.assert_array_equal(skin_mask(image)[0], [True] * 4 + [False] * 4)
