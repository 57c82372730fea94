"""The network with the losses of one stage, as one module: batch in, loss terms out."""

from __future__ import annotations

import torch
from torch import nn

from realhands_ros.errors import ConfigError
from realhands_ros.hand.layer import HandModel
from realhands_ros.handnet.inputs import network_input, to_ndc
from realhands_ros.handnet.landmarks import landmark_vector
from realhands_ros.handnet.network import HandNet, HandNetOutput, regress_features
from realhands_ros.handnet.pose_blend import PoseBlend
from realhands_ros.handnet.pose_representation import HandRotations
from realhands_ros.handnet.posing import pose_hand
from realhands_ros.handnet.regressor import Regression
from realhands_ros.handnet.stereo import POSE_BLENDS, blend_shapes
from realhands_ros.training.batch import TrainingBatch
from realhands_ros.training.frozen_encoder import FrozenEncoder
from realhands_ros.training.losses import (
    LossWeights,
    Terms,
    mano_terms,
    rotations_in_rig,
    segmentation_terms,
    stereo_terms,
)
from realhands_ros.training.stages import TrainingStage


class StageModel(nn.Module):
    """What DistributedDataParallel wraps: the forward pass and every loss of a stage."""

    def __init__(
        self,
        network: HandNet,
        hand_model: HandModel,
        stage: TrainingStage,
        weights: LossWeights,
        pose_blend: PoseBlend,
    ) -> None:
        """Freeze what the stage does not train."""
        super().__init__()
        self.network = network
        self.hand_model = hand_model
        self._stage = stage
        self._weights = weights
        self._pose_blend: PoseBlend = pose_blend
        freeze_all_but(network, stage)
        # What is not trained need not be run by what trains.
        self._draws_only = stage.trains == ('decoder',) and stage.route == 'image'
        on_cpu = next(network.parameters()).device.type == 'cpu'
        keeps_head = stage.route != 'keypoints' and 'image_head' not in stage.trains
        self._encode = None
        if keeps_head and on_cpu and not stage.cached:
            self._encode = FrozenEncoder(network, with_tail=self._draws_only)

    def forward(self, images: torch.Tensor, masks: torch.Tensor, batch: TrainingBatch) -> Terms:
        """
        Return the unweighted terms; ``images`` (N, 3, S, S) and ``masks`` (N, S, S) in 0..1.

        Where the batch has features in place of images, the regressor alone is run on them.
        """
        config = self.network.config
        objectives = self._stage.objectives
        frozen = None if self._encode is None else self._encode(images)
        if frozen is not None and (tail := frozen.tail) is not None:
            head = frozen.head
            logits = self.network.decoder(
                tail.down5, tail.down4, head.down3, head.down2, head.down1
            )
            return segmentation_terms(logits, masks, batch.has_mask)
        if batch.pooled is not None:
            landmarks = landmark_vector(
                to_ndc(batch.keypoints_px, config.input_size), batch.world, batch.half_angle
            )
            output = HandNetOutput(regress_features(self.network, batch.pooled, landmarks), None)
        else:
            output = self.network(
                network_input(config, images, batch.keypoints_px, batch.world, batch.half_angle),
                route=self._stage.route,
                with_silhouette='segmentation' in objectives,
                image=None if frozen is None else frozen.head,
            )
        terms: Terms = {}
        with torch.autocast(images.device.type, enabled=False):
            if 'mano' in objectives:
                terms |= mano_terms(
                    output.regression,
                    batch,
                    self.hand_model,
                    self._weights,
                    config.pose_representation,
                )
            if output.silhouette_logits is not None:
                terms |= segmentation_terms(output.silhouette_logits, masks, batch.has_mask)
            if 'stereo' in objectives:
                terms |= self._stereo_terms(output.regression, batch)
        return terms

    def _stereo_terms(self, regression: Regression, batch: TrainingBatch) -> Terms:
        rotations, shape = fuse_views(self.network, regression, batch.to_rig, self._pose_blend)
        truth = rotations_in_rig(batch.rotations, batch.to_rig)
        left = HandRotations(truth.root[::2], truth.fingers_aa[::2])
        with torch.no_grad():
            target = pose_hand(self.hand_model, left, batch.shape[::2])
        return stereo_terms(pose_hand(self.hand_model, rotations, shape), target)


def fuse_views(
    network: HandNet, regression: Regression, to_rig: torch.Tensor, pose_blend: PoseBlend
) -> tuple[HandRotations, torch.Tensor]:
    """
    Return rotations in the rig's axes and shapes (B, 10) of B hands seen in 2 B crops (eq. 6, 7).

    Raises ConfigError when the crops are not pairs.
    """
    if len(to_rig) % 2:
        message = (
            f'{len(to_rig)} crops are no pairs: the stereo stage needs a source of stereo pairs'
        )
        raise ConfigError(message)
    rotations = rotations_in_rig(regression.rotations, to_rig)
    left, right = (HandRotations(rotations.root[i::2], rotations.fingers_aa[i::2]) for i in (0, 1))
    weight = network.stereo(regression.base[::2], regression.base[1::2])
    blended = POSE_BLENDS[pose_blend](left, right, weight)
    return blended, blend_shapes(regression.shape[::2], regression.shape[1::2])


def freeze_all_but(network: HandNet, stage: TrainingStage) -> None:
    """Let only the stage's modules learn; frozen ones keep their batch statistics."""
    network.eval().requires_grad_(False)
    for name in stage.trains:
        if name == 'regressor.landmarks' and network.regressor.landmarks is None:
            continue
        network.get_submodule(name).train().requires_grad_(True)
