"""The network as a whole, for one view; for a pair the same weights see both views."""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
from torch import nn
from torch.nn import functional

from realhands_ros.data.topology import NUM_KEYPOINTS
from realhands_ros.handnet.blocks import initialise
from realhands_ros.handnet.config import HandNetConfig
from realhands_ros.handnet.decoder import SegmentationDecoder
from realhands_ros.handnet.encoder import EncoderHead, EncoderTail, HeadFeatures
from realhands_ros.handnet.fusion import ModalityFusion
from realhands_ros.handnet.landmarks import NUM_LANDMARK_NUMBERS
from realhands_ros.handnet.regressor import HandRegressor, Regression
from realhands_ros.handnet.stereo import StereoWeights

# Which modalities take part. The first training stages leave one of them, and with it the fusion
# and the landmark branch, out of the flow of information.
Route = Literal['image', 'keypoints', 'both']


class HandNetInput(NamedTuple):
    """
    A batch of crops of right hands (left ones mirrored); handnet/inputs makes it.

    ``image`` (B, 3, S, S) RGB, normalised; ``heatmaps`` (B, 21, S, S); ``landmarks`` (B, 128).
    """

    image: torch.Tensor
    heatmaps: torch.Tensor
    landmarks: torch.Tensor


class HandNetOutput(NamedTuple):
    """The regression, and the silhouette's logits (B, 1, S, S) if they were asked for."""

    regression: Regression
    silhouette_logits: torch.Tensor | None


class HandNet(nn.Module):
    """
    Encoder, fusion, regressor and segmentation decoder (Fig. 2; Fig. 1 to 3 of the supplement).

    ``stereo`` holds the one layer that only pairs of views use.
    """

    def __init__(self, config: HandNetConfig) -> None:
        super().__init__()
        self.config = config
        self.image_head = EncoderHead(config, 3)
        self.keypoint_head = EncoderHead(config, NUM_KEYPOINTS)
        self.fusion = ModalityFusion(config)
        self.tail = EncoderTail(config)
        self.regressor = HandRegressor(config)
        self.decoder = SegmentationDecoder(config)
        self.stereo = StereoWeights(config)
        initialise(self)

    def forward(
        self,
        inputs: HandNetInput,
        *,
        route: Route = 'both',
        with_silhouette: bool = True,
    ) -> HandNetOutput:
        """Look at a batch of crops; a silhouette needs the image to be on the route."""
        image: HeadFeatures | None = None
        if route == 'keypoints':
            features = self.keypoint_head(inputs.heatmaps).down3
        else:
            image = self.image_head(inputs.image)
            features = image.down3
        if route == 'both':
            features = self.fusion(features, self.keypoint_head(inputs.heatmaps).down3)
        tail = self.tail(features)
        landmarks = inputs.landmarks.float()
        if route != 'both':
            landmarks = torch.zeros_like(landmarks)
        pooled = functional.adaptive_avg_pool2d(tail.down5, 1).flatten(1)
        # Rotations and metres need more digits than bfloat16 has.
        with torch.autocast(pooled.device.type, enabled=False):
            regression = self.regressor(pooled.float(), landmarks)
        logits = None
        if with_silhouette and image is not None:
            logits = self.decoder(tail.down5, tail.down4, features, image.down2, image.down1)
        return HandNetOutput(regression, logits)


def example_input(config: HandNetConfig, batch: int) -> HandNetInput:
    """Return an empty input of the right shapes, for export and timing."""
    size = config.input_size
    return HandNetInput(
        torch.zeros(batch, 3, size, size),
        torch.zeros(batch, NUM_KEYPOINTS, size, size),
        torch.zeros(batch, NUM_LANDMARK_NUMBERS),
    )
