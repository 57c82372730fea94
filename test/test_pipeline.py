"""
The stages in a row: what each of them gives arrives, and survives what a camera may deliver.

The network has random weights here, so it is the wiring that is tested; how good the meshes are is
measured with the real weights on bags (`realhands eval`).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from realhands_ros.data.frames import StereoFrame
from realhands_ros.data.hands import HandMesh, MeshFlag, MeshStage
from realhands_ros.errors import WeightsError
from realhands_ros.geometry.camera import StereoRig
from realhands_ros.hand.model_file import default_model_folder, load_hand_model_data
from realhands_ros.handnet.config import TINY
from realhands_ros.handnet.network import HandNet
from realhands_ros.handnet.stage import HandNetStageConfig
from realhands_ros.handnet.weights import save_weights
from realhands_ros.handnet.weights_info import WeightsInfo, shape_basis_key
from realhands_ros.keypoints.stage import KeypointStageConfig
from realhands_ros.keypoints.two_view import triangulate
from realhands_ros.pipeline import HandPipeline, PipelineConfig
from realhands_ros.refinement.levenberg_marquardt import LevenbergMarquardtConfig
from realhands_ros.refinement.refiner import RefinementConfig
from realhands_ros.synthesis.config import SynthesisConfig
from realhands_ros.synthesis.fast.renderer import FastRenderer
from realhands_ros.synthesis.generator import SceneGenerator
from realhands_ros.synthesis.sample import StereoSample, make_sample
from realhands_ros.texture.stage import TextureStageConfig

FRAME_NS = 33_333_333
# A scene of this generator with one right hand in full view of both cameras.
SEED, SCENE = 77, 19
FEW_STEPS = RefinementConfig(levenberg_marquardt=LevenbergMarquardtConfig(iterations=2))


@pytest.fixture(scope='module')
def sample() -> StereoSample:
    return make_sample(SceneGenerator(SynthesisConfig(), SEED).scene(SCENE), FastRenderer())


@pytest.fixture(scope='module')
def weights(tmp_path_factory):
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp('weights') / 'tiny.safetensors'
    data = load_hand_model_data(default_model_folder(), 'right')
    save_weights(path, HandNet(TINY), WeightsInfo(TINY, shape_basis_key(data)))
    return path


def config_of(weights, **options) -> PipelineConfig:
    handnet = HandNetStageConfig(weights=weights, backend='torch')
    return PipelineConfig(handnet=handnet, **{'refinement': FEW_STEPS, **options})


def frame_of(sample: StereoSample, number: int = 0, views: int = 2) -> StereoFrame:
    images = tuple(np.ascontiguousarray(image[..., ::-1]) for image in sample.images[:views])
    return StereoFrame(number * FRAME_NS, 'left_optical', images, sample.rig.views[:views])


def is_sound(mesh: HandMesh) -> bool:
    return bool(np.isfinite(mesh.vertices_cam).all() and np.isfinite(mesh.translation).all())


def test_a_hand_goes_through_all_stages(sample, weights):
    config = config_of(weights, texture=TextureStageConfig(atlas_size=64))
    with HandPipeline(config) as pipeline:
        results = [pipeline(frame_of(sample, number)) for number in range(3)]
    for number, result in enumerate(results):
        assert (result.stamp_ns, result.frame_id) == (number * FRAME_NS, 'left_optical')
        (observation,), (regressed,), (refined,) = (
            result.observations,
            result.regressed,
            result.refined,
        )
        assert observation.id == regressed.id == refined.id == results[0].observations[0].id
        assert observation.handedness == refined.handedness == sample.hand.handedness
        assert all(view.crop.shape == (TINY.input_size,) * 2 + (3,) for view in observation.views)
        assert regressed.stage == MeshStage.REGRESSED
        assert refined.stage == MeshStage.REFINED or refined.flags & MeshFlag.NOT_REFINED
        assert regressed.flags & MeshFlag.STEREO
        assert is_sound(regressed) and is_sound(refined)
        assert result.meshes == result.refined
        assert len(result.textures) == 1 and result.textures[0].id == refined.id
        assert list(result.latency_ms) == ['keypoints', 'handnet', 'refinement', 'texture']
        assert all(value > 0 for value in result.latency_ms.values())


def test_stages_can_be_left_out(sample, weights):
    with HandPipeline(config_of(weights, refinement=None)) as pipeline:
        result = pipeline(frame_of(sample))
    assert result.refined == () and result.textures == ()
    assert result.meshes == result.regressed != ()
    assert list(result.latency_ms) == ['keypoints', 'handnet']


def test_one_image(sample, weights):
    keypoints = KeypointStageConfig(still_images=True)
    with HandPipeline(config_of(weights, keypoints=keypoints)) as pipeline:
        result = pipeline(frame_of(sample, views=1))
    (mesh,) = result.meshes
    assert is_sound(mesh) and mesh.flags & MeshFlag.SCALE_PRIOR


def test_the_calibration_sets_the_scale(sample, weights):
    """The same pictures by cameras nearer to each other are those of a nearer hand."""
    left, right = sample.rig.views
    narrow = StereoRig(left, replace(right, translation=0.75 * right.translation))
    with HandPipeline(config_of(weights, refinement=None)) as pipeline:
        here = pipeline(frame_of(sample)).observations[0]
        pipeline.reset()
        frame = replace(frame_of(sample), cameras=narrow.views)
        there = pipeline(frame).observations[0]
    wide, near = (
        triangulate(rig.views, [view.keypoints_px for view in seen.views]).points
        for rig, seen in ((sample.rig, here), (narrow, there))
    )
    np.testing.assert_allclose(near, 0.75 * wide, rtol=1e-6)


def test_nothing_in_sight_and_covered_cameras(sample, weights):
    with HandPipeline(config_of(weights)) as pipeline:
        before = pipeline(frame_of(sample, 0)).meshes[0]
        frame = frame_of(sample, 1)
        noise = np.random.default_rng(0).integers(0, 255, frame.images[0].shape, dtype=np.uint8)
        empty = pipeline(replace(frame, images=(noise, noise)))
        assert empty.observations == empty.meshes == empty.rejected == ()
        black = pipeline(
            replace(frame_of(sample, 2), images=tuple(np.zeros_like(i) for i in frame.images))
        )
        assert black.meshes == () and pipeline.keypoints.report.blank_views == (0, 1)
        half = pipeline(
            replace(frame_of(sample, 3), images=(frame.images[0], np.zeros_like(frame.images[1])))
        )
        assert half.meshes[0].id == before.id and half.meshes[0].flags & MeshFlag.SCALE_PRIOR
        again = pipeline(frame_of(sample, 4))
        assert again.meshes[0].id == before.id and again.meshes[0].flags & MeshFlag.STEREO


def test_a_stamp_that_goes_back_starts_anew(sample, weights):
    with HandPipeline(config_of(weights, refinement=None)) as pipeline:
        first = pipeline(frame_of(sample, 40))
        second = pipeline(frame_of(sample, 3))
        assert first.observations[0].id != second.observations[0].id
        pipeline.reset()
        assert pipeline(frame_of(sample, 4)).observations[0].id != second.observations[0].id


def test_missing_weights_are_named(tmp_path):
    with pytest.raises(WeightsError, match=r'nowhere\.safetensors'):
        HandPipeline(config_of(tmp_path / 'nowhere.safetensors'))
