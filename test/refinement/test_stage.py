from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.common.refinement_samples import RefinementSample
from realhands_ros.data.hands import HandMesh, HandView, MeshFlag, MeshStage
from realhands_ros.geometry.camera import PinholeCamera
from realhands_ros.geometry.mirror import (
    mirror_axis_angle,
    mirror_camera,
    mirror_pixels,
    mirror_points,
)
from realhands_ros.refinement.energy import EnergyConfig
from realhands_ros.refinement.refiner import RefinementConfig
from realhands_ros.refinement.stage import RefinementStage

SIZE = 112


@pytest.fixture(scope='module')
def stage(hand_data) -> RefinementStage:
    exact = RefinementConfig(energy=EnergyConfig(keypoint_marks='exact'))
    return RefinementStage(hand_data, exact)


@pytest.fixture
def cameras(sample) -> list[PinholeCamera]:
    """Cameras of whole images, of which the sample's crops are the lower right corners."""
    to_image = np.array([[1.0, 0.0, 30.0], [0.0, 1.0, 20.0]])
    return [view.camera.cropped(to_image, SIZE + 30, SIZE + 20) for view in sample.estimate.views]


@pytest.fixture
def mesh(sample, sampler) -> HandMesh:
    parameters = sample.estimate.parameters
    views = tuple(
        HandView(
            keypoints_px=(view.keypoints_px + [30.0, 20.0]).astype(np.float32),
            keypoint_scores=view.keypoint_scores.astype(np.float32),
            crop_affine=np.array([[1.0, 0.0, -30.0], [0.0, 1.0, -20.0]]),
            silhouette=(255 * view.target).astype(np.uint8),
        )
        for view in sample.estimate.views
    )
    return HandMesh(
        id='a', handedness='right', vertices_cam=sampler.vertices(parameters),
        keypoints_cam=np.zeros((21, 3)), pose_aa=parameters.pose_aa, shape=parameters.shape,
        translation=parameters.translation, topology_key='key', stage=MeshStage.REGRESSED,
        views=views,
    )  # fmt: skip


def _mirrored(mesh: HandMesh, width: int) -> HandMesh:
    views = tuple(
        replace(
            view,
            keypoints_px=mirror_pixels(view.keypoints_px, width),
            crop_affine=np.array([[1.0, 0.0, 0.0], [0.0, 1.0, -20.0]]),
            silhouette=view.silhouette[:, ::-1],
        )
        for view in mesh.views
    )
    return replace(
        mesh, handedness='left', vertices_cam=mirror_points(mesh.vertices_cam),
        pose_aa=mirror_axis_angle(mesh.pose_aa), translation=mirror_points(mesh.translation),
        views=views,
    )  # fmt: skip


def test_a_regressed_mesh_becomes_a_refined_one(stage, mesh, cameras, sample: RefinementSample):
    refined = stage(mesh, cameras)
    assert refined.stage == MeshStage.REFINED
    assert refined.flags == MeshFlag.STEREO
    assert refined.silhouette_iou > 0.97
    assert refined.reprojection_error_px < 4.0
    assert (refined.id, refined.handedness, refined.topology_key) == ('a', 'right', 'key')
    before = np.linalg.norm(mesh.vertices_cam - sample.vertices, axis=1).mean()
    after = np.linalg.norm(refined.vertices_cam - sample.vertices, axis=1).mean()
    assert after < 0.3 * before
    assert refined.vertices_cam.dtype == np.float32
    assert refined.keypoints_cam.shape == (21, 3)
    assert refined.vertex_offsets.shape == (778, 3)


def test_a_left_hand_is_the_mirror_image_of_a_right_one(stage, mesh, cameras):
    right = stage(mesh, cameras)
    left = stage(_mirrored(mesh, SIZE + 30), [mirror_camera(camera) for camera in cameras])
    assert left.handedness == 'left'
    assert left.stage == MeshStage.REFINED
    np.testing.assert_allclose(left.vertices_cam, mirror_points(right.vertices_cam), atol=1e-5)
    np.testing.assert_allclose(left.pose_aa, mirror_axis_angle(right.pose_aa), atol=1e-5)
    np.testing.assert_allclose(left.keypoints_cam, mirror_points(right.keypoints_cam), atol=1e-5)


def test_world_landmarks_are_turned_with_a_left_hand(models, mesh, cameras):
    energy = EnergyConfig(world_landmarks=0.003)
    stage = RefinementStage(models['right'], RefinementConfig(energy=energy))
    keypoints = stage(mesh, cameras).keypoints_cam + 0.01 * np.random.default_rng(0).normal(
        size=(21, 3)
    )
    right = replace(mesh, world_landmarks=tuple(keypoints @ c.rotation.T for c in cameras))
    left = replace(
        _mirrored(mesh, SIZE + 30),
        world_landmarks=tuple(mirror_points(points) for points in right.world_landmarks),
    )
    without = stage(mesh, cameras).keypoints_cam
    refined = stage(right, cameras).keypoints_cam
    assert np.abs(refined - without).max() > 1e-5
    mirrored = stage(left, [mirror_camera(camera) for camera in cameras]).keypoints_cam
    np.testing.assert_allclose(mirrored, mirror_points(refined), atol=1e-5)


def test_a_refined_mesh_that_fits_is_trusted_whatever_the_network_s_was(stage, mesh, cameras):
    doubtful = replace(mesh, flags=MeshFlag.STEREO | MeshFlag.LOW_CONFIDENCE)
    assert stage(doubtful, cameras).flags == MeshFlag.STEREO
    # Without keypoints nobody can tell.
    views = tuple(replace(view, keypoint_scores=np.zeros(21)) for view in mesh.views)
    assert stage(replace(doubtful, views=views), cameras).flags & MeshFlag.LOW_CONFIDENCE


def test_a_refined_mesh_far_from_keypoints_or_mask_is_not_trusted(stage, mesh, cameras):
    rng = np.random.default_rng(0)
    scattered = tuple(
        replace(view, keypoints_px=view.keypoints_px + rng.normal(scale=12.0, size=(21, 2)))
        for view in mesh.views
    )
    assert stage(replace(mesh, views=scattered), cameras).flags & MeshFlag.LOW_CONFIDENCE
    elsewhere = np.zeros((SIZE, SIZE), np.uint8)
    elsewhere[-30:, -30:] = 255
    masked = tuple(replace(view, silhouette=elsewhere) for view in mesh.views)
    assert stage(replace(mesh, views=masked), cameras).flags & MeshFlag.LOW_CONFIDENCE


def test_one_view_rests_on_the_prior_of_size(stage, mesh, cameras):
    refined = stage(replace(mesh, flags=MeshFlag.STEREO, views=mesh.views[:1]), cameras[:1])
    assert refined.flags == MeshFlag.SCALE_PRIOR


def test_a_mesh_without_usable_views_comes_back_flagged(stage, mesh, cameras):
    for views in ((), tuple(replace(view, crop_affine=None) for view in mesh.views)):
        result = stage(replace(mesh, views=views), cameras)
        assert result.flags & MeshFlag.NOT_REFINED
        assert result.stage == MeshStage.REGRESSED
        np.testing.assert_allclose(result.vertices_cam, mesh.vertices_cam, atol=1e-5)


def test_a_mesh_of_nan_comes_back_finite_and_distrusted(stage, mesh, cameras):
    wild = replace(mesh, pose_aa=np.full(48, np.nan), vertices_cam=np.full((778, 3), np.nan))
    result = stage(wild, cameras)
    assert result.flags & MeshFlag.NOT_REFINED
    assert result.flags & MeshFlag.LOW_CONFIDENCE
    assert np.isfinite(result.vertices_cam).all()
    assert np.isfinite(result.keypoints_cam).all()


@pytest.mark.parametrize(
    'change',
    [
        {'pose_aa': np.zeros(45)},
        {'views': (HandView(np.zeros((20, 2)), np.zeros(20), np.eye(3)[:2], None, None),)},
        {
            'views': (
                HandView(
                    np.zeros((21, 2)), np.zeros(21), np.zeros((2, 3)),
                    silhouette=np.zeros((8, 8), np.uint8),
                ),
            )
        },
        {
            'views': (
                HandView(
                    np.zeros((20, 2)), np.zeros(20), np.eye(3)[:2],
                    silhouette=np.zeros((8, 8), np.uint8),
                ),
            )
        },
    ],
    ids=['pose', 'no crop', 'flat affine', 'too few keypoints'],
)  # fmt: skip
def test_arrays_of_the_wrong_shape_are_survived(stage, mesh, cameras, change):
    result = stage(replace(mesh, **change), cameras)
    assert result.flags & MeshFlag.NOT_REFINED


def test_the_last_mesh_may_be_given(stage, mesh, cameras):
    refined = stage(mesh, cameras)
    again = stage(mesh, cameras, last=refined)
    assert again.stage == MeshStage.REFINED
