"""A video of the live system's results on a recording."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from realhands_ros.data.hands import HandMesh
from realhands_ros.pipeline import FrameResult
from realhands_ros.recordings.hands import RecordedHands
from realhands_ros.texture.display import TextureRenderer
from realhands_ros.viewing.bag_view import BagView
from realhands_ros.viewing.mesh_overlay import MeshOverlay
from realhands_ros.viewing.pictures import Picture, VideoOutput
from realhands_ros.viewing.scene_frame import SceneFrame

Image = NDArray[np.uint8]

_RATE = 10.0
# A little less than a frame of the video: stamps are not exact.
_PERIOD_NS = round(0.95e9 / _RATE)
_VIEWS = ('back', 'palm')
_INK_BGR = (40, 40, 40)
_PAPER_BGR = (245, 245, 245)


def write_video(recording: Path, hands: Path, path: Path) -> Path:
    """
    Write a video (.mp4) of the left images with the meshes on them, textured hands beside them.

    ``hands`` is the bag of the system's results on ``recording``. Raises what BagView and
    VideoOutput raise.
    """
    panels = _Panels()
    with VideoOutput(path, _RATE, overwrite=True) as video:
        for since_start_ns, frame in _shown(recording, hands):
            picture = Picture('', panels.drawn(frame), since_start_ns)
            video.write(picture, picture.image)
    return path


def _shown(recording: Path, hands: Path) -> Iterator[tuple[int, SceneFrame]]:
    """Yield frames at the video's rate with their times, without those that the system dropped."""
    with ExitStack() as stack:
        with_result = set(RecordedHands(hands, stack).stamps())
    first_ns, due_ns = None, 0
    for frame in BagView(recording, hands):
        first_ns = frame.stamp_ns if first_ns is None else first_ns
        since_start_ns = frame.stamp_ns - first_ns
        if frame.stamp_ns in with_result and since_start_ns >= due_ns:
            due_ns = since_start_ns + _PERIOD_NS
            yield since_start_ns, frame


class _Panels:
    """Draws the panels of one frame side by side."""

    def __init__(self) -> None:
        self._overlay = MeshOverlay('shaded')
        self._textures = TextureRenderer()
        self._atlases: dict[str, Image] = {}

    def drawn(self, frame: SceneFrame) -> Image:
        """Return overlay and novel views of one frame, BGR."""
        image = self._overlay.drawn(frame.images[0], _as_result(frame), frame.cameras[0])
        side = image.shape[0] // len(_VIEWS)
        hand = max(frame.meshes, key=lambda mesh: mesh.score, default=None)
        views = [self._novel_view(hand, frame.atlases, view, side) for view in _VIEWS]
        column = cv2.resize(np.vstack(views), (side, image.shape[0]), interpolation=cv2.INTER_AREA)
        return np.hstack([image, np.asarray(column, np.uint8)])

    def _novel_view(
        self, hand: HandMesh | None, atlases: Mapping[str, Image], view: str, size: int
    ) -> Image:
        if hand is not None and hand.id in atlases:
            # The atlas is the user's skin, so it stays valid when the hand gets a new track.
            self._atlases[hand.handedness] = atlases[hand.id]
        atlas = None if hand is None else self._atlases.get(hand.handedness)
        if hand is None or atlas is None:
            panel = np.full((size, size, 3), _PAPER_BGR, np.uint8)
        else:
            upright = _in_model_frame(hand)
            rgb = self._textures.novel_view(upright, hand.handedness, atlas, view, size)
            panel = np.ascontiguousarray(rgb[..., ::-1])
        cv2.putText(panel, view, (6, 16), cv2.FONT_HERSHEY_SIMPLEX, 0.45, _INK_BGR, 1, cv2.LINE_AA)
        return panel


def _in_model_frame(mesh: HandMesh) -> NDArray[np.float64]:
    """Return vertices (778, 3) about the wrist with the wrist's rotation taken away."""
    rotation = Rotation.from_rotvec(mesh.pose_aa[:3])
    return np.asarray(rotation.inv().apply(mesh.vertices_cam - mesh.keypoints_cam[0]))


def _as_result(frame: SceneFrame) -> FrameResult:
    return FrameResult(
        stamp_ns=frame.stamp_ns,
        frame_id='',
        observations=frame.observations,
        regressed=frame.regressed,
        refined=frame.meshes,
        rejected=(),
        latency_ms={},
    )
