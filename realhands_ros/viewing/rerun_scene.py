"""Hands as a Rerun recording: images, meshes in space, cameras, paths and plots."""

from __future__ import annotations

import importlib
from collections import defaultdict, deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import cv2
import numpy as np
from numpy.typing import NDArray

from realhands_ros.data.hands import SIDE_COLOURS, HandMesh, HandView, MeshTopology
from realhands_ros.data.topology import KEYPOINT_PARENTS, Handedness
from realhands_ros.errors import ConfigError
from realhands_ros.geometry.camera import PinholeCamera
from realhands_ros.geometry.rasterizer import vertex_normals
from realhands_ros.hand.model_file import default_model_folder, load_mesh_topology
from realhands_ros.messages.topics import EYES
from realhands_ros.viewing.mesh_overlay import silhouette_outlines
from realhands_ros.viewing.pictures import (
    has_display,
    make_folder,
    refuse_existing,
    require_display,
)
from realhands_ros.viewing.scene_frame import Image, SceneFrame, hand_keys

# Where a Rerun recording goes: a viewer, a browser, a file.

_APPLICATION = 'realhands'
_SUFFIX = '.rrd'


@dataclass(frozen=True)
class Destination:
    """
    Where a recording goes: a file (``save``), a browser (``web``), or else a viewer.

    ``web_port`` and ``grpc_port`` serve the page and the data to the browser.
    """

    save: Path | None = None
    web: bool = False
    overwrite: bool = False
    web_port: int = 9090
    grpc_port: int = 9876

    def check(self) -> None:
        """Raise ConfigError without Rerun or a screen, and for a file that cannot be written."""
        load_rerun()
        if self.save is not None:
            if self.web:
                message = 'give --save or --web, not both'
                raise ConfigError(message)
            if self.save.suffix != _SUFFIX:
                message = f'{self.save} is no name of a Rerun recording: end it in {_SUFFIX}'
                raise ConfigError(message)
            refuse_existing(self.save, self.overwrite)
            make_folder(self.save.parent)
        elif not self.web:
            require_display('the Rerun viewer', 'use --save FILE.rrd or --web')

    def open(self) -> Any:
        """Return a new rerun.RecordingStream that goes there; ConfigError if it cannot."""
        self.check()
        rr = load_rerun()
        stream = rr.RecordingStream(_APPLICATION)
        try:
            if self.save is not None:
                stream.save(self.save)
            elif self.web:
                address = rr.serve_grpc(grpc_port=self.grpc_port, recording=stream)
                rr.serve_web_viewer(
                    web_port=self.web_port, connect_to=address, open_browser=has_display()
                )
                print(
                    f'http://localhost:{self.web_port}/?url={quote(address, safe="")}', flush=True
                )
            else:
                stream.spawn()
        # Rerun raises RuntimeError, ValueError or OSError.
        except Exception as error:
            message = f'Rerun cannot start ({error}): is the port or the file in use?'
            raise ConfigError(message) from error
        return stream


def load_rerun() -> Any:
    """Return the module rerun; ConfigError that names the extra where it cannot be imported."""
    try:
        return importlib.import_module('rerun')
    except ImportError as error:
        message = (
            f'`realhands view` needs Rerun, which cannot be imported ({error}): install the extra '
            "`view`: pip install 'realhands[view]'"
        )
        raise ConfigError(message) from error


IntArray = NDArray[np.int64]

# The root of all 3D entities; its axes are those of the left optical frame.
WORLD = 'world'
PLOTS = ('latency', 'error_mm', 'silhouette_iou', 'reprojection_px')

# Distance of the image plane from a single camera, metres.
_IMAGE_PLANE_M = 0.12
# Width of the image planes of two cameras as a share of the baseline, so that they do not overlap.
_IMAGES_APART = 0.95
_TRUE_RGB = (60, 220, 60)
_REGRESSED_RGBA = (150, 150, 150, 120)
_OUTLINE_RGB = (255, 220, 40)
_WHITE = (255, 255, 255)
# Colours of a plot's curves, in the order of their first values.
_CURVE_RGB = (
    (240, 130, 60), (90, 170, 250), (120, 210, 110), (230, 110, 200), (240, 220, 90),
    (150, 140, 250),
)  # fmt: skip


@dataclass(frozen=True)
class SceneConfig:
    """
    Size and detail of a scene.

    ``jpeg_quality``: of the images. ``atlas_size``: largest side of a hand's texture, pixels.
    ``atlas_period_s``: shortest time between two textures of a hand. ``path_frames``: length of a
    wrist's path.
    ``model_folder``: the hand model (None: the open hand).
    """

    jpeg_quality: int = 75
    atlas_size: int = 256
    atlas_period_s: float = 2.0
    path_frames: int = 90
    model_folder: Path | None = None


class RerunScene:
    """Logs frames to one Rerun recording."""

    def __init__(self, stream: Any, config: SceneConfig | None = None) -> None:
        """``stream`` is a rerun.RecordingStream; ModelFileError when there is no hand model."""
        self.config = config or SceneConfig()
        self._rr = load_rerun()
        self._stream = stream
        folder = self.config.model_folder or default_model_folder()
        self._meshes: dict[Handedness, _SeamMesh] = {
            side: _SeamMesh(load_mesh_topology(folder, side)) for side in ('right', 'left')
        }
        self._paths: dict[str, deque[NDArray[np.floating[Any]]]] = defaultdict(
            lambda: deque(maxlen=self.config.path_frames)
        )
        self._shown: set[str] = set()
        self._begun: set[str] = set()
        self._atlas_times: dict[str, int] = {}
        self._cameras: tuple[PinholeCamera, ...] = ()
        self._frames = 0
        self._curves: dict[str, list[str]] = defaultdict(list)
        self._log(WORLD, self._rr.ViewCoordinates.RDF, static=True)
        self._send_blueprint()

    def log(self, frame: SceneFrame) -> None:
        """Log one frame."""
        self._stream.set_time('frame', sequence=self._frames)
        self._stream.set_time('stamp', timestamp=1e-9 * frame.stamp_ns)
        self._frames += 1
        self._log_cameras(frame.cameras)
        for eye, image in zip(EYES, frame.images, strict=False):
            self._log_image(f'{_camera_path(eye)}/image', image)
        shown: set[str] = set()
        for key, mesh in zip(hand_keys(frame.meshes), frame.meshes, strict=True):
            shown |= self._log_hand(key, mesh, frame)
        for key, mesh in zip(hand_keys(frame.regressed), frame.regressed, strict=True):
            shown |= self._log_regressed(key, mesh)
        shown |= self._log_observations(frame)
        for true in frame.truth:
            if true.hand is not None:
                path = f'{WORLD}/truth/{true.handedness}'
                self._log(path, self._bones_3d(true.hand.keypoints, _TRUE_RGB))
                shown.add(path)
        self._clear(self._shown - shown)
        self._shown = shown
        self._log_plots(frame)

    def _log(self, path: str, *entities: Any, static: bool = False) -> None:
        self._stream.log(path, *entities, static=static)

    def _log_cameras(self, cameras: tuple[PinholeCamera, ...]) -> None:
        if len(cameras) == len(self._cameras) and all(map(_is_same, cameras, self._cameras)):
            return
        self._cameras = cameras
        distance = _image_distance(cameras)
        for eye, camera in zip(EYES, cameras, strict=False):
            self._log(
                _camera_path(eye),
                self._rr.Transform3D(translation=camera.centre, mat3x3=camera.rotation.T),
                self._rr.Pinhole(
                    image_from_camera=camera.intrinsics,
                    resolution=[camera.width, camera.height],
                    camera_xyz=self._rr.ViewCoordinates.RDF,
                    image_plane_distance=distance,
                ),
            )

    def _log_image(self, path: str, image: Image) -> None:
        quality = [cv2.IMWRITE_JPEG_QUALITY, self.config.jpeg_quality]
        done, data = cv2.imencode('.jpg', image, quality)
        assert done
        encoded = self._rr.EncodedImage(contents=data.tobytes(), media_type='image/jpeg')
        self._log(path, encoded)

    def _log_hand(self, key: str, mesh: HandMesh, frame: SceneFrame) -> set[str]:
        """Log a mesh, its wrist's path and what the cameras see of it; return the paths."""
        base = f'{WORLD}/hands/{key}'
        paths = {base}
        if np.isfinite(mesh.vertices_cam).all():
            self._log_mesh(f'{base}/mesh', mesh)
            if mesh.id in frame.atlases:
                self._log_atlas(f'{base}/mesh', frame.atlases[mesh.id], frame.stamp_ns)
            path = self._paths[mesh.id]
            path.append(np.asarray(mesh.keypoints_cam[0]))
            colour = SIDE_COLOURS[mesh.handedness]
            self._log(f'{base}/wrist', self._rr.Points3D([path[-1]], radii=0.004, colors=colour))
            self._log(
                f'{base}/wrist_path',
                self._rr.LineStrips3D([np.stack(path)], radii=0.001, colors=colour),
            )
        for eye, view in zip(EYES, mesh.views, strict=False):
            paths |= self._log_view(eye, key, view, mesh.handedness)
        return paths

    def _log_mesh(self, path: str, mesh: HandMesh) -> None:
        shape = self._meshes[mesh.handedness]
        if path not in self._begun:
            self._begun.add(path)
            self._log(path, shape.topology(self._rr), static=True)
        if path not in self._atlas_times:
            # A hand without a texture has the colour of its side.
            tint = self._rr.Mesh3D.from_fields(albedo_factor=SIDE_COLOURS[mesh.handedness])
            self._log(path, tint)
        self._log(path, shape.posed(self._rr, mesh.vertices_cam))

    def _log_atlas(self, path: str, atlas: Image, stamp_ns: int) -> None:
        before = self._atlas_times.get(path)
        if before is not None and abs(stamp_ns - before) < 1e9 * self.config.atlas_period_s:
            return
        self._atlas_times[path] = stamp_ns
        size = self.config.atlas_size
        if len(atlas) > size:
            atlas = np.asarray(cv2.resize(atlas, (size, size), interpolation=cv2.INTER_AREA))
        texture = self._rr.Mesh3D.from_fields(
            albedo_texture_buffer=np.ascontiguousarray(atlas).tobytes(),
            albedo_texture_format=self._rr.datatypes.ImageFormat(
                width=atlas.shape[1],
                height=atlas.shape[0],
                color_model=self._rr.datatypes.ColorModel.RGB,
                channel_datatype=self._rr.datatypes.ChannelDatatype.U8,
            ),
            albedo_factor=_WHITE,
        )
        self._log(path, texture)

    def _log_regressed(self, key: str, mesh: HandMesh) -> set[str]:
        path = f'{WORLD}/regressed/{key}'
        if not np.isfinite(mesh.vertices_cam).all():
            return set()
        shape = self._meshes[mesh.handedness]
        if path not in self._begun:
            self._begun.add(path)
            self._log(path, shape.topology(self._rr), static=True)
            tint = self._rr.Mesh3D.from_fields(albedo_factor=_REGRESSED_RGBA)
            self._log(path, tint, static=True)
        self._log(path, shape.posed(self._rr, mesh.vertices_cam))
        return {path}

    def _log_observations(self, frame: SceneFrame) -> set[str]:
        """Log the detected hands that have no mesh."""
        meshed = {mesh.id for mesh in frame.meshes}
        paths: set[str] = set()
        for hand in frame.observations:
            if hand.id not in meshed:
                for eye, view in zip(EYES, hand.views, strict=False):
                    paths |= self._log_view(eye, f'seen_{hand.handedness}', view, hand.handedness)
        return paths

    def _log_view(self, eye: str, key: str, view: HandView, handedness: Handedness) -> set[str]:
        base = f'{_camera_path(eye)}/{key}_hand'
        points = np.asarray(view.keypoints_px, np.float64)
        known = np.isfinite(points).all(axis=1)
        colour = SIDE_COLOURS[handedness]
        strips = _bones(points, known)
        self._log(f'{base}/keypoints', self._rr.Points2D(points[known], radii=2.0, colors=colour))
        self._log(f'{base}/skeleton', self._rr.LineStrips2D(strips, radii=0.7, colors=colour))
        outlines = [contour.reshape(-1, 2) for contour in silhouette_outlines(view)]
        closed = [np.vstack([contour, contour[:1]]) for contour in outlines]
        self._log(f'{base}/outline', self._rr.LineStrips2D(closed, radii=0.7, colors=_OUTLINE_RGB))
        return {base}

    def _bones_3d(self, keypoints: NDArray[np.float64], colour: tuple[int, int, int]) -> Any:
        strips = _bones(keypoints, np.isfinite(keypoints).all(axis=1))
        return self._rr.LineStrips3D(strips, radii=0.0012, colors=colour)

    def _clear(self, paths: set[str]) -> None:
        for path in sorted(paths):
            self._log(path, self._rr.Clear(recursive=True))
            # The texture is cleared too, so the next hand at this path needs one.
            self._atlas_times.pop(f'{path}/mesh', None)

    def _log_plots(self, frame: SceneFrame) -> None:
        for path, value in frame.plots.items():
            plot, _, name = path.partition('/')
            curves = self._curves[plot]
            if name not in curves:
                colour = _CURVE_RGB[len(curves) % len(_CURVE_RGB)]
                lines = self._rr.SeriesLines(colors=colour, names=name.replace('/', ' '))
                self._log(path, lines, static=True)
                curves.append(name)
            self._log(path, self._rr.Scalars(float(value)))

    def _send_blueprint(self) -> None:
        import rerun.blueprint as rrb

        # Regressed meshes are hidden until the user switches them on.
        contents = [f'+ /{WORLD}/**', f'- /{WORLD}/regressed/**']
        eyes = [rrb.Spatial2DView(origin=_camera_path(eye), name=f'{eye} camera') for eye in EYES]
        plots = [
            rrb.TimeSeriesView(origin=f'/{name}', name=name.replace('_', ' ')) for name in PLOTS
        ]
        space = rrb.Spatial3DView(origin=f'/{WORLD}', contents=contents, name='hands')
        upper = rrb.Horizontal(space, rrb.Vertical(*eyes), column_shares=[3, 2])
        lower = rrb.Horizontal(*plots)
        blueprint = rrb.Blueprint(
            rrb.Vertical(upper, lower, row_shares=[3, 1]),
            rrb.TimePanel(state='collapsed'),
            rrb.SelectionPanel(state='collapsed'),
        )
        self._stream.send_blueprint(blueprint)


class _SeamMesh:
    """A mesh with one vertex per texture coordinate: doubled along the seams of the atlas."""

    def __init__(self, topology: MeshTopology) -> None:
        corners = np.stack([topology.faces, topology.face_uv], axis=-1).reshape(-1, 2)
        pairs, index = np.unique(corners, axis=0, return_inverse=True)
        self._faces = topology.faces
        self._source = pairs[:, 0]
        self._triangles = np.reshape(index, (-1, 3)).astype(np.uint32)
        # Viewers count v from the top.
        self._uv = topology.uv[pairs[:, 1]] * [1, -1] + [0, 1]

    def topology(self, rr: Any) -> Any:
        """Return triangles and texture coordinates."""
        return rr.Mesh3D.from_fields(triangle_indices=self._triangles, vertex_texcoords=self._uv)

    def posed(self, rr: Any, vertices: NDArray[np.floating[Any]]) -> Any:
        """Return positions and normals of the doubled vertices, from vertices (778, 3)."""
        normals = vertex_normals(vertices, self._faces)
        return rr.Mesh3D.from_fields(
            vertex_positions=np.asarray(vertices, np.float32)[self._source],
            vertex_normals=normals[self._source].astype(np.float32),
        )


def _bones(points: NDArray[np.float64], known: NDArray[np.bool_]) -> Sequence[NDArray[np.float64]]:
    return [
        points[[parent, child]]
        for child, parent in enumerate(KEYPOINT_PARENTS)
        if parent >= 0 and known[parent] and known[child]
    ]


def _camera_path(eye: str) -> str:
    return f'{WORLD}/{eye}_camera'


def _image_distance(cameras: Sequence[PinholeCamera]) -> float:
    if len(cameras) < 2:
        return _IMAGE_PLANE_M
    baseline = float(np.linalg.norm(cameras[1].centre - cameras[0].centre))
    return _IMAGES_APART * baseline * float(cameras[0].intrinsics[0, 0]) / cameras[0].width


def _is_same(one: PinholeCamera, other: PinholeCamera) -> bool:
    return (
        (one.width, one.height) == (other.width, other.height)
        and np.array_equal(one.intrinsics, other.intrinsics)
        and np.array_equal(one.rotation, other.rotation)
        and np.array_equal(one.translation, other.translation)
    )
