"""How good a network is on held-out hands while it trains: a few numbers, no full protocol."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from realhands_ros.geometry.alignment import align_points
from realhands_ros.hand.layer import HandModel
from realhands_ros.handnet.inputs import network_input
from realhands_ros.handnet.network import HandNet, HandNetOutput, Route
from realhands_ros.handnet.posing import pose_hand
from realhands_ros.handnet.stereo import POSE_BLENDS
from realhands_ros.training.batch import TrainingBatch
from realhands_ros.training.losses import rotations_in_rig, true_hand
from realhands_ros.training.stage_model import fuse_views

_MM = 1000.0


@torch.no_grad()
def validate(
    network: HandNet,
    hand_model: HandModel,
    batches: Sequence[TrainingBatch],
    *,
    route: Route = 'both',
) -> dict[str, float]:
    """
    Return means over all crops of ``batches``, which hold stereo pairs or single views.

    ``route``: the modalities that the network has learnt to use so far. Leaves the network in
    evaluation mode.

    ``mpvpe_mm``: vertices relative to the reference keypoint; ``pa_mpvpe_mm``: after similarity
    alignment; ``keypoints_px``: distance of projected keypoints for a crop of 224; ``iou`` and
    ``accuracy`` of the silhouette at 0.5; for pairs ``stereo_<blend>_mm``, aligned, of each way of
    blending, and ``one_view_mm``, aligned, of the right views alone as the paper's Table 4 has it.
    """
    rows: dict[str, list[NDArray[np.float32]]] = {}
    network.eval()
    for batch in batches:
        images = batch.image.permute(0, 3, 1, 2).float() / 255.0
        inputs = network_input(
            network.config, images, batch.keypoints_px, batch.world, batch.half_angle
        )
        output = network(inputs, route=route)
        for name, values in _scores(network, hand_model, output, batch).items():
            rows.setdefault(name, []).append(values)
    return {name: float(np.concatenate(values).mean()) for name, values in rows.items()}


def _scores(
    network: HandNet, hand_model: HandModel, output: HandNetOutput, batch: TrainingBatch
) -> dict[str, NDArray[np.float32]]:
    regression = output.regression
    posed = pose_hand(hand_model, regression.rotations, regression.shape)
    truth = true_hand(hand_model, batch)
    projected = regression.camera.project_through(
        posed.keypoints, batch.projection, batch.half_angle
    )
    aligned = _aligned_mm(posed.vertices, truth.vertices)
    scores = {
        'mpvpe_mm': _MM * _distance(posed.vertices, truth.vertices),
        'pa_mpvpe_mm': aligned,
        'keypoints_px': 112 * _distance(projected, batch.keypoints_ndc),
    }
    if output.silhouette_logits is not None:
        scores |= _mask_scores(output.silhouette_logits[:, 0] > 0, batch.mask > 127)
    if len(batch.to_rig) % 2 == 0:
        scores['one_view_mm'] = aligned[1::2]
        target = pose_hand(
            hand_model, rotations_in_rig(batch.rotations, batch.to_rig), batch.shape
        ).vertices[::2]
        for blend in POSE_BLENDS:
            rotations, shape = fuse_views(network, regression, batch.to_rig, blend)
            fused = pose_hand(hand_model, rotations, shape).vertices
            scores[f'stereo_{blend}_mm'] = _aligned_mm(fused, target)
    return scores


def _mask_scores(found: torch.Tensor, truth: torch.Tensor) -> dict[str, NDArray[np.float32]]:
    both = (found & truth).float().sum((1, 2))
    either = (found | truth).float().sum((1, 2))
    iou = torch.where(either > 0, both / either.clamp(min=1), 1.0)
    accuracy = (found == truth).float().mean((1, 2))
    return {'iou': iou.cpu().numpy(), 'accuracy': accuracy.cpu().numpy()}


def _distance(a: torch.Tensor, b: torch.Tensor) -> NDArray[np.float32]:
    """Return the mean distance of corresponding points of each hand, (N,)."""
    return np.asarray((a - b).norm(dim=-1).mean(-1).cpu().numpy())


def _aligned_mm(points: torch.Tensor, truth: torch.Tensor) -> NDArray[np.float32]:
    source, target = points.cpu().numpy(), truth.cpu().numpy()
    moved = align_points(source, target).apply(source)
    return np.asarray(_MM * np.linalg.norm(moved - target, axis=-1).mean(-1))
