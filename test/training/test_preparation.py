"""Crops and targets agree with each other, for either hand and however the crop is turned."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from realhands_ros.geometry.mirror import (
    mirror_axis_angle,
    mirror_camera,
    mirror_pixels,
    mirror_points,
)
from realhands_ros.handnet.config import REFERENCE_KEYPOINT
from realhands_ros.handnet.posing import pose_hand
from realhands_ros.handnet.regressor import WeakCamera
from realhands_ros.training.batch import TrainingBatch
from realhands_ros.training.hand_source import Detection, HandSample, ViewSample
from realhands_ros.training.keypoint_noise import KeypointNoise
from realhands_ros.training.preparation import AS_DEPLOYED, Preparation, PreparationConfig
from realhands_ros.training.stream import BatchStream

EXACT = KeypointNoise(np.zeros(105), np.zeros((105, 105)), np.ones(1), 0.0)
VARIED = PreparationConfig(hide_all=0.0, hide_some=0.0, hide_world=0.0)


@pytest.fixture(scope='module')
def batch(few_hands, tiny_config) -> TrainingBatch:
    preparation = Preparation(tiny_config, EXACT, VARIED)
    rng = np.random.default_rng(0)
    return TrainingBatch.stack(
        [row for sample in few_hands.samples for row in preparation.rows(sample, rng)]
    )


def test_sources_have_both_hands(few_hands):
    assert {sample.handedness for sample in few_hands.samples} == {'left', 'right'}


def test_true_rotations_and_shape_pose_the_right_hand_of_the_crop(batch, hand_model):
    posed = pose_hand(hand_model, batch.rotations, batch.shape)
    torch.testing.assert_close(posed.keypoints, batch.keypoints, atol=2e-5, rtol=0)
    assert batch.has_shape.all()


def test_the_true_camera_projects_onto_the_keypoints(batch):
    camera = WeakCamera(batch.scale, batch.keypoints_ndc[:, REFERENCE_KEYPOINT])
    projected = camera.project_through(batch.keypoints, batch.projection, batch.half_angle)
    torch.testing.assert_close(projected, batch.keypoints_ndc, atol=1e-4, rtol=0)
    # Weak perspective is near that, but not the same.
    weak = (camera.project(batch.keypoints) - batch.keypoints_ndc).norm(dim=-1).mean()
    assert 0.005 < weak < 0.12


def test_detected_keypoints_lie_in_the_crop(batch, tiny_config):
    ndc = (2 * batch.keypoints_px + 1) / tiny_config.input_size - 1
    torch.testing.assert_close(ndc, batch.keypoints_ndc, atol=1e-4, rtol=0)
    assert ndc.abs().max() < 1
    # World landmarks are in the image's axes, turned as the crop is: nearly the crop's own.
    world = batch.world - batch.world.mean(1, keepdim=True)
    truth = batch.keypoints - batch.keypoints.mean(1, keepdim=True)
    assert ((world - truth).norm(dim=-1) / truth.norm(dim=-1).mean()).mean() < 0.5


def test_mask_covers_the_projected_hand(batch, hand_model, tiny_config):
    posed = pose_hand(hand_model, batch.rotations, batch.shape)
    camera = WeakCamera(batch.scale, batch.keypoints_ndc[:, REFERENCE_KEYPOINT])
    ndc = camera.project_through(posed.vertices, batch.projection, batch.half_angle)
    pixels = ((ndc + 1) * tiny_config.input_size / 2 - 0.5).round().long()
    inside = ((pixels >= 0) & (pixels < tiny_config.input_size)).all(-1)
    shares = []
    for crop in range(len(pixels)):
        x, y = pixels[crop][inside[crop]].unbind(-1)
        shares.append((batch.mask[crop][y, x] > 0).float().mean().item())
    # Objects and the other hand cover some.
    assert np.median(shares) > 0.85
    assert set(batch.mask.unique().tolist()) == {0, 255}


def test_both_views_agree_in_the_rig(batch):
    in_rig = batch.to_rig @ batch.root
    torch.testing.assert_close(in_rig[::2], in_rig[1::2], atol=1e-5, rtol=0)
    points = batch.keypoints @ batch.to_rig.transpose(1, 2)
    torch.testing.assert_close(points[::2], points[1::2], atol=1e-5, rtol=0)


def mirror_of(sample: HandSample) -> HandSample:
    def mirror_view(view: ViewSample) -> ViewSample:
        return ViewSample(
            view.image[:, ::-1].copy(),
            mirror_camera(view.camera),
            view.mask[:, ::-1].copy(),
            view.detection
            and Detection(
                mirror_pixels(view.detection.keypoints_px, view.camera.width),
                mirror_points(view.detection.world),
            ),
        )

    return HandSample(
        'left' if sample.handedness == 'right' else 'right',
        mirror_axis_angle(sample.pose_aa),
        sample.shape,
        mirror_points(sample.keypoints),
        tuple(mirror_view(view) for view in sample.views),
    )


def test_a_left_hand_is_prepared_as_the_right_hand_that_mirrors_it(few_hands, tiny_config):
    preparation = Preparation(tiny_config, KeypointNoise.isotropic())
    sample = few_hands.samples[0]
    view = sample.views[0]
    detection = Detection(view.camera.project(sample.keypoints) + 1.0, sample.keypoints)
    sample = replace(sample, views=(replace(view, detection=detection),))
    for seed in range(4):
        (row,) = preparation.rows(sample, np.random.default_rng(seed))
        (mirrored,) = preparation.rows(mirror_of(sample), np.random.default_rng(seed))
        for name, value in row.items():
            np.testing.assert_allclose(mirrored[name], value, atol=1e-6, err_msg=name)


def test_keypoints_and_world_landmarks_are_hidden_at_times(few_hands, tiny_config):
    config = PreparationConfig(hide_all=0.3, hide_some=0.5, hide_world=0.5)
    preparation = Preparation(tiny_config, EXACT, config)
    rng = np.random.default_rng(0)
    rows = [row for _ in range(40) for row in preparation.rows(few_hands.samples[0], rng)]
    known = np.stack([np.isfinite(row['keypoints_px']).all(1) for row in rows])
    has_world = np.stack([np.isfinite(row['world']).all() for row in rows])
    assert 0.15 < (~known.any(1)).mean() < 0.45
    assert 0.2 < (known.any(1) & ~known.all(1)).mean() < 0.5
    assert 0.2 < has_world.mean() < 0.5
    assert not has_world[~known.any(1)].any()


def test_real_detections_are_used_where_there_are_any(few_hands, tiny_config):
    sample = few_hands.samples[0]
    far_off = Detection(sample.views[0].camera.project(sample.keypoints) + 7.0, sample.keypoints)
    detected = replace(sample, views=(replace(sample.views[0], detection=far_off),))
    preparation = Preparation(tiny_config, EXACT, AS_DEPLOYED)
    (row,) = preparation.rows(detected, np.random.default_rng(0))
    ndc = (2 * row['keypoints_px'] + 1) / tiny_config.input_size - 1
    assert np.abs(ndc - row['keypoints_ndc']).mean() > 0.05
    # The crop follows the detection, as it does in the system.
    np.testing.assert_allclose((ndc.min(0) + ndc.max(0)) / 2, 0, atol=1e-6)


def test_unknown_shape_and_mask_are_marked(few_hands, tiny_config):
    sample = few_hands.samples[0]
    view = replace(sample.views[0], mask=None)
    (row,) = Preparation(tiny_config, EXACT).rows(
        replace(sample, shape=None, views=(view,)), np.random.default_rng(0)
    )
    assert not row['has_shape']
    assert not row['has_mask']
    assert np.abs(row['shape']).max() == 0


def test_a_batch_depends_on_its_number_alone(few_hands, tiny_config):
    def stream(**changes) -> BatchStream:
        options = {'hands': 3, 'seed': (1, 0), 'steps': 5, 'rank': 0, **changes}
        return BatchStream(few_hands, Preparation(tiny_config, EXACT), **options)

    first, again = stream()[2], stream(steps=9)[2]
    assert first.pooled is None
    for name, tensor in first._asdict().items():
        if name == 'pooled':
            continue
        assert torch.equal(tensor.nan_to_num(), again._asdict()[name].nan_to_num()), name
    for other in (stream()[3], stream(rank=1)[2], stream(seed=(1, 1))[2]):
        assert not torch.equal(first.image, other.image)
    assert len(stream()) == 5
    assert first.image.shape == (6, 64, 64, 3)
