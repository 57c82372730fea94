"""
Stereo rigs as the ZED cameras' factory calibrations describe them, with small variation.

Numbers are those of the maker's calibration files for the rectified left camera: the focal length
in pixels scales with the resolution, the principal point lies within a few pixels of the middle.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from realhands_ros.errors import ConfigError
from realhands_ros.geometry.camera import StereoRig


class ZedModel(NamedTuple):
    """Focal length in pixels at 1280 x 720 and baseline in metres."""

    focal_hd720: float
    baseline: float


class Resolution(NamedTuple):
    """Image size, and the focal length relative to 1280 x 720 (HD1080 crops the sensor)."""

    width: int
    height: int
    focal_scale: float


ZED_MODELS = {
    'zed2i': ZedModel(530.0, 0.12),
    'zed2i_4mm': ZedModel(960.0, 0.12),
    'zed2': ZedModel(525.0, 0.12),
    'zed': ZedModel(700.0, 0.12),
    'zedm': ZedModel(675.0, 0.063),
}

RESOLUTIONS = {
    'VGA': Resolution(672, 376, 0.5),
    'HD720': Resolution(1280, 720, 1.0),
    'HD1080': Resolution(1920, 1080, 2.0),
}


def zed_rig(camera: str, resolution: str) -> StereoRig:
    """
    Return the nominal rectified rig of a ZED; names as in ZED_MODELS and RESOLUTIONS.

    Raises ConfigError for an unknown name.
    """
    model, size = _look_up(camera, resolution)
    focal = model.focal_hd720 * size.focal_scale
    return StereoRig.rectified(
        fx=focal,
        fy=focal,
        cx=(size.width - 1) / 2,
        cy=(size.height - 1) / 2,
        width=size.width,
        height=size.height,
        baseline=model.baseline,
    )


def sample_rig(rng: np.random.Generator, camera: str, resolution: str) -> StereoRig:
    """
    Return one specimen of a ZED: no two have the same focal length, centre and baseline.

    Raises ConfigError for an unknown name.
    """
    model, size = _look_up(camera, resolution)
    focal = model.focal_hd720 * size.focal_scale * rng.uniform(0.985, 1.015)
    offset = rng.uniform(-0.02, 0.02, 2) * size.height
    return StereoRig.rectified(
        fx=focal,
        fy=focal,
        cx=(size.width - 1) / 2 + offset[0],
        cy=(size.height - 1) / 2 + offset[1],
        width=size.width,
        height=size.height,
        baseline=model.baseline * rng.uniform(0.995, 1.005),
    )


def _look_up(camera: str, resolution: str) -> tuple[ZedModel, Resolution]:
    if camera not in ZED_MODELS or resolution not in RESOLUTIONS:
        message = (
            f'no ZED calibration for camera {camera!r} at {resolution!r}; cameras are '
            f'{", ".join(ZED_MODELS)}, resolutions {", ".join(RESOLUTIONS)}'
        )
        raise ConfigError(message)
    return ZED_MODELS[camera], RESOLUTIONS[resolution]
