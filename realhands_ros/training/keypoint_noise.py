"""
What a keypoint detector adds to the truth: an elliptical distribution fitted to its errors.

Errors are measured in the hand's own axes and size, so that the fit covers all hands: the unit is
the longer side of the keypoints' box, y runs from the wrist to the middle finger's base, x across
towards the thumb. World landmarks are compared after both hands were centred. All 105 errors of a
hand (42 in the image, 63 in 3D) have one bias and one covariance, which holds what belongs
together (a finger taken for its neighbour, a hand too large); their common size is drawn from the
fitted hands, which keeps the rare gross errors.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from realhands_ros.data.topology import KEYPOINT_NAMES, NUM_KEYPOINTS
from realhands_ros.errors import ConfigError, DatasetError

FloatArray = NDArray[np.float64]

NUM_ERRORS = NUM_KEYPOINTS * 5
_MIDDLE_BASE = KEYPOINT_NAMES.index('middle_mcp')
_INDEX_BASE = KEYPOINT_NAMES.index('index_mcp')
_LITTLE_BASE = KEYPOINT_NAMES.index('little_mcp')
# World landmarks are in metres; a hand is about this long.
_HAND_LENGTH_M = 0.18
_QUANTILES = 64
_RIDGE = 1e-6
_LEAST_HANDS = 4 * NUM_ERRORS
_REMEDY = 'make it with `realhands train fit-noise`'


@dataclass(frozen=True, eq=False)
class KeypointNoise:
    """
    A detector's errors.

    ``bias`` (105,) and ``factor`` (105, 105), whose product with standard normal numbers has the
    typical errors' covariance; ``sizes`` (K,): quantiles of their common size, 1 in the median;
    ``miss_rate``: share of hands that are not found at all.
    """

    bias: FloatArray
    factor: FloatArray
    sizes: FloatArray
    miss_rate: float

    @classmethod
    def isotropic(
        cls, image: float = 0.015, world: float = 0.06, miss_rate: float = 0.03
    ) -> KeypointNoise:
        """Return independent errors of these relative sizes, for want of a fitted detector."""
        spread = np.repeat([image, world], [2 * NUM_KEYPOINTS, 3 * NUM_KEYPOINTS])
        return cls(np.zeros(NUM_ERRORS), np.diag(spread), np.ones(1), miss_rate)

    @classmethod
    def fit(
        cls,
        keypoints_px: FloatArray,
        keypoints_cam: FloatArray,
        detected_px: FloatArray,
        detected_world: FloatArray,
    ) -> KeypointNoise:
        """
        Fit to N views of right hands (mirror left ones first).

        ``keypoints_px`` (N, 21, 2) and ``keypoints_cam`` (N, 21, 3) are true; ``detected_px`` and
        ``detected_world`` of the same shapes are the detector's, all NaN for a hand it missed.
        Raises DatasetError for too few found hands.
        """
        found = np.isfinite(detected_px).all(axis=(1, 2)) & np.isfinite(detected_world).all(
            axis=(1, 2)
        )
        if found.sum() < _LEAST_HANDS:
            message = (
                f'the detector found {found.sum()} of {len(found)} hands; the fit needs '
                f'{_LEAST_HANDS} or more: give it more samples'
            )
            raise DatasetError(message)
        errors = np.stack([
            _relative_errors(*hand)
            for hand in zip(
                keypoints_px[found],
                keypoints_cam[found],
                detected_px[found],
                detected_world[found],
                strict=True,
            )
        ])  # fmt: skip
        bias = np.median(errors, axis=0)
        covariance, sizes = _elliptical_fit(errors - bias)
        factor = np.linalg.cholesky(covariance)
        quantiles = np.quantile(sizes, (np.arange(_QUANTILES) + 0.5) / _QUANTILES)
        return cls(bias, factor, quantiles, 1.0 - float(found.mean()))

    def draw(
        self, rng: np.random.Generator, keypoints_px: FloatArray, keypoints_cam: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        """
        Return detected keypoints (21, 2) and world landmarks (21, 3) of one right hand.

        ``keypoints_px`` (21, 2) and ``keypoints_cam`` (21, 3) are the true ones.
        """
        size = self.sizes[rng.integers(len(self.sizes))]
        errors = self.bias + size * (self.factor @ rng.standard_normal(NUM_ERRORS))
        axes, unit = _hand_axes(keypoints_px)
        image_errors = errors[: 2 * NUM_KEYPOINTS].reshape(-1, 2) @ axes * unit
        world_errors = errors[2 * NUM_KEYPOINTS :].reshape(-1, 3) * _HAND_LENGTH_M
        world_errors[:, :2] = world_errors[:, :2] @ axes
        centred = keypoints_cam - keypoints_cam.mean(axis=0)
        return keypoints_px + image_errors, centred + world_errors

    def save(self, path: Path | str) -> None:
        """Write the fit to an npz file."""
        np.savez_compressed(
            path,
            bias=self.bias,
            factor=self.factor.astype(np.float32),
            sizes=self.sizes,
            miss_rate=self.miss_rate,
        )

    @classmethod
    def load(cls, path: Path | str) -> KeypointNoise:
        """Read a fit; ConfigError when the file is missing or holds something else."""
        try:
            with np.load(path, allow_pickle=False) as archive:
                noise = cls(
                    archive['bias'].astype(np.float64),
                    archive['factor'].astype(np.float64),
                    archive['sizes'].astype(np.float64),
                    float(archive['miss_rate']),
                )
        except (OSError, EOFError, KeyError, ValueError) as error:
            message = f'{path} is no fit of keypoint noise ({error}): {_REMEDY}'
            raise ConfigError(message) from error
        if noise.bias.shape != (NUM_ERRORS,) or noise.factor.shape != (NUM_ERRORS, NUM_ERRORS):
            message = (
                f'{path} holds arrays of other shapes than a fit of keypoint noise: {_REMEDY}'
            )
            raise ConfigError(message)
        return noise


def _hand_axes(keypoints_px: FloatArray) -> tuple[FloatArray, float]:
    """Return the hand's axes in the image as rows (2, 2), and the unit of length in pixels."""
    along = keypoints_px[_MIDDLE_BASE] - keypoints_px[0]
    length = float(np.linalg.norm(along))
    y = along / length if length > 1e-9 else np.array([0.0, -1.0])
    x = np.array([-y[1], y[0]])
    # Towards the thumb, whichever side of the hand is seen.
    if (keypoints_px[_INDEX_BASE] - keypoints_px[_LITTLE_BASE]) @ x < 0:
        x = -x
    return np.stack([x, y]), max(float(np.ptp(keypoints_px, axis=0).max()), 1e-6)


def _relative_errors(
    keypoints_px: FloatArray,
    keypoints_cam: FloatArray,
    detected_px: FloatArray,
    detected_world: FloatArray,
) -> FloatArray:
    """Return the errors (105,) of one hand in its own axes and units; the inverse of draw."""
    axes, unit = _hand_axes(keypoints_px)
    image = (detected_px - keypoints_px) @ axes.T / unit
    world = (detected_world - detected_world.mean(0)) - (keypoints_cam - keypoints_cam.mean(0))
    world[:, :2] = world[:, :2] @ axes.T
    return np.concatenate([image.ravel(), (world / _HAND_LENGTH_M).ravel()])


def _elliptical_fit(errors: FloatArray) -> tuple[FloatArray, FloatArray]:
    """
    Return the covariance (D, D) of typical errors (N, D), and the size (N,) of each.

    Tyler's M-estimator: each error counts by its direction only, so that gross errors do not
    widen the ellipse; what is left of their size goes into the second result.
    """
    count, dimension = errors.shape
    covariance = np.cov(errors.T) + _RIDGE * np.eye(dimension)
    for _ in range(20):
        distances = _mahalanobis(errors, covariance)
        weighted = errors / np.maximum(distances, 1e-9)[:, None]
        covariance = weighted.T @ weighted / count + _RIDGE * np.eye(dimension)
    sizes = _mahalanobis(errors, covariance)
    scale = float(np.median(sizes))
    return covariance * scale**2, sizes / scale


def _mahalanobis(errors: FloatArray, covariance: FloatArray) -> FloatArray:
    """Return the length of each error in units of the ellipse, divided by the root of D."""
    whitened = np.linalg.solve(np.linalg.cholesky(covariance), errors.T)
    length: FloatArray = np.linalg.norm(whitened, axis=0) / np.sqrt(len(whitened))
    return length
