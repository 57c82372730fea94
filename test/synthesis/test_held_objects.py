"""Objects in hands, and hands on hands: they touch, and do not enter each other."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial import cKDTree

from realhands_ros.data.topology import NUM_SHAPE, Handedness
from realhands_ros.errors import ConfigError
from realhands_ros.hand.grasps import GRASPS, GraspSampler, Held
from realhands_ros.hand.model_file import default_model_folder, load_hand_model_data
from realhands_ros.synthesis.arm_builder import ArmBuilder
from realhands_ros.synthesis.config import SHARES, SynthesisConfig
from realhands_ros.synthesis.contact import slide_to_contact, turned_to_touch
from realhands_ros.synthesis.fast.renderer import FastRenderer
from realhands_ros.synthesis.generator import SceneGenerator, shown_share
from realhands_ros.synthesis.held_objects import fitted_object
from realhands_ros.synthesis.placement import HandPlacement
from realhands_ros.synthesis.sample import make_sample
from realhands_ros.synthesis.scene import HandTruth, Label

PLACE = HandPlacement(
    np.eye(3), np.array([0.1, 0.0, 0.5]), np.array([1.0, 0, 0]), np.array([1.0, 0, 0])
)


@pytest.fixture(scope='module')
def arms() -> ArmBuilder:
    return ArmBuilder()


def hands(arms: ArmBuilder, name: str, count: int) -> list[HandTruth]:
    """Return right and left hands in a grasp, on one spot."""
    sampler = GraspSampler(load_hand_model_data(default_model_folder()))
    rng = np.random.default_rng(0)
    made = []
    for number in range(count):
        pose = sampler.sample(rng, name)[1]
        side: Handedness = 'right'
        if number % 2:
            side, pose = 'left', (pose.reshape(-1, 3) * [1, -1, -1]).ravel()
        made.append(arms.pose_hand(PLACE, side, pose, np.zeros(NUM_SHAPE)))
    return made


def _inside(points: np.ndarray, mesh_vertices: np.ndarray, mesh_faces: np.ndarray) -> np.ndarray:
    """Return which points (N, 3) a closed mesh holds, by its winding number (van Oosterom)."""
    a, b, c = (mesh_vertices[mesh_faces[:, i]][None] - points[:, None] for i in range(3))
    la, lb, lc = (np.linalg.norm(v, axis=2) for v in (a, b, c))
    above = (a * np.cross(b, c)).sum(2)
    below = la * lb * lc + (a * b).sum(2) * lc + (b * c).sum(2) * la + (c * a).sum(2) * lb
    return np.asarray(np.abs(np.arctan2(above, below).sum(1)) > np.pi)


@pytest.mark.parametrize('name', [n for n, held in GRASPS.items() if held is not Held.NOTHING])
def test_an_object_touches_the_hand_and_hardly_enters_it(arms: ArmBuilder, name: str) -> None:
    rng = np.random.default_rng(3)
    found = 0
    for hand in hands(arms, name, 8):
        for mesh in fitted_object(rng, hand, GRASPS[name]):
            found += 1
            assert mesh.label is Label.OBJECT
            inside = _inside(hand.vertices, mesh.vertices, mesh.faces)
            assert inside.mean() < 0.12
    assert found >= 4


def test_a_rod_lies_before_the_palm_of_either_hand(arms: ArmBuilder) -> None:
    """The palms of the placed hands face -y."""
    rng = np.random.default_rng(4)
    for hand in hands(arms, 'cylinder', 6):
        handle = fitted_object(rng, hand, Held.ROD)[0]
        assert handle.vertices[:, 1].mean() < hand.keypoints[[0, 5, 9, 17], 1].mean() - 0.01


def test_fists_hold_nothing(arms: ArmBuilder) -> None:
    hand = hands(arms, 'fist_thumb_over', 1)[0]
    assert fitted_object(np.random.default_rng(0), hand, Held.NOTHING) == []


def test_hands_that_touch_meet(arms: ArmBuilder) -> None:
    rng = np.random.default_rng(5)
    gaps = []
    for first, second in zip(
        hands(arms, 'cylinder', 10), hands(arms, 'platform', 10), strict=True
    ):
        turned = turned_to_touch(rng, PLACE, first, second)
        fingers = second.pose_aa[3:]
        posed = arms.pose_hand(turned, second.handedness, fingers, second.shape)
        moved = posed.vertices + slide_to_contact(rng, first, posed)
        gaps.append(cKDTree(first.vertices).query(moved)[0].min())
    assert np.median(gaps) < 0.006
    assert max(gaps) < 0.05


def test_second_hands_and_objects_are_not_in_the_mask() -> None:
    config = SynthesisConfig(
        crop_size=96,
        grasp_share=1.0,
        held_object_share=1.0,
        second_hand_share=1.0,
        touching_share=1.0,
    )
    generator, renderer = SceneGenerator(config, 9), FastRenderer()
    seen = set()
    for index in range(8):
        scene = generator.scene(index)
        sample = make_sample(scene, renderer)
        seen |= set(np.unique(sample.labels))
        for mesh in scene.meshes:
            if mesh.label in (Label.OBJECT, Label.OTHER_HAND):
                assert not sample.masks[sample.labels == mesh.label].any()
        before = [mesh for mesh in scene.meshes if not mesh.is_backdrop]
        assert shown_share(scene.hand, before, scene.rig) > 0.3
    assert {Label.HAND, Label.OTHER_HAND, Label.OBJECT} <= seen


@pytest.mark.parametrize('name', list(SHARES))
def test_shares_lie_between_none_and_all(name: str) -> None:
    with pytest.raises(ConfigError, match=name):
        SynthesisConfig(**{name: 1.2})
