"""The truth of synthetic samples agrees with their pictures and with itself."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from scipy.spatial import cKDTree

from realhands_ros.geometry.camera import PinholeCamera
from realhands_ros.synthesis.config import SynthesisConfig
from realhands_ros.synthesis.fast.renderer import FastRenderer
from realhands_ros.synthesis.generator import SceneGenerator
from realhands_ros.synthesis.sample import StereoSample, make_sample
from realhands_ros.synthesis.scene import HandTruth

# Nothing before the hand: its whole outline is in the labels.
ALONE = {
    'occluder_share': 0.0,
    'held_object_share': 0.0,
    'second_hand_share': 0.0,
    'glove_share': 0.0,
    'ring_share': 0.0,
}


@pytest.fixture(scope='module')
def samples() -> list[StereoSample]:
    generator = SceneGenerator(SynthesisConfig(crop_size=224, glove_share=0.0), 5)
    renderer = FastRenderer()
    return [make_sample(generator.scene(index), renderer) for index in range(8)]


def filled_outline(hand: HandTruth, camera: PinholeCamera) -> np.ndarray:
    """Fill every projected triangle with OpenCV in a picture 9 times as fine; take the centres."""
    fine = 9
    pixels = camera.project(hand.vertices)[hand.faces] * fine + fine // 2
    mask = np.zeros((camera.height * fine, camera.width * fine), np.uint8)
    for triangle in np.round(pixels).astype(np.int32):
        cv2.fillConvexPoly(mask, triangle, 1)
    return mask[fine // 2 :: fine, fine // 2 :: fine].astype(bool)


def test_masks_are_those_of_the_projected_mesh() -> None:
    generator = SceneGenerator(SynthesisConfig(crop_size=224, **ALONE), 6)
    renderer = FastRenderer()
    compared = 0
    for index in range(8):
        scene = generator.scene(index)
        sample = make_sample(scene, renderer)
        for eye, camera in enumerate(scene.rig.views):
            projected = filled_outline(scene.hand, camera)
            # A sleeve over the wrist or a thing on the table may hide a part.
            farthest = camera.to_camera(scene.hand.vertices)[:, 2].max()
            hidden = ~sample.masks[eye] & (sample.depth[eye] < farthest)
            shown = projected & ~hidden
            mask = sample.masks[eye]
            assert (mask & shown).sum() / (mask | shown).sum() >= 0.99
            compared += int(mask.sum() > 500)
    assert compared > 10


def test_keypoints_obey_the_epipolar_geometry(samples: list[StereoSample]) -> None:
    for sample in samples:
        left, right = sample.rig.views
        motion = right.translation - right.rotation @ left.rotation.T @ left.translation
        cross = np.array(
            [[0, -motion[2], motion[1]], [motion[2], 0, -motion[0]], [-motion[1], motion[0], 0]]
        )
        fundamental = (
            np.linalg.inv(right.intrinsics).T
            @ cross
            @ right.rotation
            @ left.rotation.T
            @ np.linalg.inv(left.intrinsics)
        )
        points = [np.column_stack([px, np.ones(21)]) for px in sample.keypoints_px]
        lines = points[0] @ fundamental.T
        distance = np.abs((lines * points[1]).sum(1)) / np.linalg.norm(lines[:, :2], axis=1)
        assert distance.max() < 1e-3


def points_on_surface(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Return points all over a mesh, about a millimetre apart."""
    weights = np.random.default_rng(0).dirichlet(np.ones(3), 40)
    return np.einsum('pk,fkc->fpc', weights, vertices[faces]).reshape(-1, 3)


def test_depth_is_that_of_the_vertices(samples: list[StereoSample]) -> None:
    """The points that hand pixels and their depth stand for lie on the mesh."""
    for sample in samples:
        for eye, camera in enumerate(sample.rig.views):
            rows, columns = np.nonzero(sample.masks[eye])
            rays = np.stack([columns, rows, np.ones_like(rows)], 1)
            depth = sample.depth[eye][rows, columns, None]
            points = rays @ np.linalg.inv(camera.intrinsics).T * depth
            surface = points_on_surface(camera.to_camera(sample.hand.vertices), sample.hand.faces)
            distance, _ = cKDTree(surface).query(points)
            assert np.median(distance) < 0.001
            assert distance.max() < 0.004


def test_truth_is_the_models(samples: list[StereoSample]) -> None:
    from realhands_ros.hand.fast_model import FastHandModel
    from realhands_ros.hand.model_file import default_model_folder, load_hand_model_data

    for sample in samples:
        hand = sample.hand
        data = load_hand_model_data(default_model_folder(), hand.handedness)
        output = FastHandModel(data, dtype=np.float64).forward(
            hand.pose_aa, hand.shape, hand.translation
        )
        np.testing.assert_allclose(output.vertices, hand.vertices, atol=1e-9)
        for eye, camera in enumerate(sample.rig.views):
            np.testing.assert_allclose(
                camera.project(output.keypoints), sample.keypoints_px[eye], atol=1e-6
            )


def test_visibility_knows_the_back_of_a_fist_and_a_wall_before_the_hand() -> None:
    """All keypoints of an open hand are seen from the front; none through a board."""
    from dataclasses import replace

    from realhands_ros.synthesis.mesh import box
    from realhands_ros.synthesis.scene import Label, SceneMesh
    from realhands_ros.synthesis.textures import plain

    generator = SceneGenerator(SynthesisConfig(crop_size=224, **ALONE), 8)
    renderer = FastRenderer()
    scene = generator.scene(0)
    open_view = make_sample(scene, renderer)
    board = box([2.0, 2.0, 0.005]).transformed(np.eye(3), [0.0, 0.0, 0.1])
    hidden = replace(
        scene, meshes=(*scene.meshes, SceneMesh(Label.OBJECT, *board, plain((0.5, 0.5, 0.5))))
    )
    assert open_view.keypoints_visible.any()
    assert not make_sample(hidden, renderer).keypoints_visible.any()


def test_a_seed_is_a_scene() -> None:
    """The same seed gives the same pictures whatever was drawn before; another one does not."""
    config, renderer = SynthesisConfig(crop_size=96), FastRenderer()
    first = SceneGenerator(config, 1)
    for index in range(3):
        first.scene(index)
    again = make_sample(first.scene(3), renderer)
    fresh = make_sample(SceneGenerator(config, 1).scene(3), FastRenderer())
    other = make_sample(SceneGenerator(config, 2).scene(3), renderer)
    np.testing.assert_array_equal(again.images, fresh.images)
    np.testing.assert_array_equal(again.depth, fresh.depth)
    assert (again.images != other.images).any()
