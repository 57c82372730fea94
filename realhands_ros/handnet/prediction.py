"""What the network is given and what it says, as plain arrays; no backend is named here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from realhands_ros.handnet.config import HandNetConfig

FloatArray = NDArray[np.float32]

Backend = Literal['auto', 'torch', 'compile', 'openvino']

INPUT_NAMES = ('image', 'keypoints_px', 'world', 'half_angle')


class Prediction(NamedTuple):
    """
    What the network says about B crops (of right hands, or mirrored left ones).

    ``root`` (B, 3, 3): rotation of the hand in the crop's axes; ``fingers_aa`` (B, 45);
    ``shape`` (B, 10); ``scale`` (B,) and ``centre`` (B, 2): the camera, as regressor.WeakCamera
    has it; ``stereo_logits`` (B, 2, 48): what the crop adds to the stereo weights' logits as the
    left view and as the right one; ``silhouette`` (B, S, S) in 0..1.
    """

    root: FloatArray
    fingers_aa: FloatArray
    shape: FloatArray
    scale: FloatArray
    centre: FloatArray
    stereo_logits: FloatArray
    silhouette: FloatArray


class Predictor:
    """A network ready to run; how it computes is the business of who makes it."""

    def __init__(self, config: HandNetConfig, run: Callable[..., Prediction]) -> None:
        """Take the network's configuration, and a function of what ``__call__`` is given."""
        self.config = config
        self._run = run

    def __call__(
        self,
        image: NDArray[np.uint8],
        keypoints_px: FloatArray,
        world: FloatArray,
        half_angle: FloatArray,
    ) -> Prediction:
        """
        Look at B crops.

        ``image`` (B, S, S, 3): RGB. ``keypoints_px`` (B, 21, 2): pixels of the crop, NaN where
        unknown. ``world`` (B, 21, 3) and ``half_angle`` (B,): see inputs.network_input.
        """
        return self._run(image, keypoints_px, world, half_angle)
