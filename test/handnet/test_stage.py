"""The stage's geometry with a network that knows the truth, and what it does with bad input."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch

from realhands_ros.data.hands import HandObservation, HandView, MeshFlag, MeshStage
from realhands_ros.errors import ConfigError
from realhands_ros.geometry.camera import PinholeCamera, StereoRig
from realhands_ros.geometry.crop import apply_affine, crop_affine, crop_image
from realhands_ros.geometry.rotations import axis_angle_to_matrix
from realhands_ros.hand.fast_model import FastHandModel
from realhands_ros.hand.model_file import default_model_folder, load_hand_model_data
from realhands_ros.hand.pose_sampler import sample_pose
from realhands_ros.handnet.network import HandNet
from realhands_ros.handnet.prediction import Prediction
from realhands_ros.handnet.stage import HandNetStage, HandNetStageConfig
from realhands_ros.handnet.weights import save_weights
from realhands_ros.handnet.weights_info import WeightsInfo, shape_basis_key
from realhands_ros.training.hand_source import HandSample, ViewSample
from realhands_ros.training.keypoint_noise import KeypointNoise
from realhands_ros.training.preparation import AS_DEPLOYED, Preparation

RIG = StereoRig.rectified(
    fx=350.0, fy=350.0, cx=639.5, cy=359.5, width=1280, height=720, baseline=0.12
)
CROP = 96


@pytest.fixture(scope='module')
def weights(tmp_path_factory, tiny_config):
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp('weights') / 'tiny.safetensors'
    data = load_hand_model_data(default_model_folder(), 'right')
    save_weights(path, HandNet(tiny_config), WeightsInfo(tiny_config, shape_basis_key(data)))
    return path


def stage_with(weights, **options) -> HandNetStage:
    return HandNetStage(
        HandNetStageConfig(
            weights=weights, backend='torch', **({'keypoint_marks': 'exact'} | options)
        )
    )


def posed(handedness: str, wrist: tuple[float, float, float], seed: int = 0):
    """Return pose, shape, translation and output of a random hand with its wrist at a place."""
    rng = np.random.default_rng(seed)
    pose = np.concatenate([rng.uniform(-1, 1, 3), sample_pose(rng, 1)[0]])
    if handedness == 'left':
        pose = pose * np.tile([1.0, -1.0, -1.0], 16)
    shape = rng.uniform(-2, 2, 10)
    model = FastHandModel(load_hand_model_data(default_model_folder(), handedness))
    translation = np.array(wrist) - model.forward(pose, shape).joints[0]
    return pose, shape, translation, model.forward(pose, shape, translation)


def cloudy_image(camera: PinholeCamera) -> np.ndarray:
    coarse = np.random.default_rng(1).integers(0, 255, (36, 64, 3), dtype=np.uint8)
    return cv2.resize(coarse, (camera.width, camera.height), interpolation=cv2.INTER_CUBIC)


def observe(hand, handedness: str, cameras, margin: float = 1.5) -> HandObservation:
    views = []
    for camera in cameras:
        keypoints_px = camera.project(hand.keypoints)
        affine = crop_affine(keypoints_px, CROP, margin, camera.intrinsics)
        crop = crop_image(cloudy_image(camera), affine, CROP)
        views.append(HandView(keypoints_px, np.ones(21), affine, crop))
    return HandObservation('hand', handedness, tuple(views))


class Oracle:
    """Says what training would have taught the network about these views."""

    def __init__(self, stage: HandNetStage, hand, handedness, pose, shape, cameras) -> None:
        views = tuple(ViewSample(cloudy_image(camera), camera) for camera in cameras)
        keypoints = np.asarray(hand.keypoints, np.float64)
        sample = HandSample(handedness, pose, shape, keypoints, views)
        exact = KeypointNoise(np.zeros(105), np.zeros((105, 105)), np.ones(1), 0.0)
        self.config = stage._predict.config
        preparation = Preparation(self.config, exact, AS_DEPLOYED)
        self.rows = preparation.rows(sample, np.random.default_rng(0))
        self.silhouette = np.zeros((len(views), 64, 64), np.float32)
        self.given: list[tuple[np.ndarray, ...]] = []
        stage._predict = self

    def __call__(self, *arrays: np.ndarray) -> Prediction:
        self.given.append(arrays)
        return Prediction(
            root=self.column('root'),
            fingers_aa=self.column('fingers_aa').astype(np.float32),
            shape=self.column('shape'),
            scale=self.column('scale'),
            centre=self.column('keypoints_ndc')[:, 9],
            stereo_logits=np.zeros((len(self.rows), 2, 48), np.float32),
            silhouette=self.silhouette,
        )

    def column(self, name: str) -> np.ndarray:
        return np.stack([row[name] for row in self.rows])


PLACES = [(0.0, 0.0, 0.5), (0.3, -0.1, 0.45), (-0.2, 0.12, 0.35)]


@pytest.mark.parametrize('handedness', ['right', 'left'])
@pytest.mark.parametrize('wrist', PLACES)
@pytest.mark.parametrize('pose_blend', ['linear', 'rotation'])
@pytest.mark.parametrize('placement', ['camera', 'keypoints'])
def test_true_predictions_give_the_true_mesh(weights, handedness, wrist, pose_blend, placement):
    pose, shape, translation, hand = posed(handedness, wrist)
    stage = stage_with(weights, pose_blend=pose_blend, placement=placement)
    Oracle(stage, hand, handedness, pose, shape, RIG.views)
    (mesh,), rejected = stage([observe(hand, handedness, RIG.views)], RIG.views)
    assert not rejected
    assert mesh.handedness == handedness
    assert mesh.stage == MeshStage.REGRESSED
    assert mesh.flags == MeshFlag.STEREO
    np.testing.assert_allclose(mesh.vertices_cam, hand.vertices, atol=2e-5)
    np.testing.assert_allclose(mesh.keypoints_cam, hand.keypoints, atol=2e-5)
    np.testing.assert_allclose(mesh.translation, translation, atol=2e-5)
    np.testing.assert_allclose(
        axis_angle_to_matrix(mesh.pose_aa.reshape(16, 3)),
        axis_angle_to_matrix(pose.reshape(16, 3)),
        atol=1e-5,
    )
    assert mesh.reprojection_error_px < 0.05


@pytest.mark.parametrize('handedness', ['right', 'left'])
def test_exchanged_views_put_no_hand_behind_the_camera(weights, handedness):
    """Rays of a negative disparity meet there, and project onto the keypoints even so."""
    pose, shape, _, hand = posed(handedness, PLACES[0])
    stage = stage_with(weights)
    Oracle(stage, hand, handedness, pose, shape, RIG.views)
    observation = observe(hand, handedness, RIG.views)
    exchanged = replace(observation, views=observation.views[::-1])
    (mesh,), _ = stage([exchanged], RIG.views)
    for camera in RIG.views:
        assert camera.to_camera(mesh.vertices_cam)[:, 2].min() > 0.05
    assert MeshFlag.LOW_CONFIDENCE in mesh.flags


@pytest.mark.parametrize('handedness', ['right', 'left'])
def test_network_is_given_what_training_gave_it(weights, handedness):
    pose, shape, _, hand = posed(handedness, PLACES[1])
    stage = stage_with(weights)
    oracle = Oracle(stage, hand, handedness, pose, shape, RIG.views)
    world = tuple(camera.to_camera(hand.keypoints) + 5.0 for camera in RIG.views)
    stage([replace(observe(hand, handedness, RIG.views), world_landmarks=world)], RIG.views)
    ((image, keypoints_px, given_world, half_angle),) = oracle.given
    # The stage's images are BGR, training's RGB; its crop went through one of another size.
    difference = image.astype(float) - oracle.column('image')[..., ::-1]
    assert np.abs(difference).mean() < 3
    assert np.abs(image.astype(float) - oracle.column('image')).mean() > 20
    np.testing.assert_allclose(keypoints_px, oracle.column('keypoints_px'), atol=1e-2)
    np.testing.assert_allclose(half_angle, oracle.column('half_angle'), rtol=1e-5)
    centred = [world - world.mean(0) for world in given_world]
    expected = [world - world.mean(0) for world in oracle.column('world')]
    np.testing.assert_allclose(centred, expected, atol=1e-5)


@pytest.mark.parametrize('handedness', ['right', 'left'])
@pytest.mark.parametrize('placement', ['camera', 'keypoints'])
def test_one_view_is_placed_by_its_size(weights, handedness, placement):
    pose, shape, _, hand = posed(handedness, PLACES[1])
    stage = stage_with(weights, placement=placement)
    Oracle(stage, hand, handedness, pose, shape, RIG.views[:1])
    (mesh,), _ = stage([observe(hand, handedness, RIG.views[:1])], RIG.views[:1])
    assert mesh.flags == MeshFlag.SCALE_PRIOR
    np.testing.assert_allclose(mesh.vertices_cam, hand.vertices, atol=2e-5)


def test_a_rig_that_is_not_rectified(weights):
    turned = axis_angle_to_matrix([0.05, -0.4, 0.1])
    right = PinholeCamera(
        np.array([[500.0, 0, 310], [0, 480, 250], [0, 0, 1]]),
        640,
        480,
        turned,
        turned @ [-0.15, 0.01, 0.02],
    )
    cameras = (RIG.left, right)
    pose, shape, _, hand = posed('left', PLACES[0])
    stage = stage_with(weights, placement='camera')
    Oracle(stage, hand, 'left', pose, shape, cameras)
    (mesh,), _ = stage([observe(hand, 'left', cameras)], cameras)
    np.testing.assert_allclose(mesh.vertices_cam, hand.vertices, atol=2e-5)


def test_outliers_among_keypoints_hardly_move_the_hand(weights):
    pose, shape, _, hand = posed('right', PLACES[0])
    stage = stage_with(weights)
    Oracle(stage, hand, 'right', pose, shape, RIG.views)
    rng = np.random.default_rng(0)

    def disturbed(view: HandView) -> HandView:
        keypoints_px = view.keypoints_px + rng.normal(0, 0.3, (21, 2))
        keypoints_px[[4, 8]] += 60.0
        keypoints_px[12] = np.nan
        return replace(view, keypoints_px=keypoints_px)

    observation = observe(hand, 'right', RIG.views)
    observation = replace(observation, views=tuple(map(disturbed, observation.views)))
    (mesh,), _ = stage([observation], RIG.views)
    assert np.linalg.norm(mesh.vertices_cam - hand.vertices, axis=1).mean() < 4e-3


@pytest.mark.parametrize('handedness', ['right', 'left'])
def test_silhouette_and_camera_are_those_of_the_crop(weights, handedness):
    pose, shape, _, hand = posed(handedness, PLACES[0])
    stage = stage_with(weights)
    oracle = Oracle(stage, hand, handedness, pose, shape, RIG.views)
    oracle.silhouette[:, :, 48:] = 0.8
    observation = observe(hand, handedness, RIG.views)
    (mesh,), _ = stage([observation], RIG.views)
    for view in mesh.views:
        assert view.silhouette.shape == (CROP, CROP)
        # The network sees a left hand mirrored; what it says is mirrored back.
        columns = slice(80, None) if handedness == 'right' else slice(0, 16)
        assert (view.silhouette[:, columns] == 204).all()
        assert (view.silhouette > 100).mean() == pytest.approx(0.25, abs=0.02)
        # The camera shows the reference keypoint where it is.
        scale, tx, ty = view.weak_camera
        pixel = ((scale * np.array([tx, ty]) + 1) * CROP - 1) / 2
        np.testing.assert_allclose(
            pixel, apply_affine(view.crop_affine, view.keypoints_px[9]), atol=0.02
        )


def test_several_hands_share_one_batch_and_keep_their_order(weights):
    stage = stage_with(weights)
    hands = [posed('right', PLACES[0], seed)[3] for seed in range(3)]
    observations = [
        replace(observe(hand, 'right', RIG.views), id=str(i)) for i, hand in enumerate(hands)
    ]
    together, _ = stage(observations, RIG.views)
    assert [mesh.id for mesh in together] == ['0', '1', '2']
    for observation, mesh in zip(observations, together, strict=True):
        ((alone,), _) = stage([observation], RIG.views)
        np.testing.assert_allclose(mesh.vertices_cam, alone.vertices_cam, atol=1e-3)
    assert stage([], RIG.views) == ((), ())


def seen_hand(handedness='right'):
    return observe(posed(handedness, PLACES[0])[3], handedness, RIG.views)


def with_left_crop(observation, **change) -> HandObservation:
    left, *rest = observation.views
    return replace(observation, views=(replace(left, **change), *rest))


@pytest.mark.parametrize(
    'change',
    [
        {'crop': None},
        {'crop': np.zeros((CROP, CROP, 3), np.uint8)},
        {'crop': np.full((CROP, CROP, 3), 255, np.uint8)},
        {'crop': np.zeros((3, CROP, CROP), np.uint8)},
        {'crop': np.random.rand(CROP, CROP, 3).astype(np.float32)},
        {'crop': np.full((CROP, 50, 3), 7, np.uint8)},
        {'crop': np.random.default_rng(0).integers(0, 255, (CROP, CROP), dtype=np.uint8)},
        {'crop_affine': np.full((2, 3), np.nan)},
        {'crop_affine': np.zeros((2, 3))},
    ],
    ids=['none', 'black', 'white', 'channels first', 'float', 'oblong', 'grey', 'nan', 'zero'],
)
def test_an_unusable_view_is_left_out_and_two_reject_the_hand(weights, change):
    stage = stage_with(weights)
    observation = with_left_crop(seen_hand(), **change)
    (mesh,), rejected = stage([observation], RIG.views)
    assert not rejected
    assert mesh.flags & MeshFlag.SCALE_PRIOR
    assert np.isfinite(mesh.vertices_cam).all()
    assert mesh.views[0].silhouette is None
    assert mesh.views[1].silhouette is not None
    both = replace(observation, views=tuple(replace(v, **change) for v in observation.views))
    meshes, (reject,) = stage([both], RIG.views)
    assert not meshes
    assert reject.id == 'hand'
    assert 'crop' in reject.reason


@pytest.mark.parametrize('handedness', ['right', 'left'])
@pytest.mark.parametrize('placement', ['camera', 'keypoints'])
def test_a_view_without_keypoints_gives_its_silhouette_alone(weights, handedness, placement):
    """What the network makes of such a crop, where the hand is only thought to be, is no pose."""
    pose, shape, _, hand = posed(handedness, PLACES[1])
    stage = stage_with(weights, placement=placement)
    oracle = Oracle(stage, hand, handedness, pose, shape, RIG.views)
    nonsense = {'fingers_aa': np.full(45, 0.8), 'shape': np.full(10, 2.0), 'scale': 3.0}
    oracle.rows[1] = {**oracle.rows[1], **nonsense, 'root': np.diag([1.0, -1.0, -1.0])}
    observation = observe(hand, handedness, RIG.views)
    guessed = replace(observation.views[1], keypoint_scores=np.zeros(21))
    observation = replace(observation, views=(observation.views[0], guessed))
    (mesh,), _ = stage([observation], RIG.views)
    np.testing.assert_allclose(mesh.vertices_cam, hand.vertices, atol=2e-5)
    assert mesh.flags == MeshFlag.SCALE_PRIOR
    assert all(view.silhouette is not None for view in mesh.views)


def test_unknown_keypoints_leave_a_doubtful_mesh(weights):
    observation = seen_hand()
    views = tuple(
        replace(view, keypoints_px=np.full((21, 2), np.nan), keypoint_scores=np.full(21, np.nan))
        for view in observation.views
    )
    (mesh,), _ = stage_with(weights)([replace(observation, views=views)], RIG.views)
    assert np.isfinite(mesh.vertices_cam).all()
    assert mesh.flags & MeshFlag.LOW_CONFIDENCE
    assert np.isnan(mesh.reprojection_error_px)


def test_nan_from_the_network_is_rejected(weights):
    pose, shape, _, hand = posed('right', PLACES[0])
    stage = stage_with(weights)
    oracle = Oracle(stage, hand, 'right', pose, shape, RIG.views)
    oracle.silhouette[:] = np.nan
    meshes, (reject,) = stage([observe(hand, 'right', RIG.views)], RIG.views)
    assert not meshes
    assert 'NaN' in reject.reason


def test_a_hand_beyond_the_image_is_flagged(weights):
    pose, shape, _, hand = posed('right', (-0.8, 0.0, 0.45))
    stage = stage_with(weights)
    Oracle(stage, hand, 'right', pose, shape, RIG.views)
    (mesh,), _ = stage([observe(hand, 'right', RIG.views)], RIG.views)
    assert mesh.flags & MeshFlag.TRUNCATED


def test_weights_of_another_hand_model_keep_the_mean_shape(weights, tmp_path, tiny_config):
    path = tmp_path / 'foreign.safetensors'
    save_weights(path, HandNet(tiny_config), WeightsInfo(tiny_config, 'another model'))
    stage = stage_with(path)
    assert not stage.shape_carries_over
    assert stage_with(weights).shape_carries_over
    (mesh,), _ = stage([seen_hand()], RIG.views)
    assert np.abs(mesh.shape).max() == 0


def test_unknown_options_are_named():
    with pytest.raises(ConfigError, match="pose_blend is 'mean'"):
        HandNetStageConfig(pose_blend='mean')
    with pytest.raises(ConfigError, match="placement is 'depth'"):
        HandNetStageConfig(placement='depth')
