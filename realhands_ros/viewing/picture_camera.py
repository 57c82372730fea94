"""The camera behind a picture: assumed from a field of view, or read from a calibration file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, cast

import cv2
import numpy as np
import yaml  # type: ignore[import-untyped]
from numpy.typing import NDArray

from realhands_ros.errors import CalibrationError, ConfigError
from realhands_ros.geometry.camera import PinholeCamera
from realhands_ros.geometry.lens import DistortionModel, Lens

FloatArray = NDArray[np.float64]
Image = NDArray[np.uint8]

DEFAULT_FIELD_OF_VIEW_DEG = 60.0
_FIELDS_OF_VIEW_DEG = (5.0, 170.0)
# The names that ROS gives distortion models, as Lens knows them.
_LENS_MODELS: dict[str, DistortionModel] = {
    'plumb_bob': 'plumb_bob',
    'rational_polynomial': 'plumb_bob',
    'equidistant': 'equidistant',
    'fisheye': 'equidistant',
}


class PictureCamera(Protocol):
    """What is known of the camera that took some pictures."""

    def see(self, picture: Image) -> tuple[Image, PinholeCamera]:
        """Return a picture (H, W, 3) free of distortion, and the camera that would take it."""


@dataclass(frozen=True)
class AssumedCamera:
    """
    An undistorted camera whose longer side spans ``field_of_view_deg`` degrees.

    Sizes and distances are as good as this guess. Raises ConfigError for less than 5 degrees or
    more than 170.
    """

    field_of_view_deg: float = DEFAULT_FIELD_OF_VIEW_DEG

    def __post_init__(self) -> None:
        """Check the range."""
        low, high = _FIELDS_OF_VIEW_DEG
        if not low <= self.field_of_view_deg <= high:
            message = (
                f'the field of view is {self.field_of_view_deg:g} degrees; '
                f'it must be between {low:g} and {high:g}'
            )
            raise ConfigError(message)

    def see(self, picture: Image) -> tuple[Image, PinholeCamera]:
        """Return the picture itself, and its camera."""
        height, width = picture.shape[:2]
        focal = 0.5 * max(width, height) / np.tan(np.deg2rad(self.field_of_view_deg) / 2)
        centre = ((width - 1) / 2, (height - 1) / 2)
        intrinsics = np.array([[focal, 0, centre[0]], [0, focal, centre[1]], [0, 0, 1]])
        return picture, PinholeCamera(intrinsics, width, height)


class CalibratedCamera:
    """A camera with a calibration; its pictures are undistorted, their intrinsics stay K."""

    def __init__(self, camera: PinholeCamera, lens: Lens | None, name: str) -> None:
        """``name`` is what errors call the calibration; ``lens`` None: no distortion."""
        self._camera = camera
        self._name = name
        self._map: tuple[NDArray[np.float32], NDArray[np.float32]] | None = None
        if lens is not None:
            rows, columns = np.mgrid[: camera.height, : camera.width]
            pixels = np.stack([columns, rows], axis=-1).reshape(-1, 2)
            raw = lens.distort(pixels).astype(np.float32)
            raw = raw.reshape(camera.height, camera.width, 2)
            self._map = np.ascontiguousarray(raw[..., 0]), np.ascontiguousarray(raw[..., 1])

    @classmethod
    def read(cls, path: Path) -> CalibratedCamera:
        """
        Read a camera_info file, as ROS's camera_calibration and camera_info_manager write it.

        Raises CalibrationError when it is missing, no such file, or of no usable camera.
        """
        entries = _entries(path)
        try:
            width, height = int(entries['image_width']), int(entries['image_height'])
            intrinsics = _matrix(entries['camera_matrix']).reshape(3, 3)
            coefficients = _matrix(entries.get('distortion_coefficients', {'data': []}))
            model = str(entries.get('distortion_model', 'plumb_bob'))
        except (KeyError, TypeError, ValueError) as error:
            message = (
                f'{path} is no camera_info file ({error!r}): it needs image_width, image_height, '
                'camera_matrix and distortion_coefficients, as camera_calibration writes them'
            )
            raise CalibrationError(message) from error
        return cls(
            PinholeCamera(intrinsics, width, height),
            _lens(intrinsics, coefficients, model) if coefficients.any() else None,
            str(path),
        )

    def see(self, picture: Image) -> tuple[Image, PinholeCamera]:
        """Undistort a picture; CalibrationError when it has another size than the calibration."""
        height, width = picture.shape[:2]
        if (width, height) != (self._camera.width, self._camera.height):
            message = (
                f'the picture is {width}x{height}, the calibration {self._name} is for '
                f'{self._camera.width}x{self._camera.height}: calibrate at the size of the '
                'pictures, or give --field-of-view instead'
            )
            raise CalibrationError(message)
        if self._map is not None:
            picture = np.asarray(cv2.remap(picture, *self._map, cv2.INTER_LINEAR), np.uint8)
        return picture, self._camera


def _entries(path: Path) -> Mapping[str, Any]:
    try:
        entries = yaml.safe_load(path.read_text())
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        message = f'{path} cannot be read as YAML ({error}): name a camera_info file'
        raise CalibrationError(message) from error
    if not isinstance(entries, dict):
        message = f'{path} holds no camera_info: name a file that camera_calibration wrote'
        raise CalibrationError(message)
    return cast('dict[str, Any]', entries)


def _matrix(entry: Any) -> FloatArray:
    return np.asarray(entry['data'], dtype=np.float64)


def _lens(intrinsics: FloatArray, coefficients: FloatArray, model: str) -> Lens:
    if model not in _LENS_MODELS:
        message = f'distortion model {model!r} is unknown; use {", ".join(_LENS_MODELS)}'
        raise CalibrationError(message)
    return Lens(intrinsics, coefficients, _LENS_MODELS[model])
