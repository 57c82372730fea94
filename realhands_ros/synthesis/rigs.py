"""
Stereo rigs as the ZED cameras' factory calibrations describe them, with small variation.

Numbers are those of the maker's calibration files for the rectified left camera: the focal length
in pixels scales with the resolution, the principal point lies within a few pixels of the middle.
"""

from __future__ import annotations

import numpy as np

from realhands_ros.errors import ConfigError
from realhands_ros.geometry.camera import StereoRig
from realhands_ros.synthesis.config import RESOLUTIONS, ZED_MODELS, Resolution, ZedModel


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
