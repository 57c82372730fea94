"""The personal shape settles over good frames and is then held."""

from dataclasses import replace

import numpy as np
import pytest

from realhands_ros.hand.hand_mesh import HandMesh, MeshFlag, MeshStage
from realhands_ros.hand.model_file import default_model_folder, load_hand_model_data
from realhands_ros.hand.pose_sampler import PoseSampler
from realhands_ros.texture.personal_shape import CalibrationState, PersonalShape

SHAPE = np.linspace(-1.0, 1.0, 10)


@pytest.fixture(scope='module')
def data():
    return load_hand_model_data(default_model_folder(), 'right')


@pytest.fixture
def poses(data):
    rng = np.random.default_rng(2)
    fingers = PoseSampler(data).sample(rng, 60)
    return np.concatenate([rng.normal(size=(60, 3)), fingers], axis=1)


def offsets_at_rest():
    rng = np.random.default_rng(3)
    return 0.002 * rng.normal(size=(778, 3))


def refined_mesh(data, pose, shape, rest_offsets=None) -> HandMesh:
    posed = PersonalShape(data, 1)._model.forward(pose, shape, (0.0, 0.1, 0.5))
    offsets = np.zeros((778, 3))
    if rest_offsets is not None:
        offsets = np.einsum('vij,vj->vi', posed.state.blended, rest_offsets)
    return HandMesh(
        id='a',
        handedness='right',
        vertices_cam=posed.vertices + offsets,
        keypoints_cam=posed.keypoints,
        pose_aa=pose,
        translation=np.array([0.0, 0.1, 0.5]),
        topology_key='',
        shape=shape,
        vertex_offsets=offsets,
        stage=MeshStage.REFINED,
        silhouette_iou=0.95,
    )


def test_mean_of_noisy_shapes_is_near_the_truth_and_then_held(data, poses) -> None:
    rng = np.random.default_rng(4)
    personal = PersonalShape(data, 50)
    for pose in poses[:50]:
        assert personal.state is CalibrationState.COLLECTING
        noisy = SHAPE + 0.5 * rng.normal(size=10)
        assert personal.observe(refined_mesh(data, pose, noisy, offsets_at_rest()))
    assert personal.state is CalibrationState.HELD
    assert np.abs(personal.estimate.shape - SHAPE).max() < 0.3
    np.testing.assert_allclose(personal.estimate.offsets, offsets_at_rest(), atol=2e-4)
    held = personal.estimate
    assert not personal.observe(refined_mesh(data, poses[51], -SHAPE))
    assert personal.estimate is held


@pytest.mark.parametrize(
    'change',
    [
        {'flags': MeshFlag.LOW_CONFIDENCE},
        {'flags': MeshFlag.SCALE_PRIOR},
        {'flags': MeshFlag.TRUNCATED},
        {'stage': MeshStage.REGRESSED},
        {'silhouette_iou': 0.5},
        {'shape': np.full(10, np.nan)},
        {'vertex_offsets': np.full((778, 3), np.inf)},
    ],
)
def test_bad_frames_do_not_count(data, poses, change) -> None:
    personal = PersonalShape(data, 50)
    assert not personal.observe(replace(refined_mesh(data, poses[0], SHAPE), **change))
    assert personal.estimate.frames == 0


def test_the_held_shape_is_put_into_other_poses(data, poses) -> None:
    personal = PersonalShape(data, 1)
    personal.observe(refined_mesh(data, poses[0], SHAPE, offsets_at_rest()))
    true = refined_mesh(data, poses[1], SHAPE, offsets_at_rest())
    estimate = refined_mesh(data, poses[1], np.zeros(10))
    # The wrist of the estimate is where the true one is.
    wrist = data.joint_regressor[0] @ (data.shapedirs @ SHAPE)
    estimate = replace(estimate, translation=estimate.translation + wrist)
    np.testing.assert_allclose(personal.apply(estimate).vertices_cam, true.vertices_cam, atol=1e-5)


def test_nothing_is_applied_before_it_is_held(data, poses) -> None:
    mesh = refined_mesh(data, poses[0], SHAPE)
    assert PersonalShape(data, 2).apply(mesh) is mesh


def test_reset_starts_over(data, poses) -> None:
    personal = PersonalShape(data, 1)
    personal.observe(refined_mesh(data, poses[0], SHAPE))
    personal.reset()
    assert personal.state is CalibrationState.COLLECTING
    assert not personal.estimate.shape.any()
