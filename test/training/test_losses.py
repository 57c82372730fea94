from dataclasses import replace

import numpy as np
import pytest
import roma
import torch

from realhands_ros.handnet.config import LIGHT, REFERENCE_KEYPOINT
from realhands_ros.handnet.network import HandNet
from realhands_ros.handnet.pose_representation import HandRotations
from realhands_ros.handnet.posing import PosedHand, pose_hand
from realhands_ros.handnet.regressor import Regression, WeakCamera
from realhands_ros.training.batch import TrainingBatch
from realhands_ros.training.keypoint_noise import KeypointNoise
from realhands_ros.training.losses import (
    LOSSES,
    METRIC_LOSS,
    PAPER_LOSS,
    default_loss,
    mano_terms,
    rotations_in_rig,
    segmentation_terms,
    stereo_terms,
    true_hand,
)
from realhands_ros.training.preparation import AS_DEPLOYED, Preparation
from realhands_ros.training.stage_model import fuse_views


@pytest.fixture(scope='module')
def batch(few_hands, tiny_config) -> TrainingBatch:
    preparation = Preparation(tiny_config, KeypointNoise.isotropic(), AS_DEPLOYED)
    rng = np.random.default_rng(0)
    rows = [row for sample in few_hands.samples[:3] for row in preparation.rows(sample, rng)]
    return TrainingBatch.stack(rows)


def perfect(batch: TrainingBatch) -> Regression:
    """Return what a perfect network would regress, as axis-angle numbers."""
    return Regression(
        pose_code=torch.cat([batch.root_aa, batch.fingers_aa], 1),
        rotations=batch.rotations,
        shape=batch.shape,
        camera=WeakCamera(batch.scale, batch.keypoints_ndc[:, REFERENCE_KEYPOINT]),
        base=torch.zeros(len(batch.root), 48),
    )


def test_paper_weights():
    values = (
        PAPER_LOSS.pose,
        PAPER_LOSS.shape,
        PAPER_LOSS.keypoints_2d,
        PAPER_LOSS.shape_norm,
        PAPER_LOSS.camera,
    )
    assert values == (10, 1, 100, 0.5, 1e-5)
    assert PAPER_LOSS.vertices == PAPER_LOSS.keypoints_3d == 0
    assert PAPER_LOSS.projection == 'weak'
    assert LOSSES[default_loss(LIGHT)] is METRIC_LOSS


def test_perfect_regression_leaves_only_the_shape_norm(batch, hand_model):
    terms = mano_terms(perfect(batch), batch, hand_model, METRIC_LOSS, 'axis_angle')
    for name in ('pose', 'shape', 'camera', 'keypoints_2d'):
        assert terms[name] < 1e-8, name
    # A square root that is smooth at zero is 0.1 mm there.
    assert terms['keypoints_3d'] < 1.5e-4
    assert terms['vertices'] < 1.5e-4
    torch.testing.assert_close(terms['shape_norm'], batch.shape.square().mean())


def test_each_term_is_a_mean_squared_error(batch, hand_model):
    wrong = perfect(batch)
    wrong = wrong._replace(
        pose_code=wrong.pose_code + 0.1,
        shape=wrong.shape + 0.5,
        camera=WeakCamera(wrong.camera.scale + 2.0, wrong.camera.centre),
    )
    terms = mano_terms(wrong, batch, hand_model, PAPER_LOSS, 'axis_angle')
    assert set(terms) == {'pose', 'shape', 'keypoints_2d', 'shape_norm', 'camera'}
    assert terms['pose'].item() == pytest.approx(0.01, rel=1e-4)
    assert terms['shape'].item() == pytest.approx(0.25, rel=1e-4)
    assert terms['camera'].item() == pytest.approx((2 * 112) ** 2, rel=1e-4)
    posed = pose_hand(hand_model, wrong.rotations, wrong.shape)
    projected = wrong.camera.project(posed.keypoints)
    expected = (projected - batch.keypoints_ndc).square().mean()
    torch.testing.assert_close(terms['keypoints_2d'], expected)
    total = PAPER_LOSS.total(terms)
    by_hand = (
        10 * terms['pose']
        + terms['shape']
        + 100 * terms['keypoints_2d']
        + 0.5 * terms['shape_norm']
        + 1e-5 * terms['camera']
    )
    torch.testing.assert_close(total, by_hand)


def test_unknown_shapes_and_masks_do_not_count(batch, hand_model):
    known = torch.tensor([True, False] * 3)
    shape = torch.where(known[:, None], batch.shape, 99.0)
    regression = perfect(batch)._replace(shape=batch.shape + 1.0)
    partly = batch._replace(shape=shape, has_shape=known)
    terms = mano_terms(regression, partly, hand_model, METRIC_LOSS, 'axis_angle')
    assert terms['shape'].item() == pytest.approx(1.0, rel=1e-4)
    none = batch._replace(has_shape=torch.zeros(6, dtype=torch.bool))
    terms = mano_terms(regression, none, hand_model, METRIC_LOSS, 'axis_angle')
    assert terms['shape'] == terms['vertices'] == 0
    logits = torch.zeros(2, 1, 4, 4)
    logits[1] = 50.0
    masks = torch.zeros(2, 4, 4)
    found = segmentation_terms(logits, masks, torch.tensor([True, False]))
    assert found['segmentation'].item() == pytest.approx(np.log(2))


def test_segmentation_is_the_cross_entropy_of_equation_10():
    logits, masks = torch.randn(3, 1, 8, 8), (torch.rand(3, 8, 8) > 0.5).float()
    probability = torch.sigmoid(logits[:, 0])
    expected = -(masks * probability.log() + (1 - masks) * (1 - probability).log()).mean()
    found = segmentation_terms(logits, masks, torch.ones(3, dtype=torch.bool))
    torch.testing.assert_close(found['segmentation'], expected)


def test_stereo_is_the_mean_squared_error_of_equation_11():
    truth = PosedHand(torch.randn(2, 778, 3), torch.randn(2, 21, 3))
    posed = PosedHand(truth.vertices + 0.01, truth.keypoints + 0.02)
    terms = stereo_terms(posed, truth)
    assert terms['stereo_vertices'].item() == pytest.approx(0.01, rel=1e-3)
    assert terms['stereo_keypoints'].item() == pytest.approx(0.04, rel=1e-3)


@pytest.mark.parametrize('blend', ['linear', 'rotation'])
def test_perfect_views_fuse_to_the_true_hand(batch, hand_model, tiny_config, blend):
    network = HandNet(tiny_config)
    rotations, shape = fuse_views(network, perfect(batch), batch.to_rig, blend)
    fused = pose_hand(hand_model, rotations, shape)
    truth = rotations_in_rig(batch.rotations, batch.to_rig)
    left = HandRotations(truth.root[::2], truth.fingers_aa[::2])
    expected = pose_hand(hand_model, left, batch.shape[::2])
    torch.testing.assert_close(fused.vertices, expected.vertices, atol=1e-4, rtol=0)


def test_a_wrong_root_costs(batch, hand_model):
    turned = batch.rotations.root @ roma.rotvec_to_rotmat(torch.tensor([0.0, 0.3, 0.0]))
    regression = perfect(batch)._replace(rotations=HandRotations(turned, batch.fingers_aa))
    terms = mano_terms(regression, batch, hand_model, METRIC_LOSS, 'axis_angle')
    assert terms['vertices'] > 5e-3
    assert true_hand(hand_model, batch).vertices.requires_grad is False


def test_gradients_are_finite_at_the_truth(batch, hand_model):
    shape = batch.shape.clone().requires_grad_()
    regression = perfect(batch)._replace(shape=shape)
    weights = replace(METRIC_LOSS, shape_norm=0.0)
    terms = mano_terms(regression, batch, hand_model, weights, 'axis_angle')
    weights.total(terms).backward()
    assert torch.isfinite(shape.grad).all()
