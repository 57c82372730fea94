"""Pictures through the pipeline: their camera, the run, and the meshes as files."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any, Protocol, cast

import cv2
import numpy as np
import trimesh
import yaml
from numpy.typing import NDArray

from realhands_ros.arrays import FloatArray
from realhands_ros.data.frames import StereoFrame
from realhands_ros.data.hands import HandMesh
from realhands_ros.errors import CalibrationError, ConfigError
from realhands_ros.geometry.camera import Lens, PinholeCamera
from realhands_ros.hand.model_file import default_model_folder, load_hand_model_data
from realhands_ros.messages.cameras import LENS_MODELS
from realhands_ros.pipeline import FrameResult, HandPipeline
from realhands_ros.viewing.mesh_overlay import MeshOverlay, hand_label
from realhands_ros.viewing.pictures import (
    Picture,
    PictureOutput,
    PictureSource,
    Window,
    make_folder,
    refuse_existing,
)

# The camera behind a picture: assumed from a field of view, or read from a calibration file.

Image = NDArray[np.uint8]

DEFAULT_FIELD_OF_VIEW_DEG = 60.0
_FIELDS_OF_VIEW_DEG = (5.0, 170.0)


class PictureCamera(Protocol):
    """The camera of some pictures, calibrated or assumed."""

    def undistort(self, picture: Image) -> tuple[Image, PinholeCamera]:
        """Return a picture (H, W, 3) without lens distortion, and its pinhole camera."""


@dataclass(frozen=True)
class AssumedCamera:
    """
    An undistorted camera whose longer side spans ``field_of_view_deg`` degrees.

    Reconstructed sizes and distances scale with this assumption. Raises ConfigError for less than
    5 degrees or more than 170.
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

    def undistort(self, picture: Image) -> tuple[Image, PinholeCamera]:
        """Return the picture itself, and its camera."""
        height, width = picture.shape[:2]
        return picture, PinholeCamera.of_field_of_view(width, height, self.field_of_view_deg)


class CalibratedCamera:
    """A camera with a calibration; its pictures are undistorted, their intrinsics stay K."""

    def __init__(self, camera: PinholeCamera, lens: Lens | None, name: str) -> None:
        """Take a camera; ``lens`` None: no distortion; ``name`` is for error messages."""
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

        Raises CalibrationError when the file is missing, damaged, or describes no usable camera.
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

    def undistort(self, picture: Image) -> tuple[Image, PinholeCamera]:
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
    if model not in LENS_MODELS:
        message = f'distortion model {model!r} is unknown; use {", ".join(LENS_MODELS)}'
        raise CalibrationError(message)
    return Lens(intrinsics, coefficients, LENS_MODELS[model])


# Meshes as Wavefront OBJ, one file a picture.


class MeshFolder:
    """
    A folder that gets an OBJ for each picture in which hands were found.

    A file has one object a hand, named by side and id. Its vertices are metres in the optical
    frame of the camera (x right, y down, z forward), so K projects them onto the picture.
    """

    def __init__(
        self, folder: Path, model_folder: Path | None = None, *, overwrite: bool = False
    ) -> None:
        """Make the folder; ConfigError when that is impossible."""
        model = model_folder or default_model_folder()
        self._faces = {side: load_hand_model_data(model, side).faces for side in ('right', 'left')}
        self._folder, self._overwrite = folder, overwrite
        make_folder(folder)

    def write(self, name: str, meshes: Sequence[HandMesh]) -> Path | None:
        """Write the hands of one picture; None without hands. ConfigError as for pictures."""
        if not meshes:
            return None
        path = self._folder / f'{name}.obj'
        refuse_existing(path, self._overwrite)
        scene = trimesh.Scene()
        for mesh in meshes:
            solid = trimesh.Trimesh(mesh.vertices_cam, self._faces[mesh.handedness], process=False)
            title = f'{mesh.handedness}_{mesh.id[:8]}'
            scene.add_geometry(solid, geom_name=title, node_name=title)
        text = trimesh.exchange.obj.export_obj(  # type: ignore[no-untyped-call]
            scene, include_normals=False, include_color=False, header=None, digits=6
        )
        try:
            path.write_text(str(text))
        except OSError as error:
            message = f'{path} cannot be written ({error.strerror}): choose another --save-meshes'
            raise ConfigError(message) from error
        return path


# Pictures through the pipeline, drawn and kept.

_FRAME_ID = 'camera'


@dataclass(frozen=True, eq=False)
class PictureResult:
    """One picture, the pipeline's result, and the files that were written."""

    picture: Picture
    drawn: NDArray[np.uint8]
    result: FrameResult
    files: tuple[Path, ...]

    @property
    def line(self) -> str:
        """Return the result in words, on one line."""
        total = sum(self.result.latency_ms.values())
        hands = [_described(mesh) for mesh in self.result.meshes] or ['no hand found']
        hands += [f'{hand.id[:6]} rejected: {hand.reason}' for hand in self.result.rejected]
        files = ', '.join(map(str, self.files))
        arrow = f' -> {files}' if files else ''
        return f'{self.picture.name}: {"; ".join(hands)} ({total:.0f} ms){arrow}'


@dataclass
class RunStatistics:
    """Frames, frames with hands, hands, and the time of each stage where there were hands."""

    frames: int = 0
    frames_with_hands: int = 0
    hands: int = 0
    latency_ms: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    def add(self, result: FrameResult) -> None:
        """Count one frame."""
        self.frames += 1
        self.hands += len(result.meshes)
        self.frames_with_hands += bool(result.meshes)
        # Without hands the later stages do nothing, which would lower their median.
        for stage, value in result.latency_ms.items() if result.observations else ():
            self.latency_ms[stage].append(value)

    @property
    def text(self) -> str:
        """Return the summary of a run, two lines."""
        stages = ', '.join(
            f'{stage} {median(values):.1f}' for stage, values in self.latency_ms.items()
        )
        counts = (
            f'{self.frames} frames, {self.frames_with_hands} with hands, {self.hands} hands found'
        )
        return f'{counts}\nmedian ms per frame with hands: {stages}' if stages else counts


@dataclass
class PictureRun:
    """
    Pictures through the pipeline, drawn, written and shown; iterating does the work.

    ``output``, ``meshes`` and ``window`` may be None; ``frames`` limits the number of pictures.
    """

    source: PictureSource
    camera: PictureCamera
    pipeline: HandPipeline
    overlay: MeshOverlay
    output: PictureOutput | None = None
    meshes: MeshFolder | None = None
    window: Window | None = None
    frames: int | None = None
    statistics: RunStatistics = field(default_factory=RunStatistics)

    def __iter__(self) -> Iterator[PictureResult]:
        """
        Process the pictures one by one; ends early when the window is closed.

        Raises CalibrationError for pictures that are not the calibration's, ConfigError for files
        that cannot be written.
        """
        for number, picture in enumerate(islice(iter(self.source), self.frames)):
            seen = self._process(number, picture)
            yield seen
            if self.window is not None and not self.window.show(
                seen.drawn, wait=not self.source.is_film
            ):
                return

    def _process(self, number: int, picture: Picture) -> PictureResult:
        image, camera = self.camera.undistort(picture.image)
        if not self.source.is_film and self.pipeline.texture is not None:
            # Another photograph may show another person.
            self.pipeline.texture.reset()
        result = self.pipeline(StereoFrame(picture.stamp_ns, _FRAME_ID, (image,), (camera,)))
        self.statistics.add(result)
        drawn = self.overlay.drawn(image, result, camera)
        files = [] if self.output is None else [self.output.write(picture, drawn)]
        if self.meshes is not None:
            name = f'frame_{number:06d}' if self.source.is_film else Path(picture.name).stem
            if not self.source.is_film:
                name = f'{number:03d}_{name}' if (self.source.expected or 0) > 1 else name
            saved = self.meshes.write(name, result.meshes)
            files += [] if saved is None else [saved]
        return PictureResult(picture, drawn, result, tuple(files))


def _described(mesh: HandMesh) -> str:
    distance = float(mesh.keypoints_cam[0, 2])
    fit = '' if np.isnan(mesh.silhouette_iou) else f', silhouette IoU {mesh.silhouette_iou:.2f}'
    return f'{hand_label(mesh)} at {distance:.2f} m{fit}'
