"""The losses of section 3.6 (eq. 9 to 11), and 3D terms beyond them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch.nn import functional

from realhands_ros.hand.layer import HandModel
from realhands_ros.handnet.config import HandNetConfig, PoseRepresentation
from realhands_ros.handnet.pose_representation import POSE_CODES, HandRotations
from realhands_ros.handnet.posing import PosedHand, pose_hand
from realhands_ros.handnet.regressor import Regression
from realhands_ros.training.batch import TrainingBatch

Terms = dict[str, torch.Tensor]

# The paper's weight of the camera's scale fits errors in pixels a metre in its crop of 224.
_PAPER_HALF_CROP_PX = 112.0


@dataclass(frozen=True)
class LossWeights:
    """
    Weight of each term; zero leaves it out.

    Eq. 9: ``pose`` (mean squared error of the regressed pose numbers), ``shape``,
    ``keypoints_2d`` (normalised crop coordinates), ``shape_norm``, ``camera`` (scale, in pixels a
    metre of a crop of 224). Eq. 10: ``segmentation``. Eq. 11: ``stereo_vertices`` and
    ``stereo_keypoints``. Beyond the paper, in metres: ``keypoints_3d`` and ``vertices``, mean
    distances relative to the reference keypoint in the crop's axes.
    ``projection`` of the 2D keypoints: the paper's weak perspective, or the crop's true one. In
    near views the former is off by several pixels, which the pose would have to make up for.
    """

    pose: float = 10.0
    shape: float = 1.0
    keypoints_2d: float = 100.0
    shape_norm: float = 0.5
    camera: float = 1e-5
    segmentation: float = 1.0
    stereo_vertices: float = 1.0
    stereo_keypoints: float = 1.0
    keypoints_3d: float = 0.0
    vertices: float = 0.0
    projection: Literal['weak', 'perspective'] = 'weak'

    def total(self, terms: Terms) -> torch.Tensor:
        """Return the weighted sum of the terms that there are."""
        weighted = [getattr(self, name) * term for name, term in terms.items()]
        return torch.stack(weighted).sum()


PAPER_LOSS = LossWeights()
# Distances in 3D weigh each rotation by what it moves, which the same weight on all pose numbers
# cannot; the pose term makes the start quick, and keeps pose and shape apart.
METRIC_LOSS = LossWeights(
    pose=30.0,
    shape=0.05,
    keypoints_2d=10.0,
    shape_norm=0.005,
    keypoints_3d=10.0,
    vertices=10.0,
    stereo_vertices=20.0,
    stereo_keypoints=20.0,
    projection='perspective',
)
LOSSES = {'paper': PAPER_LOSS, 'metric': METRIC_LOSS}


def mano_terms(
    regression: Regression,
    batch: TrainingBatch,
    hand_model: HandModel,
    weights: LossWeights,
    representation: PoseRepresentation,
) -> Terms:
    """Return the terms of eq. 9 (and the 3D ones, where they have a weight) for N crops."""
    code = POSE_CODES[representation].encode(batch.rotations, batch.root_aa)
    posed = pose_hand(hand_model, regression.rotations, regression.shape)
    camera = regression.camera
    if weights.projection == 'weak':
        projected = camera.project(posed.keypoints)
    else:
        projected = camera.project_through(posed.keypoints, batch.projection, batch.half_angle)
    scale_px = _PAPER_HALF_CROP_PX * (camera.scale - batch.scale)
    weight = batch.pose_weight
    terms = {
        'pose': _mean((regression.pose_code - code).square().mean(1), weight),
        'shape': _mean((regression.shape - batch.shape).square().mean(1), batch.has_shape),
        'keypoints_2d': _mean((projected - batch.keypoints_ndc).square().mean((1, 2)), weight),
        'shape_norm': regression.shape.square().mean(),
        'camera': _mean(scale_px.square(), batch.is_metric),
    }
    if weights.keypoints_3d:
        keypoints = _in_size_of(batch.keypoints, posed.keypoints, batch.is_metric)
        terms['keypoints_3d'] = _mean(_distance(keypoints, batch.keypoints).mean(1), weight)
    if weights.vertices:
        truth = true_hand(hand_model, batch)
        distance = _distance(posed.vertices, truth.vertices).mean(1)
        terms['vertices'] = _mean(distance, batch.has_shape)
    return terms


def segmentation_terms(logits: torch.Tensor, masks: torch.Tensor, has_mask: torch.Tensor) -> Terms:
    """
    Return the binary cross entropy (eq. 10) of logits (N, 1, S, S) and masks (N, S, S).

    A pixel of a mask counts by how far it is from 1/2, which stands for unknown.
    """
    cross_entropy = functional.binary_cross_entropy_with_logits(
        logits[:, 0].float(), masks, reduction='none'
    )
    known = (2 * masks - 1).abs()
    return {'segmentation': _mean((known * cross_entropy).mean((1, 2)), has_mask)}


def stereo_terms(posed: PosedHand, truth: PosedHand) -> Terms:
    """Return the terms of eq. 11: mean squared errors of fused hands, in decimetres squared."""
    return {
        'stereo_vertices': functional.mse_loss(10 * posed.vertices, 10 * truth.vertices),
        'stereo_keypoints': functional.mse_loss(10 * posed.keypoints, 10 * truth.keypoints),
    }


def rotations_in_rig(rotations: HandRotations, to_rig: torch.Tensor) -> HandRotations:
    """Take rotations from the axes of N crops to the rig's; ``to_rig`` (N, 3, 3)."""
    return HandRotations(to_rig @ rotations.root, rotations.fingers_aa)


@torch.no_grad()
def true_hand(hand_model: HandModel, batch: TrainingBatch) -> PosedHand:
    """Return the true hands in the axes of their crops; only right where shapes are known."""
    return pose_hand(hand_model, batch.rotations, batch.shape)


def default_loss(config: HandNetConfig) -> str:
    """Return the name of the loss that a network is trained with unless told otherwise."""
    return 'paper' if config.name == 'paper' else 'metric'


def _distance(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    # The root's gradient is not finite where the points coincide.
    return ((a - b).square().sum(-1) + 1e-8).sqrt()


def _in_size_of(
    target: torch.Tensor, points: torch.Tensor, is_metric: torch.Tensor
) -> torch.Tensor:
    """Return points (N, P, 3), in the size of the target where that is not metric."""
    fitted = (points * target).sum((1, 2)) / points.square().sum((1, 2)).clamp(min=1e-8)
    scale = torch.where(is_metric, torch.ones_like(fitted), fitted)
    return scale[:, None, None] * points


def _mean(values: torch.Tensor, counted: torch.Tensor) -> torch.Tensor:
    """Return the mean of values (N,) by what each counts (N,), zero where none does."""
    weights = counted.to(values.dtype)
    return (weights * values).sum() / weights.sum().clamp(min=1.0)
